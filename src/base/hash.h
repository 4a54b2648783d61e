/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - the hash functions in use: FNV-1a for bytes, a finalizer for words.
 * Not keyed: tables fed by strangers must bound their probing or mix in a salt.
 * Threads: pure functions. */
#ifndef MAGGIE_HASH_H
#define MAGGIE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_FNV32_START 2166136261u

/* Continues an FNV-1a over `n` more bytes. */
static inline uint32_t hash_fnv32_more(uint32_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 16777619u;
    return hash;
}

static inline uint32_t hash_fnv32(const void *bytes, size_t n)
{
    return hash_fnv32_more(HASH_FNV32_START, bytes, n);
}

/* Spreads all 64 bits over all 64 bits (bijective). */
static inline uint64_t hash_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Folds one more word into a running hash; order matters. */
static inline uint64_t hash_fold64(uint64_t hash, uint64_t word)
{
    return hash_mix64(hash * 0x9E3779B97F4A7C15u + word);
}

#endif
