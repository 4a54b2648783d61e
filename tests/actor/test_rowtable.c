/* SPDX-License-Identifier: Apache-2.0 */
/* test_rowtable.c - tables of rows outside all heaps: against a model, growing, in pieces while
 * others write, without memory, at their quotas, at the end of their owners, and from many threads.
 * Keys and values are integers, or fragments where that matters; the test says where a key stands.
 * Threads: the test's own, which plays the processes by hand, but in the last test. */
#include "actorkit.h"
#include "rowtable.h"

#include "hash.h"

static int compare_ints(const void *ctx, Value a, Value b)
{
    (void)ctx;
    int64_t x = value_as_int(a), y = value_as_int(b);
    return (x > y) - (x < y);
}

/* Two keys in each place, so that places are shared. */
static RowKey key_of(RowsKind kind, int64_t n)
{
    uint64_t hash = hash_mix64((uint64_t)(n / 2) + 1) >> (64 - ROW_PLACE_BITS);
    return (RowKey){value_int(n), kind == ROWS_ORDERED ? 0 : hash};
}

/* Not started, but alive. */
static Process *make_live(Kit *kit)
{
    Process *p = kit_make(kit, kit->cx, VALUE_NIL, kit_body_park);
    p->state = PROCESS_LIVE;
    actor_count(kit->cx, 1);
    return p;
}

static Status try_table(Kit *kit, Process *p, RowsKind kind, uint64_t rows, uint64_t bytes,
                        RowTable **t)
{
    (void)kit;
    return rowtable_new(kit->cx, p,
                        &(RowTableConfig){.kind = kind,
                                          .max_rows = rows,
                                          .max_bytes = bytes,
                                          .cls = CLASS_ARRAY,
                                          .compare = compare_ints},
                        t);
}

static RowTable *make_table(Kit *kit, Process *p, RowsKind kind)
{
    RowTable *t;
    assert_ok(try_table(kit, p, kind, 0, 0, &t));
    return t;
}

static void drop_table(Kit *kit, RowTable *t)
{
    offheap_release(&kit->heap_env, (OffHeap *)(void *)t);
    (void)heap_dig(&kit->cx->heap, SIZE_MAX);
}

static Status put_value(ActorCtx *cx, Process *p, RowTable *t, RowKey key, Value value,
                        RowPutMode mode, bool *done)
{
    Value culprit;
    return rowtable_put(cx, t, p ? &p->heap : NULL, key, value, mode, 0, done, &culprit);
}

static Status put(Kit *kit, RowTable *t, int64_t key, int64_t value)
{
    bool done;
    return put_value(kit->cx, NULL, t, key_of(rowtable_kind(t), key), value_int(value), ROW_PUT_ANY,
                     &done);
}

static Status take(Kit *kit, RowTable *t, int64_t key, int64_t *value)
{
    RowItem item;
    Status status = rowtable_remove(kit->cx, t, key_of(rowtable_kind(t), key), &item);
    if (status == STATUS_OK) {
        *value = value_as_int(item.value);
        row_drop(&kit->cx->heap, item.value);
    }
    return status;
}

static uint64_t rows_of(RowTable *t)
{
    RowTableInfo info;
    rowtable_look(t, &info);
    return info.rows;
}

static uint64_t bytes_of(RowTable *t)
{
    RowTableInfo info;
    rowtable_look(t, &info);
    return info.bytes;
}

/* ---- iteration ------------------------------------------------------------------------------ */

typedef struct Walk {
    RowKey next;
    uint64_t seq;
    bool over;
} Walk;

static Walk walk_begin(void) { return (Walk){{VALUE_NIL, 0}, ROW_SEQ_FIRST, false}; }

/* At most n of the following rows, some unless it is over. */
static uint32_t walk_on(Walk *w, RowTable *t, const RowKey *only, RowItem *items, uint32_t n)
{
    uint32_t got = 0;
    while (got == 0 && !w->over) {
        got = rowtable_after(t, &w->next, &w->seq, only, items, n, SIZE_MAX);
        w->over = w->next.place >= ROW_PLACE_END;
    }
    return got;
}

/* All rows of a set or bag come in the order of their places, the newest of each first. */
static uint64_t walk_in_order(Kit *kit, RowTable *t, uint32_t piece)
{
    Walk w = walk_begin();
    RowItem items[64], last = {.seq = 0};
    uint64_t seen = 0;
    for (uint32_t n; (n = walk_on(&w, t, NULL, items, piece)) > 0; seen += n) {
        for (uint32_t i = 0; i < n; i++) {
            if (seen + i > 0)
                assert_true(last.place < items[i].place ||
                            (last.place == items[i].place && last.seq > items[i].seq));
            last = items[i];
            row_drop(&kit->cx->heap, items[i].key);
            row_drop(&kit->cx->heap, items[i].value);
        }
    }
    return seen;
}

/* ---- a model -------------------------------------------------------------------------------- */

enum { MODEL_KEYS = 600, MODEL_DEPTH = 32 };

/* What each key has, the newest last. */
typedef struct Model {
    int64_t values[MODEL_KEYS][MODEL_DEPTH];
    uint32_t n[MODEL_KEYS];
    uint64_t rows;
} Model;

static void model_check(Kit *kit, RowTable *t, const Model *m)
{
    RowsKind kind = rowtable_kind(t);
    assert_int_equal(rows_of(t), m->rows);
    for (int64_t k = 0; k < MODEL_KEYS; k++) {
        RowItem item;
        Status status = rowtable_get(t, key_of(kind, k), &item);
        assert_status(status, m->n[k] ? STATUS_OK : STATUS_NOT_FOUND);
        if (m->n[k])
            assert_int_equal(value_as_int(item.value), m->values[k][m->n[k] - 1]);
        if (kind == ROWS_ORDERED)
            continue;
        RowKey only = key_of(kind, k);
        Walk w = {only, ROW_SEQ_FIRST, false};
        RowItem items[3];
        uint32_t seen = 0;
        for (uint32_t n; (n = walk_on(&w, t, &only, items, 3)) > 0; seen += n)
            for (uint32_t i = 0; i < n; i++)
                assert_int_equal(value_as_int(items[i].value),
                                 m->values[k][m->n[k] - 1 - seen - i]);
        assert_int_equal(seen, m->n[k]);
    }
    if (kind != ROWS_ORDERED) {
        assert_int_equal(walk_in_order(kit, t, 7), m->rows);
        return;
    }
    RowItem item;
    RowsWhich which = ROWS_FIRST;
    RowKey key = {VALUE_NIL, 0};
    for (int64_t k = 0; k < MODEL_KEYS; k++) {
        if (!m->n[k])
            continue;
        assert_int_equal(rowtable_ordered(t, which, key, &item, 1, SIZE_MAX), 1);
        assert_int_equal(value_as_int(item.key), k);
        which = ROWS_ABOVE;
        key.v = item.key;
    }
    assert_int_equal(rowtable_ordered(t, which, key, &item, 1, SIZE_MAX), 0);
    for (int64_t k = MODEL_KEYS, below = MODEL_KEYS; k-- > 0;) {
        if (!m->n[k])
            continue;
        which = below == MODEL_KEYS ? ROWS_LAST : ROWS_BELOW;
        assert_int_equal(rowtable_ordered(t, which, key_of(kind, below), &item, 1, SIZE_MAX), 1);
        assert_int_equal(value_as_int(item.key), k);
        below = k;
    }
}

static void model_step(Kit *kit, RowTable *t, Model *m, Rng *rng)
{
    bool bag = rowtable_kind(t) == ROWS_BAG, done;
    int64_t k = (int64_t)rng_below(rng, MODEL_KEYS), value = (int64_t)rng_below(rng, 1000000), got;
    uint32_t *n = &m->n[k];
    switch (rng_below(rng, 5)) {
    case 0:
    case 1:
        if (*n == MODEL_DEPTH)
            return;
        assert_ok(put(kit, t, k, value));
        m->rows += bag || !*n;
        *n += bag || !*n;
        m->values[k][*n - 1] = value;
        return;
    case 2:
        assert_status(take(kit, t, k, &got), *n ? STATUS_OK : STATUS_NOT_FOUND);
        if (*n) {
            assert_int_equal(got, m->values[k][*n - 1]);
            m->rows--;
            --*n;
        }
        return;
    case 3:
        if (bag)
            return;
        assert_ok(put_value(kit->cx, NULL, t, key_of(rowtable_kind(t), k), value_int(value),
                            ROW_PUT_NEW, &done));
        assert_int_equal(done, *n == 0);
        m->rows += done;
        if (done)
            m->values[k][(*n)++] = value;
        return;
    default: {
        Value sum;
        if (bag)
            return;
        assert_ok(rowtable_increment(kit->cx, t, NULL, key_of(rowtable_kind(t), k), value, &sum));
        m->rows += !*n;
        m->values[k][0] = (*n ? m->values[k][0] : 0) + value;
        *n = 1;
        assert_int_equal(value_as_int(sum), m->values[k][0]);
    }
    }
}

static void rows_are_what_a_model_says(void **state)
{
    (void)state;
    for (RowsKind kind = ROWS_SET; kind <= ROWS_BAG; kind++) {
        Kit kit;
        Rng rng;
        Model *m = calloc(1, sizeof *m);
        kit_open(&kit, 1, 1, 0);
        rng_init(&rng, 77 + kind);
        Process *p = make_live(&kit);
        RowTable *t = make_table(&kit, p, kind);
        for (int i = 0; i < 6000; i++) {
            model_step(&kit, t, m, &rng);
            if (i % 500 == 0)
                model_check(&kit, t, m);
        }
        model_check(&kit, t, m);
        drop_table(&kit, t);
        process_exit(kit.cx, p);
        kit_close(&kit);
        free(m);
    }
}

/* ---- many rows ------------------------------------------------------------------------------ */

static void the_index_grows_and_keeps_the_order(void **state)
{
    (void)state;
    enum { MANY = 40000 };
    for (RowsKind kind = ROWS_SET; kind <= ROWS_BAG; kind += ROWS_BAG - ROWS_SET) {
        Kit kit;
        int64_t value;
        kit_open(&kit, 1, 1, 0);
        Process *p = make_live(&kit);
        RowTable *t = make_table(&kit, p, kind);
        for (int64_t i = 0; i < MANY; i++) {
            assert_ok(put(&kit, t, i, -i));
            if ((i & (i - 1)) == 0 || i % 5003 == 0)
                assert_int_equal(walk_in_order(&kit, t, 64), i + 1);
        }
        assert_true(bytes_of(t) >= MANY * UINT64_C(64));
        for (int64_t i = 0; i < MANY; i++)
            if (i % 16 != 0) {
                assert_ok(take(&kit, t, i, &value));
                assert_int_equal(value, -i);
            }
        assert_int_equal(walk_in_order(&kit, t, 5), MANY / 16);
        for (int64_t i = 0; i < MANY; i += 16)
            assert_ok(take(&kit, t, i, &value));
        assert_int_equal(walk_in_order(&kit, t, 5), 0);
        assert_int_equal(bytes_of(t), 0);
        /* and again, in cells that are there */
        for (int64_t i = 0; i < MANY; i++)
            assert_ok(put(&kit, t, i, i));
        for (uint64_t place = 0; rowtable_clear_some(&kit.cx->heap, t, &place, 50);) {
        }
        assert_int_equal(rows_of(t), 0);
        assert_int_equal(bytes_of(t), 0);
        assert_ok(put(&kit, t, 3, 4));
        assert_int_equal(walk_in_order(&kit, t, 5), 1);
        drop_table(&kit, t);
        process_exit(kit.cx, p);
        kit_close(&kit);
    }
}

/* However many rows a key has: put, gone through from any point, and taken in their order. */
static void one_key_of_a_bag_may_have_most_rows(void **state)
{
    (void)state;
    enum { SAME = 20000 };
    Kit kit;
    kit_open(&kit, 1, 1, 0);
    Process *p = make_live(&kit);
    RowTable *t = make_table(&kit, p, ROWS_BAG);
    RowKey only = key_of(ROWS_BAG, 2);
    RowItem items[64];
    int64_t value, expected = SAME;
    for (int64_t i = 0; i < SAME; i++) {
        assert_ok(put(&kit, t, 2, i));
        assert_ok(put(&kit, t, i % 2 ? 3 : 1000 + i, i)); /* 3 has the place of 2 */
    }
    Walk w = {only, ROW_SEQ_FIRST, false};
    for (uint32_t n; (n = walk_on(&w, t, &only, items, 64)) > 0;)
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(value_as_int(items[i].value), --expected);
    assert_int_equal(expected, 0);
    assert_int_equal(walk_in_order(&kit, t, 9), 2 * SAME);
    for (int64_t i = SAME; i-- > 0;) {
        assert_ok(take(&kit, t, 2, &value));
        assert_int_equal(value, i);
    }
    assert_status(take(&kit, t, 2, &value), STATUS_NOT_FOUND);
    assert_int_equal(walk_in_order(&kit, t, 9), SAME);
    drop_table(&kit, t);
    process_exit(kit.cx, p);
    kit_close(&kit);
}

/* Rows that are there from beginning to end are seen once, whatever is put in, replaced or taken
 * out between the pieces, also while the index grows. */
static void an_iteration_goes_on_whatever_is_written(void **state)
{
    (void)state;
    for (RowsKind kind = ROWS_SET; kind <= ROWS_BAG; kind += ROWS_BAG - ROWS_SET) {
        Kit kit;
        Rng rng;
        enum { STAY = 1000, OTHERS = 30000 };
        kit_open(&kit, 1, 1, 0);
        rng_init(&rng, 5);
        Process *p = make_live(&kit);
        RowTable *t = make_table(&kit, p, kind);
        uint8_t *seen = calloc(STAY, 1);
        bool *there = calloc(OTHERS, sizeof *there);
        for (int64_t i = 0; i < STAY; i++)
            assert_ok(put(&kit, t, i, 0));
        Walk w = walk_begin();
        RowItem items[3];
        for (uint32_t n; (n = walk_on(&w, t, NULL, items, 3)) > 0;) {
            for (uint32_t i = 0; i < n; i++)
                if (value_as_int(items[i].key) < STAY)
                    seen[value_as_int(items[i].key)]++;
            for (int i = 0; i < 40; i++) {
                int64_t k = (int64_t)rng_below(&rng, OTHERS), value;
                if (there[k])
                    assert_ok(take(&kit, t, STAY + k, &value));
                else
                    assert_ok(put(&kit, t, STAY + k, 1));
                there[k] = !there[k];
                if (kind == ROWS_SET)
                    assert_ok(put(&kit, t, (int64_t)rng_below(&rng, STAY), i));
            }
        }
        for (int i = 0; i < STAY; i++)
            assert_int_equal(seen[i], 1);
        free(seen);
        free(there);
        drop_table(&kit, t);
        process_exit(kit.cx, p);
        kit_close(&kit);
    }
}

/* ---- what is refused ------------------------------------------------------------------------ */

/* Every allocation that a table makes fails once: what could not be done has changed nothing, and
 * without memory for the index the rows are found all the same. */
static void no_memory_changes_nothing(void **state)
{
    (void)state;
    for (RowsKind kind = ROWS_SET; kind <= ROWS_BAG; kind++) {
        bool failed = true;
        for (uint64_t nth = 1; failed; nth += 1 + nth / 8) {
            Kit kit;
            bool done;
            int64_t put_in = 0;
            RowTable *t = NULL;
            kit_open(&kit, 1, nth, 0);
            Process *p = make_live(&kit);
            Value big[40];
            for (size_t i = 0; i < 40; i++)
                big[i] = value_int((int64_t)i);
            kit.sim.alloc_failed = 0;
            kit.sim.alloc_fail_after = kit.sim.alloc_count + nth;
            Status status = try_table(&kit, p, kind, 0, 0, &t);
            if (status == STATUS_OK) {
                for (int64_t i = 0; i < 2000; i++) {
                    p->heap.hp = p->heap.hi; /* nothing else is in this heap */
                    Value value = i % 50 ? value_int(i) : kit_array(kit.cx, p, big, 4);
                    status = put_value(kit.cx, p, t, key_of(kind, kind == ROWS_BAG ? i % 60 : i),
                                       value, ROW_PUT_ANY, &done);
                    assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
                    put_in += status == STATUS_OK;
                    assert_int_equal(rows_of(t), put_in);
                }
            } else {
                assert_status(status, STATUS_NO_MEMORY);
            }
            failed = kit.sim.alloc_failed > 0;
            kit.sim.alloc_fail_after = 0;
            if (t) {
                if (kind != ROWS_ORDERED)
                    assert_int_equal(walk_in_order(&kit, t, 64), put_in);
                for (uint64_t place = 0; rowtable_clear_some(&kit.cx->heap, t, &place, 64);) {
                }
                assert_int_equal(rows_of(t), 0);
                assert_int_equal(bytes_of(t), 0);
                drop_table(&kit, t);
            }
            process_exit(kit.cx, p);
            kit_close(&kit);
        }
    }
}

/* Single failures here and there: growth begins, stops and goes on. */
static void an_index_that_finds_no_memory_grows_later(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        Kit kit;
        int64_t put_in = 0, value;
        bool in[3000] = {false};
        kit_open(&kit, 1, seed, 0);
        Process *p = make_live(&kit);
        RowTable *t = make_table(&kit, p, ROWS_BAG);
        kit.sim.alloc_fail_one_in = 3;
        for (int64_t i = 0; i < 3000; i++) {
            in[i] = put(&kit, t, i % 100 ? i : 0, i) == STATUS_OK;
            put_in += in[i];
        }
        kit.sim.alloc_fail_one_in = 0;
        assert_int_equal(walk_in_order(&kit, t, 11), put_in);
        for (int64_t i = 3000; i-- > 0;)
            if (in[i]) {
                assert_ok(take(&kit, t, i % 100 ? i : 0, &value));
                assert_int_equal(value, i);
            }
        assert_int_equal(rows_of(t), 0);
        drop_table(&kit, t);
        process_exit(kit.cx, p);
        kit_close(&kit);
    }
}

static void quotas_hold(void **state)
{
    (void)state;
    Kit kit;
    RowTable *t;
    int64_t value;
    bool done;
    kit_open(&kit, 1, 1, 0);
    Process *p = make_live(&kit);
    assert_ok(try_table(&kit, p, ROWS_SET, 3, 0, &t));
    for (int64_t i = 0; i < 3; i++)
        assert_ok(put(&kit, t, i, i));
    assert_status(put(&kit, t, 3, 3), STATUS_LIMIT);
    assert_ok(put(&kit, t, 2, 7));
    assert_ok(take(&kit, t, 0, &value));
    assert_ok(put(&kit, t, 3, 3));
    assert_int_equal(rows_of(t), 3);
    drop_table(&kit, t);
    Value big[200];
    for (size_t i = 0; i < 200; i++)
        big[i] = value_int((int64_t)i);
    Process *rich = kit_make(&kit, kit.cx, VALUE_NIL, kit_body_park);
    heap_destroy(&rich->heap, &kit.cx->heap);
    assert_ok(heap_init(&rich->heap, &kit.cx->heap, 4096, process_salt(rich)));
    Value array = kit_array(kit.cx, rich, big, 200);
    assert_ok(try_table(&kit, p, ROWS_SET, 0, 3000, &t));
    assert_ok(put_value(kit.cx, rich, t, key_of(ROWS_SET, 1), array, ROW_PUT_ANY, &done));
    uint64_t bytes = bytes_of(t);
    assert_in_range(bytes, 1600, 3000);
    assert_status(put_value(kit.cx, rich, t, key_of(ROWS_SET, 2), array, ROW_PUT_ANY, &done),
                  STATUS_LIMIT);
    assert_int_equal(bytes_of(t), bytes);
    assert_ok(put(&kit, t, 1, 0)); /* a short value in its stead */
    assert_ok(put_value(kit.cx, rich, t, key_of(ROWS_SET, 2), array, ROW_PUT_ANY, &done));
    assert_status(put_value(kit.cx, rich, t, key_of(ROWS_SET, 1), array, ROW_PUT_ANY, &done),
                  STATUS_LIMIT);
    RowItem item;
    assert_ok(rowtable_get(t, key_of(ROWS_SET, 1), &item));
    assert_int_equal(value_as_int(item.value), 0);
    drop_table(&kit, t);
    process_exit(kit.cx, p);
    rich->state = PROCESS_LIVE;
    actor_count(kit.cx, 1);
    process_exit(kit.cx, rich);
    kit_close(&kit);
}

/* ---- owners --------------------------------------------------------------------------------- */

static void a_table_ends_with_its_owner(void **state)
{
    (void)state;
    Kit kit;
    RowItem item;
    kit_open(&kit, 1, 1, 0);
    Process *p = make_live(&kit), *q = make_live(&kit);
    RowTable *t = make_table(&kit, p, ROWS_SET);
    for (int64_t i = 0; i < 500; i++)
        assert_ok(put(&kit, t, i, i));
    assert_status(rowtable_delete(kit.cx, q, t), STATUS_DENIED);
    process_exit(kit.cx, p);
    (void)heap_dig(&kit.cx->heap, SIZE_MAX);
    assert_status(rowtable_allows(t, q->pid, false), STATUS_CLOSED);
    assert_status(put(&kit, t, 1, 1), STATUS_CLOSED);
    assert_status(rowtable_get(t, key_of(ROWS_SET, 1), &item), STATUS_NOT_FOUND);
    assert_int_equal(rows_of(t), 0);
    drop_table(&kit, t);
    process_exit(kit.cx, q);
    kit_close(&kit);
}

static void an_heir_owns_it_next_and_is_told(void **state)
{
    (void)state;
    Kit kit;
    RowTableInfo info;
    kit_open(&kit, 1, 1, 0);
    Process *p = make_live(&kit), *q = make_live(&kit), *r = make_live(&kit);
    Value told = kit_symbol(&kit, "told");
    RowTable *t = make_table(&kit, p, ROWS_ORDERED);
    assert_ok(put(&kit, t, 1, 10));
    assert_ok(rowtable_set_heir(kit.cx, p, t, r->pid, told));
    assert_ok(rowtable_set_heir(kit.cx, p, t, q->pid, told));
    process_exit(kit.cx, p);
    kit_fetch(kit.cx, q);
    Value message = process_take_message(q);
    assert_int_not_equal(message, VALUE_NONE);
    assert_int_equal(obj_of(message)->words[MESSAGE_SELECTOR], told);
    assert_ptr_equal(rowtable_of(kit_payload(message)), t);
    rowtable_look(t, &info);
    assert_int_equal(info.owner, q->pid);
    assert_false(info.gone);
    assert_int_equal(info.rows, 1);
    /* given away: the end of who had it means nothing, that of the new owner does */
    assert_ok(rowtable_give(kit.cx, q, t, r->pid, told));
    process_exit(kit.cx, q);
    kit_fetch(kit.cx, r);
    rowtable_look(t, &info);
    assert_int_equal(info.owner, r->pid);
    assert_false(info.gone);
    process_exit(kit.cx, r);
    rowtable_look(t, &info);
    assert_true(info.gone);
    drop_table(&kit, t);
    kit_close(&kit);
}

static void where_the_heir_is_dead_it_ends(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        Kit kit;
        kit_open(&kit, 1, 1, 0);
        Process *p = make_live(&kit), *q = make_live(&kit);
        Value told = kit_symbol(&kit, "told");
        RowTable *t = make_table(&kit, p, ROWS_SET);
        assert_ok(put(&kit, t, 1, 10));
        if (given) {
            /* on its way when the receiver ends */
            assert_ok(rowtable_give(kit.cx, p, t, q->pid, told));
            process_exit(kit.cx, q);
            process_exit(kit.cx, p);
        } else {
            assert_ok(rowtable_set_heir(kit.cx, p, t, q->pid, told));
            process_exit(kit.cx, q);
            process_exit(kit.cx, p);
        }
        (void)heap_dig(&kit.cx->heap, SIZE_MAX);
        assert_status(put(&kit, t, 1, 1), STATUS_CLOSED);
        assert_int_equal(rows_of(t), 0);
        drop_table(&kit, t);
        kit_close(&kit);
    }
}

/* ---- many threads --------------------------------------------------------------------------- */

enum { WRITERS = 12, WRITER_KEYS = 3000 };

typedef struct Traffic {
    Kit kit;
    RowTable *t;
    uint64_t steps;
    uint64_t added, put_in, taken; /* atomic */
} Traffic;

/* resume.a: steps left, resume.b: the generator. Counters of shared keys, rows of all. */
static KitNext write_rows(ActorCtx *cx, Process *p)
{
    Traffic *f = (Traffic *)cx->node->config.ctx;
    Rng rng = {.state = p->resume.b};
    for (int i = 0; i < 20 && p->resume.a > 0; i++, p->resume.a--) {
        int64_t k = (int64_t)rng_below(&rng, WRITER_KEYS);
        Value sum;
        RowItem item;
        bool done;
        if (rng_below(&rng, 3) == 0) {
            assert_ok(rowtable_increment(cx, f->t, NULL, key_of(ROWS_SET, -2 - k % 7), 3, &sum));
            (void)atom_add_rlx(&f->added, UINT64_C(3)); /* relaxed, all: counters */
        } else if (rng_below(&rng, 2)) {
            assert_ok(
                put_value(cx, NULL, f->t, key_of(ROWS_SET, k), value_int(k), ROW_PUT_NEW, &done));
            (void)atom_add_rlx(&f->put_in, (uint64_t)done);
        } else if (rowtable_remove(cx, f->t, key_of(ROWS_SET, k), &item) == STATUS_OK) {
            assert_int_equal(value_as_int(item.value), k);
            (void)atom_add_rlx(&f->taken, UINT64_C(1));
        }
        if (i == 0) {
            RowItem items[16];
            RowKey next = {VALUE_NIL, rng_next(&rng) % ROW_PLACE_END};
            uint64_t seq = ROW_SEQ_FIRST;
            uint32_t n = rowtable_after(f->t, &next, &seq, NULL, items, 16, SIZE_MAX);
            for (uint32_t j = 1; j < n; j++)
                assert_true(items[j - 1].place <= items[j].place);
        }
    }
    p->resume.b = rng.state;
    return p->resume.a > 0 ? KIT_YIELD : KIT_EXIT;
}

static void play_traffic(uint32_t schedulers, uint64_t seed, uint64_t steps)
{
    Traffic *f = calloc(1, sizeof *f);
    kit_open(&f->kit, schedulers, seed, 0);
    Process *owner = make_live(&f->kit);
    f->t = make_table(&f->kit, owner, ROWS_SET);
    for (uint64_t i = 0; i < WRITERS; i++) {
        Process *p = kit_make(&f->kit, f->kit.cx, VALUE_NIL, write_rows);
        p->resume.a = steps;
        p->resume.b = hash_mix64(seed * 100 + i + 1);
        process_start(f->kit.cx, p, false);
    }
    kit_run(&f->kit);
    uint64_t counters = 0, counted = 0;
    for (int64_t k = -8; k <= -2; k++) {
        RowItem item;
        if (rowtable_get(f->t, key_of(ROWS_SET, k), &item) != STATUS_OK)
            continue;
        counters++;
        counted += (uint64_t)value_as_int(item.value);
    }
    assert_int_equal(counted, f->added);
    assert_int_equal(rows_of(f->t), counters + f->put_in - f->taken);
    assert_int_equal(walk_in_order(&f->kit, f->t, 13), rows_of(f->t));
    drop_table(&f->kit, f->t);
    process_exit(f->kit.cx, owner);
    kit_close(&f->kit);
    free(f);
}

static void what_is_put_in_is_there_or_was_taken_out_with_threads(void **state)
{
    (void)state;
    play_traffic(4, 0, TESTKIT_SCALE(20000));
}

static void what_is_put_in_is_there_or_was_taken_out_in_the_simulator(void **state)
{
    (void)state;
    const char *text = getenv("MAGGIE_TEST_SEED");
    uint64_t first = text ? strtoull(text, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + 4; seed++)
        play_traffic(3, seed, TESTKIT_SCALE(2000));
}

TESTKIT_MAIN(cmocka_unit_test(rows_are_what_a_model_says),
             cmocka_unit_test(the_index_grows_and_keeps_the_order),
             cmocka_unit_test(one_key_of_a_bag_may_have_most_rows),
             cmocka_unit_test(an_iteration_goes_on_whatever_is_written),
             cmocka_unit_test(no_memory_changes_nothing),
             cmocka_unit_test(an_index_that_finds_no_memory_grows_later),
             cmocka_unit_test(quotas_hold), cmocka_unit_test(a_table_ends_with_its_owner),
             cmocka_unit_test(an_heir_owns_it_next_and_is_told),
             cmocka_unit_test(where_the_heir_is_dead_it_ends),
             cmocka_unit_test(what_is_put_in_is_there_or_was_taken_out_with_threads),
             cmocka_unit_test(what_is_put_in_is_there_or_was_taken_out_in_the_simulator))
