/* SPDX-License-Identifier: Apache-2.0 */
/* vm.c - creating, starting and ending a virtual machine.
 *
 * Start-up: env, symbols, pools, epochs, class table, core classes, process table, scheduler group;
 * the library is loaded by whoever created the VM; vm_start makes the threads.
 * Shut-down: vm_stop (any thread), vm_join, vm_destroy: processes, cells, code, tables, memory.
 * Threads: as class.h says. */
#include "cpu.h"
#include "code_life.h"
#include "link_mutants.h"
#include "crash.h"
#include "info.h"
#include "loader.h"
#include "output.h"
#include "vm_int.h"

static const char *const symbol_texts[] = {
#define VM_SYMBOL_TEXT(id, text) text,
    VM_SYMBOLS(VM_SYMBOL_TEXT)
#undef VM_SYMBOL_TEXT
};

static Status make_symbols(Vm *vm)
{
    for (uint32_t i = 0; i < SYM_COUNT_ - 1; i++) {
        uint32_t id;
        STATUS_FORWARD(symtab_intern(vm->symtab, symbol_texts[i], strlen(symbol_texts[i]), &id));
        if (id != i + 1) {
            return STATUS_INTERNAL; /* a text stands twice in VM_SYMBOLS */
        }
    }
    return STATUS_OK;
}

Status vm_intern_file(Vm *vm, Bytes file, Bytes *out)
{
    uint32_t symbol;
    STATUS_FORWARD(vm_intern(vm, file, &symbol));
    *out = vm_symbol_text(vm, symbol);
    return STATUS_OK;
}

/* ---- schedulers' hooks -------------------------------------------------------------------- */

static Status local_init(Vm *vm, VmLocal *l, Sched *sched)
{
    memset(l, 0, sizeof *l);
    l->vm = vm;
    l->code_version = UINT32_MAX;
    pool_local_init(&l->pool, vm->pools);
    l->actor = (ActorCtx){.node = vm->actors,
                          .group = vm->group,
                          .sched = sched,
                          .heap = {.env = &vm->heap_env, .pool = &l->pool},
                          .epoch = epoch_register(vm->epochs)};
    if (!l->actor.epoch) {
        pool_local_close(&l->pool);
        return STATUS_NO_MEMORY;
    }
    l->actor.heap.epoch = l->actor.epoch; /* frozen regions die through it */
    l->call = (PrimCall){.vm = vm, .cx = &l->actor.heap};
    return STATUS_OK;
}

static void local_fini(VmLocal *l)
{
    actor_ctx_close(&l->actor);
    epoch_unregister(l->actor.epoch);
    (void)epoch_settle_returned(l->vm->epochs); /* perhaps all schedulers sleep */
    pool_local_close(&l->pool);
}

Status vm_local_open(Vm *vm, VmLocal **out)
{
    VmLocal *l = env_alloc(vm->env, sizeof *l);
    if (!l) {
        return STATUS_NO_MEMORY;
    }
    Status status = local_init(vm, l, NULL);
    if (status != STATUS_OK) {
        env_free(vm->env, l, sizeof *l);
        return status;
    }
    *out = l;
    return STATUS_OK;
}

void vm_local_close(VmLocal *l)
{
    Vm *vm = l->vm;
    local_fini(l);
    env_free(vm->env, l, sizeof *l);
}

static Status on_thread_start(void *ctx, Sched *sched)
{
    Vm *vm = ctx;
    VmLocal *l;
    STATUS_FORWARD(vm_local_open(vm, &l));
    l->actor.sched = sched;
    sched->user = l;
    atom_store_rel(&vm->locals[sched->id], l); /* for statistics readers after vm_start */
    return STATUS_OK;
}

static void on_thread_stop(void *ctx, Sched *sched)
{
    Vm *vm = ctx;
    VmLocal *l = sched->user;
    /* merged under the lock of nobody: each scheduler has its own slot, read after the join */
    vm->final_counters[sched->id] = l->counters;
    atom_store_rel(&vm->locals[sched->id], NULL);
    vm_local_close(l);
    sched->user = NULL;
    if (vm->on_stopped) {
        vm->on_stopped(vm->embedder);
    }
}

/* Frozen regions of so many bytes are worth looking at the epoch for. */
#define EPOCH_POLL_BYTES ((size_t)256 << 10)

static void on_slice_begin(void *ctx, Sched *sched)
{
    (void)ctx;
    epoch_begin(((VmLocal *)sched->user)->actor.epoch);
}

static void on_slice_end(void *ctx, Sched *sched)
{
    (void)ctx;
    VmLocal *l = sched->user;
    epoch_end(l->actor.epoch);
    size_t *deferred = &l->actor.heap.deferred_bytes;
    if (epoch_pending(l->actor.epoch) >= 32 || *deferred >= EPOCH_POLL_BYTES) {
        epoch_poll(l->actor.epoch);
        *deferred = epoch_pending(l->actor.epoch) ? *deferred : 0;
    }
    if (atom_load_rlx(&l->vm->ask_cursor) != UINT32_MAX) { /* relaxed: it looks again */
        (void)vm_wake_some(l);
    }
}

/* How long an idle scheduler waits for others to leave their sections, doubled each time. */
#define NAP_NS_MIN UINT64_C(1000000)
#define NAP_NS_MAX UINT64_C(128000000)

/* Who has nothing to do frees what waits for the epoch, and goes on waking those who are asked to
 * let go: otherwise a node that falls silent would keep it until the next work comes. */
static uint64_t on_idle(void *ctx, Sched *sched)
{
    Vm *vm = ctx;
    VmLocal *l = sched->user;
#ifdef MAGGIE_MUTANT_CODE_IDLE
    return UINT64_MAX;
#endif
    if (atom_load_rlx(&vm->ask_cursor) != UINT32_MAX) { /* relaxed: it looks again */
        (void)vm_wake_some(l);
        return 0;
    }
    if (epoch_settle(l->actor.epoch)) {
        l->nap_ns = 0;
        return UINT64_MAX;
    }
    l->nap_ns = l->nap_ns == 0 ? NAP_NS_MIN : l->nap_ns * 2;
    l->nap_ns = l->nap_ns < NAP_NS_MAX ? l->nap_ns : NAP_NS_MAX;
    return l->nap_ns;
}

static void on_quiescent(void *ctx, Sched *sched)
{
    Vm *vm = ctx;
    (void)sched;
    if (vm->on_quiescent) {
        vm->on_quiescent(vm->embedder, vm);
    }
}

static void on_main_ended(void *ctx, Process *p)
{
    Vm *vm = ctx;
    if (vm->on_main_ended) {
        vm->on_main_ended(vm->embedder, p);
    }
}

static ActorCtx *actor_ctx_of(Sched *sched) { return &((VmLocal *)sched->user)->actor; }

static void on_abandon_dirty(void *ctx, Process *p)
{
    (void)ctx;
    interp_abandon_dirty(p);
}

/* ---- create and destroy ------------------------------------------------------------------- */

/* A process may take a quarter of what the operating system grants the node. */
static size_t default_heap_cap(void) { return (size_t)(cpu_memory_bytes() / 4); }

/* I2 and every root, after every collection. */
#if defined(MAGGIE_DEBUG) || defined(MAGGIE_GC_STRESS)
#define VERIFY_ALWAYS true
#else
#define VERIFY_ALWAYS false
#endif

/* Enough for supervisors and a shell, and never a big part of a small table. */
static uint32_t reserved_processes(uint32_t max)
{
    uint32_t part = (max ? max : ACTOR_PROCESSES_DEFAULT) / 16;
    return part < 64 ? part : 64;
}

static Status create_parts(Vm *vm, const VmConfig *config)
{
    if (config->symbols_max > VM_SYMBOLS_MAX) {
        return STATUS_BAD_ARGUMENT;
    }
    STATUS_FORWARD(symtab_create(vm->env, config->symbols_max, 0, &vm->symtab));
    STATUS_FORWARD(make_symbols(vm));
    vm->pools = pool_global_create(vm->env, POOL_DEFAULT, 0);
    vm->epochs = epoch_domain_create(vm->env);
    vm->memory = env_calloc(vm->env, sizeof *vm->memory);
    vm->cells = env_calloc(vm->env, sizeof *vm->cells);
    vm->root_domain = env_calloc(vm->env, sizeof *vm->root_domain);
    vm->domains = vm->root_domain;
    vm->nlocals = config->schedulers ? config->schedulers : cpu_usable();
    vm->locals = env_calloc(vm->env, vm->nlocals * sizeof *vm->locals);
    vm->final_counters = env_calloc(vm->env, vm->nlocals * sizeof *vm->final_counters);
    if (!vm->pools || !vm->epochs || !vm->memory || !vm->cells || !vm->root_domain || !vm->locals ||
        !vm->final_counters) {
        return STATUS_NO_MEMORY;
    }
    vm->root_domain->rights = AUTH_ALL;
    size_t stack_cap = config->stack_cap_bytes ? config->stack_cap_bytes : (size_t)64 << 20;
    vm->heap_env = (HeapEnv){
        .env = vm->env,
        .pools = vm->pools,
        .default_cap_bytes = config->heap_cap_bytes ? config->heap_cap_bytes : default_heap_cap(),
        .stack_cap_bytes = stack_cap + INTERP_STACK_RESERVES * INTERP_STACK_RESERVE_BYTES,
        .stack_soft_bytes = stack_cap,
        .long_words = config->long_words ? config->long_words : HEAP_LONG_WORDS,
        .verify = config->verify || VERIFY_ALWAYS,
        .code_handle = code_handle_of,
        .code_dead = version_dead};
    STATUS_FORWARD(vm_make_core_classes(vm));
    STATUS_FORWARD(output_create(vm, &vm->output));
    SchedConfig sched = {.env = vm->env,
                         .count = vm->nlocals,
                         .dirty_max = config->dirty_max,
                         .hooks = {.thread_start = on_thread_start,
                                   .thread_stop = on_thread_stop,
                                   .slice_begin = on_slice_begin,
                                   .slice_end = on_slice_end,
                                   .idle = on_idle,
                                   .quiescent = on_quiescent},
                         .hook_ctx = vm,
                         .name = "maggie",
                         .sim = config->sim,
                         .sim_seed = config->sim_seed};
    STATUS_FORWARD(sched_group_create(&sched, &vm->group));
    ActorConfig actors = {.env = vm->env,
                          .heap_env = &vm->heap_env,
                          .pools = vm->pools,
                          .symtab = vm->symtab,
                          .max_processes = config->max_processes,
                          .reserved = reserved_processes(config->max_processes),
                          .mail_limit = config->mail_limit,
                          .mail_policy = config->mail_policy,
                          .run = interp_run,
                          .ctx_of = actor_ctx_of,
                          .abandon_dirty = on_abandon_dirty,
                          .describe = crash_describe,
                          .no_crash_reports = config->no_crash_reports,
                          .info = info_fill,
                          .main_ended = on_main_ended,
                          .ctx = vm};
#ifdef MAGGIE_LINK_MUTANTS
    actors.link_mutant = link_mutant_number(getenv("MAGGIE_LINK_MUTANT"));
#endif
    STATUS_FORWARD(vm_local_open(vm, &vm->outside)); /* first: the node is destroyed through it */
    STATUS_FORWARD(actor_node_create(&actors, &vm->actors));
    vm->outside->actor.node = vm->actors;
    return away_create(vm);
}

Status vm_create(const VmConfig *config, Vm **out)
{
    Env *env = config->sim ? &config->sim->env : config->env;
    Vm *vm = env_calloc(env, sizeof *vm);
    if (!vm) {
        return STATUS_NO_MEMORY;
    }
    vm->env = env;
    vm->sim = config->sim;
    vm->ask_cursor = UINT32_MAX;
    vm->embedder = config->embedder;
    vm->on_quiescent = config->quiescent;
    vm->on_main_ended = config->main_ended;
    Status status = create_parts(vm, config);
    if (status != STATUS_OK) {
        vm_destroy(vm);
        return status;
    }
    *out = vm;
    return STATUS_OK;
}

/* Nothing runs any more, and no heap is left. Counted code dies of its last count, now or in
 * epoch_domain_destroy. */
static void free_code(Vm *vm, HeapCtx *cx)
{
    for (uint32_t i = 0; i < vm->nclasses; i++) {
        const MethodDict *dict = vm_class(vm, i)->methods;
        for (uint32_t k = 0; dict && k < dict->capacity; k++) {
            Code *code = dict->entries[k].code;
            if (code && code_is_counted(code)) {
                region_release(cx, NULL, code->region);
            }
        }
    }
    for (Code *code = vm->all_code; code; code = code->next) {
        if (code_is_counted(code)) {
            continue;
        }
        code_free_caches(vm, code);
        if (code->region) {
            region_free_immortal(cx, code->region);
        }
    }
}

static void free_memory(Vm *vm)
{
    for (MemChunk *c = vm->memory ? vm->memory->chunks : NULL; c;) {
        MemChunk *next = c->next;
        env_free(vm->env, c, c->bytes);
        c = next;
    }
    env_free(vm->env, vm->memory, sizeof *vm->memory);
}

void vm_destroy(Vm *vm)
{
    Env *env = vm->env;
    /* the group first: in a simulated VM this runs the thread_stop hooks */
    if (vm->group) {
        sched_group_destroy(vm->group);
        vm->group = NULL; /* nothing goes to its threads any more */
    }
    vm_free_exit_timers(vm);
    away_destroy(vm);
    if (vm->outside) {
        HeapCtx *cx = &vm->outside->actor.heap;
        if (vm->actors) {
            actor_node_destroy(vm->actors, &vm->outside->actor);
        }
        vm_free_cells(vm, cx);
        free_code(vm, cx);
        /* Dying regions bury the items of channels that only they referred to; freeing those gives
         * back counts, of which further regions die. */
        do {
            epoch_domain_drain(vm->epochs);
        } while (heap_dig(cx, SIZE_MAX) > 0);
        vm_local_close(vm->outside);
    }
    if (vm->output) {
        output_destroy(vm->output);
    }
    if (vm->epochs) {
        epoch_domain_destroy(vm->epochs);
    }
    if (vm->memory) {
        vm_free_dicts(vm);
    }
    traits_free(vm);
    vm_free_domains(vm);
    free_memory(vm);
    if (vm->pools) {
        pool_global_destroy(vm->pools);
    }
    if (vm->symtab) {
        symtab_destroy(vm->symtab);
    }
    env_free(env, vm->cells, sizeof *vm->cells);
    env_free(env, vm->locals, vm->nlocals * sizeof *vm->locals);
    env_free(env, vm->final_counters, vm->nlocals * sizeof *vm->final_counters);
    env_free(env, vm, sizeof *vm);
}

Status vm_start(Vm *vm) { return sched_start(vm->group); }
void vm_stop(Vm *vm) { sched_stop(vm->group); }
void vm_join(Vm *vm) { sched_join(vm->group); }

/* ---- from outside ------------------------------------------------------------------------- */

void vm_unpark(Vm *vm, Value pid)
{
    lock_acquire(&vm->outside_lock);
    VmLocal *l = vm->outside;
    epoch_begin(l->actor.epoch);
    Process *p = process_of_pid(vm->actors, pid);
    if (p) {
        process_unpark(&l->actor, p);
    }
    epoch_end(l->actor.epoch);
    lock_release(&vm->outside_lock);
}

Status vm_spawn_code(VmLocal *l, Code *code, Value receiver, unsigned argc, const Value *args,
                     Value *pid)
{
    Process *p;
    STATUS_FORWARD(process_new(&l->actor, VALUE_NIL, &p));
    size_t words = code->nregs + 2 * HEAP_STACK_RED_ZONE + PRIM_EXTRA_ARGS;
    Status status = heap_init(&p->heap, &l->actor.heap, words, process_salt(p));
    if (status != STATUS_OK) {
        process_abandon(&l->actor, p);
        return status;
    }
    p->domain = l->vm->root_domain;
    p->flags |= PROCESS_F_MAIN;
    status = code_hold(&l->actor.heap, &p->heap, code);
    if (status != STATUS_OK) {
        heap_destroy(&p->heap, &l->actor.heap);
        process_abandon(&l->actor, p);
        return status;
    }
    for (unsigned i = 0; i < argc; i++) {
        if (heap_reserve_hold(&p->heap, &l->actor.heap) != STATUS_OK ||
            !heap_hold(&p->heap, &l->actor.heap, args[i])) {
            heap_destroy(&p->heap, &l->actor.heap);
            process_abandon(&l->actor, p);
            return STATUS_NO_MEMORY;
        }
    }
    interp_setup_code(p, code, receiver, argc, args);
    *pid = p->pid;
    process_start(&l->actor, p, false);
    return STATUS_OK;
}
