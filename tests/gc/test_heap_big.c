/* SPDX-License-Identifier: Apache-2.0 */
/* test_heap_big.c - sizes that would overflow a C stack or a careless counter (I4). */
#include "gc_test.h"

#include <sys/resource.h>

#if MAGGIE_ASAN || MAGGIE_TSAN
#define BIG 1000000 /* the sanitizers keep freed blocks and double the rest */
#else
#define BIG 10000000
#endif

static size_t list_length(Value v)
{
    size_t n = 0;
    for (; value_is_ptr(v); v = obj_of(v)->words[1])
        n++;
    return n;
}

static void a_list_of_ten_million_is_collected_copied_and_destroyed(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    w.henv.verify = false;
    proc_open(&p, &w);
    proc_push(&p, VALUE_NIL);
    for (int i = 0; i < BIG; i++)
        proc_cons(&p, 0, value_int(i));
    proc_collect(&p, HEAP_GC_MAJOR);
    assert_int_equal(list_length(*proc_root(&p, 0)), BIG);
    Fragment *f;
    assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 0), 0, &f, NULL), STATUS_OK);
    proc_close(&p);
    proc_open(&p, &w);
    proc_push(&p, heap_adopt(&p.heap, f));
    proc_collect(&p, HEAP_GC_AUTO);
    assert_int_equal(list_length(*proc_root(&p, 0)), BIG);
    Value frozen;
    Region *region;
    assert_int_equal(frozen_copy(&p.heap, &w.cx, *proc_root(&p, 0), &frozen, &region, NULL),
                     STATUS_OK);
    proc_close(&p);
    assert_int_equal(list_length(frozen), BIG);
    region_release(&w.cx, NULL, region);
    world_close(&w);
}

static void an_array_of_ten_million_slots(void **state)
{
    (void)state;
    World w;
    Proc p;
    world_open(&w);
    w.henv.verify = false;
    proc_open(&p, &w);
    proc_push(&p, value_ptr(proc_array(&p, BIG)));
    for (size_t i = 0; i < BIG; i += 1000) {
        Object *young = proc_array(&p, 1);
        Object *big = proc_obj(&p, 0);
        young->words[0] = value_int((int64_t)i);
        assert_true(heap_store(&p.heap, big, &obj_slots(big)[i], value_ptr(young)));
    }
    proc_collect(&p, HEAP_GC_MINOR);
    Fragment *f;
    assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 0), 0, &f, NULL), STATUS_OK);
    p.depth = 0;
    proc_push(&p, heap_adopt(&p.heap, f));
    proc_collect(&p, HEAP_GC_AUTO);
    Object *big = proc_obj(&p, 0);
    assert_true(big->header & OBJ_F_LARGE);
    for (size_t i = 0; i < BIG; i += 1000)
        assert_true(obj_of(obj_slots(big)[i])->words[0] == value_int((int64_t)i));
    proc_close(&p);
    world_close(&w);
}

static void many_small_messages_are_adopted(void **state)
{
    (void)state;
    World w;
    Proc p;
    Proc q;
    world_open(&w);
    w.henv.verify = false;
    proc_open(&p, &w);
    proc_open(&q, &w);
    proc_push(&p, value_ptr(proc_array(&p, 2)));
    proc_push(&q, VALUE_NIL);
    for (int i = 0; i < 100000; i++) {
        Fragment *f;
        assert_int_equal(fragment_copy_out(&p.heap, &w.cx, *proc_root(&p, 0), 0, &f, NULL),
                         STATUS_OK);
        *proc_root(&q, 0) = heap_adopt(&q.heap, f);
        if (heap_wants_collection(&q.heap))
            proc_collect(&q, HEAP_GC_AUTO);
    }
    assert_true(heap_bytes(&q.heap) < 100000);
    proc_close(&p);
    proc_close(&q);
    world_close(&w);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    /* A recursion in proportion to the data would need far more. */
    struct rlimit limit = {256 << 10, 256 << 10};
    setrlimit(RLIMIT_STACK, &limit);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_ten_million_is_collected_copied_and_destroyed),
        cmocka_unit_test(an_array_of_ten_million_slots),
        cmocka_unit_test(many_small_messages_are_adopted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
