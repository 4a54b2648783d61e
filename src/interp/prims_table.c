/* SPDX-License-Identifier: Apache-2.0 */
/* prims_table.c - Tables: rows that processes share.
 *
 * What goes wrong with a table (it is gone, full, another's) is told to the method `_fail:`, which
 * signals it. Threads: the owner of the process, inside its scheduler's epoch section. */
#include "rowtable.h"

#include "prim_waitable.h"
#include "prims.h"
#include "tablekey.h"

/* ---- what all have in common ---------------------------------------------------------------- */

/* The receiver, if this process may do that. NULL: return *st. */
static RowTable *table_arg(PrimCall *c, bool write, PrimStatus *st);

static PrimStatus fail(PrimCall *c, Status status)
{
    const char *name = status_name(status);
    uint32_t selector, symbol;
    PrimStatus st = prim_intern(c, "_fail:", 6, &selector);
    if (st != PRIM_OK)
        return st;
    st = prim_intern(c, name, strlen(name), &symbol);
    if (st != PRIM_OK)
        return st;
    (void)prim_finish(c, VALUE_NIL);
    c->args[1] = value_symbol(symbol);
    c->send_selector = selector;
    c->send_argc = 1;
    return PRIM_SEND;
}

static PrimStatus failed(PrimCall *c, Status status)
{
    if (status == STATUS_LIMIT || status == STATUS_CLOSED || status == STATUS_DENIED ||
        status == STATUS_NO_PROCESS)
        return fail(c, status);
    return prim_copy_failed(c, status);
}

static RowTable *table_arg(PrimCall *c, bool write, PrimStatus *st)
{
    RowTable *t = rowtable_of(c->args[0]);
    if (!t) {
        *st = prim_error(c, "the receiver is not a Table");
        return NULL;
    }
    Status status = rowtable_allows(t, c->process->pid, write);
    if (status != STATUS_OK) {
        *st = fail(c, status);
        return NULL;
    }
    return t;
}

static bool key_arg(PrimCall *c, const RowTable *t, unsigned k, RowKey *key, PrimStatus *st)
{
    uint64_t hash;
    const char *why = tablekey_hash(c->args[k], &hash);
    if (why) {
        *st = prim_error(c, why);
        return false;
    }
    key->v = c->args[k];
    key->place = rowtable_kind(t) == ROWS_ORDERED ? 0 : hash >> (64 - ROW_PLACE_BITS);
    return true;
}

/* Table and key of most primitives; NULL: return *st. */
static RowTable *row_args(PrimCall *c, bool write, RowKey *key, PrimStatus *st)
{
    RowTable *t = table_arg(c, write, st);
    return t && key_arg(c, t, 1, key, st) ? t : NULL;
}

/* A loop that only reads never allocates: what it adopts must be collected all the same. */
static bool must_collect(PrimCall *c)
{
    if (!heap_wants_collection(c->heap) || c->resume->b)
        return false;
    c->resume->b = 1;
    return true;
}

static void drop_kept(HeapCtx *cx, void *f) { row_drop(cx, value_ptr(f)); }

/* Brings what was read into the heap; takes its count. Needs no room. Between prim_copy_begin and
 * prim_copy_end it may answer that the call must start over. */
static PrimStatus bring_in(PrimCall *c, Value held, Value *out)
{
    Fragment *f = row_fragment(held);
    *out = held;
    if (!f)
        return PRIM_OK;
    prim_charge(c, f->words / 16 + 1);
    if (heap_can_absorb(f)) {
        *out = heap_copy_in(c->heap, c->stack_end, f);
        if (*out != VALUE_NONE) {
            row_drop(c->cx, held);
            return PRIM_OK;
        }
    }
    Fragment *copy = row_take_whole(held);
    if (!copy) {
        Status status = fragment_duplicate(f, c->cx, &copy);
        if (status == STATUS_COPY_LONG) {
            c->cx->wish.keep = f;
            c->cx->wish.drop = drop_kept;
            return prim_copy_failed(c, status);
        }
        row_drop(c->cx, held);
        if (status != STATUS_OK)
            return prim_status(c, status, 0);
    }
    *out = heap_adopt(c->heap, copy);
    return PRIM_OK;
}

/* What was read and is still in the table. */
static PrimStatus answer_read(PrimCall *c, Value held)
{
    Value v;
    prim_copy_begin(c);
    PrimStatus st = bring_in(c, held, &v);
    prim_copy_end(c);
    return st == PRIM_OK ? prim_finish(c, v) : st;
}

static PrimStatus answer_held(PrimCall *c, Value held)
{
    Value v;
    PrimStatus st = bring_in(c, held, &v);
    return st == PRIM_OK ? prim_finish(c, v) : st;
}

PrimStatus prim_table_new(PrimCall *c)
{
    PrimStatus st;
    RowTable *t;
    for (unsigned i = 1; i <= 3; i++)
        if (!value_is_int(c->args[i]) || value_as_int(c->args[i]) < 0)
            return prim_type_error(c, i, "SmallInteger");
    if (value_as_int(c->args[1]) > ROWS_BAG)
        return prim_error(c, "no such kind of table");
    if (!prim_can_make_handle(c, &st))
        return st;
    RowTableConfig config = {.kind = (RowsKind)value_as_int(c->args[1]),
                             .max_rows = (uint64_t)value_as_int(c->args[2]),
                             .max_bytes = (uint64_t)value_as_int(c->args[3]),
                             .cls = value_as_class(c->args[0]),
                             .compare = tablekey_compare,
                             .ctx = c->vm};
    if (config.max_bytes == 0)
        config.max_bytes = c->cx->env->default_cap_bytes;
    Status status = rowtable_new(prim_actor(c), c->process, &config, &t);
    if (status != STATUS_OK)
        return prim_status(c, status, 0);
    prim_charge(c, 16);
    return prim_handle(c, config.cls, (OffHeap *)(void *)t);
}

/* ---- one row -------------------------------------------------------------------------------- */

/* PRIM_OK: *item is the row, or *found is false. */
static PrimStatus look_up(PrimCall *c, RowItem *item, bool *found)
{
    PrimStatus st;
    RowKey key;
    if (must_collect(c))
        return prim_gc(c, 0);
    RowTable *t = row_args(c, false, &key, &st);
    if (!t)
        return st;
    *found = rowtable_get(t, key, item) == STATUS_OK;
    return PRIM_OK;
}

static bool is_bag(const PrimCall *c)
{
    RowTable *t = rowtable_of(c->args[0]);
    return t && rowtable_kind(t) == ROWS_BAG;
}

PrimStatus prim_table_at(PrimCall *c)
{
    RowItem item;
    bool found;
    if (is_bag(c))
        return PRIM_FALLBACK;
    PrimStatus st = look_up(c, &item, &found);
    if (st != PRIM_OK)
        return st;
    return found ? answer_read(c, item.value) : prim_finish(c, VALUE_NIL);
}

PrimStatus prim_table_at_if_absent(PrimCall *c)
{
    RowItem item;
    bool found;
    if (is_bag(c))
        return PRIM_FALLBACK;
    PrimStatus st = look_up(c, &item, &found);
    if (st != PRIM_OK)
        return st;
    if (found)
        return answer_read(c, item.value);
    (void)prim_finish(c, VALUE_NIL);
    return PRIM_FALLBACK;
}

PrimStatus prim_table_versioned(PrimCall *c)
{
    RowItem item;
    bool found;
    PrimStatus st;
    if (must_collect(c))
        return prim_gc(c, 0);
    Object *pair = prim_new_slots(c, CLASS_ARRAY, 2, &st);
    if (!pair)
        return st;
    st = look_up(c, &item, &found);
    if (st != PRIM_OK || !found)
        return st == PRIM_OK ? prim_finish(c, VALUE_NIL) : st;
    Value v;
    prim_copy_begin(c);
    st = bring_in(c, item.value, &v);
    prim_copy_end(c);
    if (st != PRIM_OK)
        return st;
    pair->words[0] = value_int((int64_t)item.version);
    (void)heap_store(c->heap, pair, &pair->words[1], v);
    return prim_finish(c, value_ptr(pair));
}

PrimStatus prim_table_includes_key(PrimCall *c)
{
    RowItem item;
    bool found;
    PrimStatus st = look_up(c, &item, &found);
    if (st != PRIM_OK)
        return st;
    if (found)
        row_drop(c->cx, item.value);
    return prim_finish(c, value_bool(found));
}

static PrimStatus put(PrimCall *c, RowPutMode mode, uint64_t version, bool *done)
{
    PrimStatus st;
    RowKey key;
    Value culprit;
    RowTable *t = row_args(c, true, &key, &st);
    if (!t)
        return st;
    ActorCtx *cx = prim_actor(c);
    cx->copied_words = 0;
    prim_copy_begin(c);
    Status status = rowtable_put(cx, t, c->heap, key, c->args[2], mode, version, done, &culprit);
    prim_copy_end(c);
    prim_charge_copy(c);
    return status == STATUS_OK ? PRIM_OK : failed(c, status);
}

PrimStatus prim_table_at_put(PrimCall *c)
{
    bool done;
    PrimStatus st = put(c, ROW_PUT_ANY, 0, &done);
    return st == PRIM_OK ? prim_ok(c, c->args[2]) : st;
}

PrimStatus prim_table_put_version(PrimCall *c)
{
    bool done;
    if (!value_is_int(c->args[3]) || value_as_int(c->args[3]) < 0)
        return prim_type_error(c, 3, "SmallInteger");
    PrimStatus st = put(c, ROW_PUT_VERSION, (uint64_t)value_as_int(c->args[3]), &done);
    return st == PRIM_OK ? prim_ok(c, value_bool(done)) : st;
}

PrimStatus prim_table_increment(PrimCall *c)
{
    PrimStatus st;
    RowKey key;
    Value sum;
    if (!value_is_int(c->args[2]))
        return prim_type_error(c, 2, "SmallInteger");
    RowTable *t = row_args(c, true, &key, &st);
    if (!t)
        return st;
    if (rowtable_kind(t) == ROWS_BAG)
        return prim_error(c, "a bag has no counters");
    Status status =
        rowtable_increment(prim_actor(c), t, c->heap, key, value_as_int(c->args[2]), &sum);
    if (status == STATUS_BAD_ARGUMENT)
        return prim_error(c, "the value is not a SmallInteger");
    if (status == STATUS_OUT_OF_RANGE)
        return prim_error(c, "the sum is not a SmallInteger");
    return status == STATUS_OK ? prim_ok(c, sum) : failed(c, status);
}

PrimStatus prim_table_remove(PrimCall *c)
{
    PrimStatus st;
    RowKey key;
    RowItem item;
    if (is_bag(c))
        return PRIM_FALLBACK;
    if (must_collect(c))
        return prim_gc(c, 0);
    RowTable *t = row_args(c, true, &key, &st);
    if (!t)
        return st;
    if (rowtable_remove(prim_actor(c), t, key, &item) == STATUS_OK)
        return answer_held(c, item.value);
    (void)prim_finish(c, VALUE_NIL);
    return PRIM_FALLBACK;
}

PrimStatus prim_table_remove_one(PrimCall *c)
{
    PrimStatus st;
    RowKey key;
    RowItem item;
    RowTable *t = row_args(c, true, &key, &st);
    if (!t)
        return st;
    bool found = rowtable_remove(prim_actor(c), t, key, &item) == STATUS_OK;
    if (found)
        row_drop(c->cx, item.value);
    return prim_ok(c, value_bool(found));
}

/* ---- many rows ------------------------------------------------------------------------------ */

#define ROWS_PIECE 32
#define ROWS_PIECE_WORDS 2048

static void drop_items(PrimCall *c, const RowItem *items, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < n; i++) {
        row_drop(c->cx, items[i].key);
        row_drop(c->cx, items[i].value);
    }
}

/* An Array of `front` words, which the caller fills, and keys and values (taken). */
static PrimStatus items_array(PrimCall *c, const RowItem *items, uint32_t n, uint32_t front,
                              Object **out)
{
    PrimStatus st;
    Object *array = prim_new_slots(c, CLASS_ARRAY, front + 2 * (size_t)n, &st);
    for (uint32_t i = 0; i < n && array; i++) {
        Value key = VALUE_NIL, value = VALUE_NIL;
        st = bring_in(c, items[i].key, &key);
        if (st == PRIM_OK)
            st = bring_in(c, items[i].value, &value);
        else
            row_drop(c->cx, items[i].value);
        if (st != PRIM_OK) {
            drop_items(c, items, i + 1, n);
            return st;
        }
        (void)heap_store(c->heap, array, &array->words[front + 2 * i], key);
        (void)heap_store(c->heap, array, &array->words[front + 2 * i + 1], value);
    }
    if (!array)
        drop_items(c, items, 0, n);
    *out = array;
    prim_charge(c, n);
    return array ? PRIM_OK : st;
}

/* Answers where to go on (-1: nowhere), and what was found. */
static PrimStatus rows_after(PrimCall *c, RowTable *t, uint64_t place, const RowKey *only)
{
    PrimStatus st;
    Object *array;
    RowItem items[ROWS_PIECE];
    if (!value_is_int(c->args[2]))
        return prim_type_error(c, 2, "SmallInteger");
    if (must_collect(c))
        return prim_gc(c, 0);
    RowKey next = {VALUE_NIL, place};
    int64_t before = value_as_int(c->args[2]);
    uint64_t seq = before < 0 ? ROW_SEQ_FIRST : (uint64_t)before;
    uint32_t n = 0;
    do {
        n = rowtable_after(t, &next, &seq, only, items, ROWS_PIECE, ROWS_PIECE_WORDS);
        prim_charge(c, 64); /* for the places it looked at */
    } while (n == 0 && next.place < ROW_PLACE_END && !prim_out_of_time(c));
    prim_copy_begin(c);
    st = items_array(c, items, n, 2, &array);
    prim_copy_end(c);
    if (st != PRIM_OK)
        return st;
    array->words[0] = value_int(next.place < ROW_PLACE_END ? (int64_t)next.place : -1);
    array->words[1] = value_int(seq == ROW_SEQ_FIRST ? -1 : (int64_t)seq);
    return prim_finish(c, value_ptr(array));
}

PrimStatus prim_table_rows_after(PrimCall *c)
{
    PrimStatus st;
    RowTable *t = table_arg(c, false, &st);
    if (!t)
        return st;
    Value place = c->args[1];
    if (!value_is_int(place) || value_as_int(place) < 0 ||
        (uint64_t)value_as_int(place) >= ROW_PLACE_END || rowtable_kind(t) == ROWS_ORDERED)
        return prim_error(c, "no place in the table");
    return rows_after(c, t, (uint64_t)value_as_int(place), NULL);
}

PrimStatus prim_table_values_at(PrimCall *c)
{
    PrimStatus st;
    RowKey key;
    RowTable *t = row_args(c, false, &key, &st);
    if (!t)
        return st;
    if (rowtable_kind(t) == ROWS_ORDERED)
        return prim_error(c, "no place in the table");
    return rows_after(c, t, key.place, &key);
}

PrimStatus prim_table_ordered(PrimCall *c)
{
    PrimStatus st;
    Object *array;
    RowKey key = {VALUE_NIL, 0};
    RowItem items[ROWS_PIECE];
    if (must_collect(c))
        return prim_gc(c, 0);
    RowTable *t = table_arg(c, false, &st);
    if (!t)
        return st;
    int64_t which = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : -1;
    if (which < ROWS_FIRST || which > ROWS_BELOW)
        return prim_type_error(c, 1, "SmallInteger");
    if (rowtable_kind(t) != ROWS_ORDERED)
        return prim_error(c, "the table is not ordered");
    if (which != ROWS_FIRST && which != ROWS_LAST && !key_arg(c, t, 2, &key, &st))
        return st;
    uint32_t n = rowtable_ordered(t, (RowsWhich)which, key, items, ROWS_PIECE, ROWS_PIECE_WORDS);
    st = items_array(c, items, n, 0, &array);
    return st == PRIM_OK ? prim_finish(c, value_ptr(array)) : st;
}

PrimStatus prim_table_is_above(PrimCall *c)
{
    uint64_t hash;
    const char *why = tablekey_hash(c->args[1], &hash);
    why = why ? why : tablekey_hash(c->args[2], &hash);
    if (why)
        return prim_error(c, why);
    return prim_ok(c, value_bool(tablekey_compare(c->vm, c->args[1], c->args[2]) > 0));
}

PrimStatus prim_table_clear(PrimCall *c)
{
    PrimStatus st;
    RowTable *t = table_arg(c, true, &st);
    if (!t)
        return st;
    uint64_t place = c->resume->a;
    while (rowtable_clear_some(c->cx, t, &place, 64)) {
        prim_charge(c, 64);
        c->resume->a = place;
        if (prim_out_of_time(c))
            return PRIM_YIELD;
    }
    return prim_finish(c, c->args[0]);
}

/* ---- owner ---------------------------------------------------------------------------------- */

static PrimStatus answer_done(PrimCall *c, Status status)
{
    return status == STATUS_OK ? prim_self(c) : failed(c, status);
}

PrimStatus prim_table_info(PrimCall *c)
{
    RowTable *t = rowtable_of(c->args[0]);
    PrimStatus st;
    RowTableInfo info;
    if (!t)
        return prim_error(c, "the receiver is not a Table");
    Object *array = prim_new_slots(c, CLASS_ARRAY, 9, &st);
    if (!array)
        return st;
    rowtable_look(t, &info);
    array->words[0] = value_int((int64_t)info.kind);
    array->words[1] = value_int((int64_t)info.access);
    array->words[2] = info.owner;
    array->words[3] = info.heir;
    array->words[4] = value_int((int64_t)info.rows);
    array->words[5] = value_int((int64_t)info.bytes);
    array->words[6] = value_int((int64_t)info.max_rows);
    array->words[7] = value_int((int64_t)info.max_bytes);
    array->words[8] = value_bool(info.gone);
    return prim_ok(c, value_ptr(array));
}

PrimStatus prim_table_access(PrimCall *c)
{
    RowTable *t = rowtable_of(c->args[0]);
    if (!t)
        return prim_error(c, "the receiver is not a Table");
    int64_t access = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : -1;
    if (access < ROWS_PUBLIC || access > ROWS_PRIVATE)
        return prim_type_error(c, 1, "SmallInteger");
    return answer_done(c, rowtable_set_access(t, c->process->pid, (RowsAccess)access));
}

PrimStatus prim_table_heir(PrimCall *c)
{
    RowTable *t = rowtable_of(c->args[0]);
    if (!t)
        return prim_error(c, "the receiver is not a Table");
    if (c->args[1] != VALUE_NIL && !value_is_pid(c->args[1]))
        return prim_type_error(c, 1, "Process");
    if (!value_is_symbol(c->args[2]))
        return prim_type_error(c, 2, "Symbol");
    return answer_done(c, rowtable_set_heir(prim_actor(c), c->process, t, c->args[1], c->args[2]));
}

PrimStatus prim_table_give(PrimCall *c)
{
    RowTable *t = rowtable_of(c->args[0]);
    if (!t)
        return prim_error(c, "the receiver is not a Table");
    if (!value_is_pid(c->args[1]))
        return prim_type_error(c, 1, "Process");
    if (!value_is_symbol(c->args[2]))
        return prim_type_error(c, 2, "Symbol");
    return answer_done(c, rowtable_give(prim_actor(c), c->process, t, c->args[1], c->args[2]));
}

PrimStatus prim_table_delete(PrimCall *c)
{
    RowTable *t = rowtable_of(c->args[0]);
    if (!t)
        return prim_error(c, "the receiver is not a Table");
    return answer_done(c, rowtable_delete(prim_actor(c), c->process, t));
}
