/* SPDX-License-Identifier: Apache-2.0 */
/* prims_sort.c - Array>>sort for arrays of one kind of element (M14): all SmallIntegers, all Floats
 * without NaN, or all Strings. Everything else is the fallback's work, a merge sort in Maggie.
 *
 * A stable bottom-up merge sort between two halves of a scratch WORDS object, which the collector
 * never looks into: integers and floats stand there as they are, strings as (first eight bytes,
 * place in the array) while the array itself stays untouched. At the end the array is rewritten:
 * copied for numbers, permuted by swaps for strings, so that at each yield it holds all its
 * elements. The state of a sort that yields stands in the first words of the scratch object.
 *
 * Threads: the owner of the process.
 */
#include "prims.h"
#include "prims_array.h"

#define SORT_RUN 16           /* runs of this length are made by insertion */
#define SORT_PIECE 2048       /* records between two looks at the clock; a multiple of SORT_RUN */
#define SORT_SMALL 48         /* numbers up to this count are sorted in place */
#define SORT_STRING_PIECE 256 /* the same for strings, whose comparison takes longer */
#define SORT_STRING_MAX 2048  /* bytes: longer strings are compared in Maggie code */

typedef enum { SORT_NONE, SORT_INTS, SORT_FLOATS, SORT_STRINGS } SortKind;
typedef enum { STEP_LOAD, STEP_RUNS, STEP_MERGE, STEP_STORE } SortStep;

/* First words of the scratch object. */
typedef struct SortState {
    uint64_t step;  /* SortStep */
    uint64_t kind;  /* SortKind */
    uint64_t width; /* length of the sorted runs in the source half */
    uint64_t lo;    /* STEP_MERGE: start of the pair of runs; STEP_STORE: start of the cycle */
    uint64_t i, j;  /* STEP_MERGE: next of the left and of the right run; else records done */
    uint64_t half;  /* 0: the first half is the source */
    uint64_t piece; /* records between two looks at the clock */
} SortState;
#define SORT_STATE_WORDS (sizeof(SortState) / 8)

typedef struct StringRecord {
    uint64_t prefix; /* first eight bytes, most significant first, padded with zeros */
    uint64_t index;  /* place in the array */
} StringRecord;

static inline bool less_int(uint64_t a, uint64_t b, const Value *array)
{
    (void)array;
    return a < b; /* the bias keeps the order of integers */
}

static inline bool less_float(uint64_t a, uint64_t b, const Value *array)
{
    (void)array;
    return value_as_float(a) < value_as_float(b);
}

static bool less_whole_string(Value a, Value b)
{
    StrView x = str_view(a);
    StrView y = str_view(b);
    size_t n = x.bytes < y.bytes ? x.bytes : y.bytes;
    int order = memcmp(x.data, y.data, n);
    return order != 0 ? order < 0 : x.bytes < y.bytes;
}

static inline bool less_string(StringRecord a, StringRecord b, const Value *array)
{
    if (__builtin_expect(a.prefix != b.prefix, 1)) {
        return a.prefix < b.prefix;
    }
    return less_whole_string(array[a.index], array[b.index]);
}

/* SORT_FUNCTIONS(kind, Record): insertion_<kind> sorts n records; merge_<kind> goes on with what is
 * described by `s` for at most s->piece records and answers how many were written. */
#define SORT_FUNCTIONS(kind, Record)                                                               \
    static void insertion_##kind(Record *r, size_t n, const Value *array)                          \
    {                                                                                              \
        for (size_t i = 1; i < n; i++) {                                                           \
            Record x = r[i];                                                                       \
            size_t j = i;                                                                          \
            for (; j > 0 && less_##kind(x, r[j - 1], array); j--) {                                \
                r[j] = r[j - 1];                                                                   \
            }                                                                                      \
            r[j] = x;                                                                              \
        }                                                                                          \
    }                                                                                              \
    static size_t merge_##kind(SortState *s, const Record *from, Record *to, size_t n,             \
                               const Value *array)                                                 \
    {                                                                                              \
        size_t mid = s->lo + s->width < n ? s->lo + s->width : n;                                  \
        size_t hi = mid + s->width < n ? mid + s->width : n;                                       \
        size_t i = s->i, j = s->j, k = i + j - mid, begin = k;                                     \
        size_t end = k + s->piece;                                                                 \
        while (i < mid && j < hi && k < end) {                                                     \
            bool right = less_##kind(from[j], from[i], array);                                     \
            to[k++] = right ? from[j] : from[i];                                                   \
            j += right;                                                                            \
            i += !right;                                                                           \
        }                                                                                          \
        if (j == hi) {                                                                             \
            while (i < mid && k < end) {                                                           \
                to[k++] = from[i++];                                                               \
            }                                                                                      \
        } else if (i == mid) {                                                                     \
            while (j < hi && k < end) {                                                            \
                to[k++] = from[j++];                                                               \
            }                                                                                      \
        }                                                                                          \
        s->i = i;                                                                                  \
        s->j = j;                                                                                  \
        if (i == mid && j == hi) { /* next pair of runs */                                         \
            s->lo = hi;                                                                            \
            s->i = hi;                                                                             \
            s->j = hi + s->width < n ? hi + s->width : n;                                          \
        }                                                                                          \
        return k - begin;                                                                          \
    }

SORT_FUNCTIONS(int, uint64_t)
SORT_FUNCTIONS(float, uint64_t)
SORT_FUNCTIONS(string, StringRecord)

static SortKind kind_of(Value v)
{
    if (value_is_int(v)) {
        return SORT_INTS;
    }
    if (value_is_float(v)) {
        double d = value_as_float(v);
        return d == d ? SORT_FLOATS : SORT_NONE;
    }
    if (value_is_string(v) && obj_class(obj_of(v)) == CLASS_STRING &&
        str_view(v).bytes <= SORT_STRING_MAX) {
        return SORT_STRINGS;
    }
    return SORT_NONE;
}

/* Looks whether all elements are of one kind, resume->b; resume->a counts those seen. */
static PrimStatus classify(PrimCall *c, const Value *array, size_t n)
{
    size_t i = (size_t)c->resume->a;
    SortKind kind = i == 0 ? kind_of(array[0]) : (SortKind)c->resume->b;
    for (; i < n && kind != SORT_NONE; i++) {
        if (kind_of(array[i]) != kind) {
            return PRIM_FALLBACK;
        }
        if (i % SORT_PIECE == SORT_PIECE - 1) {
            prim_charge(c, SORT_PIECE / 16);
            if (prim_out_of_time(c)) {
                i++;
                break;
            }
        }
    }
    c->resume->a = i;
    c->resume->b = kind;
    return kind == SORT_NONE ? PRIM_FALLBACK : i < n ? PRIM_YIELD : PRIM_OK;
}

/* Arrays that need no scratch memory. */
static bool sort_small(Value *array, size_t n, SortKind kind)
{
    if (n > SORT_SMALL || kind == SORT_STRINGS) {
        return false;
    }
    if (kind == SORT_INTS) {
        insertion_int(array, n, array);
    } else {
        insertion_float(array, n, array);
    }
    return true;
}

static uint64_t string_prefix(Value v)
{
    StrView s = str_view(v);
    uint64_t prefix = 0;
    for (size_t i = 0; i < 8; i++) {
        prefix = prefix << 8 | (i < s.bytes ? s.data[i] : 0);
    }
    return prefix;
}

typedef struct Sort {
    PrimCall *c;
    Object *object; /* the array */
    Value *array;   /* its elements */
    size_t n;
    SortState *s;
    uint64_t *half[2];
} Sort;

static size_t step_load(Sort *t)
{
    size_t begin = t->s->i;
    size_t end = begin + t->s->piece < t->n ? begin + t->s->piece : t->n;
    if (t->s->kind == SORT_STRINGS) {
        StringRecord *r = (StringRecord *)t->half[0];
        for (size_t i = begin; i < end; i++) {
            r[i] = (StringRecord){string_prefix(t->array[i]), i};
        }
    } else {
        memcpy(t->half[0] + begin, t->array + begin, (end - begin) * sizeof(Value));
    }
    t->s->i = end;
    if (end == t->n) {
        t->s->i = 0;
        t->s->step = STEP_RUNS;
    }
    return end - begin;
}

static size_t step_runs(Sort *t)
{
    size_t begin = t->s->i;
    size_t end = begin + t->s->piece < t->n ? begin + t->s->piece : t->n;
    for (size_t i = begin; i < end; i += SORT_RUN) {
        size_t n = end - i < SORT_RUN ? end - i : SORT_RUN;
        switch (t->s->kind) {
        case SORT_INTS: insertion_int(t->half[0] + i, n, t->array); break;
        case SORT_FLOATS: insertion_float(t->half[0] + i, n, t->array); break;
        default: insertion_string((StringRecord *)t->half[0] + i, n, t->array);
        }
    }
    t->s->i = end;
    if (end == t->n) {
        t->s->step = STEP_MERGE;
        t->s->width = SORT_RUN;
        t->s->lo = t->s->i = 0;
        t->s->j = SORT_RUN < t->n ? SORT_RUN : t->n;
    }
    return (end - begin) * 4;
}

static size_t step_merge(Sort *t)
{
    SortState *s = t->s;
    if (s->width >= t->n) {
        s->step = STEP_STORE;
        s->lo = s->i = 0;
        return 0;
    }
    uint64_t *from = t->half[s->half];
    uint64_t *to = t->half[1 - s->half];
    size_t done;
    switch (s->kind) {
    case SORT_INTS: done = merge_int(s, from, to, t->n, t->array); break;
    case SORT_FLOATS: done = merge_float(s, from, to, t->n, t->array); break;
    default: done = 4 * merge_string(s, (StringRecord *)from, (StringRecord *)to, t->n, t->array);
    }
    if (s->lo >= t->n) { /* this width is done */
        s->half = 1 - s->half;
        s->width *= 2;
        s->lo = s->i = 0;
        s->j = s->width < t->n ? s->width : t->n;
    }
    return done;
}

/* One swap of the permutation; the cycle that starts at s->lo stands at place s->i. */
static void permute_one(Sort *t, StringRecord *r)
{
    SortState *s = t->s;
    size_t at = s->i;
    size_t next = (size_t)r[at].index;
    r[at].index = at;
    if (next == s->lo) {
        s->lo++;
        s->i = s->lo;
        return;
    }
    Value a = t->array[at];
    Value b = t->array[next];
    (void)heap_store(t->c->heap, t->object, t->array + at, b);
    (void)heap_store(t->c->heap, t->object, t->array + next, a);
    s->i = next;
}

/* False when everything is stored. */
static bool step_store(Sort *t, size_t *done)
{
    SortState *s = t->s;
    uint64_t *from = t->half[s->half];
    if (s->kind == SORT_STRINGS) {
        for (*done = 0; *done < SORT_PIECE && s->lo < t->n; ++*done) {
            permute_one(t, (StringRecord *)from);
        }
        return s->lo < t->n;
    }
    size_t left = t->n - s->i;
    *done = left < SORT_PIECE ? left : SORT_PIECE;
    memcpy(t->array + s->i, from + s->i, *done * sizeof(Value)); /* immediates only */
    s->i += *done;
    return s->i < t->n;
}

static bool sort_step(Sort *t)
{
    size_t done = 0;
    bool more = true;
    switch (t->s->step) {
    case STEP_LOAD: done = step_load(t); break;
    case STEP_RUNS: done = step_runs(t); break;
    case STEP_MERGE: done = step_merge(t); break;
    default: more = step_store(t, &done);
    }
    prim_charge(t->c, t->s->kind == SORT_STRINGS ? done / 2 : done / 8);
    return more;
}

static PrimStatus scratch_new(PrimCall *c, size_t n, SortKind kind)
{
    PrimStatus st;
    size_t record = kind == SORT_STRINGS ? 2 : 1;
    Object *o = prim_new(c, CLASS_WORD_ARRAY, OBJ_WORDS, 0, SORT_STATE_WORDS + 2 * n * record, &st);
    if (o == NULL) {
        return st;
    }
    *(SortState *)obj_slots(o) =
        (SortState){.step = STEP_LOAD,
                    .kind = kind,
                    .piece = kind == SORT_STRINGS ? SORT_STRING_PIECE : SORT_PIECE};
    c->resume->root = value_ptr(o);
    return PRIM_OK;
}

PrimStatus prim_array_sort(PrimCall *c)
{
    ArrayView a;
    if (!array_view(c, c->args[0], &a)) {
        return prim_type_error(c, 0, "Array");
    }
    if (a.size < 2) {
        return prim_self(c);
    }
    if (obj_is_frozen(a.object)) {
        return prim_frozen_error(c);
    }
    Value *array = obj_slots(a.object) + a.named;
    if (!value_is_ptr(c->resume->root)) {
        PrimStatus st = c->resume->a < a.size ? classify(c, array, a.size) : PRIM_OK;
        if (st != PRIM_OK) {
            return st;
        }
        SortKind kind = (SortKind)c->resume->b;
        if (sort_small(array, a.size, kind)) {
            return prim_self(c);
        }
        st = scratch_new(c, a.size, kind);
        if (st != PRIM_OK) {
            return st;
        }
    }
    uint64_t *words = obj_slots(obj_of(c->resume->root));
    SortState *s = (SortState *)words;
    size_t record = s->kind == SORT_STRINGS ? 2 : 1;
    uint64_t *first = words + SORT_STATE_WORDS;
    Sort t = {.c = c,
              .object = a.object,
              .array = array,
              .n = a.size,
              .s = s,
              .half = {first, first + a.size * record}};
    while (sort_step(&t)) {
        if (prim_out_of_time(c)) {
            return PRIM_YIELD;
        }
    }
    return prim_self(c);
}
