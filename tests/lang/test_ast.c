/* SPDX-License-Identifier: Apache-2.0 */
/* test_ast.c - questions about syntax trees and their dump.
 * Threads: one. */
#include "lang_test.h"

static void names_are_split_at_the_last_qualifier(void **state)
{
    (void)state;
    LangText prefix, last;
    ast_split_name(lang_text("Shapes::Round::Disc", 19), &prefix, &last);
    assert_true(lang_text_is(prefix, "Shapes::Round"));
    assert_true(lang_text_is(last, "Disc"));
    ast_split_name(lang_text("Disc", 4), &prefix, &last);
    assert_int_equal(prefix.len, 0);
    assert_true(lang_text_is(last, "Disc"));
    ast_split_name(lang_text("", 0), &prefix, NULL);
    ast_split_name(lang_text("A::B", 4), NULL, &last);
    assert_true(lang_text_is(last, "B"));
}

static const AstNode *statement(LangParse *p, const char *source)
{
    assert_true(lang_parse_doit(p, source, strlen(source), NULL));
    return p->doit->statements.items[0];
}

static void nodes_answer_what_they_are(void **state)
{
    (void)state;
    LangParse p;
    const AstNode *n = statement(&p, "#(1 2)");
    assert_true(ast_is_literal(n));
    assert_null(ast_receiver(n));
    assert_string_equal(ast_kind_name(n->kind), "literal-array");
    lang_parse_free(&p);
    n = statement(&p, "[3]");
    assert_true(ast_is_plain_block(n));
    assert_false(ast_is_literal(n));
    lang_parse_free(&p);
    n = statement(&p, "([:x | 3])");
    assert_false(ast_is_plain_block(n));
    assert_true(n->parenthesised);
    lang_parse_free(&p);
    n = statement(&p, "[| t | 3]");
    assert_false(ast_is_plain_block(n));
    lang_parse_free(&p);
    n = statement(&p, "(a b; c) ~> d");
    assert_int_equal(ast_receiver(n)->kind, AST_CASCADE);
    assert_int_equal(ast_receiver(ast_receiver(n))->kind, AST_IDENTIFIER);
    lang_parse_free(&p);
}

static void dumps_stay_on_one_line(void **state)
{
    (void)state;
    expect_doit("'a\nb\t' foo", "(send foo 'a\\x0Ab\\x09')");
    expect_doit("#'x y' foo: #'at:' bar: #''", "(send foo:bar: #'x y' #at: #'')");
}

static void *no_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    return NULL;
}

static void a_dump_without_memory_says_so(void **state)
{
    (void)state;
    LangParse p;
    Buffer out = {0};
    LangAllocator a = lang_allocator_malloc();
    const AstNode *n = statement(&p, "[a b]");
    a.alloc = no_memory;
    assert_false(ast_dump_node(n, NULL, a, buffer_sink(&out)));
    lang_parse_free(&p);
    free(out.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_split_at_the_last_qualifier),
        cmocka_unit_test(nodes_answer_what_they_are),
        cmocka_unit_test(dumps_stay_on_one_line),
        cmocka_unit_test(a_dump_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
