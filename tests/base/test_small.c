/* SPDX-License-Identifier: Apache-2.0 */
/* test_small.c - status codes, hashes, generator, cores, environment, lock. */
#include "testkit.h"

#include "cpu.h"
#include "env.h"
#include "env_sim.h"
#include "hash.h"
#include "lock.h"
#include "rng.h"

static void every_status_has_a_name_and_a_text(void **state)
{
    (void)state;
    for (int i = 0; i < STATUS_COUNT; i++) {
        assert_true(strlen(status_name((Status)i)) > 0);
        assert_true(strlen(status_text((Status)i)) > 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(status_name((Status)i), status_name((Status)j));
    }
    assert_string_equal(status_name((Status)9999), "unknown");
    assert_string_equal(status_name((Status)-1), "unknown");
}

static void hashes_have_their_published_values(void **state)
{
    (void)state;
    assert_int_equal(hash_fnv32("", 0), 0x811C9DC5u);
    assert_int_equal(hash_fnv32("a", 1), 0xE40C292Cu);
    assert_int_equal(hash_fnv32("foobar", 6), 0xBF9CF968u);
    assert_int_equal(hash_fnv32_more(hash_fnv32("foo", 3), "bar", 3), 0xBF9CF968u);
    assert_int_equal(hash_mix64(0), 0);
    assert_true(hash_fold64(hash_fold64(0, 1), 2) != hash_fold64(hash_fold64(0, 2), 1));
}

static void equal_seeds_give_equal_numbers(void **state)
{
    (void)state;
    Rng a;
    Rng b;
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_next(&a) == rng_next(&b));
    uint32_t counts[7] = {0};
    for (int i = 0; i < 7000; i++)
        counts[rng_below(&a, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 800, 1200);
}

static void cores_and_memory_are_plausible(void **state)
{
    (void)state;
    assert_in_range(cpu_usable(), 1, CPU_USABLE_MAX);
    assert_true(cpu_memory_bytes() > (uint64_t)16 << 20);
}

static void a_cpu_quota_is_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(cpu_parse_max("max 100000\n"), 0);
    assert_int_equal(cpu_parse_max("100000 100000\n"), 1);
    assert_int_equal(cpu_parse_max("150000 100000"), 2);
    assert_int_equal(cpu_parse_max("1000 100000"), 1);
    assert_int_equal(cpu_parse_max("99999999999999 1"), CPU_USABLE_MAX);
    assert_int_equal(cpu_parse_max(""), 0);
    assert_int_equal(cpu_parse_max("100000"), 0);
    assert_int_equal(cpu_parse_max("100000 0"), 0);
    assert_int_equal(cpu_parse_max("-1 100000"), 0);
}

static void the_real_world_works(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    uint64_t before = env_now_ns(&env);
    assert_true(env_now_ns(&env) >= before);
    assert_true(env_wall_ns(&env) > (uint64_t)1600000000 * 1000000000);
    assert_true(env_random_u64(&env) != env_random_u64(&env));
    char *block = env_calloc(&env, 1000);
    assert_non_null(block);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(block[i], 0);
    block = env_realloc(&env, block, 1000, 5000);
    assert_non_null(block);
    env_free(&env, block, 5000);
    env_free(&env, NULL, 0);
    size_t size = (size_t)4 << 20;
    char *mapped = env.map(env.ctx, size, (size_t)2 << 20, true);
    assert_non_null(mapped);
    assert_int_equal((uintptr_t)mapped % ((size_t)2 << 20), 0);
    mapped[0] = mapped[size - 1] = 1;
    env.unmap(env.ctx, mapped, size);
    assert_null(env.map(env.ctx, SIZE_MAX - 4095, 4096, false));
}

static void simulated_allocations_fail_on_cue(void **state)
{
    (void)state;
    EnvSim sim;
    env_sim_init(&sim, 1);
    sim.alloc_fail_after = 3;
    void *a = env_alloc(&sim.env, 100);
    void *b = sim.env.alloc_aligned(sim.env.ctx, 64, 64);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(sim.bytes_live, 164);
    assert_null(env_alloc(&sim.env, 1));
    assert_null(env_realloc(&sim.env, a, 100, 200));
    a = env_realloc(&sim.env, a, 100, 50);
    assert_non_null(a);
    assert_int_equal(sim.alloc_failed, 2);
    env_free(&sim.env, a, 50);
    env_free(&sim.env, b, 64);
    assert_int_equal(sim.bytes_live, 0);
    sim.alloc_fail_after = 0;
    sim.bytes_max = 1000;
    assert_null(env_alloc(&sim.env, 1001));
    a = env_alloc(&sim.env, 1000);
    assert_non_null(a);
    assert_null(env_alloc(&sim.env, 1));
    env_free(&sim.env, a, 1000);
}

static void simulated_time_moves_only_when_told(void **state)
{
    (void)state;
    EnvSim sim;
    EnvSim twin;
    env_sim_init(&sim, 7);
    env_sim_init(&twin, 7);
    uint64_t start = env_now_ns(&sim.env);
    assert_true(env_now_ns(&sim.env) == start);
    env_sim_advance_to(&sim, start + 5);
    env_sim_advance_to(&sim, start + 3);
    assert_true(env_now_ns(&sim.env) == start + 5);
    assert_true(env_random_u64(&sim.env) == env_random_u64(&twin.env));
    sim.log_quiet = true;
    env_log(&sim.env, LOG_LEVEL_ERROR, "seen %d", 1);
    env_log(&sim.env, LOG_LEVEL_DEBUG, "not wanted");
    assert_int_equal(sim.log_count, 1);
}

typedef struct Counter {
    Lock lock;
    uint64_t count; /* under lock */
} Counter;

static void count_under_lock(uint32_t index, void *arg)
{
    (void)index;
    Counter *counter = arg;
    for (int i = 0; i < TESTKIT_SCALE(200000); i++) {
        lock_acquire(&counter->lock);
        counter->count++;
        lock_release(&counter->lock);
    }
}

static void a_lock_lets_one_in_at_a_time(void **state)
{
    (void)state;
    Counter counter = {LOCK_INIT, 0};
    testkit_threads(4, count_under_lock, &counter);
    assert_int_equal(counter.count, 4 * TESTKIT_SCALE(200000));
    assert_true(lock_try(&counter.lock));
    assert_false(lock_try(&counter.lock));
    lock_release(&counter.lock);
}

TESTKIT_MAIN(cmocka_unit_test(every_status_has_a_name_and_a_text),
             cmocka_unit_test(hashes_have_their_published_values),
             cmocka_unit_test(equal_seeds_give_equal_numbers),
             cmocka_unit_test(cores_and_memory_are_plausible),
             cmocka_unit_test(a_cpu_quota_is_rounded_up), cmocka_unit_test(the_real_world_works),
             cmocka_unit_test(simulated_allocations_fail_on_cue),
             cmocka_unit_test(simulated_time_moves_only_when_told),
             cmocka_unit_test(a_lock_lets_one_in_at_a_time))
