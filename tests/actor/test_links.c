/* SPDX-License-Identifier: Apache-2.0 */
/* test_links.c - the signal layer: holds, links, monitors, names. */
#include "actorkit.h"

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

TESTKIT_MAIN(cmocka_unit_test(holds_are_told_of_the_end_most_recent_first),
             cmocka_unit_test(stale_holds_are_dropped_when_their_number_has_doubled),
             cmocka_unit_test(a_thousand_waiters_are_told_in_pieces))
