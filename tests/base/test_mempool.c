/* SPDX-License-Identifier: Apache-2.0 */
/* test_mempool.c - no block is in two hands, blocks travel between locals, bytes add up. */
#include "testkit.h"

#include "env_sim.h"
#include "mempool.h"
#include "rng.h"

static const PoolMode both_modes[] = {POOL_SLABS, POOL_MALLOC};

static void sizes_map_to_classes(void **state)
{
    (void)state;
    for (size_t n = 1; n <= POOL_SIZE_MAX; n++) {
        uint32_t c = pool_class_of(n);
        assert_true(c < POOL_CLASS_COUNT && pool_class_size(c) >= n);
        assert_true(c == 0 || pool_class_size(c - 1) < n);
    }
}

/* Marks a block as ours from end to end; a second owner would disturb the mark. */
static void mark_block(void *block, size_t size, uint64_t mark)
{
    uint64_t *words = block;
    words[0] = mark;
    words[1] = ~mark;
    words[2] = mark * 3;
    words[size / 8 - 1] = mark;
}

static void check_block(const void *block, size_t size, uint64_t mark)
{
    const uint64_t *words = block;
    uint64_t third = size == 24 ? mark : mark * 3;
    if (words[0] != mark || words[1] != ~mark || words[2] != third || words[size / 8 - 1] != mark)
        fail_msg("a block has two owners");
}

static void blocks_are_distinct_and_aligned(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    for (int m = 0; m < 2; m++) {
        PoolGlobal *global = pool_global_create(&env, both_modes[m], 0);
        assert_non_null(global);
        PoolLocal local;
        pool_local_init(&local, global);
        for (uint32_t c = 0; c < POOL_CLASS_COUNT; c++) {
            enum { COUNT = 300 };
            size_t size = pool_class_size(c);
            void *blocks[COUNT];
            for (int round = 0; round < 3; round++) {
                for (uint64_t i = 0; i < COUNT; i++) {
                    blocks[i] = pool_alloc(&local, c);
                    assert_non_null(blocks[i]);
                    assert_int_equal((uintptr_t)blocks[i] % size, 0);
                    mark_block(blocks[i], size, i + 1);
                }
                for (uint64_t i = 0; i < COUNT; i++) {
                    check_block(blocks[i], size, i + 1);
                    pool_free(&local, blocks[i], c);
                }
            }
        }
        pool_local_close(&local);
        assert_int_equal(pool_global_destroy(global), 0);
    }
}

static void random_use_never_gives_a_block_twice(void **state)
{
    (void)state;
    enum { SLOTS = 2000 };
    typedef struct Held {
        void *block;
        size_t size;
        uint64_t mark;
    } Held;
    EnvSim sim;
    env_sim_init(&sim, 1);
    for (int m = 0; m < 2; m++) {
        PoolGlobal *global = pool_global_create(&sim.env, both_modes[m], 0);
        PoolLocal locals[3];
        for (int i = 0; i < 3; i++)
            pool_local_init(&locals[i], global);
        Held *held = calloc(SLOTS, sizeof *held);
        Rng rng;
        rng_init(&rng, 11);
        int64_t bytes = 0;
        for (int i = 0; i < TESTKIT_SCALE(300000); i++) {
            Held *h = &held[rng_below(&rng, SLOTS)];
            PoolLocal *local = &locals[rng_below(&rng, 3)];
            if (h->block) {
                check_block(h->block, h->size, h->mark);
                pool_free_bytes(local, h->block, h->size);
                bytes -= h->size <= POOL_SIZE_MAX ? (int64_t)h->size : 0;
                h->block = NULL;
                continue;
            }
            size_t n = 64 + rng_below(&rng, rng_below(&rng, 20) == 0 ? 100000 : 1000);
            h->block = pool_alloc_bytes(local, n & ~(size_t)7, &h->size);
            assert_non_null(h->block);
            bytes += h->size <= POOL_SIZE_MAX ? (int64_t)h->size : 0;
            h->size = h->size & ~(size_t)7;
            h->mark = rng_next(&rng);
            mark_block(h->block, h->size, h->mark);
        }
        PoolStats stats;
        pool_stats(global, &stats);
        assert_int_equal(stats.live_bytes, bytes);
        for (int i = 0; i < SLOTS; i++) {
            if (held[i].block)
                pool_free_bytes(&locals[0], held[i].block, held[i].size);
        }
        pool_stats(global, &stats);
        assert_int_equal(stats.live_bytes, 0);
        assert_int_equal(stats.big_bytes, 0);
        for (int i = 0; i < 3; i++)
            pool_local_close(&locals[i]);
        assert_int_equal(pool_global_destroy(global), 0);
        free(held);
    }
    assert_int_equal(sim.bytes_live, 0);
}

static void a_local_that_only_frees_feeds_one_that_only_allocates(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    PoolGlobal *global = pool_global_create(&env, POOL_SLABS, 0);
    PoolLocal producer;
    PoolLocal consumer;
    pool_local_init(&producer, global);
    pool_local_init(&consumer, global);
    for (int i = 0; i < 100000; i++) {
        void *block = pool_alloc(&producer, 2);
        assert_non_null(block);
        pool_free(&consumer, block, 2);
    }
    PoolStats stats;
    pool_stats(global, &stats);
    assert_int_equal(stats.live_bytes, 0);
    assert_int_equal(stats.slab_bytes, POOL_SLAB_SIZE); /* the same blocks went round */
    assert_true(stats.batches < 2 * 100000 / POOL_BATCH_MAX + 10);
    pool_local_close(&producer);
    pool_local_close(&consumer);
    assert_int_equal(pool_global_destroy(global), 0);
}

static void a_closed_local_leaves_its_blocks_to_others(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    PoolGlobal *global = pool_global_create(&env, POOL_SLABS, POOL_SLAB_SIZE);
    for (int round = 0; round < 100; round++) {
        PoolLocal local;
        pool_local_init(&local, global);
        for (uint32_t c = 0; c < POOL_CLASS_COUNT; c++) {
            void *block = pool_alloc(&local, c);
            assert_non_null(block); /* one slab must do for all rounds */
            pool_free(&local, block, c);
        }
        pool_local_close(&local);
    }
    assert_int_equal(pool_global_destroy(global), 0);
}

static void the_bound_on_slabs_answers_null(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    PoolGlobal *global = pool_global_create(&env, POOL_SLABS, 2 * POOL_SLAB_SIZE);
    PoolLocal local;
    pool_local_init(&local, global);
    uint32_t c = pool_class_of(POOL_SIZE_MAX);
    void *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = pool_alloc(&local, c);
        assert_non_null(blocks[i]);
    }
    assert_null(pool_alloc(&local, c));
    assert_null(pool_slab(global));
    pool_free(&local, blocks[0], c);
    blocks[0] = pool_alloc(&local, c);
    assert_non_null(blocks[0]);
    for (int i = 0; i < 64; i++)
        pool_free(&local, blocks[i], c);
    pool_local_close(&local);
    assert_int_equal(pool_global_destroy(global), 0);
}

static void running_out_of_memory_answers_null(void **state)
{
    (void)state;
    for (int m = 0; m < 2; m++) {
        for (uint64_t fail = 1; fail < 6; fail++) {
            EnvSim sim;
            env_sim_init(&sim, 1);
            sim.alloc_fail_after = fail;
            PoolGlobal *global = pool_global_create(&sim.env, both_modes[m], 0);
            if (!global)
                continue;
            PoolLocal local;
            pool_local_init(&local, global);
            void *block = pool_alloc(&local, 0);
            void *slab = pool_slab(global);
            (void)slab;
            size_t size;
            void *big = pool_alloc_bytes(&local, 200000, &size);
            if (block)
                pool_free(&local, block, 0);
            if (big)
                pool_free_bytes(&local, big, size);
            pool_local_close(&local);
            assert_int_equal(pool_global_destroy(global), 0);
            assert_int_equal(sim.bytes_live, 0);
        }
    }
}

/* Threads pass blocks to each other through a table of exchange slots. */
typedef struct Exchange {
    PoolGlobal *global;
    PoolShared shared;
    uint64_t *slots[64];
} Exchange;

static void exchange_blocks(uint32_t index, void *arg)
{
    Exchange *x = arg;
    PoolLocal local;
    pool_local_init(&local, x->global);
    Rng rng;
    rng_init(&rng, index);
    for (int i = 0; i < TESTKIT_SCALE(200000); i++) {
        bool shared = rng_below(&rng, 8) == 0;
        uint64_t *mine = shared ? pool_shared_alloc(&x->shared, 1) : pool_alloc(&local, 1);
        mark_block(mine, 128, (uint64_t)(uintptr_t)mine);
        /* Publishes the marked block; acquires another thread's. */
        uint64_t *theirs = atom_xchg(&x->slots[rng_below(&rng, 64)], mine);
        if (!theirs)
            continue;
        check_block(theirs, 128, (uint64_t)(uintptr_t)theirs);
        if (rng_below(&rng, 8) == 0)
            pool_shared_free(&x->shared, theirs, 1);
        else
            pool_free(&local, theirs, 1);
    }
    pool_local_close(&local);
}

static void threads_exchange_blocks_without_losing_any(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    for (int m = 0; m < 2; m++) {
        Exchange x = {.global = pool_global_create(&env, both_modes[m], 0)};
        pool_shared_init(&x.shared, x.global);
        testkit_threads(4, exchange_blocks, &x);
        int64_t held = 0;
        PoolStats stats;
        for (int i = 0; i < 64; i++)
            held += x.slots[i] ? 128 : 0;
        pool_stats(x.global, &stats);
        assert_int_equal(stats.live_bytes, held);
        for (int i = 0; i < 64; i++) {
            if (x.slots[i])
                pool_shared_free(&x.shared, x.slots[i], 1);
        }
        pool_shared_close(&x.shared);
        assert_int_equal(pool_global_destroy(x.global), 0);
    }
}

TESTKIT_MAIN(cmocka_unit_test(sizes_map_to_classes),
             cmocka_unit_test(blocks_are_distinct_and_aligned),
             cmocka_unit_test(random_use_never_gives_a_block_twice),
             cmocka_unit_test(a_local_that_only_frees_feeds_one_that_only_allocates),
             cmocka_unit_test(a_closed_local_leaves_its_blocks_to_others),
             cmocka_unit_test(the_bound_on_slabs_answers_null),
             cmocka_unit_test(running_out_of_memory_answers_null),
             cmocka_unit_test(threads_exchange_blocks_without_losing_any))
