/* SPDX-License-Identifier: Apache-2.0 */
/* test_inbox.c - the private queue: cursors, taking from the middle, looking without taking.
 * Threads: the test's own; nothing runs. */
#include "actorkit.h"

#define MODEL_STEPS 4000
#define MODEL_MESSAGES 64

static Process *lone_process(Kit *kit) { return kit_make(kit, kit->cx, VALUE_NIL, kit_body_park); }

/* Sends a number, alone or at the head of an Array of `words` words. */
static void put(Kit *kit, Process *p, int64_t n, size_t words)
{
    Value payload = value_int(n), values[256];
    Process *from = NULL;
    if (words > 0) {
        from = lone_process(kit);
        for (size_t i = 0; i < words; i++)
            values[i] = value_int(n);
        heap_destroy(&from->heap, &kit->cx->heap);
        assert_ok(heap_init(&from->heap, &kit->cx->heap, words + 64, 1));
        payload = kit_array(kit->cx, from, values, words);
    }
    Value culprit;
    assert_ok(process_send(kit->cx, from, p->pid, VALUE_NIL, payload, &culprit));
    if (from)
        process_discard(kit->cx, from);
    kit_fetch(kit->cx, p);
}

static int64_t number_of(Value message)
{
    Value payload = kit_payload(message);
    if (value_is_ptr(payload))
        payload = obj_slots(obj_of(payload))[0];
    return value_as_int(payload);
}

static int64_t take(Kit *kit, Process *p, Fragment **link)
{
    size_t need;
    Value message = inbox_take(kit->cx, p, link, p->heap.lo, &need);
    assert_int_equal(need, 0);
    return number_of(message);
}

static InboxCursor *cursor_of(Kit *kit, Process *p, uint64_t key)
{
    InboxCursor *cursor;
    assert_ok(inbox_cursor(kit->cx, p, key, &cursor));
    return cursor;
}

static void close_kit(Kit *kit, Process *p)
{
    process_discard(kit->cx, p);
    kit_close(kit);
}

static Process *open_kit(Kit *kit)
{
    kit_open(kit, 1, 1, 0);
    Process *p;
    assert_ok(process_new(kit->cx, VALUE_NIL, &p));
    assert_ok(heap_init(&p->heap, &kit->cx->heap, 8000, process_salt(p)));
    /* senders look whether the receiver is alive */
    atom_store_rel(&p->state, (uint8_t)PROCESS_LIVE);
    return p;
}

static void references_are_never_the_same(void **state)
{
    (void)state;
    Kit kit;
    Process *p = open_kit(&kit);
    KitLocal other;
    kit_local_open(&kit, &other, NULL);
    Value last = VALUE_NONE, last_other = VALUE_NONE;
    for (int i = 0; i < 20000; i++) {
        Value a = actor_new_reference(kit.cx), b = actor_new_reference(&other.cx);
        assert_true(value_is_reference(a) && value_is_reference(b));
        /* each context's grow, and no number is in the batch of both */
        assert_true(a != b && a > last && b > last_other);
        assert_true(a / 4096 != b / 4096);
        last = a, last_other = b;
    }
    kit_local_close(&other);
    close_kit(&kit, p);
}

static void a_search_behind_a_mark_looks_at_nothing_older(void **state)
{
    (void)state;
    Kit kit;
    Process *p = open_kit(&kit);
    for (int i = 0; i < 100; i++)
        put(&kit, p, i, 0);
    Value reference = actor_new_reference(kit.cx);
    inbox_mark(kit.cx, p, reference);
    put(&kit, p, 100, 0);
    InboxCursor *cursor = cursor_of(&kit, p, reference);
    assert_int_equal(number_of(inbox_peek(cursor)->root), 100);
    /* one that has not been marked begins at the first */
    assert_int_equal(number_of(inbox_peek(cursor_of(&kit, p, actor_new_reference(kit.cx)))->root),
                     0);
    close_kit(&kit, p);
}

static void a_mark_stays_right_when_what_is_before_it_is_taken(void **state)
{
    (void)state;
    Kit kit;
    Process *p = open_kit(&kit);
    for (int i = 0; i < 3; i++)
        put(&kit, p, i, 0);
    Value reference = actor_new_reference(kit.cx);
    inbox_mark(kit.cx, p, reference); /* behind 2 */
    uint64_t search;
    assert_ok(inbox_new_search(kit.cx, p, &search));
    InboxCursor *cursor = cursor_of(&kit, p, search);
    inbox_skip(cursor);
    inbox_skip(cursor); /* at 2 */
    assert_int_equal(take(&kit, p, cursor->at), 2);
    put(&kit, p, 3, 0);
    assert_int_equal(number_of(inbox_peek(cursor_of(&kit, p, reference))->root), 3);
    assert_int_equal(number_of(inbox_peek(cursor)->root), 3);
    assert_int_equal(take(&kit, p, &p->msg_first), 0);
    assert_int_equal(take(&kit, p, &p->msg_first), 1);
    assert_int_equal(number_of(inbox_peek(cursor_of(&kit, p, reference))->root), 3);
    assert_int_equal(take(&kit, p, &p->msg_first), 3);
    assert_null(inbox_peek(cursor_of(&kit, p, reference)));
    put(&kit, p, 4, 0);
    assert_int_equal(number_of(inbox_peek(cursor_of(&kit, p, reference))->root), 4);
    close_kit(&kit, p);
}

static void more_marks_than_there_is_room_for_only_cost_time(void **state)
{
    (void)state;
    Kit kit;
    Process *p = open_kit(&kit);
    Value references[20];
    for (int i = 0; i < 20; i++) {
        put(&kit, p, i, 0);
        references[i] = actor_new_reference(kit.cx);
        inbox_mark(kit.cx, p, references[i]);
    }
    put(&kit, p, 20, 0);
    assert_int_equal(number_of(inbox_peek(cursor_of(&kit, p, references[19]))->root), 20);
    assert_int_equal(number_of(inbox_peek(cursor_of(&kit, p, references[3]))->root), 0);
    close_kit(&kit, p);
}

static void a_message_looked_at_stays_until_it_is_taken(void **state)
{
    (void)state;
    Kit kit;
    Process *p = open_kit(&kit);
    put(&kit, p, 0, 0);   /* short: copied to be looked at */
    put(&kit, p, 1, 100); /* long: adopted */
    put(&kit, p, 2, 100);
    uint64_t search;
    size_t need;
    Value message, again;
    assert_ok(inbox_new_search(kit.cx, p, &search));
    InboxCursor *cursor = cursor_of(&kit, p, search);
    assert_ok(inbox_look(kit.cx, p, cursor, p->heap.lo, &message, &need));
    assert_int_equal(number_of(message), 0);
    inbox_skip(cursor);
    assert_ok(inbox_look(kit.cx, p, cursor, p->heap.lo, &message, &need));
    assert_int_equal(number_of(message), 1);
    assert_ok(inbox_look(kit.cx, p, cursor, p->heap.lo, &again, &need));
    assert_true(message == again); /* not adopted twice */
    assert_int_equal(p->nmessages, 3);
    inbox_skip(cursor);
    assert_ok(inbox_look(kit.cx, p, cursor, p->heap.lo, &message, &need));
    assert_true(cursor->looking);
    inbox_drop(kit.cx, p, cursor); /* wanted */
    assert_false(cursor->looking);
    assert_null(inbox_peek(cursor));
    assert_int_equal(p->nmessages, 2);
    assert_int_equal(take(&kit, p, &p->msg_first), 0);
    assert_int_equal(take(&kit, p, &p->msg_first), 1);
    put(&kit, p, 3, 0);
    assert_int_equal(number_of(inbox_peek(cursor)->root), 3);
    close_kit(&kit, p);
}

static void what_somebody_else_has_taken_is_not_looked_at_any_more(void **state)
{
    (void)state;
    Kit kit;
    Process *p = open_kit(&kit);
    put(&kit, p, 0, 0);
    put(&kit, p, 1, 0);
    uint64_t search;
    size_t need;
    Value message;
    assert_ok(inbox_new_search(kit.cx, p, &search));
    InboxCursor *cursor = cursor_of(&kit, p, search);
    assert_ok(inbox_look(kit.cx, p, cursor, p->heap.lo, &message, &need));
    assert_int_equal(take(&kit, p, &p->msg_first), 0); /* a receive inside the guard */
    assert_false(cursor->looking);
    assert_int_equal(number_of(inbox_peek(cursor)->root), 1);
    close_kit(&kit, p);
}

static void stack_root(void *ctx, HeapVisit visit, void *arg)
{
    process_visit_roots(ctx, visit, arg);
}

/* Messages in the heap survive collections, and the queue agrees with a list of numbers. */
static void the_queue_agrees_with_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        Kit kit;
        Process *p = open_kit(&kit);
        Rng rng;
        rng_init(&rng, seed);
        int64_t model[MODEL_MESSAGES];
        size_t n = 0, at = 0; /* at: first message the search has not passed */
        int64_t next = 0;
        uint64_t search;
        assert_ok(inbox_new_search(kit.cx, p, &search));
        for (int step = 0; step < MODEL_STEPS; step++) {
            InboxCursor *cursor = cursor_of(&kit, p, search);
            uint32_t what = rng_below(&rng, 6);
            size_t need;
            Value message;
            if (what <= 1 && n < MODEL_MESSAGES) {
                put(&kit, p, next, rng_below(&rng, 3) == 0 ? 100 : 0);
                model[n++] = next++;
            } else if (what == 2 && at < n) {
                inbox_skip(cursor);
                at++;
            } else if (what == 3 && at < n) {
                Status status = inbox_look(kit.cx, p, cursor, p->heap.lo, &message, &need);
                if (status == STATUS_OK)
                    assert_int_equal(number_of(message), model[at]);
            } else if (what == 4 && n > 0) {
                /* any message at all, by another search */
                uint64_t other;
                assert_ok(inbox_new_search(kit.cx, p, &other));
                InboxCursor *c2 = cursor_of(&kit, p, other);
                size_t which = rng_below(&rng, (uint32_t)n);
                for (size_t i = 0; i < which; i++)
                    inbox_skip(c2);
                Value got = inbox_take(kit.cx, p, c2->at, p->heap.lo, &need);
                inbox_end_search(p, other);
                if (got != VALUE_NONE) {
                    assert_int_equal(number_of(got), model[which]);
                    memmove(&model[which], &model[which + 1], (--n - which) * sizeof *model);
                    at -= which < at;
                }
            } else if (what == 5) {
                HeapRoots roots = {.each = stack_root, .ctx = p};
                HeapGcRequest request = {.kind = HEAP_GC_AUTO, .need_words = 200};
                HeapGcResult result;
                assert_ok(heap_collect(&p->heap, &kit.cx->heap, &roots, &request, &result));
            }
            assert_int_equal(p->nmessages, n);
            cursor = cursor_of(&kit, p, search);
            Fragment *f = inbox_peek(cursor);
            if (at < n)
                assert_int_equal(number_of(f->root), model[at]);
            else
                assert_null(f);
        }
        close_kit(&kit, p);
    }
}

TESTKIT_MAIN(cmocka_unit_test(references_are_never_the_same),
             cmocka_unit_test(a_search_behind_a_mark_looks_at_nothing_older),
             cmocka_unit_test(a_mark_stays_right_when_what_is_before_it_is_taken),
             cmocka_unit_test(more_marks_than_there_is_room_for_only_cost_time),
             cmocka_unit_test(a_message_looked_at_stays_until_it_is_taken),
             cmocka_unit_test(what_somebody_else_has_taken_is_not_looked_at_any_more),
             cmocka_unit_test(the_queue_agrees_with_a_model), )
