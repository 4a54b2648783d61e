/* SPDX-License-Identifier: Apache-2.0 */
/* output.h - a VM's standard output, standard error and standard input.
 *
 * Output: processes append to a buffer per stream; a dirty job writes it out while they go on. A
 * process waits only while the buffer is full. What one process writes stays in order; pieces of at
 * most OUTPUT_BUFFER bytes are never mixed with others'. A failed write (disk full, broken pipe) is
 * told to the next writer, and once more by output_flush_final.
 * Input: a line at a time; reading happens on a dirty thread.
 *
 * Lock order: a stream's `writing` before its `lock`; both before the dirty pool's. */
#ifndef MAGGIE_OUTPUT_H
#define MAGGIE_OUTPUT_H

#include "vm.h"

typedef struct Output Output;

#define OUTPUT_BUFFER ((size_t)64 << 10)
#define INPUT_LINE_MAX ((size_t)64 << 20) /* bytes of a line */

typedef enum { OUTPUT_STDOUT, OUTPUT_STDERR, OUTPUT_STREAMS } OutputStream;

/* Writes all n bytes, may block; answers 0 or an errno. On a dirty thread or the thread that calls
 * output_write_now. */
typedef int (*OutputWriter)(void *ctx, OutputStream stream, const char *bytes, size_t n);

MUST_CHECK Status output_create(Vm *vm, Output **out);
/* Writes nothing more; no dirty job may be running. */
void output_destroy(Output *o);
/* In place of file descriptors 1 and 2. Before anything is written. */
void output_set_writer(Output *o, OutputWriter writer, void *ctx);

typedef enum {
    OUTPUT_TAKEN,
    OUTPUT_FULL,  /* `waiter` is unparked when there is room */
    OUTPUT_FAILED /* an earlier write did: *error is its errno; nothing was taken */
} OutputPut;

/* Appends n bytes and, when `line`, a line end (together at most OUTPUT_BUFFER), or nothing. waiter
 * may be NULL. Any thread. */
OutputPut output_put(Output *o, OutputStream stream, const void *bytes, size_t n, bool line,
                     Process *waiter, int *error);

/* Writes what is buffered and then n more bytes, blocking. For threads that are no scheduler.
 * STATUS_IO when a write failed, also an earlier one that nobody has been told of. */
MUST_CHECK Status output_write_now(Output *o, OutputStream stream, const void *bytes, size_t n);

/* After the schedulers have been joined: writes the rest. STATUS_IO when any write of this VM to
 * standard output has failed. */
MUST_CHECK Status output_flush_final(Output *o);

/* "cannot write to standard output: no space left on device"; lasts as long as the VM. */
const char *output_error_text(Output *o, OutputStream stream, int error);
/* Lower-case text of an errno; static. */
const char *system_error_text(int error);

/* ---- input ---------------------------------------------------------------------------------- */

typedef enum {
    INPUT_LINE,
    INPUT_WAIT, /* run input_fill on a dirty thread and look again */
    INPUT_END,
    INPUT_TOO_LONG, /* the line has been dropped */
    INPUT_BAD       /* the line was not valid UTF-8 and has been dropped */
} InputState;

typedef struct InputLine {
    size_t bytes; /* without the line end (LF or CR LF) */
    size_t chars;
} InputLine;

/* Is there a line? */
InputState input_look(Output *o, InputLine *line);
/* Copies the line that input_look found and consumes it; false when it is not there any more. */
bool input_take(Output *o, const InputLine *line, void *to);
/* Waits up to a second for more input; ends early when the VM stops. `state` is the Output. */
void input_fill(void *state);

/* Nanoseconds since the VM was made: a SmallInteger for a day and a half, where the clock itself is
 * not. */
uint64_t output_uptime_ns(const Output *o);

#endif
