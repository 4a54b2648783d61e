/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_test.h - what the tests of the compiler share: a small world of names, compiling a text,
 * listing the code.
 *
 * In this world p q r s are instance variables (slots 0..3), K1..K9 are class variables of Owner,
 * names of more than two letters are known globals, and old is a binding of the process.
 * Threads: one. */
#ifndef CODEGEN_TEST_H
#define CODEGEN_TEST_H

#include "lang_test.h"

#include "codegen.h"
#include "disasm.h"

static inline int world_field(void *ctx, Bytes name)
{
    (void)ctx;
    return name.len == 1 && name.data[0] >= 'p' && name.data[0] <= 's' ? name.data[0] - 'p' : -1;
}

static inline Bytes world_class_var(void *ctx, Bytes name)
{
    (void)ctx;
    bool is_class_var = name.len == 2 && name.data[0] == 'K';
    return is_class_var ? (Bytes){"Owner", 5} : (Bytes){"", 0};
}

static inline Bytes world_global(void *ctx, Bytes name, bool *known)
{
    (void)ctx;
    *known = name.len > 2;
    return name;
}

static inline bool world_binding(void *ctx, Bytes name)
{
    (void)ctx;
    return name.len == 3 && memcmp(name.data, "old", 3) == 0;
}

static inline CompileEnv world_env(void)
{
    return (CompileEnv){.instance_var = world_field,
                        .class_var = world_class_var,
                        .global = world_global,
                        .binding = world_binding};
}

typedef enum CompileAs { AS_METHOD, AS_SCRIPT, AS_EVALUATE, AS_SHELL } CompileAs;

/* Returns new or NULL; parse must be freed by the caller in both cases. */
static inline CodeUnit *compile_text(CompileAs as, LangParse *parse, const char *s, size_t len)
{
    CompileEnv env = world_env();
    LangText source = lang_text(s, len);
    switch (as) {
    case AS_METHOD:
        if (!lang_parse_method(parse, s, len, NULL))
            return NULL;
        return compile_method(parse->method, &env, &parse->diags);
    case AS_SCRIPT:
        if (!lang_parse_file(parse, s, len, NULL))
            return NULL;
        return compile_script(parse->file, source, &env, &parse->diags);
    default:
        if (!lang_parse_doit(parse, s, len, NULL))
            return NULL;
        return compile_doit(parse->doit, as == AS_SHELL ? DOIT_SHELL : DOIT_EVALUATE, source, &env,
                            &parse->diags);
    }
}

/* Fails the test with the place when the unit does not verify. */
static inline void expect_verified(const CodeUnit *unit, const char *source)
{
    uint32_t pc = 0;
    const char *error = code_verify(unit, &pc);
    if (!error)
        return;
    Buffer text = {0};
    disasm_unit(unit, buffer_sink(&text));
    fail_msg("%s at %u in:\n%s\n%s", error, pc, source, text.bytes);
}

/* The code of the unit; each block follows the code that makes it, between brackets. Recursion is
 * as deep as the blocks of a test nest. */
static inline void list_code(const CodeUnit *unit, Buffer *out)
{
    buffer_put(out, "");
    disasm_plain(unit, buffer_sink(out));
    for (uint32_t i = 0; i < unit->nblocks; i++) {
        buffer_put(out, "[\n");
        list_code(unit->blocks[i], out);
        buffer_put(out, "]\n");
    }
}

static inline void expect_code(CompileAs as, const char *source, const char *expected)
{
    LangParse parse;
    Buffer out = {0};
    char *copy = exact_copy(source, strlen(source));
    CodeUnit *unit = compile_text(as, &parse, copy, strlen(source));
    if (unit) {
        expect_verified(unit, source);
        list_code(unit, &out);
    } else {
        diag_write(&parse.diags, "test", lang_text(copy, strlen(source)), buffer_sink(&out));
    }
    lang_parse_free(&parse); /* a unit does not need the tree */
    free(copy);
    if (strcmp(out.bytes, expected) != 0)
        fail_msg("%s\ngives\n%s\nand not\n%s", source, out.bytes, expected);
    free(out.bytes);
    code_unit_free(unit);
}

/* All diagnostics of compiling, `line:col: severity: message` each on a line. */
static inline void expect_complaints(CompileAs as, const char *source, const char *expected)
{
    LangParse parse;
    Buffer out = {0};
    char *copy = exact_copy(source, strlen(source));
    CodeUnit *unit = compile_text(as, &parse, copy, strlen(source));
    buffer_put(&out, "");
    for (uint32_t i = 0; i < parse.diags.count; i++) {
        const Diag *d = &parse.diags.items[i];
        char place[64];
        snprintf(place, sizeof place, "%s%u:%u: %s: ", i ? "\n" : "", d->span.line, d->span.column,
                 d->severity == DIAG_ERROR ? "error" : "warning");
        buffer_put(&out, place);
        buffer_write(&out, d->message.ptr, d->message.len);
    }
    assert_string_equal(out.bytes, expected);
    assert_true((unit == NULL) == (parse.diags.errors != 0));
    lang_parse_free(&parse);
    code_unit_free(unit);
    free(copy);
    free(out.bytes);
}

#endif
