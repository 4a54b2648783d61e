/* SPDX-License-Identifier: Apache-2.0 */
/* test_cancel.c - cancellation contexts: trees, deadlines, done channels, crowds. */
#include "actorkit.h"
#include "cancel.h"

static CancelContext *make(Kit *kit, CancelContext *parent, uint64_t ns)
{
    CancelContext *c;
    assert_ok(context_new(kit->cx, parent, ns, false, &c));
    return c;
}

static void drop(Kit *kit, void *object) { offheap_release(&kit->heap_env, object); }

static Process *make_live(Kit *kit)
{
    Process *p = kit_make(kit, kit->cx, VALUE_NIL, kit_body_park);
    p->state = PROCESS_LIVE;
    actor_count(kit->cx, 1);
    return p;
}

static WaitSet *wait_for(Kit *kit, Process *p, CancelContext *c)
{
    WaitSet *set;
    assert_ok(wait_new(kit->cx, p, 1, &set));
    wait_case(set, 0, (Waitable *)(void *)c, WAIT_TAKE, NULL);
    assert_int_equal(wait_begin(kit->cx, set, true), WAIT_NONE);
    return set;
}

static void what_is_below_is_cancelled_with_it(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    CancelContext *root = make(&kit, NULL, CONTEXT_NO_LIMIT);
    CancelContext *left = make(&kit, root, CONTEXT_NO_LIMIT);
    CancelContext *right = make(&kit, root, CONTEXT_NO_LIMIT);
    CancelContext *leaf = make(&kit, left, CONTEXT_NO_LIMIT);
    Process *p = make_live(&kit), *q = make_live(&kit);
    WaitSet *first = wait_for(&kit, p, leaf), *second = wait_for(&kit, q, right);
    assert_ptr_equal(context_parent(leaf), left);
    context_cancel(kit.cx, left);
    context_cancel(kit.cx, left);
    assert_true(context_is_cancelled(left) && context_is_cancelled(leaf));
    assert_false(context_is_cancelled(root) || context_is_cancelled(right));
    assert_int_equal(wait_served(first), 0);
    assert_int_equal(wait_served(second), WAIT_NONE);
    CancelContext *late = make(&kit, leaf, CONTEXT_NO_LIMIT);
    assert_true(context_is_cancelled(late));
    drop(&kit, root); /* its children keep it */
    process_exit(kit.cx, p);
    process_exit(kit.cx, q);
    drop(&kit, left);
    drop(&kit, leaf);
    drop(&kit, late);
    drop(&kit, right);
    kit_close(&kit);
}

static void one_that_lasts_for_ever_cannot_be_cancelled(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    CancelContext *c;
    assert_ok(context_new(kit.cx, NULL, CONTEXT_NO_LIMIT, true, &c));
    context_cancel(kit.cx, c);
    assert_false(context_is_cancelled(c));
    CancelContext *child = make(&kit, c, 0);
    assert_true(context_is_cancelled(child));
    drop(&kit, c);
    drop(&kit, child);
    kit_close(&kit);
}

static void a_big_tree_is_cancelled_in_pieces(void **state)
{
    (void)state;
    enum { WIDE = 3000, DEEP = CONTEXT_DEPTH_MAX, WAITERS = 100 };
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    static CancelContext *wide[WIDE], *deep[DEEP];
    CancelContext *root = make(&kit, NULL, CONTEXT_NO_LIMIT), *none;
    for (int i = 0; i < WIDE; i++)
        wide[i] = make(&kit, root, CONTEXT_NO_LIMIT);
    for (int i = 0; i < DEEP; i++)
        deep[i] = make(&kit, i ? deep[i - 1] : root, CONTEXT_NO_LIMIT);
    assert_status(context_new(kit.cx, deep[DEEP - 1], CONTEXT_NO_LIMIT, false, &none),
                  STATUS_TOO_DEEP);
    Process *p[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        p[i] = make_live(&kit);
        wait_for(&kit, p[i], i % 2 ? wide[i * 29] : deep[DEEP - 1]);
    }
    context_cancel(kit.cx, root);
    assert_true(context_is_cancelled(wide[WIDE - 1]) && context_is_cancelled(wide[0]));
    assert_true(context_is_cancelled(deep[DEEP - 1]));
    kit_run(&kit); /* the tasks */
    for (int round = 0; round < WAITERS; round++) {
        for (int i = 0; i < WAITERS; i++)
            if (p[i]->ext && p[i]->ext->waiting && wait_served(p[i]->ext->waiting) != WAIT_NONE)
                wait_end(kit.cx, p[i]->ext->waiting);
    }
    for (int i = 0; i < WAITERS; i++) {
        assert_null(p[i]->ext->waiting);
        process_exit(kit.cx, p[i]);
    }
    for (int i = 0; i < WIDE; i++)
        drop(&kit, wide[i]);
    for (int i = 0; i < DEEP - 1; i++)
        drop(&kit, deep[i]);
    drop(&kit, root);
    drop(&kit, deep[DEEP - 1]); /* all of them go with the last one */
    kit_close(&kit);
}

/* ---- time ----------------------------------------------------------------------------------- */

static CancelContext *shared; /* of the running test */
static uint64_t woken_at;

/* Makes a context of 5 ms, waits for its done channel only. */
static KitNext timed_body(ActorCtx *cx, Process *p)
{
    WaitSet *set = (WaitSet *)(uintptr_t)p->resume.a;
    if (!set) {
        CancelContext *root, *child;
        Channel *done;
        Status status = context_new(cx, NULL, 5000000, false, &root);
        assert_ok(status);
        status = context_new(cx, root, 9000000000, false, &child);
        assert_ok(status);
        uint64_t own = 0, above = 0, wall = 0;
        assert_true(context_deadline(child, &own, &wall) && context_deadline(root, &above, &wall));
        assert_true(own == above);
        status = context_done_channel(cx, child, &done);
        assert_ok(status);
        status = wait_new(cx, p, 1, &set);
        assert_ok(status);
        wait_case(set, 0, channel_waitable(done), WAIT_TAKE, NULL);
        assert_int_equal(wait_begin(cx, set, true), WAIT_NONE);
        /* Only the set knows of all that. */
        offheap_release(cx->heap.env, (OffHeap *)(void *)root);
        offheap_release(cx->heap.env, (OffHeap *)(void *)child);
        offheap_release(cx->heap.env, (OffHeap *)(void *)done);
        p->resume.a = (uint64_t)(uintptr_t)set;
    }
    if (wait_served(set) == WAIT_NONE) {
        p->wait = PROCESS_WAIT_CHANNEL_RECEIVE;
        return KIT_PARK;
    }
    woken_at = env_now_ns(cx->node->config.env);
    assert_true(wait_node(set, 0)->item->root == VALUE_TRUE);
    wait_end(cx, set);
    return KIT_EXIT;
}

static void who_holds_the_done_channel_hears_of_the_deadline(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    uint64_t start = env_now_ns(kit_env(&kit));
    woken_at = 0;
    kit_spawn(&kit, kit.cx, VALUE_NIL, timed_body);
    kit_run(&kit);
    assert_true(woken_at >= start + 5000000);
    assert_true(woken_at < start + 9000000000);
    kit_close(&kit);
}

static void the_done_channel_gets_one_true_and_is_closed(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    for (int early = 0; early < 2; early++) {
        CancelContext *c = make(&kit, NULL, CONTEXT_NO_LIMIT);
        Channel *done, *again;
        Fragment *f;
        if (!early)
            context_cancel(kit.cx, c);
        assert_ok(context_done_channel(kit.cx, c, &done));
        if (early)
            context_cancel(kit.cx, c);
        assert_ok(context_done_channel(kit.cx, c, &again));
        assert_ptr_equal(done, again);
        assert_ok(channel_receive(kit.cx, done, &f));
        assert_true(f->root == VALUE_TRUE);
        fragment_free(&kit.cx->heap, f);
        assert_status(channel_receive(kit.cx, done, &f), STATUS_CLOSED);
        drop(&kit, done);
        drop(&kit, again);
        assert_ok(context_done_channel(kit.cx, c, &again)); /* a new one, told again */
        assert_ok(channel_receive(kit.cx, again, &f));
        fragment_free(&kit.cx->heap, f);
        drop(&kit, c);
        drop(&kit, again);
    }
    kit_close(&kit);
}

/* ---- crowds --------------------------------------------------------------------------------- */

enum { CROWD = 60, ROUNDS = 40 };

static Value crowd_pids[CROWD];
static uint32_t crowd_left; /* atomic: of those that live on */

/* Child of the shared root, of random length in time; waits for it, its done channel or both. */
static KitNext crowd_body(ActorCtx *cx, Process *p)
{
    WaitSet *set = (WaitSet *)(uintptr_t)p->resume.a;
    if (!set) {
        CancelContext *child, *grandchild;
        Channel *done;
        uint64_t ns = actor_choose(cx, 4) ? actor_choose(cx, 300000) : CONTEXT_NO_LIMIT;
        Status status = context_new(cx, shared, ns, false, &child);
        assert_ok(status);
        status = context_new(cx, child, actor_choose(cx, 2) ? 100000 : CONTEXT_NO_LIMIT, false,
                             &grandchild);
        assert_ok(status);
        status = context_done_channel(cx, grandchild, &done);
        assert_ok(status);
        status = wait_new(cx, p, 2, &set);
        assert_ok(status);
        wait_case(set, 0, channel_waitable(done), WAIT_TAKE, NULL);
        wait_case(set, 1, (Waitable *)(void *)child, WAIT_TAKE, NULL);
        uint32_t served = wait_begin(cx, set, true);
        if (ns == CONTEXT_NO_LIMIT && actor_choose(cx, 2))
            context_cancel(cx, child);
        offheap_release(cx->heap.env, (OffHeap *)(void *)done);
        offheap_release(cx->heap.env, (OffHeap *)(void *)child);
        offheap_release(cx->heap.env, (OffHeap *)(void *)grandchild);
        (void)served;
        p->resume.a = (uint64_t)(uintptr_t)set;
    }
    if (wait_served(set) == WAIT_NONE) {
        p->wait = PROCESS_WAIT_SELECT;
        return KIT_PARK;
    }
    wait_end(cx, set);
    p->resume.a = 0;
    if (++p->resume.b < ROUNDS && !context_is_cancelled(shared))
        return KIT_YIELD;
    if (p->serial == 0)
        (void)atom_sub(&crowd_left, 1u);
    return KIT_EXIT;
}

static KitNext crowd_reaper(ActorCtx *cx, Process *p)
{
    if (p->resume.b < 4000) {
        uint64_t i = p->resume.b++;
        if (i % 100 == 99 && i / 100 < CROWD / 3) {
            Status status = process_send_exit(cx, NULL, crowd_pids[i / 100 * 3], VALUE_NIL, true);
            assert_true(status == STATUS_OK || status == STATUS_NO_PROCESS);
        }
        return KIT_YIELD;
    }
    context_cancel(cx, shared);
    return KIT_EXIT;
}

static void run_crowd(uint32_t schedulers, uint64_t seed)
{
    Kit kit;
    kit_open(&kit, schedulers, seed, 0);
    shared = make(&kit, NULL, CONTEXT_NO_LIMIT);
    crowd_left = CROWD - CROWD / 3;
    Process *p[CROWD];
    for (int i = 0; i < CROWD; i++) {
        p[i] = kit_make(&kit, kit.cx, VALUE_NIL, crowd_body);
        p[i]->serial = i % 3 == 0; /* mortal */
        crowd_pids[i] = p[i]->pid;
    }
    Process *reaper = kit_make(&kit, kit.cx, VALUE_NIL, crowd_reaper);
    for (int i = 0; i < CROWD; i++)
        process_start(kit.cx, p[i], false);
    process_start(kit.cx, reaper, false);
    kit_run(&kit);
    assert_int_equal(crowd_left, 0);
    assert_int_equal(actor_process_count(kit.node), 0);
    drop(&kit, shared);
    kit_close(&kit);
}

static void crowds_in_the_simulator_are_all_told(void **state)
{
    (void)state;
    const char *text = getenv("MAGGIE_TEST_SEED");
    uint64_t from = text ? strtoull(text, NULL, 10) * 1000 : 1;
    for (uint64_t seed = from; seed < from + 10; seed++)
        run_crowd(1 + (uint32_t)(seed % 4), seed);
}

static void crowds_on_threads_are_all_told(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        run_crowd(4, 0);
}

TESTKIT_MAIN(cmocka_unit_test(what_is_below_is_cancelled_with_it),
             cmocka_unit_test(one_that_lasts_for_ever_cannot_be_cancelled),
             cmocka_unit_test(a_big_tree_is_cancelled_in_pieces),
             cmocka_unit_test(who_holds_the_done_channel_hears_of_the_deadline),
             cmocka_unit_test(the_done_channel_gets_one_true_and_is_closed),
             cmocka_unit_test(crowds_in_the_simulator_are_all_told),
             cmocka_unit_test(crowds_on_threads_are_all_told), )
