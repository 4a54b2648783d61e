/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c - the slow halves of Lock, and the futex calls.
 * The word is 0 free, 1 held, 2 held with possible sleepers: a holder wakes somebody only when it
 * finds 2, so an uncontended lock never enters the kernel.
 * Threads: any. */
#define _GNU_SOURCE
#include "lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Holders work for well under a microsecond, so a short spin usually saves the sleep. */
#define LOCK_SPINS 100

void futex_wait(uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec ts;
    struct timespec *timeout = NULL;
    if (timeout_ns != UINT64_MAX) {
        ts.tv_sec = (time_t)(timeout_ns / 1000000000u);
        ts.tv_nsec = (long)(timeout_ns % 1000000000u);
        timeout = &ts;
    }
    /* EAGAIN, EINTR and ETIMEDOUT all mean: look again. */
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout, NULL, 0);
}

void futex_wake(uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

void lock_acquire_slow(Lock *lock)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        /* Relaxed: a hint whether trying is worth it; lock_try orders. */
        if (atom_load_rlx(&lock->word) == 0 && lock_try(lock))
            return;
        atom_stall();
    }
    /* From here on hold it as 2: we cannot know whether another sleeper is left behind us, and one
     * wake too many is harmless. Acquire pairs with lock_release. */
    while (atom_xchg(&lock->word, 2u) != 0)
        futex_wait(&lock->word, 2u, UINT64_MAX);
}

void lock_release_slow(Lock *lock) { futex_wake(&lock->word, 1); }
