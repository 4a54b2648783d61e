/* SPDX-License-Identifier: Apache-2.0 */
/* atomics.h - the one place for atomic operations on shared words.
 * Words are plain integers or pointers; every access that can race goes through these macros, and
 * the place of use says what it publishes and what it pairs with. They are C11 operations (compiler
 * builtins), so ThreadSanitizer follows them; the only thing it cannot follow, a full fence, takes
 * a word and becomes a read-modify-write of it there (see atom_fence_full).
 * Threads: any. */
#ifndef MAGGIE_ATOMICS_H
#define MAGGIE_ATOMICS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(MAGGIE_TSAN)
/* The build says so. */
#elif defined(__SANITIZE_THREAD__)
#define MAGGIE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAGGIE_TSAN 1
#endif
#endif
#ifndef MAGGIE_TSAN
#define MAGGIE_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define MAGGIE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MAGGIE_ASAN 1
#endif
#endif
#ifndef MAGGIE_ASAN
#define MAGGIE_ASAN 0
#endif

#if !MAGGIE_TSAN
#include <ck_pr.h>
#endif

/* Size of a cache line, for padding between words of different writers. */
#define CACHE_LINE 64

/* Relaxed: the value alone matters, nothing else is read because of it. */
#define atom_load_rlx(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define atom_store_rlx(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* What was written before the release store is seen after the acquire load that reads it. */
#define atom_load_acq(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atom_store_rel(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Read-modify-write; each answers the value from before. Acquire and release at once. */
#define atom_xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define atom_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define atom_sub(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define atom_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define atom_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)

/* Counters that order nothing. */
#define atom_add_rlx(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define atom_sub_rlx(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)

/* A counter with one writer and many readers: cheaper than a read-modify-write. Owner only. */
#define atom_bump_owned(p, v) atom_store_rlx((p), atom_load_rlx(p) + (v))

/* Strong compare and swap: true when *p was *expected and is now v; else *expected is what was
 * found. Acquire and release on success, acquire on failure. */
#define atom_cas(p, expected, v)                                                                   \
    __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define atom_cas_weak(p, expected, v)                                                              \
    __atomic_compare_exchange_n((p), (expected), (v), true, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Sequentially consistent forms, for the store-then-look-at-the-other handshakes. */
#define atom_add_seq(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define atom_sub_seq(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define atom_xchg_seq(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define atom_load_seq(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)

/* Full fence between an earlier store and a later load ("I published; did the other see it?").
 * `word` (uint32_t *) must be the word that the other side changes by a read-modify-write in its
 * half of the handshake: under ThreadSanitizer the fence is a read-modify-write of that word, which
 * orders the two halves without a fence. Elsewhere the word is not touched; a locked operation on
 * the own stack costs 2 ns where mfence costs 16. */
static inline void atom_fence_full(uint32_t *word)
{
#if MAGGIE_TSAN
    (void)__atomic_fetch_add(word, 0, __ATOMIC_SEQ_CST);
#elif defined(__x86_64__)
    (void)word;
    __asm__ __volatile__("lock; orl $0, (%%rsp)" ::: "memory", "cc");
#else
    (void)word;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* A pause in a spin loop. */
static inline void atom_stall(void)
{
#if MAGGIE_TSAN
    __asm__ __volatile__("" ::: "memory");
#else
    ck_pr_stall();
#endif
}

#endif
