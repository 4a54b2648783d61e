/* SPDX-License-Identifier: Apache-2.0 */
/* rowtable_int.h - what rowtable.c (rows) and rowtable_owner.c (ownership and end) share.
 * Threads: as rowtable.h. Locks: a stripe's and the owner's are never held together. */
#ifndef MAGGIE_ROWTABLE_INT_H
#define MAGGIE_ROWTABLE_INT_H

#include "actor_int.h"
#include "rowtable.h"

#define ROW_STRIPE_BITS 5
#define ROW_STRIPES (1u << ROW_STRIPE_BITS)
#define ROW_HEIGHTS 10 /* one row in four is higher by one */

typedef struct Row {
    Value key;        /* an immediate, or the address of a counted fragment */
    Value value;      /* the same; under the stripe's lock like what follows */
    uint64_t place;
    uint64_t seq;     /* its first version */
    uint64_t version;
    uint64_t bytes;   /* charged for it */
    uint32_t height;
    struct Row *next[];
} Row;

typedef struct Stripe {
    Lock lock;
    uint32_t height;
    uint64_t serial;        /* versions given out */
    Row *head[ROW_HEIGHTS]; /* by place, the newest of a place first; or by key */
} __attribute__((aligned(64))) Stripe;

/* A process's hold of a table it owns. The hold does not keep the table, nor the table the hold's
 * process: each lets go of the anchor on its own. */
typedef struct Anchor {
    ProcessHold hold; /* first */
    uint32_t refs;    /* atomic: the list's and the table's */
    Lock lock;
    RowTable *table; /* under the lock; NULL: gone or given away */
} Anchor;

struct RowTable {
    OffHeap head; /* first */
    RowTableConfig config;
    uint64_t rows, bytes; /* atomic */
    uint64_t dice;        /* atomic; of heights */
    uint32_t gone;        /* atomic; set before the stripes are emptied */
    uint32_t access;      /* atomic */
    Value owner;          /* atomic; written under owner_lock */
    Lock owner_lock;      /* guards what follows */
    Value heir;
    Fragment *will; /* the signal for the heir, or NULL */
    Anchor *anchor;
    uint32_t dismantled; /* the stripe that the digger has come to */
    Grave grave;
    uint32_t stripes;
    Stripe stripe[];
};

static inline bool rowtable_is_gone(const RowTable *t)
{
    /* acquire: pairs with the exchange in rowtable_end */
    return atom_load_acq(&t->gone) != 0;
}

static inline size_t rowtable_size(uint32_t stripes)
{
    return sizeof(RowTable) + stripes * sizeof(Stripe);
}
/* Lets go of the anchor: under no lock. */
void rowtable_cut_anchor(HeapEnv *henv, Anchor *anchor);

#endif
