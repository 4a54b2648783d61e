/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - a VM's standard output, error and input; see output.h.
 *
 * Each stream has two buffers: one is filled while the other is written. `lock` is held for a copy
 * or a swap only; `writing` is held during the write itself, so that the dirty job and
 * output_write_now keep the order.
 * Threads: as output.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* strerrordesc_np */
#endif
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "dirty.h"
#include "utf8.h"

typedef struct Stream {
    Output *output;
    OutputStream number;
    Lock writing; /* level 0: held around a write */
    Lock lock;    /* level 1: what follows */
    char *buffer[2];
    size_t len[2];
    unsigned fill;     /* which one is filled */
    bool running;      /* the job is submitted or running */
    int error;         /* of a write that no writer has been told of; 0 */
    bool failed;       /* some write failed */
    Process **waiters; /* to be unparked at the next room */
    size_t nwaiters;
    size_t waiters_cap;
    DirtyJob job;
} Stream;

typedef struct Input {
    Lock reading; /* level 0: one thread reads at a time */
    Lock lock;    /* level 1: what follows */
    Buf buf;
    size_t start;  /* first byte not consumed */
    size_t looked; /* bytes after start that hold no line end */
    bool end;      /* read answered nothing */
    bool too_long; /* dropping the rest of a line */
} Input;

struct Output {
    Vm *vm;
    OutputWriter writer;
    void *writer_ctx;
    uint64_t start_ns;
    Stream streams[OUTPUT_STREAMS];
    Input input;
};

const char *system_error_text(int error)
{
    switch (error) {
    case ENOENT: return "no such file or directory";
    case EACCES: return "permission denied";
    case EPERM: return "operation not permitted";
    case EEXIST: return "file exists";
    case EISDIR: return "is a directory";
    case ENOTDIR: return "not a directory";
    case ENOTEMPTY: return "directory not empty";
    case ENOSPC: return "no space left on device";
    case EPIPE: return "broken pipe";
    case EROFS: return "read-only file system";
    case ENAMETOOLONG: return "file name too long";
    case ELOOP: return "too many levels of symbolic links";
    case EMFILE: return "too many open files";
    case EFBIG: return "file too large";
    case EIO: return "input/output error";
    case EINVAL: return "invalid argument";
    case EBUSY: return "device or resource busy";
    case EXDEV: return "invalid cross-device link";
    case EBADF: return "bad file descriptor";
    case ENOMEM: return "cannot allocate memory";
    case EDQUOT: return "disk quota exceeded";
    case EILSEQ: return "not valid UTF-8";
    default: {
        const char *text = strerrordesc_np(error);
        return text ? text : "unknown error";
    }
    }
}

const char *output_error_text(Output *o, OutputStream stream, int error)
{
    char text[128];
    int n = snprintf(text, sizeof text, "cannot write to standard %s: %s",
                     stream == OUTPUT_STDOUT ? "output" : "error", system_error_text(error));
    uint32_t id;
    /* A symbol, so that it lasts: there are no more of them than numbers of errors. */
    if (symtab_intern(o->vm->symtab, text, (size_t)n, &id) != STATUS_OK)
        return "cannot write";
    return symtab_name(o->vm->symtab, id).bytes;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* write(2) without the signal that a broken pipe sends, whatever the embedder does with it. */
static ssize_t write_quietly(int fd, const char *bytes, size_t n)
{
    sigset_t pipe, before, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    ssize_t done = write(fd, bytes, n);
    int error = errno;
    if (done < 0 && error == EPIPE && !was_pending) {
        struct timespec none = {0, 0};
        while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return done;
}

/* The default OutputWriter. */
static int write_fd(void *ctx, OutputStream stream, const char *bytes, size_t n)
{
    (void)ctx;
    int fd = stream == OUTPUT_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
    while (n > 0) {
        ssize_t done = write_quietly(fd, bytes, n);
        if (done >= 0) {
            bytes += done;
            n -= (size_t)done;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            (void)poll(&p, 1, 1000); /* somebody else made the terminal non-blocking */
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Takes the list of waiters; under the lock. The caller frees it with wake_all. */
static Process **take_waiters(Stream *s, size_t *n, size_t *cap)
{
    Process **waiters = s->waiters;
    *n = s->nwaiters;
    *cap = s->waiters_cap;
    s->waiters = NULL;
    s->nwaiters = s->waiters_cap = 0;
    return waiters;
}

static void wake_all(Output *o, Process **waiters, size_t n, size_t cap)
{
    for (size_t i = 0; i < n; i++)
        process_unpark_in(NULL, o->vm->group, waiters[i]);
    env_free(o->vm->env, waiters, cap * sizeof *waiters);
}

/* Writes one buffer full. False when there is nothing to write. Holding `writing`. */
static bool flush_once(Stream *s)
{
    Output *o = s->output;
    lock_acquire(&s->lock);
    unsigned full = s->fill;
    size_t n = s->len[full], nwaiters, cap;
    if (n == 0) {
        lock_release(&s->lock);
        return false;
    }
    s->fill ^= 1; /* the other one is empty: writes come one after another */
    Process **waiters = take_waiters(s, &nwaiters, &cap);
    lock_release(&s->lock);
    wake_all(o, waiters, nwaiters, cap);
    int error = o->writer(o->writer_ctx, s->number, s->buffer[full], n);
    lock_acquire(&s->lock);
    s->len[full] = 0;
    if (error) {
        s->error = error;
        s->failed = true;
    }
    lock_release(&s->lock);
    return true;
}

static void job_run(DirtyJob *job)
{
    Stream *s = job->arg;
    /* Bounded by what is written meanwhile: other jobs need the thread too, job_done goes on. */
    lock_acquire(&s->writing);
    for (int i = 0; i < 64 && flush_once(s); i++) {
    }
    lock_release(&s->writing);
}

static void stream_submit(Stream *s);

static void job_done(DirtyJob *job, bool ran)
{
    Stream *s = job->arg;
    lock_acquire(&s->lock);
    bool more = ran && s->len[s->fill] > 0;
    s->running = more;
    lock_release(&s->lock);
    if (more)
        stream_submit(s);
}

/* `running` has just become true and there is something to write. */
static void stream_submit(Stream *s)
{
    s->job = (DirtyJob){.run = job_run, .done = job_done, .arg = s};
    Status status = dirty_submit(s->output->vm->group, &s->job);
    if (status == STATUS_OK)
        return;
    if (status == STATUS_SYSTEM) {
        /* There is no thread to be had: better a scheduler that blocks than output that stays away.
         * */
        job_run(&s->job);
    }
    /* STATUS_CLOSED: the VM stops, output_flush_final writes the rest. */
    lock_acquire(&s->lock);
    s->running = false;
    lock_release(&s->lock);
}

/* Under the lock. False: no memory to note it, the caller must come again by itself. */
static bool add_waiter(Stream *s, Process *p)
{
    if (s->nwaiters == s->waiters_cap) {
        size_t cap = s->waiters_cap ? 2 * s->waiters_cap : 8;
        Process **waiters = env_realloc(s->output->vm->env, s->waiters,
                                        s->waiters_cap * sizeof *waiters, cap * sizeof *waiters);
        if (!waiters)
            return false;
        s->waiters = waiters;
        s->waiters_cap = cap;
    }
    s->waiters[s->nwaiters++] = p;
    return true;
}

OutputPut output_put(Output *o, OutputStream stream, const void *bytes, size_t n, bool line,
                     Process *waiter, int *error)
{
    Stream *s = &o->streams[stream];
    bool submit = false;
    OutputPut answer = OUTPUT_TAKEN;
    lock_acquire(&s->lock);
    if (s->error) {
        *error = s->error;
        s->error = 0;
        answer = OUTPUT_FAILED;
    } else if (n + line > OUTPUT_BUFFER - s->len[s->fill]) {
        answer = OUTPUT_FULL;
        if (waiter && !add_waiter(s, waiter)) {
            /* Unparked at once: the next attempt to park fails, and it comes again. */
            process_unpark_in(NULL, o->vm->group, waiter);
        }
    } else {
        memcpy(s->buffer[s->fill] + s->len[s->fill], bytes, n);
        s->len[s->fill] += n;
        if (line)
            s->buffer[s->fill][s->len[s->fill]++] = '\n';
    }
    if (!s->running && s->len[s->fill] > 0)
        submit = s->running = true;
    lock_release(&s->lock);
    if (submit)
        stream_submit(s);
    return answer;
}

Status output_write_now(Output *o, OutputStream stream, const void *bytes, size_t n)
{
    Stream *s = &o->streams[stream];
    lock_acquire(&s->writing);
    while (flush_once(s)) {
    }
    int error = n > 0 ? o->writer(o->writer_ctx, stream, bytes, n) : 0;
    lock_release(&s->writing);
    lock_acquire(&s->lock);
    error = error ? error : s->error;
    s->error = 0;
    if (error)
        s->failed = true;
    lock_release(&s->lock);
    return error ? STATUS_IO : STATUS_OK;
}

Status output_flush_final(Output *o)
{
    /* Whether standard error could be written changes nothing. */
    (void)!output_write_now(o, OUTPUT_STDERR, NULL, 0);
    Status status = output_write_now(o, OUTPUT_STDOUT, NULL, 0);
    return o->streams[OUTPUT_STDOUT].failed ? STATUS_IO : status;
}

/* ---- life ----------------------------------------------------------------------------------- */

Status output_create(Vm *vm, Output **out)
{
    Output *o = env_calloc(vm->env, sizeof *o);
    if (!o)
        return STATUS_NO_MEMORY;
    o->vm = vm;
    o->writer = write_fd;
    o->start_ns = env_now_ns(vm->env);
    buf_init(&o->input.buf, vm->env, INPUT_LINE_MAX + OUTPUT_BUFFER);
    for (unsigned i = 0; i < OUTPUT_STREAMS; i++) {
        Stream *s = &o->streams[i];
        s->output = o;
        s->number = (OutputStream)i;
        s->buffer[0] = env_alloc(vm->env, 2 * OUTPUT_BUFFER);
        if (!s->buffer[0]) {
            output_destroy(o);
            return STATUS_NO_MEMORY;
        }
        s->buffer[1] = s->buffer[0] + OUTPUT_BUFFER;
    }
    *out = o;
    return STATUS_OK;
}

void output_destroy(Output *o)
{
    const Env *env = o->vm->env;
    for (unsigned i = 0; i < OUTPUT_STREAMS; i++) {
        Stream *s = &o->streams[i];
        env_free(env, s->buffer[0], 2 * OUTPUT_BUFFER);
        env_free(env, s->waiters, s->waiters_cap * sizeof *s->waiters);
    }
    buf_free(&o->input.buf);
    env_free(env, o, sizeof *o);
}

void output_set_writer(Output *o, OutputWriter writer, void *ctx)
{
    o->writer = writer;
    o->writer_ctx = ctx;
}

uint64_t output_uptime_ns(const Output *o) { return env_now_ns(o->vm->env) - o->start_ns; }

/* ---- input ---------------------------------------------------------------------------------- */

/* Under the lock: bytes up to the next line end, in *n; false when there is none yet. */
static bool find_line(Input *in, size_t *n)
{
    size_t left = in->buf.len - in->start - in->looked;
    const char *from = left ? in->buf.data + in->start + in->looked : NULL;
    const char *at = left ? memchr(from, '\n', left) : NULL;
    in->looked += at ? (size_t)(at - from) : left;
    *n = in->looked;
    return at != NULL;
}

/* Under the lock: n bytes and the line end behind them (when there is one) are gone. */
static void consume(Input *in, size_t n)
{
    in->start += n;
    if (in->start < in->buf.len && in->buf.data[in->start] == '\n')
        in->start++;
    in->looked = 0;
    if (in->start == in->buf.len) {
        buf_clear(&in->buf);
        in->start = 0;
    }
}

/* Under the lock: the line of n bytes at the start, without CR. */
static InputState describe_line(const Input *in, size_t n, InputLine *line)
{
    const char *at = in->buf.data + in->start;
    line->bytes = n > 0 && at[n - 1] == '\r' ? n - 1 : n;
    return utf8_check(at, line->bytes, &line->chars) ? INPUT_LINE : INPUT_BAD;
}

/* Under the lock: a whole line, or the rest before the end. */
static bool have_line(Input *in, size_t *n) { return find_line(in, n) || (in->end && *n > 0); }

InputState input_look(Output *o, InputLine *line)
{
    Input *in = &o->input;
    InputState answer = INPUT_WAIT;
    size_t n;
    lock_acquire(&in->lock);
    if (have_line(in, &n)) {
        answer = in->too_long ? INPUT_TOO_LONG : describe_line(in, n, line);
        in->too_long = false;
        if (answer != INPUT_LINE)
            consume(in, n);
    } else if (in->end) {
        in->end = in->too_long = false; /* a terminal may have more later; a file ends again */
        answer = INPUT_END;
    } else if (n > INPUT_LINE_MAX) {
        in->too_long = true;
        consume(in, n);
    }
    lock_release(&in->lock);
    return answer;
}

bool input_take(Output *o, const InputLine *line, void *to)
{
    Input *in = &o->input;
    InputLine now;
    size_t n;
    lock_acquire(&in->lock);
    bool same = have_line(in, &n) && !in->too_long && describe_line(in, n, &now) == INPUT_LINE &&
                now.bytes == line->bytes && now.chars == line->chars;
    if (same) {
        memcpy(to, in->buf.data + in->start, now.bytes);
        consume(in, n);
    }
    lock_release(&in->lock);
    return same;
}

/* Under the lock: appends what was read, or notes the end. */
static void append(Input *in, const char *bytes, size_t n)
{
    if (in->start > 0) {
        memmove(in->buf.data, in->buf.data + in->start, in->buf.len - in->start);
        in->buf.len -= in->start;
        in->start = 0;
    }
    if (n == 0)
        in->end = true;
    else if (buf_put(&in->buf, bytes, n) != STATUS_OK) {
        buf_clear(&in->buf); /* no memory for the line */
        in->looked = 0;
        in->too_long = true;
    }
}

/* Reading on would change nothing for who looks for a line. */
static bool enough(Input *in)
{
    size_t n;
    lock_acquire(&in->lock);
    bool have = have_line(in, &n) || in->end || n > INPUT_LINE_MAX;
    lock_release(&in->lock);
    return have;
}

void input_fill(void *state)
{
    Output *o = state;
    Input *in = &o->input;
    char bytes[8192];
    lock_acquire(&in->reading);
    for (int i = 0; i < 10 && !sched_stopping(o->vm->group) && !enough(in); i++) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&p, 1, 100) <= 0)
            continue; /* nothing in a tenth of a second: does anybody still want it? */
        ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        lock_acquire(&in->lock);
        append(in, bytes, n > 0 ? (size_t)n : 0); /* closed or broken input has ended */
        lock_release(&in->lock);
    }
    lock_release(&in->reading);
}
