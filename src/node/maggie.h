/* SPDX-License-Identifier: Apache-2.0 */
/* maggie.h - libmaggie: the runtime of the language Maggie inside a C program.
 *
 *     Maggie *m;
 *     MaggieResult *r;
 *     if (maggie_create(NULL, &m) == MAGGIE_OK) {
 *         if (maggie_evaluate(m, "(1 to: 10) inject: 0 into: [:a :b | a + b]", 1000, &r) ==
 * MAGGIE_OK)
 *             printf("%s\n", maggie_result_text(r));
 *         maggie_result_free(r);
 *         maggie_destroy(m);
 *     }
 *
 * A Maggie is one virtual machine with schedulers (threads) of its own. Any number of them live in
 * one OS process and know nothing of each other: no state is shared, no signal handler is set, the
 * program's standard streams are written only when no `output` callback is given.
 *
 * Threads: every function may be called from any thread that belongs to the program, also at the
 * same
 * time for one Maggie, except maggie_create, maggie_destroy and the load functions, which must be
 * the only call for their Maggie. Callbacks come from threads of the Maggie; they must not call
 * functions of this header except maggie_stop.
 *
 * Ownership: texts and values given to a function are copied. What a function hands out through a
 * MaggieResult lives until maggie_result_free. Strings are UTF-8.
 *
 * Simulated machines (MaggieOptions.simulate) have no threads: they run inside maggie_wait,
 * maggie_evaluate, maggie_call and maggie_run_until_idle, on the calling thread, under virtual
 * time,
 * and all calls must come from one thread. Equal seeds and equal calls give equal runs. */
#ifndef MAGGIE_H
#define MAGGIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Maggie Maggie;
typedef struct MaggieResult MaggieResult;
typedef struct MaggieSession MaggieSession;

/* A process; 0 is none. Stays different from every other for the life of the Maggie. */
typedef uint64_t MaggiePid;

typedef enum MaggieStatus {
    MAGGIE_OK,
    MAGGIE_ERROR,     /* an exception that nobody handled: see the result */
    MAGGIE_SYNTAX,    /* the text does not compile: diagnostics or result text say why */
    MAGGIE_ENDED,     /* the process ended otherwise: the result's text is the reason */
    MAGGIE_TIMEOUT,   /* the time is up; the process goes on */
    MAGGIE_DEADLOCK,  /* nothing can ever run again: the result tells who waits for what */
    MAGGIE_EXITED,    /* the program ended itself (System exit:) or was stopped */
    MAGGIE_NOT_FOUND, /* no such class, file or process */
    MAGGIE_BAD_ARGUMENT,
    MAGGIE_NO_MEMORY,
    MAGGIE_IO,
    MAGGIE_INTERNAL
} MaggieStatus;

/* A text for people; static. */
const char *maggie_status_text(MaggieStatus status);
/* "0.1.0"; static. */
const char *maggie_version(void);

/* ---- life ------------------------------------------------------------------------------------ */

typedef enum { MAGGIE_STDOUT, MAGGIE_STDERR } MaggieStream;

/* What becomes of a message for which a mailbox has no room. */
typedef enum MaggieMailPolicy {
    MAGGIE_MAIL_SUSPEND_SENDER,
    MAGGIE_MAIL_REJECT,
    MAGGIE_MAIL_DROP_NEWEST,
    MAGGIE_MAIL_DROP_OLDEST,
    MAGGIE_MAIL_KILL
} MaggieMailPolicy;

/* Zero means the default for every field. */
typedef struct MaggieOptions {
    unsigned schedulers; /* threads that run processes; 0: usable cores */
    unsigned max_processes;
    unsigned max_symbols;   /* at most 4000000 */
    size_t heap_max_bytes;  /* of one process */
    size_t stack_max_bytes; /* of one process */
    uint64_t mailbox_limit; /* messages in a mailbox without a limit of its own; 0: none */
    MaggieMailPolicy mailbox_policy;
    bool strict;      /* undefined names are errors */
    bool no_warnings; /* compile warnings are not reported */
    bool full_traces; /* stack traces show what ran the program, too */
    bool simulate;
    uint64_t seed; /* simulate: equal seeds, equal runs */
    int argc;      /* what System args answers; copied */
    const char *const *argv;
    void *ctx; /* given to the callbacks */
    /* Writes everything, may block; answers 0 or an errno. NULL: file descriptors 1 and 2. */
    int (*output)(void *ctx, MaggieStream stream, const char *bytes, size_t n);
    /* One line about a crash or the like, without line end. NULL: standard error. */
    void (*log)(void *ctx, const char *line, size_t n);
    /* Compile errors and warnings of loaded files as text. NULL: standard error. */
    void (*diagnostics)(void *ctx, const char *bytes, size_t n);
} MaggieOptions;

/* A running machine with its class library. options may be NULL. */
MaggieStatus maggie_create(const MaggieOptions *options, Maggie **out);
/* Asks the machine to stop: what waits gets MAGGIE_EXITED. Also from callbacks. */
void maggie_stop(Maggie *m);
/* Stops and frees. MAGGIE_IO when standard output could not be written to its end. m may be NULL.
 * */
MaggieStatus maggie_destroy(Maggie *m);
/* Whether the program has asked for the end (System exit:), and with which status. */
bool maggie_exit_requested(Maggie *m, int *status);

/* ---- loading ----------------------------------------------------------------------------------
 * */

/* Loads definitions as one batch. With any error nothing is installed and the answer is
 * MAGGIE_SYNTAX (MAGGIE_NOT_FOUND when a file cannot be read); diagnostics got the texts.
 * Statements
 * of script files are kept for maggie_start_script. */
MaggieStatus maggie_load_files(Maggie *m, const char *const *paths, size_t n);
/* The same for a text; `name` stands for the file in messages. */
MaggieStatus maggie_load_text(Maggie *m, const char *name, const char *text, size_t len);
/* Starts the statements of the next loaded script; MAGGIE_NOT_FOUND when there are no more. */
MaggieStatus maggie_start_script(Maggie *m, MaggiePid *pid);

/* Whether there is such a class (full name). */
bool maggie_has_class(Maggie *m, const char *name);
/* Whether a class, or its instances, understand a selector. */
bool maggie_understands(Maggie *m, const char *class_name, const char *selector, bool class_side);

/* ---- values -----------------------------------------------------------------------------------
 * */

typedef enum MaggieKind {
    MAGGIE_NIL,
    MAGGIE_BOOL,
    MAGGIE_INT,       /* as.integer; bigger integers are MAGGIE_OTHER */
    MAGGIE_FLOAT,     /* as.number */
    MAGGIE_STRING,    /* as.text */
    MAGGIE_SYMBOL,    /* as.text */
    MAGGIE_CHARACTER, /* as.character: code point */
    MAGGIE_ARRAY,     /* as.array */
    MAGGIE_CLASS,     /* as.text: full name */
    MAGGIE_PROCESS,   /* as.process */
    MAGGIE_OTHER      /* as.text: the name of its class; only in results */
} MaggieKind;

typedef struct MaggieValue {
    MaggieKind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        uint32_t character;
        MaggiePid process;
        struct {
            const char *bytes; /* in results: also NUL-terminated */
            size_t len;
        } text;
        struct {
            const struct MaggieValue *items;
            size_t count;
        } array;
    } as;
} MaggieValue;

/* How an evaluation, call or process ended. */
MaggieStatus maggie_result_status(const MaggieResult *r);
/* MAGGIE_OK of an evaluation or call: its printString. MAGGIE_ERROR: "CLASS: text". Otherwise the
 * report of errors, the reason, or the list of what waits. Never NULL, also for r NULL. */
const char *maggie_result_text(const MaggieResult *r);
size_t maggie_result_text_length(const MaggieResult *r);
/* MAGGIE_OK: the value. Arrays nested deeper than 64 become MAGGIE_OTHER. Never NULL. */
const MaggieValue *maggie_result_value(const MaggieResult *r);
/* MAGGIE_ERROR: lines of the stack trace; otherwise "". */
const char *maggie_result_trace(const MaggieResult *r);
void maggie_result_free(MaggieResult *r); /* r may be NULL */

/* ---- running ----------------------------------------------------------------------------------
 * */

#define MAGGIE_FOREVER (-1)

/* Starts a process and answers at once. Statements see no top-level variables of others. Every
 * started process must be waited for once, or released. */
MaggieStatus maggie_start(Maggie *m, const char *text, MaggiePid *pid, MaggieResult **syntax);
/* Starts `CLASS SELECTOR ARGUMENTS`. A class_side of false sends to a new instance. */
MaggieStatus maggie_start_call(Maggie *m, const char *class_name, bool class_side,
                               const char *selector, const MaggieValue *args, size_t n,
                               MaggiePid *pid);
/* Waits until the process ends, at most timeout_ms. Its result is handed out once. With
 * MAGGIE_TIMEOUT the process may be waited for again. *out is always set (NULL when there is
 * nothing to tell); the caller frees it. */
MaggieStatus maggie_wait(Maggie *m, MaggiePid pid, int64_t timeout_ms, MaggieResult **out);
/* Nobody will wait for the process. */
void maggie_release(Maggie *m, MaggiePid pid);

/* Start and wait in one; after MAGGIE_TIMEOUT the process has been killed. */
MaggieStatus maggie_evaluate(Maggie *m, const char *text, int64_t timeout_ms, MaggieResult **out);
MaggieStatus maggie_call(Maggie *m, const char *class_name, const char *selector,
                         const MaggieValue *args, size_t n, int64_t timeout_ms, MaggieResult **out);

/* Sends a message; its sender is nil. selector may be NULL. MAGGIE_NOT_FOUND: the process is gone.
 * */
MaggieStatus maggie_send(Maggie *m, MaggiePid pid, const char *selector, const MaggieValue *value);
/* Asks a process to end (its ensure: blocks run); kill: at once. */
void maggie_terminate(Maggie *m, MaggiePid pid, bool kill);
/* Waits until nothing can run any more: MAGGIE_OK; MAGGIE_TIMEOUT, MAGGIE_EXITED. */
MaggieStatus maggie_run_until_idle(Maggie *m, int64_t timeout_ms);

/* ---- sessions ---------------------------------------------------------------------------------
 * */

/* A process that evaluates one text after the other; top-level variables last. */
MaggieStatus maggie_session_open(Maggie *m, MaggieSession **out);
/* MAGGIE_ENDED when the session's process is gone; open another one. */
MaggieStatus maggie_session_evaluate(MaggieSession *s, const char *text, size_t len,
                                     int64_t timeout_ms, MaggieResult **out);
/* Stops what the session evaluates; its variables stay. Any thread. */
void maggie_session_interrupt(MaggieSession *s);
/* The session's process. Any thread. */
MaggiePid maggie_session_pid(const MaggieSession *s);
/* Kills the session's process. */
void maggie_session_close(MaggieSession *s);

/* ---- output, simulation ------------------------------------------------------------------------
 * */

/* Writes behind everything that processes have written so far. MAGGIE_IO when that failed. */
MaggieStatus maggie_write(Maggie *m, MaggieStream stream, const char *bytes, size_t n);
/* Hash over everything that a simulated machine has done; 0 for others. */
uint64_t maggie_trace_hash(Maggie *m);

#ifdef __cplusplus
}
#endif

#endif
