/* SPDX-License-Identifier: Apache-2.0 */
/* test_prims_array.c - Arrays, lists and sorting, in slices and across collections. */
#include "prim_kit.h"

#define I(n) value_int(n)

static uint64_t seed = 0;
static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

static void open_at(Kit *k, int64_t slice, bool gc)
{
    kit_open(k);
    k->slice = slice;
    k->gc_at_yield = gc;
    seed = 42;
}

static Value element(Kit *k, size_t r, size_t i) { return obj_slots(kit_object(k, r))[i]; }

static void a_new_array_is_all_nil_whatever_its_size(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 5, 2048, 2049, 70000, 300000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        Kit k;
        open_at(&k, 100, true);
        KIT_CALL(&k, 0, prim_array_new, value_class(CLASS_ARRAY), I(sizes[s]));
        assert_int_equal(obj_words(kit_object(&k, 0)), sizes[s]);
        for (int64_t i = 0; i < sizes[s]; i++)
            assert_int_equal(element(&k, 0, (size_t)i), VALUE_NIL);
        assert_true(sizes[s] < 5000 || k.yields > 0);
        kit_close(&k);
    }
}

static void a_filled_array_holds_one_object_everywhere(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 100, true);
    kit_string(&k, 1, "filler");
    KIT_CALL(&k, 0, prim_array_new_with_all, value_class(CLASS_ARRAY), I(50000), *kit_root(&k, 1));
    kit_collect(&k, HEAP_GC_MAJOR, 0);
    for (size_t i = 0; i < 50000; i++)
        assert_int_equal(element(&k, 0, i), element(&k, 0, 0));
    assert_true(value_is_string(element(&k, 0, 0)));
    assert_true(k.yields > 3);
    kit_close(&k);
}

static void bad_sizes_are_errors(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 100, false);
    Value cls = value_class(CLASS_ARRAY);
    assert_int_equal(KIT_RUN(&k, prim_array_new, cls, I(-1)), PRIM_ERROR);
    assert_int_equal(k.call.error.kind, PRIM_ERR_TEXT);
    assert_string_equal(k.call.error.text, "size must be non-negative");
    assert_int_equal(KIT_RUN(&k, prim_array_new, cls, I((1 << 27) + 1)), PRIM_ERROR);
    assert_string_equal(k.call.error.text, "requested array size exceeds maximum");
    assert_int_equal(KIT_RUN(&k, prim_array_new, cls, value_float(2)), PRIM_ERROR);
    assert_int_equal(k.call.error.kind, PRIM_ERR_TYPE);
    kit_close(&k);
}

static void elements_of_subclasses_follow_their_variables(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 100, false);
    KIT_CALL(&k, 0, prim_array_new_with_all, value_class(CLASS_FIRST_FREE), I(3), I(7));
    assert_int_equal(obj_words(kit_object(&k, 0)), 5);
    assert_int_equal(element(&k, 0, 1), VALUE_NIL);
    KIT_CALL(&k, 1, prim_array_at_put, *kit_root(&k, 0), I(1), I(8));
    assert_int_equal(element(&k, 0, 2), I(8));
    KIT_CALL(&k, 1, prim_array_size, *kit_root(&k, 0));
    assert_int_equal(*kit_root(&k, 1), I(3));
    assert_int_equal(KIT_RUN(&k, prim_array_at, *kit_root(&k, 0), I(4)), PRIM_ERROR);
    assert_int_equal(k.call.error.kind, PRIM_ERR_BOUNDS);
    assert_int_equal(k.call.error.size, 3);
    kit_close(&k);
}

/* Array of n elements in root r: strings when `strings`, else random integers. */
static void random_array(Kit *k, size_t r, size_t n, bool strings)
{
    int64_t slice = k->slice;
    bool gc = k->gc_at_yield;
    k->slice = 1000000;
    k->gc_at_yield = false;
    KIT_CALL(k, r, prim_array_new, value_class(CLASS_ARRAY), I((int64_t)n));
    for (size_t i = 0; i < n; i++) {
        Value v = I((int64_t)next_random() - (1 << 29));
        if (strings) {
            char text[32];
            const char *prefix = next_random() % 2 ? "prefix" : "";
            snprintf(text, sizeof text, "%s%u", prefix, next_random() % 5000);
            kit_string(k, 20, text);
            v = *kit_root(k, 20);
        }
        KIT_CALL(k, 21, prim_array_at_put, *kit_root(k, r), I((int64_t)i + 1), v);
    }
    k->slice = slice;
    k->gc_at_yield = gc;
}

static void copies_and_moves_survive_collections_between_pieces(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 60, true);
    random_array(&k, 0, 9000, true);
    KIT_CALL(&k, 1, prim_array_copy, *kit_root(&k, 0), I(2), I(9000));
    assert_int_equal(obj_words(kit_object(&k, 1)), 8999);
    for (size_t i = 0; i < 8999; i++)
        assert_int_equal(element(&k, 1, i), element(&k, 0, i + 1));
    /* inside one array, both ways */
    KIT_CALL(&k, 2, prim_array_replace, *kit_root(&k, 1), I(101), I(8999), *kit_root(&k, 1), I(1));
    for (size_t i = 100; i < 8999; i++)
        assert_int_equal(element(&k, 1, i), element(&k, 0, i - 99));
    KIT_CALL(&k, 2, prim_array_replace, *kit_root(&k, 1), I(1), I(8899), *kit_root(&k, 1), I(101));
    for (size_t i = 0; i < 8899; i++)
        assert_int_equal(element(&k, 1, i), element(&k, 0, i + 1));
    assert_true(k.yields > 3);
    kit_collect(&k, HEAP_GC_MAJOR, 0);
    kit_close(&k);
}

static void ranges_outside_are_errors(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 1000, false);
    random_array(&k, 0, 5, false);
    Value a = *kit_root(&k, 0);
    static const int64_t bad[][2] = {{0, 3}, {1, 6}, {7, 6}, {3, 1}, {-5, -6}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(KIT_RUN(&k, prim_array_copy, a, I(bad[i][0]), I(bad[i][1])), PRIM_ERROR);
    KIT_CALL(&k, 1, prim_array_copy, *kit_root(&k, 0), I(6), I(5));
    assert_int_equal(obj_words(kit_object(&k, 1)), 0);
    a = *kit_root(&k, 0);
    assert_int_equal(KIT_RUN(&k, prim_array_replace, a, I(1), I(5), a, I(2)), PRIM_ERROR);
    assert_int_equal(KIT_RUN(&k, prim_array_replace, a, I(0), I(2), a, I(1)), PRIM_ERROR);
    assert_int_equal(KIT_RUN(&k, prim_array_replace, a, I(3), I(2), a, I(99)), PRIM_OK);
    assert_int_equal(KIT_RUN(&k, prim_array_replace, a, I(1), I(2), I(1), I(1)), PRIM_FALLBACK);
    kit_close(&k);
}

static int compare_values(const void *a, const void *b)
{
    Value x = *(const Value *)a, y = *(const Value *)b;
    return x < y ? -1 : x > y;
}

static void integers_are_sorted(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 15, 16, 17, 48, 49, 1000, 2048, 2049, 30000, 65537};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        Kit k;
        size_t n = sizes[s];
        open_at(&k, 200, true);
        random_array(&k, 0, n, false);
        Value *expected = calloc(n + 1, sizeof *expected);
        assert_non_null(expected);
        memcpy(expected, obj_slots(kit_object(&k, 0)), n * sizeof *expected);
        qsort(expected, n, sizeof *expected, compare_values);
        KIT_CALL(&k, 1, prim_array_sort, *kit_root(&k, 0));
        for (size_t i = 0; i < n; i++)
            assert_int_equal(element(&k, 0, i), expected[i]);
        free(expected);
        assert_true(n < 30000 || k.yields > 10);
        kit_close(&k);
    }
}

static void floats_are_sorted_and_equal_ones_stay(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 200, false);
    random_array(&k, 0, 5000, false);
    for (size_t i = 0; i < 5000; i++) {
        double d = (double)(next_random() % 100) - 50.0;
        obj_slots(kit_object(&k, 0))[i] = value_float(d == 0 && i % 2 ? -0.0 : d / 8);
    }
    Value zeros[200];
    size_t nzeros = 0;
    for (size_t i = 0; i < 5000; i++) {
        if (value_as_float(element(&k, 0, i)) == 0.0)
            zeros[nzeros++] = element(&k, 0, i);
    }
    KIT_CALL(&k, 1, prim_array_sort, *kit_root(&k, 0));
    size_t z = 0;
    for (size_t i = 0; i < 5000; i++) {
        double d = value_as_float(element(&k, 0, i));
        assert_true(i == 0 || value_as_float(element(&k, 0, i - 1)) <= d);
        if (d == 0.0)
            assert_int_equal(element(&k, 0, i), zeros[z++]);
    }
    assert_int_equal(z, nzeros);
    obj_slots(kit_object(&k, 0))[77] = value_float(0.0 / 0.0);
    assert_int_equal(KIT_RUN(&k, prim_array_sort, *kit_root(&k, 0)), PRIM_FALLBACK);
    kit_close(&k);
}

static void strings_are_sorted_and_none_is_lost(void **state)
{
    (void)state;
    for (int gc = 0; gc < 2; gc++) {
        Kit k;
        open_at(&k, 100, gc);
        random_array(&k, 0, 7000, true);
        /* the same strings in another order prove that none is lost: sums of contents agree */
        uint64_t before = 0, after = 0;
        for (size_t i = 0; i < 7000; i++) {
            StrView s = str_view(element(&k, 0, i));
            for (size_t b = 0; b < s.bytes; b++)
                before += (uint64_t)s.data[b] << b;
        }
        KIT_CALL(&k, 1, prim_array_sort, *kit_root(&k, 0));
        for (size_t i = 0; i < 7000; i++) {
            StrView s = str_view(element(&k, 0, i));
            for (size_t b = 0; b < s.bytes; b++)
                after += (uint64_t)s.data[b] << b;
            if (i == 0)
                continue;
            StrView t = str_view(element(&k, 0, i - 1));
            size_t n = s.bytes < t.bytes ? s.bytes : t.bytes;
            int order = memcmp(t.data, s.data, n);
            assert_true(order < 0 || (order == 0 && t.bytes <= s.bytes));
        }
        assert_true(before == after);
        assert_true(k.yields > 5);
        kit_collect(&k, HEAP_GC_MAJOR, 0);
        kit_close(&k);
    }
}

static void mixed_arrays_are_left_to_the_library(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 1000, false);
    random_array(&k, 0, 100, false);
    obj_slots(kit_object(&k, 0))[50] = value_float(1);
    assert_int_equal(KIT_RUN(&k, prim_array_sort, *kit_root(&k, 0)), PRIM_FALLBACK);
    obj_slots(kit_object(&k, 0))[50] = VALUE_NIL;
    assert_int_equal(KIT_RUN(&k, prim_array_sort, *kit_root(&k, 0)), PRIM_FALLBACK);
    kit_close(&k);
}

static void index_of_looks_in_slices(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 10, true);
    random_array(&k, 0, 20000, false);
    obj_slots(kit_object(&k, 0))[17777] = value_symbol(3);
    KIT_CALL(&k, 1, prim_array_index_of, *kit_root(&k, 0), value_symbol(3), I(1));
    assert_int_equal(*kit_root(&k, 1), I(17778));
    assert_true(k.yields > 5);
    KIT_CALL(&k, 1, prim_array_index_of, *kit_root(&k, 0), value_symbol(3), I(17779));
    assert_int_equal(*kit_root(&k, 1), I(0));
    kit_slots(&k, 2, CLASS_ASSOCIATION, 2);
    KIT_CALL(&k, 3, prim_array_at_put, *kit_root(&k, 0), I(9), *kit_root(&k, 2));
    assert_int_equal(KIT_RUN(&k, prim_array_index_of, *kit_root(&k, 0), value_symbol(3), I(1)),
                     PRIM_FALLBACK);
    kit_close(&k);
}

/* ---- lists ---- */

static void a_list_is_a_queue_and_a_stack(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 1000, false);
    kit_slots(&k, 0, CLASS_ARRAY_LIST, 3);
    assert_int_equal(KIT_RUN(&k, prim_list_remove_first, *kit_root(&k, 0)), PRIM_ERROR);
    assert_int_equal(k.call.error.kind, PRIM_ERR_BOUNDS);
    int64_t front = 0, back = 0;
    for (int round = 0; round < 3000; round++) {
        switch (next_random() % 8) {
        case 0:
        case 1:
            KIT_CALL(&k, 1, prim_list_add, *kit_root(&k, 0), I(back));
            back++;
            break;
        case 2:
        case 3:
            front--;
            KIT_CALL(&k, 1, prim_list_add_first, *kit_root(&k, 0), I(front));
            break;
        case 4:
        case 5:
            if (front < back) {
                KIT_CALL(&k, 1, prim_list_remove_first, *kit_root(&k, 0));
                assert_int_equal(*kit_root(&k, 1), I(front));
                front++;
            }
            break;
        case 6:
            if (front < back) {
                KIT_CALL(&k, 1, prim_list_remove_last, *kit_root(&k, 0));
                back--;
                assert_int_equal(*kit_root(&k, 1), I(back));
            }
            break;
        default: kit_collect(&k, round % 5 ? HEAP_GC_MINOR : HEAP_GC_MAJOR, 0);
        }
        KIT_CALL(&k, 1, prim_list_size, *kit_root(&k, 0));
        assert_int_equal(*kit_root(&k, 1), I(back - front));
        if (front < back) {
            int64_t i = (int64_t)(next_random() % (uint32_t)(back - front));
            KIT_CALL(&k, 1, prim_list_at, *kit_root(&k, 0), I(i + 1));
            assert_int_equal(*kit_root(&k, 1), I(front + i));
        }
    }
    assert_int_equal(KIT_RUN(&k, prim_list_at, *kit_root(&k, 0), I(0)), PRIM_ERROR);
    assert_int_equal(KIT_RUN(&k, prim_list_at, *kit_root(&k, 0), I(back - front + 1)), PRIM_ERROR);
    kit_close(&k);
}

static void a_long_list_grows_in_the_library(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 100000, false);
    kit_slots(&k, 0, CLASS_ARRAY_LIST, 3);
    PrimStatus st = PRIM_OK;
    size_t added = 0;
    for (; st == PRIM_OK && added < 100000; added += st == PRIM_OK)
        st = KIT_RUN(&k, prim_list_add, *kit_root(&k, 0), I((int64_t)added));
    assert_int_equal(st, PRIM_FALLBACK);
    assert_true(added >= 1024 && added <= 4096);
    kit_close(&k);
}

static void damaged_lists_are_errors(void **state)
{
    (void)state;
    Kit k;
    open_at(&k, 1000, false);
    kit_slots(&k, 0, CLASS_ARRAY_LIST, 3);
    KIT_CALL(&k, 1, prim_list_add, *kit_root(&k, 0), I(1));
    static const int64_t bad[][2] = {{0, 3}, {1, 9}, {5, 2}, {-1, -2}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        obj_slots(kit_object(&k, 0))[1] = I(bad[i][0]);
        obj_slots(kit_object(&k, 0))[2] = I(bad[i][1]);
        assert_int_equal(KIT_RUN(&k, prim_list_add, *kit_root(&k, 0), I(1)), PRIM_ERROR);
        assert_int_equal(KIT_RUN(&k, prim_list_at, *kit_root(&k, 0), I(1)), PRIM_ERROR);
    }
    obj_slots(kit_object(&k, 0))[0] = I(4);
    assert_int_equal(KIT_RUN(&k, prim_list_size, *kit_root(&k, 0)), PRIM_ERROR);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_array_is_all_nil_whatever_its_size),
        cmocka_unit_test(a_filled_array_holds_one_object_everywhere),
        cmocka_unit_test(bad_sizes_are_errors),
        cmocka_unit_test(elements_of_subclasses_follow_their_variables),
        cmocka_unit_test(copies_and_moves_survive_collections_between_pieces),
        cmocka_unit_test(ranges_outside_are_errors),
        cmocka_unit_test(integers_are_sorted),
        cmocka_unit_test(floats_are_sorted_and_equal_ones_stay),
        cmocka_unit_test(strings_are_sorted_and_none_is_lost),
        cmocka_unit_test(mixed_arrays_are_left_to_the_library),
        cmocka_unit_test(index_of_looks_in_slices),
        cmocka_unit_test(a_list_is_a_queue_and_a_stack),
        cmocka_unit_test(a_long_list_grows_in_the_library),
        cmocka_unit_test(damaged_lists_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
