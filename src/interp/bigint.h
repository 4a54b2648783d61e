/* SPDX-License-Identifier: Apache-2.0 */
/* bigint.h - arithmetic on integers of any size, over GMP's mpn layer, on memory of the caller.
 *
 * A number is sign and magnitude: limbs with the least significant first. An operation is a BigJob:
 * the caller sets the operands, bigint_plan says how much room and time it takes, the caller
 * provides `out` and `scratch`, bigint_run does it. So the same job runs in place, on the C stack,
 * or with copied operands on a dirty thread.
 *
 * Threads: pure functions. mpn itself takes temporary memory from malloc for big operands and
 * aborts when there is none; the size cap bounds it to a few times BIGINT_LIMBS_MAX limbs.
 */
#ifndef MAGGIE_BIGINT_H
#define MAGGIE_BIGINT_H

#include <gmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

typedef mp_limb_t BigLimb;
_Static_assert(sizeof(BigLimb) == 8, "limbs are heap words");
_Static_assert(GMP_NUMB_BITS == 64, "limbs have no spare bits");

/* No result has more bits (2^26 and one limb, so that 1 bitShift: 2^26 still has a place). */
#define BIGINT_SHIFT_MAX (INT64_C(1) << 26)
#define BIGINT_LIMBS_MAX ((size_t)(BIGINT_SHIFT_MAX / 64) + 1)

/* Borrowed number. n == 0 is zero (then not negative); otherwise the top limb is not 0. */
typedef struct BigView {
    const BigLimb *limbs;
    size_t n;
    bool negative;
} BigView;

/* The view of a machine integer; *store must live as long as the view. */
BigView bigint_of_int64(int64_t i, BigLimb *store);
/* True when the number is a SmallInteger's; then *out is it. */
bool bigint_to_small(BigView a, int64_t *out);
/* Number of limbs without leading zeros. */
size_t bigint_trim(const BigLimb *limbs, size_t n);
/* Bits of the magnitude; 0 for zero. */
uint64_t bigint_bits(BigView a);

/* -1, 0, 1. */
int bigint_compare(BigView a, BigView b);
/* -1, 0, 1, exactly; 2 when d is NaN. */
int bigint_compare_double(BigView a, double d);
/* Nearest double, ties to even; infinite when too large. */
double bigint_to_double(BigView a);
/* (limbs + something in (0, 1) if `sticky`) * 2^exponent, rounded once. With sticky at least 64
 * significant bits must be given. */
double bigint_scaled_double(const BigLimb *limbs, size_t n, bool sticky, int64_t exponent);
#define BIGINT_DOUBLE_LIMBS 17
/* The integer part of a finite double, in `store` of BIGINT_DOUBLE_LIMBS limbs. */
BigView bigint_of_double(double d, BigLimb *store);
/* Equal numbers have equal hashes. Looks at a bounded number of limbs. 0 .. 2^47-1. */
uint64_t bigint_hash(BigView a);

typedef enum BigOp {
    BIG_ADD,
    BIG_SUB,
    BIG_MUL,
    BIG_QUO, /* truncated quotient; b not zero */
    BIG_REM, /* remainder with the sign of a */
    BIG_DIV, /* floored quotient */
    BIG_MOD, /* remainder with the sign of b */
    BIG_AND, /* two's complement */
    BIG_OR,
    BIG_XOR,
    BIG_SHIFT, /* by count bits; negative: to the right, rounding down */
    BIG_POWER, /* a to the power count >= 0 */
    BIG_GCD,
    BIG_SQRT, /* of a >= 0, rounded down */
    BIG_TEXT, /* digits of base count (2..36), '-' in front; out holds out_n bytes */
    BIG_PARSE /* text of digits only, base count */
} BigOp;

typedef struct BigJob {
    /* set by the caller */
    BigOp op;
    BigView a, b;
    int64_t count;
    const uint8_t *text; /* BIG_PARSE: each byte is a valid digit; text_len > 0 */
    size_t text_len;
    bool negative; /* BIG_PARSE: the sign to give the result */
    /* set by bigint_plan */
    size_t out_limbs, scratch_limbs;
    uint64_t cost_ns; /* rough */
    /* set by the caller from the plan; neither overlaps anything */
    BigLimb *out, *scratch;
    /* set by bigint_run; the result is trimmed */
    size_t out_n;
    bool out_negative;
} BigJob;

/* STATUS_OK, or STATUS_TOO_BIG when the result certainly exceeds BIGINT_LIMBS_MAX. It may still do
 * so by little: see bigint_fits. Divisors are not zero, BIG_SQRT's operand is not negative. */
Status bigint_plan(BigJob *job) MUST_CHECK;
/* Cannot fail after a successful plan. */
void bigint_run(BigJob *job);
/* Is the result within the cap? */
static inline bool bigint_fits(const BigJob *job)
{
    return job->op == BIG_TEXT || job->out_n <= BIGINT_LIMBS_MAX;
}
static inline BigView bigint_result(const BigJob *job)
{
    return (BigView){job->out, job->out_n, job->out_negative};
}

#endif
