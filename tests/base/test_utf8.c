/* SPDX-License-Identifier: Apache-2.0 */
/* test_utf8.c - UTF-8 is checked strictly, counted and stepped over right. */
#include "testkit.h"

#include "rng.h"
#include "utf8.h"

static bool valid(const char *bytes, size_t n) { return utf8_check(bytes, n, NULL); }

static void every_code_point_survives_a_round_trip(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= UTF8_CODEPOINT_MAX + 10; cp++) {
        char bytes[4];
        size_t n = utf8_encode(cp, bytes);
        bool encodable = cp <= UTF8_CODEPOINT_MAX && !(cp >= 0xD800 && cp <= 0xDFFF);
        assert_int_equal(n > 0, encodable);
        if (!encodable)
            continue;
        uint32_t decoded = 0;
        const char *cursor = bytes;
        if (utf8_decode(bytes, n, &decoded) != n || decoded != cp || utf8_next(&cursor) != cp ||
            cursor != bytes + n || utf8_width(bytes[0]) != n || !valid(bytes, n))
            fail_msg("code point %x", cp);
        for (size_t cut = 1; cut < n; cut++)
            assert_int_equal(utf8_decode(bytes, cut, &decoded), 0);
    }
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC3",
        "\xC3(",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xE2\x82",
        "\xE2(\xA1",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xF0\x9F\x98",
        "\xE2\x82\xAC\x80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (valid(bad[i], strlen(bad[i])))
            fail_msg("accepted number %zu", i);
    }
    size_t where = 0;
    assert_false(utf8_check("abcdefghij\xC3(", 12, &where));
    assert_int_equal(where, 10);
}

static void random_bytes_agree_with_a_plain_checker(void **state)
{
    (void)state;
    Rng rng;
    rng_init(&rng, 3);
    static const char alphabet[] = "a\x80\xBF\xC2\xE0\xA0\xED\x9F\xF0\x90\xF4\x8F";
    for (int round = 0; round < TESTKIT_SCALE(200000); round++) {
        char bytes[24];
        size_t n = rng_below(&rng, sizeof bytes + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
        size_t at = 0;
        size_t chars = 0;
        uint32_t cp;
        size_t width;
        while (at < n && (width = utf8_decode(bytes + at, n - at, &cp)) > 0) {
            at += width;
            chars++;
        }
        size_t got = 0;
        assert_int_equal(utf8_check(bytes, n, &got), at == n);
        assert_int_equal(got, at == n ? chars : at);
        if (at == n) {
            assert_int_equal(utf8_count(bytes, n), chars);
            size_t offset = 0;
            for (size_t i = 0; i < chars; i++) {
                assert_int_equal(utf8_offset(bytes, n, i), offset);
                offset += utf8_width(bytes[offset]);
            }
            assert_int_equal(utf8_offset(bytes, n, chars), n);
        }
    }
}

static void ascii_is_told_apart(void **state)
{
    (void)state;
    char bytes[40];
    memset(bytes, 'x', sizeof bytes);
    assert_true(utf8_is_ascii(bytes, 0));
    assert_true(utf8_is_ascii(bytes, sizeof bytes));
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)0xC3;
        assert_false(utf8_is_ascii(bytes, sizeof bytes));
        assert_true(utf8_is_ascii(bytes, i));
        bytes[i] = 'x';
    }
}

TESTKIT_MAIN(cmocka_unit_test(every_code_point_survives_a_round_trip),
             cmocka_unit_test(malformed_bytes_are_refused),
             cmocka_unit_test(random_bytes_agree_with_a_plain_checker),
             cmocka_unit_test(ascii_is_told_apart))
