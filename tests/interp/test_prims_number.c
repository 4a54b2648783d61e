/* SPDX-License-Identifier: Apache-2.0 */
/* test_prims_number.c - arithmetic, comparison and random numbers as primitives. */
#include <math.h>

#include "text_kit.h"

#define F(d) value_float(d)

/* The integer a text spells, in root r. */
static void number(Kit *k, size_t r, const char *digits)
{
    text_put(k, 23, digits);
    TEXT_CALL(k, r, prim_string_as_integer, T(k, 23));
}

static void assert_integer(Kit *k, size_t r, const char *digits)
{
    TEXT_CALL(k, 22, prim_integer_print, T(k, r));
    assert_text(T(k, 22), digits);
}

static void integers_grow_and_come_back(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    TEXT_CALL(&k, 0, num_add, I(VALUE_INT_MAX), I(1));
    assert_integer(&k, 0, "140737488355328");
    assert_true(value_is_kind(T(&k, 0), OBJ_BIG_INT));
    TEXT_CALL(&k, 1, num_sub, T(&k, 0), I(1));
    assert_int_equal(T(&k, 1), I(VALUE_INT_MAX));
    TEXT_CALL(&k, 1, num_sub, I(VALUE_INT_MIN), I(1));
    assert_integer(&k, 1, "-140737488355329");
    TEXT_CALL(&k, 1, num_mul, I(VALUE_INT_MIN), I(VALUE_INT_MIN));
    assert_integer(&k, 1, "19807040628566084398385987584");
    TEXT_CALL(&k, 1, num_div, I(VALUE_INT_MIN), I(-1));
    assert_integer(&k, 1, "140737488355328");
    TEXT_CALL(&k, 1, num_idiv, I(VALUE_INT_MIN), I(-1));
    assert_integer(&k, 1, "140737488355328");
    TEXT_CALL(&k, 1, num_bit_shift, I(1), I(200));
    TEXT_CALL(&k, 1, num_bit_shift, T(&k, 1), I(-199));
    assert_int_equal(T(&k, 1), I(2));
    text_close(&k);
}

static void division_rounds_as_the_language_says(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    static const int64_t rows[][6] = {
        /* a, b, a / b, a // b, a \\ b, a mod: b */
        {7, 2, 3, 3, 1, 1},     {-7, 2, -3, -4, -1, 1}, {7, -2, -3, -4, 1, -1},
        {-7, -2, 3, 3, -1, -1}, {6, 3, 2, 2, 0, 0},     {0, 5, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int64_t *row = rows[i];
        TEXT_CALL(&k, 0, num_div, I(row[0]), I(row[1]));
        assert_int_equal(T(&k, 0), I(row[2]));
        TEXT_CALL(&k, 0, num_idiv, I(row[0]), I(row[1]));
        assert_int_equal(T(&k, 0), I(row[3]));
        TEXT_CALL(&k, 0, num_mod, I(row[0]), I(row[1]));
        assert_int_equal(T(&k, 0), I(row[4]));
        TEXT_CALL(&k, 0, prim_integer_floor_mod, I(row[0]), I(row[1]));
        assert_int_equal(T(&k, 0), I(row[5]));
    }
    number(&k, 0, "-36893488147419103233");
    TEXT_CALL(&k, 1, num_idiv, T(&k, 0), I(2));
    assert_integer(&k, 1, "-18446744073709551617");
    TEXT_CALL(&k, 1, num_div, T(&k, 0), I(2));
    assert_integer(&k, 1, "-18446744073709551616");
    TEXT_CALL(&k, 1, num_div, F(1), I(0));
    assert_true(isinf(value_as_float(T(&k, 1))));
    TEXT_CALL(&k, 1, num_div, F(0), F(0));
    assert_true(value_is_float(T(&k, 1)) && isnan(value_as_float(T(&k, 1))));
    text_close(&k);
}

static void wrong_operands_are_errors(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    number(&k, 0, "100000000000000000000");
    static const PrimFn operations[] = {
        num_add, num_sub,  num_mul,     num_div,     num_idiv,
        num_mod, num_less, num_greater, num_less_eq, num_greater_eq,
    };
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        assert_int_equal(TEXT_RUN(&k, 1, operations[i], I(1), VALUE_NIL), PRIM_ERROR);
        assert_string_equal(k.call.error.text, "argument must be a number");
        assert_int_equal(TEXT_RUN(&k, 1, operations[i], T(&k, 0), C('a')), PRIM_ERROR);
        assert_string_equal(k.call.error.text, "argument must be a number");
    }
    static const PrimFn divisions[] = {num_div, num_idiv, num_mod, prim_integer_floor_mod};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(TEXT_RUN(&k, 1, divisions[i], I(1), I(0)), PRIM_ERROR);
        assert_int_equal(k.call.error.kind, PRIM_ERR_ZERO_DIVIDE);
        assert_int_equal(TEXT_RUN(&k, 1, divisions[i], T(&k, 0), I(0)), PRIM_ERROR);
        assert_int_equal(k.call.error.kind, PRIM_ERR_ZERO_DIVIDE);
    }
    assert_int_equal(TEXT_RUN(&k, 1, num_idiv, I(1), F(2)), PRIM_ERROR);
    assert_int_equal(TEXT_RUN(&k, 1, num_bit_and, I(1), F(2)), PRIM_ERROR);
    assert_int_equal(k.call.error.kind, PRIM_ERR_TYPE);
    assert_int_equal(TEXT_RUN(&k, 1, num_bit_shift, I(1), I(INT64_C(70000000))), PRIM_ERROR);
    assert_int_equal(TEXT_RUN(&k, 1, prim_integer_power, I(2), I(1000000000)), PRIM_ERROR);
    assert_string_equal(k.call.error.text, "result is too large");
    assert_int_equal(TEXT_RUN(&k, 1, prim_integer_power, I(2), I(-1)), PRIM_FALLBACK);
    assert_int_equal(TEXT_RUN(&k, 1, prim_float_floor, F(INFINITY)), PRIM_ERROR);
    text_close(&k);
}

static void comparison_is_exact_between_kinds(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    number(&k, 0, "9007199254740993");
    number(&k, 1, "9007199254740993");
    assert_int_equal(num_compare(T(&k, 0), F(9007199254740992.0)), 1);
    assert_int_equal(num_compare(F(9007199254740992.0), T(&k, 0)), -1);
    assert_int_equal(num_compare(T(&k, 0), T(&k, 1)), 0);
    assert_int_equal(num_compare(I(3), F(3.0)), 0);
    assert_int_equal(num_compare(I(3), F(NAN)), 2);
    assert_int_equal(num_compare(F(NAN), T(&k, 0)), 2);
    assert_int_equal(num_compare(I(3), VALUE_NIL), 3);
    assert_int_equal(value_equal_builtin(k.vm, T(&k, 0), T(&k, 1)), 1);
    assert_int_equal(value_equal_builtin(k.vm, I(3), F(3.0)), 0);
    assert_int_equal(value_equal_builtin(k.vm, F(NAN), F(NAN)), 0);
    assert_int_equal(value_equal_builtin(k.vm, F(0.0), F(-0.0)), 1);
    uint64_t a = 0, b = 1;
    assert_true(value_hash_answer(T(&k, 0), &a) && value_hash_answer(T(&k, 1), &b));
    assert_int_equal(a, b);
    assert_true(value_hash_answer(F(0.0), &a) && value_hash_answer(F(-0.0), &b));
    assert_int_equal(a, b);
    kit_slots(&k, 2, CLASS_OBJECT, 1);
    assert_int_equal(value_equal_builtin(k.vm, T(&k, 2), T(&k, 2)), -1);
    assert_false(value_hash_answer(T(&k, 2), &a));
    text_close(&k);
}

static void work_that_takes_long_leaves_the_scheduler(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    k.gc_at_yield = true;
    TEXT_CALL(&k, 0, prim_integer_power, I(3), I(100000));
    kit_collect(&k, HEAP_GC_MAJOR, 0);
    Value args[2] = {T(&k, 0), T(&k, 0)};
    assert_int_equal(kit_run(&k, num_mul, 1, args), PRIM_DIRTY);
    k.call.dirty_free(k.call.dirty_state); /* the process died */
    TEXT_CALL(&k, 1, num_mul, T(&k, 0), T(&k, 0));
    TEXT_CALL(&k, 2, prim_integer_power, I(3), I(200000));
    assert_int_equal(num_compare(T(&k, 1), T(&k, 2)), 0);
    TEXT_CALL(&k, 3, num_div, T(&k, 2), T(&k, 0));
    assert_int_equal(num_compare(T(&k, 3), T(&k, 0)), 0);
    TEXT_CALL(&k, 3, prim_integer_sqrt, T(&k, 2));
    assert_int_equal(num_compare(T(&k, 3), T(&k, 0)), 0);
    TEXT_CALL(&k, 3, prim_integer_gcd, T(&k, 2), T(&k, 0));
    assert_int_equal(num_compare(T(&k, 3), T(&k, 0)), 0);
    TEXT_CALL(&k, 3, prim_integer_print, T(&k, 0));
    TEXT_CALL(&k, 4, prim_string_as_integer, T(&k, 3));
    assert_int_equal(num_compare(T(&k, 4), T(&k, 0)), 0);
    text_close(&k);
}

static void floats_become_integers_of_any_size(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    TEXT_CALL(&k, 0, prim_float_truncated, F(-3.7));
    assert_int_equal(T(&k, 0), I(-3));
    TEXT_CALL(&k, 0, prim_float_floor, F(-3.2));
    assert_int_equal(T(&k, 0), I(-4));
    TEXT_CALL(&k, 0, prim_float_rounded, F(-2.5));
    assert_int_equal(T(&k, 0), I(-3));
    TEXT_CALL(&k, 0, prim_float_truncated, F(1e20));
    assert_integer(&k, 0, "100000000000000000000");
    TEXT_CALL(&k, 0, prim_float_ceiling, F(281474976710656.5));
    assert_integer(&k, 0, "281474976710657");
    TEXT_CALL(&k, 0, prim_float_print, F(1234567.5));
    assert_text(T(&k, 0), "1.2345675e+06");
    text_close(&k);
}

static void bits_of_big_and_small_integers(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    number(&k, 0, "18446744073709551621"); /* 2^64 + 5 */
    TEXT_CALL(&k, 1, num_bit_and, T(&k, 0), I(7));
    assert_int_equal(T(&k, 1), I(5));
    TEXT_CALL(&k, 1, num_bit_and, I(-8), T(&k, 0));
    assert_integer(&k, 1, "18446744073709551616");
    TEXT_CALL(&k, 1, num_bit_xor, T(&k, 0), T(&k, 0));
    assert_int_equal(T(&k, 1), I(0));
    TEXT_CALL(&k, 1, num_bit_or, I(-1), T(&k, 0));
    assert_int_equal(T(&k, 1), I(-1));
    TEXT_CALL(&k, 1, num_bit_shift, I(-5), I(-1));
    assert_int_equal(T(&k, 1), I(-3));
    TEXT_CALL(&k, 1, num_bit_shift, I(-5), I(-1000));
    assert_int_equal(T(&k, 1), I(-1));
    number(&k, 2, "-99999999999999999999");
    TEXT_CALL(&k, 1, num_bit_shift, T(&k, 0), T(&k, 2));
    assert_int_equal(T(&k, 1), I(0));
    TEXT_CALL(&k, 1, prim_integer_bit_length, T(&k, 0));
    assert_int_equal(T(&k, 1), I(65));
    TEXT_CALL(&k, 1, prim_integer_print_base, T(&k, 0), I(16));
    assert_text(T(&k, 1), "10000000000000005");
    text_close(&k);
}

/* A generator with a seed in root r. */
static void new_random(Kit *k, size_t r, int64_t seed)
{
    kit_slots(k, r, CLASS_FIRST_FREE + 2, 1);
    TEXT_CALL(k, 21, prim_random_seed, T(k, r), I(seed));
}

static void equal_seeds_give_equal_numbers_in_range(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    new_random(&k, 0, 42);
    new_random(&k, 1, 42);
    unsigned seen = 0;
    for (int i = 0; i < 1000; i++) {
        TEXT_CALL(&k, 2, prim_random_next_between, T(&k, 0), I(3), I(-2));
        TEXT_CALL(&k, 3, prim_random_next_between, T(&k, 1), I(-2), I(3));
        assert_int_equal(T(&k, 2), T(&k, 3));
        int64_t n = value_as_int(T(&k, 2));
        assert_true(n >= -2 && n <= 3);
        seen |= 1u << (n + 2);
        TEXT_CALL(&k, 2, prim_random_next, T(&k, 0));
        TEXT_CALL(&k, 3, prim_random_next, T(&k, 1));
        assert_int_equal(T(&k, 2), T(&k, 3));
        assert_true(value_as_float(T(&k, 2)) >= 0 && value_as_float(T(&k, 2)) < 1);
    }
    assert_int_equal(seen, 63);
    TEXT_CALL(&k, 2, prim_random_next_int, T(&k, 0), I(0));
    assert_int_equal(T(&k, 2), I(0));
    TEXT_CALL(&k, 2, prim_random_class_next_int, VALUE_NIL, I(VALUE_INT_MAX));
    assert_true(value_as_int(T(&k, 2)) >= 0);
    kit_slots(&k, 0, CLASS_FIRST_FREE + 2, 1);
    assert_int_equal(TEXT_RUN(&k, 2, prim_random_next, T(&k, 0)), PRIM_ERROR);
    text_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_grow_and_come_back),
        cmocka_unit_test(division_rounds_as_the_language_says),
        cmocka_unit_test(wrong_operands_are_errors),
        cmocka_unit_test(comparison_is_exact_between_kinds),
        cmocka_unit_test(work_that_takes_long_leaves_the_scheduler),
        cmocka_unit_test(floats_become_integers_of_any_size),
        cmocka_unit_test(bits_of_big_and_small_integers),
        cmocka_unit_test(equal_seeds_give_equal_numbers_in_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
