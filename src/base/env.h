/* SPDX-License-Identifier: Apache-2.0 */
/* env.h - the injected world (I6): clock, random numbers, memory, log.
 * A VM holds one Env and reaches the outside only through it, so that the simulator can give it
 * virtual time, a seeded generator and failing allocations (env_sim.h).
 * Threads: every function pointer must be callable from any thread, except in the simulator, which
 * has one thread. The Env outlives everything created with it. */
#ifndef MAGGIE_ENV_H
#define MAGGIE_ENV_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

typedef enum LogLevel {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
} LogLevel;

typedef struct Env {
    void *ctx;          /* given to each function; owner: whoever made the Env */
    LogLevel log_level; /* texts above this level are dropped by env_log; set before use */

    uint64_t (*monotonic_ns)(void *ctx); /* never goes back; arbitrary zero */
    uint64_t (*wall_ns)(void *ctx);      /* since 1970-01-01 UTC; may jump */

    /* Fills `out` with unpredictable bytes (in the simulator: with seeded ones). */
    Status (*random_fill)(void *ctx, void *out, size_t n);

    /* Big blocks. Each may answer NULL; 16-byte aligned; `n` > 0. The size given at alloc is
     * given again at realloc and free. realloc leaves the old block alone when it fails. */
    void *(*alloc)(void *ctx, size_t n);
    void *(*alloc_aligned)(void *ctx, size_t n, size_t align); /* align: power of two, divides n */
    void *(*realloc)(void *ctx, void *block, size_t old_n, size_t n);
    void (*free)(void *ctx, void *block, size_t n);

    /* Zeroed memory aligned to `align` (a power of two >= 4096), a multiple of it long. `huge`
     * asks for huge pages. May answer NULL. */
    void *(*map)(void *ctx, size_t n, size_t align, bool huge);
    void (*unmap)(void *ctx, void *block, size_t n);

    /* Borrows `text` (no newline at its end, not NUL-terminated). Must not block for long. */
    void (*log)(void *ctx, LogLevel level, const char *text, size_t len);
} Env;

/* Makes `env` the real world: CLOCK_MONOTONIC, getrandom, malloc, mmap, standard error.
 * It holds no state, so a copy of it is as good, and nothing needs to be undone. */
void env_system_init(Env *env);

/* A fresh reading of the monotonic clock (about 22 ns). Any thread. */
static inline uint64_t env_now_ns(const Env *env) { return env->monotonic_ns(env->ctx); }

static inline uint64_t env_wall_ns(const Env *env) { return env->wall_ns(env->ctx); }

/* 64 unpredictable bits. Aborts when the system has none to give: a predictable number in place
 * of a random one would be worse. Any thread. */
uint64_t env_random_u64(const Env *env);

static inline void *env_alloc(const Env *env, size_t n) { return env->alloc(env->ctx, n); }

/* As env_alloc, zeroed. */
void *env_calloc(const Env *env, size_t n);

static inline void *env_realloc(const Env *env, void *block, size_t old_n, size_t n)
{
    return env->realloc(env->ctx, block, old_n, n);
}

/* Does nothing for NULL. */
static inline void env_free(const Env *env, void *block, size_t n)
{
    if (block)
        env->free(env->ctx, block, n);
}

/* Writes one line to the log when `level` is wanted; text beyond 1000 bytes is cut. Any thread. */
void env_log(const Env *env, LogLevel level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Name of a level, e.g. "error"; never NULL. */
const char *env_log_level_name(LogLevel level);

#endif
