/* SPDX-License-Identifier: Apache-2.0 */
/* shell.h - the interactive shell: reads statements, prints values and errors, survives both.
 * Threads: the main thread; shell_interrupt and shell_end any. */
#ifndef MAGGIE_SHELL_H
#define MAGGIE_SHELL_H

#include "maggie.h"

typedef struct Shell Shell;

/* Returns new; NULL (with a message) when the session cannot be made. */
Shell *shell_new(Maggie *m);
/* Until the end of input, :quit or System exit:. Answers the exit status. */
int shell_run(Shell *s);
/* Ctrl-C: forgets the input, or stops what is evaluated. */
void shell_interrupt(Shell *s);
/* Makes shell_run return soon: what is evaluated is terminated, its ensure: blocks run. */
void shell_end(Shell *s);
void shell_free(Shell *s);

#endif
