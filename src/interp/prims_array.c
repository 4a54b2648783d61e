/* SPDX-License-Identifier: Apache-2.0 */
/* prims_array.c - primitives of Array and ArrayList.
 *
 * An Array (or an instance of a subclass) is a SLOTS object: named variables, then the elements.
 * An ArrayList has three variables, all nil while it has never held anything: `items`, a plain
 * Array; `first` and `last`, the 1-based range of items in use (last < first when empty). C code
 * trusts none of them, because a subclass may assign its inherited variables.
 *
 * Threads: the owner of the process.
 */
#include "prims_array.h"
#include "prims.h"
#include "prims_bulk.h"
#include "valueops.h"

#define ARRAY_SIZE_MAX (INT64_C(1) << 27)
/* Lists that outgrow this many elements grow in Maggie code, which can be preempted. */
#define LIST_INLINE_MAX ((int64_t)HEAP_LARGE_WORDS)
#define LIST_FIRST_ROOM 8

bool array_view(const PrimCall *c, Value v, ArrayView *out)
{
    if (!value_is_kind(v, OBJ_SLOTS)) {
        return false;
    }
    Object *o = obj_of(v);
    size_t named = 0;
    if (obj_class(o) != CLASS_ARRAY) {
        const Class *cls = vm_class(c->vm, obj_class(o));
        if (cls->shape != SHAPE_INDEXED) {
            return false;
        }
        named = cls->nslots;
    }
    size_t words = obj_words(o);
    if (words < named) {
        return false;
    }
    *out = (ArrayView){.object = o, .named = named, .size = words - named};
    return true;
}

static inline Value *elements(const ArrayView *a) { return obj_slots(a->object) + a->named; }

/* Argument k as a SmallInteger; false: *st says what to return. */
static bool int_arg(PrimCall *c, unsigned k, int64_t *out, PrimStatus *st)
{
    if (!value_is_int(c->args[k])) {
        *st = prim_type_error(c, k, "SmallInteger");
        return false;
    }
    *out = value_as_int(c->args[k]);
    return true;
}

/* ---- Array class ------------------------------------------------------------------------- */

static PrimStatus array_new(PrimCall *c, Value fill)
{
    int64_t n;
    PrimStatus st;
    if (!int_arg(c, 1, &n, &st)) {
        return st;
    }
    if (n < 0) {
        return prim_error(c, "size must be non-negative");
    }
    if (n > ARRAY_SIZE_MAX) {
        return prim_error(c, "requested array size exceeds maximum");
    }
    uint32_t cls = value_as_class(c->args[0]);
    size_t named = cls == CLASS_ARRAY ? 0 : vm_class(c->vm, cls)->nslots;
    Object *o;
    st = bulk_new_slots(c, cls, named + (size_t)n, fill, &o);
    if (st != PRIM_OK) {
        return st;
    }
    for (size_t i = 0; i < named; i++) {
        obj_slots(o)[i] = VALUE_NIL;
    }
    return prim_ok(c, value_ptr(o));
}

PrimStatus prim_array_new(PrimCall *c) { return array_new(c, VALUE_NIL); }
PrimStatus prim_array_new_with_all(PrimCall *c) { return array_new(c, c->args[2]); }

/* ---- elements ---------------------------------------------------------------------------- */

PrimStatus prim_array_size(PrimCall *c)
{
    ArrayView a;
    if (!array_view(c, c->args[0], &a)) {
        return prim_type_error(c, 0, "Array");
    }
    return prim_ok(c, value_int((int64_t)a.size));
}

/* The slot argument 1 names; NULL: *st says what to return. */
static Value *array_slot(PrimCall *c, ArrayView *a, PrimStatus *st)
{
    int64_t i;
    if (!array_view(c, c->args[0], a)) {
        *st = prim_type_error(c, 0, "Array");
        return NULL;
    }
    if (!int_arg(c, 1, &i, st)) {
        return NULL;
    }
    if (i < 1 || i > (int64_t)a->size) {
        *st = prim_bounds_error(c, i, (int64_t)a->size);
        return NULL;
    }
    return elements(a) + (i - 1);
}

PrimStatus prim_array_at(PrimCall *c)
{
    ArrayView a;
    PrimStatus st = PRIM_OK;
    Value *slot = array_slot(c, &a, &st);
    return slot == NULL ? st : prim_ok(c, *slot);
}

PrimStatus prim_array_at_put(PrimCall *c)
{
    ArrayView a;
    PrimStatus st = PRIM_OK;
    Value *slot = array_slot(c, &a, &st);
    if (slot == NULL) {
        return st;
    }
    if (!heap_store(c->heap, a.object, slot, c->args[2])) {
        return prim_frozen_error(c);
    }
    return prim_ok(c, c->args[2]);
}

/* ---- ranges ------------------------------------------------------------------------------ */

/* copyFrom: a to: b. Both ends are checked; b = a - 1 is the empty range. */
PrimStatus prim_array_copy(PrimCall *c)
{
    ArrayView a;
    int64_t from, to;
    PrimStatus st;
    if (!array_view(c, c->args[0], &a)) {
        return prim_type_error(c, 0, "Array");
    }
    if (!int_arg(c, 1, &from, &st) || !int_arg(c, 2, &to, &st)) {
        return st;
    }
    int64_t size = (int64_t)a.size;
    if (to < from - 1) {
        return prim_error(c, "size must be non-negative");
    }
    if (from < 1 || from > size + 1) {
        return prim_bounds_error(c, from, size);
    }
    if (to > size) {
        return prim_bounds_error(c, to, size);
    }
    Object *o;
    size_t n = (size_t)(to - from + 1);
    st = bulk_copy_slots(c, CLASS_ARRAY, n, 0, a.object, a.named + (size_t)from - 1, n, &o);
    return st == PRIM_OK ? prim_ok(c, value_ptr(o)) : st;
}

/* replaceFrom: a to: b with: source startingAt: s; other sources than Arrays are Maggie's work. */
PrimStatus prim_array_replace(PrimCall *c)
{
    ArrayView dst, src;
    int64_t from, to, start;
    PrimStatus st;
    if (!array_view(c, c->args[0], &dst)) {
        return prim_type_error(c, 0, "Array");
    }
    if (!int_arg(c, 1, &from, &st) || !int_arg(c, 2, &to, &st) || !int_arg(c, 4, &start, &st)) {
        return st;
    }
    if (!array_view(c, c->args[3], &src)) {
        return PRIM_FALLBACK;
    }
    if (to < from) {
        return prim_self(c);
    }
    if (from < 1 || to > (int64_t)dst.size) {
        return prim_bounds_error(c, from < 1 ? from : to, (int64_t)dst.size);
    }
    if (start < 1 || start > (int64_t)src.size || to - from > (int64_t)src.size - start) {
        int64_t bad = start < 1 || start > (int64_t)src.size ? start : start + (to - from);
        return prim_bounds_error(c, bad, (int64_t)src.size);
    }
    if (obj_is_frozen(dst.object)) {
        return prim_frozen_error(c);
    }
    st = bulk_move(c, dst.object, dst.named + (size_t)from - 1, src.object,
                   src.named + (size_t)start - 1, (size_t)(to - from + 1));
    return st == PRIM_OK ? prim_self(c) : st;
}

/* Elements to compare with this key between two looks at the clock. */
static size_t index_piece(Value key)
{
    size_t bytes = value_is_string(key) ? str_view(key).bytes : 0;
    return bytes < 1024 ? 256 : bytes < 65536 ? 16 : 1;
}

/* indexOf: x startingAt: i. Falls back at the first element whose = may be Maggie code. */
PrimStatus prim_array_index_of(PrimCall *c)
{
    ArrayView a;
    int64_t start;
    PrimStatus st;
    Value key = c->args[1];
    if (!array_view(c, c->args[0], &a)) {
        return prim_type_error(c, 0, "Array");
    }
    if (!int_arg(c, 2, &start, &st)) {
        return st;
    }
    if (start < 1) {
        return prim_bounds_error(c, start, (int64_t)a.size);
    }
    size_t i = (size_t)start - 1 > (size_t)c->resume->a ? (size_t)start - 1 : (size_t)c->resume->a;
    size_t piece = index_piece(key), seen = i;
    for (; i < a.size; i++) {
        Value v = elements(&a)[i];
        int equal = value_equal_builtin(c->vm, v, key);
        if (equal < 0) {
            return PRIM_FALLBACK;
        }
        if (equal > 0) {
            prim_charge(c, (i - seen) / 4);
            return prim_ok(c, value_int((int64_t)i + 1));
        }
        if (i % piece == piece - 1) {
            prim_charge(c, piece == 1 ? 512 : piece / 4);
            seen = i;
            if (prim_out_of_time(c)) {
                c->resume->a = i + 1;
                return PRIM_YIELD;
            }
        }
    }
    prim_charge(c, (i > seen ? i - seen : 0) / 4);
    return prim_ok(c, value_int(0));
}

/* ---- ArrayList --------------------------------------------------------------------------- */

enum { LIST_ITEMS, LIST_FIRST, LIST_LAST, LIST_SLOTS };

typedef struct ListView {
    Object *list;
    Object *items; /* NULL while the list has never held anything */
    int64_t first; /* 1-based */
    int64_t last;
    int64_t capacity;
} ListView;

static bool list_view(const PrimCall *c, ListView *l)
{
    Value self = c->args[0];
    if (!value_is_kind(self, OBJ_SLOTS) || obj_words(obj_of(self)) < LIST_SLOTS) {
        return false;
    }
    Object *o = obj_of(self);
    const Value *slots = obj_slots(o);
    *l = (ListView){.list = o, .first = 1, .last = 0};
    if (slots[LIST_ITEMS] == VALUE_NIL) {
        return true;
    }
    if (!value_is_kind(slots[LIST_ITEMS], OBJ_SLOTS) ||
        !value_both_int(slots[LIST_FIRST], slots[LIST_LAST])) {
        return false;
    }
    l->items = obj_of(slots[LIST_ITEMS]);
    l->first = value_as_int(slots[LIST_FIRST]);
    l->last = value_as_int(slots[LIST_LAST]);
    l->capacity = (int64_t)obj_words(l->items);
    return obj_class(l->items) == CLASS_ARRAY && l->first >= 1 && l->last <= l->capacity &&
           l->last >= l->first - 1;
}

static PrimStatus list_damaged(PrimCall *c)
{
    return prim_error(c, "the variables of the list are not those of an ArrayList");
}

static inline int64_t list_count(const ListView *l) { return l->last - l->first + 1; }
static inline Value *list_item(const ListView *l, int64_t i)
{
    return obj_slots(l->items) + (i - 1);
}

/* Stores the range; the list is not frozen. */
static void list_set_range(const ListView *l)
{
    obj_slots(l->list)[LIST_FIRST] = value_int(l->first);
    obj_slots(l->list)[LIST_LAST] = value_int(l->last);
}

PrimStatus prim_list_size(PrimCall *c)
{
    ListView l;
    return list_view(c, &l) ? prim_ok(c, value_int(list_count(&l))) : list_damaged(c);
}

static Value *list_slot(PrimCall *c, ListView *l, PrimStatus *st)
{
    int64_t i;
    if (!list_view(c, l)) {
        *st = list_damaged(c);
        return NULL;
    }
    if (!int_arg(c, 1, &i, st)) {
        return NULL;
    }
    if (i < 1 || i > list_count(l)) {
        *st = prim_bounds_error(c, i, list_count(l));
        return NULL;
    }
    return list_item(l, l->first + i - 1);
}

PrimStatus prim_list_at(PrimCall *c)
{
    ListView l;
    PrimStatus st = PRIM_OK;
    Value *slot = list_slot(c, &l, &st);
    return slot == NULL ? st : prim_ok(c, *slot);
}

PrimStatus prim_list_at_put(PrimCall *c)
{
    ListView l;
    PrimStatus st = PRIM_OK;
    Value *slot = list_slot(c, &l, &st);
    if (slot == NULL) {
        return st;
    }
    if (obj_is_frozen(l.list) || !heap_store(c->heap, l.items, slot, c->args[2])) {
        return prim_frozen_error(c);
    }
    return prim_ok(c, c->args[2]);
}

/* Gives a small list `before` free places in front and some behind; PRIM_FALLBACK when it has grown
 * so large that this is the work of Maggie code. Nothing is changed unless it answers PRIM_OK. */
static PrimStatus list_grow(PrimCall *c, ListView *l, int64_t before)
{
    int64_t count = list_count(l);
    int64_t room = before + count * 2;
    room = room < LIST_FIRST_ROOM ? LIST_FIRST_ROOM : room;
    if (room > LIST_INLINE_MAX) {
        return PRIM_FALLBACK;
    }
    PrimStatus st;
    Object *items = prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, (size_t)room, &st);
    if (items == NULL) {
        return st;
    }
    Value *to = obj_slots(items);
    for (int64_t i = 0; i < room; i++) {
        bool inside = i >= before && i < before + count;
        to[i] = inside ? *list_item(l, l->first + i - before) : VALUE_NIL;
    }
    (void)heap_store(c->heap, l->list, obj_slots(l->list) + LIST_ITEMS, value_ptr(items));
    l->items = items;
    l->capacity = room;
    l->first = before + 1;
    l->last = before + count;
    list_set_range(l);
    prim_charge(c, (size_t)room / 32);
    return PRIM_OK;
}

/* The list of args[0] ready for a change; items that are frozen (a shallow copy of a published list
 * shares them) are replaced by the growth. */
static PrimStatus list_writable(PrimCall *c, ListView *l)
{
    if (!list_view(c, l)) {
        return list_damaged(c);
    }
    return obj_is_frozen(l->list) ? prim_frozen_error(c) : PRIM_OK;
}

static inline bool list_items_fixed(const ListView *l)
{
    return l->items == NULL || obj_is_frozen(l->items);
}

PrimStatus prim_list_add(PrimCall *c)
{
    ListView l;
    PrimStatus st = list_writable(c, &l);
    if (st == PRIM_OK && (l.last == l.capacity || list_items_fixed(&l))) {
        st = list_grow(c, &l, 0);
    }
    if (st != PRIM_OK) {
        return st;
    }
    l.last++;
    (void)heap_store(c->heap, l.items, list_item(&l, l.last), c->args[1]);
    obj_slots(l.list)[LIST_LAST] = value_int(l.last);
    return prim_self(c);
}

PrimStatus prim_list_add_first(PrimCall *c)
{
    ListView l;
    PrimStatus st = list_writable(c, &l);
    if (st == PRIM_OK && (l.first == 1 || list_items_fixed(&l))) {
        st = list_grow(c, &l, list_count(&l) + 4);
    }
    if (st != PRIM_OK) {
        return st;
    }
    l.first--;
    (void)heap_store(c->heap, l.items, list_item(&l, l.first), c->args[1]);
    obj_slots(l.list)[LIST_FIRST] = value_int(l.first);
    return prim_self(c);
}

/* Takes the element at an end of the range out; the place is cleared for the collector. */
static PrimStatus list_remove_end(PrimCall *c, bool at_front)
{
    ListView l;
    PrimStatus st = list_writable(c, &l);
    if (st != PRIM_OK) {
        return st;
    }
    if (list_count(&l) == 0) {
        return prim_bounds_error(c, at_front ? 1 : 0, 0);
    }
    if (obj_is_frozen(l.items)) {
        st = list_grow(c, &l, 0);
        if (st != PRIM_OK) {
            return st;
        }
    }
    Value *slot = list_item(&l, at_front ? l.first : l.last);
    Value v = *slot;
    *slot = VALUE_NIL;
    if (at_front) {
        l.first++;
    } else {
        l.last--;
    }
    if (l.last < l.first) {
        l.first = 1;
        l.last = 0;
    }
    list_set_range(&l);
    return prim_ok(c, v);
}

PrimStatus prim_list_remove_first(PrimCall *c) { return list_remove_end(c, true); }
PrimStatus prim_list_remove_last(PrimCall *c) { return list_remove_end(c, false); }
