/* SPDX-License-Identifier: Apache-2.0 */
/* test_heap_threads.c - threads that exchange messages, string buffers and frozen values, as
 * schedulers do: nothing but counts, fragments in flight and cells is shared. For ThreadSanitizer
 * above all. Conservation: every message sent is received with its contents; at the end nothing is
 * left. */
#include "gc_test.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 3
#define MESSAGES 3000
#define CELLS 4

typedef struct Cell {
    Value value; /* atomic; a frozen value whose region the cell holds */
    Region *region;
    Lock lock; /* of writers */
} Cell;

typedef struct Shared {
    Env env;
    PoolGlobal *pools;
    HeapEnv henv;
    EpochDomain *domain;
    Fragment *box[THREADS]; /* atomic; newest first */
    Cell cell[CELLS];
    uint32_t done; /* atomic; threads that have sent everything */
} Shared;

typedef struct Worker {
    Shared *shared;
    unsigned id;
    World world; /* cx and pool of this thread; no simulator */
    Proc p;
    uint64_t sent;
    uint64_t received;
    uint64_t wrong;
} Worker;

static void send(Worker *me, unsigned to)
{
    Fragment *f;
    proc_push(&me->p, value_ptr(proc_array(&me->p, 4)));
    Object *o = proc_obj(&me->p, me->p.depth - 1);
    o->words[0] = value_int((int64_t)me->sent * 3);
    Value text = proc_string(&me->p, 20 + me->sent % 700, (char)('a' + me->sent % 26));
    o = proc_obj(&me->p, me->p.depth - 1);
    o->words[1] = text;
    o->words[2] = value_ptr(o);
    o->words[3] = *proc_root(&me->p, 0); /* the last frozen value read */
    if (fragment_copy_out(&me->p.heap, &me->world.cx, value_ptr(o), 1, &f, NULL) != STATUS_OK)
        abort();
    f->body[0] = value_int((int64_t)me->sent);
    me->p.depth--;
    Fragment *head = atom_load_rlx(&me->shared->box[to]);
    do {
        atom_store_rlx(&f->next, head);
        /* Publishes the fragment; pairs with the exchange in receive. */
    } while (!atom_cas_weak(&me->shared->box[to], &head, f));
    me->sent++;
}

static void check(Worker *me, Value v, uint64_t n)
{
    Object *o = obj_of(v);
    StrView s = str_view(o->words[1]);
    bool good = o->words[0] == value_int((int64_t)n * 3) && o->words[2] == v &&
                s.bytes == 20 + n % 700 && s.data[s.bytes - 1] == (uint8_t)('a' + n % 26);
    if (value_is_ptr(o->words[3]))
        good = good && obj_of(o->words[3])->words[0] == obj_of(o->words[3])->words[1];
    me->wrong += !good;
}

static void receive(Worker *me)
{
    /* Takes all; pairs with the CAS in send. */
    Fragment *f = atom_xchg(&me->shared->box[me->id], NULL);
    while (f) {
        Fragment *next = f->next;
        uint64_t n = (uint64_t)value_as_int(f->body[0]);
        if (n % 7 == 3) {
            fragment_free(&me->world.cx, f); /* never adopted */
        } else {
            Value v = heap_adopt(&me->p.heap, f);
            check(me, v, n);
            *proc_root(&me->p, 1 + n % 8) = v;
            if (heap_wants_collection(&me->p.heap))
                proc_collect(&me->p, n % 2 ? HEAP_GC_AUTO : HEAP_GC_MAJOR);
        }
        me->received++;
        f = next;
    }
}

static void publish(Worker *me, Cell *cell)
{
    Object *o = proc_array(&me->p, 2);
    o->words[0] = o->words[1] = value_int((int64_t)me->sent);
    Value v;
    Region *region;
    if (frozen_copy(&me->p.heap, &me->world.cx, value_ptr(o), &v, &region, NULL) != STATUS_OK)
        abort();
    lock_acquire(&cell->lock);
    Region *old = cell->region;
    cell->region = region;
    /* Publishes the region's contents; pairs with the load in look. */
    atom_store_rel(&cell->value, v);
    lock_release(&cell->lock);
    if (old)
        region_release(&me->world.cx, me->world.cx.epoch, old);
}

static void look(Worker *me, Cell *cell)
{
    epoch_begin(me->world.cx.epoch);
    Value v;
    do {
        /* Acquire: pairs with the store in publish. */
        v = atom_load_acq(&cell->value);
    } while (!heap_hold(&me->p.heap, &me->world.cx, v));
    epoch_end(me->world.cx.epoch);
    *proc_root(&me->p, 0) = v;
    if (value_is_ptr(v) && obj_of(v)->words[0] != obj_of(v)->words[1])
        me->wrong++;
}

static void *work(void *arg)
{
    Worker *me = arg;
    Rng rng;
    rng_init(&rng, me->id + 1);
    while (me->sent < MESSAGES) {
        send(me, rng_below(&rng, THREADS));
        receive(me);
        if (rng_below(&rng, 4) == 0)
            publish(me, &me->shared->cell[rng_below(&rng, CELLS)]);
        look(me, &me->shared->cell[rng_below(&rng, CELLS)]);
        if (me->sent % 64 == 0)
            epoch_poll(me->world.cx.epoch);
    }
    atom_add(&me->shared->done, 1u);
    /* Acquire: after it no more fragments appear; pairs with the additions above. */
    while (atom_load_acq(&me->shared->done) < THREADS) {
        receive(me);
        sched_yield();
    }
    receive(me);
    return NULL;
}

static void worker_open(Worker *me, Shared *s, unsigned id)
{
    memset(me, 0, sizeof *me);
    me->shared = s;
    me->id = id;
    pool_local_init(&me->world.pool, s->pools);
    me->world.cx.env = &s->henv;
    me->world.cx.pool = &me->world.pool;
    me->world.cx.epoch = epoch_register(s->domain);
    proc_open(&me->p, &me->world);
    for (int i = 0; i < 9; i++)
        proc_push(&me->p, VALUE_NIL);
}

static void threads_exchange_values(void **state)
{
    (void)state;
    static Shared s;
    static Worker workers[THREADS];
    memset(&s, 0, sizeof s);
    env_system_init(&s.env);
    s.pools = pool_global_create(&s.env, POOL_DEFAULT, 0);
    heap_env_init(&s.henv, &s.env, s.pools);
    s.domain = epoch_domain_create(&s.env);
    for (int i = 0; i < CELLS; i++)
        s.cell[i].value = VALUE_NIL;
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        worker_open(&workers[i], &s, i);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t sent = 0;
    uint64_t received = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        Worker *me = &workers[i];
        assert_int_equal(me->wrong, 0);
        proc_check(&me->p);
        proc_close(&me->p);
        sent += me->sent;
        received += me->received;
    }
    assert_int_equal(sent, THREADS * MESSAGES);
    assert_int_equal(received, sent);
    for (int i = 0; i < CELLS; i++) {
        if (s.cell[i].region)
            region_release(&workers[0].world.cx, workers[0].world.cx.epoch, s.cell[i].region);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        epoch_unregister(workers[i].world.cx.epoch);
        pool_local_close(&workers[i].world.pool);
    }
    epoch_domain_destroy(s.domain);
    assert_int_equal(pool_global_destroy(s.pools), 0);
}

GC_MAIN(cmocka_unit_test(threads_exchange_values))
