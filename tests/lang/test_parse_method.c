/* SPDX-License-Identifier: Apache-2.0 */
/* test_parse_method.c - method patterns, types, effects, stubs, docstrings, bare methods.
 * Threads: one. */
#include "lang_test.h"

static void bare_methods(void **state)
{
    (void)state;
    expect_dump(METHOD_ENTRY, NULL, "foo", "(method foo () ())");
    expect_dump(METHOD_ENTRY, NULL, "foo ^3", "(method foo () () (return 3))");
    expect_dump(METHOD_ENTRY, NULL, "foo ^<Integer> | a | a := 3. ^a",
                "(method foo () ^<Integer> (a) (assign a 3) (return a))");
    expect_dump(METHOD_ENTRY, NULL, "+ x <T> ^self", "(method + (x<T>) () (return self))");
    expect_dump(METHOD_ENTRY, NULL, "at: x put: y <N::T> ! <IO> ^x",
                "(method at:put: (x y<N::T>) (effects IO) () (return x))");
    expect_dump(METHOD_ENTRY, NULL, "\"\"\"One.\"\"\" \"\"\"Two.\"\"\" foo ^1",
                "(method foo () (doc 'Two.') () (return 1))");
    expect_dump(METHOD_ENTRY, NULL, "foo ! <Pure> [3]",
                "(method foo () (effects Pure) () "
                "(block () () 3))");
}

static void a_method_may_come_in_its_wrapper(void **state)
{
    (void)state;
    expect_dump(METHOD_ENTRY, NULL, "method: foo [ ^1 ]", "(method foo () () (return 1))");
    expect_dump(METHOD_ENTRY, NULL, "classMethod: foo [ ^1 ]",
                "(class-method foo () () (return 1))");
    expect_dump(METHOD_ENTRY, NULL, "\"\"\"D\"\"\" class method: foo [ ]",
                "(class-method foo () (doc 'D') ())");
    expect_errors(METHOD_ENTRY, "method: foo [ ^1 ] 3",
                  "1:20: unexpected trailing token: number 3");
    expect_errors(METHOD_ENTRY, "method: foo",
                  "1:12: expected '[' after method signature, found end of input");
}

static void text_meant_for_a_class_body_is_no_bare_method(void **state)
{
    (void)state;
    expect_errors(METHOD_ENTRY, "instanceVars: a",
                  "1:1: 'instanceVars:' belongs into a class body; give only the method itself, "
                  "without the wrapper");
    expect_rejected(METHOD_ENTRY, "instanceVariables: a");
    expect_rejected(METHOD_ENTRY, "include: a");
    expect_rejected(METHOD_ENTRY, "trait ^1");
    expect_rejected(METHOD_ENTRY, "protocol");
}

/* Q9 */
static void trailing_tokens_are_errors(void **state)
{
    (void)state;
    expect_errors(METHOD_ENTRY, "foo 3 4", "1:7: expected '.' between statements, found number 4");
    expect_errors(METHOD_ENTRY, "foo ^1 )", "1:8: unexpected trailing token: ')'");
    expect_errors(METHOD_ENTRY, "",
                  "1:1: expected a method pattern (a name, an operator with a "
                  "parameter, or keywords with parameters), found end of input");
}

static void patterns_that_are_refused(void **state)
{
    (void)state;
    expect_errors(METHOD_ENTRY, "self ^1",
                  "1:1: 'self' is a reserved word and cannot be a method name");
    expect_errors(METHOD_ENTRY, "A::B ^1",
                  "1:1: expected a method name, found the qualified name 'A::B'");
    expect_errors(METHOD_ENTRY, "~> x ^1",
                  "1:1: '~>' is the eventual send and cannot be a method name");
    expect_errors(METHOD_ENTRY, "foo: 3",
                  "1:6: expected a parameter name after the keyword, found number 3");
    expect_errors(METHOD_ENTRY, "foo: self ^1",
                  "1:6: expected a parameter name after the keyword, "
                  "found 'self', which is a reserved word");
    expect_errors(
        METHOD_ENTRY, "+ ^1",
        "1:3: expected a parameter name after the operator, found '^'; '^' may only begin "
        "a statement (is a period missing before it?)");
    expect_errors(METHOD_ENTRY, "foo <T> ^1",
                  "1:5: a unary pattern takes no type; a result type is written ^<Type>");
    expect_errors(METHOD_ENTRY, "foo: x <3> ^1",
                  "1:9: expected a type name after '<', found number 3");
    expect_errors(METHOD_ENTRY, "foo: x <self> ^1",
                  "1:9: expected a type name after '<', found 'self'");
    expect_errors(METHOD_ENTRY, "foo: x <A B> ^1",
                  "1:11: expected '>' after the type name, found identifier 'B'");
    expect_errors(METHOD_ENTRY, "foo ! IO ^1",
                  "1:7: expected '<' after '!', found identifier "
                  "'IO'");
    expect_errors(METHOD_ENTRY, "foo ! <IO Pure> ^1",
                  "1:11: expected ',' or '>' after the name of "
                  "an effect, found identifier 'Pure'");
}

static void the_lone_bar_and_other_operators_are_patterns(void **state)
{
    (void)state;
    expect_file("A subclass: Object method: | o [ ^o ] method: , o [ ^o ] method: -> o [ ^o ]",
                "(class A Object (method | (o) () (return o)) (method , (o) () (return o)) "
                "(method -> (o) () (return o)))");
    expect_file("A subclass: Object method: - o [ ^o ] method: <= o <A> [ ]",
                "(class A Object (method - (o) () (return o)) (method <= (o<A>) ()))");
}

/* Q7 */
static void fused_angle_brackets_are_split(void **state)
{
    (void)state;
    expect_file("A subclass: Object method: m ^<Self>! <IO> [ |a <Integer>| a ]",
                "(class A Object (method m () ^<Self> (effects IO) (a<Integer>) a))");
    expect_file("A subclass: Object method: m ^<Self>!<IO,Pure> [ || ]",
                "(class A Object (method m () ^<Self> (effects IO Pure) ()))");
    expect_file("A subclass: Object method: m: a <T>^<B> [ ]",
                "(class A Object (method m: (a<T>) ^<B> ()))");
}

static void primitive_stubs_have_one_exact_form(void **state)
{
    (void)state;
    expect_file("A subclass: Object \"\"\"Does.\"\"\" method: m [ <primitive> ] "
                "classMethod: n: x ^<T> [<primitive>]",
                "(class A Object (method m () (doc 'Does.') primitive) "
                "(class-method n: (x) ^<T> primitive))");
    expect_errors(FILE_ENTRY, "A subclass: Object method: m [ <primitive: 3> ]",
                  "1:32: expected an expression, found operator '<': the only pragma is a whole "
                  "body '[ <primitive> ]'");
    expect_rejected(FILE_ENTRY, "A subclass: Object method: m [ <primitive> ^3 ]");
    expect_rejected(FILE_ENTRY, "A subclass: Object method: m [ | t | <primitive> ]");
    expect_warnings(FILE_ENTRY, "T trait method: m [ <primitive> ]",
                    "1:9: a primitive stub in a trait makes an empty method");
}

static void one_name_is_declared_once_per_method(void **state)
{
    (void)state;
    expect_errors(FILE_ENTRY, "A subclass: Object method: m: x n: x [ | x y | ]",
                  "1:36: duplicate parameter name \"x\" in method m:n:\n"
                  "1:42: duplicate variable name \"x\" in method m:n:");
}

static void a_docstring_inside_a_body_is_an_error(void **state)
{
    (void)state;
    expect_errors(FILE_ENTRY, "A subclass: Object method: m [ \"\"\"no\"\"\" ^1 ]",
                  "1:32: expected an expression, found a docstring; a docstring stands before a "
                  "definition or 'method:', never inside a body");
}

static void docstrings_are_dedented_and_trimmed(void **state)
{
    (void)state;
    expect_dump(METHOD_ENTRY, NULL,
                "\"\"\"First.\n      more\n        deep\n\n      end\n   \"\"\" m",
                "(method m () (doc 'First.\\x0Amore\\x0A  deep\\x0A\\x0Aend') ())");
    expect_dump(METHOD_ENTRY, NULL, "\"\"\"\n\ta\n\t\tb\n\"\"\" m",
                "(method m () (doc 'a\\x0A\\x09b') ())");
    expect_dump(METHOD_ENTRY, NULL, "\"\"\"one\ntwo\n  three\"\"\" m",
                "(method m () (doc 'one\\x0Atwo\\x0A  three') ())");
    expect_dump(METHOD_ENTRY, NULL, "\"\"\"\"\"\" m", "(method m () (doc '') ())");
    expect_dump(METHOD_ENTRY, NULL, "\"\"\"say \"hi\" ''\"\"\" m",
                "(method m () (doc 'say \"hi\" ''''') ())");
}

static void a_method_knows_its_text(void **state)
{
    (void)state;
    LangParse p;
    const char *source = "A subclass: Object\n  method: at: x put: y <T> [ ^x ]\n  method: z [ ]";
    assert_true(lang_parse_file(&p, source, strlen(source), NULL));
    const AstClass *c = p.file->definitions.items[0]->as.klass;
    const AstMethod *m = c->methods.items[0];
    assert_true(lang_text_is(m->source, "at: x put: y <T> [ ^x ]"));
    assert_int_equal(m->span.line, 2);
    assert_int_equal(m->span.column, 3);
    assert_int_equal(m->selector_span.column, 11);
    assert_int_equal(m->params.items[1].span.column, 22);
    assert_int_equal(m->params.items[1].type.span.column, 24);
    lang_parse_free(&p);
    source = "  foo: x\n  ^x  ";
    assert_true(lang_parse_method(&p, source, strlen(source), NULL));
    assert_true(lang_text_is(p.method->source, "foo: x\n  ^x"));
    assert_true(p.method->is_bare);
    lang_parse_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_methods),
        cmocka_unit_test(a_method_may_come_in_its_wrapper),
        cmocka_unit_test(text_meant_for_a_class_body_is_no_bare_method),
        cmocka_unit_test(trailing_tokens_are_errors),
        cmocka_unit_test(patterns_that_are_refused),
        cmocka_unit_test(the_lone_bar_and_other_operators_are_patterns),
        cmocka_unit_test(fused_angle_brackets_are_split),
        cmocka_unit_test(primitive_stubs_have_one_exact_form),
        cmocka_unit_test(one_name_is_declared_once_per_method),
        cmocka_unit_test(a_docstring_inside_a_body_is_an_error),
        cmocka_unit_test(docstrings_are_dedented_and_trimmed),
        cmocka_unit_test(a_method_knows_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
