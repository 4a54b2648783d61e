/* SPDX-License-Identifier: Apache-2.0 */
/* tablekey.h - keys of Tables: which values may be one, their hash and their total order.
 *
 * Keys are numbers (but no NaN), Characters, Symbols, Strings, nil, Booleans, classes, processes,
 * references, timers, and Arrays of keys; exactly those classes. They are equal when those of a
 * Dictionary would be, Arrays when their elements are. The order: numbers by value (an integer
 * before the Float that has its value), then Characters, Symbols and Strings by their code points,
 * the other immediates, and Arrays element by element.
 * Threads: any; the Values belong to the caller, or are immutable. The size of a key is bounded. */
#ifndef MAGGIE_TABLEKEY_H
#define MAGGIE_TABLEKEY_H

#include "heap.h"
#include "value.h"

/* A key has no more bytes and elements than this, nor Arrays deeper than that. */
#define TABLEKEY_BYTES 4096
#define TABLEKEY_DEPTH 8

/* NULL and the hash, or why it is no key (static text). */
const char *tablekey_hash(Value key, uint64_t *hash);
/* <0, 0, >0. `vm` is a Vm: symbols have their names there. */
int tablekey_compare(const void *vm, Value a, Value b);

#endif
