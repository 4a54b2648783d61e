/* SPDX-License-Identifier: Apache-2.0 */
/* test_mailbox.c - the signal queue of a process: each interleaving named, then played out.
 * Producers are stopped between their two steps by doing the steps by hand. */
#include "actorkit.h"

#include "crowd.h"

/* A message fragment with an integer payload, not sent. */
static Fragment *number_signal(Kit *kit, int64_t n)
{
    Fragment *f;
    assert_ok(signal_new(kit->cx, NULL, value_int(n), SIGNAL_MESSAGE, 4, &f, NULL));
    return f;
}

/* First half of a push: exchange; answers the tail from before. */
static uint64_t half_push(Process *p, Fragment *f)
{
    f->next = NULL;
    return atom_xchg(&p->mbox_tail, (uint64_t)(uintptr_t)f);
}

/* Second half: the link. */
static void link_push(uint64_t before, Fragment *f)
{
    atom_store_rel((Fragment **)(uintptr_t)(before & ~MBOX_TAGS), f);
}

static void expect_next(Kit *kit, Process *p, int64_t n)
{
    Fragment *f = mailbox_next(p);
    assert_non_null(f);
    assert_int_equal(value_as_int(f->root), n);
    fragment_free(&kit->cx->heap, f);
}

static Process *lone_process(Kit *kit) { return kit_make(kit, kit->cx, VALUE_NIL, kit_body_park); }

static void discard(Kit *kit, Process *p) { process_discard(kit->cx, p); }

static void signals_arrive_in_the_order_sent(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            assert_true(process_push(kit.cx, p, number_signal(&kit, i), false));
        assert_true(process_has_signals(p));
        for (int i = 0; i < 5; i++)
            expect_next(&kit, p, i);
        assert_null(mailbox_next(p));
        assert_false(process_has_signals(p));
    }
    discard(&kit, p);
    kit_close(&kit);
}

static void the_first_push_to_a_parked_process_wakes_it_once(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    assert_true(process_park(p, PROCESS_WAIT_RECEIVE));
    assert_int_equal(p->task.queued, 0);
    assert_true(process_push(kit.cx, p, number_signal(&kit, 1), false));
    assert_int_equal(p->task.queued, 1);
    assert_int_equal(sched_queue_length(kit.group, sched_count(kit.group)), 1);
    assert_true(process_push(kit.cx, p, number_signal(&kit, 2), false));
    assert_int_equal(sched_queue_length(kit.group, sched_count(kit.group)), 1);
    expect_next(&kit, p, 1);
    expect_next(&kit, p, 2);
    discard(&kit, p);
    kit_close(&kit);
}

static void a_push_before_parking_keeps_the_owner_awake(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    assert_null(mailbox_next(p)); /* the owner sees that there is nothing ... */
    assert_true(process_push(kit.cx, p, number_signal(&kit, 1), false));
    assert_false(process_park(p, PROCESS_WAIT_RECEIVE)); /* ... and would sleep over it */
    assert_int_equal(p->task.queued, 0);
    expect_next(&kit, p, 1);
    assert_true(process_park(p, PROCESS_WAIT_RECEIVE));
    discard(&kit, p);
    kit_close(&kit);
}

static void a_poke_before_parking_keeps_the_owner_awake(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    assert_null(mailbox_next(p));
    process_unpark(kit.cx, p); /* a timer fires between look and park */
    assert_true(process_has_signals(p));
    assert_false(process_park(p, PROCESS_WAIT_SLEEP));
    assert_null(mailbox_next(p)); /* takes the poke */
    assert_false(process_has_signals(p));
    assert_true(process_park(p, PROCESS_WAIT_SLEEP));
    process_unpark(kit.cx, p);
    assert_int_equal(p->task.queued, 1);
    process_unpark(kit.cx, p); /* is being woken already: not twice */
    assert_int_equal(sched_queue_length(kit.group, sched_count(kit.group)), 1);
    discard(&kit, p);
    kit_close(&kit);
}

static void a_poke_does_not_disturb_the_chain(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    process_unpark(kit.cx, p);
    assert_true(process_push(kit.cx, p, number_signal(&kit, 1), false));
    process_unpark(kit.cx, p);
    assert_true(process_push(kit.cx, p, number_signal(&kit, 2), false));
    process_unpark(kit.cx, p);
    expect_next(&kit, p, 1);
    assert_false(process_park(p, PROCESS_WAIT_RECEIVE));
    expect_next(&kit, p, 2);
    assert_null(mailbox_next(p));
    assert_true(process_park(p, PROCESS_WAIT_RECEIVE));
    discard(&kit, p);
    kit_close(&kit);
}

static void a_producer_between_its_steps_is_not_an_empty_mailbox(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    Fragment *a = number_signal(&kit, 1);
    uint64_t before = half_push(p, a); /* preempted here */
    assert_true(process_has_signals(p));
    assert_null(mailbox_next(p));
    assert_true(process_has_signals(p));
    assert_false(process_park(p, PROCESS_WAIT_RECEIVE));
    assert_true(process_push(kit.cx, p, number_signal(&kit, 2), false)); /* another one is whole */
    assert_null(mailbox_next(p));
    link_push(before, a);
    expect_next(&kit, p, 1);
    expect_next(&kit, p, 2);
    discard(&kit, p);
    kit_close(&kit);
}

static void a_gap_in_the_middle_is_waited_for(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    assert_true(process_push(kit.cx, p, number_signal(&kit, 1), false));
    Fragment *b = number_signal(&kit, 2);
    uint64_t before = half_push(p, b);
    assert_true(process_push(kit.cx, p, number_signal(&kit, 3), false));
    assert_null(mailbox_next(p)); /* 1 may not be consumed: its link is where 2 will be found */
    assert_true(process_push(kit.cx, p, number_signal(&kit, 4), false)); /* a second chain */
    assert_false(process_park(p, PROCESS_WAIT_RECEIVE));
    link_push(before, b);
    for (int i = 1; i <= 4; i++)
        expect_next(&kit, p, i);
    discard(&kit, p);
    kit_close(&kit);
}

static void a_closed_mailbox_refuses_and_frees(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    assert_null(mailbox_close(p));
    for (int i = 0; i < 3; i++) {
        assert_false(process_push(kit.cx, p, number_signal(&kit, i), false));
        assert_int_equal(p->mbox_tail, MBOX_CLOSED);
    }
    process_unpark(kit.cx, p); /* does nothing to the dead */
    assert_int_equal(p->mbox_tail, MBOX_CLOSED);
    mailbox_open(p);
    discard(&kit, p);
    kit_close(&kit); /* asserts that all fragments are gone */
}

static void what_comes_while_closed_is_displaced_is_refused_too(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *asker = lone_process(&kit);
    process_start(kit.cx, asker, false);
    Process *p = lone_process(&kit);
    Value pid = p->pid;
    assert_null(mailbox_close(p));
    Fragment *a = number_signal(&kit, 1);
    assert_int_equal(half_push(p, a), MBOX_CLOSED); /* A displaces CLOSED, and is preempted */
    bool gone;
    assert_ok(process_request_result(kit.cx, asker, pid, &gone)); /* B sees A's node: accepted */
    assert_false(gone);
    process_unpark(kit.cx, p);     /* a late timer tags the word */
    mailbox_reclose(kit.cx, p, a); /* A goes on: it owns both */
    assert_int_equal(p->mbox_tail, MBOX_CLOSED);
    kit_fetch(kit.cx, asker); /* B's WAIT was answered */
    Value reason, result;
    assert_true(process_result(asker, pid, &reason, &result));
    assert_int_equal(reason, kit.node->sym_noproc);
    mailbox_open(p);
    discard(&kit, p);
    kit_close(&kit);
}

static void closing_takes_walked_and_waiting_signals(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    for (int walked = 0; walked < 2; walked++) {
        for (int more = 0; more < 2; more++) {
            Process *p = lone_process(&kit);
            int sent = 0;
            if (walked) {
                for (; sent < 3; sent++)
                    assert_true(process_push(kit.cx, p, number_signal(&kit, sent), false));
                expect_next(&kit, p, 0);
            }
            for (int i = 0; i < 2 * more; i++, sent++)
                assert_true(process_push(kit.cx, p, number_signal(&kit, sent), false));
            int n = walked;
            Fragment *f = mailbox_close(p);
            while (f) {
                Fragment *next = f->next;
                assert_int_equal(value_as_int(f->root), n++);
                fragment_free(&kit.cx->heap, f);
                f = next;
            }
            assert_int_equal(n, sent);
            mailbox_open(p);
            discard(&kit, p);
        }
    }
    kit_close(&kit);
}

typedef struct Late {
    Process *p;
    Fragment *f;
    uint64_t before;
    Fragment *closed;
} Late;

static void close_or_link(uint32_t index, void *arg)
{
    Late *late = arg;
    if (index == 0) {
        late->closed = mailbox_close(late->p);
        return;
    }
    for (int i = 0; i < 100; i++)
        atom_stall();
    link_push(late->before, late->f);
}

static void closing_waits_for_a_producer_between_its_steps(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = lone_process(&kit);
    for (int i = 0; i < TESTKIT_SCALE(200); i++) {
        Late late = {.p = p, .f = number_signal(&kit, 7)};
        late.before = half_push(p, late.f);
        testkit_threads(2, close_or_link, &late);
        assert_ptr_equal(late.closed, late.f);
        assert_null(late.f->next);
        fragment_free(&kit.cx->heap, late.f);
        mailbox_open(p);
    }
    discard(&kit, p);
    kit_close(&kit);
}

static void waiting_messages_count_against_the_heap_cap(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    kit.heap_env.default_cap_bytes = 256 << 10;
    Process *p = lone_process(&kit);
    int sent = 0;
    for (; !process_mail_over(kit.cx, p); sent++) {
        assert_true(sent < 4096);
        Fragment *f = number_signal(&kit, sent);
        assert_true(process_push(kit.cx, p, f, false));
        kit_fetch(kit.cx, p);
    }
    assert_in_range(sent, 1024, 4096);
    while (p->nmessages > 1) {
        assert_true(process_take_message(p) != VALUE_NONE);
        if (p->nmessages == (uint32_t)sent / 2)
            assert_in_range(p->ext->mail_bytes, (size_t)sent / 2 * 32, (size_t)sent / 2 * 256);
    }
    assert_in_range(p->ext->mail_bytes, 32, 256);
    assert_true(process_take_message(p) != VALUE_NONE);
    assert_false(process_mail_over(kit.cx, p)); /* an empty queue is not counted any more */
    assert_false(p->flags & PROCESS_F_MAIL_COUNTED);
    discard(&kit, p);
    kit_close(&kit);
}

/* A message of `from`; answers what it costs beyond its work. */
static int32_t cost_of(Kit *kit, Process *from, Process *to)
{
    Value culprit;
    assert_ok(process_send(kit->cx, from, to->pid, VALUE_NIL, value_int(1), &culprit));
    return kit->cx->crowd_cost;
}

static void a_long_queue_makes_sending_dear_until_it_is_short(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Process *q = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    atom_store_rel(&p->state, (uint8_t)PROCESS_LIVE); /* senders look at that */
    for (uint32_t i = 0; i < CROWD_STREAM; i++)
        assert_int_equal(cost_of(&kit, q, p), 0);
    assert_int_equal(cost_of(&kit, q, p), 0); /* the stream sets the first level */
    int32_t first = cost_of(&kit, q, p);
    assert_true(first > 0);
    assert_int_equal(cost_of(&kit, p, p), 0); /* to oneself: who else should receive? */
    kit_fetch(kit.cx, p);
    assert_true(cost_of(&kit, q, p) > 0);
    while (p->nmessages >= CROWD_UNTIL / 2)
        assert_true(process_take_message(p) != VALUE_NONE);
    kit_fetch(kit.cx, p);
    assert_int_equal(cost_of(&kit, q, p), 0);
    while (p->nmessages < 32 * CROWD_FROM) {
        int32_t cost = cost_of(&kit, q, p);
        assert_in_range(cost, 0, SCHED_REDUCTIONS);
        kit_fetch(kit.cx, p);
    }
    assert_true(cost_of(&kit, q, p) > first);
    while (p->nmessages > CROWD_UNTIL)
        assert_true(process_take_message(p) != VALUE_NONE);
    assert_true(cost_of(&kit, q, p) > 0);
    assert_true(process_take_message(p) != VALUE_NONE);
    assert_int_equal(cost_of(&kit, q, p), 0);
    discard(&kit, p);
    discard(&kit, q);
    kit_close(&kit);
}

static void senders_elsewhere_wait_for_turns_but_not_for_ever(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 2, 1, 0);
    Process *p = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    ActorCtx here = *kit.cx, there = *kit.cx;
    here.sched = sched_at(kit.group, 0);
    there.sched = sched_at(kit.group, 1);
    atom_store_rlx(&p->nmessages, CROWD_FROM); /* as if so many had been sorted */
    crowd_look(&here, p);
    assert_true(crowd_of_send(&here, p, p->pid) > 0);
    assert_false(crowd_holds(&here, p->pid, 0));
    assert_false(crowd_holds(&there, p->pid, 0)); /* it does not know yet */
    assert_true(crowd_of_send(&there, p, p->pid) > 0);
    assert_true(crowd_holds(&there, p->pid, 0));
    assert_false(crowd_holds(&there, VALUE_NIL, 0));
    assert_false(crowd_holds(&there, p->pid, CROWD_TURNS)); /* enough */
    there.sched->now_ns += CROWD_HOLD_NS;
    assert_false(crowd_holds(&there, p->pid, 0));
    atom_store_rlx(&p->nmessages, 0);
    crowd_look(&here, p);
    assert_int_equal(crowd_of_send(&there, p, p->pid), 0);
    assert_false(crowd_holds(&there, p->pid, 0));
    discard(&kit, p);
    kit_close(&kit);
}

TESTKIT_MAIN(cmocka_unit_test(signals_arrive_in_the_order_sent),
             cmocka_unit_test(the_first_push_to_a_parked_process_wakes_it_once),
             cmocka_unit_test(a_push_before_parking_keeps_the_owner_awake),
             cmocka_unit_test(a_poke_before_parking_keeps_the_owner_awake),
             cmocka_unit_test(a_poke_does_not_disturb_the_chain),
             cmocka_unit_test(a_producer_between_its_steps_is_not_an_empty_mailbox),
             cmocka_unit_test(a_gap_in_the_middle_is_waited_for),
             cmocka_unit_test(a_closed_mailbox_refuses_and_frees),
             cmocka_unit_test(what_comes_while_closed_is_displaced_is_refused_too),
             cmocka_unit_test(closing_takes_walked_and_waiting_signals),
             cmocka_unit_test(closing_waits_for_a_producer_between_its_steps),
             cmocka_unit_test(waiting_messages_count_against_the_heap_cap),
             cmocka_unit_test(a_long_queue_makes_sending_dear_until_it_is_short),
             cmocka_unit_test(senders_elsewhere_wait_for_turns_but_not_for_ever), )
