/* SPDX-License-Identifier: Apache-2.0 */
/* test_parse_expr.c - statements, expressions, literals: what they mean and what is refused.
 * Threads: one. */
#include "lang_test.h"

static void precedence_is_unary_binary_keyword(void **state)
{
    (void)state;
    expect_doit("1 + 2 * 3", "(send * (send + 1 2) 3)");
    expect_doit("a b c: d e + f g: h", "(send c:g: (send b a) (send + (send e d) f) h)");
    expect_doit("a max: b max: c", "(send max:max: a b c)");
    expect_doit("a foo: (b bar: c)", "(send foo: a (send bar: b c))");
    expect_doit("2 + 3 negated", "(send + 2 (send negated 3))");
    expect_doit("a b c d", "(send d (send c (send b a)))");
    expect_doit("x => y ~= z", "(send ~= (send => x y) z)");
}

static void assignment_reaches_as_far_as_an_expression(void **state)
{
    (void)state;
    expect_doit("a := b := c foo: d bar", "(assign a (assign b (send foo: c (send bar d))))");
    expect_doit("x := y := 0", "(assign x (assign y 0))");
    expect_doit("x := a foo; bar", "(assign x (cascade a (foo) (bar)))");
    expect_doit("3 + x := 4", "(send + 3 (assign x 4))");
    expect_doit("a at: x := 3 foo: 4", "(send at: a (assign x (send foo: 3 4)))");
    expect_doit("A::B := 3", "(assign A::B 3)");
    expect_errors(DOIT_ENTRY, "self := 3",
                  "1:1: 'self' is a reserved word and cannot be assigned to");
    expect_errors(DOIT_ENTRY, "nil := 3",
                  "1:1: 'nil' is a reserved word and cannot be assigned to");
    expect_errors(DOIT_ENTRY, "a b := 3",
                  "1:3: expected '.' between statements, found identifier "
                  "'b'");
    expect_errors(DOIT_ENTRY, "3 := 4", "1:3: unexpected trailing token: ':='");
}

static void cascades_go_to_the_receiver_of_the_last_message(void **state)
{
    (void)state;
    expect_doit("3 + 4; * 10", "(cascade 3 (+ 4) (* 10))");
    expect_doit("x foo; bar: 1; + 2", "(cascade x (foo) (bar: 1) (+ 2))");
    expect_doit("a b c; d", "(cascade (send b a) (c) (d))");
    expect_doit("a foo: b c; d: e f", "(cascade a (foo: (send c b)) (d: (send f e)))");
    expect_doit("super a; b", "(super-cascade super (a) (b))");
    expect_errors(DOIT_ENTRY, "x ; foo", "1:3: cascade requires a message send before the ';'");
    expect_errors(DOIT_ENTRY, "x foo; ", "1:8: expected a message after ';', found end of input");
    expect_errors(DOIT_ENTRY, "x := 1; foo", "1:7: cascade requires a message send before the ';'");
    expect_errors(DOIT_ENTRY, "(x foo); bar",
                  "1:8: cascade requires a message send before the ';'");
    expect_errors(DOIT_ENTRY, "x foo; bar baz",
                  "1:12: expected '.' between statements, found identifier 'baz'");
    expect_errors(DOIT_ENTRY, "x foo; | y",
                  "1:8: expected a message after ';', found '|'; temporaries are declared once, at "
                  "the start of a body");
}

static void an_eventual_send_takes_one_message_and_binds_weakest(void **state)
{
    (void)state;
    expect_doit("p ~> foo", "(eventual foo p)");
    expect_doit("p ~> + 3 negated", "(eventual + p (send negated 3))");
    expect_doit("p ~> at: 1 + 2 put: x y", "(eventual at:put: p (send + 1 2) (send y x))");
    expect_doit("a b + c foo: d ~> bar", "(eventual bar (send foo: (send + (send b a) c) d))");
    expect_doit("a foo; bar ~> baz", "(eventual baz (cascade a (foo) (bar)))");
    expect_doit("p ~> foo ~> bar: 3", "(eventual bar: (eventual foo p) 3)");
    expect_doit("x := p ~> foo", "(assign x (eventual foo p))");
    expect_doit("(p ~> foo) wait", "(send wait (eventual foo p))");
    expect_doit("[p ~> foo] value", "(send value (block () () (eventual foo p)))");
    expect_doit("{p ~> foo. 1}", "(array (eventual foo p) 1)");
    expect_doit("x ~>> y", "(send ~>> x y)");
    expect_doit("#~> size", "(send size #~>)");
    expect_errors(DOIT_ENTRY, "p ~> foo bar",
                  "1:10: only one message may follow '~>'; use '~>' "
                  "again, or parentheses around what comes before");
    expect_errors(DOIT_ENTRY, "p ~> foo + 1",
                  "1:10: only one message may follow '~>'; use '~>' "
                  "again, or parentheses around what comes before");
    expect_errors(DOIT_ENTRY, "p ~> foo; bar",
                  "1:9: a cascade cannot follow '~>'; repeat the "
                  "receiver and '~>' for each message");
    expect_errors(DOIT_ENTRY, "super ~> foo",
                  "1:1: 'super' cannot receive an eventual send; use 'self'");
    expect_errors(DOIT_ENTRY, "p ~> 3", "1:6: expected a message after '~>', found number 3");
    expect_errors(DOIT_ENTRY, "p ~>", "1:5: expected a message after '~>', found end of input");
}

static void a_bar_is_a_selector_inside_expressions(void **state)
{
    (void)state;
    expect_doit("a | b | c", "(send | (send | a b) c)");
    expect_doit("[:x | x | y]", "(block (x) () (send | x y))");
    expect_errors(DOIT_ENTRY, "a || b",
                  "1:4: expected an expression, found '|': there is no "
                  "operator '||'; write 'a | b' or 'a or: [ b ]'");
}

static void super_is_special_only_as_a_plain_receiver(void **state)
{
    (void)state;
    expect_doit("super foo: 1", "(super-send foo: super 1)");
    expect_doit("super foo bar", "(send bar (super-send foo super))");
    expect_doit("super", "super");
    expect_doit("(super) foo", "(send foo super)");
    expect_doit("x foo: super", "(send foo: x super)");
    expect_doit("thisContext sender", "(send sender this-context)");
}

static void blocks(void **state)
{
    (void)state;
    expect_doit("[]", "(block () ())");
    expect_doit("[:x | ]", "(block (x) ())");
    expect_doit("[:a :b | | t <X> | t := a. t + b]",
                "(block (a b) (t<X>) (assign t a) (send + t b))");
    expect_doit("[:a || t | t]", "(block (a) (t) t)");
    expect_doit("[| t u | ^t]", "(block () (t u) (return t))");
    expect_doit("[|| 3]", "(block () () 3)");
    expect_doit("[| a <T>| a]", "(block () (a<T>) a)"); /* Q7 */
    expect_doit("[: a | a]", "(block (a) () a)");
    expect_doit("[1. 2. ]", "(block () () 1 2)");
    expect_errors(DOIT_ENTRY, "[:a]", "1:4: expected '|' after the block parameters, found ']'");
    expect_errors(DOIT_ENTRY, "[:a <T> | a]",
                  "1:5: expected '|' after the block parameters, found "
                  "'<': block parameters take no type");
    expect_errors(DOIT_ENTRY, "[:self | 3]",
                  "1:3: expected a block parameter name after ':', "
                  "found 'self', which is a reserved word");
    expect_errors(DOIT_ENTRY, "[:A::B | 3]",
                  "1:3: expected a block parameter name after ':', "
                  "found the qualified name 'A::B'");
    expect_errors(DOIT_ENTRY, "[3",
                  "1:3: expected ']' to close the '[' of line 1, column 1, found "
                  "end of input");
    expect_errors(DOIT_ENTRY, "[3 4]",
                  "1:4: expected '.' between statements or ']' to close the "
                  "'[' of line 1, column 1, found number 4");
}

static void literal_arrays(void **state)
{
    (void)state;
    expect_doit("#(one #two 'three' $4 5 6.0 (7 eight) #(nil true))",
                "(literal-array #one #two 'three' (char 52) 5 (float 6) (literal-array 7 #eight) "
                "(literal-array nil true))");
    expect_doit("#()", "(literal-array)");
    expect_doit("#(at:put: a: + | -> ~>)", "(literal-array #at:put: #a: #+ #| #-> #~>)"); /* Q6 */
    expect_doit("#(a: b:)", "(literal-array #a: #b:)");
    expect_doit("#(1 -2 3-4 a-1)", "(literal-array 1 -2 3 -4 #a -1)");
    expect_doit("#(A::B)", "(literal-array #'A::B')");
    expect_doit("#(1) , #(2)", "(send , (literal-array 1) (literal-array 2))");
    expect_rejected(DOIT_ENTRY, "#(self)");
    expect_rejected(DOIT_ENTRY, "#(1 . 2)");
    expect_rejected(DOIT_ENTRY, "#({1})");
    expect_rejected(DOIT_ENTRY, "#(#{})");
    expect_errors(DOIT_ENTRY, "#(1 [2])",
                  "1:5: expected a literal or ')' in a literal array (use "
                  "{ } for computed elements), found '['");
    expect_errors(DOIT_ENTRY, "#(1 (2)",
                  "1:8: expected ')' to close the '#(' of line 1, column 1, "
                  "found end of input");
}

static void arrays_and_dictionaries(void **state)
{
    (void)state;
    expect_doit("{1. 2 + 3. }", "(array 1 (send + 2 3))");
    expect_doit("{}", "(array)");
    expect_doit("#{#k -> 1 + 2. $c -> #(x)}",
                "(dictionary (#k (send + 1 2)) ((char 99) (literal-array #x)))");
    expect_doit("#{}", "(dictionary)");
    expect_doit("#{(1+1) -> 2}", "(dictionary ((send + 1 1) 2))");
    expect_doit("#{1->-1}", "(dictionary (1 -1))");
    expect_doit("#{1 -> 2 3 -> 4}", "(dictionary (1 2) (3 4))");
    expect_doit("#{a -> b foo; bar.}", "(dictionary (a (cascade b (foo) (bar))))");
    expect_errors(DOIT_ENTRY, "#{1+1 -> 2}",
                  "1:4: expected '->' after the key (a key of more than "
                  "one word needs parentheses), found operator '+'");
    expect_errors(DOIT_ENTRY, "{1 2}",
                  "1:4: expected '.' between the elements of '{ }', found number 2");
    expect_rejected(DOIT_ENTRY, "{. 1}");
    expect_rejected(DOIT_ENTRY, "{1. . 2}");
    expect_rejected(DOIT_ENTRY, "{1. ^2}");
    expect_errors(DOIT_ENTRY, "#{1 -> 2",
                  "1:9: expected '}' to close the '#{' of line 1, column "
                  "1, found end of input");
}

static void statements(void **state)
{
    (void)state;
    expect_doit("1. 2. ", "1 2");
    expect_doit("^ 3", "(return 3)");
    expect_dump(DOIT_ENTRY, NULL, "", "(doit ())");
    expect_dump(DOIT_ENTRY, NULL, "\"only a comment\"", "(doit ())");
    expect_dump(DOIT_ENTRY, NULL, "| a b <T> | a", "(doit (a b<T>) a)");
    expect_dump(DOIT_ENTRY, NULL, "|a <Integer>| a", "(doit (a<Integer>) a)");
    expect_errors(DOIT_ENTRY, "^ ^ 1",
                  "1:3: expected an expression, found '^'; '^' may only begin "
                  "a statement (is a period missing before it?)");
    expect_errors(DOIT_ENTRY, "1 . . 2",
                  "1:5: expected a statement, found '.': periods only stand "
                  "between statements");
    expect_errors(DOIT_ENTRY, ". 1",
                  "1:1: expected a statement, found '.': periods only stand "
                  "between statements");
    expect_errors(DOIT_ENTRY, "(3 foo. 4)",
                  "1:7: expected ')', found '.': parentheses hold one "
                  "expression, not statements");
    expect_rejected(DOIT_ENTRY, "()");
    expect_errors(DOIT_ENTRY, "x foo ^ 3",
                  "1:7: expected '.' between statements, found '^'; '^' "
                  "may only begin a statement (is a period missing "
                  "before it?)");
    expect_warnings(DOIT_ENTRY, "^1. 2. 3", "1:5: unreachable code after return");
    expect_warnings(DOIT_ENTRY, "[^1. 2]", "1:6: unreachable code after return");
}

/* Q9 */
static void what_follows_the_statements_is_an_error(void **state)
{
    (void)state;
    expect_errors(DOIT_ENTRY, "3 4", "1:3: expected '.' between statements, found number 4");
    expect_errors(DOIT_ENTRY, "3)", "1:2: unexpected trailing token: ')'");
    expect_errors(DOIT_ENTRY, "3 ]", "1:3: unexpected trailing token: ']'");
    expect_errors(DOIT_ENTRY, "n -1",
                  "1:3: expected '.' between statements, found number -1; to "
                  "subtract, put a space behind the minus");
    expect_errors(DOIT_ENTRY, "3 \"\"\"x\"\"\"", "1:3: unexpected trailing token: a docstring");
}

static void integers_of_any_size_and_radix(void **state)
{
    (void)state;
    expect_doit("140737488355327", "140737488355327");
    expect_doit("-140737488355328", "-140737488355328");
    expect_doit("140737488355328", "(bigint 10 140737488355328)");
    expect_doit("-140737488355329", "(bigint 10 140737488355329 -)");
    expect_doit("16rFF + -16rff", "(send + 255 -255)");
    expect_doit("36rZz", "1295");
    expect_doit("36rrr", "999");
    expect_doit("0000000000000000000000016r0F", "15");
    expect_doit("00000000000000000000000000000000000007", "7");
    expect_doit("16r7FFFFFFFFFFF", "140737488355327");
    expect_doit("-16r800000000000", "-140737488355328");
    expect_doit("16r800000000000", "(bigint 16 800000000000)");
    expect_doit("-36rZZZZZZZZZZZZ", "(bigint 36 ZZZZZZZZZZZZ -)");
    expect_doit("99999999999999999999999999", "(bigint 10 99999999999999999999999999)");
}

static void floats(void **state)
{
    (void)state;
    expect_doit("2e3", "(float 2000)");
    expect_doit("-0.5", "(float -0.5)");
    expect_doit("1.5e-2", "(float 0.014999999999999999)");
    expect_doit("1e-999", "(float 0)");
    expect_doit("5e-324", "(float 4.9406564584124654e-324)");
    expect_errors(DOIT_ENTRY, "1e999", "1:1: invalid float: '1e999' is too large for a Float");
    expect_doit("0.1000000000000000055511151231257827021181583404541015625000000000000000000001",
                "(float 0.10000000000000001)");
}

static void texts_are_decoded(void **state)
{
    (void)state;
    expect_doit("'it''s' foo. #'it''s' bar", "(send foo 'it''s') (send bar #'it''s')");
    expect_doit("'' foo. '''' bar", "(send foo '') (send bar '''')");
    expect_doit("$' = $$", "(send = (char 39) (char 36))");
    expect_doit("$日 value", "(send value (char 26085))");
    expect_doit("#+ size. #a:b: size", "(send size #+) (send size #a:b:)");
    LangParse p;
    const char *source = "'a''b'";
    assert_true(lang_parse_doit(&p, source, strlen(source), NULL));
    assert_true(lang_text_is(p.doit->statements.items[0]->as.text, "a'b"));
    lang_parse_free(&p);
}

static void names(void **state)
{
    (void)state;
    expect_doit("Outer::Inner new", "(send new Outer::Inner)");
    expect_doit("x := Outer::Inner", "(assign x Outer::Inner)");
    expect_doit("méthode ünï: ñ", "(send ünï: méthode ñ)");
    expect_doit("x \"note\" + # tail\ny", "(send + x y)");
    expect_doit("x self: 1 nil: 2", "(send self:nil: x 1 2)");
    expect_doit("1_000", "(send _000 1)");
    expect_errors(DOIT_ENTRY, "x self", "1:3: expected '.' between statements, found 'self'");
    expect_errors(DOIT_ENTRY, "x A::B",
                  "1:3: expected a message, found the qualified name 'A::B' "
                  "(is a period missing before it?)");
    expect_errors(DOIT_ENTRY, "-x",
                  "1:1: expected an expression, found operator '-': there is no "
                  "unary minus; write 'x negated' or '0 - x'");
    expect_errors(DOIT_ENTRY, "foo: 3", "1:1: expected an expression, found keyword 'foo:'");
}

static void one_name_is_declared_once_per_scope(void **state)
{
    (void)state;
    expect_errors(DOIT_ENTRY, "| a b a | a", "1:7: duplicate variable name \"a\"");
    expect_errors(DOIT_ENTRY, "[:x :x | x]", "1:6: duplicate block parameter name \"x\"");
    expect_errors(DOIT_ENTRY, "[:x | | x | x]", "1:9: duplicate variable name \"x\"");
    expect_dump(DOIT_ENTRY, NULL, "| x | [:x | [:x | x]]",
                "(doit (x) (block (x) () (block (x) () x)))");
}

static void one_bad_statement_does_not_hide_the_next(void **state)
{
    (void)state;
    expect_errors(DOIT_ENTRY, "x foo: . y := . [ 3 4 ]. ok foo. z )",
                  "1:8: expected an expression, found '.'\n"
                  "1:15: expected an expression, found '.'\n"
                  "1:21: expected '.' between statements or ']' to close the '[' of line 1, column "
                  "17, found number 4\n"
                  "1:36: unexpected trailing token: ')'");
}

static void positions_of_nodes(void **state)
{
    (void)state;
    LangParse p;
    Buffer out = {0};
    AstDumpOptions o = {.positions = true};
    const char *source = "é foo:\n  [:x | x + 'ü' bar]\n  baz: {1. $é}";
    assert_true(lang_parse_doit(&p, source, strlen(source), NULL));
    assert_true(ast_dump_doit(p.doit, &o, lang_allocator_malloc(), buffer_sink(&out)));
    assert_string_equal(out.bytes, "(doit () (send@1:1 foo:baz: é@1:1 (block@2:3 (x) () "
                                   "(send@2:9 + x@2:9 (send@2:13 bar 'ü'@2:13))) "
                                   "(array@3:8 1@3:9 (char 233)@3:12)))");
    const AstNode *send = p.doit->statements.items[0];
    assert_int_equal(send->span.start, 0);
    assert_int_equal(send->span.end, strlen(source));
    assert_int_equal(send->as.send.message.selector_span.column, 3);
    lang_parse_free(&p);
    free(out.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence_is_unary_binary_keyword),
        cmocka_unit_test(assignment_reaches_as_far_as_an_expression),
        cmocka_unit_test(cascades_go_to_the_receiver_of_the_last_message),
        cmocka_unit_test(an_eventual_send_takes_one_message_and_binds_weakest),
        cmocka_unit_test(a_bar_is_a_selector_inside_expressions),
        cmocka_unit_test(super_is_special_only_as_a_plain_receiver),
        cmocka_unit_test(blocks),
        cmocka_unit_test(literal_arrays),
        cmocka_unit_test(arrays_and_dictionaries),
        cmocka_unit_test(statements),
        cmocka_unit_test(what_follows_the_statements_is_an_error),
        cmocka_unit_test(integers_of_any_size_and_radix),
        cmocka_unit_test(floats),
        cmocka_unit_test(texts_are_decoded),
        cmocka_unit_test(names),
        cmocka_unit_test(one_name_is_declared_once_per_scope),
        cmocka_unit_test(one_bad_statement_does_not_hide_the_next),
        cmocka_unit_test(positions_of_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
