/* SPDX-License-Identifier: Apache-2.0 */
/* test_floattext.c - how doubles are printed and read. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "floattext.h"
#include "rng.h"

typedef struct Row {
    double d;
    const char *text;
} Row;

static void assert_prints(double d, const char *expected)
{
    char text[FLOAT_TEXT_MAX + 1];
    size_t n = float_print(d, text);
    assert_true(n <= FLOAT_TEXT_MAX);
    text[n] = 0;
    assert_string_equal(text, expected);
}

static void printing_follows_the_rule_of_the_language(void **state)
{
    (void)state;
    static const Row rows[] = {
        {1.0, "1"},
        {0.5, "0.5"},
        {4.0, "4"},
        {2.5, "2.5"},
        {123456.0, "123456"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {1e100, "1e+100"},
        {1000000.0, "1e+06"},
        {1234567.5, "1.2345675e+06"},
        {999999.5, "999999.5"},
        {123456789.0, "1.23456789e+08"},
        {123456.7, "123456.7"},
        {1.2345678e6, "1.2345678e+06"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3.0, "0.3333333333333333"},
        {100.0 / 3.0, "33.333333333333336"},
        {9007199254740993.0, "9.007199254740992e+15"},
        {1e21, "1e+21"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {5.684341886080802e-14, "5.684341886080802e-14"},
        {-0.0, "-0"},
        {0.0, "0"},
        {-1.5, "-1.5"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_prints(rows[i].d, rows[i].text);
    assert_prints(NAN, "NaN");
}

static void what_is_printed_reads_back_equal(void **state)
{
    (void)state;
    Rng rng;
    rng_init(&rng, 42);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        double d, back;
        memcpy(&d, &bits, sizeof d);
        if (!isfinite(d))
            continue;
        char text[FLOAT_TEXT_MAX];
        size_t n = float_print(d, text);
        assert_true(float_parse(text, n, &back));
        assert_memory_equal(&d, &back, sizeof d);
    }
}

static void reading_rounds_ties_to_even(void **state)
{
    (void)state;
    static const Row rows[] = {
        {9007199254740992.0, "9007199254740993"},
        {9007199254740994.0, "9007199254740993.0000000000000000000000000000001"},
        {9007199254740996.0, "9007199254740995"},
        {5e-324, "4.9e-324"},
        {5e-324, "2.4703282292062328e-324"},
        {0.0, "2.4703282292062327e-324"},
        {0.0, "1e-5000"},
        {-0.0, "-0"},
        {1e15, "0000000000000000000000000000000000000001e15"},
        {0.5, ".5"},
        {5.0, "5."},
        {-150.0, "-1.5E2"},
        {150.0, "+1.5e+2"},
        {1.7976931348623157e308, "1.7976931348623158e308"},
        {0.0, "0e999999999999"},
        {INFINITY, "inf"},
        {-INFINITY, "-Infinity"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double d;
        assert_true(float_parse(rows[i].text, strlen(rows[i].text), &d));
        assert_memory_equal(&d, &rows[i].d, sizeof d);
    }
    double d;
    assert_true(float_parse("NaN", 3, &d));
    assert_true(isnan(d));
}

static void reading_refuses_what_is_no_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     ".",   "-",     "e5",   "1e",    "1e+",
                                        "1 ",   " 1",  "1.2.3", "0x10", "1e400", "nano",
                                        "infi", "--1", "1e5x",  "1_0"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double d;
        assert_false(float_parse(texts[i], strlen(texts[i]), &d));
    }
}

static void long_digit_strings_are_read_exactly(void **state)
{
    (void)state;
    char text[3000] = "0.";
    memset(text + 2, '0', 2900);
    text[2902] = '1';
    double d;
    assert_true(float_parse(text, 2903, &d));
    assert_true(d == 0.0);
    memset(text, '9', 2000);
    memcpy(text + 2000, "e-2000", 6);
    assert_true(float_parse(text, 2006, &d));
    assert_true(d == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printing_follows_the_rule_of_the_language),
        cmocka_unit_test(what_is_printed_reads_back_equal),
        cmocka_unit_test(reading_rounds_ties_to_even),
        cmocka_unit_test(reading_refuses_what_is_no_number),
        cmocka_unit_test(long_digit_strings_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
