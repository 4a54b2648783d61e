/* SPDX-License-Identifier: Apache-2.0 */
/* test_strbuf.c - strings inline and off-heap, appending, slicing, stepping by code point. */
#include "gc_test.h"
#include "utf8.h"

static void lengths_around_the_inline_limit(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    static const size_t lengths[] = {0, 1, 7, 8, 9, 255, 256, 257, 1000};
    for (size_t i = 0; i < 9; i++)
        proc_push(&p, proc_string(&p, lengths[i], (char)('a' + i)));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 9; i++) {
            Value v = *proc_root(&p, i);
            assert_true(value_is_string(v));
            assert_int_equal(obj_kind(obj_of(v)), i < 7 ? OBJ_STRING : OBJ_BIG_STRING);
            StrView s = str_view(v);
            assert_int_equal(s.bytes, lengths[i]);
            for (size_t k = 0; k < s.bytes; k++)
                assert_int_equal(s.data[k], 'a' + i);
        }
        proc_collect(&p, round ? HEAP_GC_MAJOR : HEAP_GC_AUTO);
    }
    proc_close(&p);
    world_close(&w);
}

static Value concat(Proc *p, Value a, Value b)
{
    Value out = VALUE_NIL;
    proc_push(p, a);
    proc_push(p, b);
    for (int tries = 0; tries < 3; tries++) {
        a = *proc_root(p, p->depth - 2);
        b = *proc_root(p, p->depth - 1);
        Status s =
            str_concat(&p->heap, &p->world->cx, proc_top(p), str_view(a), a, str_view(b), &out);
        if (s == STATUS_OK)
            break;
        assert_int_equal(s, STATUS_HEAP_FULL);
        assert_int_equal(proc_collect_for(p, HEAP_GC_AUTO, 40, 0), STATUS_OK);
    }
    p->depth -= 2;
    return out;
}

static void appending_again_and_again_is_linear(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    w.henv.verify = false;
    proc_open(&p, &w);
    proc_push(&p, proc_string(&p, 0, 'x'));
    proc_push(&p, proc_string(&p, 3, 'y'));
    uint64_t allocs = w.sim.alloc_count;
    for (int i = 0; i < 30000; i++)
        proc_set(&p, 0, concat(&p, *proc_root(&p, 0), *proc_root(&p, 1)));
    StrView s = str_view(*proc_root(&p, 0));
    assert_int_equal(s.bytes, 90000);
    for (size_t i = 0; i < s.bytes; i++)
        assert_int_equal(s.data[i], 'y');
    StrHandle *h = (StrHandle *)(void *)proc_obj(&p, 0);
    assert_true(h->buf->capacity <= 90000 * 2);
    if (!MAGGIE_ASAN) /* where the pool too allocates from the Env */
        assert_true(w.sim.alloc_count - allocs < 100);
    proc_close(&p);
    world_close(&w);
}

static void only_the_last_slice_appends_in_place(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    proc_push(&p, proc_string(&p, 300, 'a'));
    proc_push(&p, proc_string(&p, 1, 'b'));
    proc_push(&p, proc_string(&p, 1, 'c'));
    proc_push(&p, concat(&p, *proc_root(&p, 0), *proc_root(&p, 1))); /* 3: new buffer with room */
    proc_push(&p, concat(&p, *proc_root(&p, 3), *proc_root(&p, 1))); /* 4: in place */
    proc_push(&p, concat(&p, *proc_root(&p, 3), *proc_root(&p, 2))); /* 5: 3 is no longer last */
    StrView s3 = str_view(*proc_root(&p, 3));
    StrView s4 = str_view(*proc_root(&p, 4));
    StrView s5 = str_view(*proc_root(&p, 5));
    assert_ptr_equal(s3.data, s4.data);
    assert_ptr_not_equal(s3.data, s5.data);
    assert_int_equal(s4.data[301], 'b');
    assert_int_equal(s5.data[301], 'c');
    assert_int_equal(s5.data[300], 'b');
    assert_int_equal(s3.bytes, 301);
    proc_close(&p);
    world_close(&w);
}

static Value slice(Proc *p, size_t r, size_t offset, size_t bytes)
{
    Value out;
    Status s = str_slice(&p->heap, &p->world->cx, proc_top(p), *proc_root(p, r), offset, bytes,
                         bytes, &out);
    if (s == STATUS_HEAP_FULL) {
        assert_int_equal(proc_collect_for(p, HEAP_GC_AUTO, 40, 0), STATUS_OK);
        s = str_slice(&p->heap, &p->world->cx, proc_top(p), *proc_root(p, r), offset, bytes, bytes,
                      &out);
    }
    assert_int_equal(s, STATUS_OK);
    return out;
}

static void big_slices_share_and_small_ones_do_not_pin(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    size_t before = w.sim.bytes_live; /* with a slab of the pool */
    proc_push(&p, proc_string(&p, 100000, 'q'));
    const uint8_t *data = str_view(*proc_root(&p, 0)).data;
    assert_ptr_equal(str_view(slice(&p, 0, 500, 50000)).data, data + 500);
    assert_ptr_not_equal(str_view(slice(&p, 0, 500, 5000)).data, data + 500);
    assert_int_equal(obj_kind(obj_of(slice(&p, 0, 99990, 10))), OBJ_STRING);
    assert_int_equal(str_view(slice(&p, 0, 100000, 0)).bytes, 0);
    proc_push(&p, slice(&p, 0, 0, 5000));
    *proc_root(&p, 0) = VALUE_NIL;
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_true(w.sim.bytes_live < before + 50000);
    proc_close(&p);
    world_close(&w);
}

static void offsets_of_code_points_are_right_in_any_order(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    proc_open(&p, &w);
    static const uint32_t points[] = {'a', 0xE9, 0x20AC, 0x1F600};
    Rng rng;
    rng_init(&rng, 7);
    for (size_t chars = 3; chars <= 3000; chars *= 10) {
        char text[12000];
        size_t offset[3001];
        size_t n = 0;
        for (size_t i = 0; i < chars; i++) {
            offset[i] = n;
            n += utf8_encode(points[rng_below(&rng, 4)], text + n);
        }
        offset[chars] = n;
        uint8_t *data;
        Value v;
        assert_int_equal(proc_collect_for(&p, HEAP_GC_AUTO, 50, 0), STATUS_OK);
        assert_int_equal(str_new(&p.heap, &w.cx, proc_top(&p), CLASS_STRING, n, chars, &data, &v),
                         STATUS_OK);
        memcpy(data, text, n);
        for (size_t i = 0; i <= chars; i++)
            assert_int_equal(str_offset(v, i), offset[i]);
        for (size_t i = chars + 1; i-- > 0;)
            assert_int_equal(str_offset(v, i), offset[i]);
        for (int i = 0; i < 2000; i++) {
            size_t k = rng_below(&rng, (uint32_t)chars + 1);
            assert_int_equal(str_offset(v, k), offset[k]);
        }
        assert_int_equal(str_offset(v, chars + 5), n);
    }
    proc_close(&p);
    world_close(&w);
}

GC_MAIN(cmocka_unit_test(lengths_around_the_inline_limit),
        cmocka_unit_test(appending_again_and_again_is_linear),
        cmocka_unit_test(only_the_last_slice_appends_in_place),
        cmocka_unit_test(big_slices_share_and_small_ones_do_not_pin),
        cmocka_unit_test(offsets_of_code_points_are_right_in_any_order))
