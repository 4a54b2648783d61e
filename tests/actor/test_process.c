/* SPDX-License-Identifier: Apache-2.0 */
/* test_process.c - table, pids, messages, exits, results, timers of processes. */
#include "actorkit.h"

/* ---- table and pids ------------------------------------------------------------------------- */

static void every_pid_is_distinct_and_found(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    enum { N = 10000 }; /* more than a slab */
    Process **made = calloc(N, sizeof *made);
    for (int i = 0; i < N; i++) {
        assert_ok(process_new(kit.cx, VALUE_NIL, &made[i]));
        assert_ptr_equal(process_of_pid(kit.node, made[i]->pid), made[i]);
        assert_true(value_is_pid(made[i]->pid));
    }
    for (int i = 1; i < N; i++)
        assert_true(made[i]->pid != made[i - 1]->pid);
    assert_null(process_of_pid(kit.node, value_int(3)));
    assert_null(process_of_pid(kit.node, value_pid((1u << VALUE_PID_INDEX_BITS) - 1, 0)));
    assert_null(process_of_pid(kit.node, value_pid(SLOTS_PER_SLAB, 0))); /* between two slabs */
    assert_null(process_of_pid(kit.node, value_pid(value_pid_index(made[5]->pid), 77)));
    for (int i = 0; i < N; i++)
        process_abandon(kit.cx, made[i]);
    free(made);
    kit_close(&kit);
}

static void a_pid_of_the_dead_does_not_find_its_successor(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 1); /* one slot */
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_end);
    Value old = p->pid;
    kit_run(&kit);
    assert_null(process_of_pid(kit.node, old));
    assert_false(process_is_alive(kit.node, old));
    epoch_barrier(kit.locals[0]->cx.epoch);
    Process *successor = kit_make(&kit, &kit.locals[0]->cx, VALUE_NIL, kit_body_park);
    assert_ptr_equal(successor, p);
    assert_int_equal(value_pid_index(successor->pid), value_pid_index(old));
    assert_int_equal(value_pid_generation(successor->pid), value_pid_generation(old) + 1);
    assert_null(process_of_pid(kit.node, old));
    assert_status(process_send(kit.cx, NULL, old, VALUE_NIL, value_int(1), NULL),
                  STATUS_NO_PROCESS);
    assert_false(process_has_signals(successor));
    kit_close(&kit);
}

static void a_slot_waits_for_the_sections_that_could_see_it(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 1);
    Process *p = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_end);
    Value old = p->pid;
    p->state = PROCESS_LIVE;
    KitLocal reader;
    kit_local_open(&kit, &reader, NULL);
    epoch_begin(reader.cx.epoch);
    assert_ptr_equal(process_of_pid(kit.node, old), p); /* resolved, about to push */
    actor_count(kit.cx, 1);
    process_exit(kit.cx, p);
    for (int i = 0; i < 100; i++)
        (void)epoch_poll(kit.cx->epoch);
    Process *other;
    assert_status(process_new(kit.cx, VALUE_NIL, &other), STATUS_PROCESS_LIMIT);
    Fragment *f;
    assert_ok(signal_new(kit.cx, NULL, value_int(1), SIGNAL_MESSAGE, 4, &f, NULL));
    assert_false(process_push(kit.cx, p, f, false)); /* late, but harmless */
    epoch_end(reader.cx.epoch);
    epoch_barrier(kit.cx->epoch);
    assert_ok(process_new(kit.cx, VALUE_NIL, &other));
    assert_ptr_equal(other, p);
    process_abandon(kit.cx, other);
    kit_local_close(&reader);
    kit_close(&kit);
}

static void a_slot_is_retired_when_its_pids_are_used_up(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 2);
    Process *p = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_end);
    uint32_t index = value_pid_index(p->pid);
    Value last = value_pid(index, GENERATION_MAX);
    p->pid = last; /* as if it had been used four million times */
    process_start(kit.cx, p, false);
    kit_run(&kit);
    epoch_barrier(kit.locals[0]->cx.epoch);
    assert_null(process_of_pid(kit.node, last));
    assert_null(process_of_pid(kit.node, value_pid(index, 0)));
    assert_int_equal(kit.node->nretired, 1);
    Process *other, *none;
    assert_ok(process_new(kit.cx, VALUE_NIL, &other));
    assert_int_not_equal(value_pid_index(other->pid), index);
    assert_status(process_new(kit.cx, VALUE_NIL, &none), STATUS_PROCESS_LIMIT);
    process_abandon(kit.cx, other);
    kit_close(&kit);
}

static void the_table_has_room_for_its_limit_exactly(void **state)
{
    (void)state;
    Kit kit;
    enum { LIMIT = 100 };
    kit_open(&kit, 1, 1, LIMIT);
    Process *p[LIMIT], *one_more;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LIMIT; i++)
            assert_ok(process_new(kit.cx, VALUE_NIL, &p[i]));
        assert_status(process_new(kit.cx, VALUE_NIL, &one_more), STATUS_PROCESS_LIMIT);
        for (int i = 0; i < LIMIT; i++)
            process_abandon(kit.cx, p[i]);
    }
    kit_close(&kit);
}

/* Makes children until there is no room for more; answers how many there are then. */
static int fill_table(Kit *kit, Value parent, Process **p, int n)
{
    Status status;
    while ((status = process_new(kit->cx, parent, &p[n])) == STATUS_OK)
        n++;
    assert_status(status, STATUS_PROCESS_LIMIT);
    return n;
}

static void supervisors_and_the_shell_have_a_reserve(void **state)
{
    (void)state;
    Kit kit;
    enum { LIMIT = 100, RESERVE = 6 };
    kit_open(&kit, 1, 1, LIMIT);
    kit.node->config.reserved = RESERVE;
    Process *p[LIMIT + 1];
    Process *supervisor = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Process *plain = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    process_set_mode(supervisor, PROCESS_MODE_TRAPS, true);
    for (int round = 0; round < 3; round++) {
        int n = fill_table(&kit, plain->pid, p, 0);
        assert_int_equal(n, LIMIT - RESERVE - 2);
        /* a supervisor's child that ends and is started again takes no slot from the others */
        for (int i = 0; i < 3 * RESERVE; i++) {
            assert_ok(process_new(kit.cx, supervisor->pid, &p[n]));
            process_abandon(kit.cx, p[n]);
            assert_int_equal(fill_table(&kit, plain->pid, p, n), n);
        }
        assert_ok(process_new(kit.cx, VALUE_NIL, &p[n++]));
        n = fill_table(&kit, supervisor->pid, p, n);
        assert_int_equal(n, LIMIT - 2);
        assert_int_equal(fill_table(&kit, VALUE_NIL, p, n), n);
        while (n > 0)
            process_abandon(kit.cx, p[--n]);
    }
    process_start(kit.cx, supervisor, false);
    process_start(kit.cx, plain, false);
    kit_run(&kit);
    kit_close(&kit);
}

static void collect_pid(void *ctx, Process *p)
{
    (void)p;
    ++*(uint32_t *)ctx;
}

static void live_processes_are_counted_and_listed(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 2, 1, 0);
    enum { N = 50 };
    Value pids[N];
    for (int i = 0; i < N; i++)
        pids[i] = kit_spawn(&kit, kit.cx, VALUE_NIL, i % 5 ? kit_body_park : kit_body_end)->pid;
    assert_int_equal(actor_process_count(kit.node), N);
    kit_run(&kit);
    assert_int_equal(actor_process_count(kit.node), N - N / 5);
    uint32_t seen = 0;
    actor_each_process(kit.node, collect_pid, &seen);
    assert_int_equal(seen, N - N / 5);
    uint32_t cursor = 0, found = 0;
    while (cursor != UINT32_MAX) {
        Value some[7];
        uint32_t n = actor_list_pids(kit.node, &cursor, 100, some, 7);
        for (uint32_t i = 0; i < n; i++)
            assert_true(process_is_alive(kit.node, some[i]));
        found += n;
    }
    assert_int_equal(found, N - N / 5);
    assert_false(process_is_alive(kit.node, pids[0]));
    assert_true(process_is_alive(kit.node, pids[1]));
    kit_close(&kit);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void a_message_is_a_copy_with_sender_and_selector(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *from = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Process *to = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Value selector = kit_symbol(&kit, "add:");
    Value inner = kit_array(kit.cx, from, (Value[]){value_int(7)}, 1);
    Value outer = kit_array(kit.cx, from, (Value[]){inner, inner}, 2);
    Value culprit;
    assert_ok(process_send(kit.cx, from, to->pid, selector, outer, &culprit));
    assert_int_equal(kit.cx->copied_words, 4 + 3 + 2);
    kit_fetch(kit.cx, to);
    assert_int_equal(to->nmessages, 1);
    Object *message = obj_of(process_take_message(to));
    assert_int_equal(to->nmessages, 0);
    assert_int_equal(obj_class(message), CLASS_MAILBOX_MESSAGE);
    assert_int_equal(message->words[0], from->pid);
    assert_int_equal(message->words[1], selector);
    Object *copy = obj_of(message->words[2]);
    assert_true(value_ptr(copy) != outer);
    assert_int_equal(copy->words[0], copy->words[1]); /* sharing is kept */
    assert_int_equal(obj_of(copy->words[0])->words[0], value_int(7));
    assert_int_equal(process_take_message(to), VALUE_NONE);
    kit_close(&kit);
}

static void a_send_takes_no_lock(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *from = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Process *to = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Value array = kit_array(kit.cx, from, (Value[]){value_int(7)}, 1);
    kit_fetch(kit.cx, to);
    uint64_t locked = kit.cx->locked; /* M20 */
    for (int i = 0; i < 1000; i++) {
        assert_ok(process_send(kit.cx, from, to->pid, VALUE_NIL, array, NULL));
        kit_fetch(kit.cx, to);
        assert_true(process_take_message(to) != VALUE_NONE);
    }
    assert_int_equal(kit.cx->locked, locked);
    /* nor does a start or an end, while slots are in the cache */
    for (int i = 0; i < 1000; i++) {
        Process *p;
        assert_ok(process_new(kit.cx, VALUE_NIL, &p));
        process_abandon(kit.cx, p);
    }
    assert_int_equal(kit.cx->locked, locked);
    kit_close(&kit);
}

static void home_tokens_do_not_travel(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *from = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Process *to = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Object *closure;
    assert_ok(heap_try_new(&from->heap, &kit.cx->heap, from->heap.lo, CLASS_BLOCK, OBJ_CLOSURE, 0,
                           4, &closure));
    Value token = HOME_TOKEN_FIRST + 5;
    closure->words[0] = value_raw(&kit);
    closure->words[1] = token;
    closure->words[2] = VALUE_TRUE;
    closure->words[3] = token;
    Value all = kit_array(kit.cx, from, (Value[]){value_ptr(closure), VALUE_NIL}, 2);
    assert_ok(process_send(kit.cx, from, to->pid, VALUE_NIL, all, NULL));
    kit_fetch(kit.cx, to);
    Object *got = obj_of(obj_of(kit_payload(process_take_message(to)))->words[0]);
    assert_int_equal(got->words[0], value_raw(&kit));
    assert_int_equal(got->words[1], HOME_TOKEN_DEAD);
    assert_int_equal(got->words[2], VALUE_TRUE);
    assert_int_equal(got->words[3], HOME_TOKEN_DEAD);
    assert_int_equal(closure->words[1], token); /* the sender's own is as it was */
    kit_close(&kit);
}

static void a_slice_sorts_many_signals_in_pieces(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    for (int i = 0; i < 1000; i++)
        assert_ok(process_send(kit.cx, NULL, p->pid, VALUE_NIL, value_int(i), NULL));
    int32_t reds = 100;
    process_fetch_signals(kit.cx, p, &reds);
    assert_true(reds <= 0);
    assert_in_range(p->nmessages, 100, 300);
    assert_true(process_has_signals(p));
    assert_false(process_park(p, PROCESS_WAIT_RECEIVE));
    reds = 0; /* nothing left of the slice: still some progress */
    uint32_t before = p->nmessages;
    process_fetch_signals(kit.cx, p, &reds);
    assert_true(p->nmessages > before);
    kit_fetch(kit.cx, p);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(kit_payload(process_take_message(p)), value_int(i));
    kit_close(&kit);
}

/* ---- exits ---------------------------------------------------------------------------------- */

static void the_first_exit_stays_and_a_kill_goes_over_it(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Value first = kit_symbol(&kit, "first"), second = kit_symbol(&kit, "second");
    assert_ok(process_send_exit(kit.cx, NULL, p->pid, kit.node->sym_normal, false));
    kit_fetch(kit.cx, p);
    assert_int_equal(p->flags & PROCESS_F_EXIT_PENDING, 0); /* a stranger's normal end */
    assert_ok(process_send_exit(kit.cx, NULL, p->pid, first, false));
    assert_ok(process_send_exit(kit.cx, NULL, p->pid, second, false));
    kit_fetch(kit.cx, p);
    assert_true(p->flags & PROCESS_F_EXIT_PENDING);
    assert_int_equal(p->flags & PROCESS_F_KILLED, 0);
    assert_int_equal(p->exit_reason, first);
    assert_false(process_park(p, PROCESS_WAIT_RECEIVE)); /* an exit is not slept over */
    assert_ok(process_send_exit(kit.cx, NULL, p->pid, second, true));
    kit_fetch(kit.cx, p);
    assert_true(p->flags & PROCESS_F_KILLED);
    assert_int_equal(p->exit_reason, kit.node->sym_killed);
    kit_close(&kit);
}

static void a_process_may_end_itself_normally(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    assert_ok(process_send_exit(kit.cx, p, p->pid, kit.node->sym_normal, false));
    kit_fetch(kit.cx, p);
    assert_true(p->flags & PROCESS_F_EXIT_PENDING);
    kit_close(&kit);
}

static void signals_to_the_dead_are_freed(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_end);
    Value pid = p->pid;
    for (int i = 0; i < 10; i++)
        assert_ok(process_send(kit.cx, NULL, pid, VALUE_NIL, value_int(i), NULL));
    kit_run(&kit);
    assert_status(process_send(kit.cx, NULL, pid, VALUE_NIL, value_int(1), NULL),
                  STATUS_NO_PROCESS);
    assert_status(process_send_exit(kit.cx, NULL, pid, kit.node->sym_error, false),
                  STATUS_NO_PROCESS);
    kit_close(&kit); /* asserts that nothing is left */
}

static void a_long_queue_is_freed_in_pieces(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    for (int i = 0; i < 5000; i++)
        assert_ok(process_send(kit.cx, NULL, p->pid, VALUE_NIL, value_int(i), NULL));
    kit_fetch(kit.cx, p);
    assert_ok(process_send_exit(kit.cx, NULL, p->pid, kit.node->sym_killed, true));
    SchedStats before, after;
    sched_stats(kit.group, 0, &before);
    kit_run(&kit);
    sched_stats(kit.group, 0, &after);
    assert_true(after.switches - before.switches >= 2); /* no slice frees all of them */
    assert_int_equal(actor_process_count(kit.node), 0);
    kit_close(&kit);
}

static void a_dirty_job_is_let_go_at_death(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    ProcessExt *ext;
    assert_ok(process_ext(kit.cx, p, &ext));
    ext->dirty = &kit;
    assert_ok(process_send_exit(kit.cx, NULL, p->pid, VALUE_NIL, true));
    kit_run(&kit);
    assert_int_equal(kit.dropped, 1);
    kit_close(&kit);
}

/* ---- results -------------------------------------------------------------------------------- */

static KitNext end_with_seven(ActorCtx *cx, Process *p)
{
    (void)cx;
    p->exit_result = value_int(7);
    return KIT_EXIT;
}

static KitNext end_with_array(ActorCtx *cx, Process *p)
{
    p->exit_result = kit_array(cx, p, (Value[]){value_int(1), value_int(2)}, 2);
    return KIT_EXIT;
}

static KitNext end_with_object_reason(ActorCtx *cx, Process *p)
{
    p->exit_reason = kit_array(cx, p, (Value[]){value_int(3)}, 1);
    p->exit_result = value_int(4);
    return KIT_EXIT;
}

static KitNext end_with_weak_reference(ActorCtx *cx, Process *p)
{
    Object *weak;
    assert_ok(
        heap_try_new(&p->heap, &cx->heap, p->heap.lo, CLASS_WEAK_REFERENCE, OBJ_WEAK, 0, 2, &weak));
    weak->words[0] = weak->words[1] = VALUE_NIL;
    p->exit_result = value_ptr(weak);
    return KIT_EXIT;
}

static KitNext end_with_error(ActorCtx *cx, Process *p)
{
    p->exit_reason = cx->node->sym_error;
    return KIT_EXIT;
}

/* The forker of a process with this body, after all has run. */
static Process *forker_of(Kit *kit, KitBody body, Value *child)
{
    Process *parent = kit_spawn(kit, kit->cx, VALUE_NIL, kit_body_park);
    *child = kit_spawn(kit, kit->cx, parent->pid, body)->pid;
    kit_run(kit);
    kit_fetch(kit->cx, parent);
    return parent;
}

static void a_forker_is_told_a_result(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Value child, reason, result;
    Process *parent = forker_of(&kit, end_with_seven, &child);
    assert_true(process_result(parent, child, &reason, &result));
    assert_int_equal(reason, kit.node->sym_normal);
    assert_int_equal(result, value_int(7));
    process_forget_result(parent, child);
    assert_false(process_result(parent, child, &reason, &result));
    kit_close(&kit);
}

static void a_forker_is_not_told_of_a_normal_end_with_nil(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Value child, reason, result;
    Process *parent = forker_of(&kit, kit_body_end, &child);
    assert_null(parent->ext);
    assert_false(process_result(parent, child, &reason, &result));
    bool gone;
    assert_ok(process_request_result(kit.cx, parent, child, &gone));
    assert_true(gone);
    assert_int_equal(process_gone_reason(kit.cx, parent, child), kit.node->sym_normal);
    Process *stranger = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    assert_int_equal(process_gone_reason(kit.cx, stranger, child), kit.node->sym_noproc);
    kit_close(&kit);
}

static void a_forker_is_told_of_a_crash(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Value child, reason, result;
    Process *parent = forker_of(&kit, end_with_error, &child);
    assert_true(process_result(parent, child, &reason, &result));
    assert_int_equal(reason, kit.node->sym_error);
    assert_int_equal(result, VALUE_NIL);
    assert_int_equal(kit.sim.log_count, 1); /* the crash report */
    kit_close(&kit);
}

static void reason_and_result_may_both_be_objects(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Value child, reason, result;
    Process *parent = forker_of(&kit, end_with_object_reason, &child);
    assert_true(process_result(parent, child, &reason, &result));
    assert_int_equal(obj_of(reason)->words[0], value_int(3));
    assert_int_equal(result, value_int(4));
    kit_close(&kit);
}

static void a_result_that_cannot_leave_becomes_nil(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Value child, reason, result;
    Process *parent = forker_of(&kit, end_with_weak_reference, &child);
    assert_true(process_result(parent, child, &reason, &result));
    assert_int_equal(reason, kit.node->sym_normal);
    assert_int_equal(result, VALUE_NIL);
    kit_close(&kit);
}

static void everybody_who_waits_gets_a_copy_of_the_result(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 2, 1, 0);
    enum { N = 5 };
    Process *waiter[N];
    Process *child = kit_make(&kit, kit.cx, VALUE_NIL, end_with_array);
    Value pid = child->pid;
    for (int i = 0; i < N; i++) {
        waiter[i] = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
        if (i == 0)
            child->parent = waiter[0]->pid; /* forker and waiter: told once */
        bool gone;
        assert_ok(process_request_result(kit.cx, waiter[i], pid, &gone));
        assert_false(gone);
    }
    process_start(kit.cx, child, false);
    kit_run(&kit);
    Value seen[N];
    for (int i = 0; i < N; i++) {
        Value reason;
        kit_fetch(kit.cx, waiter[i]);
        assert_true(process_result(waiter[i], pid, &reason, &seen[i]));
        assert_int_equal(waiter[i]->ext->nresults, 1);
        assert_int_equal(obj_of(seen[i])->words[1], value_int(2));
        for (int k = 0; k < i; k++)
            assert_true(seen[k] != seen[i]); /* shared nothing (I2) */
    }
    kit_close(&kit);
}

static void a_process_is_not_alive_once_its_reports_are_out(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *parent = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Process *child = kit_make(&kit, kit.cx, parent->pid, end_with_seven);
    child->flags |= PROCESS_F_MAIN;
    process_start(kit.cx, child, false);
    kit_run(&kit);
    assert_int_equal(kit.mains_ended, 1);
    assert_true(kit.reported_before_end); /* the hook ran when the forker had its report ... */
    assert_false(kit.alive_at_end);       /* ... and the state said what the forker might ask */
    kit_close(&kit);
}

static void a_wait_that_comes_too_late_is_answered_all_the_same(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *asker = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Process *child = kit_make(&kit, kit.cx, VALUE_NIL, end_with_seven);
    Value pid = child->pid;
    child->state = PROCESS_LIVE;
    child->exit_result = value_int(7);
    actor_count(kit.cx, 1);
    /* The signal is in the queue, unsorted, when the process ends. */
    bool gone;
    assert_ok(process_request_result(kit.cx, asker, pid, &gone));
    assert_false(gone);
    process_exit(kit.cx, child);
    kit_fetch(kit.cx, asker);
    Value reason, result;
    assert_true(process_result(asker, pid, &reason, &result));
    assert_int_equal(result, value_int(7));
    kit_close(&kit);
}

static void a_report_replaces_noproc_but_not_the_other_way(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Value pid = value_pid(99, 3), reason, result;
    Value reasons[] = {kit.node->sym_noproc, kit.node->sym_normal, kit.node->sym_noproc};
    for (int i = 0; i < 3; i++) {
        Fragment *f;
        assert_ok(signal_new(kit.cx, NULL, value_int(i), SIGNAL_RESULT, 2, &f, NULL));
        f->body[0] = pid;
        f->body[1] = reasons[i];
        assert_true(process_push(kit.cx, p, f, false));
        kit_fetch(kit.cx, p);
        assert_true(process_result(p, pid, &reason, &result));
        assert_int_equal(reason, reasons[i > 0]);
    }
    assert_int_equal(result, value_int(1));
    kit_close(&kit);
}

static void report(Kit *kit, Process *p, Value pid, int64_t n)
{
    Fragment *f;
    assert_ok(signal_new(kit->cx, NULL, value_int(n), SIGNAL_RESULT, 2, &f, NULL));
    f->body[0] = pid;
    f->body[1] = kit->node->sym_normal;
    assert_true(process_push(kit->cx, p, f, false));
    kit_fetch(kit->cx, p);
}

static void the_table_of_results_agrees_with_a_model(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    enum { PIDS = 300 };
    int64_t model[PIDS]; /* 0: not there */
    memset(model, 0, sizeof model);
    Rng rng;
    rng_init(&rng, 42);
    for (int i = 0; i < 20000; i++) {
        uint32_t k = rng_below(&rng, PIDS);
        Value pid = value_pid(k * 131, k);
        if (rng_below(&rng, 3) == 0) {
            process_forget_result(p, pid);
            model[k] = 0;
        } else if (!model[k]) {
            model[k] = i + 1;
            report(&kit, p, pid, i + 1);
        }
        k = rng_below(&rng, PIDS);
        Value reason, result;
        bool there = process_result(p, value_pid(k * 131, k), &reason, &result);
        assert_int_equal(there, model[k] != 0);
        if (there)
            assert_int_equal(result, value_int(model[k]));
    }
    kit_close(&kit);
}

static void what_can_still_be_asked_for_is_kept(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
    Value in_heap = value_pid(1000000, 1), in_stack = value_pid(1000001, 1),
          in_queue = value_pid(1000002, 1), nowhere = value_pid(1000003, 1);
    kit_array(kit.cx, p, (Value[]){in_heap}, 1);
    p->heap.lo[0] = in_stack;
    assert_ok(process_send(kit.cx, NULL, p->pid, VALUE_NIL, in_queue, NULL));
    kit_fetch(kit.cx, p);
    report(&kit, p, in_heap, 1);
    report(&kit, p, in_stack, 2);
    report(&kit, p, in_queue, 3);
    report(&kit, p, nowhere, 4);
    uint32_t most = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        report(&kit, p, value_pid(i, 2), i);
        most = p->ext->nresults > most ? p->ext->nresults : most;
    }
    assert_true(most < 5000); /* bounded, although nothing was ever asked for */
    Value reason, result;
    assert_true(process_result(p, in_heap, &reason, &result));
    assert_int_equal(result, value_int(1));
    assert_true(process_result(p, in_stack, &reason, &result));
    assert_true(process_result(p, in_queue, &reason, &result));
    assert_false(process_result(p, nowhere, &reason, &result));
    kit_close(&kit);
}

static void the_end_of_a_main_process_is_told_to_the_embedder(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = kit_make(&kit, kit.cx, VALUE_NIL, end_with_seven);
    p->flags |= PROCESS_F_MAIN;
    process_start(kit.cx, p, false);
    kit_run(&kit);
    assert_int_equal(kit.mains_ended, 1);
    assert_int_equal(kit.main_result, value_int(7));
    kit_close(&kit);
}

/* ---- time ----------------------------------------------------------------------------------- */

static KitNext sleep_once(ActorCtx *cx, Process *p)
{
    if (!p->resume.a) {
        p->resume.a = 1;
        p->resume.b = sched_clock(cx->sched);
        process_start_timer(cx, p, 5000000);
    }
    if (!process_timer_fired(p)) {
        p->resume.c++; /* looked in vain */
        p->wait = PROCESS_WAIT_SLEEP;
        return KIT_PARK;
    }
    process_stop_timer(cx, p);
    p->exit_result = value_int((int64_t)(sched_clock(cx->sched) - p->resume.b));
    return KIT_EXIT;
}

static void a_sleeper_wakes_in_time_and_never_early(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        Kit kit;
        kit_open(&kit, 2, seed, 0);
        Process *p = kit_make(&kit, kit.cx, VALUE_NIL, sleep_once);
        p->flags |= PROCESS_F_MAIN;
        process_start(kit.cx, p, false);
        kit_run(&kit);
        assert_int_equal(kit.mains_ended, 1);
        assert_in_range(value_as_int(kit.main_result), 5000000, 50000000);
        kit_close(&kit);
    }
}

static void a_message_does_not_end_a_sleep_and_death_stops_its_timer(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 3, 0);
    Process *p = kit_make(&kit, kit.cx, VALUE_NIL, sleep_once);
    Value pid = p->pid;
    p->flags |= PROCESS_F_MAIN;
    process_start(kit.cx, p, false);
    Status status;
    (void)sched_sim_run(kit.group, 4, &status);
    assert_ok(process_send(kit.cx, NULL, pid, VALUE_NIL, value_int(1), NULL));
    (void)sched_sim_run(kit.group, 4, &status);
    assert_int_equal(kit.mains_ended, 0);
    assert_true(p->flags & PROCESS_F_TIMER);
    assert_ok(process_send_exit(kit.cx, NULL, pid, VALUE_NIL, true));
    kit_run(&kit);
    assert_int_equal(kit.mains_ended, 1);
    assert_int_equal(sched_timer_count(kit.group, 0), 0);
    kit_close(&kit);
}

/* ---- failing memory ------------------------------------------------------------------------- */

static KitNext send_to_parent_and_end(ActorCtx *cx, Process *p)
{
    Value culprit;
    Status status = process_send(cx, p, p->parent, VALUE_NIL, value_int(1), &culprit);
    p->exit_result = status == STATUS_OK ? VALUE_TRUE : VALUE_FALSE;
    return KIT_EXIT;
}

static void missing_memory_is_an_answer_not_a_crash(void **state)
{
    (void)state;
    uint32_t failed = 0;
    for (uint64_t after = 0; after < 60; after++) {
        Kit kit;
        kit_open(&kit, 1, 1 + after, 0);
        Process *parent = kit_spawn(&kit, kit.cx, VALUE_NIL, kit_body_park);
        kit_run(&kit);
        kit.sim.alloc_fail_after = kit.sim.alloc_count + 1 + after;
        for (int i = 0; i < 20; i++) {
            Process *p;
            Status status = process_new(kit.cx, parent->pid, &p);
            if (status == STATUS_OK) {
                status = heap_init(&p->heap, &kit.cx->heap, 16, 0);
                if (status != STATUS_OK) {
                    process_abandon(kit.cx, p);
                } else {
                    KitBody body = send_to_parent_and_end;
                    memcpy(&p->code, &body, sizeof body);
                    process_start(kit.cx, p, false);
                }
            }
            failed += status != STATUS_OK;
            bool gone;
            failed += process_request_result(kit.cx, parent, parent->pid, &gone) != STATUS_OK;
        }
        Status status;
        (void)sched_sim_run(kit.group, KIT_STEPS, &status);
        kit_fetch(kit.cx, parent);
        kit.sim.alloc_fail_after = 0;
        kit_close(&kit);
    }
#if MAGGIE_ASAN
    assert_true(failed > 0); /* pools give out one block at a time there */
#else
    (void)failed;
#endif
}

TESTKIT_MAIN(cmocka_unit_test(every_pid_is_distinct_and_found),
             cmocka_unit_test(a_pid_of_the_dead_does_not_find_its_successor),
             cmocka_unit_test(a_slot_waits_for_the_sections_that_could_see_it),
             cmocka_unit_test(a_slot_is_retired_when_its_pids_are_used_up),
             cmocka_unit_test(the_table_has_room_for_its_limit_exactly),
             cmocka_unit_test(supervisors_and_the_shell_have_a_reserve),
             cmocka_unit_test(live_processes_are_counted_and_listed),
             cmocka_unit_test(a_message_is_a_copy_with_sender_and_selector),
             cmocka_unit_test(a_send_takes_no_lock), cmocka_unit_test(home_tokens_do_not_travel),
             cmocka_unit_test(a_slice_sorts_many_signals_in_pieces),
             cmocka_unit_test(the_first_exit_stays_and_a_kill_goes_over_it),
             cmocka_unit_test(a_process_may_end_itself_normally),
             cmocka_unit_test(signals_to_the_dead_are_freed),
             cmocka_unit_test(a_long_queue_is_freed_in_pieces),
             cmocka_unit_test(a_dirty_job_is_let_go_at_death),
             cmocka_unit_test(a_forker_is_told_a_result),
             cmocka_unit_test(a_forker_is_not_told_of_a_normal_end_with_nil),
             cmocka_unit_test(a_forker_is_told_of_a_crash),
             cmocka_unit_test(reason_and_result_may_both_be_objects),
             cmocka_unit_test(a_result_that_cannot_leave_becomes_nil),
             cmocka_unit_test(everybody_who_waits_gets_a_copy_of_the_result),
             cmocka_unit_test(a_process_is_not_alive_once_its_reports_are_out),
             cmocka_unit_test(a_wait_that_comes_too_late_is_answered_all_the_same),
             cmocka_unit_test(a_report_replaces_noproc_but_not_the_other_way),
             cmocka_unit_test(the_table_of_results_agrees_with_a_model),
             cmocka_unit_test(what_can_still_be_asked_for_is_kept),
             cmocka_unit_test(the_end_of_a_main_process_is_told_to_the_embedder),
             cmocka_unit_test(a_sleeper_wakes_in_time_and_never_early),
             cmocka_unit_test(a_message_does_not_end_a_sleep_and_death_stops_its_timer),
             cmocka_unit_test(missing_memory_is_an_answer_not_a_crash), )
