/* SPDX-License-Identifier: Apache-2.0 */
/* test_sync.c - mutexes, semaphores, wait groups by hand; then crowds of processes on channels and
 * locks while some are killed, with laws of conservation, under both drivers. */
#include "actorkit.h"
#include "channel.h"
#include "links.h"
#include "sync.h"

static Process *make_live(Kit *kit)
{
    Process *p = kit_make(kit, kit->cx, VALUE_NIL, kit_body_park);
    p->state = PROCESS_LIVE;
    actor_count(kit->cx, 1);
    return p;
}

static WaitSet *wait_for(Kit *kit, Process *p, void *object)
{
    WaitSet *set;
    assert_ok(wait_new(kit->cx, p, 1, &set));
    wait_case(set, 0, object, WAIT_TAKE, NULL);
    assert_int_equal(wait_begin(kit->cx, set, true), WAIT_NONE);
    return set;
}

static void drop(Kit *kit, void *object) { offheap_release(&kit->heap_env, object); }

/* ---- mutexes -------------------------------------------------------------------------------- */

static void a_mutex_is_its_owners(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Mutex *m;
    unsigned outcome;
    assert_ok(mutex_new(kit.cx, &m));
    Process *p = make_live(&kit), *q = make_live(&kit);
    assert_status(mutex_unlock(kit.cx, p, m), STATUS_NOT_FOUND);
    assert_ok(mutex_lock(kit.cx, p, m, &outcome));
    assert_int_equal(outcome, WAIT_DONE);
    assert_status(mutex_lock(kit.cx, p, m, &outcome), STATUS_EXISTS);
    assert_status(mutex_lock(kit.cx, q, m, &outcome), STATUS_BUSY);
    assert_status(mutex_unlock(kit.cx, q, m), STATUS_DENIED);
    assert_true(mutex_owner(m) == p->pid);
    assert_ok(mutex_unlock(kit.cx, p, m));
    assert_true(mutex_owner(m) == VALUE_NIL);
    process_exit(kit.cx, p);
    process_exit(kit.cx, q);
    drop(&kit, m);
    kit_close(&kit);
}

static void a_mutex_goes_to_the_first_in_line(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Mutex *m;
    unsigned outcome;
    assert_ok(mutex_new(kit.cx, &m));
    Process *p = make_live(&kit), *q = make_live(&kit), *r = make_live(&kit);
    assert_ok(mutex_lock(kit.cx, p, m, &outcome));
    WaitSet *first = wait_for(&kit, q, m), *second = wait_for(&kit, r, m);
    assert_ok(mutex_unlock(kit.cx, p, m));
    assert_true(mutex_owner(m) == q->pid);
    assert_int_equal(wait_served(first), 0);
    assert_int_equal(wait_served(second), WAIT_NONE);
    mutex_locked(kit.cx, q, m);
    wait_end(kit.cx, first);
    assert_ok(mutex_unlock(kit.cx, q, m));
    assert_true(mutex_owner(m) == r->pid);
    /* r has been given it and never looks: as if it had not waited */
    process_exit(kit.cx, r);
    assert_true(mutex_owner(m) == VALUE_NIL);
    assert_ok(mutex_lock(kit.cx, p, m, &outcome));
    assert_int_equal(outcome, WAIT_DONE);
    assert_ok(mutex_unlock(kit.cx, p, m));
    process_exit(kit.cx, p);
    process_exit(kit.cx, q);
    drop(&kit, m);
    kit_close(&kit);
}

static void who_gets_it_from_a_dead_owner_is_told(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Mutex *m;
    unsigned outcome;
    assert_ok(mutex_new(kit.cx, &m));
    Process *p = make_live(&kit), *q = make_live(&kit), *r = make_live(&kit);
    assert_ok(mutex_lock(kit.cx, p, m, &outcome));
    process_exit(kit.cx, p); /* nobody waits: the next one hears of it, once */
    assert_ok(mutex_lock(kit.cx, q, m, &outcome));
    assert_int_equal(outcome, WAIT_OWNER_DIED);
    WaitSet *set = wait_for(&kit, r, m);
    process_exit(kit.cx, q);
    assert_int_equal(wait_served(set), 0);
    assert_int_equal(wait_node(set, 0)->outcome, WAIT_OWNER_DIED);
    mutex_locked(kit.cx, r, m);
    wait_end(kit.cx, set);
    assert_ok(mutex_unlock(kit.cx, r, m));
    assert_ok(mutex_lock(kit.cx, r, m, &outcome));
    assert_int_equal(outcome, WAIT_DONE);
    drop(&kit, m); /* the owner's count keeps it */
    process_exit(kit.cx, r);
    kit_close(&kit);
}

/* ---- semaphores ----------------------------------------------------------------------------- */

static void permits_come_back_from_the_dead(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Semaphore *s;
    int64_t available, capacity;
    assert_ok(semaphore_new(kit.cx, 2, &s));
    Process *p = make_live(&kit), *q = make_live(&kit), *r = make_live(&kit);
    assert_ok(semaphore_try(s));
    assert_ok(semaphore_hold(kit.cx, p, s));
    assert_ok(semaphore_try(s)); /* in nobody's name */
    assert_status(semaphore_try(s), STATUS_BUSY);
    WaitSet *set = wait_for(&kit, q, s);
    process_exit(kit.cx, p);
    assert_int_equal(wait_served(set), 0);
    process_exit(kit.cx, q); /* never looked: it goes back too */
    semaphore_look(s, &available, &capacity);
    assert_int_equal(available, 1);
    semaphore_release(kit.cx, s);
    semaphore_release(kit.cx, s); /* above the capacity: nothing */
    semaphore_look(s, &available, &capacity);
    assert_int_equal(available, 2);
    assert_int_equal(capacity, 2);
    assert_status(semaphore_let_go(kit.cx, r, s), STATUS_NOT_FOUND);
    assert_ok(semaphore_try(s));
    assert_ok(semaphore_hold(kit.cx, r, s));
    assert_ok(semaphore_let_go(kit.cx, r, s));
    process_exit(kit.cx, r);
    semaphore_look(s, &available, &capacity);
    assert_int_equal(available, 2);
    drop(&kit, s);
    kit_close(&kit);
}

/* ---- wait groups ---------------------------------------------------------------------------- */

static void a_wait_ends_with_the_zero_it_waited_for(void **state)
{
    (void)state;
    enum { N = 70 };
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    WaitGroup *g;
    assert_ok(wait_group_new(kit.cx, &g));
    assert_status(wait_group_add(kit.cx, g, -1), STATUS_OUT_OF_RANGE);
    Process *p[3 * N];
    WaitSet *set[3 * N];
    /* Zero is reached three times, each time with the waiters before not all woken. */
    for (int i = 0; i < 3 * N; i++) {
        if (i % N == 0)
            assert_ok(wait_group_add(kit.cx, g, 1));
        p[i] = make_live(&kit);
        set[i] = wait_for(&kit, p[i], g);
        if (i % N == N - 1)
            assert_ok(wait_group_add(kit.cx, g, -1));
    }
    assert_ok(wait_group_add(kit.cx, g, 1)); /* keeps nobody of before */
    Process *late = make_live(&kit);
    WaitSet *latecomer = wait_for(&kit, late, g);
    unsigned served = 0;
    for (int round = 0; round < 3 * N; round++) {
        for (int i = 0; i < 3 * N; i++) {
            if (!set[i] || wait_served(set[i]) == WAIT_NONE)
                continue;
            if (i % 2) {
                wait_end(kit.cx, set[i]); /* which wakes the next ones */
            } else {
                process_exit(kit.cx, p[i]); /* woken, and dead before it could pass it on */
                p[i] = NULL;
            }
            set[i] = NULL;
            served++;
        }
    }
    assert_int_equal(served, 3 * N);
    assert_int_equal(wait_served(latecomer), WAIT_NONE);
    wait_end(kit.cx, latecomer);
    process_exit(kit.cx, late);
    for (int i = 0; i < 3 * N; i++)
        if (p[i])
            process_exit(kit.cx, p[i]);
    drop(&kit, g);
    kit_close(&kit);
}

static void a_member_counts_down_at_any_end(void **state)
{
    (void)state;
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    WaitGroup *g;
    assert_ok(wait_group_new(kit.cx, &g));
    Process *p = make_live(&kit);
    assert_ok(wait_group_add(kit.cx, g, 1));
    assert_ok(wait_group_join(kit.cx, p, g));
    assert_int_equal(wait_group_count(g), 1);
    process_exit(kit.cx, p);
    assert_int_equal(wait_group_count(g), 0);
    drop(&kit, g);
    kit_close(&kit);
}

/* ---- crowds --------------------------------------------------------------------------------- */

enum {
    CHANNELS = 5,
    SENDERS = 24,
    RECEIVERS = 8,
    LOCKERS = 16,
    CROWD = SENDERS + RECEIVERS + LOCKERS,
    ITEMS = 150, /* of each sender */
    ROUNDS = 60  /* of each locker */
};

/* What became of an item. Written by one process each; read when all is over. */
enum { ITEM_UNSENT, ITEM_OFFERED, ITEM_SENT };

typedef struct World {
    Kit kit;
    Channel *ch[CHANNELS];
    Mutex *mutex;
    Semaphore *permits;
    WaitGroup *group;
    Value pids[CROWD];
    bool mortal[CROWD];
    uint8_t said[SENDERS * ITEMS];
    uint32_t got[SENDERS * ITEMS]; /* atomic: times received */
    uint64_t guarded;              /* plain: under the mutex */
    uint64_t entered;              /* atomic: the same count */
    uint32_t senders_left;         /* atomic: of those that live on */
    uint32_t kills;
} World;

static World *world; /* of the running test */

static unsigned number_of(const Process *p) { return (unsigned)p->serial - 1; }

static uint32_t pick(ActorCtx *cx, uint32_t n) { return actor_choose(cx, n); }

/* resume.a: the set; resume.b: done so far. */
static WaitSet *begun(const Process *p) { return (WaitSet *)(uintptr_t)p->resume.a; }

static KitNext stay(Process *p, WaitSet *set, ProcessWait why)
{
    p->resume.a = (uint64_t)(uintptr_t)set;
    p->wait = (uint8_t)why;
    return KIT_PARK;
}

/* Offers one item to two channels at once. */
static KitNext sender(ActorCtx *cx, Process *p)
{
    World *w = world;
    unsigned id = number_of(p) * ITEMS + (unsigned)p->resume.b;
    WaitSet *set = begun(p);
    uint32_t served;
    if (p->resume.b == ITEMS) {
        if (!w->mortal[number_of(p)])
            (void)atom_sub(&w->senders_left, 1u);
        return KIT_EXIT;
    }
    if (!set) {
        uint32_t at = pick(cx, CHANNELS);
        Status status = wait_new(cx, p, 2, &set);
        assert_ok(status);
        w->said[id] = ITEM_OFFERED;
        /* Both cases offer the same id: at most one of them may be taken. */
        for (unsigned i = 0; i < 2; i++) {
            Fragment *f;
            status = channel_item(cx, NULL, value_int(id), &f, NULL);
            assert_ok(status);
            wait_case(set, i, channel_waitable(w->ch[(at + i) % CHANNELS]), WAIT_GIVE, f);
        }
        served = wait_begin(cx, set, true);
    } else {
        served = wait_served(set);
    }
    if (served == WAIT_NONE)
        return stay(p, set, PROCESS_WAIT_SELECT);
    bool closed = wait_node(set, served)->outcome == WAIT_CLOSED;
    w->said[id] = closed ? ITEM_UNSENT : ITEM_SENT;
    wait_end(cx, set);
    p->resume.a = 0;
    p->resume.b++;
    if (closed) /* the killed one is faster than the kill */
        return KIT_EXIT;
    return pick(cx, 4) ? KIT_YIELD : sender(cx, p);
}

static KitNext receiver(ActorCtx *cx, Process *p)
{
    World *w = world;
    WaitSet *set = begun(p);
    uint32_t served;
    if (!set) {
        unsigned n = CHANNELS - 2 + pick(cx, 3);
        uint32_t at = p->resume.c ? 0 : pick(cx, CHANNELS);
        if (p->resume.c)
            n = CHANNELS; /* close to the end: all of them */
        Status status = wait_new(cx, p, n, &set);
        assert_ok(status);
        for (unsigned i = 0; i < n; i++)
            wait_case(set, i, channel_waitable(w->ch[(at + i) % CHANNELS]), WAIT_TAKE, NULL);
        served = wait_begin(cx, set, true);
    } else {
        served = wait_served(set);
    }
    if (served == WAIT_NONE)
        return stay(p, set, PROCESS_WAIT_SELECT);
    Fragment *item = wait_node(set, served)->item;
    if (item) {
        (void)atom_add_rlx(&w->got[value_as_int(item->root)], 1u);
        p->resume.b++;
    }
    wait_end(cx, set);
    p->resume.a = 0;
    return item ? KIT_YIELD : KIT_EXIT; /* nothing: closed */
}

/* Takes a permit, then the mutex, adds one, lets go. resume.b: round; resume.c: what it holds. */
static KitNext locker(ActorCtx *cx, Process *p)
{
    World *w = world;
    WaitSet *set = begun(p);
    if (p->resume.b == ROUNDS)
        return KIT_EXIT;
    if (p->resume.c == 0) {
        if (set && wait_served(set) == WAIT_NONE)
            return stay(p, set, PROCESS_WAIT_SEMAPHORE);
        if (!set && semaphore_try(w->permits) != STATUS_OK) {
            Status status = wait_new(cx, p, 1, &set);
            assert_ok(status);
            wait_case(set, 0, (Waitable *)(void *)w->permits, WAIT_TAKE, NULL);
            if (wait_begin(cx, set, true) == WAIT_NONE)
                return stay(p, set, PROCESS_WAIT_SEMAPHORE);
        }
        Status status = semaphore_hold(cx, p, w->permits);
        assert_ok(status);
        if (set)
            wait_end(cx, set);
        p->resume.a = 0;
        p->resume.c = 1;
        return KIT_YIELD; /* may be killed with the permit */
    }
    if (p->resume.c == 1) {
        unsigned outcome;
        if (set && wait_served(set) == WAIT_NONE)
            return stay(p, set, PROCESS_WAIT_LOCK);
        if (!set && mutex_lock(cx, p, w->mutex, &outcome) != STATUS_OK) {
            Status status = wait_new(cx, p, 1, &set);
            assert_ok(status);
            wait_case(set, 0, (Waitable *)(void *)w->mutex, WAIT_TAKE, NULL);
            if (wait_begin(cx, set, true) == WAIT_NONE)
                return stay(p, set, PROCESS_WAIT_LOCK);
        }
        if (set) {
            mutex_locked(cx, p, w->mutex);
            wait_end(cx, set);
        }
        p->resume.a = 0;
        p->resume.c = 2;
        w->guarded++; /* no atomic: the mutex is what orders it */
        (void)atom_add_rlx(&w->entered, (uint64_t)1);
        return KIT_YIELD; /* may be killed with the mutex */
    }
    Status status = mutex_unlock(cx, p, w->mutex);
    assert_ok(status);
    status = semaphore_let_go(cx, p, w->permits);
    assert_ok(status);
    p->resume.c = 0;
    p->resume.b++;
    return KIT_YIELD;
}

/* Kills the mortal ones one by one, waits for the other senders, closes the channels. */
static KitNext reaper(ActorCtx *cx, Process *p)
{
    World *w = world;
    if (p->resume.b < CROWD) {
        if (pick(cx, 3))
            return KIT_YIELD; /* let them get somewhere */
        unsigned i = (unsigned)p->resume.b++;
        if (w->mortal[i]) {
            Status status = process_send_exit(cx, NULL, w->pids[i], VALUE_NIL, true);
            assert_true(status == STATUS_OK || status == STATUS_NO_PROCESS);
            w->kills++;
        }
        return KIT_YIELD;
    }
    if (atom_load_acq(&w->senders_left) > 0)
        return KIT_YIELD;
    for (unsigned i = 0; i < CHANNELS; i++)
        while (channel_close_some(cx, w->ch[i]))
            ;
    return KIT_EXIT;
}

static void waiter_of_all(World *w)
{
    /* All members have ended: nobody is missing. */
    assert_int_equal(wait_group_count(w->group), 0);
}

static void open_world(World *w, uint32_t schedulers, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    world = w;
    kit_open(&w->kit, schedulers, seed, 0);
    ActorCtx *cx = w->kit.cx;
    for (unsigned i = 0; i < CHANNELS; i++)
        assert_ok(channel_new(cx, i == 0 ? 0 : i % 3, &w->ch[i]));
    assert_ok(mutex_new(cx, &w->mutex));
    assert_ok(semaphore_new(cx, 3, &w->permits));
    assert_ok(wait_group_new(cx, &w->group));
    Process *p[CROWD];
    for (unsigned i = 0; i < CROWD; i++) {
        KitBody body = i < SENDERS ? sender : i < SENDERS + RECEIVERS ? receiver : locker;
        p[i] = kit_make(&w->kit, cx, VALUE_NIL, body);
        p[i]->serial = i + 1;
        w->pids[i] = p[i]->pid;
        w->mortal[i] = i % 3 == 1;
        w->senders_left += i < SENDERS && !w->mortal[i];
        assert_ok(wait_group_add(cx, w->group, 1));
        assert_ok(wait_group_join(cx, p[i], w->group));
    }
    Process *last = kit_make(&w->kit, cx, VALUE_NIL, reaper);
    for (unsigned i = 0; i < CROWD; i++)
        process_start(cx, p[i], false);
    process_start(cx, last, false);
}

static void check_items(World *w)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        Fragment *f;
        while (channel_receive(w->kit.cx, w->ch[i], &f) == STATUS_OK) {
            w->got[value_as_int(f->root)]++; /* what is left */
            fragment_free(&w->kit.cx->heap, f);
        }
    }
    for (unsigned i = 0; i < SENDERS * ITEMS; i++) {
        if (w->said[i] == ITEM_SENT)
            assert_int_equal(w->got[i], 1);
        else if (w->said[i] == ITEM_OFFERED)
            assert_true(w->got[i] <= 1); /* its sender was killed */
        else
            assert_int_equal(w->got[i], 0);
    }
}

static void close_world(World *w)
{
    int64_t available, capacity;
    check_items(w);
    waiter_of_all(w);
    assert_int_equal(w->guarded, w->entered);
    assert_true(mutex_owner(w->mutex) == VALUE_NIL);
    semaphore_look(w->permits, &available, &capacity);
    assert_int_equal(available, capacity);
    for (unsigned i = 0; i < CHANNELS; i++) {
        assert_false(waitable_has(channel_waitable(w->ch[i]), WAIT_TAKE));
        assert_false(waitable_has(channel_waitable(w->ch[i]), WAIT_GIVE));
        drop(&w->kit, w->ch[i]);
    }
    drop(&w->kit, w->mutex);
    drop(&w->kit, w->permits);
    drop(&w->kit, w->group);
    assert_int_equal(actor_process_count(w->kit.node), 0);
    kit_close(&w->kit);
}

static uint64_t test_seed(void)
{
    const char *text = getenv("MAGGIE_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static void crowds_in_the_simulator_lose_nothing(void **state)
{
    (void)state;
    static World w;
    uint64_t from = test_seed() * 1000;
    for (uint64_t seed = from; seed < from + 12; seed++) {
        open_world(&w, 1 + (uint32_t)(seed % 4), seed);
        kit_run(&w.kit);
        close_world(&w);
    }
}

static void crowds_on_threads_lose_nothing(void **state)
{
    (void)state;
    static World w;
    for (int round = 0; round < 4; round++) {
        open_world(&w, 4, 0);
        kit_run(&w.kit);
        close_world(&w);
    }
}

TESTKIT_MAIN(cmocka_unit_test(a_mutex_is_its_owners),
             cmocka_unit_test(a_mutex_goes_to_the_first_in_line),
             cmocka_unit_test(who_gets_it_from_a_dead_owner_is_told),
             cmocka_unit_test(permits_come_back_from_the_dead),
             cmocka_unit_test(a_wait_ends_with_the_zero_it_waited_for),
             cmocka_unit_test(a_member_counts_down_at_any_end),
             cmocka_unit_test(crowds_in_the_simulator_lose_nothing),
             cmocka_unit_test(crowds_on_threads_lose_nothing), )
