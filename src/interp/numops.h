/* SPDX-License-Identifier: Apache-2.0 */
/* numops.h - arithmetic of the interpreter's slow paths, and tools for primitives on numbers.
 *
 * The num_* functions are primitives (prim.h): the receiver in args[0] is any number, the argument
 * in args[1] any value. They are registered for SmallInteger, BigInteger and Float alike and may be
 * called directly with a PrimCall set up as for a primitive. Big operands send them to a dirty
 * thread (PRIM_DIRTY); they then expect to be called again with dirty_done, and when the answer
 * needs a collection first (PRIM_GC) once more with dirty_done and the same dirty_state.
 * dirty_state is NULL again as soon as the state is freed.
 *
 * Errors: PrimitiveError "argument must be a number", "result is too large", ZeroDivide, TypeError.
 * `=` and `~=` never fail.
 *
 * Threads: the owner of the process.
 */
#ifndef MAGGIE_NUMOPS_H
#define MAGGIE_NUMOPS_H

#include "bigint.h"
#include "prim.h"

/* ---- the operations ------------------------------------------------------------------------ */

PrimStatus num_add(PrimCall *c);  /* +  */
PrimStatus num_sub(PrimCall *c);  /* -  */
PrimStatus num_mul(PrimCall *c);  /* *  */
PrimStatus num_div(PrimCall *c);  /* /  integers: truncated */
PrimStatus num_idiv(PrimCall *c); /* // integers only: floored */
PrimStatus num_mod(PrimCall *c);  /* \\ integers only: sign of the receiver */
PrimStatus num_less(PrimCall *c); /* <  */
PrimStatus num_greater(PrimCall *c);
PrimStatus num_less_eq(PrimCall *c);
PrimStatus num_greater_eq(PrimCall *c);
PrimStatus num_equal(PrimCall *c);     /* =  */
PrimStatus num_not_equal(PrimCall *c); /* ~= */
PrimStatus num_hash(PrimCall *c);
PrimStatus num_bit_and(PrimCall *c);
PrimStatus num_bit_or(PrimCall *c);
PrimStatus num_bit_xor(PrimCall *c);
PrimStatus num_bit_shift(PrimCall *c);

/* ---- tools --------------------------------------------------------------------------------- */

/* -1, 0, 1: order of two numbers, exact also between kinds; 2 when one is NaN; 3 when one of the
 * values is no number. */
int num_compare(Value a, Value b);

static inline BigView num_big_view(Value v)
{
    Object *o = obj_of(v);
    return (BigView){(const BigLimb *)obj_slots(o), obj_words(o),
                     (obj_pad(o) & OBJ_BIGINT_NEGATIVE_PAD) != 0};
}
static inline bool num_is_integer(Value v)
{
    return value_is_int(v) || value_is_kind(v, OBJ_BIG_INT);
}
/* View of a SmallInteger or BigInteger; false for anything else. *store belongs to the view. */
bool num_integer_view(Value v, BigLimb *store, BigView *out);
/* Any number as the nearest double; false for anything else. */
bool num_to_double(Value v, double *out);
/* Answers the number, normalised. */
PrimStatus num_answer(PrimCall *c, BigView n);
/* Answers the integer part of d; PrimitiveError for NaN and infinities. */
PrimStatus num_answer_truncated(PrimCall *c, double d);

/* Runs the job and answers its result (a number, or a String for BIG_TEXT): at once, or on a dirty
 * thread with copied operands when it takes too long. */
PrimStatus num_run(PrimCall *c, BigJob *job);
/* What a primitive that uses num_run does first when c->dirty_done. */
PrimStatus num_finish(PrimCall *c);

#endif
