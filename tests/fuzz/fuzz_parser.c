/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_parser.c - any bytes through lexer and parser: no crash, and what the headers promise holds.
 *
 * The first byte chooses the entry point and the options, the rest is the source. Built with
 * -Dfuzz=true this is a libFuzzer target; otherwise it runs the files named on its command line,
 * to repeat a finding.
 * Threads: one. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ast_dump.h"
#include "parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

/* Counts what is printed; touching each byte lets the sanitizer see bad reads. */
static void count_bytes(void *ctx, const char *bytes, size_t len)
{
    size_t *sum = ctx;
    for (size_t i = 0; i < len; i++)
        *sum += (unsigned char)bytes[i];
}

static void check_diagnostics(const LangParse *p, bool ok, LangText source)
{
    size_t sum = 0;
    LangSink sink = {count_bytes, &sum};
    require(ok == (p->diags.errors == 0), "a parse fails exactly when it reports an error");
    require(p->diags.count <= LANG_DIAG_MAX, "the list of diagnostics is bounded");
    for (uint32_t i = 0; i < p->diags.count; i++) {
        LangSpan s = p->diags.items[i].span;
        require(s.start <= s.end && s.end <= source.len, "a span lies inside the source");
    }
    diag_write(&p->diags, "fuzz", source, sink);
    diag_report(&p->diags, "parse errors", sink);
}

static void check_tokens(const LangParse *p, LangText source)
{
    uint32_t end = 0;
    require(p->tokens.count > 0, "there is always an EOF token");
    for (uint32_t i = 0; i < p->tokens.count; i++) {
        const Token *t = &p->tokens.items[i];
        require(t->kind == TOKEN_ERROR || t->span.start >= end, "tokens do not overlap");
        require(t->span.end <= source.len, "a token lies inside the source");
        if (t->kind != TOKEN_ERROR)
            end = t->span.end;
    }
    require(p->tokens.items[p->tokens.count - 1].kind == TOKEN_EOF, "EOF comes last");
}

static void dump_tree(const LangParse *p)
{
    size_t sum = 0;
    LangSink sink = {count_bytes, &sum};
    LangAllocator a = lang_allocator_malloc();
    AstDumpOptions o = {.positions = true};
    if (p->file)
        require(ast_dump_file(p->file, &o, a, sink), "a file can be dumped");
    if (p->doit)
        require(ast_dump_doit(p->doit, &o, a, sink), "a doit can be dumped");
    if (p->method)
        require(ast_dump_method(p->method, &o, a, sink), "a method can be dumped");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LangParse p;
    if (size == 0)
        return 0;
    uint8_t mode = data[0];
    LangText source = lang_text((const char *)data + 1, size - 1);
    LangOptions o = {.no_script = (mode & 4) != 0,
                     .script_temps = (mode & 8) != 0,
                     .keep_tokens = (mode & 16) != 0,
                     .memory_max = (mode & 32) ? 20000 : 0,
                     .nesting_max = (mode & 64) ? 5 : 0};
    bool ok = (mode & 3) == 0   ? lang_parse_doit(&p, source.ptr, source.len, &o)
              : (mode & 3) == 1 ? lang_parse_method(&p, source.ptr, source.len, &o)
                                : lang_parse_file(&p, source.ptr, source.len, &o);
    check_diagnostics(&p, ok, source);
    if (ok && o.keep_tokens)
        check_tokens(&p, source);
    if (ok)
        dump_tree(&p);
    lang_parse_free(&p);
    return 0;
}

#ifndef MAGGIE_FUZZ
static int run_file(const char *name)
{
    FILE *f = fopen(name, "rb");
    long len = -1;
    if (f && fseek(f, 0, SEEK_END) == 0)
        len = ftell(f);
    uint8_t *bytes = len >= 0 ? malloc((size_t)len + 1) : NULL;
    bool read =
        bytes && fseek(f, 0, SEEK_SET) == 0 && fread(bytes, 1, (size_t)len, f) == (size_t)len;
    if (read)
        LLVMFuzzerTestOneInput(bytes, (size_t)len);
    else
        fprintf(stderr, "cannot read %s\n", name);
    free(bytes);
    if (f)
        fclose(f);
    return read ? 0 : 1;
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++)
        bad |= run_file(argv[i]);
    return bad;
}
#endif
