/* SPDX-License-Identifier: Apache-2.0 */
/* crash.h - text of an exit reason, for the crash log. */
#ifndef MAGGIE_CRASH_H
#define MAGGIE_CRASH_H

#include "vm.h"

/* For ActorConfig.describe; ctx is the Vm. Symbols, strings, and the CrashReason that an unhandled
 * exception leaves (class, text, trace); other objects by their class. Writes at most n bytes,
 * which need not be one line; answers how many. */
size_t crash_describe(void *ctx, Process *p, Value reason, char *out, size_t n);

#endif
