/* SPDX-License-Identifier: Apache-2.0 */
/* actorkit.h - a node of processes whose bodies are C functions, under either driver.
 * Threads: the kit's own thread uses kit->cx (an outside context); each scheduler has its own. */
#ifndef MAGGIE_ACTORKIT_H
#define MAGGIE_ACTORKIT_H

#include "testkit.h"

#include "actor_int.h"
#include "env_sim.h"
#include "rng.h"

#define KIT_STEPS 50000000u
#define KIT_SCHEDULERS_MAX 8

/* What a body wants next. */
typedef enum { KIT_YIELD, KIT_PARK, KIT_EXIT } KitNext;
typedef KitNext (*KitBody)(ActorCtx *cx, Process *p);

typedef struct KitLocal {
    ActorCtx cx;
    PoolLocal pool;
} KitLocal;

typedef struct Kit {
    Env env;
    EnvSim sim;
    bool simulated;
    PoolGlobal *pools;
    EpochDomain *epochs;
    Symtab *symtab;
    HeapEnv heap_env;
    SchedGroup *group;
    ActorNode *node;
    KitLocal outside;
    KitLocal *locals[KIT_SCHEDULERS_MAX];
    ActorCtx *cx;     /* of the test's thread */
    uint64_t dropped; /* dirty jobs let go */
    Value main_result;
    uint32_t mains_ended;
    bool alive_at_end;        /* what process_is_alive said in the hook */
    bool reported_before_end; /* its forker had a signal by then */
} Kit;

static inline Env *kit_env(Kit *kit) { return kit->simulated ? &kit->sim.env : &kit->env; }

static inline void kit_local_open(Kit *kit, KitLocal *local, Sched *sched)
{
    memset(local, 0, sizeof *local);
    pool_local_init(&local->pool, kit->pools);
    local->cx.node = kit->node;
    local->cx.group = kit->group;
    local->cx.sched = sched;
    local->cx.epoch = epoch_register(kit->epochs);
    local->cx.heap =
        (HeapCtx){.env = &kit->heap_env, .pool = &local->pool, .epoch = local->cx.epoch};
    assert_non_null(local->cx.epoch);
}

static inline void kit_local_close(KitLocal *local)
{
    actor_ctx_close(&local->cx);
    epoch_unregister(local->cx.epoch);
    pool_local_close(&local->pool);
}

static inline Status kit_thread_start(void *ctx, Sched *sched)
{
    Kit *kit = ctx;
    KitLocal *local = malloc(sizeof *local);
    if (!local)
        return STATUS_NO_MEMORY;
    kit_local_open(kit, local, sched);
    kit->locals[sched->id] = local;
    sched->user = local;
    return STATUS_OK;
}

static inline void kit_thread_stop(void *ctx, Sched *sched)
{
    Kit *kit = ctx;
    kit_local_close(sched->user);
    free(sched->user);
    kit->locals[sched->id] = NULL;
}

static inline void kit_slice_begin(void *ctx, Sched *sched)
{
    (void)ctx;
    epoch_begin(((KitLocal *)sched->user)->cx.epoch);
}

static inline void kit_slice_end(void *ctx, Sched *sched)
{
    (void)ctx;
    KitLocal *local = sched->user;
    epoch_end(local->cx.epoch);
    if (epoch_pending(local->cx.epoch) >= 16)
        (void)epoch_poll(local->cx.epoch);
}

static inline void kit_quiet(void *ctx, Sched *sched)
{
    (void)ctx;
    sched_stop(sched->group);
}

static inline ActorCtx *kit_ctx_of(Sched *sched) { return &((KitLocal *)sched->user)->cx; }

/* Several schedulers may end a main process at a time. Relaxed: read when they have been joined. */
static inline void kit_main_ended(void *ctx, Process *p)
{
    Kit *kit = ctx;
    Process *parent = process_of_pid(kit->node, p->parent);
    atom_store_rlx(&kit->main_result, value_is_ptr(p->exit_result) ? VALUE_NONE : p->exit_result);
    atom_add_rlx(&kit->mains_ended, 1u);
    atom_store_rlx(&kit->alive_at_end, process_is_alive(kit->node, p->pid));
    atom_store_rlx(&kit->reported_before_end, parent && process_has_signals(parent));
}

static inline void kit_abandon_dirty(void *ctx, Process *p)
{
    Kit *kit = ctx;
    kit->dropped++;
    p->ext->dirty = NULL;
}

/* Runs a body until it says what is next; signals are sorted before, exits obeyed. */
static inline TaskVerdict kit_run_process(Task *task, Sched *sched)
{
    Process *p = process_of_task(task);
    ActorCtx *cx = kit_ctx_of(sched);
    KitBody body;
    memcpy(&body, &p->code, sizeof body);
    for (;;) {
        if (process_has_signals(p))
            process_fetch_at_rest(cx, p, &sched->reds); /* bodies keep nothing in between */
        if (p->flags & PROCESS_F_EXIT_PENDING) {
            process_exit(cx, p);
            return TASK_DONE;
        }
        sched->reds -= 10;
        switch (body(cx, p)) {
        case KIT_YIELD: return TASK_YIELD;
        case KIT_PARK:
            if (process_park(p, (ProcessWait)p->wait))
                return TASK_PARKED;
            if (sched->reds <= 0)
                return TASK_YIELD;
            break;
        case KIT_EXIT: process_exit(cx, p); return TASK_DONE;
        }
    }
}

/* count schedulers; with a seed other than 0: simulated. max_processes 0: default. */
static inline void kit_open(Kit *kit, uint32_t count, uint64_t seed, uint32_t max_processes)
{
    memset(kit, 0, sizeof *kit);
    env_system_init(&kit->env);
    kit->env.log_level = LOG_LEVEL_ERROR;
    kit->simulated = seed != 0;
    if (kit->simulated) {
        env_sim_init(&kit->sim, seed);
        kit->sim.log_quiet = true;
    }
    Env *env = kit_env(kit);
    kit->pools = pool_global_create(env, POOL_DEFAULT, 0);
    kit->epochs = epoch_domain_create(env);
    assert_ok(symtab_create(env, 0, 0, &kit->symtab));
    kit->heap_env = (HeapEnv){.env = env,
                              .pools = kit->pools,
                              .default_cap_bytes = (size_t)64 << 20,
                              .stack_cap_bytes = (size_t)1 << 20,
                              .verify = true};
    SchedConfig config = {.env = env,
                          .count = count,
                          .hooks = {.thread_start = kit_thread_start,
                                    .thread_stop = kit_thread_stop,
                                    .slice_begin = kit_slice_begin,
                                    .slice_end = kit_slice_end,
                                    .quiescent = kit_quiet},
                          .hook_ctx = kit,
                          .sim = kit->simulated ? &kit->sim : NULL,
                          .sim_seed = seed};
    assert_ok(sched_group_create(&config, &kit->group));
    ActorConfig actors = {.env = env,
                          .heap_env = &kit->heap_env,
                          .pools = kit->pools,
                          .symtab = kit->symtab,
                          .max_processes = max_processes,
                          .run = kit_run_process,
                          .ctx_of = kit_ctx_of,
                          .main_ended = kit_main_ended,
                          .abandon_dirty = kit_abandon_dirty,
                          .ctx = kit};
#ifdef MAGGIE_LINK_MUTANTS
    actors.link_mutant = link_mutant_number(getenv("MAGGIE_LINK_MUTANT"));
#endif
    assert_ok(actor_node_create(&actors, &kit->node));
    kit_local_open(kit, &kit->outside, NULL);
    kit->cx = &kit->outside.cx;
}

/* Runs until nothing moves any more. Once per kit with threads. */
static inline void kit_run(Kit *kit)
{
    if (!kit->simulated) {
        assert_ok(sched_start(kit->group));
        sched_join(kit->group);
        return;
    }
    Status status;
    SchedSimEnd end = sched_sim_run(kit->group, KIT_STEPS, &status);
    assert_ok(status);
    assert_int_not_equal(end, SCHED_SIM_STEPS);
}

/* Ends everything; asserts that nothing is left over. */
static inline void kit_close(Kit *kit)
{
    sched_group_destroy(kit->group);
    actor_node_destroy(kit->node, kit->cx);
    kit_local_close(&kit->outside);
    epoch_domain_destroy(kit->epochs);
    symtab_destroy(kit->symtab);
    assert_int_equal(pool_global_destroy(kit->pools), 0);
    if (kit->simulated)
        assert_int_equal(kit->sim.bytes_live, 0);
}

/* A process with a small heap that is not started. */
static inline Process *kit_make(Kit *kit, ActorCtx *cx, Value parent, KitBody body)
{
    (void)kit;
    Process *p;
    assert_ok(process_new(cx, parent, &p));
    assert_ok(heap_init(&p->heap, &cx->heap, 16, process_salt(p)));
    memcpy(&p->code, &body, sizeof body);
    return p;
}

static inline Process *kit_spawn(Kit *kit, ActorCtx *cx, Value parent, KitBody body)
{
    Process *p = kit_make(kit, cx, parent, body);
    process_start(cx, p, false);
    return p;
}

static inline Value kit_symbol(Kit *kit, const char *text)
{
    uint32_t id;
    assert_ok(symtab_intern(kit->symtab, text, strlen(text), &id));
    return value_symbol(id);
}

/* An Array in p's heap; the stack is taken to be empty. */
static inline Value kit_array(ActorCtx *cx, Process *p, const Value *values, size_t n)
{
    Object *o;
    Status status = heap_try_new(&p->heap, &cx->heap, p->heap.lo, CLASS_ARRAY, OBJ_SLOTS, 0, n, &o);
    assert_ok(status); /* the test's heap is big enough */
    memcpy(obj_slots(o), values, n * sizeof *values);
    return value_ptr(o);
}

static inline KitNext kit_body_park(ActorCtx *cx, Process *p)
{
    (void)cx;
    p->wait = PROCESS_WAIT_RECEIVE;
    return KIT_PARK;
}

static inline KitNext kit_body_end(ActorCtx *cx, Process *p)
{
    (void)cx;
    (void)p;
    return KIT_EXIT;
}

/* The payload of a MailboxMessage. */
static inline Value kit_payload(Value message) { return obj_of(message)->words[2]; }

static inline void kit_fetch(ActorCtx *cx, Process *p)
{
    int32_t reds = 1 << 30;
    process_fetch_signals(cx, p, &reds);
}

#endif
