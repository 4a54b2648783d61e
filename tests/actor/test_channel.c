/* SPDX-License-Identifier: Apache-2.0 */
/* test_channel.c - sets of waiting processes, and channels.
 * Most tests play the processes by hand from the test's own thread: they are made, never run. */
#include "actorkit.h"
#include "channel.h"

static Channel *make_channel(Kit *kit, uint64_t capacity)
{
    Channel *ch;
    assert_ok(channel_new(kit->cx, capacity, &ch));
    return ch;
}

static void drop_channel(Kit *kit, Channel *ch)
{
    offheap_release(&kit->heap_env, (OffHeap *)(void *)ch);
}

static Fragment *make_item(Kit *kit, int64_t n)
{
    Fragment *f;
    assert_ok(channel_item(kit->cx, NULL, value_int(n), &f, NULL));
    return f;
}

static Status send_int(Kit *kit, Channel *ch, int64_t n)
{
    Fragment *f = make_item(kit, n);
    Status status = channel_send(kit->cx, ch, f);
    if (status != STATUS_OK)
        fragment_free(&kit->cx->heap, f);
    return status;
}

static void expect_item(Kit *kit, Fragment *f, int64_t n)
{
    assert_non_null(f);
    assert_int_equal(value_as_int(f->root), n);
    fragment_free(&kit->cx->heap, f);
}

static void expect_received(Kit *kit, Channel *ch, int64_t n)
{
    Fragment *f;
    assert_ok(channel_receive(kit->cx, ch, &f));
    expect_item(kit, f, n);
}

static Status try_receive(Kit *kit, Channel *ch)
{
    Fragment *f;
    Status status = channel_receive(kit->cx, ch, &f);
    if (status == STATUS_OK)
        fragment_free(&kit->cx->heap, f);
    return status;
}

static uint64_t size_of(Channel *ch)
{
    ChannelInfo info;
    channel_look(ch, &info);
    return info.size;
}

/* A process that counts as alive. */
static Process *make_live(Kit *kit)
{
    Process *p = kit_make(kit, kit->cx, VALUE_NIL, kit_body_park);
    p->state = PROCESS_LIVE;
    actor_count(kit->cx, 1);
    return p;
}

static WaitSet *make_set(Kit *kit, Process *p, unsigned count)
{
    WaitSet *set;
    assert_ok(wait_new(kit->cx, p, count, &set));
    return set;
}

/* p waits to receive from ch. */
static WaitSet *wait_to_receive(Kit *kit, Process *p, Channel *ch)
{
    WaitSet *set = make_set(kit, p, 1);
    wait_case(set, 0, channel_waitable(ch), WAIT_TAKE, NULL);
    assert_int_equal(wait_begin(kit->cx, set, true), WAIT_NONE);
    return set;
}

static WaitSet *wait_to_send(Kit *kit, Process *p, Channel *ch, int64_t n)
{
    WaitSet *set = make_set(kit, p, 1);
    wait_case(set, 0, channel_waitable(ch), WAIT_GIVE, make_item(kit, n));
    assert_int_equal(wait_begin(kit->cx, set, true), WAIT_NONE);
    return set;
}

static Fragment *take_item(WaitSet *set, unsigned i)
{
    Fragment *f = wait_node(set, i)->item;
    wait_node(set, i)->item = NULL;
    return f;
}

/* ---- one channel ---------------------------------------------------------------------------- */

static void items_come_out_in_order_and_outlive_the_close(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *ch = make_channel(&kit, 3);
    for (int i = 1; i <= 3; i++)
        assert_ok(send_int(&kit, ch, i));
    assert_status(send_int(&kit, ch, 4), STATUS_BUSY);
    expect_received(&kit, ch, 1);
    assert_ok(send_int(&kit, ch, 4));
    assert_false(channel_close_some(kit.cx, ch));
    assert_status(send_int(&kit, ch, 5), STATUS_CLOSED);
    for (int i = 2; i <= 4; i++)
        expect_received(&kit, ch, i);
    assert_status(try_receive(&kit, ch), STATUS_CLOSED);
    Channel *none;
    assert_status(channel_new(kit.cx, CHANNEL_CAPACITY_MAX + 1, &none), STATUS_LIMIT);
    drop_channel(&kit, ch);
    kit_close(&kit);
}

static void without_a_buffer_an_item_passes_from_hand_to_hand(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *ch = make_channel(&kit, 0);
    Process *p = make_live(&kit);
    assert_status(send_int(&kit, ch, 1), STATUS_BUSY);
    WaitSet *set = wait_to_receive(&kit, p, ch);
    assert_int_equal(wait_served(set), WAIT_NONE);
    assert_ok(send_int(&kit, ch, 2));
    assert_int_equal(wait_served(set), 0);
    assert_int_equal(wait_node(set, 0)->outcome, WAIT_DONE);
    expect_item(&kit, take_item(set, 0), 2);
    wait_end(kit.cx, set);
    set = wait_to_send(&kit, p, ch, 3);
    expect_received(&kit, ch, 3);
    assert_int_equal(wait_served(set), 0);
    assert_null(wait_node(set, 0)->item);
    wait_end(kit.cx, set);
    process_exit(kit.cx, p);
    drop_channel(&kit, ch);
    kit_close(&kit);
}

static void waiting_senders_fill_the_buffer_in_their_order(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *ch = make_channel(&kit, 2);
    Process *p[3];
    WaitSet *set[3];
    assert_ok(send_int(&kit, ch, 0));
    assert_ok(send_int(&kit, ch, 1));
    for (int i = 0; i < 3; i++) {
        p[i] = make_live(&kit);
        set[i] = wait_to_send(&kit, p[i], ch, 2 + i);
    }
    for (int i = 0; i < 5; i++) {
        expect_received(&kit, ch, i);
        for (int k = 0; k < 3; k++)
            assert_int_equal(wait_served(set[k]), k <= i ? 0 : WAIT_NONE);
        assert_int_equal(size_of(ch), i < 3 ? 2 : 4 - i);
    }
    for (int i = 0; i < 3; i++) {
        wait_end(kit.cx, set[i]);
        process_exit(kit.cx, p[i]);
    }
    drop_channel(&kit, ch);
    kit_close(&kit);
}

static void a_close_wakes_everybody_in_pieces(void **state)
{
    (void)state;
    enum { N = 100 };
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    for (int give = 0; give < 2; give++) {
        Channel *ch = make_channel(&kit, 0);
        Process *p[N];
        WaitSet *set[N];
        for (int i = 0; i < N; i++) {
            p[i] = make_live(&kit);
            set[i] = give ? wait_to_send(&kit, p[i], ch, i) : wait_to_receive(&kit, p[i], ch);
        }
        int pieces = 1;
        while (channel_close_some(kit.cx, ch)) {
            assert_status(try_receive(&kit, ch), STATUS_CLOSED);
            pieces++;
        }
        assert_true(pieces >= N / (int)WAIT_WAKES);
        for (int i = 0; i < N; i++) {
            assert_int_equal(wait_served(set[i]), 0);
            assert_int_equal(wait_node(set[i], 0)->outcome, WAIT_CLOSED);
            wait_end(kit.cx, set[i]);
            process_exit(kit.cx, p[i]);
        }
        drop_channel(&kit, ch);
    }
    kit_close(&kit);
}

static void a_channel_of_many_bytes_counts_as_full(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    kit.heap_env.default_cap_bytes = 4000;
    Channel *ch = make_channel(&kit, 1000);
    kit.heap_env.default_cap_bytes = (size_t)64 << 20;
    Process *p = make_live(&kit);
    Status status = STATUS_OK;
    Value big[100];
    int sent = 0;
    for (size_t i = 0; i < 100; i++)
        big[i] = value_int(7);
    while (status == STATUS_OK) {
        Value array = kit_array(kit.cx, p, big, 4);
        Fragment *f;
        assert_ok(channel_item(kit.cx, &p->heap, array, &f, NULL));
        status = channel_send(kit.cx, ch, f);
        if (status != STATUS_OK)
            fragment_free(&kit.cx->heap, f);
        else
            sent++;
        p->heap.hp = p->heap.hi; /* nothing refers to it */
    }
    assert_status(status, STATUS_BUSY);
    assert_true(sent >= 90 && sent <= 110); /* five words each */
    assert_ok(try_receive(&kit, ch));
    assert_ok(send_int(&kit, ch, 1));
    process_exit(kit.cx, p);
    drop_channel(&kit, ch);
    kit_close(&kit);
}

static void a_copy_in_a_channel_is_nobody_elses(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *ch = make_channel(&kit, 1);
    Process *p = make_live(&kit);
    Value one = value_int(1);
    Value array = kit_array(kit.cx, p, &one, 1);
    Fragment *f;
    assert_ok(channel_item(kit.cx, &p->heap, array, &f, NULL));
    assert_ok(channel_send(kit.cx, ch, f));
    obj_slots(obj_of(array))[0] = value_int(2);
    assert_ok(channel_receive(kit.cx, ch, &f));
    assert_true(f->root != array);
    assert_int_equal(value_as_int(obj_slots(obj_of(f->root))[0]), 1);
    fragment_free(&kit.cx->heap, f);
    process_exit(kit.cx, p);
    drop_channel(&kit, ch);
    kit_close(&kit);
}

/* ---- sets ----------------------------------------------------------------------------------- */

static void of_two_cases_one_takes_effect(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *a = make_channel(&kit, 0), *b = make_channel(&kit, 0);
    Process *p = make_live(&kit);
    WaitSet *set = make_set(&kit, p, 2);
    wait_case(set, 0, channel_waitable(a), WAIT_TAKE, NULL);
    wait_case(set, 1, channel_waitable(b), WAIT_TAKE, NULL);
    assert_int_equal(wait_begin(kit.cx, set, true), WAIT_NONE);
    assert_ok(send_int(&kit, b, 5));
    assert_int_equal(wait_served(set), 1);
    assert_status(send_int(&kit, a, 6), STATUS_BUSY); /* nobody is left to take it */
    expect_item(&kit, take_item(set, 1), 5);
    wait_end(kit.cx, set);
    process_exit(kit.cx, p);
    drop_channel(&kit, a);
    drop_channel(&kit, b);
    kit_close(&kit);
}

static void a_set_that_went_on_by_itself_is_not_served(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *ch = make_channel(&kit, 0);
    Process *p = make_live(&kit);
    WaitSet *set = wait_to_receive(&kit, p, ch);
    assert_true(wait_cancel(set));
    assert_status(send_int(&kit, ch, 1), STATUS_BUSY);
    assert_int_equal(wait_served(set), WAIT_NONE);
    wait_end(kit.cx, set);
    set = wait_to_receive(&kit, p, ch);
    assert_ok(send_int(&kit, ch, 2));
    assert_false(wait_cancel(set)); /* too late: the item is ours */
    assert_int_equal(wait_served(set), 0);
    expect_item(&kit, take_item(set, 0), 2);
    wait_end(kit.cx, set);
    set = wait_to_send(&kit, p, ch, 3);
    assert_true(wait_cancel(set));
    assert_status(try_receive(&kit, ch), STATUS_BUSY);
    wait_end(kit.cx, set); /* with its item */
    process_exit(kit.cx, p);
    drop_channel(&kit, ch);
    kit_close(&kit);
}

static void two_sets_that_face_each_other_meet(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 32; seed++) {
        Kit kit;
        kit_open(&kit, 1, seed, 0);
        Channel *a = make_channel(&kit, 0), *b = make_channel(&kit, 0);
        Process *p = make_live(&kit), *q = make_live(&kit);
        WaitSet *first = make_set(&kit, p, 2), *second = make_set(&kit, q, 2);
        wait_case(first, 0, channel_waitable(a), WAIT_TAKE, NULL);
        wait_case(first, 1, channel_waitable(b), WAIT_GIVE, make_item(&kit, 1));
        wait_case(second, 0, channel_waitable(a), WAIT_GIVE, make_item(&kit, 2));
        wait_case(second, 1, channel_waitable(b), WAIT_TAKE, NULL);
        assert_int_equal(wait_begin(kit.cx, first, true), WAIT_NONE);
        uint32_t i = wait_begin(kit.cx, second, true);
        assert_int_not_equal(i, WAIT_NONE);
        assert_int_equal(wait_served(first), i); /* cases are numbered alike on both sides */
        if (i == 0)
            expect_item(&kit, take_item(first, 0), 2);
        else
            expect_item(&kit, take_item(second, 1), 1);
        wait_end(kit.cx, first);
        wait_end(kit.cx, second);
        process_exit(kit.cx, p);
        process_exit(kit.cx, q);
        drop_channel(&kit, a);
        drop_channel(&kit, b);
        kit_close(&kit);
    }
}

static void a_set_does_not_meet_itself(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *ch = make_channel(&kit, 0);
    Process *p = make_live(&kit);
    WaitSet *set = make_set(&kit, p, 3);
    wait_case(set, 0, channel_waitable(ch), WAIT_TAKE, NULL);
    wait_case(set, 1, channel_waitable(ch), WAIT_GIVE, make_item(&kit, 1));
    wait_case(set, 2, channel_waitable(ch), WAIT_TAKE, NULL);
    assert_int_equal(wait_begin(kit.cx, set, true), WAIT_NONE);
    expect_received(&kit, ch, 1);
    assert_int_equal(wait_served(set), 1);
    wait_end(kit.cx, set);
    process_exit(kit.cx, p);
    drop_channel(&kit, ch);
    kit_close(&kit);
}

static void the_owners_own_case_can_be_chosen_too(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 3, 0);
    Channel *ch = make_channel(&kit, 1000);
    Process *p = make_live(&kit);
    unsigned own = 0;
    for (int i = 0; i < 1000; i++) {
        assert_ok(send_int(&kit, ch, i));
        WaitSet *set = make_set(&kit, p, 3);
        wait_case(set, 0, NULL, WAIT_TAKE, NULL); /* never ready */
        wait_case(set, 1, NULL, WAIT_TAKE, NULL);
        wait_case(set, 2, channel_waitable(ch), WAIT_TAKE, NULL);
        wait_ready(set, 1);
        uint32_t served = wait_begin(kit.cx, set, true);
        assert_true(served == 1 || served == 2);
        own += served == 1;
        wait_end(kit.cx, set);
    }
    assert_in_range(own, 400, 600);
    process_exit(kit.cx, p);
    drop_channel(&kit, ch);
    kit_close(&kit);
}

static void of_the_ready_cases_each_is_as_likely(void **state)
{
    (void)state;
    enum { CASES = 8, READY = 5, DRAWS = 20000 };
    for (uint64_t seed = 1; seed <= 4; seed++) {
        Kit kit;
        kit_open(&kit, 1, seed, 0);
        Channel *ch[CASES];
        unsigned chosen[CASES] = {0};
        Process *p = make_live(&kit);
        for (int i = 0; i < CASES; i++)
            ch[i] = make_channel(&kit, DRAWS);
        for (int i = 0; i < DRAWS; i++) {
            for (int k = 0; k < READY; k++)
                if (size_of(ch[k + 2]) == 0)
                    assert_ok(send_int(&kit, ch[k + 2], 1));
            WaitSet *set = make_set(&kit, p, CASES);
            for (unsigned k = 0; k < CASES; k++)
                wait_case(set, k, channel_waitable(ch[k]), WAIT_TAKE, NULL);
            chosen[wait_begin(kit.cx, set, false)]++;
            wait_end(kit.cx, set);
        }
        double chi = 0, expected = (double)DRAWS / READY;
        for (int k = 0; k < CASES; k++) {
            if (k >= 2 && k < 2 + READY)
                chi += (chosen[k] - expected) * (chosen[k] - expected) / expected;
            else
                assert_int_equal(chosen[k], 0);
        }
        assert_true(chi < 18.5); /* 4 degrees of freedom: one honest seed in a thousand fails */
        process_exit(kit.cx, p);
        for (int i = 0; i < CASES; i++)
            drop_channel(&kit, ch[i]);
        kit_close(&kit);
    }
}

static void a_set_has_at_most_so_many_cases(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = make_live(&kit);
    WaitSet *set;
    assert_status(wait_new(kit.cx, p, 0, &set), STATUS_LIMIT);
    assert_status(wait_new(kit.cx, p, WAIT_CASES_MAX + 1, &set), STATUS_LIMIT);
    Channel *ch[WAIT_CASES_MAX];
    set = make_set(&kit, p, WAIT_CASES_MAX);
    for (unsigned i = 0; i < WAIT_CASES_MAX; i++) {
        ch[i] = make_channel(&kit, 0);
        wait_case(set, i, channel_waitable(ch[i]), WAIT_TAKE, NULL);
    }
    assert_int_equal(wait_begin(kit.cx, set, true), WAIT_NONE);
    assert_ok(send_int(&kit, ch[WAIT_CASES_MAX - 1], 7));
    assert_int_equal(wait_served(set), WAIT_CASES_MAX - 1);
    wait_end(kit.cx, set);
    process_exit(kit.cx, p);
    for (unsigned i = 0; i < WAIT_CASES_MAX; i++)
        drop_channel(&kit, ch[i]);
    kit_close(&kit);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void who_dies_while_waiting_leaves_the_queues(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *a = make_channel(&kit, 0), *b = make_channel(&kit, 0);
    Process *p = make_live(&kit), *q = make_live(&kit);
    WaitSet *set = make_set(&kit, p, 2);
    wait_case(set, 0, channel_waitable(a), WAIT_TAKE, NULL);
    wait_case(set, 1, channel_waitable(b), WAIT_GIVE, make_item(&kit, 1));
    assert_int_equal(wait_begin(kit.cx, set, true), WAIT_NONE);
    wait_to_send(&kit, q, b, 2);
    process_exit(kit.cx, p);
    assert_false(waitable_has(channel_waitable(a), WAIT_TAKE));
    assert_status(send_int(&kit, a, 3), STATUS_BUSY);
    expect_received(&kit, b, 2); /* what the dead one offered is gone */
    process_exit(kit.cx, q);
    assert_false(waitable_has(channel_waitable(b), WAIT_GIVE));
    drop_channel(&kit, a);
    drop_channel(&kit, b);
    kit_close(&kit);
}

static void what_a_dead_receiver_did_not_look_at_goes_to_the_next(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    for (int others = 0; others < 2; others++) {
        Channel *ch = make_channel(&kit, others ? 0 : 1);
        Process *p = make_live(&kit), *q = make_live(&kit);
        wait_to_receive(&kit, p, ch);
        WaitSet *set = others ? wait_to_receive(&kit, q, ch) : NULL;
        assert_ok(send_int(&kit, ch, 9));
        if (!others)
            assert_ok(send_int(&kit, ch, 10));
        process_exit(kit.cx, p);
        if (others) {
            assert_int_equal(wait_served(set), 0);
            expect_item(&kit, take_item(set, 0), 9);
            wait_end(kit.cx, set);
        } else {
            assert_int_equal(size_of(ch), 2);
            expect_received(&kit, ch, 9); /* in front of the later one */
            expect_received(&kit, ch, 10);
        }
        process_exit(kit.cx, q);
        drop_channel(&kit, ch);
    }
    kit_close(&kit);
}

static void a_channel_lives_while_somebody_waits_for_it(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Channel *ch = make_channel(&kit, 0);
    Process *p = make_live(&kit);
    WaitSet *set = wait_to_receive(&kit, p, ch);
    drop_channel(&kit, ch); /* the set's count is left */
    assert_int_equal(wait_served(set), WAIT_NONE);
    char text[128];
    p->wait = PROCESS_WAIT_CHANNEL_RECEIVE;
    size_t n = wait_describe(p, text, sizeof text);
    assert_true(n > 0 && n < sizeof text);
    text[n] = 0;
    assert_string_equal(text, "Channel #1 (capacity 0, 0 items)");
    process_exit(kit.cx, p);
    kit_close(&kit);
}

static void a_long_chain_of_channels_is_freed_flat(void **state)
{
    (void)state;
    enum { N = 100000 };
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = make_live(&kit);
    Channel *last = make_channel(&kit, 1);
    for (int i = 0; i < N; i++) {
        Channel *ch = make_channel(&kit, 1);
        Value handle;
        Status status = heap_new_handle(&p->heap, &kit.cx->heap, p->heap.lo, CLASS_OBJECT,
                                        (OffHeap *)(void *)last, &handle);
        assert_ok(status);
        drop_channel(&kit, last);
        Fragment *f;
        assert_ok(channel_item(kit.cx, &p->heap, handle, &f, NULL));
        assert_ok(channel_send(kit.cx, ch, f));
        /* the only handle dies at once */
        offheap_release(&kit.heap_env, (OffHeap *)(void *)last);
        p->heap.handles = 0;
        p->heap.hp = p->heap.hi;
        last = ch;
    }
    drop_channel(&kit, last);
    kit_run(&kit); /* the node's task does the rest */
    assert_null(kit.heap_env.buried);
    process_exit(kit.cx, p);
    kit_close(&kit);
}

TESTKIT_MAIN(cmocka_unit_test(items_come_out_in_order_and_outlive_the_close),
             cmocka_unit_test(without_a_buffer_an_item_passes_from_hand_to_hand),
             cmocka_unit_test(waiting_senders_fill_the_buffer_in_their_order),
             cmocka_unit_test(a_close_wakes_everybody_in_pieces),
             cmocka_unit_test(a_channel_of_many_bytes_counts_as_full),
             cmocka_unit_test(a_copy_in_a_channel_is_nobody_elses),
             cmocka_unit_test(of_two_cases_one_takes_effect),
             cmocka_unit_test(a_set_that_went_on_by_itself_is_not_served),
             cmocka_unit_test(two_sets_that_face_each_other_meet),
             cmocka_unit_test(a_set_does_not_meet_itself),
             cmocka_unit_test(the_owners_own_case_can_be_chosen_too),
             cmocka_unit_test(of_the_ready_cases_each_is_as_likely),
             cmocka_unit_test(a_set_has_at_most_so_many_cases),
             cmocka_unit_test(who_dies_while_waiting_leaves_the_queues),
             cmocka_unit_test(what_a_dead_receiver_did_not_look_at_goes_to_the_next),
             cmocka_unit_test(a_channel_lives_while_somebody_waits_for_it),
             cmocka_unit_test(a_long_chain_of_channels_is_freed_flat), )
