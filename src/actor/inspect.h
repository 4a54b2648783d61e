/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.h - asking a process about itself, without stopping or copying it.
 *
 * Who asks sends a form: a copy of an Array of its own. The process that is asked finds the form
 * among its signals, has it filled in between two slices, when its frames can be walked
 * (ActorConfig.info), and sends it back; nothing is allocated in its heap, and if it waits it goes
 * on waiting. A process that has ended answers nil. The answer comes in the order of signals: what
 * the asker sent before the question had arrived when it was answered.
 *
 * A process has one question open at a time: the answer to an older one, which it did not stay to
 * hear, is dropped. Answers are no messages.
 *
 * Threads: "owner" as in process.h; inside an epoch section. */
#ifndef MAGGIE_INSPECT_H
#define MAGGIE_INSPECT_H

#include "process.h"

/* Fragment.info of SIGNAL_INFO */
enum { INSPECT_QUESTION, INSPECT_ANSWER };

/* How many frozen values that are counted the filled form may refer to: there is room for the
 * counts (fragment_hold), since who fills it in must not fail. */
#define INSPECT_HOLDS_MAX 65u

/* Owner of p: sends a copy of `form` to another process, or to p itself. Statuses of
 * fragment_copy_out, STATUS_NO_MEMORY. */
MUST_CHECK Status process_inspect(ActorCtx *cx, Process *p, Value to, Value form);
/* Owner of p: the answer, once it has arrived (it is the caller's then); its root is the filled
 * form, or nil of a process that has ended. NULL: not yet. */
Fragment *process_inspected(Process *p);

/* The line that a process is known by to people: bytes of UTF-8. */
#define PROCESS_LABEL_MAX 60u
typedef struct ProcessLabel {
    uint8_t n;
    char bytes[PROCESS_LABEL_MAX];
} ProcessLabel;
/* Owner: keeps as many whole characters as there is room for; n 0 takes it away. */
MUST_CHECK Status process_set_label(ActorCtx *cx, Process *p, const char *bytes, size_t n);

/* Owner: the other ends of links, or of monitors, at most n pids. Answers how many there are; with
 * many, those that are being undone count too, and less than n may be told. */
uint32_t inspect_bonds(const BondTable *t, bool links, Value *pids, uint32_t n);

/* For signal.c: what a SIGNAL_INFO (taken) does. Answers its cost, or -1, f not taken: p must be at
 * rest for that. */
int32_t inspect_receive(ActorCtx *cx, Process *p, Fragment *f, bool at_rest);
/* Its receiver is gone. */
void inspect_refuse(ActorCtx *cx, Fragment *f);
/* For death.c. */
void inspect_free(ActorCtx *cx, ProcessExt *ext);

#endif
