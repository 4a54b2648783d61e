/* SPDX-License-Identifier: Apache-2.0 */
/* gc_test.h - a process for tests of the heap: stack words are the roots, allocation collects when
 * it must, and the simulated Env counts bytes and fails on cue.
 * Threads: each World belongs to one thread. */
#ifndef GC_TEST_H
#define GC_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "env_sim.h"
#include "gc_int.h"
#include "strbuf_int.h"

/* A main that runs all tests, or those whose name matches argv[1]. */
#define GC_MAIN(...)                                                                               \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        if (argc > 1)                                                                              \
            cmocka_set_test_filter(argv[1]);                                                       \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

typedef struct World {
    EnvSim sim;
    PoolGlobal *pools;
    PoolLocal pool;
    HeapEnv henv;
    HeapCtx cx;
} World;

/* A heap with `depth` roots at the bottom of its stack. */
typedef struct Proc {
    World *world;
    Heap heap;
    size_t depth;
    HeapRoots roots;
    HeapGcResult last;
} Proc;

static void proc_visit(void *ctx, HeapVisit visit, void *arg)
{
    Proc *p = ctx;
    size_t half = p->depth / 2; /* two runs, as of two frames, which overlap by a word */
    visit(arg, p->heap.lo, half + (half < p->depth));
    visit(arg, p->heap.lo + half, p->depth - half);
}

static inline void world_open(World *w)
{
    memset(w, 0, sizeof *w);
    env_sim_init(&w->sim, 1);
    w->sim.log_quiet = false;
    w->pools = pool_global_create(&w->sim.env, POOL_DEFAULT, 0);
    assert_non_null(w->pools);
    pool_local_init(&w->pool, w->pools);
    heap_env_init(&w->henv, &w->sim.env, w->pools);
    w->henv.verify = true;
    w->cx.env = &w->henv;
    w->cx.pool = &w->pool;
}

/* Everything was given back. */
static inline void world_close(World *w)
{
    PoolStats stats;
    pool_stats(w->pools, &stats);
    assert_int_equal(stats.live_bytes, 0);
    pool_local_close(&w->pool);
    assert_int_equal(pool_global_destroy(w->pools), 0);
    assert_int_equal(w->sim.bytes_live, 0);
}

static inline void proc_roots(Proc *p, World *w)
{
    p->world = w;
    p->depth = 0;
    p->roots = (HeapRoots){proc_visit, p};
}

static inline void proc_open(Proc *p, World *w)
{
    proc_roots(p, w);
    assert_int_equal(heap_init(&p->heap, &w->cx, 0, 12345), STATUS_OK);
}

static inline void proc_close(Proc *p) { heap_destroy(&p->heap, &p->world->cx); }

static inline Value *proc_top(Proc *p) { return p->heap.lo + p->depth; }

static inline Status proc_collect_for(Proc *p, HeapGcKind kind, size_t need, size_t stack_need)
{
    HeapGcRequest r = {kind, need, p->depth, stack_need};
    return heap_collect(&p->heap, &p->world->cx, &p->roots, &r, &p->last);
}

static inline void proc_collect(Proc *p, HeapGcKind kind)
{
    assert_int_equal(proc_collect_for(p, kind, 0, 0), STATUS_OK);
}

static inline void proc_push(Proc *p, Value v)
{
    if (p->heap.hp - proc_top(p) < 1 + HEAP_STACK_RED_ZONE) {
        if (value_is_ptr(v)) {
            /* Keep v across the collection: the red zone is for this. */
            *proc_top(p) = v;
            p->depth++;
            assert_int_equal(proc_collect_for(p, HEAP_GC_AUTO, 0, 16), STATUS_OK);
            return;
        }
        assert_int_equal(proc_collect_for(p, HEAP_GC_AUTO, 0, 16), STATUS_OK);
    }
    *proc_top(p) = v;
    p->depth++;
}

static inline Value *proc_root(Proc *p, size_t i) { return p->heap.lo + i; }
static inline Object *proc_obj(Proc *p, size_t i) { return obj_of(p->heap.lo[i]); }

/* New object, contents undefined; collects when it must. */
static inline Object *proc_new(Proc *p, ObjKind kind, unsigned pad, size_t words)
{
    Object *o = NULL;
    for (int tries = 0; tries < 3; tries++) {
        Status s =
            heap_try_new(&p->heap, &p->world->cx, proc_top(p), CLASS_ARRAY, kind, pad, words, &o);
        if (s == STATUS_OK)
            return o;
        assert_int_equal(s, STATUS_HEAP_FULL);
        assert_int_equal(proc_collect_for(p, HEAP_GC_AUTO, obj_alloc_words(words), 0), STATUS_OK);
    }
    fail_msg("no room after two collections");
    return NULL;
}

/* New slots object, all nil. */
static inline Object *proc_array(Proc *p, size_t words)
{
    Object *o = proc_new(p, OBJ_SLOTS, 0, words);
    for (size_t i = 0; i < words; i++)
        obj_slots(o)[i] = VALUE_NIL;
    return o;
}

/* Use this, not *proc_root() =, when v comes from a call that may collect. */
static inline void proc_set(Proc *p, size_t r, Value v) { *proc_root(p, r) = v; }

/* cons in root r: {car, old value of root r}. */
static inline void proc_cons(Proc *p, size_t r, Value car)
{
    bool rooted = value_is_ptr(car);
    if (rooted)
        proc_push(p, car);
    Object *o = proc_array(p, 2);
    if (rooted)
        car = *proc_root(p, --p->depth);
    o->words[0] = car;
    o->words[1] = *proc_root(p, r);
    *proc_root(p, r) = value_ptr(o);
}

static inline Value proc_string(Proc *p, size_t bytes, char fill)
{
    uint8_t *data;
    Value v;
    for (int tries = 0; tries < 3; tries++) {
        Status s =
            str_new(&p->heap, &p->world->cx, proc_top(p), CLASS_STRING, bytes, bytes, &data, &v);
        if (s == STATUS_OK) {
            memset(data, fill, bytes);
            return v;
        }
        assert_int_equal(s, STATUS_HEAP_FULL);
        assert_int_equal(proc_collect_for(p, HEAP_GC_AUTO, 40, 0), STATUS_OK);
    }
    fail_msg("no room for a string");
    return VALUE_NIL;
}

static inline void proc_check(Proc *p)
{
    Value where;
    const char *wrong = heap_verify(&p->heap, &p->world->cx, &p->roots, &where);
    if (wrong)
        fail_msg("heap_verify: %s at %llx", wrong, (unsigned long long)where);
}

/* Makes the heap a generational one with its present objects promoted. */
static inline void proc_age(Proc *p)
{
    assert_int_equal(heap_need_old(&p->heap, &p->world->cx), STATUS_OK);
    proc_collect(p, HEAP_GC_MINOR);
}

#endif
