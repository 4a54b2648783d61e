/* SPDX-License-Identifier: Apache-2.0 */
/* test_parse_file.c - source files: classes, traits, protocols, preamble, scripts, recovery.
 * Threads: one. */
#include "lang_test.h"

static void layout_is_free(void **state)
{
    (void)state;
    expect_file("A subclass: Object instanceVars: x y <T> z method: m [ ^x ]",
                "(class A Object (vars x y<T> z) (method m () () (return x)))");
    expect_file("A\nsubclass:\nObject\nclass\nmethod:\nk\n[\n^\n1\n]",
                "(class A Object (class-method k () () (return 1)))");
    expect_file("A subclass: Object method: m: a <N::T> n: b ^<Self> ! <IO, Pure> "
                "[ | q <T> | q := a. ^q ]",
                "(class A Object (method m:n: (a<N::T> b) ^<Self> (effects IO Pure) (q<T>) "
                "(assign q a) (return q)))");
    expect_dump(FILE_ENTRY, NULL, "", "(file)");
    expect_dump(FILE_ENTRY, NULL, " \n # nothing \n \"at all\" ", "(file)");
}

static void a_whole_file(void **state)
{
    (void)state;
    expect_file("namespace: 'Zoo::Cats'\nimport: 'Zoo'\n\n\"\"\"A cat that counts its naps.\"\"\"\n"
                "Cat subclass: Animal\n  instanceVars: naps mood <Symbol>\n  include: Purring\n\n"
                "  classMethod: sleepy [ | c | c := self new. c reset. ^c ]\n\n"
                "  method: reset [ naps := 0. mood := #calm ]\n  \"\"\"One more nap.\"\"\"\n"
                "  method: nap ^<Integer> [ ^naps := naps + 1 ]\n"
                "  method: < other <Cat> ^<Boolean> [ ^naps < other naps ]\n",
                "(namespace 'Zoo::Cats') (imports Zoo) "
                "(class Cat Animal (doc 'A cat that counts its naps.') (vars naps mood<Symbol>) "
                "(includes Purring) (method reset () () (assign naps 0) (assign mood #calm)) "
                "(method nap () ^<Integer> (doc 'One more nap.') () "
                "(return (assign naps (send + naps 1)))) "
                "(method < (other<Cat>) ^<Boolean> () (return (send < naps (send naps other)))) "
                "(class-method sleepy () (c) (assign c (send new self)) (send reset c) "
                "(return c)))");
}

static void class_items_repeat_and_add_up(void **state)
{
    (void)state;
    expect_file("A subclass: B::C instanceVars: a instanceVariables: b c classVars: D "
                "classVariables: E F include: T uses: N::U instanceVars: g",
                "(class A B::C (vars a b c g) (class-vars D E F) (includes T N::U))");
    expect_file("A subclass: Object instanceVars: 'a b\n c ' classVars: 'D' instanceVars: ''",
                "(class A Object (vars a b c) (class-vars D))");
    expect_file("A subclass: nil method: m [ ]", "(class A nil (method m () ()))");
    expect_file("N::A subclass: Object", "(class N::A Object)");
    expect_errors(FILE_ENTRY, "A subclass: Object instanceVars: 'a 3'",
                  "1:34: expected variable names in the string, found \"3\"");
    expect_errors(FILE_ENTRY, "A subclass: Object classVars: A <T>",
                  "1:33: class variables take no type");
    expect_warnings(FILE_ENTRY, "A subclass: Object instanceVars: a b a",
                    "1:38: instance variable \"a\" is declared twice");
}

/* Q8 */
static void name_lists_stop_before_the_next_definition(void **state)
{
    (void)state;
    expect_file("A subclass: Object instanceVars: a b B subclass: A classVars: c d "
                "T trait requires: x y P protocol foo",
                "(class A Object (vars a b)) (class B A (class-vars c d)) (trait T (requires x y)) "
                "(protocol P (foo))");
    expect_file("A subclass: Object instanceVars: a class method: m [ ]",
                "(class A Object (vars a) (class-method m () ()))");
}

static void traits(void **state)
{
    (void)state;
    expect_file("T trait requires: #size <= foo method: m [ ]",
                "(trait T (requires size <= foo) (method m () ()))");
    expect_file("\"\"\"Doc.\"\"\" T trait requires: #at:put: requires: b", "(trait T (doc 'Doc.') "
                                                                           "(requires at:put: b))");
    expect_errors(
        FILE_ENTRY, "T trait requires: at:put: #foo",
        "1:19: expected a selector, found keyword 'at:'; a keyword selector is written as "
        "a symbol, like #at:put:");
    expect_errors(FILE_ENTRY, "T trait classMethod: foo [ ] instanceVars: a include: T",
                  "1:9: unexpected KEYWORD \"classMethod:\" in trait T body; a trait has no class "
                  "methods\n"
                  "1:30: unexpected KEYWORD \"instanceVars:\" in trait T body; a trait has no "
                  "variables\n"
                  "1:46: unexpected KEYWORD \"include:\" in trait T body; a trait cannot include "
                  "traits");
    expect_errors(
        FILE_ENTRY, "A subclass: Object requires: #x",
        "1:20: unexpected KEYWORD \"requires:\" in class A body; only a trait can require "
        "methods");
}

static void protocols(void **state)
{
    (void)state;
    expect_file("P protocol includes: O. at: <Integer> put: <Object> ^<Object>. size ^<Integer>.",
                "(protocol P (includes O) (at:put: <Integer> <Object> ^<Object>) "
                "(size ^<Integer>))");
    expect_file("P protocol foo bar: baz: <T> + <N> ^ ! <IO> - x",
                "(protocol P (foo) (bar:baz: _ <T>) (+ <N> ^ (effects IO)) (- _) (x))");
    expect_errors(FILE_ENTRY, "P protocol x := 3.",
                  "1:14: unexpected ':=' in protocol body; put statements before the protocol");
    expect_errors(FILE_ENTRY, "P protocol a. 3 b. method: foo. 'x'. c",
                  "1:15: unexpected INTEGER in protocol body; put statements before the protocol\n"
                  "1:20: unexpected KEYWORD \"method:\" in protocol P body; a protocol only lists "
                  "selectors\n"
                  "1:33: unexpected STRING in protocol body; put statements before the protocol");
}

/* Q15 */
static void less_than_in_a_protocol_is_a_selector(void **state)
{
    (void)state;
    expect_file("P protocol < <Object> ^<Boolean>. < ^<Boolean>. <= <Object>. <",
                "(protocol P (< <Object> ^<Boolean>) (< _ ^<Boolean>) (<= <Object>) (< _))");
    expect_errors(FILE_ENTRY, "P protocol <Foo> bar.",
                  "1:12: expected a selector in the protocol body, found operator '<'");
}

/* Q15b and 5.1 */
static void docstrings_attach_to_what_follows(void **state)
{
    (void)state;
    expect_file("\"\"\"A\"\"\" A subclass: Object \"\"\"m\"\"\" method: m [ ] \"\"\"B\"\"\" B "
                "subclass: Object "
                "\"\"\"T\"\"\" T trait method: x [ ] \"\"\"P\"\"\" P protocol foo \"\"\"Q\"\"\" Q "
                "protocol bar",
                "(class A Object (doc 'A') (method m () (doc 'm') ())) "
                "(class B Object (doc 'B')) (trait T (doc 'T') (method x () ())) "
                "(protocol P (doc 'P') (foo)) (protocol Q (doc 'Q') (bar))");
    expect_file("\"\"\"one\"\"\" \"\"\"two\"\"\" A subclass: Object",
                "(class A Object (doc 'two'))");
    expect_file(
        "\"\"\"lost\"\"\" namespace: A \"\"\"kept\"\"\" A subclass: Object \"\"\"lost\"\"\" "
        "instanceVars: a method: m [ ]",
        "(namespace 'A') (class A Object (doc 'kept') (vars a) (method m () ()))");
    expect_file("P protocol \"\"\"own\"\"\" foo \"\"\"second\"\"\" bar",
                "(protocol P (doc 'own') (foo) (bar))");
    expect_warnings(FILE_ENTRY, "A subclass: Object \"\"\"orphan\"\"\"",
                    "1:20: orphan docstring: no definition follows \"orphan\"");
    expect_warnings(FILE_ENTRY, "\"\"\"orphan\"\"\" 3 foo",
                    "1:1: orphan docstring: no definition follows \"orphan\"");
}

static void the_preamble_comes_first(void **state)
{
    (void)state;
    expect_file("namespace: '' import: A::B import: 'C'", "(namespace '') (imports A::B C)");
    expect_file("namespace: A namespace: B", "(namespace 'B')");
    expect_errors(FILE_ENTRY, "namespace: 'A'. A subclass: Object",
                  "1:15: no period may follow 'namespace:'");
    expect_errors(FILE_ENTRY, "A subclass: Object\nnamespace: 'A'",
                  "2:1: unexpected KEYWORD \"namespace:\" in class A body; it must come before the "
                  "first definition of the file");
    expect_errors(FILE_ENTRY, "x foo. import: 'A'",
                  "1:8: 'import:' must come before the first "
                  "definition and statement of the file");
    expect_errors(FILE_ENTRY, "namespace: 'a b'",
                  "1:12: 'a b' is no namespace name (expected Name or Outer::Inner)");
    expect_rejected(FILE_ENTRY, "namespace: 'A:B'");
    expect_rejected(FILE_ENTRY, "import: ''");
    expect_rejected(FILE_ENTRY, "import: 3");
}

/* Q11 */
static void scripts_mix_definitions_and_statements(void **state)
{
    (void)state;
    expect_file("#!/usr/bin/env maggie-erl\n| a b | a := 3. | c | a println.\n"
                "Foo subclass: Object method: m [ ^1 ]\nFoo new m println\n",
                "(temps a b) (assign a 3) (temps c) (send println a) "
                "(class Foo Object (method m () () (return 1))) "
                "(send println (send m (send new Foo)))");
    expect_file("x foo\nBar subclass: Object method: m [ ^1 ] ^3",
                "(send foo x) (class Bar Object (method m () () (return 1))) (return 3)");
    expect_file("x foo: 3\n\"\"\"Doc.\"\"\"\nT trait method: m [ ]",
                "(send foo: x 3) (trait T (doc 'Doc.') (method m () ()))");
    expect_file("A subclass: Object method: m [ ] (3 + 4) println. {1}. [2] value. 'a' b. #c d",
                "(class A Object (method m () ())) (send println (send + 3 4)) (array 1) "
                "(send value (block () () 2)) (send b 'a') (send d #c)");
    expect_file("A subclass: Object method: m [ ] | a | a := 1",
                "(class A Object (method m () ())) (temps a) (assign a 1)");
    expect_file("T trait method: m [ ] x := 1", "(trait T (method m () ())) (assign x 1)");
    expect_file("x class protocol println", "(send println (send protocol (send class x)))");
    expect_file("namespace: A x foo", "(namespace 'A') (send foo x)");
    expect_warnings(FILE_ENTRY, "^1. 2", "1:5: unreachable code after return");
}

static void a_name_list_before_a_statement_ends_at_the_line(void **state)
{
    (void)state;
    expect_file("A subclass: Object instanceVars: a b\nx println. y foo",
                "(class A Object (vars a b)) (send println x) (send foo y)");
    expect_file("A subclass: Object instanceVars: a b\nx := 3",
                "(class A Object (vars a b)) (assign x 3)");
    expect_file("A subclass: Object instanceVars: a\n  b\n  c\nx at: 3 put: 4.",
                "(class A Object (vars a b c)) (send at:put: x 3 4)");
    expect_file("A subclass: Object instanceVars: a b instanceVars: c\nd foo: 1",
                "(class A Object (vars a b c)) (send foo: d 1)");
    expect_file("T trait requires: a b\nx foo: 1", "(trait T (requires a b)) (send foo: x 1)");
    expect_file("A subclass: Object instanceVars:\n  a\n  b\n  method: m [ ]",
                "(class A Object (vars a b) (method m () ()))");
}

static void statements_can_be_forbidden(void **state)
{
    (void)state;
    LangOptions o = {.no_script = true};
    const char *source = "x foo.\nA subclass: Object method: m [ ] x println";
    expect_errors_in(FILE_ENTRY, &o, source, strlen(source),
                     "1:1: expected 'subclass:', 'trait', or 'protocol' after class/trait name x\n"
                     "2:34: unexpected IDENTIFIER \"x\" in class A body");
    expect_dump(FILE_ENTRY, &o, "A subclass: Object method: m [ 3 ]",
                "(file (class A Object (method m () () 3)))");
}

static void keys_of_other_dialects_are_refused(void **state)
{
    (void)state;
    expect_errors(FILE_ENTRY, "A subclass: Object category: 'x'",
                  "1:20: unexpected KEYWORD \"category:\" in class A body; this key does not exist "
                  "here, leave it out");
    expect_rejected(FILE_ENTRY, "A subclass: Object classInstanceVars: a");
    expect_rejected(FILE_ENTRY, "A subclass: Object classInstanceVariables: a");
    expect_rejected(FILE_ENTRY, "A subclass: Object poolDictionaries: ''");
    expect_rejected(FILE_ENTRY, "A subclass: Object instanceVars: a b category: 'x'");
    expect_errors(FILE_ENTRY, "Object subclass: #Foo",
                  "1:18: expected a superclass name, found a symbol; a class is written 'Name "
                  "subclass: Super', with the new class first");
    expect_rejected(FILE_ENTRY, "Foo >> bar [ ]");
    expect_errors(FILE_ENTRY, "A subclass: Object foo: x [ ^1 ]",
                  "1:20: unexpected KEYWORD \"foo:\" in class A body; a method definition begins "
                  "with 'method:' or 'classMethod:'");
    expect_errors(FILE_ENTRY, "A subclass: Object foo [ ^1 ]",
                  "1:24: expected '.' between statements, found '[' (a method definition begins "
                  "with 'method:' or 'classMethod:')");
    expect_errors(FILE_ENTRY, "method: m [ ]",
                  "1:1: unexpected KEYWORD \"method:\" in top-level: "
                  "no class or trait definition stands before it");
}

static void recovery_goes_on_at_the_next_item(void **state)
{
    (void)state;
    expect_errors(FILE_ENTRY,
                  "A subclass: Object\n"
                  "  method: a [ ^( ]\n"
                  "  method: b [ 3 4 ]\n"
                  "  classVars: x\n"
                  "  method: ok [ ^1 ]\n"
                  "  include: 3\n"
                  "  class method: c [ 'x ]\n"
                  "  method: d [ ^1 ]' foo: ]\n"
                  "B subclass: 5\n"
                  "  method: e [ :x ]\n"
                  "C subclass: Object\n"
                  "  method: f [ ^1 ]\n",
                  "2:18: expected an expression, found ']'\n"
                  "3:17: expected '.' between statements or ']' to close the '[' of line 3, column "
                  "13, found number 4\n"
                  "6:12: expected the name of a trait, found number 3\n"
                  "8:26: expected an expression, found ']'\n"
                  "9:13: expected a superclass name or nil after 'subclass:', found number 5\n"
                  "10:15: expected an expression, found ':'");
}

static void a_message_called_like_an_item_is_no_place_to_go_on(void **state)
{
    (void)state;
    expect_file("A subclass: Object method: m [ x include: 3; requires: 4 ] include: T",
                "(class A Object (includes T) (method m () () "
                "(cascade x (include: 3) (requires: 4))))");
    expect_errors(FILE_ENTRY, "A subclass: Object method: m [ 3 4. x include: 3 ] method: n [ ]",
                  "1:34: expected '.' between statements or ']' to close the '[' of line 1, column "
                  "30, found number 4");
}

static void good_parts_of_a_bad_file_stay_for_tools(void **state)
{
    (void)state;
    LangParse p;
    const char *source = "A subclass: Object method: m [ ^( ] method: n [ ^1 ]\nB subclass: A";
    assert_false(lang_parse_file(&p, source, strlen(source), NULL));
    assert_non_null(p.file);
    assert_int_equal(p.file->definitions.count, 2);
    const AstClass *a = p.file->definitions.items[0]->as.klass;
    assert_int_equal(a->methods.count, 1);
    assert_true(lang_text_is(a->methods.items[0]->selector, "n"));
    lang_parse_free(&p);
}

static void a_missing_period_before_a_return_is_named(void **state)
{
    (void)state;
    expect_errors(FILE_ENTRY, "A subclass: Object method: m [ x foo ^3 ]",
                  "1:38: expected '.' or ']' to close the '[' of line 1, column 30, found '^'; '^' "
                  "may only begin a statement (is a period missing before it?)");
}

static void an_extra_bracket_is_one_error(void **state)
{
    (void)state;
    expect_errors(FILE_ENTRY, "A subclass: Object method: m [ ] ] method: n [ ]",
                  "1:34: unexpected ']' \"]\" in class A body");
    expect_errors(FILE_ENTRY, "x foo ). y bar", "1:7: unexpected trailing token: ')'");
    expect_errors(FILE_ENTRY, "A subclass: Object method: m [ ]. B subclass: A",
                  "1:33: unexpected '.' \".\" in class A body; no period stands between the items "
                  "of a body");
}

static void definitions_know_their_span(void **state)
{
    (void)state;
    LangParse p;
    const char *source = "\n  A subclass: B\n  instanceVars: é <T>\nT trait";
    assert_true(lang_parse_file(&p, source, strlen(source), NULL));
    const AstNode *node = p.file->definitions.items[0];
    const AstClass *a = node->as.klass;
    assert_int_equal(a->span.line, 2);
    assert_int_equal(a->span.column, 3);
    assert_int_equal(a->superclass.span.column, 15);
    assert_int_equal(a->instance_vars.items[0].span.line, 3);
    assert_int_equal(a->instance_vars.items[0].span.column, 17);
    assert_int_equal(a->instance_vars.items[0].type.span.column, 19);
    assert_int_equal(node->span.end, strlen(source) - strlen("\nT trait"));
    assert_int_equal(p.file->definitions.items[1]->as.trait->name.span.line, 4);
    lang_parse_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_free),
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(class_items_repeat_and_add_up),
        cmocka_unit_test(name_lists_stop_before_the_next_definition),
        cmocka_unit_test(traits),
        cmocka_unit_test(protocols),
        cmocka_unit_test(less_than_in_a_protocol_is_a_selector),
        cmocka_unit_test(docstrings_attach_to_what_follows),
        cmocka_unit_test(the_preamble_comes_first),
        cmocka_unit_test(scripts_mix_definitions_and_statements),
        cmocka_unit_test(a_name_list_before_a_statement_ends_at_the_line),
        cmocka_unit_test(statements_can_be_forbidden),
        cmocka_unit_test(keys_of_other_dialects_are_refused),
        cmocka_unit_test(recovery_goes_on_at_the_next_item),
        cmocka_unit_test(a_message_called_like_an_item_is_no_place_to_go_on),
        cmocka_unit_test(good_parts_of_a_bad_file_stay_for_tools),
        cmocka_unit_test(a_missing_period_before_a_return_is_named),
        cmocka_unit_test(an_extra_bracket_is_one_error),
        cmocka_unit_test(definitions_know_their_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
