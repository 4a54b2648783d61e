/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h - a four-byte mutex and the futex calls it and the sleepers stand on.
 * Unlike a pthread mutex it fits into any struct, needs no destroy and costs one compare-and-swap
 * and one exchange when free (about 5 ns).
 * Threads: any. Not recursive. Not for scheduler paths that every message takes (M20).
 *
 * Lock order (levels; a thread takes only locks of a higher level than it holds):
 *   1 sched global list, dirty pool   2 timer wheel   3 symbol table, PoolShared
 *   4 memory pool, epoch records
 * Upper folders add their own levels below 1. */
#ifndef MAGGIE_LOCK_H
#define MAGGIE_LOCK_H

#include "atomics.h"

/* 0 free, 1 held, 2 held and perhaps somebody sleeps. */
typedef struct Lock {
    uint32_t word;
} Lock;

#define LOCK_INIT                                                                                  \
    {                                                                                              \
        0                                                                                          \
    }

/* Slow halves; use lock_acquire and lock_release. */
void lock_acquire_slow(Lock *lock);
void lock_release_slow(Lock *lock);

#ifdef MAGGIE_COUNT_WORK
/* Supplied by the test that counts (M20). */
void lock_counted(void);
#else
#define lock_counted() ((void)0)
#endif

static inline void lock_acquire(Lock *lock)
{
    uint32_t expected = 0;
    lock_counted();
    /* Acquire: sees what the last holder wrote; pairs with lock_release. */
    if (!atom_cas(&lock->word, &expected, 1u))
        lock_acquire_slow(lock);
}

static inline bool lock_try(Lock *lock)
{
    uint32_t expected = 0;
    /* As in lock_acquire. */
    return atom_cas(&lock->word, &expected, 1u);
}

static inline void lock_release(Lock *lock)
{
    /* Release: publishes what was done under the lock to the next holder. */
    if (atom_xchg(&lock->word, 0u) == 2u)
        lock_release_slow(lock);
}

/* Sleeps while *word is `expected`, until futex_wake, at most `timeout_ns` (UINT64_MAX: no bound).
 * May return early for no reason; the caller looks at its condition again. */
void futex_wait(uint32_t *word, uint32_t expected, uint64_t timeout_ns);

/* Wakes up to `count` threads that sleep on `word`. */
void futex_wake(uint32_t *word, int count);

#endif
