/* SPDX-License-Identifier: Apache-2.0 */
/* test_stress.c - many processes that send, fork, wait, die and kill each other; whatever the
 * order, the books must balance:
 *
 *   every message accepted for a process that lives to the end is received by it, once, in order
 *   every process that was started has ended; everybody who waited has been answered
 *   a result is the value its process ended with, or #noproc
 *
 * Plays with threads, and with several seeds in the simulator. */
#include "actorkit.h"

static uint64_t test_seed(void)
{
    const char *text = getenv("MAGGIE_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static KitNext wait_for(Process *p, ProcessWait why)
{
    p->wait = (uint8_t)why;
    return KIT_PARK;
}

/* ---- ordered streams to one receiver -------------------------------------------------------- */

enum { SENDERS = 24, NUMBERS = 10000 };

typedef struct Streams {
    Kit kit;
    Value receiver;
    int64_t next[SENDERS]; /* the receiver's */
    uint64_t received;
    uint64_t parks; /* how often it really slept */
    int numbers;
} Streams;

static Streams *streams_of(ActorCtx *cx)
{
    return (Streams *)cx->node->config.ctx; /* the kit is its first member */
}

/* resume.a: my number; b: next one to send. */
static KitNext send_numbers(ActorCtx *cx, Process *p)
{
    Streams *s = streams_of(cx);
    for (int i = 0; i < 7 && p->resume.b < (uint64_t)s->numbers; i++, p->resume.b++) {
        Value pair = kit_array(
            cx, p, (Value[]){value_int((int64_t)p->resume.a), value_int((int64_t)p->resume.b)}, 2);
        assert_ok(process_send(cx, p, s->receiver, VALUE_NIL, pair, NULL));
        p->heap.hp = p->heap.hi; /* the pair was copied out: nothing else is in this heap */
    }
    return p->resume.b < (uint64_t)s->numbers ? KIT_YIELD : KIT_EXIT;
}

static void drop_adopted(ActorCtx *cx, Process *p)
{
    while (p->heap.fragments) {
        Fragment *f = p->heap.fragments;
        p->heap.fragments = f->next;
        f->handles = VALUE_NONE; /* adopted fragments keep books there */
        fragment_free(&cx->heap, f);
    }
}

static KitNext receive_numbers(ActorCtx *cx, Process *p)
{
    Streams *s = streams_of(cx);
    Value message;
    while ((message = process_take_message(p)) != VALUE_NONE) {
        Object *pair = obj_of(kit_payload(message));
        int64_t sender = value_as_int(pair->words[0]);
        assert_int_equal(value_as_int(pair->words[1]), s->next[sender]); /* in order, none lost */
        s->next[sender]++;
        s->received++;
        drop_adopted(cx, p);
    }
    if (s->received == (uint64_t)SENDERS * (uint64_t)s->numbers)
        return KIT_EXIT;
    s->parks++;
    return wait_for(p, PROCESS_WAIT_RECEIVE);
}

static void play_streams(uint32_t schedulers, uint64_t seed, int numbers)
{
    Streams *s = calloc(1, sizeof *s);
    kit_open(&s->kit, schedulers, seed, 0);
    s->numbers = numbers;
    s->receiver = kit_spawn(&s->kit, s->kit.cx, VALUE_NIL, receive_numbers)->pid;
    for (uint64_t i = 0; i < SENDERS; i++) {
        Process *p = kit_make(&s->kit, s->kit.cx, VALUE_NIL, send_numbers);
        p->resume.a = i;
        process_start(s->kit.cx, p, false);
    }
    kit_run(&s->kit);
    assert_int_equal(s->received, (uint64_t)SENDERS * (uint64_t)numbers);
    assert_int_equal(actor_process_count(s->kit.node), 0);
    kit_close(&s->kit);
    free(s);
}

static void no_message_is_lost_doubled_or_slept_over_with_threads(void **state)
{
    (void)state;
    for (uint32_t schedulers = 1; schedulers <= 4; schedulers++)
        play_streams(schedulers, 0, TESTKIT_SCALE(NUMBERS));
}

static void no_message_is_lost_doubled_or_slept_over_in_the_simulator(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < 8; i++)
        play_streams(1 + (uint32_t)(i % 4), seed * 100 + i, 100);
}

/* ---- families: fork, wait, kill ------------------------------------------------------------- */

typedef struct Families {
    Kit kit;
    uint64_t born, ended; /* atomic */
    uint64_t answered, crashed, unknown;
} Families;

static Families *families_of(ActorCtx *cx) { return (Families *)cx->node->config.ctx; }

static KitNext family(ActorCtx *cx, Process *p);

/* resume.a: generations below me; b: seed; c: children still to be awaited. The pids of the
 * children stand in the block, which holds nothing else. */
enum { CHILDREN = 3 };

static void fork_children(ActorCtx *cx, Process *p)
{
    Families *f = families_of(cx);
    for (unsigned i = 0; i < CHILDREN; i++) {
        Process *child;
        assert_ok(process_new(cx, p->pid, &child));
        assert_ok(heap_init(&child->heap, &cx->heap, 16, process_salt(child)));
        KitBody body = family;
        memcpy(&child->code, &body, sizeof body);
        child->resume.a = p->resume.a - 1;
        child->resume.b = p->resume.b * 31 + i;
        p->heap.lo[i] = child->pid;
        atom_add_rlx(&f->born, 1u); /* relaxed: a counter, read after the join */
        process_start(cx, child, i == 0);
    }
}

/* Waits for child number `i`; true when its end is known. */
static bool await_child(ActorCtx *cx, Process *p, unsigned i)
{
    Families *f = families_of(cx);
    Value pid = p->heap.lo[i], reason, result;
    bool asked = (p->resume.c >> 8 & 1) != 0, gone = false;
    for (int look = 0; look < 2; look++) {
        if (process_result(p, pid, &reason, &result)) {
            /* M10: nobody finds alive what has reported its end */
            assert_false(process_is_alive(cx->node, pid));
            if (reason == cx->node->sym_normal) {
                assert_int_equal(result, value_int((int64_t)(p->resume.b * 31 + i) & 0xFFFF));
                atom_add_rlx(&f->answered, 1u);
            } else if (reason == cx->node->sym_noproc) {
                atom_add_rlx(&f->unknown, 1u);
            } else {
                assert_int_equal(reason, cx->node->sym_killed);
                atom_add_rlx(&f->crashed, 1u);
            }
            drop_adopted(cx, p);
            return true;
        }
        /* A producer between its two steps can hide what came behind it: then look later. Without
         * that, reports of a forker's children are never lost. */
        if (gone && !process_has_signals(p))
            fail_msg("a child left no word");
        if (gone || asked)
            return false;
        assert_ok(process_request_result(cx, p, pid, &gone));
        asked = !gone;
        p->resume.c |= (uint64_t)asked << 8;
        if (gone)
            kit_fetch(cx, p);
    }
    return false;
}

static KitNext family(ActorCtx *cx, Process *p)
{
    if (p->resume.a == 0) {
        p->exit_result = value_int((int64_t)p->resume.b & 0xFFFF);
        return KIT_EXIT;
    }
    if (p->resume.c == 0) {
        fork_children(cx, p);
        p->resume.c = 1;
        /* Some kill a child, at once or never. */
        if (p->resume.b % 5 == 0) {
            Value victim = p->heap.lo[p->resume.b % CHILDREN];
            Status status = process_send_exit(cx, p, victim, VALUE_NIL, true);
            assert_true(status == STATUS_OK || status == STATUS_NO_PROCESS);
        }
        return KIT_YIELD;
    }
    while ((p->resume.c & 0xFF) <= CHILDREN) {
        if (!await_child(cx, p, (unsigned)(p->resume.c & 0xFF) - 1))
            return wait_for(p, PROCESS_WAIT_RESULT);
        p->resume.c = (p->resume.c & 0xFF) + 1;
    }
    p->exit_result = value_int((int64_t)p->resume.b & 0xFFFF);
    return KIT_EXIT;
}

static void play_families(uint32_t schedulers, uint64_t seed, int roots, uint64_t generations)
{
    Families *f = calloc(1, sizeof *f);
    kit_open(&f->kit, schedulers, seed, 0);
    for (int i = 0; i < roots; i++) {
        Process *p = kit_make(&f->kit, f->kit.cx, VALUE_NIL, family);
        p->resume.a = generations;
        p->resume.b = (uint64_t)i * 7 + seed;
        atom_add_rlx(&f->born, 1u);
        process_start(f->kit.cx, p, false);
    }
    kit_run(&f->kit);
    assert_int_equal(actor_process_count(f->kit.node), 0);
    /* Every child of a family that was not cut short has been accounted for; and each family that
     * was killed has left its children to end by themselves. */
    assert_true(f->answered + f->crashed + f->unknown <= f->born);
    assert_true(f->answered > 0);
    assert_int_equal(f->unknown, 0); /* no #noproc overtook a report */
    kit_close(&f->kit);
    free(f);
}

static void every_child_is_accounted_for_with_threads(void **state)
{
    (void)state;
    for (uint32_t schedulers = 1; schedulers <= 4; schedulers++)
        play_families(schedulers, 0, TESTKIT_SCALE(60), 6);
}

static void every_child_is_accounted_for_in_the_simulator(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < 10; i++)
        play_families(1 + (uint32_t)(i % 4), seed * 100 + i, 5, 4);
}

/* ---- churn: pids of the dead ---------------------------------------------------------------- */

/* Processes come and go while others send to pids that may be dead, and to slots that have new
 * tenants. A message names the pid it is for: who gets it must be that process. */

enum { CHURN_SLOTS = 16 };

typedef struct Churn {
    Kit kit;
    Value board[CHURN_SLOTS]; /* atomic: pids that somebody has seen */
    uint64_t sent, got;
    uint64_t left; /* births to come; atomic */
} Churn;

static Churn *churn_of(ActorCtx *cx) { return (Churn *)cx->node->config.ctx; }

static KitNext mayfly(ActorCtx *cx, Process *p)
{
    Churn *c = churn_of(cx);
    Value message;
    while ((message = process_take_message(p)) != VALUE_NONE) {
        assert_int_equal(kit_payload(message), p->pid);
        atom_add_rlx(&c->got, 1u); /* relaxed: a counter */
        drop_adopted(cx, p);
    }
    uint64_t life = p->resume.a++;
    if (life > 3 + p->resume.b % 5)
        return KIT_EXIT;
    Rng rng;
    rng_init(&rng, p->pid * 77 + life);
    for (int i = 0; i < 4; i++) {
        Value pid =
            atom_load_rlx(&c->board[rng_below(&rng, CHURN_SLOTS)]); /* relaxed: may be old */
        if (pid && process_send(cx, p, pid, VALUE_NIL, pid, NULL) == STATUS_OK)
            atom_add_rlx(&c->sent, 1u);
    }
    /* relaxed: a counter */
    if (rng_below(&rng, 2) && atom_sub_rlx(&c->left, 1u) - 1 < UINT64_MAX / 2) {
        Process *child;
        if (process_new(cx, VALUE_NIL, &child) == STATUS_OK) {
            assert_ok(heap_init(&child->heap, &cx->heap, 16, 0));
            KitBody body = mayfly;
            memcpy(&child->code, &body, sizeof body);
            child->resume.b = rng_next(&rng);
            Value pid = child->pid;
            process_start(cx, child, false);
            atom_store_rlx(&c->board[rng_below(&rng, CHURN_SLOTS)], pid);
        }
    }
    return KIT_YIELD;
}

static void play_churn(uint32_t schedulers, uint64_t seed, uint64_t births)
{
    Churn *c = calloc(1, sizeof *c);
    kit_open(&c->kit, schedulers, seed, 200); /* few slots: much reuse */
    c->left = births;
    for (uint64_t i = 0; i < CHURN_SLOTS; i++) {
        Process *p = kit_make(&c->kit, c->kit.cx, VALUE_NIL, mayfly);
        p->resume.b = seed + i;
        c->board[i] = p->pid;
        process_start(c->kit.cx, p, false);
    }
    kit_run(&c->kit);
    assert_int_equal(actor_process_count(c->kit.node), 0);
    assert_true(c->got <= c->sent); /* what was left in the boxes of the dead */
    assert_true(c->got > 0);
    kit_close(&c->kit); /* and nothing has leaked */
    free(c);
}

static void a_message_reaches_who_it_is_for_or_nobody_with_threads(void **state)
{
    (void)state;
    for (uint32_t schedulers = 1; schedulers <= 4; schedulers++)
        play_churn(schedulers, 0, TESTKIT_SCALE(100000));
}

static void a_message_reaches_who_it_is_for_or_nobody_in_the_simulator(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < 6; i++)
        play_churn(1 + (uint32_t)(i % 4), seed * 100 + i, 500);
}

/* ---- timers against messages ---------------------------------------------------------------- */

typedef struct Races {
    Kit kit;
    uint64_t timed_out, got; /* atomic */
    uint64_t rounds;
} Races;

static Races *races_of(ActorCtx *cx) { return (Races *)cx->node->config.ctx; }

/* Receives with a time-out of 1 ms, again and again; a partner sends after about as long. */
static KitNext impatient(ActorCtx *cx, Process *p)
{
    Races *r = races_of(cx);
    for (;;) {
        Value message = process_take_message(p);
        bool fired = p->resume.b && process_timer_fired(p);
        if (message == VALUE_NONE && !fired)
            break;
        process_stop_timer(cx, p);
        p->resume.b = 0;
        atom_add_rlx(message != VALUE_NONE ? &r->got : &r->timed_out, 1u); /* relaxed: counters */
        drop_adopted(cx, p);
        if (message != VALUE_NONE && ++p->resume.a == r->rounds)
            return KIT_EXIT;
    }
    if (!p->resume.b) {
        p->resume.b = 1;
        process_start_timer(cx, p, 1000000);
    }
    return wait_for(p, PROCESS_WAIT_RECEIVE);
}

static KitNext late_sender(ActorCtx *cx, Process *p)
{
    Races *r = races_of(cx);
    if (p->resume.b && !process_timer_fired(p))
        return wait_for(p, PROCESS_WAIT_SLEEP);
    process_stop_timer(cx, p);
    if (p->resume.b)
        assert_ok(process_send(cx, p, p->parent, VALUE_NIL, value_int(1), NULL));
    if (p->resume.b++ == r->rounds)
        return KIT_EXIT;
    process_start_timer(cx, p, 900000 + p->resume.b % 7 * 50000);
    return wait_for(p, PROCESS_WAIT_SLEEP);
}

static void play_races(uint32_t schedulers, uint64_t seed, uint64_t rounds)
{
    Races *r = calloc(1, sizeof *r);
    kit_open(&r->kit, schedulers, seed, 0);
    r->rounds = rounds;
    enum { PAIRS = 20 };
    for (int i = 0; i < PAIRS; i++) {
        Process *p = kit_spawn(&r->kit, r->kit.cx, VALUE_NIL, impatient);
        kit_spawn(&r->kit, r->kit.cx, p->pid, late_sender);
    }
    kit_run(&r->kit);
    assert_int_equal(r->got, PAIRS * rounds);
    assert_int_equal(actor_process_count(r->kit.node), 0);
    kit_close(&r->kit);
    free(r);
}

static void time_outs_and_messages_race_without_loss(void **state)
{
    (void)state;
    for (uint32_t schedulers = 1; schedulers <= 3; schedulers++)
        play_races(schedulers, 0, TESTKIT_SCALE(100));
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < 4; i++)
        play_races(1 + (uint32_t)(i % 3), seed * 100 + i, 30);
}

static void equal_seeds_play_equally(void **state)
{
    (void)state;
    uint64_t hash[2];
    for (int i = 0; i < 2; i++) {
        Families *f = calloc(1, sizeof *f);
        kit_open(&f->kit, 3, 77, 0);
        for (uint64_t k = 0; k < 5; k++) {
            Process *p = kit_make(&f->kit, f->kit.cx, VALUE_NIL, family);
            p->resume.a = 4;
            p->resume.b = k;
            process_start(f->kit.cx, p, false);
        }
        kit_run(&f->kit);
        hash[i] = sched_sim_hash(f->kit.group);
        kit_close(&f->kit);
        free(f);
    }
    assert_int_equal(hash[0], hash[1]);
}

TESTKIT_MAIN(cmocka_unit_test(no_message_is_lost_doubled_or_slept_over_with_threads),
             cmocka_unit_test(no_message_is_lost_doubled_or_slept_over_in_the_simulator),
             cmocka_unit_test(every_child_is_accounted_for_with_threads),
             cmocka_unit_test(every_child_is_accounted_for_in_the_simulator),
             cmocka_unit_test(a_message_reaches_who_it_is_for_or_nobody_with_threads),
             cmocka_unit_test(a_message_reaches_who_it_is_for_or_nobody_in_the_simulator),
             cmocka_unit_test(time_outs_and_messages_race_without_loss),
             cmocka_unit_test(equal_seeds_play_equally), )
