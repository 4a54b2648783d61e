/* SPDX-License-Identifier: Apache-2.0 */
/* vmkit.c - see vmkit.h. The library is read from the source tree (MAGGIE_STDLIB, set by meson), so
 * that a change of a library file is tested without a new image.
 * Threads: as vmkit.h says. */
#include "vmkit.h"

#include <dirent.h>
#include <time.h>

#include "code_life.h"
#include "loader.h"
#include "output.h"

#define STEPS_MAX 50000000ull
#define STEPS_AT_ONCE 64u
#define SILENCE_GRACE_S 1
#define FILES_MAX 200

/* ---- what the VM tells ----------------------------------------------------------------------- */

static int write_out(void *ctx, OutputStream stream, const char *bytes, size_t n)
{
    VmKit *k = ctx;
    pthread_mutex_lock(&k->lock);
    Status status = buf_put(stream == OUTPUT_STDOUT ? &k->out : &k->err, bytes, n);
    pthread_mutex_unlock(&k->lock);
    return status == STATUS_OK ? 0 : 28; /* ENOSPC */
}

static void put(char *out, size_t size, const char *text, size_t len)
{
    size_t at = strlen(out);
    if (at + 1 < size)
        snprintf(out + at, size - at, "%.*s", (int)len, text);
}

static void put_elements(const Vm *vm, Object *o, char *out, size_t size)
{
    put(out, size, "(", 1);
    for (size_t i = 0; i < obj_words(o) && i < 64; i++) {
        char part[200];
        vmkit_text(vm, obj_slots(o)[i], part, sizeof part);
        if (i > 0)
            put(out, size, " ", 1);
        put(out, size, part, strlen(part));
    }
    put(out, size, ")", 1);
}

void vmkit_text(const Vm *vm, Value v, char *out, size_t size)
{
    out[0] = 0;
    if (value_is_int(v)) {
        snprintf(out, size, "%lld", (long long)value_as_int(v));
    } else if (value_is_float(v)) {
        snprintf(out, size, "%.17g", value_as_float(v));
    } else if (v == VALUE_NIL || value_is_bool(v)) {
        snprintf(out, size, "%s", v == VALUE_NIL ? "nil" : v == VALUE_TRUE ? "true" : "false");
    } else if (value_is_symbol(v)) {
        Bytes b = vm_symbol_text(vm, value_as_symbol(v));
        snprintf(out, size, "%.*s", (int)b.len, b.data);
    } else if (value_is_string(v)) {
        StrView s = str_view(v);
        snprintf(out, size, "%.*s", (int)s.bytes, (const char *)s.data);
    } else if (value_is_pid(v)) {
        snprintf(out, size, "a Process");
    } else if (value_is_kind(v, OBJ_SLOTS) && obj_class(obj_of(v)) == CLASS_ARRAY && size > 200) {
        put_elements(vm, obj_of(v), out, size);
    } else {
        Bytes b = vm_symbol_text(vm, vm_class(vm, value_class_of(v))->short_name);
        snprintf(out, size, "a %.*s", (int)b.len, b.data);
    }
}

/* The reason of an uncaught exception is a CrashReason: {class. text. trace}. */
static void reason_text(const Vm *vm, Value v, char *out, size_t size)
{
    vmkit_text(vm, v, out, size);
    if (strcmp(out, "a CrashReason") != 0)
        return;
    char text[200] = "";
    Value *slots = obj_slots(obj_of(v));
    if (value_is_class(slots[0])) {
        Bytes b = vm_symbol_text(vm, vm_class(vm, value_as_class(slots[0]))->short_name);
        vmkit_text(vm, slots[1], text, sizeof text);
        snprintf(out, size, "%.*s: %s", (int)b.len, b.data, text);
    }
}

static void on_main_ended(void *embedder, Process *p)
{
    VmKit *k = embedder;
    pthread_mutex_lock(&k->lock);
    for (uint32_t i = 0; i < k->njobs; i++) {
        VmJob *job = &k->jobs[i];
        if (job->pid == p->pid && !job->ended) {
            reason_text(k->vm, p->exit_reason, job->reason, sizeof job->reason);
            vmkit_text(k->vm, p->exit_result, job->result, sizeof job->result);
            job->ended = true;
            k->nended++;
            break;
        }
    }
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

static void on_quiescent(void *embedder, Vm *vm)
{
    VmKit *k = embedder;
    (void)vm;
    pthread_mutex_lock(&k->lock);
    k->quiescent = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

/* ---- the world under threads: the real one, with memory counted and crash reports dropped ---- */

static void quiet_log(void *ctx, LogLevel level, const char *text, size_t len)
{
    (void)ctx, (void)level, (void)text, (void)len;
}

static void *counted(VmKit *k, void *block, size_t n)
{
    if (block)
        (void)atom_add_rlx(&k->bytes_live, n); /* relaxed: read after the threads are joined */
    return block;
}

static void *counted_alloc(void *ctx, size_t n) { return counted(ctx, malloc(n), n); }

static void *counted_aligned(void *ctx, size_t n, size_t align)
{
    return counted(ctx, aligned_alloc(align, n), n);
}

static void *counted_realloc(void *ctx, void *block, size_t old_n, size_t n)
{
    VmKit *k = ctx;
    void *moved = realloc(block, n);
    if (moved)
        (void)atom_add_rlx(&k->bytes_live, n - old_n); /* relaxed: as in counted */
    return moved;
}

static void counted_free(void *ctx, void *block, size_t n)
{
    VmKit *k = ctx;
    (void)atom_sub_rlx(&k->bytes_live, n); /* relaxed: as in counted */
    memset(block, 0xDB, n);                /* who still uses it will notice */
    free(block);
}

static void *counted_map(void *ctx, size_t n, size_t align, bool huge)
{
    VmKit *k = ctx;
    return counted(k, k->real.map(k->real.ctx, n, align, huge), n);
}

static void counted_unmap(void *ctx, void *block, size_t n)
{
    VmKit *k = ctx;
    (void)atom_sub_rlx(&k->bytes_live, n); /* relaxed: as in counted */
    k->real.unmap(k->real.ctx, block, n);
}

static void init_env(VmKit *k)
{
    env_system_init(&k->real);
    k->env = k->real;
    k->env.ctx = k;
    k->env.log = quiet_log;
    k->env.alloc = counted_alloc;
    k->env.alloc_aligned = counted_aligned;
    k->env.realloc = counted_realloc;
    k->env.free = counted_free;
    k->env.map = counted_map;
    k->env.unmap = counted_unmap;
}

/* ---- loading --------------------------------------------------------------------------------- */

static void take_note(void *ctx, const char *bytes, size_t n)
{
    VmKit *k = ctx;
    put(k->notes, sizeof k->notes, bytes, n);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_library(Loader *loader, const char *folder)
{
    char *names[FILES_MAX];
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) && n < FILES_MAX;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot && strcmp(dot, ".mag") == 0)
            names[n++] = strdup(entry->d_name);
    }
    closedir(dir);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_ok(loader_add_file(loader, path, (Bytes){"", 0}));
        free(names[i]);
    }
}

static void boot(VmKit *k)
{
    const char *folder = getenv("MAGGIE_STDLIB");
    LoaderOptions options = {.boot = true, .no_warnings = true, .sink = {take_note, k}};
    Loader *loader = loader_new(k->vm, k->vm->outside, &options);
    assert_non_null(loader);
    add_library(loader, folder ? folder : VMKIT_STDLIB_DEFAULT);
    Status status = loader_run(loader);
    if (status != STATUS_OK)
        fprintf(stderr, "%s", k->notes);
    assert_ok(status);
    loader_free(loader);
    k->vm->boot_done = true;
}

/* Loads a text; the code of its statements or NULL. */
static Code *load(VmKit *k, VmLocal *l, const char *source)
{
    LoaderOptions options = {.no_warnings = true, .sink = {take_note, k}};
    k->notes[0] = 0;
    lock_acquire(&k->vm->load_lock);
    Loader *loader = loader_new(k->vm, l, &options);
    assert_non_null(loader);
    Status status =
        loader_add(loader, (Bytes){"test", 4}, (Bytes){source, strlen(source)}, (Bytes){"", 0});
    if (status == STATUS_OK)
        status = loader_run(loader);
    if (status != STATUS_OK)
        fprintf(stderr, "%s%s", k->notes, source);
    assert_ok(status);
    Code *script = loader_take_script(loader, 0);
    loader_free(loader);
    lock_release(&k->vm->load_lock);
    return script;
}

void vmkit_load(VmKit *k, const char *source)
{
    VmLocal *l;
    assert_ok(vm_local_open(k->vm, &l));
    code_release(l, load(k, l, source));
    vm_local_close(l);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* A suite can be run with everything long, so that small heaps leave their scheduler too. */
static size_t long_words(const VmKitOptions *options)
{
    const char *words = getenv("MAGGIE_LONG_WORDS");
    return options->long_words ? options->long_words : words ? (size_t)atol(words) : 0;
}

void vmkit_open(VmKit *k, const VmKitOptions *options)
{
    static const VmKitOptions plain = {0};
    if (!options)
        options = &plain;
    memset(k, 0, sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    init_env(k);
    buf_init(&k->out, &k->real, (size_t)1 << 24);
    buf_init(&k->err, &k->real, (size_t)1 << 24);
    k->simulated = options->simulated;
    env_sim_init(&k->sim, options->seed);
    k->sim.log_quiet = true;
    VmConfig config = {
        .env = &k->env,
        .sim = options->simulated ? &k->sim : NULL,
        .sim_seed = options->seed,
        .schedulers = options->schedulers ? options->schedulers : 2,
        .heap_cap_bytes = options->heap_cap_bytes,
        .long_words = long_words(options),
        .stack_cap_bytes = options->stack_cap_bytes,
        .max_processes = options->max_processes,
        .symbols_max = options->symbols_max,
#if defined(MAGGIE_DEBUG) || defined(MAGGIE_GC_STRESS)
        .verify = true,
#else
        .verify = options->verify,
#endif
        .quiescent = on_quiescent,
        .main_ended = on_main_ended,
        .embedder = k
    };
    assert_ok(vm_create(&config, &k->vm));
    output_set_writer(k->vm->output, write_out, k);
    if (!options->bare)
        boot(k);
}

static void start(VmKit *k)
{
    if (!k->started && !k->simulated) {
        sched_hold(k->vm->group);
        assert_ok(vm_start(k->vm));
    }
    k->started = true;
}

void vmkit_stop(VmKit *k)
{
    if (k->started) {
        vm_stop(k->vm);
        if (!k->simulated)
            vm_join(k->vm);
    }
    k->started = false;
}

void vmkit_close(VmKit *k)
{
    vmkit_stop(k);
    vm_destroy(k->vm);
    assert_int_equal(k->simulated ? k->sim.bytes_live : k->bytes_live, 0);
    buf_free(&k->out);
    buf_free(&k->err);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
}

/* ---- running --------------------------------------------------------------------------------- */

static uint32_t spawn_code(VmKit *k, VmLocal *l, Code *code, Domain *domain)
{
    assert_in_range(k->njobs, 0, VMKIT_JOBS - 1);
    pthread_mutex_lock(&k->lock); /* the job is known before its end can be reported */
    uint32_t number = k->njobs++;
    k->jobs[number] = (VmJob){0};
    Domain *root = k->vm->root_domain;
    if (domain)
        k->vm->root_domain = domain;
    epoch_begin(l->actor.epoch);
    Status status = vm_spawn_code(l, code, VALUE_NIL, 0, NULL, &k->jobs[number].pid);
    epoch_end(l->actor.epoch);
    k->vm->root_domain = root;
    pthread_mutex_unlock(&k->lock);
    assert_ok(status);
    return number;
}

uint32_t vmkit_spawn_in(VmKit *k, const char *script, Domain *domain)
{
    VmLocal *l;
    start(k);
    pthread_mutex_lock(&k->lock);
    k->quiescent = false;
    pthread_mutex_unlock(&k->lock);
    assert_ok(vm_local_open(k->vm, &l));
    Code *code = load(k, l, script);
    assert_non_null(code);
    uint32_t number = spawn_code(k, l, code, domain);
    code_release(l, code); /* the process has its own count */
    vm_local_close(l);
    return number;
}

uint32_t vmkit_spawn(VmKit *k, const char *script) { return vmkit_spawn_in(k, script, NULL); }

void vmkit_steps(VmKit *k, uint64_t steps)
{
    Status status = STATUS_OK;
    SchedSimEnd end = sched_sim_run(k->vm->group, steps, &status);
    assert_ok(status);
    if (end == SCHED_SIM_QUIESCENT)
        k->quiescent = true;
}

static bool run_simulated(VmKit *k)
{
    for (uint64_t steps = 0; k->nended < k->njobs; steps += STEPS_AT_ONCE) {
        assert_true(steps < STEPS_MAX);
        vmkit_steps(k, STEPS_AT_ONCE);
        if (k->quiescent)
            break;
    }
    return k->nended == k->njobs;
}

/* Silence may be news of before the last spawn: then the jobs end within the grace. */
static bool run_threads(VmKit *k)
{
    sched_release(k->vm->group);
    pthread_mutex_lock(&k->lock);
    while (k->nended < k->njobs && !k->quiescent)
        pthread_cond_wait(&k->changed, &k->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SILENCE_GRACE_S;
    while (k->nended < k->njobs && pthread_cond_timedwait(&k->changed, &k->lock, &until) == 0) {
    }
    bool all = k->nended == k->njobs;
    pthread_mutex_unlock(&k->lock);
    sched_hold(k->vm->group);
    return all;
}

bool vmkit_run_on(VmKit *k)
{
    start(k);
    return k->simulated ? run_simulated(k) : run_threads(k);
}

static void tell_where(void *ctx, Process *p)
{
    VmKit *k = ctx;
    char pid[PROCESS_PID_TEXT];
    process_pid_text(p->pid, pid);
    fprintf(stderr, "%s waits: %s\n", pid, process_wait_name(p->wait));
    FrameWalk w = frame_top(p);
    for (int i = 0; i < 12; i++) {
        uint32_t column, line = code_line_at(w.code, w.pc, &column);
        Bytes s = vm_symbol_text(k->vm, w.code->method->selector);
        fprintf(stderr, "    %.*s, line %u\n", (int)s.len, s.data, line);
        if (!frame_up(&w))
            break;
    }
}

void vmkit_run(VmKit *k)
{
    if (vmkit_run_on(k))
        return;
    vmkit_stop(k);
    fprintf(stderr, "%u of %u jobs ended, then silence\n", k->nended, k->njobs);
    actor_each_process(k->vm->actors, tell_where, k);
    fail();
}

const char *vmkit_result(VmKit *k, uint32_t job)
{
    assert_true(k->jobs[job].ended);
    return k->jobs[job].result;
}

const char *vmkit_reason(VmKit *k, uint32_t job)
{
    assert_true(k->jobs[job].ended);
    return k->jobs[job].reason;
}

void vmkit_expect(VmKit *k, const char *script, const char *wanted)
{
    uint32_t job = vmkit_spawn(k, script);
    vmkit_run(k);
    if (strcmp(vmkit_reason(k, job), "normal") != 0)
        fprintf(stderr, "%s\n", script);
    assert_string_equal(vmkit_reason(k, job), "normal");
    assert_string_equal(vmkit_result(k, job), wanted);
}

static void run_programs(const VmKitOptions *options, const VmProgram *programs, size_t n)
{
    VmKit k;
    vmkit_open(&k, options);
    for (size_t i = 0; i < n; i++) {
        print_message("  %s\n", programs[i].what);
        vmkit_expect(&k, programs[i].source, programs[i].wanted);
    }
    vmkit_close(&k);
}

void vmkit_programs_on_threads(const VmProgram *programs, size_t n, uint32_t schedulers)
{
    run_programs(&(VmKitOptions){.schedulers = schedulers}, programs, n);
}

void vmkit_programs_simulated(const VmProgram *programs, size_t n, uint64_t seeds)
{
    const char *more = getenv("MAGGIE_TEST_SEED");
    uint64_t first = more ? strtoull(more, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + seeds; seed++)
        run_programs(&(VmKitOptions){.simulated = true, .seed = seed, .schedulers = 3}, programs,
                     n);
}

Domain *vmkit_domain(VmKit *k, uint32_t rights)
{
    Domain *d = env_calloc(k->vm->env, sizeof *d);
    assert_non_null(d);
    d->rights = rights;
    d->next = k->vm->domains;
    k->vm->domains = d;
    return d;
}

struct VmCounters vmkit_counters(VmKit *k)
{
    struct VmCounters sum = {0};
    for (uint32_t i = 0; i < k->vm->nlocals; i++) {
        const VmLocal *l = k->vm->locals[i];
        const uint64_t *from = (const uint64_t *)(l ? (const void *)&l->counters
                                                    : (const void *)&k->vm->final_counters[i]);
        uint64_t *to = (uint64_t *)(void *)&sum;
        for (size_t n = 0; n < sizeof sum / sizeof *to; n++)
            to[n] += from[n];
    }
    return sum;
}
