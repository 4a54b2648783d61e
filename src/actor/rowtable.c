/* SPDX-License-Identifier: Apache-2.0 */
/* rowtable.c - the rows of tables; see rowtable.h. Ownership and end are in rowtable_owner.c.
 *
 * Rows of a stripe stand in order of their place and, in one place, the newest first: so a new row
 * goes to the front of its place however many are there, and an iteration, which goes on behind a
 * place and a sequence number, sees no row that was put in behind its back in a place where it has
 * been. Under the lock of a stripe only searches, pointers and counts; what is freed is freed after
 * it.
 * Threads: any, inside an epoch section. */
#include "rowtable_int.h"

#include "hash.h"

/* ---- counted fragments ---------------------------------------------------------------------- */

/* While a table holds a fragment, its `next` is the number of counts. */
typedef uint64_t __attribute__((may_alias)) RowCount;
static RowCount *row_count(Fragment *f) { return (RowCount *)(void *)&f->next; }

static void row_retain(Value v)
{
    /* relaxed: publishes nothing; the row's own count keeps it, under the lock */
    if (value_is_ptr(v))
        (void)atom_add_rlx(row_count(row_fragment(v)), 1u);
}

void row_drop(HeapCtx *cx, Value v)
{
    Fragment *f = row_fragment(v);
    /* acq_rel: whoever drops the last count has seen the others' last reads */
    if (f && atom_sub(row_count(f), 1u) == 1) {
        f->next = NULL;
        fragment_free(cx, f);
    }
}

Fragment *row_take_whole(Value v)
{
    Fragment *f = row_fragment(v);
    /* acquire: pairs with row_drop of those who had it before. New counts come only from the row,
     * which has none any more when ours is the last. */
    if (!f || atom_load_acq(row_count(f)) != 1)
        return NULL;
    f->next = NULL;
    return f;
}

static Status row_copy(ActorCtx *cx, Heap *source, Value v, Value *out, Value *culprit)
{
    *out = v;
    if (!value_is_ptr(v))
        return STATUS_OK;
    Fragment *f;
    STATUS_FORWARD(fragment_copy_out(source, &cx->heap, v, 0, &f, culprit));
    cx->copied_words += f->words;
    process_map_home_tokens(f->body, f->body + f->words, HOME_TOKEN_DEAD);
    *row_count(f) = 1;
    *out = value_ptr(f);
    return STATUS_OK;
}

static uint64_t data_bytes(Value v)
{
    return value_is_ptr(v) ? fragment_bytes(row_fragment(v)) : 0;
}

static Value key_of(const Row *r)
{
    return value_is_ptr(r->key) ? row_fragment(r->key)->root : r->key;
}

/* ---- stripes -------------------------------------------------------------------------------- */

static Stripe *stripe_of(RowTable *t, uint64_t place)
{
    return &t->stripe[t->stripes == 1 ? 0 : place >> (ROW_PLACE_BITS - ROW_STRIPE_BITS)];
}

/* What a search looks for: the first row that does not come before it. */
typedef struct Target {
    RowKey key;
    uint64_t seq; /* sets and bags */
    bool beyond;  /* ordered: the first row above the key */
    bool end;     /* ordered: behind all rows */
} Target;

static bool row_before(const RowTable *t, const Row *r, const Target *target)
{
    if (t->config.kind != ROWS_ORDERED)
        return r->place < target->key.place ||
               (r->place == target->key.place && r->seq > target->seq);
    if (target->end)
        return true;
    int order = t->config.compare(t->config.ctx, key_of(r), target->key.v);
    return order < 0 || (order == 0 && target->beyond);
}

/* towers[i]: where the pointer of level i to the target stands. Answers the row there. */
static Row *seek(const RowTable *t, Cell *c, const Target *target, Row ***towers)
{
    Row **tower = cell_heads(c);
    for (uint32_t i = cell_levels(c); i-- > 0;) {
        for (Row *r; (r = tower[i]) && row_before(t, r, target);)
            tower = r->next;
        towers[i] = tower;
    }
    return tower[0];
}

/* The row with that key, towers as of the front of its place. */
static Row *find(const RowTable *t, Cell *c, RowKey key, Row ***towers)
{
    Target target = {.key = key, .seq = ROW_SEQ_FIRST};
    Row *r = seek(t, c, &target, towers);
    if (t->config.kind == ROWS_ORDERED)
        return r && t->config.compare(t->config.ctx, key_of(r), key.v) == 0 ? r : NULL;
    for (; r && r->place == key.place; r = r->next[0])
        if (key_of(r) == key.v || t->config.compare(t->config.ctx, key_of(r), key.v) == 0)
            return r;
    return NULL;
}

static void unlink_row(const Env *env, const RowTable *t, Stripe *s, Row *r)
{
    Row **towers[ROW_HEIGHTS];
    Target target = {.key = {key_of(r), r->place}, .seq = r->seq};
    Cell *c = stripe_cell(s, r->place);
    Row *found = seek(t, c, &target, towers);
    assert(found == r);
    (void)found;
    cell_unlink(env, c, r, towers, t->config.kind == ROWS_ORDERED);
    s->rows--;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static size_t row_size(uint32_t height) { return sizeof(Row) + height * sizeof(Row *); }

/* With its share of the index, which is at most a cell. */
static uint64_t row_base_bytes(const Row *r)
{
    return sizeof(Cell) + pool_class_size(pool_class_of(row_size(r->height))) + data_bytes(r->key);
}

static void row_free(HeapCtx *cx, Row *r)
{
    row_drop(cx, r->key);
    row_drop(cx, r->value);
    pool_free(cx->pool, r, pool_class_of(row_size(r->height)));
}

/* A row with a copy of the key and no value. */
static Status row_new(ActorCtx *cx, RowTable *t, Heap *source, RowKey key, Row **out,
                      Value *culprit)
{
    uint64_t dice = hash_mix64(atom_add_rlx(&t->dice, 1u)); /* relaxed: any other will do */
    uint32_t height = 1;
    while (height < ROW_HEIGHTS && (dice & 3) == 0) {
        height++;
        dice >>= 2;
    }
    Row *r = pool_alloc(cx->heap.pool, pool_class_of(row_size(height)));
    if (!r)
        return STATUS_NO_MEMORY;
    *r = (Row){.value = VALUE_NIL, .place = key.place, .height = height};
    Status status = row_copy(cx, source, key.v, &r->key, culprit);
    if (status != STATUS_OK) {
        pool_free(cx->heap.pool, r, pool_class_of(row_size(height)));
        return status;
    }
    r->bytes = row_base_bytes(r);
    *out = r;
    return STATUS_OK;
}

/* Counts; false, nothing counted, when that exceeds the quota. Relaxed: only the sums matter. */
static bool reserve(RowTable *t, uint64_t rows, uint64_t bytes)
{
    uint64_t n = atom_add_rlx(&t->rows, rows) + rows;
    uint64_t b = atom_add_rlx(&t->bytes, bytes) + bytes;
    if ((!t->config.max_rows || n <= t->config.max_rows) &&
        (!t->config.max_bytes || b <= t->config.max_bytes))
        return true;
#ifdef MAGGIE_MUTANT_ROWS_QUOTA
    return true;
#endif
    (void)atom_sub_rlx(&t->rows, rows); /* relaxed, both: as above */
    (void)atom_sub_rlx(&t->bytes, bytes);
    return false;
}

static void unreserve(RowTable *t, uint64_t rows, uint64_t bytes)
{
    (void)atom_sub_rlx(&t->rows, rows); /* relaxed, both: as in reserve */
    (void)atom_sub_rlx(&t->bytes, bytes);
}

/* Under the lock. *value and the row's change places. */
static Status replace_value(RowTable *t, Stripe *s, Row *r, Value *value)
{
    uint64_t before = data_bytes(r->value) ? r->bytes : 0;
    if (before || value_is_ptr(*value)) {
        uint64_t bytes = row_base_bytes(r) + data_bytes(*value);
        if (bytes > r->bytes && !reserve(t, 0, bytes - r->bytes))
            return STATUS_LIMIT;
        if (bytes < r->bytes)
            unreserve(t, 0, r->bytes - bytes);
        r->bytes = bytes;
    }
    Value old = r->value;
    r->value = *value;
    *value = old;
    r->version = ++s->serial;
    return STATUS_OK;
}

/* Under the lock; the row's value is set. */
static Status insert(const Env *env, RowTable *t, Stripe *s, Cell *c, Row *r, Row ***towers,
                     WornCells *worn)
{
    r->bytes += data_bytes(r->value);
    if (!reserve(t, 1, r->bytes)) {
        r->bytes = row_base_bytes(r);
        return STATUS_LIMIT;
    }
    r->seq = r->version = ++s->serial;
    cell_link(env, c, r, towers);
    s->rows++;
    if (t->config.kind != ROWS_ORDERED)
        stripe_grow(env, s, worn);
    return STATUS_OK;
}

Status rowtable_get(RowTable *t, RowKey key, RowItem *out)
{
    Row **towers[ROW_HEIGHTS];
    Stripe *s = stripe_of(t, key.place);
    lock_acquire(&s->lock);
    Row *r = find(t, stripe_cell(s, key.place), key, towers);
    if (r) {
        *out = (RowItem){VALUE_NIL, r->value, r->place, r->seq, r->version};
        row_retain(r->value);
    }
    lock_release(&s->lock);
    return r ? STATUS_OK : STATUS_NOT_FOUND;
}

static bool may_put(const Row *r, RowPutMode mode, uint64_t version)
{
    if (mode == ROW_PUT_NEW)
        return !r;
#ifdef MAGGIE_MUTANT_ROWS_VERSION
    return true;
#endif
    return mode == ROW_PUT_ANY || version == (r ? r->version : 0);
}

/* One attempt. STATUS_NOT_FOUND: a row is needed, and *fresh is none. */
static Status put_once(const Env *env, RowTable *t, RowKey key, Value *value, RowPutMode mode,
                       uint64_t version, Row **fresh, bool *done)
{
    Row **towers[ROW_HEIGHTS];
    WornCells worn = {NULL, 0};
    Status status = STATUS_OK;
    Stripe *s = stripe_of(t, key.place);
    lock_acquire(&s->lock);
    Cell *c = stripe_cell(s, key.place);
    Row *r = t->config.kind == ROWS_BAG && !*fresh ? NULL : find(t, c, key, towers);
    *done = t->config.kind == ROWS_BAG || may_put(r, mode, version);
    if (rowtable_is_gone(t)) {
        status = STATUS_CLOSED;
    } else if (*done && r && t->config.kind != ROWS_BAG) {
        status = replace_value(t, s, r, value);
    } else if (*done && !*fresh) {
        status = STATUS_NOT_FOUND;
    } else if (*done) {
        (*fresh)->value = *value;
        status = insert(env, t, s, c, *fresh, towers, &worn);
        if (status == STATUS_OK) {
            *fresh = NULL;
            *value = VALUE_NIL;
        } else {
            (*fresh)->value = VALUE_NIL;
        }
    }
    lock_release(&s->lock);
    worn_free(env, &worn);
    return status;
}

Status rowtable_put(ActorCtx *cx, RowTable *t, Heap *source, RowKey key, Value value,
                    RowPutMode mode, uint64_t version, bool *done, Value *culprit)
{
    Value held;
    Row *fresh = NULL;
    *done = false;
    *culprit = VALUE_NIL;
    STATUS_FORWARD(row_copy(cx, source, value, &held, culprit));
    const Env *env = cx->heap.env->env;
    Status status = put_once(env, t, key, &held, mode, version, &fresh, done);
    if (status == STATUS_NOT_FOUND) {
        status = row_new(cx, t, source, key, &fresh, culprit);
        if (status == STATUS_OK)
            status = put_once(env, t, key, &held, mode, version, &fresh, done);
    }
    row_drop(&cx->heap, held);
    if (fresh)
        row_free(&cx->heap, fresh);
    return status;
}

/* One attempt, as put_once. */
static Status increment_once(const Env *env, RowTable *t, RowKey key, int64_t by, Row **fresh,
                             Value *sum)
{
    Row **towers[ROW_HEIGHTS];
    WornCells worn = {NULL, 0};
    Status status = STATUS_OK;
    Stripe *s = stripe_of(t, key.place);
    lock_acquire(&s->lock);
    Cell *c = stripe_cell(s, key.place);
    Row *r = find(t, c, key, towers);
    if (rowtable_is_gone(t)) {
        status = STATUS_CLOSED;
    } else if (!r && !*fresh) {
        status = STATUS_NOT_FOUND;
    } else if (!r) {
        (*fresh)->value = *sum = value_int(by);
        status = insert(env, t, s, c, *fresh, towers, &worn);
        if (status == STATUS_OK)
            *fresh = NULL;
    } else if (!value_is_int(r->value)) {
        status = STATUS_BAD_ARGUMENT;
    } else if (!value_int_fits(value_as_int(r->value) + by)) {
        status = STATUS_OUT_OF_RANGE;
    } else {
        *sum = r->value = value_int(value_as_int(r->value) + by);
        r->version = ++s->serial;
    }
    lock_release(&s->lock);
    worn_free(env, &worn);
    return status;
}

Status rowtable_increment(ActorCtx *cx, RowTable *t, Heap *source, RowKey key, int64_t by,
                          Value *sum)
{
    Row *fresh = NULL;
    Status status = increment_once(cx->heap.env->env, t, key, by, &fresh, sum);
    if (status != STATUS_NOT_FOUND)
        return status;
    STATUS_FORWARD(row_new(cx, t, source, key, &fresh, NULL));
    status = increment_once(cx->heap.env->env, t, key, by, &fresh, sum);
    if (fresh)
        row_free(&cx->heap, fresh);
    return status;
}

Status rowtable_remove(ActorCtx *cx, RowTable *t, RowKey key, RowItem *out)
{
    Row **towers[ROW_HEIGHTS];
    Stripe *s = stripe_of(t, key.place);
    lock_acquire(&s->lock);
    Row *r = find(t, stripe_cell(s, key.place), key, towers);
    if (r) {
        unlink_row(cx->heap.env->env, t, s, r);
        unreserve(t, 1, r->bytes);
    }
    lock_release(&s->lock);
    if (!r)
        return STATUS_NOT_FOUND;
    *out = (RowItem){VALUE_NIL, r->value, r->place, r->seq, r->version};
    r->value = VALUE_NIL; /* its count is the item's */
    row_free(&cx->heap, r);
    return STATUS_OK;
}

/* ---- many rows ------------------------------------------------------------------------------ */

static size_t data_words(Value v) { return value_is_ptr(v) ? row_fragment(v)->words : 1; }

/* Under the lock; answers the words. */
static size_t give_out(const Row *r, RowItem *item)
{
    *item = (RowItem){r->key, r->value, r->place, r->seq, r->version};
    row_retain(r->key);
    row_retain(r->value);
    return data_words(r->key) + data_words(r->value);
}

/* Cells that are looked at under one lock, however few rows are in them. */
#define CELLS_PIECE 256u

uint32_t rowtable_after(RowTable *t, RowKey *next, uint64_t *seq, const RowKey *only,
                        RowItem *items, uint32_t n, size_t words)
{
    uint32_t got = 0;
    size_t size = 0;
    Row **towers[ROW_HEIGHTS];
    Stripe *s = stripe_of(t, next->place);
    /* seq 0 means: behind every row of the place */
    Target target = {.key = *next, .seq = *seq ? *seq - 1 : 0};
#ifdef MAGGIE_MUTANT_ROWS_PLACE
    target.seq = *seq;
#endif
    uint64_t at = next->place;
    lock_acquire(&s->lock);
    Row *r = seek(t, stripe_cell(s, at), &target, towers);
    for (uint32_t cells = 0;; r = *cell_heads(stripe_cell(s, at))) {
        for (; r && got < n && size < words && (!only || r->place == only->place); r = r->next[0]) {
            *seq = r->seq;
            next->place = r->place;
            if (!only || t->config.compare(t->config.ctx, key_of(r), only->v) == 0)
                size += give_out(r, &items[got++]);
        }
        if (r || only)
            break;
        at = stripe_cell_end(s, at);
        next->place = at;
        *seq = ROW_SEQ_FIRST;
        if (++cells == CELLS_PIECE || got == n || size >= words || at == ROW_PLACE_END ||
            stripe_of(t, at) != s)
            break;
    }
    bool over = only && !(r && r->place == only->place);
    lock_release(&s->lock);
    if (over) {
        next->place = ROW_PLACE_END;
        *seq = ROW_SEQ_FIRST;
    }
    return got;
}

uint32_t rowtable_ordered(RowTable *t, RowsWhich which, RowKey key, RowItem *items, uint32_t n,
                          size_t words)
{
    uint32_t got = 0;
    size_t size = 0;
    Row **towers[ROW_HEIGHTS];
    Stripe *s = &t->stripe[0];
    Cell *c = s->cells;
    Target target = {.key = key, .beyond = which == ROWS_ABOVE, .end = which == ROWS_LAST};
    lock_acquire(&s->lock);
    Row *r = *cell_heads(c);
    if (which != ROWS_FIRST)
        r = seek(t, c, &target, towers);
    if (which == ROWS_LAST || which == ROWS_BELOW) {
        /* the row whose tower the search went along last */
        r = NULL;
        if (towers[0] != cell_heads(c))
            r = (Row *)(void *)((char *)towers[0] - offsetof(Row, next));
        n = n && r ? 1 : 0;
    }
    for (; r && got < n && size < words; r = r->next[0])
        size += give_out(r, &items[got++]);
    lock_release(&s->lock);
    return got;
}

#define ROW_CLEAR_MAX 64u

/* Takes rows out of the stripe of *place, from there on; answers how many. */
static uint32_t clear_stripe(const Env *env, RowTable *t, uint64_t *place, Row **out,
                             uint32_t wanted, uint32_t *cells)
{
    uint32_t got = 0;
    WornCells worn[2] = {{NULL, 0}, {NULL, 0}};
    bool ordered = t->config.kind == ROWS_ORDERED;
    Stripe *s = stripe_of(t, *place);
    lock_acquire(&s->lock);
    do {
        Cell *c = stripe_cell(s, *place);
        for (Row *r; got < wanted && (r = cell_take_first(env, c, ordered));) {
            out[got++] = r;
            s->rows--;
        }
        if (*cell_heads(c)) /* not make_flat's empty cell: there are more */
            break;
        *place = stripe_cell_end(s, *place);
    } while (--*cells > 0 && *place < ROW_PLACE_END && stripe_of(t, *place) == s);
    if (s->rows == 0 && !ordered)
        stripe_reset(s, worn);
    lock_release(&s->lock);
    worn_free(env, &worn[0]);
    worn_free(env, &worn[1]);
    return got;
}

bool rowtable_clear_some(HeapCtx *cx, RowTable *t, uint64_t *place, uint32_t n)
{
    Row *out[ROW_CLEAR_MAX];
    uint32_t got = 0, wanted = n < ROW_CLEAR_MAX ? n : ROW_CLEAR_MAX, cells = CELLS_PIECE;
    uint64_t bytes = 0;
    while (got < wanted && cells > 0 && *place < ROW_PLACE_END)
        got += clear_stripe(cx->env->env, t, place, out + got, wanted - got, &cells);
    for (uint32_t i = 0; i < got; i++)
        bytes += out[i]->bytes;
    unreserve(t, got, bytes);
    for (uint32_t i = 0; i < got; i++)
        row_free(cx, out[i]);
    return *place < ROW_PLACE_END;
}
