/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_compile.c - any bytes through lexer, parser, compiler, verifier and disassembler.
 *
 * What the compiler makes must verify. A copy of the code with one instruction overwritten must
 * be judged without harm, whatever the judgement. The first byte chooses the kind of text, the next
 * four the mutation, the rest is the source. Built with -Dfuzz=true this is a libFuzzer target;
 * otherwise it runs the files named on its command line, to repeat a finding.
 * Threads: one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen.h"
#include "disasm.h"
#include "parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 5 };

static void require(bool holds, const char *what, const char *detail)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s (%s)\n", what, detail);
    abort();
}

static int field_index(void *ctx, Bytes name)
{
    (void)ctx;
    return name.len == 1 && name.data[0] >= 'p' && name.data[0] <= 's' ? name.data[0] - 'p' : -1;
}

static Bytes class_var_owner(void *ctx, Bytes name)
{
    (void)ctx;
    bool is_class_var = name.len == 2 && name.data[0] == 'K';
    return is_class_var ? (Bytes){"Owner", 5} : (Bytes){"", 0};
}

static bool is_binding(void *ctx, Bytes name)
{
    (void)ctx;
    return name.len == 3;
}

static void count_bytes(void *ctx, const char *bytes, size_t len)
{
    size_t *sum = ctx;
    for (size_t i = 0; i < len; i++)
        *sum += (unsigned char)bytes[i];
}

static void mutate(CodeUnit *unit, const uint8_t *how)
{
    uint32_t pc;
    while (unit->nblocks && (how[0] & 1)) { /* somewhere inside */
        unit = unit->blocks[how[1] % unit->nblocks];
        if (how[0] & 2)
            break;
    }
    if (!unit->ninstr)
        return;
    Instr *victim = &unit->instr[(how[1] + how[2] * 256u) % unit->ninstr];
    *victim ^= (Instr)how[3] << (how[0] >> 2) % 64;
    (void)code_verify(unit, &pc);
}

static void check_unit(CodeUnit *unit, const uint8_t *how)
{
    uint32_t pc;
    size_t sum = 0;
    const char *error = code_verify(unit, &pc);
    require(!error, "compiled code verifies", error ? error : "");
    disasm_unit(unit, (LangSink){count_bytes, &sum});
    mutate(unit, how);
    error = code_verify(unit, &pc);
    if (!error)
        disasm_unit(unit, (LangSink){count_bytes, &sum});
    code_unit_free(unit);
}

static void check_methods(AstFile *file, const CompileEnv *env, LangParse *parse,
                          const uint8_t *how)
{
    for (uint32_t i = 0; i < file->definitions.count; i++) {
        const AstNode *node = file->definitions.items[i];
        if (node->kind != AST_CLASS)
            continue;
        for (uint32_t k = 0; k < node->as.klass->methods.count; k++) {
            CodeUnit *unit = compile_method(node->as.klass->methods.items[k], env, &parse->diags);
            if (unit)
                check_unit(unit, how);
        }
    }
}

static CodeUnit *compile(unsigned kind, LangParse *parse, const char *text, size_t len,
                         const CompileEnv *env, const uint8_t *how)
{
    LangText source = lang_text(text, len);
    LangOptions options = {.memory_max = 64 << 20, .script_temps = kind & 4};
    switch (kind & 3) {
    case 0:
        if (!lang_parse_method(parse, text, len, &options))
            return NULL;
        return compile_method(parse->method, env, &parse->diags);
    case 1:
        if (!lang_parse_file(parse, text, len, &options))
            return NULL;
        check_methods(parse->file, env, parse, how);
        return compile_script(parse->file, source, env, &parse->diags);
    default:
        if (!lang_parse_doit(parse, text, len, &options))
            return NULL;
        return compile_doit(parse->doit, (kind & 3) == 2 ? DOIT_EVALUATE : DOIT_SHELL, source, env,
                            &parse->diags);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    LangParse parse;
    CompileEnv env = {.instance_var = field_index,
                      .class_var = class_var_owner,
                      .binding = is_binding,
                      .strict = data[0] & 8};
    size_t len = size - HEAD;
    char *text = malloc(len ? len : 1);
    if (!text)
        return 0;
    memcpy(text, data + HEAD, len);
    CodeUnit *unit = compile(data[0], &parse, text, len, &env, data + 1);
    require(unit || parse.diags.errors, "a failed compilation reports an error", "");
    lang_parse_free(&parse);
    free(text); /* a unit refers to neither tree nor source */
    if (unit)
        check_unit(unit, data + 1);
    return 0;
}

#ifndef MAGGIE_FUZZ
static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    static const size_t most = 1 << 20;
    uint8_t *bytes = malloc(most);
    if (!bytes)
        abort();
    size_t size = fread(bytes, 1, most, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_file(argv[i]);
    return 0;
}
#endif
