/* SPDX-License-Identifier: Apache-2.0 */
/* test_links.c - the signal layer: holds, links, monitors, names. */
#include "actorkit.h"

#include "groups.h"

/* ---- holds ---------------------------------------------------------------------------------- */

#define HOLDS 5000

typedef struct TestHold {
    ProcessHold hold;
    int number;
    bool is_stale;
    int *told; /* count of ends; the last number told is in told[1], order broken in told[2] */
} TestHold;

static void test_hold_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    TestHold *h = (TestHold *)(void *)hold;
    (void)cx;
    assert_null(hold->prev);
    h->told[0]++;
    if (atom_load_rlx(&p->state) == PROCESS_EXITING) {
        h->told[2] += h->number >= h->told[1];
        h->told[1] = h->number;
    }
}

static bool test_hold_stale(const ProcessHold *hold)
{
    return ((const TestHold *)(const void *)hold)->is_stale;
}

static const ProcessHoldType test_hold_type = {test_hold_ended, test_hold_stale};
static const ProcessHoldType lasting_type = {test_hold_ended, NULL};

static void holds_are_told_of_the_end_most_recent_first(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    static TestHold holds[HOLDS];
    int told[3] = {0, HOLDS, 0};
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    for (int i = 0; i < HOLDS; i++) {
        holds[i] = (TestHold){.hold = {.type = &lasting_type}, .number = i, .told = told};
        assert_ok(process_hold_add(kit.cx, p, &holds[i].hold));
    }
    for (int i = 0; i < HOLDS; i += 10) {
        process_hold_remove(p, &holds[i].hold);
        process_hold_remove(p, &holds[i].hold); /* on no list: nothing */
    }
    SchedStats before, after;
    sched_stats(kit.group, 0, &before);
    assert_ok(process_send_exit(kit.cx, NULL, p->pid, kit.node->sym_killed, true));
    kit_run(&kit);
    sched_stats(kit.group, 0, &after);
    assert_int_equal(told[0], HOLDS - HOLDS / 10);
    assert_int_equal(told[2], 0);
    assert_true(after.switches - before.switches >= 2); /* in pieces */
    kit_close(&kit);
}

static void stale_holds_are_dropped_when_their_number_has_doubled(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    static TestHold holds[HOLDS];
    int told[3] = {0, 0, 0};
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    uint32_t most = 0;
    for (int i = 0; i < HOLDS; i++) {
        holds[i] = (TestHold){.hold = {.type = &test_hold_type}, .number = i, .told = told};
        holds[i].is_stale = i % 20 != 0;
        assert_ok(process_hold_add(kit.cx, p, &holds[i].hold));
        most = p->ext->nholds > most ? p->ext->nholds : most;
    }
    assert_true(most < HOLDS / 5);
    assert_true(told[0] > HOLDS * 3 / 4);
    for (int i = 0; i < HOLDS; i += 20)
        assert_non_null(holds[i].hold.prev);
    kit_close(&kit); /* the end of the node tells them too */
    assert_int_equal(told[0], HOLDS);
}

/* ---- reports -------------------------------------------------------------------------------- */

static KitNext end_with_array(ActorCtx *cx, Process *p)
{
    Value two[2] = {value_int(1), value_int(2)};
    p->exit_result = kit_array(cx, p, two, 2);
    return KIT_EXIT;
}

static void a_thousand_waiters_are_told_in_pieces(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    enum { WAITERS = 6000 };
    static Process *waiters[WAITERS];
    Process *child = kit_make(&kit, kit.cx, VALUE_NIL, end_with_array);
    Value pid = child->pid;
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
        bool gone;
        assert_ok(process_request_result(kit.cx, waiters[i], pid, &gone));
    }
    process_start(kit.cx, child, false);
    kit_run(&kit);
    for (int i = 0; i < WAITERS; i++) {
        Value reason, result;
        kit_fetch(kit.cx, waiters[i]);
        assert_true(process_result(waiters[i], pid, &reason, &result));
        assert_int_equal(reason, kit.node->sym_normal);
        assert_int_equal(obj_of(result)->words[1], value_int(2));
    }
    kit_close(&kit);
}

/* ---- helpers of what follows ---------------------------------------------------------------- */

/* kit_run may be called any number of times: a hold keeps the node from being stopped. */
static void steps_open(Kit *kit, uint32_t count, uint64_t seed)
{
    kit_open(kit, count, seed, 0);
    sched_hold(kit->group);
}

static void steps_close(Kit *kit)
{
    sched_release(kit->group);
    kit_close(kit);
}

/* A process that waits for ever; its "owner" between two kit_runs is the test. */
static Process *idle(Kit *kit) { return kit_spawn(kit, kit->cx, VALUE_NIL, kit_body_park); }

static void traps(Process *p) { process_set_mode(p, PROCESS_MODE_TRAPS, true); }

static void exit_with(Kit *kit, Value pid, const char *reason)
{
    assert_ok(process_send_exit(kit->cx, NULL, pid, kit_symbol(kit, reason), false));
}

static bool gone(const Kit *kit, Value pid) { return process_of_pid(kit->node, pid) == NULL; }

static Value reference_of(Kit *kit, Process *watcher, Value target)
{
    Value reference = process_new_reference(kit->cx);
    assert_ok(process_monitor(kit->cx, watcher, target, reference));
    return reference;
}

/* The oldest message, which must be of class `cls`. NULL: there is none. */
static const Value *next_end(Kit *kit, Process *p, uint32_t cls)
{
    kit_fetch(kit->cx, p);
    Value message = process_take_message(p);
    if (message == VALUE_NONE)
        return NULL;
    assert_int_equal(obj_class(obj_of(message)), cls);
    assert_int_equal(obj_of(message)->words[MESSAGE_PAYLOAD], VALUE_NIL);
    return obj_of(message)->words;
}

static void expect_end(Kit *kit, Process *p, uint32_t cls, Value sender, Value reason, Value origin,
                       Value reference)
{
    const Value *end = next_end(kit, p, cls);
    assert_non_null(end);
    assert_int_equal(end[MESSAGE_SENDER], sender);
    assert_int_equal(end[MESSAGE_SELECTOR],
                     cls == CLASS_EXIT_MESSAGE ? kit->node->sym_exit : kit->node->sym_down);
    assert_int_equal(end[END_REASON], reason);
    assert_int_equal(end[END_ORIGIN], origin);
    assert_int_equal(end[END_REFERENCE], reference);
}

static void expect_nothing(Kit *kit, Process *p)
{
    kit_fetch(kit->cx, p);
    assert_int_equal(process_take_message(p), VALUE_NONE);
}

static void expect_exit(Kit *kit, Process *p, Value sender, const char *reason)
{
    expect_end(kit, p, CLASS_EXIT_MESSAGE, sender, kit_symbol(kit, reason), VALUE_NIL, VALUE_NIL);
}

static void expect_down(Kit *kit, Process *p, Value sender, const char *reason, Value reference)
{
    expect_end(kit, p, CLASS_DOWN_MESSAGE, sender, kit_symbol(kit, reason), VALUE_NIL, reference);
}

/* ---- links ---------------------------------------------------------------------------------- */

static void an_exit_goes_along_links_with_reason_and_origin(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) { /* whichever end asked for the link */
        Kit kit;
        steps_open(&kit, 2, 7);
        Process *a = idle(&kit), *b = idle(&kit), *c = idle(&kit), *spy = idle(&kit);
        Value pid[3] = {a->pid, b->pid, c->pid}, ref[3];
        assert_ok(both ? process_link(kit.cx, b, pid[0]) : process_link(kit.cx, a, pid[1]));
        assert_ok(both ? process_link(kit.cx, c, pid[1]) : process_link(kit.cx, b, pid[2]));
        assert_ok(process_link(kit.cx, a, pid[1])); /* again: no second link */
        assert_ok(process_link(kit.cx, a, pid[0])); /* itself: nothing */
        for (int i = 0; i < 3; i++)
            ref[i] = reference_of(&kit, spy, pid[i]);
        kit_run(&kit);
        assert_true(process_is_linked(a, pid[1]) && process_is_linked(b, pid[0]));
        assert_false(process_is_linked(a, pid[0]) || process_is_linked(a, pid[2]));
        exit_with(&kit, pid[0], "boom");
        kit_run(&kit);
        for (int i = 0; i < 3; i++)
            expect_end(&kit, spy, CLASS_DOWN_MESSAGE, pid[i], kit_symbol(&kit, "boom"),
                       i == 0 ? VALUE_NIL : pid[0], ref[i]);
        expect_nothing(&kit, spy);
        assert_int_equal(actor_process_count(kit.node), 1);
        steps_close(&kit);
    }
}

static void a_normal_end_does_not_end_the_linked(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_end);
    Value pid = a->pid;
    Process *b = idle(&kit), *trapper = idle(&kit);
    traps(trapper);
    kit_run(&kit);
    assert_ok(process_link(kit.cx, b, pid));
    assert_ok(process_link(kit.cx, trapper, pid));
    process_start(kit.cx, a, false);
    kit_run(&kit);
    assert_true(gone(&kit, pid));
    expect_nothing(&kit, b);
    assert_int_equal(atom_load_rlx(&b->state), PROCESS_LIVE);
    assert_int_equal(b->flags & PROCESS_F_EXIT_PENDING, 0);
    expect_exit(&kit, trapper, pid, "normal"); /* who traps is told, as in Erlang */
    assert_int_equal(b->ext->links.n, 0);
    steps_close(&kit);
}

static void who_traps_gets_messages_and_lives(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit), *b = idle(&kit), *trapper = idle(&kit);
    Value pid[2] = {a->pid, b->pid};
    traps(trapper);
    assert_ok(process_link(kit.cx, trapper, pid[0]));
    assert_ok(process_link(kit.cx, b, trapper->pid));
    kit_run(&kit);
    exit_with(&kit, pid[0], "one");
    kit_run(&kit);
    exit_with(&kit, pid[1], "two");
    kit_run(&kit);
    expect_exit(&kit, trapper, pid[0], "one");
    expect_exit(&kit, trapper, pid[1], "two");
    /* exit: to a trapper is a message too, whatever the reason and whoever sends it */
    exit_with(&kit, trapper->pid, "three");
    exit_with(&kit, trapper->pid, "normal");
    assert_ok(process_send_exit(kit.cx, trapper, trapper->pid, kit.node->sym_normal, false));
    kit_run(&kit);
    expect_exit(&kit, trapper, VALUE_NIL, "three");
    expect_exit(&kit, trapper, VALUE_NIL, "normal");
    expect_exit(&kit, trapper, trapper->pid, "normal");
    expect_nothing(&kit, trapper);
    assert_false(gone(&kit, trapper->pid));
    steps_close(&kit);
}

static void nothing_traps_a_kill(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *victim = idle(&kit), *linked = idle(&kit), *trapper = idle(&kit);
    Value pid = victim->pid, other = linked->pid;
    traps(victim);
    traps(trapper);
    assert_ok(process_link(kit.cx, trapper, pid));
    assert_ok(process_link(kit.cx, linked, pid));
    Value ref = reference_of(&kit, trapper, other);
    kit_run(&kit);
    assert_ok(process_send_exit(kit.cx, NULL, pid, kit.node->sym_error, true));
    kit_run(&kit);
    assert_true(gone(&kit, pid) && gone(&kit, other)); /* linked got #killed, which is trappable */
    expect_exit(&kit, trapper, pid, "killed");
    expect_end(&kit, trapper, CLASS_DOWN_MESSAGE, other, kit.node->sym_killed, pid, ref);
    steps_close(&kit);
}

static void a_link_with_the_dead_is_an_exit_noproc(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *dead = idle(&kit), *trapper = idle(&kit), *other = idle(&kit);
    Process *dying = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    dying->state = PROCESS_LIVE;
    actor_count(kit.cx, 1);
    Value pid[2] = {dead->pid, dying->pid}, last = other->pid;
    traps(trapper);
    exit_with(&kit, pid[0], "x");
    kit_run(&kit);
    assert_ok(process_link(kit.cx, trapper, pid[0]));
    expect_exit(&kit, trapper, pid[0], "noproc");
    assert_int_equal(trapper->ext->links.n, 0);
    /* the LINK is in the queue, not yet handled, when the process ends */
    assert_ok(process_link(kit.cx, trapper, pid[1]));
    dying->exit_reason = kit_symbol(&kit, "y");
    process_exit(kit.cx, dying);
    expect_exit(&kit, trapper, pid[1], "noproc");
    /* who does not trap ends */
    assert_ok(process_link(kit.cx, other, pid[0]));
    kit_run(&kit);
    assert_true(gone(&kit, last));
    steps_close(&kit);
}

static void an_unlinked_process_is_left_alone(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit), *b = idle(&kit), *trapper = idle(&kit);
    Value pid[2] = {a->pid, b->pid};
    traps(trapper);
    assert_ok(process_link(kit.cx, trapper, pid[0]));
    assert_ok(process_link(kit.cx, trapper, pid[1]));
    kit_run(&kit);
    assert_ok(process_unlink(kit.cx, trapper, pid[0]));
    assert_ok(process_unlink(kit.cx, trapper, pid[0])); /* twice: nothing */
    assert_ok(process_unlink(kit.cx, b, trapper->pid));
    assert_false(process_is_linked(trapper, pid[0]));
    kit_run(&kit);
    kit_fetch(kit.cx, trapper);
    /* acknowledged: no entry is left at either end */
    assert_int_equal(trapper->ext->links.n, 0);
    assert_int_equal(a->ext->links.n, 0);
    kit_fetch(kit.cx, b);
    assert_int_equal(b->ext->links.n, 0);
    exit_with(&kit, pid[0], "x");
    exit_with(&kit, pid[1], "x");
    kit_run(&kit);
    expect_nothing(&kit, trapper);
    steps_close(&kit);
}

static void an_exit_on_the_way_is_ignored_after_unlink(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        Kit kit;
        steps_open(&kit, 1, 1);
        Process *a = idle(&kit), *trapper = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
        Value pid = a->pid;
        traps(trapper);
        trapper->state = PROCESS_LIVE; /* it does not run: what comes stays in its queue */
        actor_count(kit.cx, 1);
        assert_ok(process_link(kit.cx, trapper, pid));
        kit_run(&kit);
        exit_with(&kit, pid, "x");
        kit_run(&kit);
        assert_ok(process_unlink(kit.cx, trapper, pid));
        if (again)
            assert_ok(process_link(kit.cx, trapper, pid)); /* and back: now it counts again */
        if (again)
            expect_exit(&kit, trapper, pid, "x");
        expect_nothing(&kit, trapper); /* and no #noproc for the second LINK */
        assert_int_equal(trapper->ext->links.n, 0);
        steps_close(&kit);
    }
}

/* Random links and unlinks from either end, signals handled at random times: when all have been
 * handled, either both ends of a link have it or neither, and no unlinking is left. */
static void both_ends_agree_whatever_crosses(void **state)
{
    (void)state;
    enum { ENDS = 4, ROUNDS = 40 };
    for (uint64_t seed = 1; seed <= 300; seed++) {
        Kit kit;
        steps_open(&kit, 1, seed);
        Rng rng;
        rng_init(&rng, seed * 77);
        Process *p[ENDS];
        bool wants[ENDS][ENDS] = {{false}};
        for (int i = 0; i < ENDS; i++) {
            p[i] = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
            p[i]->state = PROCESS_LIVE;
        }
        for (int round = 0; round < ROUNDS; round++) {
            uint32_t i = rng_below(&rng, ENDS), k = rng_below(&rng, ENDS);
            bool link = rng_below(&rng, 2) != 0;
            if (i == k)
                continue;
            assert_ok(link ? process_link(kit.cx, p[i], p[k]->pid)
                           : process_unlink(kit.cx, p[i], p[k]->pid));
            wants[i][k] = link;
            while (rng_below(&rng, 3) == 0) {
                kit_fetch(kit.cx, p[rng_below(&rng, ENDS)]);
            }
        }
        for (int round = 0; round < 6; round++)
            for (int i = 0; i < ENDS; i++)
                kit_fetch(kit.cx, p[i]);
        for (int i = 0; i < ENDS; i++)
            for (int k = 0; k < ENDS; k++) {
                bool here = process_is_linked(p[i], p[k]->pid);
                assert_int_equal(here, process_is_linked(p[k], p[i]->pid));
                /* both wanted it last, or neither did: then that is how it is */
                if (i != k && wants[i][k] == wants[k][i] && !wants[i][k])
                    assert_false(here);
            }
        for (int i = 0; i < ENDS; i++)
            for (uint32_t n = 0; p[i]->ext && n < p[i]->ext->links.n; n++)
                assert_int_equal(p[i]->ext->links.at[n].word, 0);
        steps_close(&kit);
    }
}

static void reasons_that_are_objects_are_copied_for_each(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit), *spy[4];
    kit_run(&kit);
    Value pid = a->pid;
    for (int i = 0; i < 4; i++) {
        spy[i] = idle(&kit);
        traps(spy[i]);
        if (i < 2)
            assert_ok(process_link(kit.cx, spy[i], pid));
        else
            (void)reference_of(&kit, spy[i], pid);
    }
    kit_run(&kit);
    Value two[2] = {value_int(3), kit_symbol(&kit, "why")};
    Value reason = kit_array(kit.cx, spy[0], two, 2);
    assert_ok(process_send_exit(kit.cx, spy[0], pid, reason, false));
    kit_run(&kit);
    Value seen[4];
    for (int i = 0; i < 4; i++) {
        const Value *end = next_end(&kit, spy[i], i < 2 ? CLASS_EXIT_MESSAGE : CLASS_DOWN_MESSAGE);
        assert_non_null(end);
        seen[i] = end[END_REASON];
        assert_int_equal(obj_class(obj_of(seen[i])), CLASS_ARRAY);
        assert_int_equal(obj_of(seen[i])->words[1], two[1]);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(seen[k], seen[i]); /* I2 */
    }
    steps_close(&kit);
}

static void the_first_exit_stays(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit), *b = idle(&kit), *spy = idle(&kit);
    Value pid[2] = {a->pid, b->pid}, ref = reference_of(&kit, spy, pid[1]);
    assert_ok(process_link(kit.cx, b, pid[0]));
    kit_run(&kit);
    exit_with(&kit, pid[1], "first"); /* both are in its queue when it looks */
    exit_with(&kit, pid[1], "second");
    exit_with(&kit, pid[0], "third");
    kit_run(&kit);
    expect_down(&kit, spy, pid[1], "first", ref);
    steps_close(&kit);
}

static void many_links_end_in_pieces(void **state)
{
    (void)state;
    enum { LINKS = 20000 };
    Kit kit;
    steps_open(&kit, 2, 3);
    Process *hub = idle(&kit);
    Value pid = hub->pid;
    kit_run(&kit);
    for (int i = 0; i < LINKS; i++)
        assert_ok(process_link(kit.cx, idle(&kit), pid));
    kit_run(&kit);
    assert_int_equal(hub->ext->links.n, LINKS);
    SchedStats before, after, other;
    sched_stats(kit.group, 0, &before);
    sched_stats(kit.group, 1, &other);
    before.slices += other.slices;
    exit_with(&kit, pid, "boom");
    kit_run(&kit);
    sched_stats(kit.group, 0, &after);
    sched_stats(kit.group, 1, &other);
    assert_int_equal(actor_process_count(kit.node), 0);
    assert_true(after.slices + other.slices - before.slices >= LINKS / SCHED_REDUCTIONS);
    steps_close(&kit);
}

static void a_child_is_linked_and_watched_before_it_runs(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *parent = idle(&kit);
    traps(parent);
    kit_run(&kit);
    Process *child = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_end);
    Value pid = child->pid, ref = process_new_reference(kit.cx);
    child->exit_reason = kit_symbol(&kit, "at once");
    assert_ok(process_link_child(kit.cx, parent, child));
    assert_ok(process_monitor_child(kit.cx, parent, child, ref));
    process_start(kit.cx, child, false);
    kit_run(&kit);
    expect_exit(&kit, parent, pid, "at once");
    expect_down(&kit, parent, pid, "at once", ref);
    steps_close(&kit);
}

static void exits_wait_to_be_raised_when_that_is_asked_for(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit), *b = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Value pid = a->pid;
    b->state = PROCESS_LIVE;
    actor_count(kit.cx, 1);
    assert_ok(process_request(kit.cx, b->pid, REQUEST_RAISE, VALUE_TRUE, VALUE_NIL));
    kit_fetch(kit.cx, b);
    assert_ok(process_link(kit.cx, b, pid));
    kit_run(&kit);
    exit_with(&kit, pid, "boom");
    kit_run(&kit);
    kit_fetch(kit.cx, b);
    assert_int_not_equal(b->flags & PROCESS_F_EXIT_PENDING, 0);
    assert_int_equal(b->modes & PROCESS_MODE_ENDS, 0);
    assert_non_null(b->ext->raises);
    assert_int_equal(obj_of(b->ext->raises->root)->words[MESSAGE_SENDER], pid);
    steps_close(&kit);
}

/* ---- monitors ------------------------------------------------------------------------------- */

static KitNext end_with_seven(ActorCtx *cx, Process *p)
{
    (void)cx;
    p->exit_result = value_int(7);
    return KIT_EXIT;
}

static void each_monitor_is_one_message(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *target = kit_make(&kit, kit.cx, VALUE_NIL, end_with_seven), *spy = idle(&kit);
    Value pid = target->pid, ref[20];
    kit_run(&kit);
    for (int i = 0; i < 20; i++) {
        ref[i] = reference_of(&kit, spy, pid);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(ref[i], ref[k]);
    }
    (void)reference_of(&kit, spy, spy->pid); /* of itself: nothing ever comes */
    process_start(kit.cx, target, false);
    kit_run(&kit);
    uint32_t seen = 0;
    for (int i = 0; i < 20; i++) {
        const Value *end = next_end(&kit, spy, CLASS_DOWN_MESSAGE);
        assert_non_null(end);
        assert_int_equal(end[MESSAGE_SENDER], pid);
        assert_int_equal(end[END_REASON], kit.node->sym_normal);
        assert_int_equal(end[END_RESULT], value_int(7));
        for (int k = 0; k < 20; k++)
            seen |= end[END_REFERENCE] == ref[k] ? 1u << k : 0;
    }
    assert_int_equal(seen, (1u << 20) - 1);
    expect_nothing(&kit, spy);
    assert_int_equal(spy->ext->watching.n, 0);
    steps_close(&kit);
}

static void a_monitor_of_the_dead_says_noproc(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *target = idle(&kit), *spy = idle(&kit);
    Value pid = target->pid;
    exit_with(&kit, pid, "x");
    kit_run(&kit);
    Value ref = reference_of(&kit, spy, pid);
    expect_down(&kit, spy, pid, "noproc", ref);
    expect_nothing(&kit, spy);
    steps_close(&kit);
}

static void a_monitor_that_comes_while_its_process_ends_learns_the_reason(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *spy = idle(&kit), *target = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    kit_run(&kit);
    Value pid = target->pid;
    target->state = PROCESS_LIVE;
    actor_count(kit.cx, 1);
    Value ref = reference_of(&kit, spy, pid); /* in its queue, unsorted */
    traps(spy);
    assert_ok(process_link(kit.cx, spy, pid));
    target->exit_reason = kit_symbol(&kit, "boom");
    process_exit(kit.cx, target);
    expect_down(&kit, spy, pid, "boom", ref);
    expect_exit(&kit, spy, pid, "noproc"); /* the link was never made */
    expect_nothing(&kit, spy);
    steps_close(&kit);
}

static void after_demonitor_nothing_comes(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *target = idle(&kit), *spy = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Value pid = target->pid;
    spy->state = PROCESS_LIVE; /* does not run: what comes stays in its queue */
    actor_count(kit.cx, 1);
    Value ref[3];
    for (int i = 0; i < 3; i++)
        ref[i] = reference_of(&kit, spy, pid);
    kit_run(&kit);
    assert_int_equal(target->ext->watched.n, 3);
    assert_true(process_demonitor(kit.cx, spy, ref[0]));
    assert_false(process_demonitor(kit.cx, spy, ref[0]));
    kit_run(&kit);
    assert_int_equal(target->ext->watched.n, 2); /* forgotten there too */
    exit_with(&kit, pid, "x");
    kit_run(&kit);
    assert_true(process_demonitor(kit.cx, spy, ref[1])); /* its DOWN is on the way */
    expect_down(&kit, spy, pid, "x", ref[2]);
    expect_nothing(&kit, spy);
    assert_false(process_demonitor(kit.cx, spy, ref[2]));
    steps_close(&kit);
}

static void who_ends_gives_up_its_monitors(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *target = idle(&kit);
    kit_run(&kit);
    for (int i = 0; i < 100; i++) {
        Process *spy = idle(&kit);
        Value pid = spy->pid;
        (void)reference_of(&kit, spy, target->pid);
        exit_with(&kit, pid, "x");
    }
    kit_run(&kit);
    assert_int_equal(target->ext->watched.n, 0);
    assert_int_equal(actor_process_count(kit.node), 1);
    steps_close(&kit);
}

/* A report to `wait` and a DOWN from the same end: the message is there first (links.h). */
static void down_comes_no_later_than_the_result(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *target = kit_make(&kit, kit.cx, VALUE_NIL, end_with_seven);
    Process *spy = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    spy->state = PROCESS_LIVE;
    actor_count(kit.cx, 1);
    Value pid = target->pid;
    bool is_gone;
    assert_ok(process_request_result(kit.cx, spy, pid, &is_gone));
    Value ref = reference_of(&kit, spy, pid);
    traps(spy);
    assert_ok(process_link(kit.cx, spy, pid));
    process_start(kit.cx, target, false);
    kit_run(&kit);
    static const SignalKind order[] = {SIGNAL_LINK_EXIT, SIGNAL_DOWN, SIGNAL_RESULT};
    for (int i = 0; i < 3; i++) {
        Fragment *f = mailbox_next(spy);
        assert_non_null(f);
        assert_int_equal(f->kind, order[i]);
        if (f->kind == SIGNAL_DOWN)
            assert_int_equal(obj_of(f->root)->words[END_REFERENCE], ref);
        fragment_free(&kit.cx->heap, f);
    }
    steps_close(&kit);
}

/* ---- requests ------------------------------------------------------------------------------- */

static void others_may_ask_for_it(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit), *b = idle(&kit), *spy = idle(&kit);
    Value pid[2] = {a->pid, b->pid}, ref = process_new_reference(kit.cx);
    kit_run(&kit);
    assert_ok(process_request(kit.cx, pid[0], REQUEST_LINK, pid[1], VALUE_NIL));
    assert_ok(process_request(kit.cx, spy->pid, REQUEST_MONITOR, pid[0], ref));
    assert_ok(process_request(kit.cx, spy->pid, REQUEST_TRAP, VALUE_TRUE, VALUE_NIL));
    kit_run(&kit);
    assert_true(process_is_linked(a, pid[1]) && process_is_linked(b, pid[0]));
    assert_int_equal(spy->modes, PROCESS_MODE_TRAPS);
    assert_ok(process_request(kit.cx, pid[0], REQUEST_UNLINK, pid[1], VALUE_NIL));
    assert_ok(process_request(kit.cx, spy->pid, REQUEST_TRAP, VALUE_FALSE, VALUE_NIL));
    kit_run(&kit);
    assert_false(process_is_linked(a, pid[1]) || process_is_linked(b, pid[0]));
    assert_int_equal(spy->modes, 0);
    exit_with(&kit, pid[0], "x");
    kit_run(&kit);
    expect_down(&kit, spy, pid[0], "x", ref);
    /* D11: a link that the dead was asked for is an exit of the other */
    traps(b);
    assert_ok(process_request(kit.cx, pid[0], REQUEST_LINK, pid[1], VALUE_NIL));
    kit_run(&kit);
    expect_exit(&kit, b, pid[0], "noproc");
    ref = process_new_reference(kit.cx);
    assert_ok(process_request(kit.cx, spy->pid, REQUEST_MONITOR, pid[1], ref));
    assert_ok(process_request(kit.cx, spy->pid, REQUEST_DEMONITOR, VALUE_NIL, ref));
    kit_run(&kit);
    assert_int_equal(spy->ext->watching.n, 0);
    assert_int_equal(b->ext->watched.n, 0);
    steps_close(&kit);
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool registered(Kit *kit, const Process *p, const char *name)
{
    bool done;
    assert_ok(process_register(kit->cx, p->pid, kit_symbol(kit, name), &done));
    return done;
}

static void a_name_belongs_to_one_live_process(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit), *b = idle(&kit);
    Value pid[2] = {a->pid, b->pid}, x = kit_symbol(&kit, "x"), names[4], pids[4];
    kit_run(&kit);
    assert_int_equal(process_named(kit.node, x), VALUE_NIL);
    assert_true(registered(&kit, a, "x") && registered(&kit, a, "x") && registered(&kit, a, "y"));
    assert_false(registered(&kit, b, "x"));
    assert_true(registered(&kit, b, "z"));
    assert_int_equal(process_named(kit.node, x), pid[0]);
    kit_run(&kit);
    assert_int_equal(process_names(a, names, 4), 2);
    assert_int_equal(names[0], kit_symbol(&kit, "y")); /* most recent first */
    uint32_t cursor = 0, found = 0;
    while (cursor != UINT32_MAX)
        found += actor_list_names(kit.node, &cursor, 7, names + found, pids + found, 4 - found);
    assert_int_equal(found, 3);
    /* all of them are given back before anybody hears of the end */
    Value ref = reference_of(&kit, b, pid[0]);
    (void)ref;
    exit_with(&kit, pid[0], "gone");
    kit_run(&kit);
    assert_int_equal(process_named(kit.node, x), VALUE_NIL);
    assert_int_equal(*symtab_word(kit.symtab, value_as_symbol(x)), 0);
    assert_int_equal(*symtab_word(kit.symtab, value_as_symbol(kit_symbol(&kit, "y"))), 0);
    assert_true(registered(&kit, b, "x"));
    bool done;
    assert_ok(process_register(kit.cx, pid[0], kit_symbol(&kit, "w"), &done));
    assert_false(done); /* dead */
    steps_close(&kit);
}

/* Looks, when the DOWN is handled, whether the name is free. */
static KitNext look_for_name(ActorCtx *cx, Process *p)
{
    Value message = process_take_message(p);
    p->wait = PROCESS_WAIT_RECEIVE;
    if (message == VALUE_NONE)
        return KIT_PARK;
    uint32_t id = symtab_lookup(cx->node->config.symtab, "x", 1);
    p->exit_result = value_bool(*symtab_word(cx->node->config.symtab, id) == 0);
    return KIT_EXIT;
}

static void names_are_free_before_anybody_hears_of_the_end(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 2, 5, 0);
    enum { NAMES = 6000 }; /* so many that the end goes on while others run */
    Process *named = idle(&kit), *spy = kit_make(&kit, kit.cx, VALUE_NIL, look_for_name);
    spy->flags |= PROCESS_F_MAIN;
    assert_true(registered(&kit, named, "x"));
    char text[16];
    for (int i = 0; i < NAMES; i++) {
        snprintf(text, sizeof text, "name%d", i);
        assert_true(registered(&kit, named, text));
    }
    (void)reference_of(&kit, spy, named->pid);
    process_start(kit.cx, spy, false);
    exit_with(&kit, named->pid, "gone");
    kit_run(&kit);
    assert_int_equal(kit.mains_ended, 1);
    assert_int_equal(kit.main_result, VALUE_TRUE);
    kit_close(&kit);
}

static void names_are_given_up_one_by_one_or_taken_away(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = idle(&kit);
    Value x = kit_symbol(&kit, "x"), y = kit_symbol(&kit, "y"), z = kit_symbol(&kit, "z");
    assert_true(registered(&kit, a, "x") && registered(&kit, a, "y") && registered(&kit, a, "z"));
    kit_run(&kit);
    process_unregister(kit.cx, a, VALUE_NIL);
    assert_int_equal(process_named(kit.node, z), VALUE_NIL);
    assert_int_equal(process_named(kit.node, y), a->pid);
    assert_true(process_release_name(kit.cx, a->pid, y));
    assert_false(process_release_name(kit.cx, a->pid, y));
    assert_ok(process_request(kit.cx, a->pid, REQUEST_UNREGISTER, VALUE_NIL, VALUE_NIL));
    kit_run(&kit);
    assert_int_equal(process_named(kit.node, x), VALUE_NIL); /* y was not its any more */
    assert_true(registered(&kit, a, "x"));
    kit_run(&kit);
    process_unregister(kit.cx, a, x);
    assert_int_equal(process_named(kit.node, x), VALUE_NIL);
    assert_null(a->ext->names);
    steps_close(&kit);
}

static void a_name_that_finds_nobody_is_given_back(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Process *a = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    a->state = PROCESS_LIVE;
    actor_count(kit.cx, 1);
    assert_true(registered(&kit, a, "x")); /* the NAME is in its queue, unsorted */
    process_exit(kit.cx, a);
    assert_int_equal(*symtab_word(kit.symtab, value_as_symbol(kit_symbol(&kit, "x"))), 0);
    steps_close(&kit);
}

/* ---- groups --------------------------------------------------------------------------------- */

static void expect_change(Kit *kit, Process *p, Value member, Value selector, Value name)
{
    kit_fetch(kit->cx, p);
    Value message = process_take_message(p);
    assert_int_not_equal(message, VALUE_NONE);
    assert_int_equal(obj_of(message)->words[MESSAGE_SENDER], member);
    assert_int_equal(obj_of(message)->words[MESSAGE_SELECTOR], selector);
    assert_int_equal(obj_of(message)->words[MESSAGE_PAYLOAD], name);
}

static void a_group_loses_its_dead_before_anybody_hears_of_it(void **state)
{
    (void)state;
    Kit kit;
    steps_open(&kit, 1, 1);
    Value name = kit_symbol(&kit, "workers"), other = kit_symbol(&kit, "others"), pids[4], pid[3];
    Process *p[3], *spy = idle(&kit);
    bool done;
    assert_ok(group_watch(kit.cx, spy, name));
    for (int i = 0; i < 3; i++) {
        p[i] = idle(&kit);
        pid[i] = p[i]->pid;
    }
    assert_ok(group_join(kit.cx, p[0], name, &done));
    assert_true(done);
    assert_ok(group_join(kit.cx, p[0], name, &done));
    assert_false(done);
    assert_ok(process_request(kit.cx, pid[1], REQUEST_JOIN, name, VALUE_NIL));
    assert_ok(group_join(kit.cx, p[2], other, &done));
    kit_run(&kit);
    assert_int_equal(group_members(kit.node, name, pids, 4), 2);
    assert_int_equal(group_members(kit.node, other, pids, 4), 1);
    assert_int_equal(pids[0], pid[2]);
    expect_change(&kit, spy, pid[0], kit.node->sym_joined, name);
    expect_change(&kit, spy, pid[1], kit.node->sym_joined, name);
    Value ref = reference_of(&kit, spy, pid[0]);
    exit_with(&kit, pid[0], "x");
    assert_ok(process_request(kit.cx, pid[1], REQUEST_LEAVE, name, VALUE_NIL));
    kit_run(&kit);
    expect_change(&kit, spy, pid[0], kit.node->sym_left, name); /* before the DOWN */
    expect_down(&kit, spy, pid[0], "x", ref);
    expect_change(&kit, spy, pid[1], kit.node->sym_left, name);
    assert_int_equal(group_members(kit.node, name, pids, 4), 0);
    uint32_t cursor = 0;
    assert_int_equal(group_list(kit.node, &cursor, pids, 4), 1);
    assert_int_equal(pids[0], other);
    assert_true(group_unwatch(kit.cx, spy, name));
    assert_false(group_unwatch(kit.cx, spy, name));
    assert_false(group_leave(kit.cx, p[1], name));
    steps_close(&kit); /* with a member left */
}

/* ---- bonds ---------------------------------------------------------------------------------- */

static void a_table_of_bonds_agrees_with_a_model(void **state)
{
    (void)state;
    enum { KEYS = 700 };
    Kit kit;
    steps_open(&kit, 1, 1);
    BondTable t = {0};
    static bool there[KEYS];
    memset(there, 0, sizeof there);
    Rng rng;
    rng_init(&rng, 11);
    for (int step = 0; step < 40000; step++) {
        uint32_t keys = step / 4000 % 2 ? 8 : KEYS; /* small and large by turns */
        uint32_t k = rng_below(&rng, keys);
        Value key = value_pid(k * 131, k);
        Bond *b = bonds_find(&t, key);
        assert_int_equal(b != NULL, there[k]);
        if (b) {
            assert_int_equal(b->word, k);
            bonds_remove(kit.cx, &t, b);
        } else {
            b = bonds_add(kit.cx, &t, key);
            b->word = k;
        }
        there[k] = !there[k];
        if (step / 4000 % 2 && step % 4000 == 0)
            for (k = 0; k < KEYS; k++)
                if (there[k] && (there[k] = false, true))
                    bonds_remove(kit.cx, &t, bonds_find(&t, value_pid(k * 131, k)));
    }
    uint32_t at = 0, n = 0, want = 0;
    while (bonds_next(&t, &at))
        n++;
    for (int k = 0; k < KEYS; k++)
        want += there[k];
    assert_int_equal(n, want);
    assert_int_equal(t.n, want);
    bonds_free(kit.cx, &t);
    steps_close(&kit);
}

static void missing_memory_leaves_no_half_of_a_bond(void **state)
{
    (void)state;
    for (uint64_t after = 0; after < 80; after++) {
        Kit kit;
        steps_open(&kit, 1, 1 + after);
        Process *p[6];
        Value pid[6];
        for (int i = 0; i < 6; i++) {
            p[i] = idle(&kit);
            pid[i] = p[i]->pid;
        }
        kit_run(&kit);
        kit.sim.alloc_fail_after = kit.sim.alloc_count + 1 + after;
        for (int i = 1; i < 6; i++) {
            Status status = process_link(kit.cx, p[0], pid[i]);
            assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
            assert_int_equal(process_is_linked(p[0], pid[i]), status == STATUS_OK);
            status = process_monitor(kit.cx, p[0], pid[i], process_new_reference(kit.cx));
            assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
            bool done;
            status = process_register(kit.cx, pid[i], value_symbol(1 + (uint32_t)i), &done);
            assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        }
        Status status;
        (void)sched_sim_run(kit.group, KIT_STEPS, &status);
        status = process_send_exit(kit.cx, NULL, pid[0], kit.node->sym_shutdown, false);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY ||
                    status == STATUS_NO_PROCESS);
        (void)sched_sim_run(kit.group, KIT_STEPS, &status);
        kit.sim.alloc_fail_after = 0;
        steps_close(&kit); /* asserts that nothing is left */
    }
}

TESTKIT_MAIN(cmocka_unit_test(holds_are_told_of_the_end_most_recent_first),
             cmocka_unit_test(stale_holds_are_dropped_when_their_number_has_doubled),
             cmocka_unit_test(a_thousand_waiters_are_told_in_pieces),
             cmocka_unit_test(an_exit_goes_along_links_with_reason_and_origin),
             cmocka_unit_test(a_normal_end_does_not_end_the_linked),
             cmocka_unit_test(who_traps_gets_messages_and_lives),
             cmocka_unit_test(nothing_traps_a_kill),
             cmocka_unit_test(a_link_with_the_dead_is_an_exit_noproc),
             cmocka_unit_test(an_unlinked_process_is_left_alone),
             cmocka_unit_test(an_exit_on_the_way_is_ignored_after_unlink),
             cmocka_unit_test(both_ends_agree_whatever_crosses),
             cmocka_unit_test(reasons_that_are_objects_are_copied_for_each),
             cmocka_unit_test(a_group_loses_its_dead_before_anybody_hears_of_it),
             cmocka_unit_test(the_first_exit_stays),
             cmocka_unit_test(names_are_free_before_anybody_hears_of_the_end),
             cmocka_unit_test(many_links_end_in_pieces),
             cmocka_unit_test(a_child_is_linked_and_watched_before_it_runs),
             cmocka_unit_test(exits_wait_to_be_raised_when_that_is_asked_for),
             cmocka_unit_test(each_monitor_is_one_message),
             cmocka_unit_test(a_monitor_of_the_dead_says_noproc),
             cmocka_unit_test(a_monitor_that_comes_while_its_process_ends_learns_the_reason),
             cmocka_unit_test(after_demonitor_nothing_comes),
             cmocka_unit_test(who_ends_gives_up_its_monitors),
             cmocka_unit_test(down_comes_no_later_than_the_result),
             cmocka_unit_test(others_may_ask_for_it),
             cmocka_unit_test(a_name_belongs_to_one_live_process),
             cmocka_unit_test(names_are_given_up_one_by_one_or_taken_away),
             cmocka_unit_test(a_name_that_finds_nobody_is_given_back),
             cmocka_unit_test(a_table_of_bonds_agrees_with_a_model),
             cmocka_unit_test(missing_memory_leaves_no_half_of_a_bond))
