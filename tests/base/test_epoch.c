/* SPDX-License-Identifier: Apache-2.0 */
/* test_epoch.c - nothing is freed while a section that could see it is open, everything in the
 * end. */
#include "testkit.h"

#include "env_sim.h"
#include "epoch.h"
#include "rng.h"

typedef struct Node {
    EpochEntry entry;
    uint64_t alive; /* NODE_ALIVE until freed */
    uint64_t *freed;
} Node;

#define NODE_ALIVE 0xA11FEu

static void node_free(EpochEntry *entry, void *arg)
{
    Node *node = (Node *)(void *)entry;
    assert_ptr_equal(arg, node->freed);
    atom_store_rlx(&node->alive, (uint64_t)0); /* relaxed: no reader may be left */
    atom_add_rlx(node->freed, (uint64_t)1);    /* relaxed: a counter */
    free(node);
}

static Node *node_new(uint64_t *freed)
{
    Node *node = calloc(1, sizeof *node);
    node->alive = NODE_ALIVE;
    node->freed = freed;
    return node;
}

static void an_open_section_holds_back_what_it_could_see(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    EpochDomain *domain = epoch_domain_create(&env);
    EpochRecord *reader = epoch_register(domain);
    EpochRecord *writer = epoch_register(domain);
    uint64_t freed = 0;
    epoch_begin(reader);
    assert_true(epoch_active(reader));
    Node *node = node_new(&freed);
    epoch_defer(writer, &node->entry, node_free, &freed);
    for (int i = 0; i < 100; i++)
        (void)epoch_poll(writer);
    assert_int_equal(freed, 0);
    assert_int_equal(epoch_pending(writer), 1);
    epoch_end(reader);
    assert_false(epoch_active(reader));
    for (int i = 0; i < 100; i++)
        (void)epoch_poll(writer);
    assert_int_equal(freed, 1);
    assert_int_equal(epoch_pending(writer), 0);
    epoch_unregister(reader);
    epoch_unregister(writer);
    epoch_domain_destroy(domain);
}

static void sections_nest(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    EpochDomain *domain = epoch_domain_create(&env);
    EpochRecord *reader = epoch_register(domain);
    EpochRecord *writer = epoch_register(domain);
    uint64_t freed = 0;
    epoch_begin(reader);
    epoch_begin(reader);
    Node *node = node_new(&freed);
    epoch_defer(writer, &node->entry, node_free, &freed);
    epoch_end(reader);
    assert_true(epoch_active(reader));
    for (int i = 0; i < 100; i++)
        (void)epoch_poll(writer);
    assert_int_equal(freed, 0);
    epoch_end(reader);
    epoch_barrier(writer);
    assert_int_equal(freed, 1);
    epoch_unregister(reader);
    epoch_unregister(writer);
    epoch_domain_destroy(domain);
}

static void what_is_left_runs_at_the_end(void **state)
{
    (void)state;
    EnvSim sim;
    env_sim_init(&sim, 1);
    EpochDomain *domain = epoch_domain_create(&sim.env);
    EpochRecord *reader = epoch_register(domain);
    EpochRecord *writer = epoch_register(domain);
    uint64_t freed = 0;
    epoch_begin(reader);
    for (int i = 0; i < 100; i++)
        epoch_defer(writer, &node_new(&freed)->entry, node_free, &freed);
    epoch_unregister(writer);
    epoch_end(reader);
    epoch_unregister(reader);
    assert_int_equal(freed, 0);
    epoch_domain_destroy(domain);
    assert_int_equal(freed, 100);
    assert_int_equal(sim.bytes_live, 0);
}

static void a_returned_record_is_used_again(void **state)
{
    (void)state;
    EnvSim sim;
    env_sim_init(&sim, 1);
    EpochDomain *domain = epoch_domain_create(&sim.env);
    EpochRecord *first = epoch_register(domain);
    epoch_unregister(first);
    size_t bytes = sim.bytes_live;
    for (int i = 0; i < 100; i++) {
        EpochRecord *record = epoch_register(domain);
        epoch_begin(record);
        epoch_end(record);
        epoch_unregister(record);
    }
    assert_int_equal(sim.bytes_live, bytes);
    epoch_domain_destroy(domain);
    for (uint64_t fail = 1; fail < 5; fail++) {
        sim.alloc_fail_after = sim.alloc_count + fail;
        domain = epoch_domain_create(&sim.env);
        if (domain) {
            (void)epoch_register(domain);
            epoch_domain_destroy(domain);
        }
        assert_int_equal(sim.bytes_live, 0);
    }
}

/* Threads replace nodes in shared slots and read those of others: a reader inside a section never
 * sees a dead one, and in the end as many were freed as replaced. */
typedef struct Stress {
    EpochDomain *domain;
    Node *slots[8];
    uint64_t made;
    uint64_t freed;
    uint64_t dead_seen;
} Stress;

static void replace_and_read(uint32_t index, void *arg)
{
    Stress *x = arg;
    EpochRecord *record = epoch_register(x->domain);
    Rng rng;
    rng_init(&rng, index);
    for (int i = 0; i < TESTKIT_SCALE(30000); i++) {
        epoch_begin(record);
        for (int k = 0; k < 10; k++) {
            /* Acquire pairs with the exchange that put the node there. */
            Node *node = atom_load_acq(&x->slots[rng_below(&rng, 8)]);
            if (node && atom_load_rlx(&node->alive) != NODE_ALIVE)
                atom_add_rlx(&x->dead_seen, (uint64_t)1); /* relaxed: a counter */
        }
        Node *fresh = node_new(&x->freed);
        atom_add_rlx(&x->made, (uint64_t)1); /* relaxed: a counter */
        Node *old = atom_xchg(&x->slots[rng_below(&rng, 8)], fresh);
        if (old)
            epoch_defer(record, &old->entry, node_free, &x->freed);
        epoch_end(record);
        if (i % 4 == 0)
            (void)epoch_poll(record);
    }
    epoch_unregister(record);
}

static void readers_never_see_a_freed_node(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    Stress x = {.domain = epoch_domain_create(&env)};
    testkit_threads(4, replace_and_read, &x);
    assert_int_equal(x.dead_seen, 0);
    EpochRecord *record = epoch_register(x.domain);
    for (int i = 0; i < 8; i++) {
        if (x.slots[i])
            epoch_defer(record, &x.slots[i]->entry, node_free, &x.freed);
    }
    epoch_unregister(record);
    epoch_domain_destroy(x.domain);
    assert_int_equal(x.freed, x.made);
}

/* What another thread left in the record that it returned, and what runs of it defers again. */
typedef struct Chain {
    EpochEntry entry;
    EpochRecord *record;
    uint32_t links;
} Chain;

static void chain_run(EpochEntry *entry, void *arg)
{
    Chain *c = (Chain *)(void *)entry;
    if (--c->links > 0)
        epoch_defer(c->record, entry, chain_run, arg);
}

static void settling_runs_everything_once_no_section_is_open(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    EpochDomain *domain = epoch_domain_create(&env);
    EpochRecord *reader = epoch_register(domain);
    EpochRecord *idler = epoch_register(domain);
    EpochRecord *gone = epoch_register(domain);
    EpochRecord *gone_too = epoch_register(domain);
    Chain a = {.record = gone, .links = 20};
    Chain b = {.record = idler, .links = 20};
    Chain c = {.record = gone_too, .links = 1};
    assert_true(epoch_settle(idler));
    epoch_begin(reader);
    epoch_defer(gone, &a.entry, chain_run, NULL);
    epoch_defer(idler, &b.entry, chain_run, NULL);
    epoch_defer(gone_too, &c.entry, chain_run, NULL);
    epoch_unregister(gone);
    epoch_unregister(gone_too);
    assert_false(epoch_settle(idler));
    assert_false(epoch_settle_returned(domain));
    assert_int_equal(a.links + b.links + c.links, 41);
    epoch_end(reader);
    assert_true(epoch_settle(idler));
    assert_int_equal(a.links + b.links + c.links, 0);
    assert_true(epoch_settle_returned(domain));
    epoch_unregister(reader);
    epoch_unregister(idler);
    epoch_domain_destroy(domain);
}

TESTKIT_MAIN(cmocka_unit_test(an_open_section_holds_back_what_it_could_see),
             cmocka_unit_test(sections_nest), cmocka_unit_test(what_is_left_runs_at_the_end),
             cmocka_unit_test(a_returned_record_is_used_again),
             cmocka_unit_test(settling_runs_everything_once_no_section_is_open),
             cmocka_unit_test(readers_never_see_a_freed_node))
