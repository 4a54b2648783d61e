/* SPDX-License-Identifier: Apache-2.0 */
/* loader.h - from source files to installed classes: parse, define, compile, link, install.
 *
 * A batch is all or nothing as far as parsing, defining and compiling go: with any error nothing is
 * installed (class shapes that were already defined stay, without methods). Order of files and of
 * definitions in them does not matter.
 * Threads: any thread with a VmLocal of its own; batches of one VM one at a time (vm->load_lock).
 */
#ifndef MAGGIE_LOADER_H
#define MAGGIE_LOADER_H

#include "class.h"
#include "codegen.h"
#include "parser.h"

/* Where definitions and units go besides the VM: the image writer. Each may be NULL. */
typedef struct LoaderTap {
    void *ctx;
    void (*define)(void *ctx, const ClassSpec *spec);
    /* owner: qualified name; takes nothing, the unit is freed after the call */
    void (*method)(void *ctx, Bytes owner, bool class_side, const CodeUnit *unit, Bytes file,
                   uint32_t line);
    void (*trait)(void *ctx, Bytes name, CodeUnit *const *units, uint32_t nunits,
                  const Bytes *required, uint32_t nrequired);
} LoaderTap;

typedef struct LoaderOptions {
    bool strict;     /* L4: undefined names are errors */
    bool boot;       /* the library itself: primitives allowed, superclasses checked */
    bool check_only; /* parse and compile, install nothing */
    bool no_warnings;
    LangSink sink; /* diagnostics as text */
    const LoaderTap *tap;
} LoaderOptions;

typedef struct Loader Loader;

/* Returns new. Borrows the options' pointers until loader_free. */
Loader *loader_new(Vm *vm, VmLocal *l, const LoaderOptions *options);
/* Parses a file (copies path and text). `space`: namespace by directory, or empty. STATUS_SYNTAX
 * after errors, which have been written to the sink; parsing goes on with the next file. */
MUST_CHECK Status loader_add(Loader *loader, Bytes path, Bytes text, Bytes space);
/* Reads the file (limit: LANG_SOURCE_MAX) and adds it. Errors are written to the sink. */
MUST_CHECK Status loader_add_file(Loader *loader, const char *path, Bytes space);
/* Defines, compiles, installs. STATUS_SYNTAX when anything was wrong (written to the sink). */
MUST_CHECK Status loader_run(Loader *loader);
/* The scripts of the files in order: code to run with nil as receiver; NULL for files without.
 * Who takes one has its count (class.h: code_link). */
uint32_t loader_script_count(const Loader *loader);
const CodeUnit *loader_script_unit(const Loader *loader, uint32_t i);
Code *loader_take_script(Loader *loader, uint32_t i);
uint32_t loader_method_count(const Loader *loader);
uint32_t loader_error_count(const Loader *loader);
void loader_free(Loader *loader);

/* One method for an existing class (compileAndInstall:): bare or with its wrapper. The selector
 * in *selector, 0 when nothing was installed. On STATUS_SYNTAX `report` (a Buf of the caller)
 * holds the text. */
struct Buf;
MUST_CHECK Status loader_compile_method(VmLocal *l, uint32_t cls, Bytes source, uint32_t *selector,
                                        struct Buf *report);
/* The same without linking: returns a new unit. cls may be CLASS_NONE. */
MUST_CHECK Status loader_compile_unit(Vm *vm, uint32_t cls, Bytes source, CodeUnit **out,
                                      bool *class_side, struct Buf *report);
/* A doit (evaluate:), with its count (class.h: code_link). `binding` tells which top-level
 * variables exist (ctx, name). */
typedef struct DoitRequest {
    Bytes source;
    Bytes file; /* for messages and traces */
    DoitMode mode;
    bool (*binding)(void *ctx, Bytes name);
    void *binding_ctx;
    bool strict;
} DoitRequest;
MUST_CHECK Status loader_compile_doit(VmLocal *l, const DoitRequest *request, Code **out,
                                      struct Buf *report);

/* Traits known to the VM (loader and image). Takes the units. */
MUST_CHECK Status trait_define(Vm *vm, Bytes name, CodeUnit **units, uint32_t nunits,
                               const Bytes *required, uint32_t nrequired);
void traits_free(Vm *vm);

/* 3.4: namespace of a file by its directory relative to a base, e.g. "web-ui/forms" gives
 * WebUi::Forms. Writes at most size bytes with a NUL. */
void loader_space_of_path(const char *relative, char *out, size_t size);

#endif
