/* SPDX-License-Identifier: Apache-2.0 */
/* test_heap_copy.c - fragments, first blocks and frozen regions: what is copied, shared,
 * refused. */
#include "gc_test.h"

/* A cyclic graph in root r: {self, x, x, "text", 7} with x = {root}. */
static void make_graph(Proc *p, size_t r)
{
    proc_set(p, r, value_ptr(proc_array(p, 5)));
    Value text = proc_string(p, 11, 't');
    proc_obj(p, r)->words[3] = text;
    Object *x = proc_array(p, 1);
    Object *o = proc_obj(p, r);
    x->words[0] = value_ptr(o);
    o->words[0] = value_ptr(o);
    o->words[1] = o->words[2] = value_ptr(x);
    o->words[4] = value_int(7);
}

static void check_graph(Value v)
{
    Object *o = obj_of(v);
    assert_int_equal(obj_words(o), 5);
    assert_true(o->words[0] == v);
    assert_true(o->words[1] == o->words[2]);
    assert_true(obj_of(o->words[1])->words[0] == v);
    StrView s = str_view(o->words[3]);
    assert_int_equal(s.bytes, 11);
    assert_memory_equal(s.data, "ttttttttttt", 11);
    assert_true(o->words[4] == value_int(7));
}

static Fragment *copy_out(Proc *p, size_t r, size_t extra)
{
    Fragment *f = NULL;
    Value culprit;
    Status s = fragment_copy_out(&p->heap, &p->world->cx, *proc_root(p, r), extra, &f, &culprit);
    assert_int_equal(s, STATUS_OK);
    Value where;
    assert_null(fragment_verify(f, &where));
    return f;
}

static void a_message_keeps_cycles_and_sharing(void **state)
{
    (void)state;
    World w;
    Proc p;
    Proc q;
    world_open(&w);
    proc_open(&p, &w);
    proc_open(&q, &w);
    proc_push(&p, VALUE_NIL);
    make_graph(&p, 0);
    Fragment *f = copy_out(&p, 0, 2);
    assert_int_equal(f->extra, 2);
    assert_int_equal(f->words, 2 + 6 + 2 + 1 + 3);
    assert_true(f->body[0] == VALUE_NONE && f->body[1] == VALUE_NONE);
    check_graph(*proc_root(&p, 0)); /* the source is as it was */
    proc_check(&p);
    proc_push(&q, heap_adopt(&q.heap, f));
    assert_int_equal(heap_adopted_words(&q.heap), 14);
    check_graph(*proc_root(&q, 0));
    proc_check(&q);
    proc_collect(&q, HEAP_GC_AUTO);
    assert_null(q.heap.fragments);
    check_graph(*proc_root(&q, 0));
    check_graph(*proc_root(&p, 0));
    proc_close(&p);
    proc_close(&q);
    world_close(&w);
}

static void immediates_need_no_body(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, value_int(-5));
    Fragment *f = copy_out(&p, 0, 0);
    assert_int_equal(f->words, 0);
    assert_true(heap_adopt(&p.heap, f) == value_int(-5));
    Fragment *g;
    assert_int_equal(fragment_copy_out(NULL, &w.cx, VALUE_NIL, 15, &g, NULL), STATUS_OK);
    g->body[14] = value_int(1);
    Fragment *h;
    assert_int_equal(fragment_duplicate(g, &w.cx, &h), STATUS_OK);
    assert_true(h->body[14] == value_int(1) && h->root == VALUE_NIL);
    fragment_free(&w.cx, g);
    assert_int_equal(fragment_duplicate_behind(h, &w.cx, 3, &g), STATUS_OK);
    assert_int_equal(g->words, 3);
    assert_true(g->body[2] == 0 && g->root == VALUE_NIL);
    fragment_free(&w.cx, g);
    fragment_free(&w.cx, h);
    proc_close(&p);
    world_close(&w);
}

static void messages_of_every_size_grow_their_fragment(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    for (size_t n = 1; n < 40000; n = n * 2 + 1) {
        Proc p;
        proc_open(&p, &w);
        proc_push(&p, VALUE_NIL);
        for (size_t i = 0; i < n; i++)
            proc_cons(&p, 0, value_int((int64_t)i));
        Fragment *f = copy_out(&p, 0, 1);
        proc_check(&p);
        assert_int_equal(f->words, 3 * n + 1);
        Fragment *g;
        assert_int_equal(fragment_duplicate_behind(f, &w.cx, n % 16, &g), STATUS_OK);
        fragment_free(&w.cx, f);
        assert_int_equal(g->words, 3 * n + n % 16);
        proc_push(&p, heap_adopt(&p.heap, g));
        proc_collect(&p, HEAP_GC_AUTO);
        Value a = *proc_root(&p, 0);
        Value b = *proc_root(&p, 1);
        for (size_t i = 0; i < n; i++) {
            assert_true(a != b && obj_of(a)->words[0] == obj_of(b)->words[0]);
            a = obj_of(a)->words[1];
            b = obj_of(b)->words[1];
        }
        assert_true(a == VALUE_NIL && b == VALUE_NIL);
        proc_close(&p);
    }
    world_close(&w);
}

static void old_and_large_objects_are_copied_as_young_ones(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, 100000)));
    proc_push(&p, value_ptr(proc_array(&p, 1)));
    obj_slots(proc_obj(&p, 0))[99999] = *proc_root(&p, 1);
    heap_identity_hash(&p.heap, proc_obj(&p, 1));
    proc_collect(&p, HEAP_GC_MINOR);
    Fragment *f = copy_out(&p, 0, 0);
    proc_check(&p);
    proc_push(&p, heap_adopt(&p.heap, f));
    Object *copy = proc_obj(&p, 2);
    assert_true(obj_is_young(copy));
    Object *inner = obj_of(obj_slots(copy)[99999]);
    /* A copied hash table must find its copied keys. */
    uint32_t h0 = heap_identity_hash(&p.heap, copy);
    uint32_t h1 = heap_identity_hash(&p.heap, inner);
    assert_int_equal(h0, heap_identity_hash(&p.heap, proc_obj(&p, 0)));
    assert_int_equal(h1, heap_identity_hash(&p.heap, proc_obj(&p, 1)));
    proc_collect(&p, HEAP_GC_MINOR); /* the copy becomes a large object of its own */
    copy = proc_obj(&p, 2);
    assert_true(copy->header & OBJ_F_LARGE);
    assert_int_equal(heap_identity_hash(&p.heap, copy), h0);
    assert_int_equal(heap_identity_hash(&p.heap, obj_of(obj_slots(copy)[99999])), h1);
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_int_equal(heap_identity_hash(&p.heap, proc_obj(&p, 2)), h0);
    proc_close(&p);
    world_close(&w);
}

static void a_weak_reference_cannot_be_sent(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, 3)));
    Object *weak = proc_new(&p, OBJ_WEAK, 0, 2);
    weak->words[0] = weak->words[1] = VALUE_NONE;
    weak->words[0] = VALUE_NIL;
    proc_obj(&p, 0)->words[2] = value_ptr(weak);
    Value text = proc_string(&p, 500, 'x');
    proc_obj(&p, 0)->words[0] = text;
    Fragment *f;
    Value culprit;
    Region *region;
    Value out;
    assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 0), 0, &f, &culprit),
                     STATUS_NOT_SENDABLE);
    assert_true(culprit == proc_obj(&p, 0)->words[2]);
    assert_int_equal(frozen_copy(&p.heap, &w.cx, *proc_root(&p, 0), &out, &region, &culprit),
                     STATUS_NOT_SENDABLE);
    proc_check(&p);
    proc_close(&p);
    world_close(&w);
}

static void a_copy_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    w.henv.copy_cap_words = 3000;
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (int i = 0; i < 1001; i++)
        proc_cons(&p, 0, VALUE_NIL);
    Fragment *f;
    assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 0), 0, &f, NULL),
                     STATUS_COPY_TOO_BIG);
    proc_push(&p, proc_obj(&p, 0)->words[1]);
    f = copy_out(&p, 1, 0);
    assert_int_equal(f->words, 3000);
    fragment_free(&w.cx, f);
    proc_push(&p, value_ptr(proc_array(&p, 8000)));
    assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 2), 0, &f, NULL),
                     STATUS_COPY_TOO_BIG);
    proc_check(&p);
    proc_close(&p);
    world_close(&w);
}

static void big_strings_are_shared_not_copied(void **state)
{
    (void)state;
    World w;
    Proc p;
    Proc q;
    world_open(&w);
    proc_open(&p, &w);
    proc_open(&q, &w);
    size_t before = w.sim.bytes_live; /* with a slab of the pool */
    proc_push(&p, proc_string(&p, 1000000, 's'));
    const uint8_t *data = str_view(*proc_root(&p, 0)).data;
    Fragment *f = copy_out(&p, 0, 0);
    Fragment *g;
    assert_int_equal(fragment_duplicate(f, &w.cx, &g), STATUS_OK);
    fragment_free(&w.cx, f);
    proc_close(&p);
    assert_true(w.sim.bytes_live > before + 900000);
    proc_push(&q, heap_adopt(&q.heap, g));
    assert_ptr_equal(str_view(*proc_root(&q, 0)).data, data);
    assert_true(heap_wants_collection(&q.heap));
    assert_true(heap_bytes(&q.heap) > 1000000);
    proc_collect(&q, HEAP_GC_AUTO);
    assert_true(heap_bytes(&q.heap) > 1000000);
    assert_ptr_equal(str_view(*proc_root(&q, 0)).data, data);
    q.depth = 0;
    proc_collect(&q, HEAP_GC_MAJOR);
    assert_true(w.sim.bytes_live < before + 100000);
    proc_close(&q);
    world_close(&w);
}

static void spawning_copies_into_the_first_block(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    make_graph(&p, 0);
    Proc child;
    proc_roots(&child, &w);
    Value v;
    assert_int_equal(heap_init_with_copy(&child.heap, &w.cx, &p.heap, *proc_root(&p, 0), 6, 1, &v),
                     STATUS_OK);
    assert_int_equal(heap_bytes(&child.heap), 256);
    assert_null(child.heap.fragments);
    proc_push(&child, v);
    check_graph(v);
    proc_check(&child);
    check_graph(*proc_root(&p, 0));
    proc_collect(&child, HEAP_GC_AUTO);
    check_graph(*proc_root(&child, 0));
    proc_close(&child);
    /* An immediate, a big string, and more than fits the scratch area. */
    proc_roots(&child, &w);
    assert_int_equal(heap_init_with_copy(&child.heap, &w.cx, &p.heap, value_int(3), 6, 1, &v),
                     STATUS_OK);
    assert_true(v == value_int(3));
    proc_close(&child);
    *proc_root(&p, 0) = VALUE_NIL;
    proc_push(&p, proc_string(&p, 400, 'b'));
    for (int i = 0; i < 500; i++)
        proc_cons(&p, 0, *proc_root(&p, 1));
    proc_roots(&child, &w);
    assert_int_equal(heap_init_with_copy(&child.heap, &w.cx, &p.heap, *proc_root(&p, 0), 6, 1, &v),
                     STATUS_OK);
    proc_close(&p);
    proc_push(&child, v);
    proc_check(&child);
    proc_collect(&child, HEAP_GC_AUTO);
    assert_int_equal(str_view(proc_obj(&child, 0)->words[0]).bytes, 400);
    proc_close(&child);
    world_close(&w);
}

/* ---- frozen ---- */

static Value freeze(Proc *p, Value v, Region **region)
{
    Value out;
    Value culprit;
    assert_int_equal(frozen_copy(&p->heap, &p->world->cx, v, &out, region, &culprit), STATUS_OK);
    return out;
}

static void a_frozen_copy_outlives_its_source_and_refuses_stores(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *region;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    make_graph(&p, 0);
    Value frozen = freeze(&p, *proc_root(&p, 0), &region);
    check_graph(*proc_root(&p, 0));
    proc_close(&p);
    check_graph(frozen);
    proc_open(&p, &w);
    assert_true(obj_is_frozen(obj_of(frozen)));
    assert_ptr_equal(region_of(obj_of(frozen)), region);
    assert_false(heap_store(&p.heap, obj_of(frozen), &obj_of(frozen)->words[4], VALUE_NIL));
    check_graph(frozen);
    uint32_t hash = heap_identity_hash(&p.heap, obj_of(frozen));
    assert_int_equal(heap_identity_hash(&p.heap, obj_of(frozen)), hash);
    HeapGcRequest r = {HEAP_GC_AUTO, 0, 0, 0};
    proc_push(&p, value_ptr(proc_array(&p, 1)));
    assert_int_equal(
        heap_become(&p.heap, &w.cx, &p.roots, &r, *proc_root(&p, 0), frozen, false, &p.last),
        STATUS_FROZEN);
    Region *again;
    assert_true(freeze(&p, frozen, &again) == frozen);
    assert_ptr_equal(again, region);
    region_release(&w.cx, NULL, again);
    region_release(&w.cx, NULL, region);
    proc_close(&p);
    world_close(&w);
}

static void a_heap_holds_a_region_until_it_is_unreachable(void **state)
{
    (void)state;
    World w;
    world_open(&w);
    for (int generational = 0; generational < 2; generational++) {
        Proc p;
        Region *region[20];
        proc_open(&p, &w);
        if (generational)
            proc_age(&p);
        for (size_t i = 0; i < 20; i++) {
            Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &region[i]);
            assert_true(heap_hold(&p.heap, &w.cx, v));
            assert_true(heap_hold(&p.heap, &w.cx, v));
            assert_int_equal(atom_load_rlx(&region[i]->refs), 2);
            proc_push(&p, v);
            region_release(&w.cx, NULL, region[i]); /* the cell has another value now */
        }
        proc_collect(&p, HEAP_GC_MAJOR);
        for (size_t i = 0; i < 20; i++)
            assert_int_equal(atom_load_rlx(&region[i]->refs), 1);
        p.depth = 7;
        proc_collect(&p, HEAP_GC_MAJOR);
        assert_int_equal(holds_count(&p.heap.ext->holds), 7);
        p.depth = 1;
        proc_collect(&p, HEAP_GC_MAJOR);
        assert_int_equal(holds_count(&p.heap.ext->holds), 1);
        p.depth = 0;
        proc_collect(&p, HEAP_GC_MAJOR);
        assert_int_equal(holds_count(&p.heap.ext->holds), 0);
        proc_close(&p);
    }
    world_close(&w);
}

static void fragments_and_regions_hold_the_regions_they_refer_to(void **state)
{
    (void)state;
    World w;
    Proc p;
    Proc q;
    Region *inner;
    Region *outer;
    world_open(&w);
    proc_open(&p, &w);
    proc_open(&q, &w);
    Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &inner);
    assert_true(heap_hold(&p.heap, &w.cx, v));
    region_release(&w.cx, NULL, inner);
    proc_push(&p, v);
    /* outer = frozen {v}; message = {outer's value. v} */
    proc_push(&p, value_ptr(proc_array(&p, 1)));
    proc_obj(&p, 1)->words[0] = *proc_root(&p, 0);
    Value o = freeze(&p, *proc_root(&p, 1), &outer);
    assert_true(obj_of(o)->words[0] == v);
    assert_int_equal(atom_load_rlx(&inner->refs), 2);
    proc_push(&p, value_ptr(proc_array(&p, 2)));
    assert_true(heap_hold(&p.heap, &w.cx, o));
    proc_obj(&p, 2)->words[0] = o;
    proc_obj(&p, 2)->words[1] = v;
    Fragment *f = copy_out(&p, 2, 0);
    Fragment *g;
    assert_int_equal(fragment_duplicate(f, &w.cx, &g), STATUS_OK);
    assert_int_equal(atom_load_rlx(&inner->refs), 4);
    assert_int_equal(atom_load_rlx(&outer->refs), 4);
    proc_close(&p);
    region_release(&w.cx, NULL, outer);
    fragment_free(&w.cx, g);
    assert_int_equal(atom_load_rlx(&inner->refs), 2); /* outer's and f's */
    proc_push(&q, heap_adopt(&q.heap, f));
    proc_check(&q);
    /* Keep only what is inside the outer region, read out of it: held through it, then by
     * itself. */
    *proc_root(&q, 0) = obj_of(proc_obj(&q, 0)->words[0])->words[0];
    proc_collect(&q, HEAP_GC_AUTO);
    assert_int_equal(atom_load_rlx(&inner->refs), 1);
    proc_collect(&q, HEAP_GC_AUTO);
    assert_true(obj_of(*proc_root(&q, 0))->words[0] == VALUE_NIL);
    proc_close(&q);
    world_close(&w);
}

/* The set of regions stands behind the words, wherever these end in their block. */
static void fragments_of_every_size_hold_their_regions(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *region;
    world_open(&w);
    proc_open(&p, &w);
    Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &region);
    assert_true(heap_hold(&p.heap, &w.cx, v));
    proc_push(&p, v);
    proc_push(&p, VALUE_NIL);
    for (size_t n = 1; n < 300; n++) {
        proc_set(&p, 1, value_ptr(proc_array(&p, n)));
        proc_obj(&p, 1)->words[n - 1] = v;
        for (size_t extra = 0; extra < 4; extra++) {
            Fragment *f = copy_out(&p, 1, extra);
            Fragment *g;
            assert_int_equal(fragment_duplicate(f, &w.cx, &g), STATUS_OK);
            assert_int_equal(atom_load_rlx(&region->refs), 4);
            assert_true(obj_of(g->root)->words[n - 1] == v);
            fragment_free(&w.cx, f);
            fragment_free(&w.cx, g);
        }
        Fragment *f = copy_out(&p, 0, n % 16); /* nothing but the frozen object */
        assert_int_equal(atom_load_rlx(&region->refs), 3);
        proc_set(&p, 1, heap_adopt(&p.heap, f));
        proc_check(&p);
        proc_collect(&p, HEAP_GC_AUTO);
        assert_int_equal(atom_load_rlx(&region->refs), 2);
    }
    proc_close(&p);
    region_release(&w.cx, NULL, region);
    world_close(&w);
}

/* What a fragment's block has room for. */
static size_t room_of(const Fragment *f)
{
    assert_int_not_equal(f->pool_class, HEAP_BLOCK_BIG);
    return (pool_class_size(f->pool_class) - sizeof *f) / sizeof(Value);
}

static void a_copy_that_grew_is_guessed_right_until_it_shrinks(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (int64_t i = 0; i < 500; i++)
        proc_cons(&p, 0, value_int(i));
    proc_push(&p, VALUE_NIL);
    proc_cons(&p, 1, *proc_root(&p, 1)); /* of the same class and size */
    Fragment *big = copy_out(&p, 0, 0);
    assert_int_equal(big->words, 1500);
    Fragment *wide = copy_out(&p, 1, 0);
    assert_int_equal(wide->words, 3);
    assert_true(room_of(wide) >= 1500); /* as the one before */
    Fragment *narrow = copy_out(&p, 1, 0);
    assert_true(room_of(narrow) < 32); /* that has taught it better */
    fragment_free(&w.cx, big);
    fragment_free(&w.cx, wide);
    fragment_free(&w.cx, narrow);
    proc_close(&p);
    world_close(&w);
}

static void a_region_read_out_of_another_is_held_when_that_one_goes(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *inner;
    Region *outer;
    world_open(&w);
    proc_open(&p, &w);
    Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &inner);
    proc_push(&p, value_ptr(proc_array(&p, 1)));
    proc_obj(&p, 0)->words[0] = v; /* inner's count is still ours */
    Value o = freeze(&p, *proc_root(&p, 0), &outer);
    region_release(&w.cx, NULL, inner);
    assert_true(heap_hold(&p.heap, &w.cx, o));
    region_release(&w.cx, NULL, outer);
    *proc_root(&p, 0) = obj_of(o)->words[0];
    proc_collect(&p, HEAP_GC_MAJOR); /* releases outer, which held inner */
    assert_int_equal(atom_load_rlx(&inner->refs), 1);
    assert_true(obj_of(*proc_root(&p, 0))->words[0] == VALUE_NIL);
    proc_close(&p);
    world_close(&w);
}

static void regions_die_in_long_chains(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *last;
    world_open(&w);
    w.henv.verify = false;
    proc_open(&p, &w);
    Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &last);
    for (int i = 0; i < 200000; i++) {
        Region *next;
        Object *o = proc_array(&p, 1);
        o->words[0] = v;
        v = freeze(&p, value_ptr(o), &next);
        region_release(&w.cx, NULL, last);
        last = next;
        p.heap.hp = p.heap.hi; /* drop the garbage without a collection, which would look at o */
    }
    region_release(&w.cx, NULL, last);
    proc_close(&p);
    world_close(&w);
}

static void a_dead_region_waits_for_the_epoch(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *region;
    world_open(&w);
    EpochDomain *domain = epoch_domain_create(&w.sim.env);
    EpochRecord *writer = epoch_register(domain);
    EpochRecord *reader = epoch_register(domain);
    proc_open(&p, &w);
    Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &region);
    epoch_begin(reader);
    region_release(&w.cx, writer, region);
    for (int i = 0; i < 5; i++)
        epoch_poll(writer);
    assert_false(region_try_retain(region_of(obj_of(v)))); /* readable, but dying */
    assert_false(heap_hold(&p.heap, &w.cx, v));
    epoch_end(reader);
    epoch_barrier(writer);
    epoch_unregister(writer);
    epoch_unregister(reader);
    epoch_domain_destroy(domain);
    proc_close(&p);
    world_close(&w);
}

static void chains_die_through_the_epoch_too(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *last;
    world_open(&w);
    EpochDomain *domain = epoch_domain_create(&w.sim.env);
    w.cx.epoch = epoch_register(domain);
    proc_open(&p, &w);
    Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &last);
    for (int i = 0; i < 300; i++) {
        Region *next;
        Object *o = proc_array(&p, 1);
        o->words[0] = v;
        v = freeze(&p, value_ptr(o), &next);
        region_release(&w.cx, w.cx.epoch, last);
        last = next;
        p.heap.hp = p.heap.hi;
    }
    region_release(&w.cx, w.cx.epoch, last);
    for (int i = 0; i < 100; i++)
        epoch_poll(w.cx.epoch);
    epoch_unregister(w.cx.epoch); /* what is left goes with the domain */
    epoch_domain_destroy(domain);
    w.cx.epoch = NULL;
    proc_close(&p);
    world_close(&w);
}

static void the_loader_fills_regions(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *boot;
    Region *other;
    Object *o;
    Object *q;
    Value s;
    world_open(&w);
    proc_open(&p, &w);
    assert_int_equal(region_new(&w.cx, 100000, true, &boot), STATUS_OK);
    assert_int_equal(region_new(&w.cx, 4, false, &other), STATUS_OK);
    assert_int_equal(frozen_new(boot, CLASS_ARRAY, OBJ_SLOTS, 0, 3, &o), STATUS_OK);
    char text[600];
    memset(text, 'z', sizeof text);
    assert_int_equal(str_new_frozen(boot, &w.cx, CLASS_STRING, (const uint8_t *)"h\xc3\xa9", 3, &s),
                     STATUS_OK);
    assert_int_equal(str_view(s).chars, 2);
    o->words[0] = s;
    assert_int_equal(str_new_frozen(boot, &w.cx, CLASS_STRING, (uint8_t *)text, 600, &s),
                     STATUS_OK);
    assert_int_equal(str_view(s).bytes, 600);
    o->words[1] = s;
    assert_int_equal(frozen_new(other, CLASS_ARRAY, OBJ_SLOTS, 0, 2, &q), STATUS_OK);
    q->words[0] = q->words[1] = VALUE_NIL;
    Object *none;
    assert_int_equal(frozen_new(other, CLASS_ARRAY, OBJ_SLOTS, 0, 0, &none), STATUS_LIMIT);
    o->words[2] = value_ptr(q);
    assert_int_equal(region_hold(boot, &w.cx, value_ptr(q)), STATUS_OK);
    region_release(&w.cx, NULL, other);
    Object *big;
    assert_int_equal(frozen_new(boot, CLASS_ARRAY, OBJ_SLOTS, 0, 70000, &big), STATUS_OK);
    assert_int_equal(obj_words(big), 70000);
    for (size_t i = 0; i < 70000; i++)
        obj_slots(big)[i] = VALUE_NIL;
    proc_push(&p, value_ptr(o));
    proc_push(&p, value_ptr(q));
    assert_true(heap_hold(&p.heap, &w.cx, value_ptr(o)));
    for (int i = 0; i < 3; i++)
        proc_collect(&p, HEAP_GC_MAJOR);
    proc_close(&p);
    region_free_immortal(&w.cx, boot);
    world_close(&w);
}

static void weak_references_to_frozen_values_do_not_hold_them(void **state)
{
    (void)state;
    World w;
    Proc p;
    Region *region;
    world_open(&w);
    proc_open(&p, &w);
    Value v = freeze(&p, value_ptr(proc_array(&p, 1)), &region);
    assert_true(heap_hold(&p.heap, &w.cx, v));
    region_release(&w.cx, NULL, region);
    Object *weak = proc_new(&p, OBJ_WEAK, 0, 2);
    weak->words[0] = v;
    weak->words[1] = VALUE_NONE;
    proc_push(&p, value_ptr(weak));
    proc_push(&p, v);
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_true(proc_obj(&p, 0)->words[0] == v);
    p.depth = 1;
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_true(proc_obj(&p, 0)->words[0] == VALUE_NIL);
    proc_close(&p);
    world_close(&w);
}

GC_MAIN(cmocka_unit_test(a_message_keeps_cycles_and_sharing),
        cmocka_unit_test(immediates_need_no_body),
        cmocka_unit_test(messages_of_every_size_grow_their_fragment),
        cmocka_unit_test(old_and_large_objects_are_copied_as_young_ones),
        cmocka_unit_test(a_weak_reference_cannot_be_sent),
        cmocka_unit_test(a_copy_beyond_the_limit_is_refused),
        cmocka_unit_test(big_strings_are_shared_not_copied),
        cmocka_unit_test(spawning_copies_into_the_first_block),
        cmocka_unit_test(a_frozen_copy_outlives_its_source_and_refuses_stores),
        cmocka_unit_test(a_heap_holds_a_region_until_it_is_unreachable),
        cmocka_unit_test(fragments_and_regions_hold_the_regions_they_refer_to),
        cmocka_unit_test(fragments_of_every_size_hold_their_regions),
        cmocka_unit_test(a_copy_that_grew_is_guessed_right_until_it_shrinks),
        cmocka_unit_test(a_region_read_out_of_another_is_held_when_that_one_goes),
        cmocka_unit_test(regions_die_in_long_chains),
        cmocka_unit_test(a_dead_region_waits_for_the_epoch),
        cmocka_unit_test(chains_die_through_the_epoch_too),
        cmocka_unit_test(the_loader_fills_regions),
        cmocka_unit_test(weak_references_to_frozen_values_do_not_hold_them))
