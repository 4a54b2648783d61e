/* SPDX-License-Identifier: Apache-2.0 */
/* test_prims_bytes.c - ByteArrays, WordArrays and their texts. */
#include "prim_kit.h"

#define I(n) value_int(n)

static void new_bytes_are_zero_and_hold_bytes_only(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    k.slice = 50;
    k.gc_at_yield = true;
    static const int64_t sizes[] = {0, 1, 7, 8, 9, 100000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        KIT_CALL(&k, 0, prim_bytes_new, value_class(CLASS_BYTE_ARRAY), I(sizes[s]));
        assert_int_equal(obj_byte_length(kit_object(&k, 0)), sizes[s]);
        for (int64_t i = 0; i < sizes[s]; i++)
            assert_int_equal(obj_bytes(kit_object(&k, 0))[i], 0);
    }
    KIT_CALL(&k, 1, prim_bytes_at_put, *kit_root(&k, 0), I(100000), I(255));
    KIT_CALL(&k, 1, prim_bytes_at, *kit_root(&k, 0), I(100000));
    assert_int_equal(*kit_root(&k, 1), I(255));
    assert_int_equal(KIT_RUN(&k, prim_bytes_at_put, *kit_root(&k, 0), I(1), I(256)), PRIM_ERROR);
    assert_int_equal(KIT_RUN(&k, prim_bytes_at_put, *kit_root(&k, 0), I(1), I(-1)), PRIM_ERROR);
    assert_int_equal(KIT_RUN(&k, prim_bytes_at, *kit_root(&k, 0), I(100001)), PRIM_ERROR);
    assert_int_equal(KIT_RUN(&k, prim_bytes_new, value_class(CLASS_BYTE_ARRAY), I(-1)), PRIM_ERROR);
    kit_close(&k);
}

static void words_hold_64_bits_with_sign(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    KIT_CALL(&k, 0, prim_words_new, value_class(CLASS_WORD_ARRAY), I(3));
    KIT_CALL(&k, 1, prim_words_at_put, *kit_root(&k, 0), I(1), I(-5));
    KIT_CALL(&k, 1, prim_words_at, *kit_root(&k, 0), I(1));
    assert_int_equal(*kit_root(&k, 1), I(-5));
    obj_slots(kit_object(&k, 0))[1] = (uint64_t)INT64_MIN;
    KIT_CALL(&k, 1, prim_words_at, *kit_root(&k, 0), I(2));
    assert_true(value_is_kind(*kit_root(&k, 1), OBJ_BIG_INT));
    KIT_CALL(&k, 2, prim_words_at_put, *kit_root(&k, 0), I(3), *kit_root(&k, 1));
    assert_int_equal(obj_slots(kit_object(&k, 0))[2], (uint64_t)INT64_MIN);
    assert_int_equal(KIT_RUN(&k, prim_words_at_put, *kit_root(&k, 0), I(3), VALUE_NIL), PRIM_ERROR);
    kit_close(&k);
}

static void ranges_are_copied_and_moved_in_pieces(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    k.slice = 20;
    k.gc_at_yield = true;
    KIT_CALL(&k, 0, prim_bytes_new, value_class(CLASS_BYTE_ARRAY), I(70003));
    for (size_t i = 0; i < 70003; i++)
        obj_bytes(kit_object(&k, 0))[i] = (uint8_t)(i * 31 >> 3);
    KIT_CALL(&k, 1, prim_bytes_copy, *kit_root(&k, 0), I(4), I(70003));
    assert_int_equal(obj_byte_length(kit_object(&k, 1)), 70000);
    assert_memory_equal(obj_bytes(kit_object(&k, 1)), obj_bytes(kit_object(&k, 0)) + 3, 70000);
    KIT_CALL(&k, 2, prim_bytes_replace, *kit_root(&k, 1), I(11), I(70000), *kit_root(&k, 1), I(1));
    assert_memory_equal(obj_bytes(kit_object(&k, 1)) + 10, obj_bytes(kit_object(&k, 0)) + 3, 69990);
    assert_int_equal(KIT_RUN(&k, prim_bytes_copy, *kit_root(&k, 0), I(0), I(1)), PRIM_ERROR);
    assert_int_equal(KIT_RUN(&k, prim_bytes_copy, *kit_root(&k, 0), I(1), I(70004)), PRIM_ERROR);
    assert_int_equal(
        KIT_RUN(&k, prim_bytes_replace, *kit_root(&k, 0), I(1), I(3), *kit_root(&k, 1), I(69999)),
        PRIM_ERROR);
    assert_true(k.yields > 5);
    kit_close(&k);
}

static void copies_are_new_objects_of_the_same_kind(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    k.slice = 20;
    k.gc_at_yield = true;
    KIT_CALL(&k, 0, prim_bytes_new, value_class(CLASS_BYTE_ARRAY), I(13));
    KIT_CALL(&k, 1, prim_object_shallow_copy, *kit_root(&k, 0));
    assert_true(*kit_root(&k, 0) != *kit_root(&k, 1));
    assert_int_equal(obj_byte_length(kit_object(&k, 1)), 13);
    KIT_CALL(&k, 0, prim_array_new_with_all, value_class(CLASS_ARRAY), I(9000), I(4));
    KIT_CALL(&k, 1, prim_object_shallow_copy, *kit_root(&k, 0));
    assert_memory_equal(obj_slots(kit_object(&k, 0)), obj_slots(kit_object(&k, 1)), 9000 * 8);
    kit_string(&k, 0, "abc");
    KIT_CALL(&k, 1, prim_object_shallow_copy, *kit_root(&k, 0));
    assert_int_equal(*kit_root(&k, 0), *kit_root(&k, 1));
    KIT_CALL(&k, 1, prim_object_shallow_copy, I(3));
    assert_int_equal(*kit_root(&k, 1), I(3));
    kit_close(&k);
}

static void instance_variables_are_counted_without_elements(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    kit_slots(&k, 0, CLASS_ASSOCIATION, 2);
    KIT_CALL(&k, 1, prim_object_inst_var_size, *kit_root(&k, 0));
    assert_int_equal(*kit_root(&k, 1), I(2));
    KIT_CALL(&k, 1, prim_object_inst_var_at_put, *kit_root(&k, 0), I(1), I(7));
    KIT_CALL(&k, 1, prim_object_inst_var_at, *kit_root(&k, 0), I(1));
    assert_int_equal(*kit_root(&k, 1), I(7));
    KIT_CALL(&k, 1, prim_object_inst_var_at, *kit_root(&k, 0), I(2));
    assert_int_equal(*kit_root(&k, 1), VALUE_NIL);
    KIT_CALL(&k, 1, prim_object_inst_var_at, I(5), I(0));
    assert_int_equal(*kit_root(&k, 1), VALUE_NIL);
    KIT_CALL(&k, 2, prim_array_new, value_class(CLASS_ARRAY), I(4));
    KIT_CALL(&k, 1, prim_object_inst_var_size, *kit_root(&k, 2));
    assert_int_equal(*kit_root(&k, 1), I(0));
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_bytes_are_zero_and_hold_bytes_only),
        cmocka_unit_test(words_hold_64_bits_with_sign),
        cmocka_unit_test(ranges_are_copied_and_moved_in_pieces),
        cmocka_unit_test(copies_are_new_objects_of_the_same_kind),
        cmocka_unit_test(instance_variables_are_counted_without_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
