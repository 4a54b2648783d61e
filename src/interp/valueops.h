/* SPDX-License-Identifier: Apache-2.0 */
/* valueops.h - `=` and `hash` of the built-in kinds of values without a send.
 *
 * Built in are SmallInteger, BigInteger, Float, Character, String, Symbol, nil, Booleans, classes
 * and processes, and exactly those: an instance of a subclass of String may have own methods.
 * For them value_equal_builtin is what `=` answers and value_hash_builtin follows what `hash`
 * answers, so that one table may hold them beside keys whose hash came from Maggie code.
 *
 * Threads: any; the Values must belong to the caller. The work is bounded by VALUE_WORK_BYTES.
 */
#ifndef MAGGIE_VALUEOPS_H
#define MAGGIE_VALUEOPS_H

#include "heap.h"
#include "value.h"

struct Vm;

/* Longer strings are not hashed or compared here (I5): the primitives of String do it in pieces. */
#define VALUE_WORK_BYTES ((size_t)64 * 1024)

/* a = b: 1 or 0; -1 when only a send can tell, because `a` is not built in (or too long). */
int value_equal_builtin(const struct Vm *vm, Value a, Value b);

/* What `v hash` answers; false when only a send can tell. 0 .. 2^47-1. */
bool value_hash_answer(Value v, uint64_t *hash);

/* Folds the answer of `hash` to 32 bits; small non-negative integers stay as they are. The bits are
 * not spread: a table masks them after hash_mix64 or the like. */
static inline uint32_t value_fold_hash(uint64_t hash) { return (uint32_t)(hash ^ hash >> 32); }

/* value_fold_hash of value_hash_answer. */
bool value_hash_builtin(const struct Vm *vm, Value v, uint32_t *hash);

/* Content comparison of two strings (value_is_string): no limit of work. */
bool value_strings_equal(Value a, Value b);
/* a = b of two BigIntegers. */
bool value_bigints_equal(Value a, Value b);

#endif
