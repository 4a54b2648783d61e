/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the command-line programs share.
 * Threads: the main thread of a program. */
#ifndef MAGGIE_CLI_H
#define MAGGIE_CLI_H

#include "maggie.h"

/* First of all: standard streams that are closed would be taken by the first files that are opened.
 * Reading finds the end, writing fails. */
void cli_open_standard(void);
/* A whole number up to max with an optional K, M or G behind it (powers of 1024). */
bool cli_number(const char *text, uint64_t max, uint64_t *out);
/* Text to standard error, behind what processes have written. */
void cli_error(Maggie *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Tells how an evaluation failed: `Error: CLASS: text` with the trace, or the report of errors. */
void cli_report(Maggie *m, MaggieStatus status, const MaggieResult *r);
/* Exit status of a program that has written with stdio: 1 (and a message) when that failed. */
int cli_close_stdout(void);

#endif
