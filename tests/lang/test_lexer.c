/* SPDX-License-Identifier: Apache-2.0 */
/* test_lexer.c - tokens, their positions, and what the lexer refuses.
 * Threads: one. */
#include "lang_test.h"

#include <stdio.h>

#include "lexer.h"

/* `KIND:text` of every token, separated by spaces; errors as `!message`. */
static void expect_tokens_of(const char *source, size_t len, const char *expected)
{
    LangArena arena;
    LangTokenList list;
    Buffer out = {0};
    char *copy = exact_copy(source, len);
    lang_arena_init(&arena, lang_allocator_malloc(), 0);
    assert_true(lex_all(&arena, copy, len, &list));
    buffer_put(&out, "");
    for (uint32_t i = 0; i + 1 < list.count; i++) {
        char message[256];
        Token t = list.items[i];
        if (i)
            buffer_put(&out, " ");
        if (t.kind == TOKEN_ERROR) {
            buffer_put(&out, "!");
            buffer_put(&out, lex_error_message(t, message));
            continue;
        }
        buffer_put(&out, lex_kind_name(t.kind));
        buffer_put(&out, ":");
        buffer_write(&out, t.text.ptr, t.text.len);
    }
    assert_int_equal(list.items[list.count - 1].kind, TOKEN_EOF);
    assert_string_equal(out.bytes, expected);
    lang_arena_free(&arena);
    free(copy);
    free(out.bytes);
}

static void expect_tokens(const char *source, const char *expected)
{
    expect_tokens_of(source, strlen(source), expected);
}

static void names_keywords_and_reserved_words(void **state)
{
    (void)state;
    expect_tokens("x _a1 Shapes::Round::Disc", "IDENTIFIER:x IDENTIFIER:_a1 "
                                               "IDENTIFIER:Shapes::Round::Disc");
    expect_tokens("at:put:", "KEYWORD:at: KEYWORD:put:");
    expect_tokens("self super nil true false thisContext",
                  "self:self super:super nil:nil true:true false:false thisContext:thisContext");
    expect_tokens("self: nil:", "KEYWORD:self: KEYWORD:nil:");
    expect_tokens("x:=3", "IDENTIFIER:x ':='::= INTEGER:3");
    expect_tokens("A::B:", "IDENTIFIER:A::B ':'::");
    expect_tokens("nil::x", "IDENTIFIER:nil::x");
    expect_tokens("class method: subclass:", "IDENTIFIER:class KEYWORD:method: "
                                             "KEYWORD:subclass:");
    expect_tokens("größe λx 日本", "IDENTIFIER:größe IDENTIFIER:λx IDENTIFIER:日本");
    expect_tokens("a:: b", "KEYWORD:a: ':':: IDENTIFIER:b");
}

static void comments_of_both_forms(void **state)
{
    (void)state;
    expect_tokens("a \"note\" b # tail\nc", "IDENTIFIER:a COMMENT:\"note\" IDENTIFIER:b "
                                            "COMMENT:# tail IDENTIFIER:c");
    expect_tokens("\"it \"\"is\"\" so\"", "COMMENT:\"it \" COMMENT:\"is\" COMMENT:\" so\"");
    expect_tokens("a #", "IDENTIFIER:a COMMENT:#");
    expect_tokens("#\tx\n#\r\n#\n3", "COMMENT:#\tx COMMENT:#\r COMMENT:# INTEGER:3");
    expect_tokens("#(1 # two\n 3)", "'#(':#( INTEGER:1 COMMENT:# two INTEGER:3 ')':)");
    expect_tokens("#!run\n1", "SHEBANG:#!run INTEGER:1");
    expect_tokens("1\n#!run", "INTEGER:1 SYMBOL:#! IDENTIFIER:run");
    expect_tokens("--x", "BINARY:-- IDENTIFIER:x");
    expect_tokens("\"\"\"doc\"\"\"", "DOCSTRING:\"\"\"doc\"\"\"");
    expect_tokens("\"\" \"\"", "COMMENT:\"\" COMMENT:\"\"");
}

static void numbers(void **state)
{
    (void)state;
    expect_tokens("255 16rFF 16rff 2r1011 36rzZ", "INTEGER:255 INTEGER:16rFF INTEGER:16rff "
                                                  "INTEGER:2r1011 INTEGER:36rzZ");
    expect_tokens("-16rFF -7", "INTEGER:-16rFF INTEGER:-7");
    expect_tokens("2e3 2E+3 1.5e-2 0.5", "FLOAT:2e3 FLOAT:2E+3 FLOAT:1.5e-2 FLOAT:0.5");
    expect_tokens("7.", "INTEGER:7 '.':.");
    expect_tokens(".5", "'.':. INTEGER:5");
    expect_tokens("7.x", "INTEGER:7 '.':. IDENTIFIER:x");
    expect_tokens("1_000", "INTEGER:1 IDENTIFIER:_000");
    expect_tokens("1.5s2", "FLOAT:1.5 IDENTIFIER:s2");
    expect_tokens("3foo", "INTEGER:3 IDENTIFIER:foo");
    expect_tokens("0000000000000016rF", "INTEGER:0000000000000016rF");
    expect_tokens("16r", "!invalid integer: '16r' has no digits after the 'r'");
    expect_tokens("2r102", "!invalid integer: '2r102' has a digit beyond its radix");
    expect_tokens("0r1", "!invalid integer: '0r1': the radix must be 2 to 36");
    expect_tokens("37r1", "!invalid integer: '37r1': the radix must be 2 to 36");
    expect_tokens("1e", "!invalid float: '1e' has no digits in its exponent");
    expect_tokens("1.5e+", "!invalid float: '1.5e+' has no digits in its exponent");
}

/* Q3 */
static void a_minus_is_sign_or_operator_by_what_stands_around_it(void **state)
{
    (void)state;
    expect_tokens("n-1", "IDENTIFIER:n BINARY:- INTEGER:1");
    expect_tokens("n -1", "IDENTIFIER:n INTEGER:-1");
    expect_tokens("n - 1", "IDENTIFIER:n BINARY:- INTEGER:1");
    expect_tokens("n -(1)", "IDENTIFIER:n BINARY:- '(':( INTEGER:1 ')':)");
    expect_tokens("4-1", "INTEGER:4 BINARY:- INTEGER:1");
    expect_tokens("(x)-1", "'(':( IDENTIFIER:x ')':) BINARY:- INTEGER:1");
    expect_tokens("]-1", "']':] BINARY:- INTEGER:1");
    expect_tokens("}-1", "'}':} BINARY:- INTEGER:1");
    expect_tokens("self-1", "self:self BINARY:- INTEGER:1");
    expect_tokens("$a-1", "CHARACTER:$a BINARY:- INTEGER:1");
    expect_tokens("at:-1", "KEYWORD:at: INTEGER:-1");
    expect_tokens("x:=-1", "IDENTIFIER:x ':=':"
                           ":= INTEGER:-1");
    expect_tokens("4+-1", "INTEGER:4 BINARY:+ INTEGER:-1");
    expect_tokens("4--1", "INTEGER:4 BINARY:- INTEGER:-1");
    expect_tokens("4->-1", "INTEGER:4 BINARY:-> INTEGER:-1");
    expect_tokens("4 -- x", "INTEGER:4 BINARY:-- IDENTIFIER:x");
    expect_tokens("#(a-1 (2-3))-4", "'#(':#( IDENTIFIER:a INTEGER:-1 '(':( INTEGER:2 INTEGER:-3 "
                                    "')':) ')':) BINARY:- INTEGER:4");
    expect_tokens("-x", "BINARY:- IDENTIFIER:x");
    expect_tokens("n\"c\"-1", "IDENTIFIER:n COMMENT:\"c\" INTEGER:-1");
}

static void strings_characters_and_symbols(void **state)
{
    (void)state;
    expect_tokens("'it''s' '' 'a\nb'", "STRING:'it''s' STRING:'' STRING:'a\nb'");
    expect_tokens("$a $' $$ $  $é", "CHARACTER:$a CHARACTER:$' CHARACTER:$$ CHARACTER:$  "
                                    "CHARACTER:$é");
    expect_tokens("$\n", "CHARACTER:$\n");
    expect_tokens("#foo #at:put: #a:b #'two words' #'it''s'",
                  "SYMBOL:#foo SYMBOL:#at:put: SYMBOL:#a:b SYMBOL:#'two words' SYMBOL:#'it''s'");
    expect_tokens("#+ #--> #| #||", "SYMBOL:#+ SYMBOL:#--> SYMBOL:#| SYMBOL:#||");
    expect_tokens("#---", "SYMBOL:#---");
    expect_tokens("'abc", "!unterminated string: no closing quote follows");
    expect_tokens("'abc''", "!unterminated string: no closing quote follows");
    expect_tokens("#'abc", "!unterminated quoted symbol: no closing quote follows"); /* Q4 */
    expect_tokens("\"abc", "!unterminated comment: no closing '\"' follows");
    expect_tokens("\"\"\"abc\"\"", "!unterminated docstring: no closing '\"\"\"' follows");
    expect_tokens("$", "!expected a character after '$', found end of input");
    expect_tokens("#A::B", "!a symbol with '::' needs quotes: #'A::B' instead of #A::B");
    expect_tokens("##x", "!stray '#': expected a symbol, '#(', '#{', or a space to begin a comment "
                         "SYMBOL:#x");
    expect_tokens("#[", "!stray '#': there are no byte array literals; build a ByteArray from an "
                        "Array '[':[");
    expect_tokens("#1", "!stray '#': expected a symbol, '#(', '#{', or a space to begin a comment "
                        "INTEGER:1");
}

static void operators_and_punctuation(void **state)
{
    (void)state;
    expect_tokens("=> ~= -> , <=> \\\\ ~~ @ % & ? !", "BINARY:=> BINARY:~= BINARY:-> BINARY:, "
                                                      "BINARY:<=> BINARY:\\\\ BINARY:~~ BINARY:@ "
                                                      "BINARY:% BINARY:& BINARY:? BINARY:!");
    expect_tokens("~> ~>> ~>-1", "'~>':~> BINARY:~>> '~>':~> INTEGER:-1");
    expect_tokens("|| >| |>", "'|':| '|':| BINARY:>| '|':| BINARY:>");
    expect_tokens("([{#(#{^.;:=:", "'(':( '[':[ '{':{ '#(':#( '#{':#{ '^':^ '.':. ';':; "
                                   "':=':"
                                   ":= ':'::");
}

/* Q1 and 1.1 */
static void bytes_that_no_source_may_hold(void **state)
{
    (void)state;
    expect_tokens_of("a\0b", 3,
                     "IDENTIFIER:a !unexpected character: '\\x00' (NUL); is this a "
                     "text file? IDENTIFIER:b");
    expect_tokens_of("'a\0b' 1", 7,
                     "!unexpected character: '\\x00' (NUL); is this a text file? INTEGER:1");
    expect_tokens("\xEF\xBB\xBFx", "!unexpected character: '\\u{FEFF}' (byte order mark); save "
                                   "the file without it IDENTIFIER:x");
    expect_tokens("\xC2\xA0", "!unexpected character: '\xC2\xA0'");
    expect_tokens("`", "!unexpected character: '`'");
    expect_tokens("\f", "!unexpected character: '\\x0C'");
    expect_tokens("a \xFF b", "IDENTIFIER:a !invalid UTF-8 byte \\xFF; sources must be UTF-8 text "
                              "IDENTIFIER:b");
    expect_tokens("'x\xC3' y", "!invalid UTF-8 byte \\xC3; sources must be UTF-8 text "
                               "IDENTIFIER:y");
    expect_tokens("\"x\xED\xA0\x80\" y", "!invalid UTF-8 byte \\xED; sources must be UTF-8 text "
                                         "IDENTIFIER:y");
    expect_tokens("# x\xC0\x80\ny", "!invalid UTF-8 byte \\xC0; sources must be UTF-8 text "
                                    "IDENTIFIER:y");
    expect_tokens("$\xF5", "!invalid UTF-8 byte \\xF5; sources must be UTF-8 text");
    expect_tokens("x\xE2\x82", "IDENTIFIER:x !invalid UTF-8 byte \\xE2; sources must be UTF-8 text "
                               "!invalid UTF-8 byte \\x82; sources must be UTF-8 text");
    expect_tokens("²", "!unexpected character: '²'");
}

/* Q15c */
static void positions_count_lines_and_code_points_from_one(void **state)
{
    static const uint32_t want[][4] = {{1, 1, 0, 2}, {1, 3, 3, 4}, {2, 2, 6, 11}};
    const char *source = "é x\n\t'日'\r\n\r\n\"\" 7";
    (void)state;
    Lexer lx;
    lex_init(&lx, source, strlen(source));
    for (size_t i = 0; i < 3; i++) {
        Token t = lex_next(&lx);
        assert_int_equal(t.span.line, want[i][0]);
        assert_int_equal(t.span.column, want[i][1]);
        assert_int_equal(t.span.start, want[i][2]);
        assert_int_equal(t.span.end, want[i][3]);
    }
    Token last = lex_next(&lx);
    assert_int_equal(last.span.line, 4);
    assert_int_equal(last.span.column, 4);
    assert_true(last.first_on_line);
    last = lex_next(&lx);
    assert_int_equal(last.kind, TOKEN_EOF);
    assert_int_equal(last.span.start, strlen(source));
    assert_int_equal(lex_next(&lx).kind, TOKEN_EOF);
}

static void a_copied_lexer_goes_on_from_its_place(void **state)
{
    (void)state;
    Lexer lx, saved;
    lex_init(&lx, "a b c", 5);
    lex_next(&lx);
    saved = lx;
    assert_int_equal(lex_next(&lx).span.column, 3);
    assert_int_equal(lex_next(&lx).span.column, 5);
    lx = saved;
    assert_int_equal(lex_next(&lx).span.column, 3);
}

static void a_fused_operator_can_be_split(void **state)
{
    (void)state;
    Lexer lx;
    lex_init(&lx, "T>!<", 4);
    lex_next(&lx);
    Token whole = lex_next(&lx);
    assert_int_equal(whole.text.len, 3);
    Token first = lex_split(&lx, whole);
    assert_int_equal(first.text.len, 1);
    Token rest = lex_next(&lx);
    assert_true(lang_text_is(rest.text, "!<"));
    assert_int_equal(rest.span.column, 3);
}

static void plain_names_and_symbols_are_recognised(void **state)
{
    (void)state;
    assert_true(lex_is_plain_name(lang_text("abc_1", 5)));
    assert_false(lex_is_plain_name(lang_text("self", 4)));
    assert_false(lex_is_plain_name(lang_text("A::B", 4)));
    assert_false(lex_is_plain_name(lang_text("", 0)));
    assert_false(lex_is_plain_name(lang_text("1a", 2)));
    assert_true(lex_is_plain_symbol(lang_text("at:put:", 7)));
    assert_true(lex_is_plain_symbol(lang_text("a:b", 3)));
    assert_true(lex_is_plain_symbol(lang_text("-->", 3)));
    assert_false(lex_is_plain_symbol(lang_text("two words", 9)));
    assert_false(lex_is_plain_symbol(lang_text("a::b", 4)));
    assert_false(lex_is_plain_symbol(lang_text("", 0)));
    assert_false(lex_is_plain_symbol(lang_text("+a", 2)));
}

static void any_bytes_end_with_eof_and_progress(void **state)
{
    (void)state;
    uint32_t seed = 12345;
    for (int round = 0; round < 2000; round++) {
        char bytes[64];
        static const char interesting[] = "\"'#$()[]{}:=.;^|-<>~ab19er\n\t \0\xC3\xA9\xFF";
        size_t len = 0;
        while (len < sizeof bytes) {
            seed = seed * 1664525u + 1013904223u;
            bytes[len++] = interesting[(seed >> 16) % (sizeof interesting - 1)];
        }
        char *copy = exact_copy(bytes, len);
        Lexer lx;
        lex_init(&lx, copy, len);
        uint32_t before = 0, tokens = 0;
        for (Token t = lex_next(&lx); t.kind != TOKEN_EOF; t = lex_next(&lx)) {
            assert_true(t.span.start >= before || t.kind == TOKEN_ERROR);
            assert_true(t.span.end <= len);
            before = t.span.start;
            assert_true(++tokens <= len);
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_keywords_and_reserved_words),
        cmocka_unit_test(comments_of_both_forms),
        cmocka_unit_test(numbers),
        cmocka_unit_test(a_minus_is_sign_or_operator_by_what_stands_around_it),
        cmocka_unit_test(strings_characters_and_symbols),
        cmocka_unit_test(operators_and_punctuation),
        cmocka_unit_test(bytes_that_no_source_may_hold),
        cmocka_unit_test(positions_count_lines_and_code_points_from_one),
        cmocka_unit_test(a_copied_lexer_goes_on_from_its_place),
        cmocka_unit_test(a_fused_operator_can_be_split),
        cmocka_unit_test(plain_names_and_symbols_are_recognised),
        cmocka_unit_test(any_bytes_end_with_eof_and_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
