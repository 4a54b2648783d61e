/* SPDX-License-Identifier: Apache-2.0 */
/* test_symtab.c - one id per name, whoever asks when; limits hold exactly. */
#include "testkit.h"

#include "env_sim.h"
#include "hash.h"
#include "rng.h"
#include "symtab.h"

static uint32_t intern(Symtab *table, const char *name)
{
    uint32_t id = 0;
    assert_ok(symtab_intern(table, name, strlen(name), &id));
    return id;
}

static void ids_count_up_and_names_come_back(void **state)
{
    (void)state;
    EnvSim sim;
    env_sim_init(&sim, 1);
    Symtab *table;
    assert_ok(symtab_create(&sim.env, 0, 0, &table));
    assert_int_equal(intern(table, "foo"), 1);
    assert_int_equal(intern(table, "at:put:"), 2);
    assert_int_equal(intern(table, ""), 3);
    assert_int_equal(intern(table, "Gr\xC3\xB6\xC3\x9F"
                                   "e"),
                     4);
    assert_int_equal(intern(table, "foo"), 1);
    uint32_t id;
    assert_ok(symtab_intern(table, "a\0b", 3, &id));
    assert_int_equal(id, 5);
    assert_int_equal(intern(table, "a"), 6);
    SymtabName name = symtab_name(table, 4);
    assert_int_equal(name.len, 7);
    assert_int_equal(name.chars, 5);
    assert_int_equal(name.hash, hash_fnv32(name.bytes, name.len));
    assert_int_equal(symtab_hash(table, 4), name.hash);
    assert_memory_equal(name.bytes,
                        "Gr\xC3\xB6\xC3\x9F"
                        "e",
                        8);
    assert_int_equal(symtab_lookup(table, "at:put:", 7), 2);
    assert_int_equal(symtab_lookup(table, "at:put", 6), 0);
    assert_int_equal(symtab_count(table), 6);
    assert_int_equal(symtab_bytes(table), 3 + 7 + 0 + 7 + 3 + 1);
    assert_false(symtab_valid(table, 0));
    assert_true(symtab_valid(table, 6));
    assert_false(symtab_valid(table, 7));
    assert_int_equal(*symtab_word(table, 2), 0);
    symtab_destroy(table);
    assert_int_equal(sim.bytes_live, 0);
}

static void many_symbols_survive_growth(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    Symtab *table;
    assert_ok(symtab_create(&env, 0, 0, &table));
    uint32_t count = TESTKIT_SCALE(200000);
    for (uint32_t i = 1; i <= count; i++) {
        char name[32];
        snprintf(name, sizeof name, "symbol%u", i);
        assert_int_equal(intern(table, name), i);
    }
    for (uint32_t i = 1; i <= count; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "symbol%u", i);
        assert_int_equal(symtab_lookup(table, name, (size_t)n), i);
        assert_memory_equal(symtab_name(table, i).bytes, name, (size_t)n + 1);
    }
    symtab_destroy(table);
}

static void limits_hold_and_nothing_changes_beyond(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    Symtab *table;
    uint32_t id;
    assert_ok(symtab_create(&env, 3, 0, &table));
    intern(table, "a");
    intern(table, "b");
    intern(table, "c");
    assert_status(symtab_intern(table, "d", 1, &id), STATUS_SYMBOL_LIMIT);
    assert_int_equal(id, 0);
    assert_int_equal(intern(table, "b"), 2);
    assert_int_equal(symtab_count(table), 3);
    /* the VM's own few may still be added, up to their reserve */
    for (uint32_t i = 0; i < SYMTAB_RESERVE_COUNT; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "own%u", i);
        assert_ok(symtab_intern_reserved(table, name, (size_t)n, &id));
        assert_int_equal(id, 4 + i);
    }
    assert_status(symtab_intern_reserved(table, "d", 1, &id), STATUS_SYMBOL_LIMIT);
    assert_status(symtab_intern(table, "d", 1, &id), STATUS_SYMBOL_LIMIT);
    assert_int_equal(intern(table, "own7"), 11);
    symtab_destroy(table);
    /* texts leave an eighth to code */
    assert_ok(symtab_create(&env, 16, 0, &table));
    for (uint32_t i = 0; i < 14; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "text%u", i);
        assert_ok(symtab_intern_text(table, name, (size_t)n, &id));
    }
    assert_status(symtab_intern_text(table, "d", 1, &id), STATUS_SYMBOL_LIMIT);
    intern(table, "d");
    assert_ok(symtab_intern_text(table, "d", 1, &id));
    intern(table, "e");
    assert_status(symtab_intern(table, "f", 1, &id), STATUS_SYMBOL_LIMIT);
    symtab_destroy(table);
    assert_ok(symtab_create(&env, 0, 10, &table));
    intern(table, "12345");
    assert_status(symtab_intern(table, "123456", 6, &id), STATUS_SYMBOL_LIMIT);
    intern(table, "54321");
    assert_status(symtab_intern(table, "x", 1, &id), STATUS_SYMBOL_LIMIT);
    symtab_destroy(table);
    assert_ok(symtab_create(&env, 0, 0, &table));
    char *longest = malloc(SYMTAB_NAME_MAX + 1);
    memset(longest, 'x', SYMTAB_NAME_MAX + 1);
    assert_ok(symtab_intern(table, longest, SYMTAB_NAME_MAX, &id));
    assert_status(symtab_intern(table, longest, SYMTAB_NAME_MAX + 1, &id), STATUS_TOO_BIG);
    assert_int_equal(symtab_lookup(table, longest, SYMTAB_NAME_MAX + 1), 0);
    free(longest);
    symtab_destroy(table);
}

static void lack_of_memory_leaves_the_table_whole(void **state)
{
    (void)state;
    for (uint64_t fail = 1; fail < 40; fail++) {
        EnvSim sim;
        env_sim_init(&sim, fail);
        sim.alloc_fail_after = fail;
        Symtab *table;
        if (symtab_create(&sim.env, 0, 0, &table) != STATUS_OK) {
            assert_int_equal(sim.bytes_live, 0);
            continue;
        }
        uint32_t added = 0;
        for (uint32_t i = 0; i < 10000; i++) {
            char name[32];
            int n = snprintf(name, sizeof name, "%u", i);
            uint32_t id;
            Status status = symtab_intern(table, name, (size_t)n, &id);
            assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
            added += status == STATUS_OK;
            assert_int_equal(symtab_lookup(table, name, (size_t)n),
                             status == STATUS_OK ? added : 0);
        }
        assert_int_equal(symtab_count(table), added);
        symtab_destroy(table);
        assert_int_equal(sim.bytes_live, 0);
    }
}

/* All threads intern the same names in different orders and read what others add. */
typedef struct Race {
    Symtab *table;
    uint32_t names;
} Race;

static void intern_all(uint32_t index, void *arg)
{
    Race *race = arg;
    Rng rng;
    rng_init(&rng, index);
    for (uint32_t i = 0; i < race->names * 4; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "name-%u", rng_below(&rng, race->names));
        uint32_t id;
        assert_ok(symtab_intern(race->table, name, (size_t)n, &id));
        SymtabName back = symtab_name(race->table, id);
        assert_true(back.len == (uint32_t)n && memcmp(back.bytes, name, back.len) == 0);
        uint32_t newest = symtab_count(race->table);
        assert_true(symtab_name(race->table, newest).len > 5);
        uint64_t *word = symtab_word(race->table, id);
        uint64_t seen = 0;
        /* Whoever comes first notes the id; nobody may find another one. */
        if (!atom_cas(word, &seen, (uint64_t)id))
            assert_int_equal(seen, id);
    }
}

static void racing_threads_agree_on_ids(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    Race race = {.names = TESTKIT_SCALE(20000)};
    assert_ok(symtab_create(&env, 0, 0, &race.table));
    testkit_threads(4, intern_all, &race);
    assert_true(symtab_count(race.table) <= race.names);
    for (uint32_t id = 1; id <= symtab_count(race.table); id++) {
        SymtabName name = symtab_name(race.table, id);
        assert_int_equal(symtab_lookup(race.table, name.bytes, name.len), id);
    }
    symtab_destroy(race.table);
}

TESTKIT_MAIN(cmocka_unit_test(ids_count_up_and_names_come_back),
             cmocka_unit_test(many_symbols_survive_growth),
             cmocka_unit_test(limits_hold_and_nothing_changes_beyond),
             cmocka_unit_test(lack_of_memory_leaves_the_table_whole),
             cmocka_unit_test(racing_threads_agree_on_ids))
