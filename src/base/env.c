/* SPDX-License-Identifier: Apache-2.0 */
/* env.c - the real world behind Env: clocks, getrandom, malloc, mmap, standard error.
 * Threads: any; no state of its own. */
#define _GNU_SOURCE
#include "env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define LOG_TEXT_MAX 1000

static uint64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t system_monotonic_ns(void *ctx)
{
    (void)ctx;
    return clock_read_ns(CLOCK_MONOTONIC);
}

static uint64_t system_wall_ns(void *ctx)
{
    (void)ctx;
    return clock_read_ns(CLOCK_REALTIME);
}

static Status system_random_fill(void *ctx, void *out, size_t n)
{
    (void)ctx;
    char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return STATUS_SYSTEM;
        }
        p += got;
        n -= (size_t)got;
    }
    return STATUS_OK;
}

static void *system_alloc(void *ctx, size_t n)
{
    (void)ctx;
    return malloc(n);
}

static void *system_alloc_aligned(void *ctx, size_t n, size_t align)
{
    (void)ctx;
    return aligned_alloc(align, n);
}

static void *system_realloc(void *ctx, void *block, size_t old_n, size_t n)
{
    (void)ctx;
    (void)old_n;
    return realloc(block, n);
}

static void system_free(void *ctx, void *block, size_t n)
{
    (void)ctx;
    (void)n;
    free(block);
}

/* Maps too much and gives back what lies outside the aligned part. */
static void *system_map(void *ctx, size_t n, size_t align, bool huge)
{
    (void)ctx;
    if (n > SIZE_MAX - align)
        return NULL;
    char *raw = mmap(NULL, n + align, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    size_t skip = (align - ((uintptr_t)raw & (align - 1))) & (align - 1);
    char *block = raw + skip;
    if (skip > 0)
        munmap(raw, skip);
    if (align - skip > 0)
        munmap(block + n, align - skip);
    /* Only advice: a kernel without huge pages answers an error and nothing is lost. Where huge
     * pages are on for everything, a small VM must not pay 2 MiB for its first block. */
    (void)madvise(block, n, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return block;
}

static void system_unmap(void *ctx, void *block, size_t n)
{
    (void)ctx;
    munmap(block, n);
}

static void system_log(void *ctx, LogLevel level, const char *text, size_t len)
{
    (void)ctx;
    char line[LOG_TEXT_MAX + 64];
    int size = snprintf(line, sizeof line, "maggie: %s: %.*s\n", env_log_level_name(level),
                        (int)(len > LOG_TEXT_MAX ? LOG_TEXT_MAX : len), text);
    /* One write per line keeps the lines of several threads apart. A log that cannot be written has
     * no better place to complain to. */
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)size);
    (void)ignored;
}

void env_system_init(Env *env)
{
    *env = (Env){
        .ctx = NULL,
        .log_level = LOG_LEVEL_WARNING,
        .monotonic_ns = system_monotonic_ns,
        .wall_ns = system_wall_ns,
        .random_fill = system_random_fill,
        .alloc = system_alloc,
        .alloc_aligned = system_alloc_aligned,
        .realloc = system_realloc,
        .free = system_free,
        .map = system_map,
        .unmap = system_unmap,
        .log = system_log,
    };
}

uint64_t env_random_u64(const Env *env)
{
    uint64_t word = 0;
    if (env->random_fill(env->ctx, &word, sizeof word) != STATUS_OK) {
        env_log(env, LOG_LEVEL_ERROR, "the system has no random numbers");
        abort();
    }
    return word;
}

void *env_calloc(const Env *env, size_t n)
{
    void *block = env_alloc(env, n);
    if (block)
        memset(block, 0, n);
    return block;
}

void env_log(const Env *env, LogLevel level, const char *format, ...)
{
    if (level > env->log_level)
        return;
    char text[LOG_TEXT_MAX + 1];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0)
        return;
    size_t len = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    env->log(env->ctx, level, text, len);
}

const char *env_log_level_name(LogLevel level)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    unsigned index = (unsigned)level;
    return index < sizeof names / sizeof names[0] ? names[index] : "unknown";
}
