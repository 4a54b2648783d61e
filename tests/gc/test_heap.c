/* SPDX-License-Identifier: Apache-2.0 */
/* test_heap.c - blocks, allocation, stores, collections one at a time, hashes, handles, caps. */
#include "gc_test.h"

static void a_new_heap_is_256_bytes_and_gives_them_back(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    assert_int_equal(heap_bytes(&p.heap), 256);
    assert_null(p.heap.ext);
    proc_close(&p);
    world_close(&w);
}

static void allocation_stops_before_the_red_zone(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    size_t words = 0;
    while (heap_try_alloc(&p.heap, proc_top(&p), 1))
        words++;
    assert_int_equal(words, HEAP_FIRST_BLOCK_WORDS - HEAP_STACK_RED_ZONE);
    proc_close(&p);
    world_close(&w);
}

static void a_small_heap_keeps_what_is_reachable(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (int i = 0; i < 50; i++) {
        proc_cons(&p, 0, value_int(i));
        for (int g = 0; g < 20; g++)
            proc_array(&p, 3);
    }
    proc_collect(&p, HEAP_GC_AUTO);
    Object *o = proc_obj(&p, 0);
    for (int i = 49; i >= 0; i--) {
        assert_true(o->words[0] == value_int(i));
        o = i ? obj_of(o->words[1]) : NULL;
    }
    assert_null(heap_old(&p.heap));
    assert_true(w.cx.counters.small_collections > 3);
    assert_int_equal(p.heap.hi - p.heap.hp, 150);
    proc_close(&p);
    world_close(&w);
}

static void a_small_heap_shrinks_again(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (int i = 0; i < 300; i++)
        proc_cons(&p, 0, value_int(i));
    proc_collect(&p, HEAP_GC_AUTO);
    assert_true(heap_bytes(&p.heap) >= 8192);
    *proc_root(&p, 0) = VALUE_NIL;
    heap_note_wait(&p.heap);
    proc_collect(&p, HEAP_GC_AUTO);
    assert_int_equal(heap_bytes(&p.heap), 256);
    proc_close(&p);
    world_close(&w);
}

static void the_request_is_met(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (size_t need = 1; need < 20000; need = need * 3 + 1) {
        for (size_t stack = 0; stack < 20000; stack = stack * 5 + 7) {
            assert_int_equal(proc_collect_for(&p, HEAP_GC_AUTO, need, stack), STATUS_OK);
            size_t want = stack + (need > HEAP_NEED_MAX ? 0 : need) + HEAP_STACK_RED_ZONE;
            assert_true((size_t)(p.heap.hp - proc_top(&p)) >= want);
        }
    }
    proc_close(&p);
    world_close(&w);
}

static void a_growing_heap_gets_an_old_space_and_loses_it_again(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (int i = 0; i < 20000; i++)
        proc_cons(&p, 0, value_int(i));
    assert_non_null(heap_old(&p.heap));
    assert_true(w.cx.counters.minor_collections > 0);
    size_t n = 0;
    for (Value v = *proc_root(&p, 0); value_is_ptr(v); v = obj_of(v)->words[1])
        n++;
    assert_int_equal(n, 20000);
    *proc_root(&p, 0) = VALUE_NIL;
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_null(heap_old(&p.heap));
    proc_collect(&p, HEAP_GC_HIBERNATE);
    assert_true(heap_bytes(&p.heap) <= 256);
    proc_close(&p);
    world_close(&w);
}

static void an_old_object_remembers_a_young_one(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, 2)));
    proc_age(&p);
    Object *old = proc_obj(&p, 0);
    assert_true(old->header & OBJ_F_OLD);
    for (int round = 0; round < 3; round++) {
        Object *young = proc_array(&p, 1);
        young->words[0] = value_int(round);
        old = proc_obj(&p, 0);
        assert_true(heap_store(&p.heap, old, &old->words[0], value_ptr(young)));
        assert_false(old->header & OBJ_F_GUARD);
        assert_true(heap_store(&p.heap, old, &old->words[1], value_ptr(young)));
        proc_check(&p);
        proc_collect(&p, HEAP_GC_MINOR);
        old = proc_obj(&p, 0);
        assert_true(old->header & OBJ_F_GUARD);
        assert_true(old->words[0] == old->words[1]);
        assert_true(obj_of(old->words[0])->header & OBJ_F_OLD);
        assert_true(obj_of(old->words[0])->words[0] == value_int(round));
    }
    proc_close(&p);
    world_close(&w);
}

static void a_full_remembered_set_falls_back_to_all_of_old_space(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (int i = 0; i < 300; i++)
        proc_cons(&p, 0, VALUE_NIL);
    proc_age(&p);
    proc_push(&p, value_ptr(proc_array(&p, 1)));
    w.sim.alloc_fail_after = w.sim.alloc_count + 1;
    for (Value v = *proc_root(&p, 0); value_is_ptr(v); v = obj_of(v)->words[1])
        assert_true(heap_store(&p.heap, obj_of(v), &obj_of(v)->words[0], *proc_root(&p, 1)));
    w.sim.alloc_fail_after = 0;
    assert_true(heap_old(&p.heap)->remembered.overflow);
    p.depth = 1;
    proc_collect(&p, HEAP_GC_MINOR);
    assert_false(heap_old(&p.heap)->remembered.overflow);
    Value young = proc_obj(&p, 0)->words[0];
    for (Value v = *proc_root(&p, 0); value_is_ptr(v); v = obj_of(v)->words[1]) {
        assert_true(obj_of(v)->words[0] == young);
        assert_true(obj_of(v)->header & OBJ_F_GUARD);
    }
    proc_close(&p);
    world_close(&w);
}

static void large_objects_stay_where_they_are(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, 5000)));
    proc_push(&p, value_ptr(proc_array(&p, 70000)));
    Value at0 = *proc_root(&p, 0);
    Value at1 = *proc_root(&p, 1);
    assert_true(obj_is_big(obj_of(at1)));
    assert_int_equal(obj_words(obj_of(at1)), 70000);
    for (int i = 0; i < 6; i++) {
        Object *young = proc_array(&p, 1);
        young->words[0] = value_int(i);
        size_t slot = (size_t)i * 9999;
        assert_true(
            heap_store(&p.heap, obj_of(at1), &obj_slots(obj_of(at1))[slot], value_ptr(young)));
        proc_check(&p);
        proc_collect(&p, i % 3 == 2 ? HEAP_GC_MAJOR : HEAP_GC_MINOR);
        assert_true(*proc_root(&p, 0) == at0 && *proc_root(&p, 1) == at1);
        for (int k = 0; k <= i; k++)
            assert_true(obj_of(obj_slots(obj_of(at1))[(size_t)k * 9999])->words[0] == value_int(k));
    }
    size_t before = heap_bytes(&p.heap);
    p.depth = 1;
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_true(heap_bytes(&p.heap) + 70000 * 8 <= before);
    proc_close(&p);
    world_close(&w);
}

static void dead_young_large_objects_go_in_a_minor_collection(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    for (int i = 0; i < 200; i++)
        proc_new(&p, OBJ_BYTES, 0, 100000);
    assert_true(w.sim.bytes_live < (size_t)16 << 20);
    assert_true(w.cx.counters.major_collections <= 1);
    proc_close(&p);
    world_close(&w);
}

static void an_unfilled_large_object_may_be_collected(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    Object *o = proc_new(&p, OBJ_SLOTS, 0, 300000);
    proc_push(&p, value_ptr(o));
    proc_collect(&p, HEAP_GC_MINOR);
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_true(obj_slots(proc_obj(&p, 0))[299999] == VALUE_NONE);
    proc_close(&p);
    world_close(&w);
}

static void weak_references_lose_dead_targets_only(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    for (int generational = 0; generational < 2; generational++) {
        proc_open(&p, &w);
        if (generational)
            proc_age(&p);
        proc_push(&p, value_ptr(proc_array(&p, 1)));
        for (int i = 0; i < 2; i++) {
            Object *target = i ? proc_array(&p, 1) : proc_obj(&p, 0);
            proc_push(&p, value_ptr(target));
            Object *weak = proc_new(&p, OBJ_WEAK, 0, 2);
            weak->words[0] = *proc_root(&p, p.depth - 1);
            weak->words[1] = VALUE_NONE;
            p.depth--;
            proc_push(&p, value_ptr(weak));
        }
        assert_true(value_is_ptr(proc_obj(&p, 2)->words[0]));
        for (int i = 0; i < 3; i++) {
            proc_collect(&p, i == 1 ? HEAP_GC_MAJOR : HEAP_GC_AUTO);
            assert_true(proc_obj(&p, 1)->words[0] == *proc_root(&p, 0));
            assert_true(proc_obj(&p, 2)->words[0] == VALUE_NIL);
        }
        proc_close(&p);
    }
    world_close(&w);
}

static void an_old_weak_reference_is_updated_after_a_store(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    Object *weak = proc_new(&p, OBJ_WEAK, 0, 2);
    weak->words[0] = weak->words[1] = VALUE_NIL;
    weak->words[1] = VALUE_NONE;
    proc_push(&p, value_ptr(weak));
    proc_age(&p);
    proc_push(&p, value_ptr(proc_array(&p, 1)));
    weak = proc_obj(&p, 0);
    assert_true(heap_store(&p.heap, weak, &weak->words[0], *proc_root(&p, 1)));
    proc_collect(&p, HEAP_GC_MINOR);
    assert_true(proc_obj(&p, 0)->words[0] == *proc_root(&p, 1));
    proc_close(&p);
    world_close(&w);
}

static void identity_hashes_last_as_long_as_the_object(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    enum { N = 400 };
    uint32_t hash[N];
    size_t distinct = 0;
    for (size_t i = 0; i < N; i++) {
        proc_push(&p, value_ptr(proc_array(&p, i % 5)));
        hash[i] = heap_identity_hash(&p.heap, proc_obj(&p, i));
        assert_true(hash[i] < 1u << 30);
        distinct += i == 0 || hash[i] != hash[i - 1];
    }
    assert_true(distinct > N - 5);
    static const HeapGcKind kinds[] = {HEAP_GC_AUTO, HEAP_GC_MINOR, HEAP_GC_MAJOR, HEAP_GC_AUTO,
                                       HEAP_GC_HIBERNATE};
    for (int k = 0; k < 5; k++) {
        for (size_t i = 0; i < N; i++)
            assert_int_equal(heap_identity_hash(&p.heap, proc_obj(&p, i)), hash[i]);
        if (k == 1)
            assert_int_equal(heap_need_old(&p.heap, &w.cx), STATUS_OK);
        proc_collect(&p, kinds[k]);
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(heap_identity_hash(&p.heap, proc_obj(&p, i)), hash[i]);
    proc_close(&p);
    world_close(&w);
}

static void old_objects_and_large_ones_have_hashes_too(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, 3000)));
    for (int i = 0; i < 20; i++)
        proc_push(&p, value_ptr(proc_array(&p, 2)));
    proc_collect(&p, HEAP_GC_MINOR);
    uint32_t hash[21];
    for (size_t i = 0; i < 21; i++)
        hash[i] = heap_identity_hash(&p.heap, proc_obj(&p, i));
    for (int k = 0; k < 3; k++) {
        proc_collect(&p, k == 1 ? HEAP_GC_MINOR : HEAP_GC_MAJOR);
        for (size_t i = 0; i < 21; i++)
            assert_int_equal(heap_identity_hash(&p.heap, proc_obj(&p, i)), hash[i]);
    }
    proc_close(&p);
    world_close(&w);
}

static void equal_salts_give_equal_hashes(void **state)
{
    (void)state;
    World w;
    uint32_t hash[2][100];
    world_open(&w);
    for (int run = 0; run < 2; run++) {
        Proc p;
        proc_open(&p, &w);
        for (size_t i = 0; i < 100; i++) {
            proc_push(&p, value_ptr(proc_array(&p, 3)));
            hash[run][i] = heap_identity_hash(&p.heap, proc_obj(&p, i));
        }
        proc_close(&p);
    }
    assert_memory_equal(hash[0], hash[1], sizeof hash[0]);
    world_close(&w);
}

/* ---- handles ---- */

typedef struct Counted {
    OffHeap base;
    int *destroyed;
} Counted;

static void counted_destroy(HeapEnv *henv, OffHeap *object)
{
    (void)henv;
    Counted *c = (Counted *)object;
    ++*c->destroyed;
    free(c);
}
static const OffHeapType counted_type = {.name = "counted", .destroy = counted_destroy};

static Counted *counted_new(int *destroyed)
{
    Counted *c = malloc(sizeof *c);
    c->base.refs = 1;
    c->base.type = &counted_type;
    c->destroyed = destroyed;
    return c;
}

static void handles_are_released_when_their_objects_die(void **state)
{
    (void)state;
    World w;
    for (int generational = 0; generational < 2; generational++) {
        Proc p;
        int destroyed = 0;
        world_open(&w);
        proc_open(&p, &w);
        if (generational)
            proc_age(&p);
        for (int i = 0; i < 4; i++) {
            Counted *c = counted_new(&destroyed);
            Value v;
            proc_collect_for(&p, HEAP_GC_AUTO, 3, 1) == STATUS_OK ? (void)0 : fail();
            assert_int_equal(
                heap_new_handle(&p.heap, &w.cx, proc_top(&p), CLASS_OBJECT, &c->base, &v),
                STATUS_OK);
            offheap_release(&w.henv, &c->base);
            proc_push(&p, v);
        }
        proc_collect(&p, HEAP_GC_AUTO);
        assert_int_equal(destroyed, 0);
        p.depth = 3;
        proc_collect(&p, HEAP_GC_MAJOR);
        assert_int_equal(destroyed, 1);
        Fragment *f;
        assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 1), 0, &f, NULL),
                         STATUS_OK);
        p.depth = 0;
        proc_collect(&p, HEAP_GC_MAJOR);
        assert_int_equal(destroyed, 3);
        fragment_free(&w.cx, f);
        assert_int_equal(destroyed, 4);
        proc_close(&p);
        world_close(&w);
    }
}

/* ---- caps ---- */

static void the_cap_ends_growth_and_leaves_the_heap_whole(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    assert_int_equal(heap_set_cap(&p.heap, &w.cx, 1 << 20), STATUS_OK);
    proc_push(&p, VALUE_NIL);
    Status status = STATUS_OK;
    size_t n = 0;
    while (status == STATUS_OK) {
        Object *o = heap_try_alloc(&p.heap, proc_top(&p), 3);
        if (!o) {
            status = proc_collect_for(&p, HEAP_GC_AUTO, 3, 0);
            continue;
        }
        o->header = obj_header(CLASS_ARRAY, 2, OBJ_SLOTS, 0);
        o->words[0] = value_int(7);
        o->words[1] = *proc_root(&p, 0);
        *proc_root(&p, 0) = value_ptr(o);
        n++;
    }
    assert_int_equal(status, STATUS_HEAP_LIMIT);
    assert_true(n * 24 > (1 << 20) / 4 && n * 24 <= (1 << 20));
    proc_check(&p);
    size_t found = 0;
    for (Value v = *proc_root(&p, 0); value_is_ptr(v); v = obj_of(v)->words[1])
        found++;
    assert_int_equal(found, n);
    proc_close(&p);
    world_close(&w);
}

static void a_large_object_beyond_the_cap_is_refused_but_garbage_is_not_counted(void **state)
{
    (void)state;
    World w;
    Proc p;
    Object *o;
    world_open(&w);
    proc_open(&p, &w);
    assert_int_equal(heap_set_cap(&p.heap, &w.cx, 1 << 20), STATUS_OK);
    assert_int_equal(
        heap_try_new(&p.heap, &w.cx, proc_top(&p), CLASS_ARRAY, OBJ_SLOTS, 0, 1000000000, &o),
        STATUS_HEAP_LIMIT);
    assert_int_equal(
        heap_try_new(&p.heap, &w.cx, proc_top(&p), CLASS_ARRAY, OBJ_SLOTS, 0, SIZE_MAX / 8, &o),
        STATUS_HEAP_LIMIT);
    /* Garbage makes room: each of these needs a collection first. */
    for (int i = 0; i < 8; i++)
        proc_new(&p, OBJ_BYTES, 0, 100000);
    /* What is alive does not. */
    proc_push(&p, value_ptr(proc_new(&p, OBJ_BYTES, 0, 100000)));
    Status s = STATUS_HEAP_FULL;
    for (int tries = 0; tries < 4 && s == STATUS_HEAP_FULL; tries++) {
        s = heap_try_new(&p.heap, &w.cx, proc_top(&p), CLASS_ARRAY, OBJ_BYTES, 0, 100000, &o);
        if (s == STATUS_HEAP_FULL && proc_collect_for(&p, HEAP_GC_AUTO, 100001, 0) != STATUS_OK)
            s = STATUS_HEAP_LIMIT;
    }
    assert_int_equal(s, STATUS_HEAP_LIMIT);
    /* Also when the caller asks for too little. */
    s = STATUS_HEAP_FULL;
    for (int tries = 0; tries < 4 && s == STATUS_HEAP_FULL; tries++) {
        s = heap_try_new(&p.heap, &w.cx, proc_top(&p), CLASS_ARRAY, OBJ_BYTES, 0, 100000, &o);
        if (s == STATUS_HEAP_FULL)
            assert_int_equal(proc_collect_for(&p, HEAP_GC_AUTO, 3, 0), STATUS_OK);
    }
    assert_int_equal(s, STATUS_HEAP_LIMIT);
    proc_check(&p);
    proc_close(&p);
    world_close(&w);
}

static void big_strings_count_towards_cap_and_trigger(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    for (int i = 0; i < 1000; i++)
        proc_string(&p, 100000, 'x'); /* garbage: must not pile up */
    assert_true(w.sim.bytes_live < (size_t)8 << 20);
    assert_int_equal(heap_set_cap(&p.heap, &w.cx, 1 << 20), STATUS_OK);
    uint8_t *data;
    Value v;
    Status s = STATUS_OK;
    int held = 0;
    while (s == STATUS_OK && held < 100) {
        s = str_new(&p.heap, &w.cx, proc_top(&p), CLASS_STRING, 100000, 100000, &data, &v);
        if (s == STATUS_OK) {
            memset(data, 'y', 100000);
            proc_push(&p, v);
            held++;
        } else if (s == STATUS_HEAP_FULL) {
            s = proc_collect_for(&p, HEAP_GC_AUTO, 40, 1);
        }
    }
    assert_int_equal(s, STATUS_HEAP_LIMIT);
    assert_in_range(held, 7, 10);
    proc_close(&p);
    world_close(&w);
}

static void the_stack_budget_is_told_and_the_heap_stays_usable(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    w.henv.stack_cap_bytes = 1 << 16;
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    assert_int_equal(proc_collect_for(&p, HEAP_GC_AUTO, 0, 8000), STATUS_OK);
    assert_int_equal(proc_collect_for(&p, HEAP_GC_AUTO, 0, 9000), STATUS_STACK_LIMIT);
    proc_cons(&p, 0, VALUE_NIL);
    proc_check(&p);
    proc_close(&p);
    world_close(&w);
}

static void a_deep_stack_grows_the_block_geometrically(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    w.henv.verify = false;
    proc_open(&p, &w);
    for (int i = 0; i < 1000000; i++)
        proc_push(&p, value_int(i));
    assert_true(w.cx.counters.minor_collections + w.cx.counters.small_collections < 60);
    for (int i = 0; i < 1000000; i++)
        assert_true(*proc_root(&p, (size_t)i) == value_int(i));
    proc_close(&p);
    world_close(&w);
}

/* ---- become ---- */

static void become_swaps_all_references(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    static const size_t sizes[][2] = {{2, 3}, {0, 2}, {2, 0}, {3000, 2}, {2, 3000}, {3000, 4000}};
    for (size_t k = 0; k < 6; k++) {
        for (int aged = 0; aged < 2; aged++) {
            Proc p;
            proc_open(&p, &w);
            for (size_t i = 0; i < 2; i++) {
                size_t n = sizes[k][i];
                proc_push(&p, value_ptr(proc_array(&p, n)));
                if (n)
                    obj_slots(proc_obj(&p, i))[0] = value_int((int64_t)n);
            }
            proc_push(&p, value_ptr(proc_array(&p, 3)));
            for (size_t i = 0; i < 2; i++)
                proc_obj(&p, 2)->words[i] = *proc_root(&p, i);
            proc_obj(&p, 2)->words[2] = value_int((int64_t)(k * 2));
            if (sizes[k][0] > 1) /* a refers to itself and to b */
                obj_slots(proc_obj(&p, 0))[1] = *proc_root(&p, 0);
            if (aged)
                proc_age(&p);
            HeapGcRequest r = {HEAP_GC_AUTO, 0, p.depth, 0};
            uint32_t hash = heap_identity_hash(&p.heap, proc_obj(&p, 0));
            assert_int_equal(heap_become(&p.heap, &w.cx, &p.roots, &r, *proc_root(&p, 0),
                                         *proc_root(&p, 1), false, &p.last),
                             STATUS_OK);
            assert_int_equal(heap_identity_hash(&p.heap, proc_obj(&p, 0)), hash);
            for (size_t i = 0; i < 2; i++) {
                assert_int_equal(obj_words(proc_obj(&p, i)), sizes[k][1 - i]);
                assert_true(proc_obj(&p, 2)->words[i] == *proc_root(&p, i));
            }
            if (sizes[k][0] > 1) /* a's own reference to a is now one to b */
                assert_true(obj_slots(proc_obj(&p, 1))[1] == *proc_root(&p, 0));
            proc_collect(&p, HEAP_GC_MAJOR);
            assert_int_equal(obj_words(proc_obj(&p, 0)), sizes[k][1]);
            assert_int_equal(heap_identity_hash(&p.heap, proc_obj(&p, 0)), hash);
            proc_close(&p);
        }
    }
    world_close(&w);
}

static void become_forward_drops_the_first(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    for (int large = 0; large < 4; large++) {
        proc_open(&p, &w);
        proc_push(&p, value_ptr(proc_array(&p, large & 1 ? 5000 : 1)));
        proc_push(&p, value_ptr(proc_array(&p, large & 2 ? 6000 : 2)));
        HeapGcRequest r = {HEAP_GC_AUTO, 0, p.depth, 0};
        assert_int_equal(heap_become(&p.heap, &w.cx, &p.roots, &r, *proc_root(&p, 0),
                                     *proc_root(&p, 1), true, &p.last),
                         STATUS_OK);
        assert_true(*proc_root(&p, 0) == *proc_root(&p, 1));
        assert_int_equal(obj_words(proc_obj(&p, 0)), large & 2 ? 6000 : 2);
        proc_close(&p);
    }
    world_close(&w);
}

static void become_of_strings_keeps_their_buffers_counted(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    for (int one_way = 0; one_way < 2; one_way++) {
        proc_open(&p, &w);
        proc_push(&p, proc_string(&p, 1000, 'a'));
        proc_push(&p, value_ptr(proc_array(&p, 2)));
        HeapGcRequest r = {HEAP_GC_AUTO, 0, p.depth, 0};
        assert_int_equal(heap_become(&p.heap, &w.cx, &p.roots, &r, *proc_root(&p, 0),
                                     *proc_root(&p, 1), one_way != 0, &p.last),
                         STATUS_OK);
        assert_true(value_is_kind(*proc_root(&p, 0), OBJ_SLOTS));
        assert_true(value_is_kind(*proc_root(&p, 1), one_way ? OBJ_SLOTS : OBJ_BIG_STRING));
        proc_collect(&p, HEAP_GC_MAJOR);
        proc_collect(&p, HEAP_GC_MAJOR);
        proc_close(&p);
    }
    world_close(&w);
}

static void become_refuses_immediates(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, 1)));
    HeapGcRequest r = {HEAP_GC_AUTO, 0, p.depth, 0};
    assert_int_equal(
        heap_become(&p.heap, &w.cx, &p.roots, &r, *proc_root(&p, 0), value_int(1), false, &p.last),
        STATUS_BAD_ARGUMENT);
    proc_close(&p);
    world_close(&w);
}

/* ---- closures, verification ---- */

/* Code of this test: the handle is the first thing in it. */
static Value handle_of_code(const void *code) { return *(const Value *)code; }

static void note_dead_code(HeapEnv *henv, EpochRecord *epoch, void *code)
{
    (void)henv;
    (void)epoch;
    ((Value *)code)[1] = VALUE_TRUE;
}

/* A region that carries `code` and holds nothing but the handle. */
static Region *region_with_code(World *w, Value code[2])
{
    Region *region;
    Object *handle;
    assert_int_equal(region_new(&w->cx, 3, false, &region), STATUS_OK);
    assert_int_equal(frozen_new(region, CLASS_BLOCK, OBJ_CLOSURE, 0, 1, &handle), STATUS_OK);
    handle->words[CLOSURE_CODE] = value_raw(code);
    code[0] = value_ptr(handle);
    code[1] = VALUE_FALSE;
    region_carry_code(region, code, 1000);
    return region;
}

static void push_closure(Proc *p, void *code)
{
    Object *c = proc_new(p, OBJ_CLOSURE, 0, 2);
    c->words[CLOSURE_CODE] = value_raw(code);
    c->words[CLOSURE_FIRST_CAPTURE] = VALUE_NIL;
    proc_push(p, value_ptr(c));
}

static void code_lives_while_a_closure_refers_to_it(void **state)
{
    (void)state;
    static const HeapGcKind kinds[] = {HEAP_GC_AUTO, HEAP_GC_MAJOR};
    for (size_t k = 0; k < 2; k++) {
        World w;
        Proc p, q;
        Value code[2] __attribute__((aligned(16)));
        world_open(&w);
        w.henv.code_handle = handle_of_code;
        w.henv.code_dead = note_dead_code;
        size_t before = w.henv.frozen_bytes;
        proc_open(&p, &w);
        proc_open(&q, &w);
        Region *region = region_with_code(&w, code);
        assert_true(w.henv.frozen_bytes >= before + 1000);
        assert_true(heap_hold(&p.heap, &w.cx, code[0]));
        push_closure(&p, code);
        assert_false(region_retire(&w.cx, NULL, region)); /* too little to ask for */
        assert_true(w.henv.retired_bytes >= 1000);
        proc_collect(&p, kinds[k]);
        assert_true(code[1] == VALUE_FALSE);
        /* a copy holds it on its own */
        Fragment *f;
        assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 0), 0, &f, NULL),
                         STATUS_OK);
        *proc_root(&p, 0) = VALUE_NIL;
        proc_collect(&p, kinds[k]);
        assert_true(code[1] == VALUE_FALSE);
        proc_push(&q, heap_adopt(&q.heap, f));
        proc_collect(&q, kinds[k]);
        assert_true(code[1] == VALUE_FALSE);
        *proc_root(&q, 0) = VALUE_NIL;
        proc_collect(&q, kinds[k]);
        assert_true(code[1] == VALUE_TRUE);
        assert_int_equal(w.henv.frozen_bytes, before);
        assert_int_equal(w.henv.retired_bytes, 0);
        proc_close(&p);
        proc_close(&q);
        world_close(&w);
    }
}

static void a_heap_that_noted_many_regions_lets_them_go(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    for (unsigned i = 0; i < 200; i++) {
        Region *region;
        Object *o;
        assert_int_equal(region_new(&w.cx, 3, false, &region), STATUS_OK);
        assert_int_equal(frozen_new(region, CLASS_ARRAY, OBJ_SLOTS, 0, 1, &o), STATUS_OK);
        o->words[0] = VALUE_NIL;
        assert_true(heap_hold(&p.heap, &w.cx, value_ptr(o)));
        assert_false(region_retire(&w.cx, NULL, region));
        if (i < 60)
            assert_false(heap_wants_sweep(&p.heap, &w.henv));
    }
    assert_true(heap_wants_sweep(&p.heap, &w.henv));
    proc_collect(&p, HEAP_GC_AUTO);
    assert_false(heap_wants_sweep(&p.heap, &w.henv));
    assert_int_equal(w.henv.frozen_bytes, 0);
    proc_close(&p);
    world_close(&w);
}

/* One that holds a single big region is asked when enough of such are retired. */
static void heaps_are_asked_when_much_is_retired(void **state)
{
    (void)state;
    World w;
    Proc p;
    size_t words = (size_t)1 << 20; /* 8 MiB */
    world_open(&w);
    proc_open(&p, &w);
    Region *region;
    Object *o;
    assert_int_equal(region_new(&w.cx, words + 8, false, &region), STATUS_OK);
    assert_int_equal(frozen_new(region, CLASS_ARRAY, OBJ_SLOTS, 0, words, &o), STATUS_OK);
    for (size_t i = 0; i < words; i++)
        obj_slots(o)[i] = VALUE_NIL;
    assert_true(heap_hold(&p.heap, &w.cx, value_ptr(o)));
    assert_false(heap_wants_sweep(&p.heap, &w.henv));
    assert_true(region_retire(&w.cx, NULL, region));
    assert_true(heap_wants_sweep(&p.heap, &w.henv));
    proc_push(&p, value_ptr(o));
    proc_collect(&p, HEAP_GC_AUTO);
    assert_false(heap_wants_sweep(&p.heap, &w.henv)); /* it is needed: not asked again */
    assert_true(w.henv.frozen_bytes > words);
    *proc_root(&p, 0) = VALUE_NIL;
    proc_collect(&p, HEAP_GC_AUTO);
    assert_int_equal(w.henv.frozen_bytes, 0);
    proc_close(&p);
    world_close(&w);
}

static void verification_finds_planted_damage(void **state)
{
    (void)state;
    World w;
    Proc p;
    Proc q;
    Value where;
    world_open(&w);
    proc_open(&p, &w);
    proc_open(&q, &w);
    proc_push(&p, value_ptr(proc_array(&p, 2)));
    proc_push(&q, value_ptr(proc_array(&q, 2)));
    proc_obj(&p, 0)->words[0] = *proc_root(&q, 0); /* I2 */
    assert_non_null(heap_verify(&p.heap, &w.cx, &p.roots, &where));
    proc_obj(&p, 0)->words[0] = *proc_root(&p, 0) + 4;
    assert_non_null(heap_verify(&p.heap, &w.cx, &p.roots, &where));
    proc_obj(&p, 0)->words[0] = VALUE_NIL;
    proc_check(&p);
    proc_age(&p);
    proc_obj(&p, 0)->words[0] = value_ptr(proc_array(&p, 1)); /* without heap_store */
    assert_non_null(heap_verify(&p.heap, &w.cx, &p.roots, &where));
    proc_obj(&p, 0)->words[0] = VALUE_NIL;
    proc_close(&p);
    proc_close(&q);
    world_close(&w);
}

static void minor_work_does_not_depend_on_the_live_heap(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    w.henv.verify = false;
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, 100000)));
    for (int i = 0; i < 100000; i++)
        proc_cons(&p, 0, value_int(i));
    proc_collect(&p, HEAP_GC_MAJOR);
    HeapCounters before = w.cx.counters;
    for (int i = 0; i < 1000000; i++) {
        proc_array(&p, 2);
        if (i % 1000 == 0)
            heap_store(&p.heap, proc_obj(&p, 0), &proc_obj(&p, 0)->words[0], VALUE_NIL);
    }
    HeapCounters after = w.cx.counters;
    uint64_t allocated = after.words_allocated - before.words_allocated;
    uint64_t copied = after.words_copied - before.words_copied;
    uint64_t scanned = after.words_scanned - before.words_scanned;
    assert_int_equal(after.major_collections, before.major_collections);
    assert_true(allocated > 2500000);
    assert_true(copied * 100 < allocated);
    assert_true(scanned * 10 < allocated);
    proc_close(&p);
    world_close(&w);
}

GC_MAIN(cmocka_unit_test(a_new_heap_is_256_bytes_and_gives_them_back),
        cmocka_unit_test(allocation_stops_before_the_red_zone),
        cmocka_unit_test(a_small_heap_keeps_what_is_reachable),
        cmocka_unit_test(a_small_heap_shrinks_again), cmocka_unit_test(the_request_is_met),
        cmocka_unit_test(a_growing_heap_gets_an_old_space_and_loses_it_again),
        cmocka_unit_test(an_old_object_remembers_a_young_one),
        cmocka_unit_test(a_full_remembered_set_falls_back_to_all_of_old_space),
        cmocka_unit_test(large_objects_stay_where_they_are),
        cmocka_unit_test(dead_young_large_objects_go_in_a_minor_collection),
        cmocka_unit_test(an_unfilled_large_object_may_be_collected),
        cmocka_unit_test(weak_references_lose_dead_targets_only),
        cmocka_unit_test(an_old_weak_reference_is_updated_after_a_store),
        cmocka_unit_test(identity_hashes_last_as_long_as_the_object),
        cmocka_unit_test(old_objects_and_large_ones_have_hashes_too),
        cmocka_unit_test(equal_salts_give_equal_hashes),
        cmocka_unit_test(handles_are_released_when_their_objects_die),
        cmocka_unit_test(the_cap_ends_growth_and_leaves_the_heap_whole),
        cmocka_unit_test(a_large_object_beyond_the_cap_is_refused_but_garbage_is_not_counted),
        cmocka_unit_test(big_strings_count_towards_cap_and_trigger),
        cmocka_unit_test(the_stack_budget_is_told_and_the_heap_stays_usable),
        cmocka_unit_test(a_deep_stack_grows_the_block_geometrically),
        cmocka_unit_test(become_swaps_all_references),
        cmocka_unit_test(become_forward_drops_the_first),
        cmocka_unit_test(become_of_strings_keeps_their_buffers_counted),
        cmocka_unit_test(become_refuses_immediates),
        cmocka_unit_test(code_lives_while_a_closure_refers_to_it),
        cmocka_unit_test(a_heap_that_noted_many_regions_lets_them_go),
        cmocka_unit_test(heaps_are_asked_when_much_is_retired),
        cmocka_unit_test(verification_finds_planted_damage),
        cmocka_unit_test(minor_work_does_not_depend_on_the_live_heap))
