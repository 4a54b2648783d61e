/* SPDX-License-Identifier: Apache-2.0 */
/* test_heap_fail.c - every allocation fails once: nothing leaks, heaps stay whole, counts are
 * right. The pool runs over the Env block by block, so that its allocations fail too. */
#include "gc_test.h"

static void fail_world_open(World *w)
{
    memset(w, 0, sizeof *w);
    env_sim_init(&w->sim, 1);
    w->pools = pool_global_create(&w->sim.env, POOL_MALLOC, 0);
    assert_non_null(w->pools);
    pool_local_init(&w->pool, w->pools);
    heap_env_init(&w->henv, &w->sim.env, w->pools);
    w->cx.env = &w->henv;
    w->cx.pool = &w->pool;
}

/* The state a scenario works on. It may end early with STATUS_NO_MEMORY at any step. */
typedef struct Scene {
    World world;
    Proc p;
    bool p_open;
    Proc child;
    bool child_open;
    Fragment *f;
    Fragment *g;
    Region *region;
} Scene;

static Status scene_new(Scene *s, size_t words, ObjKind kind, Object **out)
{
    for (;;) {
        Status status = heap_try_new(&s->p.heap, &s->world.cx, proc_top(&s->p), CLASS_ARRAY, kind,
                                     0, words, out);
        if (status != STATUS_HEAP_FULL)
            return status;
        STATUS_FORWARD(proc_collect_for(&s->p, HEAP_GC_AUTO, obj_alloc_words(words), 0));
    }
}

static Status scene_cons(Scene *s, size_t r)
{
    Object *o;
    STATUS_FORWARD(scene_new(s, 2, OBJ_SLOTS, &o));
    o->words[0] = VALUE_NIL;
    o->words[1] = *proc_root(&s->p, r);
    *proc_root(&s->p, r) = value_ptr(o);
    return STATUS_OK;
}

static Status scene_string(Scene *s, size_t bytes, Value *out)
{
    uint8_t *data;
    for (;;) {
        Status status = str_new(&s->p.heap, &s->world.cx, proc_top(&s->p), CLASS_STRING, bytes,
                                bytes, &data, out);
        if (status == STATUS_OK)
            memset(data, 'f', bytes);
        if (status != STATUS_HEAP_FULL)
            return status;
        STATUS_FORWARD(proc_collect_for(&s->p, HEAP_GC_AUTO, 50, 0));
    }
}

static Status scene_fill(Scene *s)
{
    STATUS_FORWARD(heap_init(&s->p.heap, &s->world.cx, 0, 1));
    s->p_open = true;
    for (int i = 0; i < 6; i++) {
        *proc_top(&s->p) = VALUE_NIL;
        s->p.depth++;
    }
    for (int i = 0; i < 1500; i++)
        STATUS_FORWARD(scene_cons(s, 0));
    Object *large;
    STATUS_FORWARD(scene_new(s, 4000, OBJ_SLOTS, &large));
    *proc_root(&s->p, 1) = value_ptr(large);
    Value text;
    STATUS_FORWARD(scene_string(s, 700, &text));
    *proc_root(&s->p, 2) = text;
    Object *o;
    STATUS_FORWARD(scene_new(s, 3, OBJ_SLOTS, &o));
    for (size_t i = 0; i < 3; i++)
        o->words[i] = *proc_root(&s->p, i);
    *proc_root(&s->p, 3) = value_ptr(o);
    large = proc_obj(&s->p, 1);
    heap_store(&s->p.heap, large, &obj_slots(large)[5], *proc_root(&s->p, 3));
    return STATUS_OK;
}

static Status scene_share(Scene *s)
{
    World *w = &s->world;
    Value v;
    STATUS_FORWARD(frozen_copy(&s->p.heap, &w->cx, *proc_root(&s->p, 0), &v, &s->region, NULL));
    heap_hold(&s->p.heap, &w->cx, v);
    *proc_root(&s->p, 4) = v;
    Object *o;
    STATUS_FORWARD(scene_new(s, 2, OBJ_SLOTS, &o));
    o->words[0] = *proc_root(&s->p, 4);
    o->words[1] = *proc_root(&s->p, 3);
    *proc_root(&s->p, 5) = value_ptr(o);
    STATUS_FORWARD(fragment_copy_out(&s->p.heap, &w->cx, *proc_root(&s->p, 5), 1, &s->f, NULL));
    STATUS_FORWARD(fragment_duplicate(s->f, &w->cx, &s->g));
    STATUS_FORWARD(
        heap_init_with_copy(&s->child.heap, &w->cx, &s->p.heap, *proc_root(&s->p, 5), 8, 9, &v));
    s->child_open = true;
    *proc_root(&s->child, 0) = v;
    s->child.depth = 1;
    *proc_root(&s->child, 1) = heap_adopt(&s->child.heap, s->f);
    s->f = NULL;
    s->child.depth = 2;
    STATUS_FORWARD(proc_collect_for(&s->child, HEAP_GC_AUTO, 100, 100));
    STATUS_FORWARD(proc_collect_for(&s->child, HEAP_GC_MAJOR, 0, 0));
    STATUS_FORWARD(proc_collect_for(&s->p, HEAP_GC_MAJOR, 0, 10000));
    HeapGcRequest r = {HEAP_GC_AUTO, 0, s->p.depth, 0};
    return heap_become(&s->p.heap, &w->cx, &s->p.roots, &r, *proc_root(&s->p, 1),
                       *proc_root(&s->p, 3), false, &s->p.last);
}

/* Whatever happened, both heaps are whole, and everything can be given back. */
static void scene_close(Scene *s)
{
    World *w = &s->world;
    w->sim.alloc_fail_after = 0;
    w->sim.alloc_fail_one_in = 0;
    if (s->p_open) {
        proc_check(&s->p);
        proc_collect(&s->p, HEAP_GC_AUTO);
        proc_check(&s->p);
        proc_close(&s->p);
    }
    if (s->child_open) {
        proc_check(&s->child);
        proc_close(&s->child);
    }
    if (s->f)
        fragment_free(&w->cx, s->f);
    if (s->g)
        fragment_free(&w->cx, s->g);
    if (s->region)
        region_release(&w->cx, NULL, s->region);
}

static Status scene_run(Scene *s)
{
    STATUS_FORWARD(scene_fill(s));
    return scene_share(s);
}

static void scene_open(Scene *s)
{
    memset(s, 0, sizeof *s);
    fail_world_open(&s->world);
    proc_roots(&s->p, &s->world);
    proc_roots(&s->child, &s->world);
}

static void each_allocation_may_be_the_last_one(void **state)
{
    (void)state;
    for (uint64_t k = 1;; k++) {
        Scene s;
        scene_open(&s);
        s.world.sim.alloc_fail_after = s.world.sim.alloc_count + k;
        Status status = scene_run(&s);
        uint64_t failed = s.world.sim.alloc_failed;
        if (status != STATUS_OK)
            assert_int_equal(status, STATUS_NO_MEMORY);
        scene_close(&s);
        world_close(&s.world);
        if (failed == 0)
            break;
        assert_true(k < 100000);
    }
}

static void allocations_fail_at_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 400; seed++) {
        Scene s;
        scene_open(&s);
        rng_init(&s.world.sim.rng, seed);
        s.world.sim.alloc_fail_one_in = 2 + (uint32_t)(seed % 60);
        Status status = scene_run(&s);
        if (status != STATUS_OK)
            assert_int_equal(status, STATUS_NO_MEMORY);
        scene_close(&s);
        world_close(&s.world);
    }
}

GC_MAIN(cmocka_unit_test(each_allocation_may_be_the_last_one),
        cmocka_unit_test(allocations_fail_at_random))
