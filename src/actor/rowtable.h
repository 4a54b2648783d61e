/* SPDX-License-Identifier: Apache-2.0 */
/* rowtable.h - tables of rows outside all heaps, read and written by any number of processes: what
 * a Table is. (The table of processes is table.c.)
 *
 * A row is a key and a value, each an immediate or an immutable fragment; a value is replaced as a
 * whole. Who reads takes a count under a lock and copies after it; who writes copies first: so a
 * lock is held for a search and a few words, whatever the size, and nobody's death keeps others
 * from going on. Sets and bags are spread over stripes by the hash of the key, each with a lock of
 * its own, and found by an index that keeps them in the order of their places and grows with them
 * a little at each insertion (rowindex.c): so a search costs the same however many rows there are,
 * and a place stays meaningful whatever is put in or taken out. An ordered table is one skip list;
 * a search in it is as long as the logarithm of the rows.
 *
 * Each row has a version, never used twice in its stripe: to change a row depending on what it was,
 * read it with its version and put the new value if the version is still that one.
 *
 * A table ends with its owner, unless there is an heir, and when its last handle goes. What it
 * holds is then freed in pieces (heap_bury_grave); a row with a handle of its own table keeps it no
 * longer than its owner lives.
 *
 * How keys are compared is the maker's affair: the place (a hash below 2^ROW_PLACE_BITS; equal keys
 * have equal ones; 0 in ordered tables) comes with each key.
 *
 * Threads: any, inside an epoch section; `p` is the calling process. */
#ifndef MAGGIE_ROWTABLE_H
#define MAGGIE_ROWTABLE_H

#include "process.h"

typedef struct RowTable RowTable;
extern const OffHeapType rowtable_type;

typedef enum { ROWS_SET, ROWS_ORDERED, ROWS_BAG } RowsKind;
typedef enum { ROWS_PUBLIC, ROWS_PROTECTED, ROWS_PRIVATE } RowsAccess;

#define ROW_PLACE_BITS 46
#define ROW_PLACE_END (UINT64_C(1) << ROW_PLACE_BITS)
/* Sequence number before which every row of a place comes. */
#define ROW_SEQ_FIRST UINT64_MAX

typedef struct RowTableConfig {
    RowsKind kind;
    uint64_t max_rows, max_bytes; /* 0: none */
    uint32_t cls;                 /* of the handles */
    /* <0, 0, >0; a total order when the kind is ordered. Bounded work. */
    int (*compare)(const void *ctx, Value a, Value b);
    const void *ctx;
} RowTableConfig;

typedef struct RowTableInfo {
    RowsKind kind;
    RowsAccess access;
    Value owner, heir; /* pid or nil */
    uint64_t rows, bytes, max_rows, max_bytes;
    bool gone;
} RowTableInfo;

typedef struct RowKey {
    Value v;
    uint64_t place;
} RowKey;

/* What was read: key and value are immediates, or addresses of fragments of which the reader has a
 * count: row_value, row_drop. */
typedef struct RowItem {
    Value key, value;
    uint64_t place, seq, version;
} RowItem;

static inline RowTable *rowtable_of(Value v)
{
    if (!value_is_kind(v, OBJ_HANDLE))
        return NULL;
    OffHeap *head = (OffHeap *)(uintptr_t)obj_of(v)->words[0];
    return head->type == &rowtable_type ? (RowTable *)(void *)head : NULL;
}

/* Owned by p. One count, the caller's. */
MUST_CHECK Status rowtable_new(ActorCtx *cx, Process *p, const RowTableConfig *config,
                               RowTable **out);
RowsKind rowtable_kind(const RowTable *t);
void rowtable_look(RowTable *t, RowTableInfo *info);
/* May the process read, or write? STATUS_CLOSED: the table has ended. STATUS_DENIED. */
MUST_CHECK Status rowtable_allows(RowTable *t, Value pid, bool write);

/* ---- rows ----------------------------------------------------------------------------------- */

/* An item's key or value: the fragment, or NULL for an immediate. */
static inline Fragment *row_fragment(Value v)
{
    return value_is_ptr(v) ? (Fragment *)(uintptr_t)v : NULL;
}
void row_drop(HeapCtx *cx, Value v);
/* The fragment itself when nobody else has a count (then it is the caller's, who gives up his), or
 * NULL. */
Fragment *row_take_whole(Value v);

/* The row with that key (of a bag: the newest). STATUS_NOT_FOUND. The key is not given out. */
MUST_CHECK Status rowtable_get(RowTable *t, RowKey key, RowItem *out);

typedef enum { ROW_PUT_ANY, ROW_PUT_VERSION, ROW_PUT_NEW } RowPutMode;
/* Puts copies, of values of source's heap. VERSION: only if the row has that version (0: there is
 * none); NEW: only if there is no such row; of a bag: always one more. *done: put. Statuses of
 * fragment_copy_out, STATUS_LIMIT (a quota), STATUS_CLOSED. */
MUST_CHECK Status rowtable_put(ActorCtx *cx, RowTable *t, Heap *source, RowKey key, Value value,
                               RowPutMode mode, uint64_t version, bool *done, Value *culprit);
/* Adds to a SmallInteger, 0 when there is no row. STATUS_BAD_ARGUMENT: the value is something else;
 * STATUS_OUT_OF_RANGE: the sum would be no SmallInteger. */
MUST_CHECK Status rowtable_increment(ActorCtx *cx, RowTable *t, Heap *source, RowKey key,
                                     int64_t by, Value *sum);
/* Takes the row (of a bag: the newest) away; its value in out. STATUS_NOT_FOUND. */
MUST_CHECK Status rowtable_remove(ActorCtx *cx, RowTable *t, RowKey key, RowItem *out);

/* ---- many rows ------------------------------------------------------------------------------ */

/* Sets and bags: rows that come after (place, seq), at most n and not much heavier than `words`;
 * maybe none, when places without rows are passed over. *next is where to go on, its place
 * ROW_PLACE_END at the end. `only`: rows with that key. */
uint32_t rowtable_after(RowTable *t, RowKey *next, uint64_t *seq, const RowKey *only,
                        RowItem *items, uint32_t n, size_t words);

typedef enum { ROWS_FIRST, ROWS_FROM, ROWS_ABOVE, ROWS_LAST, ROWS_BELOW } RowsWhich;
/* Ordered: the first rows, those from or above the key on, upwards; the last or the one below. */
uint32_t rowtable_ordered(RowTable *t, RowsWhich which, RowKey key, RowItem *items, uint32_t n,
                          size_t words);

/* Takes at most n rows away; *place starts at 0 and grows. False: none are left. */
bool rowtable_clear_some(HeapCtx *cx, RowTable *t, uint64_t *place, uint32_t n);

/* ---- owner ---------------------------------------------------------------------------------- */

/* All by the owner: STATUS_DENIED for others, STATUS_CLOSED. */
MUST_CHECK Status rowtable_set_access(RowTable *t, Value pid, RowsAccess access);
/* Who owns it when p ends, and is then sent a message with that selector: nil for nobody. */
MUST_CHECK Status rowtable_set_heir(ActorCtx *cx, Process *p, RowTable *t, Value heir,
                                    Value selector);
/* From now on another process owns it, which is sent that message. STATUS_NO_PROCESS. */
MUST_CHECK Status rowtable_give(ActorCtx *cx, Process *p, RowTable *t, Value to, Value selector);
MUST_CHECK Status rowtable_delete(ActorCtx *cx, Process *p, RowTable *t);

/* For signal.c; each takes the signal. */
void rowtable_handed(ActorCtx *cx, Process *p, Fragment *f);
void rowtable_refused(ActorCtx *cx, Fragment *f);

#endif
