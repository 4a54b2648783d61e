/* SPDX-License-Identifier: Apache-2.0 */
/* test_bigint.c - integers of any size against known answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bigint.h"
#include "bigint_vectors.h"
#include "value.h"

/* Every block handed out in one test. */
typedef struct Room {
    void *blocks[1024];
    size_t count;
} Room;

static void *take(Room *room, size_t limbs)
{
    assert_true(room->count < 1024);
    void *block = malloc((limbs + 1) * sizeof(BigLimb));
    assert_non_null(block);
    room->blocks[room->count++] = block;
    return block;
}

static void give_back(Room *room)
{
    while (room->count)
        free(room->blocks[--room->count]);
}

static BigView run(Room *room, BigJob *job)
{
    assert_int_equal(bigint_plan(job), STATUS_OK);
    job->out = take(room, job->out_limbs);
    job->scratch = take(room, job->scratch_limbs);
    bigint_run(job);
    return bigint_result(job);
}

static BigView parse(Room *room, const char *text, int base)
{
    BigJob job = {.op = BIG_PARSE, .count = base, .negative = *text == '-'};
    job.text = (const uint8_t *)text + job.negative;
    job.text_len = strlen(text) - job.negative;
    return run(room, &job);
}

static void assert_number(Room *room, BigView n, int base, const char *expected)
{
    BigJob job = {.op = BIG_TEXT, .a = n, .count = base};
    run(room, &job);
    assert_int_equal(job.out_n, strlen(expected));
    assert_memory_equal(job.out, expected, job.out_n);
}

static void binary_operations_agree_with_known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof big_vectors / sizeof *big_vectors; i++) {
        const BigVector *v = &big_vectors[i];
        Room room = {.count = 0};
        BigJob job = {.op = v->op, .a = parse(&room, v->a, 10), .b = parse(&room, v->b, 10)};
        BigView result = run(&room, &job);
        assert_true(job.out_n <= job.out_limbs);
        assert_number(&room, result, 10, v->result);
        give_back(&room);
    }
}

static void a_result_of_zero_has_no_sign(void **state)
{
    (void)state;
    Room room = {.count = 0};
    BigView a = parse(&room, "-123456789012345678901234567890", 10);
    BigJob job = {.op = BIG_SUB, .a = a, .b = a};
    assert_int_equal(run(&room, &job).n, 0);
    assert_false(job.out_negative);
    give_back(&room);
}

static void shifts_round_down(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        int64_t count;
        const char *result;
    } rows[] = {
        {"1", 100, "1267650600228229401496703205376"},
        {"-1", 64, "-18446744073709551616"},
        {"1267650600228229401496703205376", -100, "1"},
        {"-1267650600228229401496703205377", -100, "-2"},
        {"-1267650600228229401496703205376", -100, "-1"},
        {"-5", -1, "-3"},
        {"-1", -1000, "-1"},
        {"123", -1000, "0"},
        {"0", 1000, "0"},
        {"18446744073709551615", 1, "36893488147419103230"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Room room = {.count = 0};
        BigJob job = {.op = BIG_SHIFT, .a = parse(&room, rows[i].a, 10), .count = rows[i].count};
        assert_number(&room, run(&room, &job), 10, rows[i].result);
        give_back(&room);
    }
}

static void powers_and_roots_are_exact(void **state)
{
    (void)state;
    Room room = {.count = 0};
    BigJob power = {.op = BIG_POWER, .a = parse(&room, "-3", 10), .count = 101};
    BigView n = run(&room, &power);
    assert_number(&room, n, 10, "-1546132562196033993109383389296863818106322566003");
    BigJob none = {.op = BIG_POWER, .a = n, .count = 0};
    assert_number(&room, run(&room, &none), 10, "1");
    BigJob minus = {.op = BIG_POWER, .a = parse(&room, "-1", 10), .count = INT64_MAX};
    assert_number(&room, run(&room, &minus), 10, "-1");
    BigJob root = {.op = BIG_SQRT, .a = parse(&room, "152415787532388367501905199875019051", 10)};
    assert_number(&room, run(&room, &root), 10, "390404645889861776");
    BigJob square = {.op = BIG_SQRT, .a = parse(&room, "1000000000000000000000000000000", 10)};
    assert_number(&room, run(&room, &square), 10, "1000000000000000");
    give_back(&room);
}

static void text_works_in_every_base(void **state)
{
    (void)state;
    static const char number[] = "-123456789012345678901234567890123456789";
    for (int base = 2; base <= 36; base++) {
        Room room = {.count = 0};
        BigJob job = {.op = BIG_TEXT, .a = parse(&room, number, 10), .count = base};
        run(&room, &job);
        char text[200] = {0};
        memcpy(text, job.out, job.out_n);
        assert_number(&room, parse(&room, text, base), 10, number);
        give_back(&room);
    }
    Room room = {.count = 0};
    assert_number(&room, parse(&room, "zZ", 36), 10, "1295");
    assert_number(&room, parse(&room, "ff", 16), 16, "FF");
    assert_number(&room, parse(&room, "0000", 10), 10, "0");
    give_back(&room);
}

static void small_integers_are_those_of_48_bits(void **state)
{
    (void)state;
    BigLimb store;
    int64_t out;
    assert_true(bigint_to_small(bigint_of_int64(VALUE_INT_MAX, &store), &out));
    assert_int_equal(out, VALUE_INT_MAX);
    assert_true(bigint_to_small(bigint_of_int64(VALUE_INT_MIN, &store), &out));
    assert_int_equal(out, VALUE_INT_MIN);
    assert_false(bigint_to_small(bigint_of_int64(VALUE_INT_MAX + 1, &store), &out));
    assert_false(bigint_to_small(bigint_of_int64(VALUE_INT_MIN - 1, &store), &out));
    BigView least = bigint_of_int64(INT64_MIN, &store);
    assert_true(least.negative && store == UINT64_C(1) << 63);
}

static void doubles_round_to_even(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        double d;
    } rows[] = {
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740995", 9007199254740996.0},
        {"-9007199254740993", -9007199254740992.0},
        {"18446744073709551615", 18446744073709551616.0},
        {"36893488147419107329", 36893488147419111424.0},
        {"36893488147419107328", 36893488147419103232.0},
        {"0", 0.0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Room room = {.count = 0};
        BigView a = parse(&room, rows[i].a, 10);
        assert_true(bigint_to_double(a) == rows[i].d);
        give_back(&room);
    }
    Room room = {.count = 0};
    BigJob huge = {.op = BIG_SHIFT, .a = parse(&room, "1", 10), .count = 1024};
    assert_true(isinf(bigint_to_double(run(&room, &huge))));
    BigLimb store[BIGINT_DOUBLE_LIMBS];
    assert_number(&room, bigint_of_double(-1e30, store), 10, "-1000000000000000019884624838656");
    assert_int_equal(bigint_of_double(0.99, store).n, 0);
    assert_number(&room, bigint_of_double(2251799813685249.5, store), 10, "2251799813685249");
    give_back(&room);
}

static void comparison_with_doubles_is_exact(void **state)
{
    (void)state;
    Room room = {.count = 0};
    BigView a = parse(&room, "9007199254740993", 10);
    assert_int_equal(bigint_compare_double(a, 9007199254740992.0), 1);
    assert_int_equal(bigint_compare_double(a, 9007199254740994.0), -1);
    BigView b = parse(&room, "-1000000000000000000000", 10);
    assert_int_equal(bigint_compare_double(b, -1e21), 0);
    assert_int_equal(bigint_compare_double(b, -INFINITY), 1);
    assert_int_equal(bigint_compare_double(b, NAN), 2);
    BigView c = parse(&room, "3", 10);
    assert_int_equal(bigint_compare_double(c, 3.5), -1);
    assert_int_equal(bigint_compare_double(c, 2.5), 1);
    give_back(&room);
}

static void plans_refuse_what_exceeds_the_cap(void **state)
{
    (void)state;
    BigLimb two_store, one_store;
    BigView two = bigint_of_int64(2, &two_store), one = bigint_of_int64(1, &one_store);
    BigJob power = {.op = BIG_POWER, .a = two, .count = 1000000000};
    assert_int_equal(bigint_plan(&power), STATUS_TOO_BIG);
    power.count = BIGINT_SHIFT_MAX - 1;
    assert_int_equal(bigint_plan(&power), STATUS_OK);
    BigJob shift = {.op = BIG_SHIFT, .a = one, .count = BIGINT_SHIFT_MAX};
    assert_int_equal(bigint_plan(&shift), STATUS_OK);
    shift.count++;
    assert_int_equal(bigint_plan(&shift), STATUS_TOO_BIG);
    BigView half = {&one_store, BIGINT_LIMBS_MAX / 2 + 8, false}; /* plans do not read limbs */
    BigJob product = {.op = BIG_MUL, .a = half, .b = half};
    assert_int_equal(bigint_plan(&product), STATUS_TOO_BIG);
}

static void the_largest_number_fits_and_prints(void **state)
{
    (void)state;
    Room room = {.count = 0};
    BigLimb store;
    BigJob shift = {.op = BIG_SHIFT, .a = bigint_of_int64(1, &store), .count = BIGINT_SHIFT_MAX};
    BigView n = run(&room, &shift);
    assert_true(bigint_fits(&shift));
    assert_int_equal(bigint_bits(n), BIGINT_SHIFT_MAX + 1);
    BigJob twice = {.op = BIG_ADD, .a = n, .b = n};
    run(&room, &twice);
    BigJob text = {.op = BIG_TEXT, .a = n, .count = 16};
    run(&room, &text);
    assert_int_equal(text.out_n, BIGINT_SHIFT_MAX / 4 + 1);
    give_back(&room);
}

static void equal_numbers_have_equal_hashes(void **state)
{
    (void)state;
    Room room = {.count = 0};
    BigView a = parse(&room, "123456789012345678901234567890", 10);
    BigView b = parse(&room, "00123456789012345678901234567890", 10);
    BigView c = parse(&room, "-123456789012345678901234567890", 10);
    assert_int_equal(bigint_hash(a), bigint_hash(b));
    assert_int_not_equal(bigint_hash(a), bigint_hash(c));
    assert_true(bigint_hash(c) <= (uint64_t)VALUE_INT_MAX);
    give_back(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_operations_agree_with_known_answers),
        cmocka_unit_test(a_result_of_zero_has_no_sign),
        cmocka_unit_test(shifts_round_down),
        cmocka_unit_test(powers_and_roots_are_exact),
        cmocka_unit_test(text_works_in_every_base),
        cmocka_unit_test(small_integers_are_those_of_48_bits),
        cmocka_unit_test(doubles_round_to_even),
        cmocka_unit_test(comparison_with_doubles_is_exact),
        cmocka_unit_test(plans_refuse_what_exceeds_the_cap),
        cmocka_unit_test(the_largest_number_fits_and_prints),
        cmocka_unit_test(equal_numbers_have_equal_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
