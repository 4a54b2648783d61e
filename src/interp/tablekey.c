/* SPDX-License-Identifier: Apache-2.0 */
/* tablekey.c - keys of Tables; see tablekey.h.
 * Threads: as there. Recursion is bounded by TABLEKEY_DEPTH, which keys are checked for first. */
#include "tablekey.h"

#include <string.h>

#include "bigint.h"
#include "hash.h"
#include "numops.h"
#include "strbuf.h"
#include "valueops.h"
#include "vm.h"

typedef enum {
    RANK_NUMBER,
    RANK_CHAR,
    RANK_SYMBOL,
    RANK_STRING,
    RANK_OTHER,
    RANK_ARRAY,
    RANK_NONE
} Rank;

static Rank rank_of(Value v)
{
    if (value_is_int(v) || value_is_float(v))
        return RANK_NUMBER;
    if (!value_is_ptr(v))
        return value_is_char(v) ? RANK_CHAR : value_is_symbol(v) ? RANK_SYMBOL : RANK_OTHER;
    if (value_is_kind(v, OBJ_BIG_INT))
        return RANK_NUMBER;
    if (value_is_string(v) && obj_class(obj_of(v)) == CLASS_STRING)
        return RANK_STRING;
    if (value_is_kind(v, OBJ_SLOTS) && obj_class(obj_of(v)) == CLASS_ARRAY)
        return RANK_ARRAY;
    return RANK_NONE;
}

/* ---- hash ----------------------------------------------------------------------------------- */

typedef struct KeyWalk {
    uint64_t hash;
    size_t room; /* bytes and elements left */
} KeyWalk;

static const char *walk(KeyWalk *w, Value v, unsigned depth)
{
    static const char too_big[] = "the key is too big";
    uint64_t one = v;
    Rank rank = rank_of(v);
    if (rank == RANK_NONE)
        return "a key is a number, String, Symbol, Character, Process, or an Array of those";
    if (value_is_float(v) && value_as_float(v) != value_as_float(v))
        return "a key must equal itself";
    size_t size = rank == RANK_STRING                      ? str_view(v).bytes
                  : rank == RANK_ARRAY                     ? obj_words(obj_of(v)) * sizeof(Value)
                  : rank == RANK_NUMBER && value_is_ptr(v) ? obj_words(obj_of(v)) * sizeof(Value)
                                                           : sizeof(Value);
    if (size > w->room || depth > TABLEKEY_DEPTH)
        return too_big;
    w->room -= size;
    if (rank == RANK_ARRAY) {
        const Value *slots = obj_slots(obj_of(v));
        size_t n = obj_words(obj_of(v));
        w->hash = hash_fold64(w->hash, n);
        for (size_t i = 0; i < n; i++) {
            const char *why = walk(w, slots[i], depth + 1);
            if (why)
                return why;
        }
        return NULL;
    }
    /* floats: 0.0 and -0.0 are equal; strings, big integers: by contents */
    if ((value_is_ptr(v) || value_is_float(v)) && !value_hash_answer(v, &one))
        return too_big;
    w->hash = hash_fold64(w->hash, one ^ (uint64_t)rank << 60);
    return NULL;
}

const char *tablekey_hash(Value key, uint64_t *hash)
{
    KeyWalk w = {.hash = UINT64_C(0x51AFD7ED558CCD25), .room = TABLEKEY_BYTES};
    const char *why = walk(&w, key, 0);
    *hash = w.hash;
    return why;
}

/* ---- order ---------------------------------------------------------------------------------- */

static int compare_words(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

static int compare_bytes(const void *a, size_t an, const void *b, size_t bn)
{
    int order = memcmp(a, b, an < bn ? an : bn);
    return order ? order : compare_words(an, bn);
}

static int compare_numbers(Value a, Value b)
{
    if (value_both_int(a, b))
        return compare_words(a, b);
    if (value_is_float(a) && value_is_float(b)) {
        double x = value_as_float(a), y = value_as_float(b);
        return (x > y) - (x < y);
    }
    if (value_is_float(a))
        return -compare_numbers(b, a);
    BigLimb store, other;
    BigView x = value_is_int(a) ? bigint_of_int64(value_as_int(a), &store) : num_big_view(a);
    if (value_is_float(b)) {
        int order = bigint_compare_double(x, value_as_float(b));
        return order ? order : -1;
    }
    BigView y = value_is_int(b) ? bigint_of_int64(value_as_int(b), &other) : num_big_view(b);
    return bigint_compare(x, y);
}

static int compare_symbols(const Vm *vm, Value a, Value b)
{
    if (a == b)
        return 0;
    SymtabName x = symtab_name(vm->symtab, value_as_symbol(a));
    SymtabName y = symtab_name(vm->symtab, value_as_symbol(b));
    return compare_bytes(x.bytes, x.len, y.bytes, y.len);
}

int tablekey_compare(const void *vm, Value a, Value b)
{
    Rank rank = rank_of(a), other = rank_of(b);
    if (rank != other)
        return rank < other ? -1 : 1;
    if (rank == RANK_NUMBER)
        return compare_numbers(a, b);
    if (rank == RANK_SYMBOL)
        return compare_symbols(vm, a, b);
    if (rank == RANK_STRING) {
        StrView x = str_view(a), y = str_view(b);
        return compare_bytes(x.data, x.bytes, y.data, y.bytes);
    }
    if (rank != RANK_ARRAY)
        return compare_words(a, b);
    size_t m = obj_words(obj_of(a)), n = obj_words(obj_of(b));
    for (size_t i = 0; i < m && i < n; i++) {
        int order = tablekey_compare(vm, obj_slots(obj_of(a))[i], obj_slots(obj_of(b))[i]);
        if (order)
            return order;
    }
    return compare_words(m, n);
}
