/* SPDX-License-Identifier: Apache-2.0 */
/* test_prims_string.c - primitives of String, Symbol, Character and WriteStream. */
#include "text_kit.h"

static void sizes_and_elements_count_characters(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, "na\xC3\xAFve \xE2\x82\xAC");
    TEXT_CALL(&k, 1, prim_string_size, T(&k, 0));
    assert_int_equal(T(&k, 1), I(7));
    TEXT_CALL(&k, 1, prim_string_byte_size, T(&k, 0));
    assert_int_equal(T(&k, 1), I(10));
    TEXT_CALL(&k, 1, prim_string_at, T(&k, 0), I(3));
    assert_int_equal(T(&k, 1), C(0xEF));
    TEXT_CALL(&k, 1, prim_string_at, T(&k, 0), I(7));
    assert_int_equal(T(&k, 1), C(0x20AC));
    TEXT_CALL(&k, 1, prim_string_byte_at, T(&k, 0), I(10));
    assert_int_equal(T(&k, 1), I(0xAC));
    assert_int_equal(TEXT_RUN(&k, 1, prim_string_at, T(&k, 0), I(8)), PRIM_ERROR);
    assert_int_equal(k.call.error.kind, PRIM_ERR_BOUNDS);
    assert_int_equal(k.call.error.size, 7);
    assert_int_equal(TEXT_RUN(&k, 1, prim_string_at, T(&k, 0), I(0)), PRIM_ERROR);
    assert_int_equal(TEXT_RUN(&k, 1, prim_string_at, T(&k, 0), VALUE_NIL), PRIM_ERROR);
    Value symbol = text_symbol(&k, "gr\xC3\xBC\xC3\x9F");
    TEXT_CALL(&k, 1, prim_string_size, symbol);
    assert_int_equal(T(&k, 1), I(4));
    TEXT_CALL(&k, 1, prim_string_at, symbol, I(4));
    assert_int_equal(T(&k, 1), C(0xDF));
    text_close(&k);
}

static void parts_are_clamped(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    static const struct {
        const char *text;
        int64_t from, to;
        const char *part;
    } rows[] = {
        {"hello", 2, 4, "ell"},        {"hello", -5, 2, "he"}, {"hello", 4, 99, "lo"},
        {"hello", 4, 2, ""},           {"", 1, 1, ""},         {"h\xC3\xA9llo", 2, 3, "\xC3\xA9l"},
        {"h\xC3\xA9llo", 3, 5, "llo"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text_put(&k, 0, rows[i].text);
        TEXT_CALL(&k, 1, prim_string_copy, T(&k, 0), I(rows[i].from), I(rows[i].to));
        assert_text(T(&k, 1), rows[i].part);
        TEXT_CALL(&k, 1, prim_string_copy, text_symbol(&k, rows[i].text), I(rows[i].from),
                  I(rows[i].to));
        assert_text(T(&k, 1), rows[i].part);
    }
    text_close(&k);
}

static void concatenation_takes_strings_symbols_and_characters(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, "abc");
    text_put(&k, 1, "");
    TEXT_CALL(&k, 2, prim_string_concat, T(&k, 0), text_symbol(&k, "d\xC3\xA9"));
    assert_text(T(&k, 2), "abcd\xC3\xA9");
    TEXT_CALL(&k, 2, prim_string_concat, T(&k, 2), C(0x20AC));
    assert_text(T(&k, 2), "abcd\xC3\xA9\xE2\x82\xAC");
    TEXT_CALL(&k, 2, prim_string_concat, text_symbol(&k, "x"), T(&k, 1));
    assert_text(T(&k, 2), "x");
    TEXT_CALL(&k, 2, prim_string_concat, T(&k, 1), T(&k, 0));
    assert_int_equal(T(&k, 2), T(&k, 0));
    assert_int_equal(TEXT_RUN(&k, 2, prim_string_concat, T(&k, 0), I(3)), PRIM_ERROR);
    for (int i = 0; i < 20000; i++)
        TEXT_CALL(&k, 2, prim_string_concat, T(&k, 2), T(&k, 0));
    TEXT_CALL(&k, 3, prim_string_size, T(&k, 2));
    assert_int_equal(T(&k, 3), I(60003));
    text_many(&k, 4, "0123456789", 60000);
    assert_int_equal(TEXT_RUN(&k, 2, prim_string_concat, T(&k, 0), T(&k, 4)), PRIM_FALLBACK);
    text_close(&k);
}

static void comparison_is_bytewise_and_yields(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, "apple");
    text_put(&k, 1, "pear");
    TEXT_CALL(&k, 2, prim_string_less, T(&k, 0), T(&k, 1));
    assert_int_equal(T(&k, 2), VALUE_TRUE);
    TEXT_CALL(&k, 2, prim_string_greater_eq, T(&k, 0), T(&k, 1));
    assert_int_equal(T(&k, 2), VALUE_FALSE);
    TEXT_CALL(&k, 2, prim_string_compare, text_symbol(&k, "apples"), T(&k, 0));
    assert_int_equal(T(&k, 2), I(1));
    TEXT_CALL(&k, 2, prim_string_equal, T(&k, 0), text_symbol(&k, "apple"));
    assert_int_equal(T(&k, 2), VALUE_FALSE);
    assert_int_equal(TEXT_RUN(&k, 2, prim_string_less, T(&k, 0), I(3)), PRIM_ERROR);
    text_many(&k, 3, "0123456789", 100000);
    text_many(&k, 4, "0123456789", 100000);
    k.slice = 100;
    k.gc_at_yield = true;
    k.yields = 0;
    TEXT_CALL(&k, 2, prim_string_equal, T(&k, 3), T(&k, 4));
    assert_int_equal(T(&k, 2), VALUE_TRUE);
    assert_true(k.yields > 3);
    TEXT_CALL(&k, 2, prim_string_compare, T(&k, 3), T(&k, 4));
    assert_int_equal(T(&k, 2), I(0));
    text_many(&k, 4, "0123456780", 100000);
    TEXT_CALL(&k, 2, prim_string_greater, T(&k, 3), T(&k, 4));
    assert_int_equal(T(&k, 2), VALUE_TRUE);
    text_close(&k);
}

static void hashes_agree_with_those_of_tables(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    uint64_t hash;
    text_put(&k, 0, "foobar");
    TEXT_CALL(&k, 1, prim_string_hash, T(&k, 0));
    assert_int_equal(T(&k, 1), I(0xbf9cf968)); /* FNV-1a of that text */
    assert_true(value_hash_answer(T(&k, 0), &hash));
    assert_int_equal(hash, 0xbf9cf968);
    text_many(&k, 0, "foobar", 10000);
    assert_true(value_hash_answer(T(&k, 0), &hash));
    k.slice = 10;
    k.gc_at_yield = true;
    TEXT_CALL(&k, 1, prim_string_hash, T(&k, 0));
    assert_int_equal(T(&k, 1), I((int64_t)hash));
    text_close(&k);
}

static void searches_find_across_pieces(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, "hello");
    TEXT_CALL(&k, 1, prim_string_index_of, T(&k, 0), C('l'));
    assert_int_equal(T(&k, 1), I(3));
    TEXT_CALL(&k, 1, prim_string_index_from, T(&k, 0), C('l'), I(4));
    assert_int_equal(T(&k, 1), I(4));
    TEXT_CALL(&k, 1, prim_string_index_from, T(&k, 0), C('h'), I(2));
    assert_int_equal(T(&k, 1), I(0));
    text_put(&k, 1, "");
    TEXT_CALL(&k, 2, prim_string_includes_text, T(&k, 0), T(&k, 1));
    assert_int_equal(T(&k, 2), VALUE_FALSE);
    text_many(&k, 0, "\xC3\xA4xy", 50000);
    text_put(&k, 1, "needle");
    k.slice = 100;
    k.gc_at_yield = true;
    for (int back = 0; back < 3; back++) { /* the needle lies differently across pieces */
        TEXT_CALL(&k, 2, prim_string_concat, T(&k, 0), T(&k, 1));
        TEXT_CALL(&k, 3, prim_string_index_of, T(&k, 2), T(&k, 1));
        assert_int_equal(T(&k, 3), I(150001 + back));
        TEXT_CALL(&k, 3, prim_string_index_from, T(&k, 2), T(&k, 1), I(150002 + back));
        assert_int_equal(T(&k, 3), I(0));
        TEXT_CALL(&k, 0, prim_string_concat, T(&k, 0), C('.'));
    }
    assert_true(k.yields > 3);
    text_close(&k);
}

static void case_order_and_repetition(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0,
             "Stra\xC3\x9F"
             "e \xC3\xA9\xC3\x89\xC8\xBF");
    TEXT_CALL(&k, 1, prim_string_lower, T(&k, 0));
    assert_text(T(&k, 1), "stra\xC3\x9F"
                          "e \xC3\xA9\xC3\xA9\xC8\xBF");
    text_put(&k, 0,
             "\xC3\xA9"
             "a\xC8\xBF"); /* the last one grows by a byte */
    TEXT_CALL(&k, 1, prim_string_upper, T(&k, 0));
    assert_text(T(&k, 1), "\xC3\x89"
                          "A\xE2\xB1\xBE");
    TEXT_CALL(&k, 1, prim_string_reversed, T(&k, 0));
    assert_text(T(&k, 1), "\xC8\xBF"
                          "a\xC3\xA9");
    TEXT_CALL(&k, 1, prim_string_repeat, T(&k, 0), I(2));
    assert_text(T(&k, 1), "\xC3\xA9"
                          "a\xC8\xBF\xC3\xA9"
                          "a\xC8\xBF");
    TEXT_CALL(&k, 1, prim_string_repeat, T(&k, 0), I(-2));
    assert_text(T(&k, 1), "");
    assert_int_equal(TEXT_RUN(&k, 1, prim_string_repeat, T(&k, 0), I(VALUE_INT_MAX)),
                     PRIM_FALLBACK);
    text_many(&k, 0, "a", 40000);
    assert_int_equal(TEXT_RUN(&k, 1, prim_string_upper, T(&k, 0)), PRIM_FALLBACK);
    text_close(&k);
}

static void replacement_goes_from_left_to_right(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    static const struct {
        const char *text, *old, *with, *result;
    } rows[] = {
        {"hello", "l", "LL", "heLLLLo"},
        {"aaaa", "aa", "b", "bb"},
        {"abc", "", "x", "abc"},
        {"abc", "abc", "", ""},
        {"", "a", "b", ""},
        {"abab", "ab", "\xC3\xA9", "\xC3\xA9\xC3\xA9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text_put(&k, 0, rows[i].text);
        text_put(&k, 1, rows[i].old);
        text_put(&k, 2, rows[i].with);
        TEXT_CALL(&k, 3, prim_string_replace, T(&k, 0), T(&k, 1), T(&k, 2));
        assert_text(T(&k, 3), rows[i].result);
    }
    text_close(&k);
}

static void printing_quotes_what_needs_it(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, "it's");
    TEXT_CALL(&k, 1, prim_string_print, T(&k, 0));
    assert_text(T(&k, 1), "'it''s'");
    static const char *const symbols[][2] = {
        {"abc", "#abc"},
        {"at:put:", "#at:put:"},
        {"a:b", "#a:b"},
        {"a::b", "#'a::b'"},
        {"two words", "#'two words'"},
        {"+", "#+"},
        {"-->", "#-->"},
        {"", "#''"},
        {"1a", "#'1a'"},
        {"it's", "#'it''s'"},
        {"_x1", "#_x1"},
        {":a", "#':a'"},
        {"\xC3\xA9t\xC3\xA9", "#\xC3\xA9t\xC3\xA9"},
        {"a+", "#'a+'"},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        TEXT_CALL(&k, 1, prim_symbol_print, text_symbol(&k, symbols[i][0]));
        assert_text(T(&k, 1), symbols[i][1]);
    }
    TEXT_CALL(&k, 1, prim_symbol_num_args, text_symbol(&k, "at:put:"));
    assert_int_equal(T(&k, 1), I(2));
    TEXT_CALL(&k, 1, prim_symbol_num_args, text_symbol(&k, "A::B"));
    assert_int_equal(T(&k, 1), I(0));
    TEXT_CALL(&k, 1, prim_symbol_num_args, text_symbol(&k, "<="));
    assert_int_equal(T(&k, 1), I(1));
    text_close(&k);
}

static void hexadecimal_and_bytes_round_trip(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, "az\xC3\xA9");
    TEXT_CALL(&k, 1, prim_string_as_hex, T(&k, 0));
    assert_text(T(&k, 1), "617ac3a9");
    TEXT_CALL(&k, 2, prim_string_from_hex, T(&k, 1));
    assert_text(T(&k, 2), "az\xC3\xA9");
    static const char *const bad[] = {"6", "6g", "c3", "FFFE"};
    for (size_t i = 0; i < 4; i++) {
        text_put(&k, 1, bad[i]);
        TEXT_CALL(&k, 2, prim_string_from_hex, T(&k, 1));
        assert_int_equal(T(&k, 2), VALUE_NIL);
    }
    text_many(&k, 0, "\xE2\x82\xAC.", 40000);
    k.slice = 100;
    k.gc_at_yield = true;
    TEXT_CALL(&k, 1, prim_string_utf8, T(&k, 0));
    assert_int_equal(obj_byte_length(kit_object(&k, 1)), 160000);
    text_put(&k, 3, "");
    size_t offset = 0;
    for (;;) {
        TEXT_CALL(&k, 2, prim_string_from_utf8, value_class(CLASS_STRING), T(&k, 1),
                  I((int64_t)offset));
        size_t n = str_view(T(&k, 2)).bytes;
        if (n == 0)
            break;
        offset += n;
        TEXT_CALL(&k, 3, prim_string_concat, T(&k, 3), T(&k, 2));
    }
    assert_true(value_strings_equal(T(&k, 3), T(&k, 0)));
    obj_bytes(kit_object(&k, 1))[3] = 0xFF;
    TEXT_CALL(&k, 2, prim_string_from_utf8, value_class(CLASS_STRING), T(&k, 1), I(0));
    assert_int_equal(T(&k, 2), VALUE_NIL);
    text_close(&k);
}

static void assert_parts(Kit *k, size_t r, size_t n, const char *const *parts)
{
    Object *array = kit_object(k, r);
    assert_int_equal(obj_words(array), n);
    for (size_t i = 0; i < n; i++)
        assert_text(obj_slots(array)[i], parts[i]);
}

static void splitting_keeps_empty_parts(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, "hello");
    TEXT_CALL(&k, 1, prim_string_split, T(&k, 0), C('l'));
    assert_parts(&k, 1, 3, (const char *const[]){"he", "", "o"});
    text_put(&k, 0, "");
    TEXT_CALL(&k, 1, prim_string_split, T(&k, 0), C(','));
    assert_parts(&k, 1, 1, (const char *const[]){""});
    assert_int_equal(TEXT_RUN(&k, 1, prim_string_split, T(&k, 0), T(&k, 0)), PRIM_FALLBACK);
    TEXT_CALL(&k, 1, prim_string_lines, T(&k, 0));
    assert_parts(&k, 1, 0, NULL);
    text_put(&k, 0, "a\r\nb\n\nc");
    TEXT_CALL(&k, 1, prim_string_lines, T(&k, 0));
    assert_parts(&k, 1, 4, (const char *const[]){"a", "b", "", "c"});
    text_put(&k, 0, "a\n");
    TEXT_CALL(&k, 1, prim_string_lines, T(&k, 0));
    assert_parts(&k, 1, 1, (const char *const[]){"a"});
    text_put(&k, 0, " \t the\xE2\x80\x83quick \xC3\xA9\n");
    TEXT_CALL(&k, 1, prim_string_words, T(&k, 0));
    assert_parts(&k, 1, 3, (const char *const[]){"the", "quick", "\xC3\xA9"});
    TEXT_CALL(&k, 1, prim_string_split, text_symbol(&k, "a->b"), text_symbol(&k, "->"));
    assert_parts(&k, 1, 2, (const char *const[]){"a", "b"});
    text_close(&k);
}

/* Takes the text in root 0 apart at the separator in root 2 by _parts:from: and joins it by "," in
 * root 4. */
static size_t take_apart(Kit *k, Value separator)
{
    size_t parts = 0;
    int64_t offset = 0;
    T(k, 2) = separator;
    text_put(k, 4, "");
    for (;;) {
        TEXT_CALL(k, 1, prim_string_some_parts, T(k, 0), T(k, 2), I(offset));
        size_t n = obj_words(kit_object(k, 1));
        for (size_t i = 0; i + 1 < n; i++) {
            Value part = obj_slots(kit_object(k, 1))[i];
            TEXT_CALL(k, 4, prim_string_concat, T(k, 4), part);
            TEXT_CALL(k, 4, prim_string_concat, T(k, 4), C(','));
        }
        parts += n - 1;
        Value more = obj_slots(kit_object(k, 1))[n - 1];
        if (more == VALUE_NIL)
            return parts;
        assert_true(value_as_int(more) > offset);
        offset = value_as_int(more);
    }
}

static void long_texts_are_split_by_and_by(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    k.slice = 200;
    k.gc_at_yield = true;
    text_many(&k, 0, "ab, \xC3\xA9\n", 20000);
    text_put(&k, 2, ", ");
    assert_int_equal(take_apart(&k, T(&k, 2)), 20001);
    text_many(&k, 5, "ab,\xC3\xA9\n", 20000);
    assert_int_equal(str_view(T(&k, 4)).bytes, str_view(T(&k, 5)).bytes + 1);
    assert_memory_equal(str_view(T(&k, 4)).data, str_view(T(&k, 5)).data, 120000);
    assert_int_equal(take_apart(&k, VALUE_TRUE), 20000);
    assert_int_equal(take_apart(&k, VALUE_NIL), 40000);
    text_many(&k, 0, "\xC3\xA9", 200000); /* one part, longer than a slice lets be scanned */
    k.yields = 0;
    assert_int_equal(take_apart(&k, VALUE_NIL), 1);
    assert_true(k.yields > 2);
    assert_int_equal(take_apart(&k, VALUE_TRUE), 1);
    assert_int_equal(take_apart(&k, C(';')), 1);
    assert_int_equal(str_view(T(&k, 4)).bytes, 400001);
    text_close(&k);
}

static void trimming_and_tests_of_all_characters(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    text_put(&k, 0, " \xE2\x80\x83 a b\xC3\xA9 \n");
    TEXT_CALL(&k, 1, prim_string_trim, T(&k, 0), I(3));
    assert_text(T(&k, 1), "a b\xC3\xA9");
    TEXT_CALL(&k, 1, prim_string_trim, T(&k, 0), I(2));
    assert_text(T(&k, 1), " \xE2\x80\x83 a b\xC3\xA9");
    TEXT_CALL(&k, 1, prim_string_trim, text_symbol(&k, "  x"), I(1));
    assert_text(T(&k, 1), "x");
    k.slice = 100;
    k.gc_at_yield = true;
    text_many(&k, 0, " ", 300000);
    TEXT_CALL(&k, 1, prim_string_trim, T(&k, 0), I(3));
    assert_text(T(&k, 1), "");
    TEXT_CALL(&k, 1, prim_string_all, T(&k, 0), I(3));
    assert_int_equal(T(&k, 1), VALUE_TRUE);
    TEXT_CALL(&k, 1, prim_string_concat, T(&k, 0), C('x'));
    TEXT_CALL(&k, 1, prim_string_trim, T(&k, 1), I(3));
    assert_text(T(&k, 1), "x");
    TEXT_CALL(&k, 1, prim_string_all, text_symbol(&k, "12a"), I(1));
    assert_int_equal(T(&k, 1), VALUE_FALSE);
    TEXT_CALL(&k, 1, prim_string_all, text_symbol(&k, ""), I(1));
    assert_int_equal(T(&k, 1), VALUE_FALSE);
    text_close(&k);
}

static void numbers_are_read_at_any_size(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    static const struct {
        const char *text;
        Value value;
    } rows[] = {
        {"42", VALUE_INT_BIAS + 42},
        {"-7", VALUE_INT_BIAS - 7},
        {"+0", VALUE_INT_BIAS},
        {"", VALUE_NIL},
        {"-", VALUE_NIL},
        {"4 2", VALUE_NIL},
        {"12a", VALUE_NIL},
        {"99999999999x", VALUE_NIL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text_put(&k, 0, rows[i].text);
        TEXT_CALL(&k, 1, prim_string_as_integer, T(&k, 0));
        assert_int_equal(T(&k, 1), rows[i].value);
    }
    text_put(&k, 0, "-123456789012345678901234567890");
    TEXT_CALL(&k, 1, prim_string_as_integer, T(&k, 0));
    TEXT_CALL(&k, 2, prim_integer_print, T(&k, 1));
    assert_text(T(&k, 2), "-123456789012345678901234567890");
    text_many(&k, 0, "1234567890", 20000); /* goes to a dirty thread, and back */
    TEXT_CALL(&k, 1, prim_string_as_integer, T(&k, 0));
    assert_true(value_is_kind(T(&k, 1), OBJ_BIG_INT));
    TEXT_CALL(&k, 2, prim_integer_print, T(&k, 1));
    assert_true(value_strings_equal(T(&k, 2), T(&k, 0)));
    text_put(&k, 0, "fF");
    TEXT_CALL(&k, 1, prim_string_as_integer_base, T(&k, 0), I(16));
    assert_int_equal(T(&k, 1), I(255));
    text_put(&k, 0, "2.5e3");
    TEXT_CALL(&k, 1, prim_string_as_float, T(&k, 0));
    assert_true(value_as_float(T(&k, 1)) == 2500.0);
    text_close(&k);
}

/* A WriteStream in root 0 with a buffer of n bytes. */
static void new_stream(Kit *k, int64_t n)
{
    KIT_CALL(k, 1, prim_bytes_new, value_class(CLASS_BYTE_ARRAY), I(n));
    kit_slots(k, 0, CLASS_FIRST_FREE + 2, 4);
    obj_slots(kit_object(k, 0))[1] = T(k, 1);
    obj_slots(kit_object(k, 0))[2] = I(0);
}

static void streams_fill_their_buffer(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    new_stream(&k, 8);
    TEXT_CALL(&k, 2, prim_stream_put, T(&k, 0), text_symbol(&k, "abc"));
    TEXT_CALL(&k, 2, prim_stream_put, T(&k, 0), C(0x20AC));
    assert_int_equal(TEXT_RUN(&k, 2, prim_stream_put, T(&k, 0), text_symbol(&k, "abc")),
                     PRIM_FALLBACK);
    assert_int_equal(TEXT_RUN(&k, 2, prim_stream_put, T(&k, 0), I(3)), PRIM_ERROR);
    TEXT_CALL(&k, 2, prim_stream_take, T(&k, 0));
    assert_text(T(&k, 2), "abc\xE2\x82\xAC");
    TEXT_CALL(&k, 2, prim_stream_take, T(&k, 0));
    assert_text(T(&k, 2), "");
    obj_slots(kit_object(&k, 0))[2] = I(99); /* a subclass may write anything there */
    assert_int_equal(TEXT_RUN(&k, 2, prim_stream_put, T(&k, 0), C('a')), PRIM_FALLBACK);
    obj_slots(kit_object(&k, 0))[2] = I(1);
    obj_bytes(kit_object(&k, 1))[0] = 0xFF;
    obj_slots(kit_object(&k, 0))[1] = T(&k, 1);
    obj_bytes(obj_of(obj_slots(kit_object(&k, 0))[1]))[0] = 0xFF;
    assert_int_equal(TEXT_RUN(&k, 2, prim_stream_take, T(&k, 0)), PRIM_ERROR);
    text_close(&k);
}

static void characters_know_their_kind(void **state)
{
    (void)state;
    Kit k;
    text_open(&k);
    TEXT_CALL(&k, 0, prim_char_new, value_class(CLASS_CHARACTER), I(0x1F600));
    TEXT_CALL(&k, 1, prim_char_print, T(&k, 0));
    assert_text(T(&k, 1), "$\xF0\x9F\x98\x80");
    static const int64_t bad[] = {-1, 0xD800, 0xDFFF, 0x110000};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(TEXT_RUN(&k, 1, prim_char_new, value_class(CLASS_CHARACTER), I(bad[i])),
                         PRIM_ERROR);
    TEXT_CALL(&k, 1, prim_char_is_letter, C(0x3B1));
    assert_int_equal(T(&k, 1), VALUE_TRUE);
    TEXT_CALL(&k, 1, prim_char_is_digit, C(0x663));
    assert_int_equal(T(&k, 1), VALUE_TRUE);
    TEXT_CALL(&k, 1, prim_char_is_space, C(0x3000));
    assert_int_equal(T(&k, 1), VALUE_TRUE);
    TEXT_CALL(&k, 1, prim_char_is_upper, C(0x3A9));
    assert_int_equal(T(&k, 1), VALUE_TRUE);
    TEXT_CALL(&k, 1, prim_char_to_lower, C(0x3A9));
    assert_int_equal(T(&k, 1), C(0x3C9));
    TEXT_CALL(&k, 1, prim_char_less, C('a'), I(3));
    assert_int_equal(T(&k, 1), VALUE_FALSE);
    text_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_elements_count_characters),
        cmocka_unit_test(parts_are_clamped),
        cmocka_unit_test(concatenation_takes_strings_symbols_and_characters),
        cmocka_unit_test(comparison_is_bytewise_and_yields),
        cmocka_unit_test(hashes_agree_with_those_of_tables),
        cmocka_unit_test(searches_find_across_pieces),
        cmocka_unit_test(case_order_and_repetition),
        cmocka_unit_test(replacement_goes_from_left_to_right),
        cmocka_unit_test(printing_quotes_what_needs_it),
        cmocka_unit_test(hexadecimal_and_bytes_round_trip),
        cmocka_unit_test(splitting_keeps_empty_parts),
        cmocka_unit_test(long_texts_are_split_by_and_by),
        cmocka_unit_test(trimming_and_tests_of_all_characters),
        cmocka_unit_test(numbers_are_read_at_any_size),
        cmocka_unit_test(streams_fill_their_buffer),
        cmocka_unit_test(characters_know_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
