/* SPDX-License-Identifier: Apache-2.0 */
/* test_diag.c - the printed form of diagnostics and the limits of the list.
 * Threads: one. */
#include "lang_test.h"

#include <stdio.h>

static void expect_print(const char *source, size_t len, LangSpan span, const char *expected)
{
    LangArena arena;
    Buffer out = {0};
    char *copy = exact_copy(source, len);
    DiagList *list = malloc(sizeof *list);
    assert_non_null(list);
    lang_arena_init(&arena, lang_allocator_malloc(), 0);
    diag_init(list, &arena);
    diag_add(list, DIAG_ERROR, span, "bad %s", "thing");
    diag_write(list, "f.mag", lang_text(copy, len), buffer_sink(&out));
    assert_string_equal(out.bytes, expected);
    free(list);
    lang_arena_free(&arena);
    free(copy);
    free(out.bytes);
}

static void an_error_shows_its_line_and_a_caret(void **state)
{
    (void)state;
    LangSpan span = {9, 12, 2, 3};
    expect_print("x foo.\ny bar baz\nz", 18, span,
                 "f.mag:2:3: error: bad thing\n  y bar baz\n    ^~~\n");
    LangSpan last = {18, 18, 3, 2};
    expect_print("x foo.\ny bar baz\nz", 18, last, "f.mag:3:2: error: bad thing\n  z\n   ^\n");
    LangSpan nowhere = {0, 0, 0, 0};
    expect_print("x", 1, nowhere, "f.mag: error: bad thing\n");
    LangSpan empty = {0, 0, 1, 1};
    expect_print("", 0, empty, "f.mag:1:1: error: bad thing\n  \n  ^\n");
}

static void tabs_wide_and_bad_characters_keep_the_caret_in_place(void **state)
{
    (void)state;
    LangSpan tab = {2, 3, 1, 3};
    expect_print("\ta\tb", 4, tab, "f.mag:1:3: error: bad thing\n      a   b\n       ^~~\n");
    LangSpan wide = {3, 4, 1, 2};
    expect_print("日x", 4, wide, "f.mag:1:2: error: bad thing\n  日x\n    ^\n");
    LangSpan bad = {1, 2, 1, 2};
    expect_print("a\xFF"
                 "b\x1B[2J",
                 7, bad, "f.mag:1:2: error: bad thing\n  a\\xFFb\\x1B[2J\n   ^~~~\n");
    LangSpan bidi = {3, 4, 1, 2};
    expect_print("\xE2\x80\xAEx\r\n", 6, bidi,
                 "f.mag:1:2: error: bad thing\n  \\u{202E}x\n          ^\n");
}

static void long_lines_are_clipped_around_the_caret(void **state)
{
    Buffer b = {0}, want = {0};
    (void)state;
    buffer_repeat(&b, "a", 5000);
    LangSpan span = {2500, 5000, 1, 2501};
    buffer_put(&want, "f.mag:1:2501: error: bad thing\n  ...");
    buffer_repeat(&want, "a", 120);
    buffer_put(&want, "...\n  ");
    buffer_repeat(&want, " ", 73);
    buffer_put(&want, "^");
    buffer_repeat(&want, "~", 49);
    buffer_put(&want, "\n");
    expect_print(b.bytes, b.len, span, want.bytes);
    free(b.bytes);
    free(want.bytes);
}

static void entries_come_out_in_order_of_place(void **state)
{
    (void)state;
    LangArena arena;
    Buffer out = {0};
    DiagList *list = malloc(sizeof *list);
    assert_non_null(list);
    lang_arena_init(&arena, lang_allocator_malloc(), 0);
    diag_init(list, &arena);
    LangSpan first = {0, 1, 1, 1}, second = {2, 3, 1, 3};
    diag_add(list, DIAG_WARNING, second, "second");
    diag_add(list, DIAG_ERROR, first, "first");
    diag_write(list, "f", lang_text("a b", 3), buffer_sink(&out));
    assert_string_equal(out.bytes, "f:1:1: error: first\n  a b\n  ^\n"
                                   "f:1:3: warning: second\n  a b\n    ^\n");
    free(list);
    lang_arena_free(&arena);
    free(out.bytes);
}

static void expect_report(const char *source, const char *expected)
{
    LangParse p;
    Buffer out = {0};
    buffer_put(&out, "");
    lang_parse_doit(&p, source, strlen(source), NULL);
    diag_report(&p.diags, "parse errors", buffer_sink(&out));
    assert_string_equal(out.bytes, expected);
    lang_parse_free(&p);
    free(out.bytes);
}

static void a_report_is_the_text_of_an_exception(void **state)
{
    (void)state;
    expect_report("3", "");
    expect_report("^1. 2", "");
    expect_report("3 +", "parse errors: line 1, column 4: expected an expression, found end of "
                         "input");
    expect_report("3 4.\n5 6", "parse errors:\n  line 1, column 3: expected '.' between "
                               "statements, found number 4\n  line 2, column 3: expected '.' "
                               "between statements, found number 6");
}

static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    LangArena arena;
    Buffer out = {0};
    DiagList *list = malloc(sizeof *list);
    assert_non_null(list);
    lang_arena_init(&arena, lang_allocator_malloc(), 0);
    diag_init(list, &arena);
    LangSpan at = {0, 1, 1, 1};
    for (int i = 0; i < LANG_DIAG_MAX + 5; i++)
        diag_add(list, DIAG_WARNING, at, "w%d", i);
    diag_add(list, DIAG_ERROR, at, "late");
    assert_int_equal(list->count, LANG_DIAG_MAX);
    assert_int_equal(list->errors, 1);
    assert_int_equal(list->warnings, LANG_DIAG_MAX + 5);
    assert_int_equal(list->items[LANG_DIAG_MAX - 1].severity, DIAG_ERROR);
    diag_write(list, "f", lang_text("a", 1), buffer_sink(&out));
    assert_non_null(strstr(out.bytes, "f: 6 more diagnostics are not shown\n"));
    for (int i = 0; i < LANG_DIAG_MAX + 5; i++)
        diag_add(list, DIAG_ERROR, at, "e%d", i);
    assert_int_equal(list->count, LANG_DIAG_MAX);
    free(list);
    lang_arena_free(&arena);
    free(out.bytes);
}

static void *no_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    return NULL;
}

static void an_entry_survives_lack_of_memory(void **state)
{
    (void)state;
    LangAllocator a = lang_allocator_malloc();
    LangArena arena;
    DiagList *list = malloc(sizeof *list);
    assert_non_null(list);
    a.alloc = no_memory;
    lang_arena_init(&arena, a, 0);
    diag_init(list, &arena);
    LangSpan at = {0, 1, 1, 1};
    diag_add(list, DIAG_ERROR, at, "anything");
    assert_true(lang_text_is(list->items[0].message, "out of memory"));
    free(list);
    lang_arena_free(&arena);
}

static void foreign_text_is_quoted_safely(void **state)
{
    (void)state;
    char out[DIAG_QUOTE_MAX];
    assert_string_equal(diag_quote(lang_text("a\nb", 3), out), "a\\x0Ab");
    Buffer b = {0};
    buffer_repeat(&b, "日", 100);
    assert_true(strlen(diag_quote(lang_text(b.bytes, b.len), out)) < DIAG_QUOTE_MAX);
    assert_string_equal(out + strlen(out) - 3, "...");
    b.len = 0;
    buffer_repeat(&b, "\xFF", 100);
    assert_true(strlen(diag_quote(lang_text(b.bytes, b.len), out)) < DIAG_QUOTE_MAX);
    free(b.bytes);
    assert_string_equal(diag_quote(lang_text("", 0), out), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_shows_its_line_and_a_caret),
        cmocka_unit_test(tabs_wide_and_bad_characters_keep_the_caret_in_place),
        cmocka_unit_test(long_lines_are_clipped_around_the_caret),
        cmocka_unit_test(entries_come_out_in_order_of_place),
        cmocka_unit_test(a_report_is_the_text_of_an_exception),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(an_entry_survives_lack_of_memory),
        cmocka_unit_test(foreign_text_is_quoted_safely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
