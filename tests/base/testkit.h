/* SPDX-License-Identifier: Apache-2.0 */
/* testkit.h - what the C tests share: cmocka with its headers, a main with a name filter, threads.
 * Threads: tests run in the main thread; testkit_threads joins what it starts. */
#ifndef MAGGIE_TESTKIT_H
#define MAGGIE_TESTKIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "atomics.h"
#include "status.h"

/* Repetitions of stress tests: sanitizers slow them down ten times and more. */
#if MAGGIE_TSAN || MAGGIE_ASAN
#define TESTKIT_SCALE(full) ((full) / 10)
#else
#define TESTKIT_SCALE(full) (full)
#endif

#define assert_ok(expr) assert_string_equal(status_name(expr), status_name(STATUS_OK))
#define assert_status(expr, wanted) assert_string_equal(status_name(expr), status_name(wanted))

/* A main that runs all tests, or those whose name matches argv[1]. */
#define TESTKIT_MAIN(...)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        if (argc > 1)                                                                              \
            cmocka_set_test_filter(argv[1]);                                                       \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#define TESTKIT_THREADS_MAX 16

typedef struct TestkitThread {
    void (*body)(uint32_t index, void *arg);
    uint32_t index;
    void *arg;
} TestkitThread;

static inline void *testkit_thread_main(void *arg)
{
    TestkitThread *thread = arg;
    thread->body(thread->index, thread->arg);
    return NULL;
}

/* Runs `body` in `count` threads at once and waits for them. */
static inline void testkit_threads(uint32_t count, void (*body)(uint32_t index, void *arg),
                                   void *arg)
{
    pthread_t ids[TESTKIT_THREADS_MAX];
    TestkitThread threads[TESTKIT_THREADS_MAX];
    assert_in_range(count, 1, TESTKIT_THREADS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        threads[i] = (TestkitThread){body, i, arg};
        assert_int_equal(pthread_create(&ids[i], NULL, testkit_thread_main, &threads[i]), 0);
    }
    for (uint32_t i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
}

#endif
