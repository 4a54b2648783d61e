/* SPDX-License-Identifier: Apache-2.0 */
/* prims_dict.c - primitives of Dictionary: hashing and lookup for built-in keys, and the probes,
 * insertions and rehashing that the Maggie side builds the rest from.
 *
 * A Dictionary has three variables, all nil while it is new:
 *   entries  plain Array, three words per entry in order of insertion: key, value, hash (a
 *            non-negative SmallInteger). A removed entry has all three nil.
 *   table    a SmallInteger while there are at most DICT_SMALL entries, which are searched one
 *            after the other; otherwise a WordArray: word 0 = entries used, then 32-bit slots, two
 *            per word, a power of two in number: 0 free, otherwise number of an entry + 1 in the
 *            low bits (those of the mask) and a tag, bits of the hash, in the others
 *   tally    entries present
 * "Used" entries include removed ones; they are squeezed out when the entries are full. A slot
 * keeps pointing to a removed entry, so probing goes on past it.
 *
 * Equality with a built-in key (valueops.h) needs no Maggie code whatever the other side is, so one
 * primitive call does it all. Other keys take the fallback method, which sends hash and =.
 * The variables are checked at each use, because a subclass may assign them.
 *
 * Threads: the owner of the process.
 */
#include "prims.h"
#include "prims_bulk.h"
#include "valueops.h"
#include "vm.h"

enum { DICT_ENTRIES_SLOT = 1, DICT_TABLE_SLOT = 0, DICT_TALLY_SLOT = 2, DICT_SLOTS = 3 };
enum { ENTRY_KEY, ENTRY_VALUE, ENTRY_HASH, ENTRY_WORDS };

#define DICT_SMALL 8 /* entries searched without a table */
#define DICT_FIRST 4 /* capacity of the first entries array */
/* Growth up to this capacity is done inside at:put:, beyond it in Maggie code, in pieces. */
#define DICT_INLINE_MAX 512
#define DICT_HASH_MASK ((UINT64_C(1) << 47) - 1)
#define REHASH_PIECE 256

typedef struct Dict {
    Object *self;
    Object *entries; /* NULL: new */
    Object *table;   /* NULL: small */
    uint32_t *slots; /* of the table */
    uint64_t mask;   /* number of slots - 1 */
    size_t used;
    size_t capacity; /* entries there is room for */
    size_t tally;
} Dict;

/* ---- views ------------------------------------------------------------------------------- */

static bool table_view(Object *table, uint32_t **slots, uint64_t *mask)
{
    size_t words = obj_words(table);
    if (words < 2 || ((words - 1) & (words - 2)) != 0) {
        return false;
    }
    *slots = (uint32_t *)(obj_slots(table) + 1);
    *mask = (words - 1) * 2 - 1;
    return true;
}

static bool dict_view(Value v, Dict *d)
{
    if (!value_is_kind(v, OBJ_SLOTS) || obj_words(obj_of(v)) < DICT_SLOTS) {
        return false;
    }
    *d = (Dict){.self = obj_of(v)};
    const Value *slots = obj_slots(d->self);
    if (slots[DICT_ENTRIES_SLOT] == VALUE_NIL) {
        return true;
    }
    if (!value_is_kind(slots[DICT_ENTRIES_SLOT], OBJ_SLOTS) ||
        !value_is_int(slots[DICT_TALLY_SLOT])) {
        return false;
    }
    d->entries = obj_of(slots[DICT_ENTRIES_SLOT]);
    d->capacity = obj_words(d->entries) / ENTRY_WORDS;
    d->tally = (size_t)value_as_int(slots[DICT_TALLY_SLOT]);
    if (value_is_int(slots[DICT_TABLE_SLOT])) {
        d->used = (size_t)value_as_int(slots[DICT_TABLE_SLOT]);
    } else if (value_is_kind(slots[DICT_TABLE_SLOT], OBJ_WORDS)) {
        d->table = obj_of(slots[DICT_TABLE_SLOT]);
        if (!table_view(d->table, &d->slots, &d->mask)) {
            return false;
        }
        d->used = (size_t)obj_slots(d->table)[0];
    } else {
        return false;
    }
    return d->used <= d->capacity && d->tally <= d->used;
}

static PrimStatus dict_damaged(PrimCall *c)
{
    return prim_error(c, "the variables of the dictionary are not those of a Dictionary");
}

static inline Value *entry_at(const Dict *d, size_t e)
{
    return obj_slots(d->entries) + e * ENTRY_WORDS;
}

/* Position of an entry's key in the entries array as Maggie code counts; 0 for none. */
static inline Value entry_position(int64_t e) { return value_int(e < 0 ? 0 : e * ENTRY_WORDS + 1); }

/* ---- hashing ----------------------------------------------------------------------------- */

/* The form in which hashes are stored; the same for built-in keys and for answers of `hash`. */
static inline uint64_t hash_fold(uint64_t h) { return value_fold_hash(h & DICT_HASH_MASK); }

/* Keys whose equality is identity of the word. */
static inline bool key_is_word(Value key)
{
    return value_is_int(key) || (!value_is_ptr(key) && !value_is_float(key));
}

/* False when hash and = of the key may be Maggie code. */
static inline bool key_hash(PrimCall *c, Value key, uint64_t *hash)
{
    if (value_is_int(key)) {
        *hash = hash_fold((uint64_t)value_as_int(key));
        return true;
    }
    uint32_t h;
    if (!value_hash_builtin(c->vm, key, &h)) {
        return false;
    }
    if (value_is_string(key)) {
        prim_charge(c, str_view(key).bytes / 32); /* hashed byte by byte, then compared */
    }
    *hash = h;
    return true;
}

/* Where probing begins: close integers stay close together, while keys that differ only in their
 * higher bits are spread. */
static inline uint64_t probe_first(uint64_t h, uint64_t mask)
{
    return (h ^ h >> 7 ^ h >> 15) & mask;
}

/* The next slot; `perturb` starts as the hash and brings its higher bits in. Once it is 0 the
 * sequence visits every slot. */
static inline uint64_t probe_next(uint64_t i, uint64_t *perturb, uint64_t mask)
{
    *perturb >>= 5;
    return (i * 5 + 1 + *perturb) & mask;
}

/* The bits of a slot beyond the entry number: they tell most other keys without a look at the
 * entry, which is a cache miss in a large dictionary. */
static inline uint32_t slot_tag(uint64_t h, uint64_t mask)
{
    return ((uint32_t)h * 0x9E3779B1u) & ~(uint32_t)mask;
}

static inline bool slot_has_tag(uint32_t slot, uint32_t tag, uint64_t mask)
{
    return (slot & ~(uint32_t)mask) == tag;
}

/* Number of the entry + 1. */
static inline size_t slot_entry(uint32_t slot, uint64_t mask) { return slot & (uint32_t)mask; }

/* Steps after which every slot has been seen. */
static inline uint64_t probe_limit(uint64_t mask) { return mask + 16; }

/* ---- lookup of built-in keys -------------------------------------------------------------- */

static inline bool entry_matches(PrimCall *c, const Value *e, Value key, Value hash, bool word)
{
    if (e[ENTRY_KEY] == key && e[ENTRY_HASH] == hash) {
        return word || !value_is_float(key) || value_equal_builtin(c->vm, e[ENTRY_KEY], key) > 0;
    }
    return !word && e[ENTRY_HASH] == hash && value_equal_builtin(c->vm, e[ENTRY_KEY], key) > 0;
}

/* Number of the entry, or -1. */
static int64_t dict_find(PrimCall *c, const Dict *d, Value key, uint64_t h)
{
    Value hash = value_int((int64_t)h);
    bool word = key_is_word(key);
    if (d->table == NULL) {
        for (size_t e = 0; e < d->used; e++) {
            if (entry_matches(c, entry_at(d, e), key, hash, word)) {
                return (int64_t)e;
            }
        }
        return -1;
    }
    uint64_t i = probe_first(h, d->mask), perturb = h;
    uint64_t limit = probe_limit(d->mask);
    uint32_t tag = slot_tag(h, d->mask);
    for (uint64_t steps = 0; steps < limit; steps++) {
        uint32_t slot = d->slots[i];
        if (slot == 0) {
            break;
        }
        if (slot_has_tag(slot, tag, d->mask)) {
            size_t n = slot_entry(slot, d->mask);
            if (n - 1 < d->used && entry_matches(c, entry_at(d, n - 1), key, hash, word)) {
                return (int64_t)n - 1;
            }
        }
        if ((steps & 15) == 15) {
            prim_charge(c, 1);
        }
        i = probe_next(i, &perturb, d->mask);
    }
    return -1;
}

/* The beginning of the primitives for a key in args[1]: PRIM_OK with *e the entry or -1. */
static inline PrimStatus dict_lookup(PrimCall *c, Dict *d, uint64_t *h, int64_t *e)
{
    *h = 0;
    *e = -1;
    if (!dict_view(c->args[0], d)) {
        return dict_damaged(c);
    }
    if (!key_hash(c, c->args[1], h)) {
        return PRIM_FALLBACK;
    }
    *e = d->entries == NULL ? -1 : dict_find(c, d, c->args[1], *h);
    return PRIM_OK;
}

PrimStatus prim_dict_at(PrimCall *c)
{
    Dict d;
    uint64_t h;
    int64_t e;
    PrimStatus st = dict_lookup(c, &d, &h, &e);
    if (st != PRIM_OK) {
        return st;
    }
    return prim_ok(c, e < 0 ? VALUE_NIL : entry_at(&d, (size_t)e)[ENTRY_VALUE]);
}

PrimStatus prim_dict_includes_key(PrimCall *c)
{
    Dict d;
    uint64_t h;
    int64_t e;
    PrimStatus st = dict_lookup(c, &d, &h, &e);
    return st != PRIM_OK ? st : prim_ok(c, value_bool(e >= 0));
}

/* _indexOf: key, the position of the key in `entries`, 0 when absent. */
PrimStatus prim_dict_index_of(PrimCall *c)
{
    Dict d;
    uint64_t h;
    int64_t e;
    PrimStatus st = dict_lookup(c, &d, &h, &e);
    return st != PRIM_OK ? st : prim_ok(c, entry_position(e));
}

PrimStatus prim_dict_size(PrimCall *c)
{
    Dict d;
    return dict_view(c->args[0], &d) ? prim_ok(c, value_int((int64_t)d.tally)) : dict_damaged(c);
}

/* _hashOf: key, for keys that need no send. */
PrimStatus prim_dict_hash_of(PrimCall *c)
{
    uint64_t h;
    return key_hash(c, c->args[1], &h) ? prim_ok(c, value_int((int64_t)h)) : PRIM_FALLBACK;
}

/* ---- storing ----------------------------------------------------------------------------- */

static void slots_insert(uint32_t *slots, uint64_t mask, uint64_t h, size_t e)
{
    uint64_t i = probe_first(h, mask), perturb = h;
    uint64_t limit = probe_limit(mask); /* never reached: at most half of the slots are taken */
    while (slots[i] != 0 && limit-- > 0) {
        i = probe_next(i, &perturb, mask);
    }
    slots[i] = ((uint32_t)e + 1) | slot_tag(h, mask);
}

/* Room for one more entry, in entries and table that may be changed? */
static bool dict_has_room(const Dict *d)
{
    if (d->entries == NULL || d->used >= d->capacity || obj_is_frozen(d->entries)) {
        return false;
    }
    if (d->table == NULL) {
        return d->used < DICT_SMALL;
    }
    return !obj_is_frozen(d->table) && d->used < (d->mask + 1) / 2;
}

static void dict_set_used(Dict *d)
{
    if (d->table == NULL) {
        obj_slots(d->self)[DICT_TABLE_SLOT] = value_int((int64_t)d->used);
    } else {
        obj_slots(d->table)[0] = d->used;
    }
    obj_slots(d->self)[DICT_TALLY_SLOT] = value_int((int64_t)d->tally);
}

/* Adds an entry; there is room and the key is absent. */
static void dict_append(PrimCall *c, Dict *d, Value key, Value value, uint64_t h)
{
    Value *e = entry_at(d, d->used);
    (void)heap_store(c->heap, d->entries, e + ENTRY_KEY, key);
    (void)heap_store(c->heap, d->entries, e + ENTRY_VALUE, value);
    e[ENTRY_HASH] = value_int((int64_t)h);
    if (d->table != NULL) {
        slots_insert(d->slots, d->mask, h, d->used);
    }
    d->used++;
    d->tally++;
    dict_set_used(d);
}

/* Capacity after the next growth: mostly removed entries mean squeezing instead of growing. */
static size_t dict_next_capacity(const Dict *d)
{
    size_t want = d->tally + d->tally / 2 + 1;
    size_t capacity = DICT_FIRST;
    while (capacity < want) {
        capacity *= 2;
    }
    return capacity;
}

static void squeeze(const Dict *d, size_t *from, size_t end, Value *to, size_t *at, uint32_t *slots,
                    uint64_t mask)
{
    for (; *from < end; ++*from) {
        const Value *e = entry_at(d, *from);
        if (e[ENTRY_HASH] == VALUE_NIL) {
            continue;
        }
        memcpy(to + *at * ENTRY_WORDS, e, ENTRY_WORDS * sizeof *e);
        if (slots != NULL) {
            slots_insert(slots, mask, (uint64_t)value_as_int(e[ENTRY_HASH]), *at);
        }
        ++*at;
    }
}

/* Grows or squeezes a dictionary of moderate size at once. PRIM_FALLBACK: too large for that.
 * Nothing is changed unless the answer is PRIM_OK. */
static PrimStatus dict_grow(PrimCall *c, Dict *d)
{
    size_t capacity = dict_next_capacity(d);
    if (capacity > DICT_INLINE_MAX || d->used > 2 * DICT_INLINE_MAX) {
        return PRIM_FALLBACK;
    }
    PrimStatus st;
    size_t words = capacity * ENTRY_WORDS;
    Object *table = NULL;
    if (capacity > DICT_SMALL) {
        table = prim_new(c, CLASS_WORD_ARRAY, OBJ_WORDS, 0, capacity + 1, &st);
        if (table == NULL) {
            return st;
        }
        memset(obj_slots(table), 0, (capacity + 1) * sizeof(Value));
    }
    Object *entries = prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, words, &st);
    if (entries == NULL) {
        return st;
    }
    Value *to = obj_slots(entries);
    Dict grown = {.self = d->self, .entries = entries, .table = table, .capacity = capacity};
    if (table != NULL) {
        (void)table_view(table, &grown.slots, &grown.mask);
    }
    size_t from = 0;
    squeeze(d, &from, d->used, to, &grown.used, grown.slots, grown.mask);
    grown.tally = grown.used;
    for (size_t i = grown.used * ENTRY_WORDS; i < words; i++) {
        to[i] = VALUE_NIL;
    }
    Value *slots = obj_slots(d->self);
    (void)heap_store(c->heap, d->self, slots + DICT_ENTRIES_SLOT, value_ptr(entries));
    if (table != NULL) {
        (void)heap_store(c->heap, d->self, slots + DICT_TABLE_SLOT, value_ptr(table));
    }
    prim_charge(c, words / 16);
    *d = grown;
    dict_set_used(d);
    return PRIM_OK;
}

PrimStatus prim_dict_at_put(PrimCall *c)
{
    Dict d;
    uint64_t h;
    int64_t e;
    PrimStatus st = dict_lookup(c, &d, &h, &e);
    if (st != PRIM_OK) {
        return st;
    }
    if (obj_is_frozen(d.self)) {
        return prim_frozen_error(c);
    }
    if (e >= 0 && !obj_is_frozen(d.entries)) {
        (void)heap_store(c->heap, d.entries, entry_at(&d, (size_t)e) + ENTRY_VALUE, c->args[2]);
        return prim_ok(c, c->args[2]);
    }
    if (!dict_has_room(&d)) {
        st = dict_grow(c, &d);
        if (st != PRIM_OK) {
            return st;
        }
        e = e < 0 ? e : dict_find(c, &d, c->args[1], h);
    }
    if (e >= 0) {
        (void)heap_store(c->heap, d.entries, entry_at(&d, (size_t)e) + ENTRY_VALUE, c->args[2]);
    } else {
        dict_append(c, &d, c->args[1], c->args[2], h);
    }
    return prim_ok(c, c->args[2]);
}

/* Takes entry e out and answers its value. */
static Value dict_remove(Dict *d, size_t e)
{
    Value *entry = entry_at(d, e);
    Value old = entry[ENTRY_VALUE];
    entry[ENTRY_KEY] = entry[ENTRY_VALUE] = entry[ENTRY_HASH] = VALUE_NIL;
    d->tally--;
    if (d->tally == 0 && d->table == NULL) {
        d->used = 0;
    }
    dict_set_used(d);
    return old;
}

PrimStatus prim_dict_remove_key(PrimCall *c)
{
    Dict d;
    uint64_t h;
    int64_t e;
    PrimStatus st = dict_lookup(c, &d, &h, &e);
    if (st != PRIM_OK) {
        return st;
    }
    if (e < 0) {
        return prim_ok(c, VALUE_NIL);
    }
    if (obj_is_frozen(d.self)) {
        return prim_frozen_error(c);
    }
    if (obj_is_frozen(d.entries) || (d.table != NULL && obj_is_frozen(d.table))) {
        return PRIM_FALLBACK;
    }
    return prim_ok(c, dict_remove(&d, (size_t)e));
}

/* ---- what the fallback methods are built from -------------------------------------------- */

/* A hash that Maggie code computed, in args[k]. */
static bool hash_arg(PrimCall *c, unsigned k, uint64_t *h, PrimStatus *st)
{
    Value v = c->args[k];
    if (value_is_int(v)) {
        *h = hash_fold((uint64_t)value_as_int(v));
    } else if (value_is_kind(v, OBJ_BIG_INT)) {
        *h = hash_fold(obj_slots(obj_of(v))[0]);
    } else {
        *st = prim_error(c, "hash must answer an integer");
        return false;
    }
    return true;
}

/* Calls for each entry with hash h in probing order, until `visit` answers false. */
static void each_candidate(PrimCall *c, const Dict *d, uint64_t h,
                           bool (*visit)(void *arg, size_t entry), void *arg)
{
    Value hash = value_int((int64_t)h);
    if (d->table == NULL) {
        for (size_t e = 0; e < d->used; e++) {
            if (entry_at(d, e)[ENTRY_HASH] == hash && !visit(arg, e)) {
                return;
            }
        }
        return;
    }
    uint64_t i = probe_first(h, d->mask), perturb = h;
    uint64_t limit = probe_limit(d->mask);
    uint32_t tag = slot_tag(h, d->mask);
    for (uint64_t steps = 0; steps < limit && d->slots[i] != 0; steps++) {
        size_t e = slot_entry(d->slots[i], d->mask) - 1;
        if (slot_has_tag(d->slots[i], tag, d->mask) && e < d->used &&
            entry_at(d, e)[ENTRY_HASH] == hash && !visit(arg, e)) {
            return;
        }
        if ((steps & 15) == 15) {
            prim_charge(c, 1);
        }
        i = probe_next(i, &perturb, d->mask);
    }
}

typedef struct Search {
    const Dict *d;
    Value key;
    int64_t first;     /* first candidate, -1: none */
    int64_t identical; /* -1: none */
    size_t count;
    Value *out; /* positions, or NULL */
} Search;

static bool search_visit(void *arg, size_t e)
{
    Search *s = arg;
    s->first = s->first < 0 ? (int64_t)e : s->first;
    if (entry_at(s->d, e)[ENTRY_KEY] == s->key) {
        s->identical = (int64_t)e;
        return false;
    }
    return true;
}

/* _find: key hash: h. Position of the identical key; otherwise minus that of the first entry
 * with this hash, whose key must be compared by =; 0 when there is none. */
PrimStatus prim_dict_find_hash(PrimCall *c)
{
    Dict d;
    uint64_t h;
    PrimStatus st;
    if (!dict_view(c->args[0], &d)) {
        return dict_damaged(c);
    }
    if (!hash_arg(c, 2, &h, &st)) {
        return st;
    }
    Search s = {.d = &d, .key = c->args[1], .first = -1, .identical = -1};
    if (d.entries != NULL) {
        each_candidate(c, &d, h, search_visit, &s);
    }
    if (s.identical >= 0) {
        return prim_ok(c, entry_position(s.identical));
    }
    return prim_ok(c, value_int(-value_as_int(entry_position(s.first))));
}

static bool collect_visit(void *arg, size_t e)
{
    Search *s = arg;
    if (s->out != NULL) {
        s->out[s->count] = entry_position((int64_t)e);
    }
    s->count++;
    return true;
}

/* _candidates: h. Array of the positions of all entries with this hash. */
PrimStatus prim_dict_candidates(PrimCall *c)
{
    Dict d;
    uint64_t h;
    PrimStatus st;
    if (!dict_view(c->args[0], &d)) {
        return dict_damaged(c);
    }
    if (!hash_arg(c, 1, &h, &st)) {
        return st;
    }
    Search s = {.d = &d};
    if (d.entries != NULL) {
        each_candidate(c, &d, h, collect_visit, &s);
    }
    Object *array = prim_new(c, CLASS_ARRAY, OBJ_SLOTS, 0, s.count, &st);
    if (array == NULL) {
        return st;
    }
    s.out = obj_slots(array);
    s.count = 0;
    if (d.entries != NULL) {
        each_candidate(c, &d, h, collect_visit, &s);
    }
    return prim_ok(c, value_ptr(array));
}

/* _append: key value: v hash: h. The key is absent. Answers false when there is no room. */
PrimStatus prim_dict_append(PrimCall *c)
{
    Dict d;
    uint64_t h;
    PrimStatus st;
    if (!dict_view(c->args[0], &d)) {
        return dict_damaged(c);
    }
    if (!hash_arg(c, 3, &h, &st)) {
        return st;
    }
    if (obj_is_frozen(d.self)) {
        return prim_frozen_error(c);
    }
    if (!dict_has_room(&d)) {
        st = dict_grow(c, &d);
        if (st == PRIM_FALLBACK) {
            return prim_ok(c, VALUE_FALSE);
        }
        if (st != PRIM_OK) {
            return st;
        }
    }
    dict_append(c, &d, c->args[1], c->args[2], h);
    return prim_ok(c, VALUE_TRUE);
}

/* _removeAt: position. Answers the old value. */
PrimStatus prim_dict_remove_at(PrimCall *c)
{
    Dict d;
    if (!dict_view(c->args[0], &d)) {
        return dict_damaged(c);
    }
    int64_t position = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : 0;
    if (position < 1 || (size_t)(position - 1) / ENTRY_WORDS >= d.used) {
        return prim_bounds_error(c, position, (int64_t)d.used);
    }
    if (obj_is_frozen(d.self) || obj_is_frozen(d.entries) ||
        (d.table != NULL && obj_is_frozen(d.table))) {
        return prim_frozen_error(c);
    }
    return prim_ok(c, dict_remove(&d, (size_t)(position - 1) / ENTRY_WORDS));
}

/* _used: entries in use, removed ones included: how far an iteration has to look. */
PrimStatus prim_dict_used(PrimCall *c)
{
    Dict d;
    return dict_view(c->args[0], &d) ? prim_ok(c, value_int((int64_t)d.used)) : dict_damaged(c);
}

/* _nextCapacity: what _rehashInto:table: should be given room for. */
PrimStatus prim_dict_next_capacity(PrimCall *c)
{
    Dict d;
    if (!dict_view(c->args[0], &d)) {
        return dict_damaged(c);
    }
    size_t capacity = dict_next_capacity(&d);
    return prim_ok(c, value_int((int64_t)(capacity > DICT_SMALL ? capacity : 2 * DICT_SMALL)));
}

/* The pieces of a rehash: entries from resume->a on go to place resume->b. */
static PrimStatus rehash_pieces(PrimCall *c, Dict *d, Object *entries, uint32_t *slots,
                                uint64_t mask)
{
    size_t from = (size_t)c->resume->a;
    size_t at = (size_t)c->resume->b;
    while (from < d->used) {
        size_t end = d->used - from < REHASH_PIECE ? d->used : from + REHASH_PIECE;
        Value piece[REHASH_PIECE * ENTRY_WORDS];
        size_t n = 0;
        for (; from < end; from++) {
            const Value *e = entry_at(d, from);
            if (e[ENTRY_HASH] != VALUE_NIL) {
                memcpy(piece + n * ENTRY_WORDS, e, ENTRY_WORDS * sizeof *e);
                slots_insert(slots, mask, (uint64_t)value_as_int(e[ENTRY_HASH]), at + n);
                n++;
            }
        }
        bulk_store(c, entries, at * ENTRY_WORDS, piece, n * ENTRY_WORDS);
        at += n;
        prim_charge(c, REHASH_PIECE / 4);
        c->resume->a = from;
        c->resume->b = at;
        if (prim_out_of_time(c) && from < d->used) {
            return PRIM_YIELD;
        }
    }
    return PRIM_OK;
}

/* _rehashInto: entries table: table. Moves the entries into fresh arrays (all nil, all zero) that
 * have room for them, and makes those the dictionary's. */
PrimStatus prim_dict_rehash(PrimCall *c)
{
    Dict d;
    if (!dict_view(c->args[0], &d)) {
        return dict_damaged(c);
    }
    if (obj_is_frozen(d.self)) {
        return prim_frozen_error(c);
    }
    if (!value_is_kind(c->args[1], OBJ_SLOTS) || obj_is_frozen(obj_of(c->args[1]))) {
        return prim_type_error(c, 1, "Array");
    }
    if (!value_is_kind(c->args[2], OBJ_WORDS) || obj_is_frozen(obj_of(c->args[2]))) {
        return prim_type_error(c, 2, "WordArray");
    }
    Dict grown = {.self = d.self, .entries = obj_of(c->args[1]), .table = obj_of(c->args[2])};
    if (!table_view(grown.table, &grown.slots, &grown.mask) ||
        obj_words(grown.entries) / ENTRY_WORDS < d.tally + 1 || (grown.mask + 1) / 2 <= d.tally) {
        return prim_error(c, "not enough room");
    }
    PrimStatus st = rehash_pieces(c, &d, grown.entries, grown.slots, grown.mask);
    if (st != PRIM_OK) {
        return st;
    }
    Value *slots = obj_slots(d.self);
    (void)heap_store(c->heap, d.self, slots + DICT_ENTRIES_SLOT, c->args[1]);
    (void)heap_store(c->heap, d.self, slots + DICT_TABLE_SLOT, c->args[2]);
    grown.used = grown.tally = (size_t)c->resume->b;
    dict_set_used(&grown);
    return prim_self(c);
}

/* ---- identity ---------------------------------------------------------------------------- */

/* The hash an IdentityDictionary uses: _identityHashOf: key. */
PrimStatus prim_dict_identity_hash(PrimCall *c)
{
    Value key = c->args[1];
    uint64_t h = value_is_ptr(key)   ? heap_identity_hash(c->heap, obj_of(key))
                 : value_is_int(key) ? (uint64_t)value_as_int(key)
                                     : key ^ key >> 40;
    return prim_ok(c, value_int((int64_t)hash_fold(h)));
}
