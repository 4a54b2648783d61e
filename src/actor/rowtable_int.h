/* SPDX-License-Identifier: Apache-2.0 */
/* rowtable_int.h - what rowtable.c (rows), rowindex.c (where they are) and rowtable_owner.c
 * (ownership and end) share.
 * Threads: as rowtable.h. Locks: a stripe's and the owner's are never held together. */
#ifndef MAGGIE_ROWTABLE_INT_H
#define MAGGIE_ROWTABLE_INT_H

#include "actor_int.h"
#include "rowtable.h"

#define ROW_STRIPE_BITS 5
#define ROW_STRIPES (1u << ROW_STRIPE_BITS)
#define ROW_HEIGHTS 10 /* of skip lists; one row in four is higher by one */

typedef struct Row {
    Value key;   /* an immediate, or the address of a counted fragment */
    Value value; /* the same; under the stripe's lock like what follows */
    uint64_t place;
    uint64_t seq; /* its first version */
    uint64_t version;
    uint64_t bytes; /* charged for it */
    uint32_t height;
    struct Row *next[];
} Row;

/* The rows of some neighbouring places, in order: by place, the newest of a place first; of an
 * ordered table: all rows, by key. A list, or, when it is tall, a skip list. */
typedef struct Cell {
    Row *first;      /* of a list */
    Row **tall;      /* NULL, or the ROW_HEIGHTS heads of the skip list */
    uint32_t count;  /* of rows, while it is a list */
    uint32_t height; /* levels in use of the skip list */
} Cell;

typedef struct Stripe {
    Lock lock;
    uint32_t bits;  /* the upper ones of the places tell the cell */
    uint32_t moved; /* so many cells of `old` have been split into `cells` */
    uint64_t rows;
    uint64_t serial; /* versions given out */
    Cell *cells;     /* 1 << bits; first those of the lowest places */
    Cell *old;       /* NULL, or half as many that are being moved */
    Cell one;        /* what it begins with */
} __attribute__((aligned(64))) Stripe;

/* An array that is to be freed when the lock is released. */
typedef struct WornCells {
    Cell *cells;
    uint32_t bits;
} WornCells;

static inline Row **cell_heads(Cell *c) { return c->tall ? c->tall : &c->first; }
static inline uint32_t cell_levels(const Cell *c) { return c->tall ? c->height : 1; }

/* rowindex.c; all under the lock but worn_free. */

/* The cell of a place, and the first place behind those of that cell. */
Cell *stripe_cell(Stripe *s, uint64_t place);
uint64_t stripe_cell_end(const Stripe *s, uint64_t place);
MUST_CHECK Status cell_make_tall(const Env *env, Cell *c);
/* Of an empty cell. */
void cell_make_flat(const Env *env, Cell *c);
/* towers[i]: the heads, or the tower of the row, whose level i points to where r is or will be. */
void cell_link(const Env *env, Cell *c, Row *r, Row ***towers);
void cell_unlink(const Env *env, Cell *c, const Row *r, Row ***towers, bool ordered);
Row *cell_take_first(const Env *env, Cell *c, bool ordered);
/* After an insertion, not of an ordered table. */
void stripe_grow(const Env *env, Stripe *s, WornCells *worn);
/* Back to one cell; it has no rows. */
void stripe_reset(Stripe *s, WornCells worn[2]);
void worn_free(const Env *env, const WornCells *worn);

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
    uint64_t dismantled; /* the place that the digger has come to */
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
