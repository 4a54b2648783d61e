/* SPDX-License-Identifier: Apache-2.0 */
/* test_codegen_units.c - the compiler's errors, warnings and limits, and what a unit tells about
 * itself.
 * Threads: one. */
#include "codegen_test.h"

/* -- diagnostics ------------------------------------------------------------------------------ */

static void assignment_to_what_is_no_variable_is_an_error(void **state)
{
    (void)state;
    expect_complaints(AS_METHOD, "foo y := 3",
                      "1:5: error: 'y' is not declared: declare it as a temporary (| y |), as an "
                      "instance variable or as a class variable");
    expect_complaints(AS_METHOD, "foo Array := 3",
                      "1:5: error: cannot assign the global 'Array' here: use Compiler setGlobal: "
                      "#Array to: ...");
    expect_complaints(AS_METHOD, "foo\n  [y := 3] value",
                      "2:4: error: 'y' is not declared: declare it as a temporary (| y |), as an "
                      "instance variable or as a class variable");
    expect_complaints(AS_METHOD, "foo: x x := p := K1 := 3", "");
    expect_complaints(AS_SCRIPT, "^super foo", "1:2: error: super is only allowed in methods");
}

static void undefined_names_read_nil_with_a_warning(void **state)
{
    (void)state;
    expect_complaints(AS_METHOD, "foo y bar. [y]. Z := 3",
                      "1:5: warning: 'y' is not defined and reads as nil\n"
                      "1:17: error: 'Z' is not declared: declare it as a temporary (| Z |), as an "
                      "instance variable or as a class variable");
    expect_complaints(AS_EVALUATE, "y bar. y bar",
                      "1:1: warning: 'y' is not defined and reads as nil");
    expect_complaints(AS_SCRIPT, "y bar. y := 3", "");
    /* warned about once, though the block is compiled twice */
    expect_complaints(AS_METHOD, "foo: n 1 to: n do: [:i | y]",
                      "1:26: warning: 'y' is not defined and reads as nil");
}

static void strict_compilation_refuses_undefined_names(void **state)
{
    (void)state;
    LangParse parse;
    CompileEnv env = world_env();
    env.strict = true;
    assert_true(lang_parse_method(&parse, "foo y", 5, NULL));
    assert_null(compile_method(parse.method, &env, &parse.diags));
    assert_int_equal(parse.diags.errors, 1);
    lang_parse_free(&parse);
}

static void capitalised_top_level_variables_are_warned_about(void **state)
{
    (void)state;
    expect_complaints(AS_SCRIPT, "Array := 3",
                      "1:1: warning: 'Array' is capitalised but becomes a top-level variable that "
                      "hides the global");
    expect_complaints(AS_SHELL, "X := 3",
                      "1:1: warning: 'X' is capitalised but becomes a top-level variable");
    expect_complaints(AS_SCRIPT, "| X | X := 3", "");
}

static void variables_shared_with_a_forked_block_are_warned_about(void **state)
{
    (void)state;
    const char *inside = "1:%d: warning: 't' is assigned inside a forked block: the other process "
                         "has a copy of its own, so the change is not seen outside";
    char expected[256];
    snprintf(expected, sizeof expected, inside, 20);
    expect_complaints(AS_METHOD, "foo | t | t := 1. [t := 2] fork wait. ^t", expected);
    snprintf(expected, sizeof expected, inside, 13);
    expect_complaints(AS_METHOD, "foo | t | [[t := 2] value] forkWith: 3", expected);
    expect_complaints(AS_METHOD, "foo | t | t := 1. [t] fork. t := 2",
                      "1:29: warning: 't' is assigned after a forked block captured it: the other "
                      "process has a copy of its own and does not see the change");
    expect_complaints(AS_METHOD, "foo | t | t := 1. [t] fork. ^t", "");
    expect_complaints(AS_METHOD, "foo [| t | t := 2. t] fork", "");
    expect_complaints(AS_METHOD, "foo | t | [t := 2] value. ^t", "");
}

/* -- limits ----------------------------------------------------------------------------------- */

static CodeUnit *compile_buffer(CompileAs as, LangParse *parse, const Buffer *source)
{
    CodeUnit *unit = compile_text(as, parse, source->bytes, source->len);
    if (unit)
        expect_verified(unit, "(generated)");
    return unit;
}

static void expect_accepted(CompileAs as, Buffer *source)
{
    LangParse parse;
    CodeUnit *unit = compile_buffer(as, &parse, source);
    if (!unit)
        diag_print(&parse.diags, "generated", lang_text("", 0), stderr);
    assert_non_null(unit);
    lang_parse_free(&parse);
    code_unit_free(unit);
    free(source->bytes);
}

static void put_number(Buffer *b, const char *format, int i)
{
    char text[64];
    snprintf(text, sizeof text, format, i);
    buffer_put(b, text);
}

static void more_variables_than_registers_are_spilled(void **state)
{
    (void)state;
    Buffer b = {0};
    buffer_put(&b, "foo | ");
    for (int i = 0; i < 1000; i++)
        put_number(&b, "v%d ", i);
    buffer_put(&b, "| ");
    for (int i = 0; i < 1000; i++)
        put_number(&b, "v%d foo. ", i);
    for (int i = 0; i < 1000; i++)
        put_number(&b, "v%d := 1. ", i);
    for (int i = 0; i < 1000; i += 7)
        put_number(&b, "self bar: [v%d := v0 + 1]. ", i);
    expect_accepted(AS_METHOD, &b);
}

static void scripts_have_any_number_of_variables(void **state)
{
    (void)state;
    Buffer b = {0};
    for (int i = 0; i < 5000; i++)
        put_number(&b, "v%d := 1.\n", i);
    buffer_put(&b, "[:x | ");
    for (int i = 0; i < 5000; i++)
        put_number(&b, "v%d := x. ", i);
    buffer_put(&b, "] value: 3. [");
    for (int i = 0; i < 300; i++)
        put_number(&b, "v%d foo. ", i);
    buffer_put(&b, "] value");
    expect_accepted(AS_SCRIPT, &b);
}

static void fallback_closures_work_with_spilled_variables(void **state)
{
    (void)state;
    Buffer b = {0};
    buffer_put(&b, "foo: n | ");
    for (int i = 0; i < 400; i++)
        put_number(&b, "v%d ", i);
    buffer_put(&b, "| 1 to: n do: [:i | | t | t := i. ");
    for (int i = 0; i < 400; i++)
        put_number(&b, "v%d := i + 1. ", i);
    buffer_put(&b, "self bar: [t := t + v3]]. ^");
    for (int i = 0; i < 400; i++)
        put_number(&b, "v%d + ", i);
    buffer_put(&b, "1");
    expect_accepted(AS_METHOD, &b);
}

static void receiver_chains_have_any_length(void **state)
{
    (void)state;
    Buffer unary = {0}, binary = {0}, nots = {0}, cascade = {0}, array = {0}, eventual = {0};
    buffer_put(&unary, "foo ^p");
    buffer_repeat(&unary, " bar", 200000);
    expect_accepted(AS_METHOD, &unary);
    buffer_put(&binary, "foo: x ^p");
    buffer_repeat(&binary, " + x", 200000);
    expect_accepted(AS_METHOD, &binary);
    buffer_put(&nots, "foo: x ^x isNil");
    buffer_repeat(&nots, " not", 100001);
    buffer_put(&nots, " ifTrue: [3]");
    expect_accepted(AS_METHOD, &nots);
    buffer_put(&cascade, "foo: x ^x bar");
    buffer_repeat(&cascade, "; baz: x + 1", 100000);
    expect_accepted(AS_METHOD, &cascade);
    buffer_put(&array, "foo: x ^{x bar");
    buffer_repeat(&array, ". x bar", 100000);
    buffer_put(&array, "}");
    expect_accepted(AS_METHOD, &array);
    buffer_put(&eventual, "foo: x ^x");
    buffer_repeat(&eventual, " ~> bar", 10000);
    expect_accepted(AS_METHOD, &eventual);
}

static void more_at_put_sites_than_the_short_form_reaches(void **state)
{
    (void)state;
    Buffer b = {0};
    buffer_put(&b, "foo: x ");
    buffer_repeat(&b, "x at: 1 put: 2. ", 70000);
    buffer_put(&b, "^#{");
    buffer_repeat(&b, "#a -> 1. ", 100);
    buffer_put(&b, "}");
    expect_accepted(AS_METHOD, &b);
    /* the arguments have sites too, around the limit */
    Buffer nested = {0};
    buffer_put(&nested, "foo: x ");
    buffer_repeat(&nested, "x at: x bar put: (x at: x baz + 1 put: x bar). ", 15000);
    expect_accepted(AS_METHOD, &nested);
}

static void compiling_a_tree_again_gives_the_same_code(void **state)
{
    (void)state;
    const char *source = "foo: x | s t | 1 to: x do: [:i | s := [t := i]. x := s]. ^[:s | ^t]";
    LangParse parse;
    CompileEnv env = world_env();
    Buffer first = {0}, second = {0};
    assert_true(lang_parse_method(&parse, source, strlen(source), NULL));
    CodeUnit *a = compile_method(parse.method, &env, &parse.diags);
    CodeUnit *b = compile_method(parse.method, &env, &parse.diags);
    list_code(a, &first);
    list_code(b, &second);
    assert_string_equal(first.bytes, second.bytes);
    free(first.bytes);
    free(second.bytes);
    code_unit_free(a);
    code_unit_free(b);
    lang_parse_free(&parse);
}

static void nesting_up_to_the_limit_compiles(void **state)
{
    (void)state;
    static const struct {
        const char *head, *open, *middle, *close;
        int depth;
    } shapes[] = {
        {"foo: x ^", "[", "", "]", 990},
        {"foo: x ^x ", "ifTrue: [x ", "ifTrue: []", "]", 900},
        {"foo: x ^x + ", "(x + ", "x", ")", 900},
        {"foo: x ^x bar: ", "(x bar: ", "x", ")", 200},
        {"foo: x ^", "{x. ", "x", "}", 200},
        {"foo: x ", "1 to: x do: [:i | ", "x bar", "]", 300},
        {"foo: x ", "1 to: 3 do: [:i | ", "x bar", "]", 100},
        {"foo: x ^", "#{x -> ", "3", "}", 200},
        {"foo: x x ", "timesRepeat: [x ", "bar", "]", 300},
        {"foo: x ^x ", "and: [x ", "", "]", 900},
        {"foo: x ", "[x] whileTrue: [", "", "]", 900},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        Buffer b = {0};
        buffer_put(&b, shapes[k].head);
        buffer_repeat(&b, shapes[k].open, (size_t)shapes[k].depth);
        buffer_put(&b, shapes[k].middle);
        buffer_repeat(&b, shapes[k].close, (size_t)shapes[k].depth);
        expect_accepted(AS_METHOD, &b);
    }
}

static void too_deep_expressions_are_refused(void **state)
{
    (void)state;
    Buffer b = {0};
    LangParse parse;
    buffer_put(&b, "foo: x ^");
    buffer_repeat(&b, "(x bar bar: ", 600);
    buffer_put(&b, "x");
    buffer_repeat(&b, ")", 600);
    assert_null(compile_buffer(AS_METHOD, &parse, &b));
    assert_int_equal(parse.diags.count, 1);
    assert_non_null(strstr(parse.diags.items[0].message.ptr, "expression too complex"));
    assert_int_equal(parse.diags.items[0].span.line, 1);
    lang_parse_free(&parse);
    free(b.bytes);
}

/* Refuses every request from a certain one on; counts what is out. */
typedef struct Miser {
    int left, out;
} Miser;

static void *miser_alloc(void *ctx, size_t bytes)
{
    Miser *m = ctx;
    if (m->left-- <= 0)
        return NULL;
    m->out++;
    return malloc(bytes);
}

static void miser_free(void *ctx, void *memory)
{
    Miser *m = ctx;
    m->out -= memory != NULL;
    free(memory);
}

static void running_out_of_memory_is_an_error_like_any_other(void **state)
{
    (void)state;
    Buffer b = {0};
    LangParse parse;
    CompileEnv env = world_env();
    buffer_put(&b, "foo: x ");
    buffer_repeat(&b, "1 to: x do: [:i | | t | self bar: [t := i]]. #(1 'a'). #{1 -> x}. ", 300);
    assert_true(lang_parse_method(&parse, b.bytes, b.len, NULL));
    Miser miser = {0};
    LangAllocator allocator = {miser_alloc, miser_free, &miser};
    CodeUnit *unit = NULL;
    int refused = 0;
    for (int allowed = 0; !unit; allowed++, refused++) {
        LangArena arena;
        DiagList diags;
        lang_arena_init(&arena, allocator, 0);
        diag_init(&diags, &arena);
        miser.left = allowed;
        unit = compile_method(parse.method, &env, &diags);
        assert_int_equal(diags.errors, unit == NULL);
        if (!unit)
            assert_true(diags.items[0].message.len > 0);
        miser.left = 1 << 20;
        lang_arena_free(&arena);
        if (!unit)
            assert_int_equal(miser.out, 0);
        assert_true(allowed < 10000);
    }
    assert_true(refused > 5);
    expect_verified(unit, "(generated)");
    code_unit_free(unit);
    assert_int_equal(miser.out, 0);
    lang_parse_free(&parse);
    free(b.bytes);
}

static void too_many_arguments_are_refused(void **state)
{
    (void)state;
    Buffer b = {0}, at_limit = {0};
    LangParse parse;
    for (int i = 0; i < 100; i++)
        put_number(&at_limit, "a: x%d ", i);
    buffer_put(&at_limit, "^self ");
    buffer_repeat(&at_limit, "b: x1 ", 100);
    expect_accepted(AS_METHOD, &at_limit);
    buffer_put(&b, "foo: x ^self ");
    buffer_repeat(&b, "b: x ", 101);
    assert_null(compile_buffer(AS_METHOD, &parse, &b));
    assert_int_equal(parse.diags.errors, 1);
    lang_parse_free(&parse);
    free(b.bytes);
}

/* -- what else a unit tells ------------------------------------------------------------------- */

static CodeUnit *must_compile(CompileAs as, const char *source)
{
    LangParse parse;
    CodeUnit *unit = compile_text(as, &parse, source, strlen(source));
    assert_non_null(unit);
    lang_parse_free(&parse);
    return unit;
}

static void getters_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int slot;
    } cases[] = {{"foo ^q", 1},     {"foo q", -1},   {"foo: x ^q", -1},   {"foo ^q + 1", -1},
                 {"foo 3. ^q", -1}, {"foo ^K1", -1}, {"foo | q | ^q", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CodeUnit *unit = must_compile(AS_METHOD, cases[i].source);
        assert_int_equal(unit->getter_slot, cases[i].slot);
        code_unit_free(unit);
    }
}

static bool bytes_are(Bytes b, const char *z)
{
    return b.len == strlen(z) && memcmp(b.data, z, b.len) == 0;
}

static void units_know_their_names_and_source(void **state)
{
    (void)state;
    CodeUnit *unit = must_compile(AS_METHOD, "foo: x bar: y | t | t := x. ^[:e | e + t]");
    assert_true(bytes_are(unit->selector, "foo:bar:"));
    assert_true(bytes_are(unit->source, "foo: x bar: y | t | t := x. ^[:e | e + t]"));
    assert_true(bytes_are(unit->temp_names[1], "x"));
    assert_true(bytes_are(unit->temp_names[2], "y"));
    assert_true(bytes_are(unit->temp_names[5], "t"));
    const CodeUnit *block = unit->blocks[0];
    assert_true(bytes_are(block->selector, "foo:bar:"));
    assert_true(bytes_are(block->source, "[:e | e + t]"));
    assert_true(bytes_are(block->temp_names[1], "e"));
    assert_true(bytes_are(block->temp_names[4], "t"));
    assert_false(block->uses_self);
    assert_false(block->has_nlr);
    code_unit_free(unit);
}

static void blocks_say_whether_they_use_self_or_return(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool self, nlr;
    } cases[] = {{"foo ^[3]", false, false},          {"foo ^[p]", true, false},
                 {"foo ^[q := 3]", true, false},      {"foo ^[[self]]", true, false},
                 {"foo ^[[^3]]", false, true},        {"foo ^[super bar]", true, false},
                 {"foo ^[thisContext]", true, false}, {"foo ^[[^p]]", true, true},
                 {"foo ^[Array]", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CodeUnit *unit = must_compile(AS_METHOD, cases[i].source);
        assert_int_equal(unit->blocks[0]->uses_self, cases[i].self);
        assert_int_equal(unit->blocks[0]->has_nlr, cases[i].nlr);
        if (cases[i].self)
            assert_int_equal(unit->blocks[0]->captures[0], 0);
        assert_int_equal(unit->home_reg != 0, cases[i].nlr);
        code_unit_free(unit);
    }
}

static void bindings_say_which_are_new(void **state)
{
    (void)state;
    CodeUnit *unit = must_compile(AS_EVALUATE, "| t | t := old. new := t. old := 3. [old]");
    assert_int_equal(unit->nargs, 2);
    assert_true(bytes_are(unit->bindings[0], "old"));
    assert_true(bytes_are(unit->bindings[1], "new"));
    assert_int_equal(unit->new_bindings[0], 0);
    assert_int_equal(unit->new_bindings[1], 1);
    code_unit_free(unit);
    unit = must_compile(AS_SHELL, "| t old | t := old");
    assert_int_equal(unit->nargs, 2);
    assert_int_equal(unit->new_bindings[0], 1);
    assert_int_equal(unit->new_bindings[1], 1);
    code_unit_free(unit);
}

static void places_point_to_the_selector(void **state)
{
    (void)state;
    CodeUnit *unit = must_compile(AS_METHOD, "foo: x\n  x bar: 1\n    baz: 2.\n  ^x zork + 1");
    assert_int_equal(unit->nlines, 3);
    assert_int_equal(unit->lines[0].line, 2);
    assert_int_equal(unit->lines[0].column, 5);
    assert_int_equal(unit->lines[1].line, 4);
    assert_int_equal(unit->lines[1].column, 6);
    assert_int_equal(unit->lines[2].column, 11);
    code_unit_free(unit);
}

static void primitive_stubs_have_no_code(void **state)
{
    (void)state;
    LangParse parse;
    CompileEnv env = world_env();
    const char *source = "A subclass: Object \"\"\"Doc.\"\"\" method: foo: x [ <primitive> ]";
    assert_true(lang_parse_file(&parse, source, strlen(source), NULL));
    const AstMethod *method = parse.file->definitions.items[0]->as.klass->methods.items[0];
    CodeUnit *unit = compile_method(method, &env, &parse.diags);
    assert_non_null(unit);
    assert_true(unit->is_primitive);
    assert_int_equal(unit->ninstr, 0);
    assert_int_equal(unit->nargs, 1);
    assert_true(bytes_are(unit->docstring, "Doc."));
    expect_verified(unit, source);
    code_unit_free(unit);
    lang_parse_free(&parse);
}

static void methods_of_a_file_slice_the_source_of_the_file(void **state)
{
    (void)state;
    LangParse parse;
    CompileEnv env = world_env();
    const char *source = "A subclass: Object\n  method: foo [ ^[:e | e] ]";
    assert_true(lang_parse_file(&parse, source, strlen(source), NULL));
    const AstMethod *method = parse.file->definitions.items[0]->as.klass->methods.items[0];
    CodeUnit *unit = compile_method(method, &env, &parse.diags);
    assert_non_null(unit);
    assert_true(bytes_are(unit->blocks[0]->source, "[:e | e]"));
    code_unit_free(unit);
    lang_parse_free(&parse);
}

static void the_listing_shows_blocks_places_and_names(void **state)
{
    (void)state;
    CodeUnit *unit = must_compile(AS_METHOD, "foo: x ^x bar: [:e | e + x]");
    Buffer out = {0};
    disasm_unit(unit, buffer_sink(&out));
    assert_string_equal(out.bytes, "method foo:: 1 arguments, 0 captures, 9 registers\n"
                                   "      r1=x\n"
                                   "    0  MKBLK r5 block 0 [r1] h4    ; 1:16\n"
                                   "    1  SENDREG r4 r4/1 r1 #bar:    ; 1:11\n"
                                   "    2  RET r4\n"
                                   "\n"
                                   "block in foo:: 1 arguments, 1 captures, 9 registers\n"
                                   "      r1=e r4=x\n"
                                   "    0  ADD r5 r1 r4 h5    ; 1:24\n"
                                   "    1  RET r5\n");
    free(out.bytes);
    code_unit_free(unit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignment_to_what_is_no_variable_is_an_error),
        cmocka_unit_test(undefined_names_read_nil_with_a_warning),
        cmocka_unit_test(strict_compilation_refuses_undefined_names),
        cmocka_unit_test(capitalised_top_level_variables_are_warned_about),
        cmocka_unit_test(variables_shared_with_a_forked_block_are_warned_about),
        cmocka_unit_test(more_variables_than_registers_are_spilled),
        cmocka_unit_test(scripts_have_any_number_of_variables),
        cmocka_unit_test(fallback_closures_work_with_spilled_variables),
        cmocka_unit_test(receiver_chains_have_any_length),
        cmocka_unit_test(more_at_put_sites_than_the_short_form_reaches),
        cmocka_unit_test(compiling_a_tree_again_gives_the_same_code),
        cmocka_unit_test(nesting_up_to_the_limit_compiles),
        cmocka_unit_test(too_deep_expressions_are_refused),
        cmocka_unit_test(running_out_of_memory_is_an_error_like_any_other),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(getters_are_recognised),
        cmocka_unit_test(units_know_their_names_and_source),
        cmocka_unit_test(blocks_say_whether_they_use_self_or_return),
        cmocka_unit_test(bindings_say_which_are_new),
        cmocka_unit_test(places_point_to_the_selector),
        cmocka_unit_test(primitive_stubs_have_no_code),
        cmocka_unit_test(methods_of_a_file_slice_the_source_of_the_file),
        cmocka_unit_test(the_listing_shows_blocks_places_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
