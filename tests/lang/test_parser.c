/* SPDX-License-Identifier: Apache-2.0 */
/* test_parser.c - limits, lack of memory, unfinished input, entry points under hostile bytes.
 * Threads: one. */
#include "lang_test.h"

#include <stdio.h>

static void expect_first_error(Entry entry, const char *source, size_t len, const char *expected)
{
    LangParse p;
    char text[256];
    assert_false(parse_as(entry, &p, source, len, NULL));
    assert_true(p.diags.count > 0);
    const Diag *d = &p.diags.items[0];
    snprintf(text, sizeof text, "%u:%u: %.*s", d->span.line, d->span.column, (int)d->message.len,
             d->message.ptr);
    assert_string_equal(text, expected);
    assert_int_equal(p.diags.errors, 1);
    lang_parse_free(&p);
}

static void a_hundred_thousand_brackets_give_one_error(void **state)
{
    static const char *const openers[] = {"(",     "[",   "{",    "#(",  "#{",
                                          "#{1->", "x:=", "[:a|", "[|a|"};
    (void)state;
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        Buffer b = {0};
        char expected[80];
        uint32_t column = 1000 * (uint32_t)strlen(openers[i]) + 1;
        buffer_repeat(&b, openers[i], 100000);
        snprintf(expected, sizeof expected, "1:%u: nesting deeper than 1000 levels", column);
        expect_first_error(DOIT_ENTRY, b.bytes, b.len, expected);
        expect_first_error(FILE_ENTRY, b.bytes, b.len, expected);
        free(b.bytes);
    }
}

static void balanced_brackets_beyond_the_limit_give_one_error_per_statement(void **state)
{
    (void)state;
    Buffer b = {0};
    buffer_put(&b, "A subclass: Object method: m [ ");
    buffer_repeat(&b, "(", 5000);
    buffer_put(&b, "1");
    buffer_repeat(&b, ")", 5000);
    buffer_put(&b, " ] method: n [ ^( ]");
    LangParse p;
    assert_false(lang_parse_file(&p, b.bytes, b.len, NULL));
    assert_int_equal(p.diags.errors, 2);
    lang_parse_free(&p);
    free(b.bytes);
}

static void the_nesting_limit_has_two_sides(void **state)
{
    (void)state;
    for (size_t depth = 1000; depth <= 1001; depth++) {
        Buffer b = {0};
        LangParse p;
        buffer_repeat(&b, "(", depth);
        buffer_put(&b, "1");
        buffer_repeat(&b, ")", depth);
        assert_int_equal(lang_parse_doit(&p, b.bytes, b.len, NULL), depth == 1000);
        lang_parse_free(&p);
        free(b.bytes);
    }
    LangOptions o = {.nesting_max = 2};
    LangParse p;
    assert_true(lang_parse_doit(&p, "[[1]]", 5, &o));
    lang_parse_free(&p);
    assert_false(lang_parse_doit(&p, "[[[1]]]", 7, &o));
    lang_parse_free(&p);
}

static void chains_of_any_length_do_not_nest(void **state)
{
    static const struct {
        const char *first, *more;
    } chains[] = {{"x", " foo"},   {"1", " + 1"}, {"x", " ~> y"}, {"x y", "; foo: 1"},
                  {"x", " at: 1"}, {"x", ". x"},  {"x", " | x"}};
    (void)state;
    for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
        Buffer b = {0}, out = {0};
        LangParse p;
        buffer_put(&b, chains[i].first);
        buffer_repeat(&b, chains[i].more, 200000);
        assert_true(lang_parse_doit(&p, b.bytes, b.len, NULL));
        assert_true(ast_dump_doit(p.doit, NULL, lang_allocator_malloc(), buffer_sink(&out)));
        assert_true(out.len > b.len / 2);
        lang_parse_free(&p);
        free(b.bytes);
        free(out.bytes);
    }
}

static void lists_of_any_length_are_accepted(void **state) /* Q5 */
{
    static const struct {
        const char *before, *element, *after;
        size_t times; /* of names, which have a limit of 65535 bytes; 0: any number */
    } lists[] = {{"#(", "1 ", ")", 0},  {"{", "1. ", "}", 0}, {"#{", "1->2. ", "}", 0},
                 {"#(", "a: ", ")", 0}, {"'", "x", "'", 0},   {"#'", "''", "'", 65535},
                 {"", "9", "", 0},      {"0.", "9", "", 0},   {"\"", "x", "\" 1", 0},
                 {"16r", "F", "", 0},   {"x", "y", "", 65534}};
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        Buffer b = {0};
        LangParse p;
        buffer_put(&b, lists[i].before);
        buffer_repeat(&b, lists[i].element, lists[i].times ? lists[i].times : 100000);
        buffer_put(&b, lists[i].after);
        assert_true(lang_parse_doit(&p, b.bytes, b.len, NULL));
        assert_int_equal(p.doit->statements.count, 1);
        lang_parse_free(&p);
        free(b.bytes);
    }
}

static void a_name_has_65535_bytes_at_most(void **state)
{
    static const char *const names[][2] = {{"y", ""}, {"#'", "'"}, {"#", ""}, {"0 ", ": 1"}};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t bytes = 65535; bytes <= 65536; bytes++) {
            Buffer b = {0};
            LangParse p;
            buffer_put(&b, names[i][0]);
            buffer_repeat(&b, "x", bytes - (names[i][0][0] == 'y' || names[i][1][0] == ':'));
            buffer_put(&b, names[i][1]);
            assert_int_equal(lang_parse_doit(&p, b.bytes, b.len, NULL), bytes == 65535);
            lang_parse_free(&p);
            free(b.bytes);
        }
    }
}

static void many_variables_and_parameters(void **state)
{
    Buffer b = {0};
    LangParse p;
    char text[32];
    (void)state;
    buffer_put(&b, "A subclass: Object instanceVars: ");
    for (int i = 0; i < 50000; i++) {
        snprintf(text, sizeof text, "i%d ", i);
        buffer_put(&b, text);
    }
    buffer_put(&b, "method: ");
    for (int i = 0; i < 50000; i++) {
        snprintf(text, sizeof text, "k: p%d ", i);
        buffer_put(&b, text);
    }
    buffer_put(&b, "[ | ");
    for (int i = 0; i < 50000; i++) {
        snprintf(text, sizeof text, "t%d ", i);
        buffer_put(&b, text);
    }
    buffer_put(&b, "p7 | ]");
    assert_false(lang_parse_file(&p, b.bytes, b.len, NULL));
    assert_int_equal(p.diags.errors, 1);
    const AstClass *c = p.file->definitions.items[0]->as.klass;
    assert_int_equal(c->instance_vars.count, 50000);
    assert_int_equal(c->methods.items[0]->params.count, 50000);
    assert_int_equal(c->methods.items[0]->selector.len, 100000);
    lang_parse_free(&p);
    free(b.bytes);
}

static void a_run_stops_after_a_hundred_errors(void **state)
{
    Buffer b = {0};
    LangParse p;
    (void)state;
    buffer_repeat(&b, "3 4. ", 5000);
    assert_false(lang_parse_doit(&p, b.bytes, b.len, NULL));
    assert_int_equal(p.diags.count, LANG_DIAG_MAX);
    assert_int_equal(p.diags.errors, LANG_DIAG_MAX);
    lang_parse_free(&p);
    b.len = 0;
    buffer_repeat(&b, "[^1. 2]. ", 500);
    buffer_put(&b, "3 4");
    assert_false(lang_parse_doit(&p, b.bytes, b.len, NULL));
    assert_int_equal(p.diags.count, LANG_DIAG_MAX);
    assert_int_equal(p.diags.warnings, 500);
    assert_int_equal(p.diags.items[LANG_DIAG_MAX - 1].severity, DIAG_ERROR);
    lang_parse_free(&p);
    free(b.bytes);
}

static void a_source_beyond_the_limit_is_refused_unread(void **state)
{
    LangOptions o = {.source_max = 4};
    LangParse p;
    (void)state;
    assert_true(lang_parse_doit(&p, "1+23", 4, &o));
    lang_parse_free(&p);
    assert_false(lang_parse_doit(&p, "1+234", 5, &o));
    assert_true(lang_text_is(p.diags.items[0].message, "the source has 5 bytes; the limit is 4"));
    assert_int_equal(p.diags.items[0].span.line, 0);
    assert_null(p.doit);
    lang_parse_free(&p);
    assert_false(lang_parse_file(&p, "", (size_t)LANG_SOURCE_MAX + 1, NULL));
    assert_int_equal(p.diags.errors, 1);
    lang_parse_free(&p);
}

static void a_broken_declaration_leaves_nothing_behind(void **state)
{
    (void)state;
    expect_errors(DOIT_ENTRY, "| a b 3 | x. y foo",
                  "1:7: expected the name of a temporary or '|', found number 3");
    expect_errors(FILE_ENTRY,
                  "| a b 3 | x. y foo. A subclass: B method: m: x k: 3 [ ] method: n [ y ]",
                  "1:7: expected the name of a temporary or '|', found number 3\n"
                  "1:51: expected a parameter name after the keyword, found number 3");
}

/* -- memory ------------------------------------------------------------------------------- */

typedef struct Failing {
    int left;  /* allocations that still succeed */
    int alive; /* blocks not given back */
} Failing;

static void *failing_alloc(void *ctx, size_t bytes)
{
    Failing *f = ctx;
    if (f->left == 0)
        return NULL;
    f->left--;
    f->alive++;
    return malloc(bytes);
}

static void failing_free(void *ctx, void *memory)
{
    Failing *f = ctx;
    if (memory)
        f->alive--;
    free(memory);
}

static bool has_message(const LangParse *p, const char *start)
{
    for (uint32_t i = 0; i < p->diags.count; i++)
        if (p->diags.items[i].message.len >= strlen(start) &&
            memcmp(p->diags.items[i].message.ptr, start, strlen(start)) == 0)
            return true;
    return false;
}

static void every_lack_of_memory_is_a_diagnostic(void **state)
{
    Buffer b = {0};
    (void)state;
    buffer_put(&b, "namespace: 'A' import: B \"\"\"d\n  x\n  y\"\"\" A subclass: Object "
                   "instanceVars: a b c d e method: at: x put: y <T> ! <IO> [ | t u | ");
    buffer_repeat(&b, "t := 'it''s' foo: {1. #(2 'x')} bar: #{1 -> [:q | q]}; baz. x ~> y. ", 200);
    buffer_put(&b, "] T trait requires: a #b P protocol foo: <T> bar: ^<X>. x y. ");
    buffer_put(&b, "0.00000000000000000000000000000000000000000000000000000000000000000000001");
    for (int entry = FILE_ENTRY; entry <= METHOD_ENTRY; entry++) {
        bool done = false;
        for (int n = 0; !done && n < 2000; n++) {
            Failing f = {n, 0};
            LangParse p;
            LangOptions o = {.allocator = {failing_alloc, failing_free, &f},
                             .keep_tokens = n % 2 == 0};
            bool ok = parse_as((Entry)entry, &p, b.bytes, b.len, &o);
            done = f.left > 0;
            if (!done && !ok)
                assert_true(has_message(&p, "out of memory") || p.diags.errors > 0);
            if (!done && entry == FILE_ENTRY)
                assert_true(ok || has_message(&p, "out of memory"));
            lang_parse_free(&p);
            assert_int_equal(f.alive, 0);
        }
        assert_true(done);
    }
    free(b.bytes);
}

static void a_tree_beyond_its_memory_limit_is_refused(void **state)
{
    Buffer b = {0};
    LangParse p;
    LangOptions o = {.memory_max = 100000};
    (void)state;
    buffer_repeat(&b, "x foo. ", 10000);
    assert_false(lang_parse_doit(&p, b.bytes, b.len, &o));
    assert_true(has_message(&p, "out of memory"));
    assert_true(p.arena.bytes <= 100000);
    lang_parse_free(&p);
    free(b.bytes);
}

/* -- unfinished input --------------------------------------------------------------------- */

static bool unfinished(const char *source)
{
    return lang_parse_doit_incomplete(source, strlen(source), NULL);
}

static void unfinished_text_is_told_from_wrong_text(void **state)
{
    static const char *const open[] = {"x foo:", "3 +",        "x :=",           "^",
                                       "[ 3",    "[:x",        "[:x | ",         "(3",
                                       "{1.",    "#(1",        "#{1 ->",         "#{",
                                       "'abc",   "#'abc",      "\"abc",          "\"\"\"abc",
                                       "| a b",  "| a <",      "| a <T",         "x foo;",
                                       "x ~>",   "[ x foo.\n", "x at: 1 put:\n", "[[3] value"};
    static const char *const complete[] = {"",     "3",   "3.",         "x foo", "x := 3.", "| a |",
                                           "[3]",  "'a'", "x foo; bar", "\"c\"", "3 4",     ")",
                                           "[ ) ", "1e",  "x ~> 3",     "{1 2",  "3 4. [",  "$",
                                           "::",   "#",   "##"};
    (void)state;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        if (!unfinished(open[i]))
            print_error("taken as complete: %s\n", open[i]);
        assert_true(unfinished(open[i]));
    }
    for (size_t i = 0; i < sizeof complete / sizeof *complete; i++) {
        if (unfinished(complete[i]))
            print_error("taken as unfinished: %s\n", complete[i]);
        assert_false(unfinished(complete[i]));
    }
}

static void every_prefix_of_a_good_text_is_complete_or_unfinished(void **state)
{
    (void)state;
    const char *s =
        "| a b | a := #(1 $x 'it' foo) collect: [:x | | t | t := x + 1. ^t - (2 * -3)]. "
        "b := #{#k -> {1. 2}} at: #k; size. self foo ~> bar: a b";
    for (size_t n = 0; n <= strlen(s); n++) {
        LangParse p;
        char *copy = exact_copy(s, n);
        bool ok = lang_parse_doit(&p, copy, n, NULL);
        bool lone = n > 0 && (s[n - 1] == '$' || s[n - 1] == '#' || s[n - 1] == '~' ||
                              s[n - 1] == ':' || s[n - 1] == '-');
        if (!ok && !p.incomplete && !lone)
            print_error("wrong: %.*s\n", (int)n, s);
        assert_true(ok || p.incomplete || lone);
        lang_parse_free(&p);
        free(copy);
    }
}

static void files_and_methods_tell_it_too(void **state)
{
    LangParse p;
    (void)state;
    assert_false(lang_parse_file(&p, "A subclass: Object method: m [", 30, NULL));
    assert_true(p.incomplete);
    lang_parse_free(&p);
    assert_false(lang_parse_method(&p, "foo: x ^", 8, NULL));
    assert_true(p.incomplete);
    lang_parse_free(&p);
    assert_false(lang_parse_file(&p, "3 4. [", 6, NULL));
    assert_false(p.incomplete);
    lang_parse_free(&p);
}

/* -- options ------------------------------------------------------------------------------ */

static void a_doit_can_declare_temporaries_as_a_script_does(void **state)
{
    LangOptions o = {.script_temps = true};
    (void)state;
    expect_dump(DOIT_ENTRY, &o, "| a | a := 1. | b | b := a",
                "(doit (a) (assign a 1) (temps b) (assign b a))");
    expect_rejected(DOIT_ENTRY, "| a | a := 1. | b | b := a");
}

static void tokens_are_kept_on_request(void **state)
{
    LangOptions o = {.keep_tokens = true};
    LangParse p;
    const char *source = "#!x\nA subclass: B \"note\" # tail\n method: m [ 'a' ]";
    (void)state;
    assert_true(lang_parse_file(&p, source, strlen(source), &o));
    assert_true(p.file->has_shebang);
    assert_int_equal(p.tokens.count, 12);
    assert_int_equal(p.tokens.items[0].kind, TOKEN_SHEBANG);
    assert_int_equal(p.tokens.items[4].kind, TOKEN_COMMENT);
    assert_int_equal(p.tokens.items[5].kind, TOKEN_COMMENT);
    assert_int_equal(p.tokens.items[11].kind, TOKEN_EOF);
    lang_parse_free(&p);
    assert_true(lang_parse_file(&p, source, strlen(source), NULL));
    assert_int_equal(p.tokens.count, 0);
    lang_parse_free(&p);
}

static void a_shebang_line_is_only_allowed_at_the_start_of_a_file(void **state)
{
    (void)state;
    expect_dump(FILE_ENTRY, NULL, "#!/bin/x", "(file)");
    expect_rejected(FILE_ENTRY, "\n#!/bin/x -y\n3");
    expect_rejected(DOIT_ENTRY, "#!/bin/x\n3");
}

/* -- hostile bytes ------------------------------------------------------------------------ */

static void bad_bytes_are_errors_with_a_position(void **state)
{
    (void)state;
    expect_errors_in(DOIT_ENTRY, NULL, "3 foo\0. 4", 9,
                     "1:6: unexpected character: '\\x00' (NUL); is this a text file?");
    expect_errors_in(FILE_ENTRY, NULL,
                     "\xEF\xBB\xBF"
                     "3",
                     4,
                     "1:1: unexpected character: '\\u{FEFF}' (byte order mark); save the file "
                     "without it");
    expect_errors(FILE_ENTRY, "é := 'a\xFF'",
                  "1:8: invalid UTF-8 byte \\xFF; sources must be UTF-8 text");
    expect_errors(FILE_ENTRY, "3 foo. \"a\n\x80\" 4",
                  "2:1: invalid UTF-8 byte \\x80; sources must be UTF-8 text");
}

static void unterminated_texts_are_reported_where_they_begin(void **state)
{
    (void)state;
    expect_errors(FILE_ENTRY, "x foo.\n  'abc\n",
                  "2:3: unterminated string: no closing quote "
                  "follows");
    expect_errors(FILE_ENTRY, "x foo.\n  \"abc\n",
                  "2:3: unterminated comment: no closing '\"' "
                  "follows");
    expect_errors(FILE_ENTRY, "x foo.\n  #'abc\n",
                  "2:3: unterminated quoted symbol: no closing "
                  "quote follows");
    expect_errors(FILE_ENTRY, "x foo.\n  \"\"\"abc\n",
                  "2:3: unterminated docstring: no closing "
                  "'\"\"\"' follows");
    expect_errors(FILE_ENTRY, "A subclass: B method: m [ ^'x ]\n",
                  "1:28: unterminated string: no closing quote follows");
}

static void random_bytes_and_tokens_never_break_the_parser(void **state)
{
    static const char *const words[] = {"x",
                                        "foo",
                                        "at:",
                                        "put:",
                                        "method:",
                                        "classMethod:",
                                        "instanceVars:",
                                        "requires:",
                                        "class",
                                        "A subclass: B",
                                        "T trait",
                                        "P protocol",
                                        "subclass:",
                                        "trait",
                                        "protocol",
                                        "namespace:",
                                        "\"\"\"d\"\"\"",
                                        "\"c\"",
                                        "'s'",
                                        "#s",
                                        "#(",
                                        "#{",
                                        "(",
                                        ")",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "|",
                                        "||",
                                        ":",
                                        ":=",
                                        "::",
                                        ".",
                                        ";",
                                        "^",
                                        "~>",
                                        "->",
                                        "<",
                                        ">",
                                        ">!",
                                        "!",
                                        "-",
                                        "-1",
                                        "3",
                                        "1.5",
                                        "16rFF",
                                        "$a",
                                        "self",
                                        "super",
                                        "nil",
                                        "<primitive>",
                                        "\n",
                                        "include:",
                                        "includes:",
                                        "'",
                                        "\"",
                                        "#",
                                        "\xFF",
                                        "1e",
                                        "<T>",
                                        ":a",
                                        "# c\n"};
    uint32_t seed = 99;
    (void)state;
    for (int round = 0; round < 6000; round++) {
        Buffer b = {0};
        seed = seed * 1664525u + 1013904223u;
        uint32_t n = (seed >> 20) % 40;
        buffer_put(&b, "");
        for (uint32_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            buffer_put(&b, words[(seed >> 12) % (sizeof words / sizeof *words)]);
            buffer_put(&b, (seed >> 8) % 8 ? " " : "");
        }
        for (int entry = FILE_ENTRY; entry <= METHOD_ENTRY; entry++) {
            LangParse p;
            Buffer out = {0};
            char *copy = exact_copy(b.bytes, b.len);
            bool ok = parse_as((Entry)entry, &p, copy, b.len, NULL);
            assert_int_equal(ok, p.diags.errors == 0);
            if (ok)
                dump_as((Entry)entry, &p, &out);
            diag_write(&p.diags, "f", lang_text(copy, b.len), buffer_sink(&out));
            lang_parse_free(&p);
            free(copy);
            free(out.bytes);
        }
        free(b.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_brackets_give_one_error),
        cmocka_unit_test(balanced_brackets_beyond_the_limit_give_one_error_per_statement),
        cmocka_unit_test(the_nesting_limit_has_two_sides),
        cmocka_unit_test(chains_of_any_length_do_not_nest),
        cmocka_unit_test(lists_of_any_length_are_accepted),
        cmocka_unit_test(a_name_has_65535_bytes_at_most),
        cmocka_unit_test(many_variables_and_parameters),
        cmocka_unit_test(a_run_stops_after_a_hundred_errors),
        cmocka_unit_test(a_source_beyond_the_limit_is_refused_unread),
        cmocka_unit_test(a_broken_declaration_leaves_nothing_behind),
        cmocka_unit_test(every_lack_of_memory_is_a_diagnostic),
        cmocka_unit_test(a_tree_beyond_its_memory_limit_is_refused),
        cmocka_unit_test(unfinished_text_is_told_from_wrong_text),
        cmocka_unit_test(every_prefix_of_a_good_text_is_complete_or_unfinished),
        cmocka_unit_test(files_and_methods_tell_it_too),
        cmocka_unit_test(a_doit_can_declare_temporaries_as_a_script_does),
        cmocka_unit_test(tokens_are_kept_on_request),
        cmocka_unit_test(a_shebang_line_is_only_allowed_at_the_start_of_a_file),
        cmocka_unit_test(bad_bytes_are_errors_with_a_position),
        cmocka_unit_test(unterminated_texts_are_reported_where_they_begin),
        cmocka_unit_test(random_bytes_and_tokens_never_break_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
