/* SPDX-License-Identifier: Apache-2.0 */
/* quick.h - Float arithmetic of the dispatch loop and the quick forms of its instructions.
 *
 * A site that has seen two Floats gets a quick form, which tries Floats first; with the instruction
 * behind it a pair, where that one consumes the result: its operand then need not come back from
 * memory, and a dispatch is saved. Whatever does not fit turns the site back.
 *
 * Threads: schedulers share the words; all forms of a site mean the same, so it does not matter who
 * sees which.
 * Invariant: a quick form differs from the compiled instruction only in its operation. */
#ifndef MAGGIE_QUICK_H
#define MAGGIE_QUICK_H

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "atomics.h"
#include "code.h"
#include "value.h"

/* Decoding without a test, and encoding of what is no NaN; on x86-64 all of it in the vector unit,
 * where a scalar double would have to be extended by an instruction before it can be encoded. */
#if defined(__SSE2__)
typedef __m128d Number; /* a double in the low half; the high half means nothing */
static inline Number float_decode(Value v)
{
    __m128i bits = _mm_cvtsi64_si128((int64_t)v);
    return _mm_castsi128_pd(_mm_sub_epi64(bits, _mm_set_epi64x(0, (int64_t)VALUE_FLOAT_OFFSET)));
}
static inline Value float_encode(Number x)
{
    return (Value)_mm_cvtsi128_si64(
        _mm_add_epi64(_mm_castpd_si128(x), _mm_set_epi64x(0, (int64_t)VALUE_FLOAT_OFFSET)));
}
static inline double number_double(Number x) { return _mm_cvtsd_f64(x); }
static inline Number number_ADD(Number x, Number y) { return _mm_add_sd(x, y); }
static inline Number number_SUB(Number x, Number y) { return _mm_sub_sd(x, y); }
static inline Number number_MUL(Number x, Number y) { return _mm_mul_sd(x, y); }
static inline Number number_DIV(Number x, Number y) { return _mm_div_sd(x, y); }
#else
typedef double Number;
static inline Number float_decode(Value v) { return value_as_float(v); }
static inline Value float_encode(Number x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits + VALUE_FLOAT_OFFSET;
}
static inline double number_double(Number x) { return x; }
static inline Number number_ADD(Number x, Number y) { return x + y; }
static inline Number number_SUB(Number x, Number y) { return x - y; }
static inline Number number_MUL(Number x, Number y) { return x * y; }
static inline Number number_DIV(Number x, Number y) { return x / y; }
#endif
static inline bool number_is_nan(Number x)
{
    return __builtin_isunordered(number_double(x), number_double(x));
}

/* Writes another form over the instruction just fetched (`ins`, before pc). All schedulers share
 * the word and both forms mean the same, so it does not matter who sees which. */
static inline void quicken(const Instr *pc, Instr ins, Opcode op)
{
    Instr *at = (Instr *)(uintptr_t)(pc - 1);
    /* relaxed: the word stands for itself; FETCH reads it the same way */
    atom_store_rlx(at, (ins & ~(Instr)0xFF) | (Instr)op);
}

/* The general form of a quick form, of the first half of a pair. */
Opcode quick_general(Opcode quick);
/* The quick form of an operator alone. */
Opcode quick_single(Opcode general);
/* The quick form for an ADD, SUB, MUL or DIV that has seen two Floats, in front of `next`: a pair
 * where there is one. */
Opcode quick_choose(Instr ins, Instr next);

#endif
