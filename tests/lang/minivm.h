/* SPDX-License-Identifier: Apache-2.0 */
/* minivm.h - a small world in which the tree of a program and its compiled code are both run, to be
 * compared: what a program logs and answers must be the same.
 *
 * minivm_eval walks the tree and follows the language: every block is a closure, every variable a
 * shared place. minivm_exec runs the code with the windows and frames of the real machine, and is
 * as hostile as the contract allows: at every safepoint the registers from the live height on are
 * destroyed, and those below must hold values.
 *
 * Values: nil, Booleans, integers (BIG: the same, but not a SmallInteger), closures, Arrays, self.
 * Every operation is total: what makes no sense answers 7. Running out of fuel ends a run; then
 * there is nothing to compare.
 * Threads: one. */
#ifndef MINIVM_H
#define MINIVM_H

#include "codegen_test.h"

typedef enum Tag {
    T_POISON,
    T_NIL,
    T_BOOL,
    T_INT,
    T_BIG,
    T_CLOSURE,
    T_ARRAY,
    T_CELL,
    T_SELF,
    T_TOKEN,
    T_CLASS
} Tag;

typedef struct Val {
    Tag tag;
    int64_t i; /* BOOL, INT, BIG, TOKEN; ARRAY: number of elements */
    void *p;   /* CLOSURE, ARRAY, CELL */
} Val;

typedef struct Closure Closure;

typedef struct World {
    LangArena arena;
    Buffer trace;
    Val fields[4];
    int64_t fuel;
    bool stopped;   /* out of fuel: unwind everything */
    bool returning; /* a ^ is on its way to its home */
    uint64_t home;  /* of that ^ */
    Val result;
    uint64_t serial;  /* of activations */
    uint64_t *active; /* homes that can be returned to */
    uint32_t nactive, active_room;
    /* runs the method again for `self m: a with: b` */
    Val (*method)(struct World *w, Val a, Val b);
    const void *code; /* what `method` runs */
    Val *stack;
    size_t stack_used, stack_max;
    const char *broken; /* a violated promise of the compiler */
} World;

void minivm_init(World *w);
void minivm_free(World *w);
/* Runs the tree of a method `m: a with: b`, or of statements (params.count 0). */
Val minivm_eval(World *w, AstVarList params, AstVarList temps, AstNodeList body, Val a, Val b);
Val minivm_exec(World *w, const CodeUnit *unit, Val a, Val b);
void minivm_print(Buffer *out, Val v, int depth);

#endif
