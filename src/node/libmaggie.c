/* SPDX-License-Identifier: Apache-2.0 */
/* libmaggie.c - the C interface: life of a machine, jobs, waiting.
 *
 * A Job is made under m->lock before its process runs, and completed by a hook on the scheduler
 * thread that runs the process: `on_result` when the library delivers a value, `on_main_ended` when
 * the process ends. Waiters sleep on m->changed.
 *
 * Idleness (D15): the scheduler group is held (sched_hold) except while some thread waits, so it
 * can only be found silent when nobody outside is about to feed it; every start and send holds it
 * too
 * and takes `idle` back.
 *
 * Lock order: m->lock before anything of the VM; hooks take it holding no lock of the VM.
 * Threads: maggie.h. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot_image.h"
#include "code_life.h"
#include "image.h"
#include "info.h"
#include "interp_int.h"
#include "mailbound.h"
#include "maggie_int.h"
#include "output.h"
#include "waitable.h"

/* ---- small things ---- */

const char *maggie_version(void) { return MAGGIE_VERSION; }

const char *maggie_status_text(MaggieStatus status)
{
    switch (status) {
    case MAGGIE_OK: return "no error";
    case MAGGIE_ERROR: return "an exception was not handled";
    case MAGGIE_SYNTAX: return "the source text is not valid";
    case MAGGIE_ENDED: return "the process has ended";
    case MAGGIE_TIMEOUT: return "timed out";
    case MAGGIE_DEADLOCK: return "nothing can run any more";
    case MAGGIE_EXITED: return "the program has ended";
    case MAGGIE_NOT_FOUND: return "not found";
    case MAGGIE_BAD_ARGUMENT: return "an argument has the wrong kind or value";
    case MAGGIE_NO_MEMORY: return "out of memory";
    case MAGGIE_IO: return "input or output failed";
    case MAGGIE_INTERNAL: break;
    }
    return "an internal invariant does not hold";
}

MaggieStatus maggie_status_of(Status status)
{
    switch (status) {
    case STATUS_OK: return MAGGIE_OK;
    case STATUS_NO_MEMORY:
    case STATUS_LIMIT:
    case STATUS_PROCESS_LIMIT:
    case STATUS_SYMBOL_LIMIT: return MAGGIE_NO_MEMORY;
    case STATUS_SYNTAX: return MAGGIE_SYNTAX;
    case STATUS_NOT_FOUND:
    case STATUS_NO_PROCESS: return MAGGIE_NOT_FOUND;
    case STATUS_IO: return MAGGIE_IO;
    case STATUS_BAD_ARGUMENT:
    case STATUS_BAD_UTF8:
    case STATUS_TOO_DEEP:
    case STATUS_TOO_BIG: return MAGGIE_BAD_ARGUMENT;
    default: return MAGGIE_INTERNAL;
    }
}

/* ---- jobs ---- */

static Job *job_new(Maggie *m, bool session)
{
    Job *job = calloc(1, sizeof *job);
    if (job) {
        job->id = ++m->next_id;
        job->session = session;
        job->next = m->jobs;
        m->jobs = job;
    }
    return job;
}

static void job_free(Maggie *m, Job *job)
{
    for (Job **at = &m->jobs; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            break;
        }
    }
    maggie_result_free(job->result);
    free(job);
}

/* Takes the result. Under the lock. */
static void job_done(Maggie *m, Job *job, MaggieResult *result)
{
    job->done = true;
    job->result = result;
    if (job->released) {
        job_free(m, job);
    }
    pthread_cond_broadcast(&m->changed);
}

/* ---- hooks: on scheduler threads ---- */

static void on_result(void *embedder, Process *p, int64_t id, Value value)
{
    Maggie *m = embedder;
    (void)p;
    pthread_mutex_lock(&m->lock);
    for (Job *job = m->jobs; job; job = job->next) {
        if (job->id == id && !job->done) {
            MaggieResult *result = result_of_delivery(m->vm, value);
            if (job->session) {
                job_done(m, job, result);
            } else {
                maggie_result_free(job->result);
                job->result = result; /* done when the process has ended */
            }
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
}

static void on_main_ended(void *embedder, Process *p)
{
    Maggie *m = embedder;
    pthread_mutex_lock(&m->lock);
    for (Job *job = m->jobs, *next; job; job = next) {
        next = job->next;
        if (job->pid == p->pid && !job->done) {
            MaggieResult *delivered = job->result;
            job_done(m, job,
                     delivered ? delivered : result_of_end(m->vm, p->exit_reason, p->exit_result));
        }
    }
    pthread_mutex_unlock(&m->lock);
}

static void on_stopped(void *embedder)
{
    Maggie *m = embedder;
    pthread_mutex_lock(&m->lock);
    m->stopped = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

#define IDLE_LINES 20

typedef struct IdleReport {
    Maggie *m;
    Buf text;
    unsigned count;
    unsigned cycles;
} IdleReport;

static void describe_process(void *ctx, Process *p)
{
    IdleReport *r = ctx;
    char pid[PROCESS_PID_TEXT];
    if (r->count++ >= IDLE_LINES) {
        return;
    }
    process_pid_text(p->pid, pid);
    char on[256];
    size_t n = wait_describe(p, on, sizeof on);
    (void)buf_putf(&r->text, "  %s waits in %s%s%.*s", pid, process_wait_name(p->wait),
                   n ? ": " : "", (int)n, on);
    /* the innermost frame that is not the library's own */
    FrameWalk w = frame_top(p);
    do {
        uint32_t column, line = code_line_at(w.code, w.pc, &column);
        if (line && w.code->id >= r->m->library_codes) {
            (void)buf_putf(&r->text, " at %s:%u", w.code->file, line);
            break;
        }
    } while (frame_up(&w));
    (void)buf_puts(&r->text, "\n");
}

/* Longest cycle that is told. */
#define CYCLE_MAX 64

/* A line when p is in a cycle of processes that wait for each other; by one of them only. */
static void describe_cycle(void *ctx, Process *p)
{
    IdleReport *r = ctx;
    Value pids[CYCLE_MAX];
    size_t n = 0;
    Process *each = p;
    do {
        pids[n++] = each->pid;
        each = process_of_pid(r->m->vm->actors, info_blocker(each));
    } while (each && each != p && each->pid > p->pid && n < CYCLE_MAX);
    if (each != p || n == CYCLE_MAX || r->cycles++ >= IDLE_LINES)
        return;
    (void)buf_puts(&r->text, "  they wait for each other:");
    for (size_t i = 0; i <= n; i++) {
        char pid[PROCESS_PID_TEXT];
        process_pid_text(pids[i % n], pid);
        (void)buf_putf(&r->text, "%s %s", i ? " for" : "", pid);
    }
    (void)buf_puts(&r->text, "\n");
}

static void on_quiescent(void *embedder, Vm *vm)
{
    Maggie *m = embedder;
    IdleReport r = {.m = m};
    buf_init(&r.text, vm->env, 1 << 16);
    pthread_mutex_lock(&m->lock);
    /* Somebody may have fed the machine since the scheduler looked. Nobody can while we hold the
     * lock, so what is silent now stays so and its processes may be looked at. */
    if (m->options.simulate || sched_is_silent(vm->group)) {
        actor_each_process(vm->actors, describe_process, &r);
        if (r.count > IDLE_LINES) {
            (void)buf_putf(&r.text, "  and %u more\n", r.count - IDLE_LINES);
        }
        actor_each_process(vm->actors, describe_cycle, &r);
        free(m->idle_text);
        m->idle_text = strdup(buf_cstr(&r.text));
        m->idle = true;
        pthread_cond_broadcast(&m->changed);
    }
    pthread_mutex_unlock(&m->lock);
    buf_free(&r.text);
}

static int write_output(void *ctx, OutputStream stream, const char *bytes, size_t n)
{
    Maggie *m = ctx;
    return m->options.output(m->options.ctx, (MaggieStream)stream, bytes, n);
}

static void write_log(void *ctx, LogLevel level, const char *text, size_t len)
{
    Maggie *m = ctx;
    (void)level;
    m->options.log(m->options.ctx, text, len);
}

static void write_diagnostics(void *ctx, const char *bytes, size_t n)
{
    Maggie *m = ctx;
    if (m->options.diagnostics) {
        m->options.diagnostics(m->options.ctx, bytes, n);
    } else if (m->options.output) {
        (void)m->options.output(m->options.ctx, MAGGIE_STDERR, bytes, n);
    } else {
        (void)fwrite(bytes, 1, n, stderr);
    }
}

/* ---- life ---- */

/* Everything of an Env goes through to the system's but the log. */
static void take_log(Maggie *m)
{
    if (m->options.log) {
        m->env.log = write_log;
        m->env.ctx = m;
    }
}

static MaggieStatus copy_arguments(Maggie *m)
{
    m->argv = calloc((size_t)m->options.argc + 1, sizeof *m->argv);
    if (!m->argv) {
        return MAGGIE_NO_MEMORY;
    }
    for (int i = 0; i < m->options.argc; i++) {
        m->argv[i] = strdup(m->options.argv[i]);
        if (!m->argv[i]) {
            return MAGGIE_NO_MEMORY;
        }
    }
    m->vm->args = m->argv;
    m->vm->nargs = (uint32_t)m->options.argc;
    return MAGGIE_OK;
}

static MaggieStatus boot(Maggie *m)
{
    char error[256];
    Status status = image_load(m->vm, m->vm->outside, maggie_boot_image, maggie_boot_image_size,
                               IMAGE_TRUSTED | IMAGE_BOOT, error, sizeof error);
    if (status != STATUS_OK) {
        env_log(&m->env, LOG_LEVEL_ERROR, "the class library cannot be loaded: %s", error);
        return status == STATUS_NO_MEMORY ? MAGGIE_NO_MEMORY : MAGGIE_INTERNAL;
    }
    m->vm->boot_done = true;
    m->library_codes = m->vm->ncodes;
    return MAGGIE_OK;
}

_Static_assert((int)MAGGIE_MAIL_SUSPEND_SENDER == (int)MAIL_POLICY_SUSPEND &&
                   (int)MAGGIE_MAIL_REJECT == (int)MAIL_POLICY_REJECT &&
                   (int)MAGGIE_MAIL_DROP_NEWEST == (int)MAIL_POLICY_DROP_NEWEST &&
                   (int)MAGGIE_MAIL_DROP_OLDEST == (int)MAIL_POLICY_DROP_OLDEST &&
                   (int)MAGGIE_MAIL_KILL == (int)MAIL_POLICY_KILL,
               "one list of policies");

static MaggieStatus create(Maggie *m)
{
    if (m->options.mailbox_policy >= (MaggieMailPolicy)MAIL_POLICY_COUNT) {
        return MAGGIE_BAD_ARGUMENT;
    }
    VmConfig config = {.env = &m->env,
                       .sim = m->options.simulate ? &m->sim : NULL,
                       .sim_seed = m->options.seed,
                       .schedulers = m->options.schedulers,
                       .max_processes = m->options.max_processes,
                       .mail_limit = m->options.mailbox_limit,
                       .mail_policy = (uint32_t)m->options.mailbox_policy,
                       .symbols_max = m->options.max_symbols,
                       .heap_cap_bytes = m->options.heap_max_bytes,
                       .stack_cap_bytes = m->options.stack_max_bytes,
                       .quiescent = on_quiescent,
                       .main_ended = on_main_ended,
                       .embedder = m};
    Status status = vm_create(&config, &m->vm);
    if (status != STATUS_OK) {
        m->vm = NULL;
        return maggie_status_of(status);
    }
    m->vm->full_traces = m->options.full_traces;
    m->vm->on_result = on_result;
    m->vm->on_stopped = on_stopped;
    if (m->options.output) {
        output_set_writer(m->vm->output, write_output, m);
    }
    MaggieStatus result = copy_arguments(m);
    if (result == MAGGIE_OK) {
        result = boot(m);
    }
    if (result != MAGGIE_OK || m->options.simulate) {
        return result;
    }
    sched_hold(m->vm->group); /* until somebody waits */
    status = vm_start(m->vm);
    m->started = status == STATUS_OK;
    return maggie_status_of(status);
}

MaggieStatus maggie_create(const MaggieOptions *options, Maggie **out)
{
    Maggie *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        return MAGGIE_NO_MEMORY;
    }
    pthread_condattr_t attributes;
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (options) {
        m->options = *options;
    }
    env_system_init(&m->env);
    take_log(m);
    if (m->options.simulate) {
        env_sim_init(&m->sim, m->options.seed);
        m->sim.below = m->env;
        m->options.schedulers = m->options.schedulers ? m->options.schedulers : 4;
    }
    MaggieStatus status = create(m);
    if (status != MAGGIE_OK) {
        (void)maggie_destroy(m);
        return status;
    }
    *out = m;
    return MAGGIE_OK;
}

void maggie_stop(Maggie *m) { vm_stop(m->vm); }

MaggieStatus maggie_destroy(Maggie *m)
{
    MaggieStatus result = MAGGIE_OK;
    if (!m) {
        return result;
    }
    if (m->vm) {
        vm_stop(m->vm);
        if (m->started) {
            vm_join(m->vm);
        }
        if (output_flush_final(m->vm->output) != STATUS_OK) {
            result = MAGGIE_IO;
        }
        while (m->next_script < m->nscripts) {
            code_release_outside(m->vm, m->scripts[m->next_script++]); /* never started */
        }
        vm_destroy(m->vm);
    }
    while (m->jobs) {
        job_free(m, m->jobs);
    }
    for (int i = 0; m->argv && i < m->options.argc; i++) {
        free(m->argv[i]);
    }
    free(m->argv);
    free(m->scripts);
    free(m->idle_text);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
    return result;
}

bool maggie_exit_requested(Maggie *m, int *status)
{
    /* acquire: pairs with the exchange in System exit:; the status itself is read after waiting for
     * the end of a scheduler */
    if (!atom_load_acq(&m->vm->exit_requested)) {
        return false;
    }
    *status = m->vm->exit_status;
    return true;
}

/* ---- loading ---- */

static LoaderOptions loader_options(Maggie *m)
{
    return (LoaderOptions){.strict = m->options.strict,
                           .no_warnings = m->options.no_warnings,
                           .sink = {write_diagnostics, m}};
}

/* Runs and frees the loader. `added`: what adding the files gave. */
static MaggieStatus finish_load(Maggie *m, Loader *loader, Status added)
{
    Status status = added == STATUS_OK ? loader_run(loader) : added;
    if (status == STATUS_OK) {
        uint32_t n = loader_script_count(loader);
        Code **scripts = realloc(m->scripts, (m->nscripts + n + 1) * sizeof *scripts);
        if (!scripts) {
            status = STATUS_NO_MEMORY;
        } else {
            m->scripts = scripts;
            for (uint32_t i = 0; i < n; i++) {
                Code *code = loader_take_script(loader, i);
                if (code) {
                    m->scripts[m->nscripts++] = code;
                }
            }
        }
    }
    loader_free(loader);
    return maggie_status_of(status);
}

/* Code may be running: loading must not use the outside record, which sends take. */
static MaggieStatus with_loader(Maggie *m, Status (*add)(Loader *loader, const void *arg, size_t n),
                                const void *arg, size_t n)
{
    VmLocal *l;
    lock_acquire(&m->vm->load_lock);
    MaggieStatus result = maggie_status_of(vm_local_open(m->vm, &l));
    if (result == MAGGIE_OK) {
        LoaderOptions options = loader_options(m);
        Loader *loader = loader_new(m->vm, l, &options);
        result = loader ? finish_load(m, loader, add(loader, arg, n)) : MAGGIE_NO_MEMORY;
        vm_local_close(l);
    }
    lock_release(&m->vm->load_lock);
    return result;
}

static Status add_files(Loader *loader, const void *arg, size_t n)
{
    const char *const *paths = arg;
    Status status = STATUS_OK;
    for (size_t i = 0; i < n; i++) {
        Status added = loader_add_file(loader, paths[i], (Bytes){"", 0});
        status = status == STATUS_OK ? added : status;
    }
    return status;
}

MaggieStatus maggie_load_files(Maggie *m, const char *const *paths, size_t n)
{
    return with_loader(m, add_files, paths, n);
}

typedef struct TextSource {
    Bytes name, text;
} TextSource;

static Status add_text(Loader *loader, const void *arg, size_t n)
{
    const TextSource *source = arg;
    (void)n;
    return loader_add(loader, source->name, source->text, (Bytes){"", 0});
}

MaggieStatus maggie_load_text(Maggie *m, const char *name, const char *text, size_t len)
{
    TextSource source = {{name, strlen(name)}, {text, len}};
    return with_loader(m, add_text, &source, 1);
}

bool maggie_has_class(Maggie *m, const char *name)
{
    return class_find(m->vm, (Bytes){name, strlen(name)}) != CLASS_NONE;
}

bool maggie_understands(Maggie *m, const char *class_name, const char *selector, bool class_side)
{
    uint32_t cls = class_find(m->vm, (Bytes){class_name, strlen(class_name)});
    uint32_t symbol = symtab_lookup(m->vm->symtab, selector, strlen(selector));
    return cls != CLASS_NONE && symbol && vm_lookup(m->vm, class_side ? cls | 1u : cls, symbol);
}

/* ---- starting ---- */

/* From here to leave(): the machine cannot be found idle. */
static void enter(Maggie *m)
{
    if (!m->options.simulate) {
        sched_hold(m->vm->group);
    }
    pthread_mutex_lock(&m->lock);
    m->idle = false;
}

static void leave(Maggie *m)
{
    pthread_mutex_unlock(&m->lock);
    if (!m->options.simulate) {
        sched_release(m->vm->group);
    }
}

/* A process that runs `code`, of which the caller has a count, or (NULL) the class method
 * `selector` of the receiver. Under the lock, so that its end finds job->pid set. */
static Status spawn(Maggie *m, Job *job, Code *code, uint32_t selector, Value receiver,
                    unsigned argc, const Value *args)
{
    Vm *vm = m->vm;
    lock_acquire(&vm->outside_lock);
    epoch_begin(vm->outside->actor.epoch);
    if (!code) { /* inside the section: it may be replaced at any time */
        code = vm_lookup(vm, value_as_class(receiver) | 1u, selector);
    }
    Status status = vm_spawn_code(vm->outside, code, receiver, argc, args, &job->pid);
    epoch_end(vm->outside->actor.epoch);
    lock_release(&vm->outside_lock);
    return status;
}

/* The symbol of a class method that there is (none is ever removed), and its receiver; 0. */
static uint32_t library_method(Maggie *m, const char *class_name, const char *selector, Value *cls)
{
    uint32_t index = class_find(m->vm, (Bytes){class_name, strlen(class_name)});
    uint32_t symbol = symtab_lookup(m->vm->symtab, selector, strlen(selector));
    if (index == CLASS_NONE || !symbol || !maggie_understands(m, class_name, selector, true)) {
        return 0;
    }
    *cls = value_class(index);
    return symbol;
}

/* Starts a class method of the library's Embedding; job->id replaces a VALUE_NONE argument. */
static MaggieStatus start_embedding(Maggie *m, const char *selector, Value *args, unsigned n,
                                    bool session, MaggiePid *pid)
{
    Value receiver = VALUE_NIL;
    uint32_t method = library_method(m, "Embedding", selector, &receiver);
    if (!method) {
        return MAGGIE_INTERNAL;
    }
    enter(m);
    Job *job = job_new(m, false);
    Status status = job ? STATUS_OK : STATUS_NO_MEMORY;
    if (job) {
        for (unsigned i = 0; i < n; i++) {
            args[i] = args[i] == VALUE_NONE ? value_int(job->id) : args[i];
        }
        status = spawn(m, job, NULL, method, receiver, n, args);
        *pid = job->pid;
        if (status != STATUS_OK) {
            job_free(m, job);
        } else {
            job->released = session; /* its evaluations are jobs of their own */
        }
    }
    leave(m);
    return maggie_status_of(status);
}

MaggieStatus maggie_start_script(Maggie *m, MaggiePid *pid)
{
    if (m->next_script == m->nscripts) {
        return MAGGIE_NOT_FOUND;
    }
    enter(m);
    Job *job = job_new(m, false);
    Status status =
        job ? spawn(m, job, m->scripts[m->next_script], 0, VALUE_NIL, 0, NULL) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        code_release_outside(m->vm, m->scripts[m->next_script++]);
        *pid = job->pid;
    } else if (job) {
        job_free(m, job);
    }
    leave(m);
    return maggie_status_of(status);
}

/* Compiles statements; the report of errors becomes *syntax. */
static MaggieStatus compile(Maggie *m, const char *text, Code **code, MaggieResult **syntax)
{
    Buf report;
    VmLocal *l;
    buf_init(&report, m->vm->env, 1 << 20);
    lock_acquire(&m->vm->load_lock);
    Status status = vm_local_open(m->vm, &l);
    if (status == STATUS_OK) {
        DoitRequest request = {.source = {text, strlen(text)},
                               .file = {"eval", 4},
                               .mode = DOIT_EVALUATE,
                               .strict = m->options.strict};
        status = loader_compile_doit(l, &request, code, &report);
        vm_local_close(l);
    }
    lock_release(&m->vm->load_lock);
    if (status == STATUS_SYNTAX) {
        size_t n = report.len;
        while (n && report.data[n - 1] == '\n') {
            n--;
        }
        *syntax = result_new(MAGGIE_SYNTAX, n ? report.data : "", n);
    }
    buf_free(&report);
    return maggie_status_of(status);
}

MaggieStatus maggie_start(Maggie *m, const char *text, MaggiePid *pid, MaggieResult **syntax)
{
    Code *code = NULL;
    MaggieResult *none;
    syntax = syntax ? syntax : &none;
    *syntax = NULL;
    MaggieStatus status = compile(m, text, &code, syntax);
    if (status != MAGGIE_OK) {
        if (syntax == &none) {
            maggie_result_free(none);
        }
        return status;
    }
    assert(code);
    Value args[3] = {code->handle, VALUE_NONE, VALUE_TRUE};
    status = start_embedding(m, "evaluate:job:print:", args, 3, false, pid);
    code_release_outside(m->vm, code); /* the process has its own count */
    return status;
}

MaggieStatus maggie_start_call(Maggie *m, const char *class_name, bool class_side,
                               const char *selector, const MaggieValue *values, size_t n,
                               MaggiePid *pid)
{
    uint32_t cls = class_find(m->vm, (Bytes){class_name, strlen(class_name)}), symbol;
    if (cls == CLASS_NONE) {
        return MAGGIE_NOT_FOUND;
    }
    Status status = vm_intern(m->vm, (Bytes){selector, strlen(selector)}, &symbol);
    Value args[5] = {value_class(cls), value_symbol(symbol), VALUE_NIL, VALUE_NONE, VALUE_TRUE};
    Region *region = NULL;
    HeapCtx *cx = &m->vm->outside->actor.heap;
    lock_acquire(&m->vm->outside_lock);
    if (status == STATUS_OK) {
        status = values_freeze_array(m->vm, cx, values, n, &args[2], &region);
    }
    lock_release(&m->vm->outside_lock);
    if (status != STATUS_OK) {
        return maggie_status_of(status);
    }
    MaggieStatus result = start_embedding(m,
                                          class_side ? "call:selector:arguments:job:print:"
                                                     : "callNew:selector:arguments:job:print:",
                                          args, 5, false, pid);
    if (region) {
        vm_region_retire_outside(m->vm, region); /* the process has its own count */
    }
    return result;
}

/* ---- waiting ---- */

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : now_ms() + (uint64_t)timeout_ms;
}

/* False when the deadline has passed. Under the lock. */
static bool sleep_until(Maggie *m, uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX) {
        pthread_cond_wait(&m->changed, &m->lock);
        return true;
    }
    struct timespec t = {(time_t)(deadline_ms / 1000), (long)(deadline_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&m->changed, &m->lock, &t) != ETIMEDOUT;
}

#define SIM_STEPS 20000

/* Lets a simulated machine go on. False when it cannot. Under the lock, which is dropped. */
static bool simulate(Maggie *m)
{
    Status status = STATUS_OK;
    pthread_mutex_unlock(&m->lock);
    SchedSimEnd end = sched_sim_run(m->vm->group, SIM_STEPS, &status);
    pthread_mutex_lock(&m->lock);
    m->stopped |= end == SCHED_SIM_STOPPED;
    m->idle |= end == SCHED_SIM_QUIESCENT;
    return end == SCHED_SIM_STEPS;
}

/* Waits until the job is done (job NULL: until idle). Under the lock. */
static MaggieStatus await(Maggie *m, Job *job, int64_t timeout_ms)
{
    uint64_t deadline = deadline_of(timeout_ms);
    MaggieStatus status = MAGGIE_OK;
    if (!m->options.simulate && m->waiting++ == 0) {
        m->idle = false; /* from before this thread began to wait; it is found anew */
        sched_release(m->vm->group);
    }
    while (!(job && job->done)) {
        if (m->stopped) {
            status = MAGGIE_EXITED;
            break;
        }
        if (m->idle) {
            status = job ? MAGGIE_DEADLOCK : MAGGIE_OK;
            break;
        }
        bool in_time = m->options.simulate
                           ? simulate(m) || m->idle || m->stopped || (job && job->done)
                           : sleep_until(m, deadline);
        if ((!in_time || (m->options.simulate && now_ms() >= deadline)) && !(job && job->done)) {
            status = MAGGIE_TIMEOUT;
            break;
        }
    }
    if (!m->options.simulate && --m->waiting == 0) {
        sched_hold(m->vm->group);
    }
    return status;
}

/* The outcome of a wait; frees the job when it is over. */
static MaggieStatus conclude(Maggie *m, Job *job, MaggieStatus status, MaggieResult **out)
{
    *out = NULL;
    if (status == MAGGIE_OK) {
        *out = job->result;
        job->result = NULL;
        status = maggie_result_status(*out);
        if (job->session || job->id) {
            job_free(m, job);
        }
    } else if (status == MAGGIE_DEADLOCK) {
        const char *text = m->idle_text ? m->idle_text : "";
        *out = result_new(status, text, strlen(text));
    }
    return status;
}

static Job *job_of_pid(Maggie *m, Value pid)
{
    for (Job *job = m->jobs; job; job = job->next) {
        if (job->pid == pid && !job->session && !job->released) {
            return job;
        }
    }
    return NULL;
}

MaggieStatus maggie_wait(Maggie *m, MaggiePid pid, int64_t timeout_ms, MaggieResult **out)
{
    MaggieStatus status = MAGGIE_NOT_FOUND;
    *out = NULL;
    pthread_mutex_lock(&m->lock);
    Job *job = job_of_pid(m, pid);
    if (job) {
        status = conclude(m, job, await(m, job, timeout_ms), out);
    }
    pthread_mutex_unlock(&m->lock);
    return status;
}

void maggie_release(Maggie *m, MaggiePid pid)
{
    pthread_mutex_lock(&m->lock);
    Job *job = job_of_pid(m, pid);
    if (job && job->done) {
        job_free(m, job);
    } else if (job) {
        job->released = true;
    }
    pthread_mutex_unlock(&m->lock);
}

/* After a time-out or deadlock nobody will ask again. */
static MaggieStatus wait_or_kill(Maggie *m, MaggiePid pid, int64_t timeout_ms, MaggieResult **out)
{
    MaggieStatus status = maggie_wait(m, pid, timeout_ms, out);
    if (status == MAGGIE_TIMEOUT || status == MAGGIE_DEADLOCK) {
        maggie_release(m, pid);
        maggie_terminate(m, pid, true);
    }
    return status;
}

MaggieStatus maggie_evaluate(Maggie *m, const char *text, int64_t timeout_ms, MaggieResult **out)
{
    MaggiePid pid;
    MaggieStatus status = maggie_start(m, text, &pid, out);
    return status == MAGGIE_OK ? wait_or_kill(m, pid, timeout_ms, out) : status;
}

MaggieStatus maggie_call(Maggie *m, const char *class_name, const char *selector,
                         const MaggieValue *args, size_t n, int64_t timeout_ms, MaggieResult **out)
{
    MaggiePid pid;
    *out = NULL;
    MaggieStatus status = maggie_start_call(m, class_name, true, selector, args, n, &pid);
    return status == MAGGIE_OK ? wait_or_kill(m, pid, timeout_ms, out) : status;
}

MaggieStatus maggie_run_until_idle(Maggie *m, int64_t timeout_ms)
{
    pthread_mutex_lock(&m->lock);
    MaggieStatus status = await(m, NULL, timeout_ms);
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* ---- signals from outside ---- */

static Status send_values(Maggie *m, Value pid, const char *selector, const MaggieValue *values,
                          size_t n, bool as_array)
{
    Vm *vm = m->vm;
    HeapCtx *cx = &vm->outside->actor.heap;
    Value message, culprit, name = VALUE_NIL;
    Region *region = NULL;
    uint32_t symbol;
    if (selector) {
        STATUS_FORWARD(vm_intern(vm, (Bytes){selector, strlen(selector)}, &symbol));
        name = value_symbol(symbol);
    }
    lock_acquire(&vm->outside_lock);
    epoch_begin(vm->outside->actor.epoch);
    Status status = as_array ? values_freeze_array(vm, cx, values, n, &message, &region)
                             : values_freeze(vm, cx, values, 1, &message, &region);
    if (status == STATUS_OK) {
        status = process_send(&vm->outside->actor, NULL, pid, name, message, &culprit);
    }
    if (region) {
        region_release(cx, vm->outside->actor.epoch, region);
    }
    epoch_end(vm->outside->actor.epoch);
    lock_release(&vm->outside_lock);
    return status;
}

MaggieStatus maggie_send(Maggie *m, MaggiePid pid, const char *selector, const MaggieValue *value)
{
    if (!value_is_pid(pid)) {
        return MAGGIE_NOT_FOUND;
    }
    enter(m);
    Status status = send_values(m, pid, selector, value, 1, false);
    leave(m);
    return maggie_status_of(status);
}

static void send_exit(Maggie *m, Value pid, uint32_t reason, bool kill)
{
    enter(m);
    lock_acquire(&m->vm->outside_lock);
    ActorCtx *cx = &m->vm->outside->actor;
    epoch_begin(cx->epoch);
    /* a process that is gone needs no signal */
    (void)!process_send_exit(cx, NULL, pid, value_symbol(reason), kill);
    epoch_end(cx->epoch);
    lock_release(&m->vm->outside_lock);
    leave(m);
}

void maggie_terminate(Maggie *m, MaggiePid pid, bool kill)
{
    if (value_is_pid(pid)) {
        send_exit(m, pid, kill ? SYM_KILLED : SYM_SHUTDOWN, kill);
    }
}

/* ---- sessions ---- */

MaggieStatus maggie_session_open(Maggie *m, MaggieSession **out)
{
    MaggieSession *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) {
        return MAGGIE_NO_MEMORY;
    }
    MaggieStatus status = start_embedding(m, "serve", NULL, 0, true, &s->pid);
    if (status != MAGGIE_OK) {
        free(s);
        return status;
    }
    s->m = m;
    *out = s;
    return MAGGIE_OK;
}

MaggieStatus maggie_session_evaluate(MaggieSession *s, const char *text, size_t len,
                                     int64_t timeout_ms, MaggieResult **out)
{
    Maggie *m = s->m;
    *out = NULL;
    enter(m);
    Job *job = job_new(m, true);
    MaggieStatus status = MAGGIE_NO_MEMORY;
    if (job) {
        MaggieValue parts[3] = {
            {.kind = MAGGIE_STRING}, {.kind = MAGGIE_INT}, {.kind = MAGGIE_BOOL}};
        parts[0].as.text.bytes = text;
        parts[0].as.text.len = len;
        parts[1].as.integer = job->id;
        parts[2].as.boolean = true;
        job->pid = s->pid;
        status = maggie_status_of(send_values(m, s->pid, NULL, parts, 3, true));
    }
    leave(m);
    pthread_mutex_lock(&m->lock);
    if (job && status == MAGGIE_OK) {
        status = conclude(m, job, await(m, job, timeout_ms), out);
        if (!*out || status == MAGGIE_DEADLOCK) {
            job->released = true; /* time-out: its end will free it */
        }
    } else if (job) {
        job_free(m, job);
    }
    pthread_mutex_unlock(&m->lock);
    return status == MAGGIE_NOT_FOUND ? MAGGIE_ENDED : status;
}

void maggie_session_interrupt(MaggieSession *s) { send_exit(s->m, s->pid, SYM_INTERRUPT, false); }

MaggiePid maggie_session_pid(const MaggieSession *s) { return s->pid; }

void maggie_session_close(MaggieSession *s)
{
    if (s) {
        maggie_terminate(s->m, s->pid, true);
        free(s);
    }
}

/* ---- output, simulation ---- */

MaggieStatus maggie_write(Maggie *m, MaggieStream stream, const char *bytes, size_t n)
{
    return maggie_status_of(output_write_now(m->vm->output, (OutputStream)stream, bytes, n));
}

uint64_t maggie_trace_hash(Maggie *m)
{
    return m->options.simulate ? sched_sim_hash(m->vm->group) : 0;
}
