/* SPDX-License-Identifier: Apache-2.0 */
/* codegen.h - outward header of the compiler: syntax tree to CodeUnit.
 *
 * A unit owns all its memory (code_unit_free); it does not refer to the tree or the source. Errors
 * and warnings go to the diagnostics with file positions; with an error the answer is NULL.
 * Memory comes from the allocator of the diagnostics' arena, which must outlive the unit; running
 * out of it is an error like any other.
 * The trees are only borrowed, but their `tag` and `info` fields are overwritten.
 *
 * C stack: bounded by the nesting limit of the parse.
 * Threads: any; a tree belongs to one compilation at a time. */
#ifndef LANG_CODEGEN_H
#define LANG_CODEGEN_H

#include "ast.h"
#include "code.h"
#include "diag.h"

/* What becomes of the top-level variables of statements. */
typedef enum DoitMode {
    DOIT_SCRIPT,   /* all are temporaries of the doit, also undeclared names that are assigned */
    DOIT_EVALUATE, /* declared ones are temporaries; undeclared ones that exist (env.binding) or are
                      assigned are bindings of the process */
    DOIT_SHELL     /* declared ones are bindings too, made anew by the declaration */
} DoitMode;

/* Compiles a method, also a bare one. A `[ <primitive> ]` stub gives a unit with is_primitive and
 * no instructions. Returns new, NULL on errors. */
CodeUnit *compile_method(const AstMethod *method, const CompileEnv *env, DiagList *diags);

/* Compiles a doit; `source` is the text it was parsed from. Returns new, NULL on errors. */
CodeUnit *compile_doit(const AstDoit *doit, DoitMode mode, LangText source, const CompileEnv *env,
                       DiagList *diags);

/* Compiles the statements of a file (AstFile.script) as one doit in mode DOIT_SCRIPT. Returns new,
 * NULL on errors; also without statements there is a unit (it answers nil). */
CodeUnit *compile_script(const AstFile *file, LangText source, const CompileEnv *env,
                         DiagList *diags);

#endif
