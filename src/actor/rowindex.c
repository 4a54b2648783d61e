/* SPDX-License-Identifier: Apache-2.0 */
/* rowindex.c - the cells of a stripe: an index of rows that grows with them; see rowtable_int.h.
 *
 * A stripe begins as one cell. With two rows to a cell their number is doubled: each cell becomes
 * the lower and the upper half of its places, so the order of all rows stays. That goes on a few
 * cells at each insertion; meanwhile the cells that have not been moved are found in the old array.
 * Without memory for more cells the old ones get longer, and it is tried again.
 *
 * A cell that gets long all the same, since many rows have one place (a bag's), becomes a skip
 * list: until then only the lowest level of its rows' towers is linked.
 *
 * Threads: all under the stripe's lock. */
#include "rowtable_int.h"

#define CELL_LONG 32 /* rows: then it becomes a skip list */
#define CELL_BITS_MAX 20
#define CELLS_MOVED_AT_ONCE 4

static unsigned place_shift(uint32_t bits) { return ROW_PLACE_BITS - ROW_STRIPE_BITS - bits; }

static size_t cell_number(uint64_t place, uint32_t bits)
{
    return (size_t)(place >> place_shift(bits)) & (((size_t)1 << bits) - 1);
}

/* Is the place among those whose cells have not been moved? */
static bool is_in_old(const Stripe *s, uint64_t place)
{
    return s->old && cell_number(place, s->bits - 1) >= s->moved;
}

Cell *stripe_cell(Stripe *s, uint64_t place)
{
    if (is_in_old(s, place))
        return &s->old[cell_number(place, s->bits - 1)];
    return &s->cells[cell_number(place, s->bits)];
}

uint64_t stripe_cell_end(const Stripe *s, uint64_t place)
{
    unsigned shift = place_shift(is_in_old(s, place) ? s->bits - 1 : s->bits);
    return ((place >> shift) + 1) << shift;
}

/* ---- one cell ------------------------------------------------------------------------------- */

Status cell_make_tall(const Env *env, Cell *c)
{
    Row **last[ROW_HEIGHTS];
    Row **heads = env_calloc(env, ROW_HEIGHTS * sizeof *heads);
    if (!heads)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < ROW_HEIGHTS; i++)
        last[i] = heads;
    c->height = 1;
    for (Row *r = c->first; r; r = r->next[0]) {
        for (uint32_t i = 0; i < r->height; i++) {
            last[i][i] = r;
            last[i] = r->next;
        }
        c->height = r->height > c->height ? r->height : c->height;
    }
    for (uint32_t i = 0; i < c->height; i++)
        last[i][i] = NULL;
    c->first = NULL;
    c->tall = heads;
    return STATUS_OK;
}

void cell_make_flat(const Env *env, Cell *c)
{
    if (c->tall)
        env_free(env, c->tall, ROW_HEIGHTS * sizeof *c->tall);
    *c = (Cell){.first = NULL};
}

void cell_link(const Env *env, Cell *c, Row *r, Row ***towers)
{
    while (c->tall && c->height < r->height)
        towers[c->height++] = c->tall;
    uint32_t levels = c->tall ? r->height : 1;
    for (uint32_t i = 0; i < levels; i++) {
        r->next[i] = towers[i][i];
        towers[i][i] = r;
    }
    c->count++;
    if (!c->tall && c->count > CELL_LONG)
        (void)!cell_make_tall(env, c); /* without memory, when the next row comes */
}

void cell_unlink(const Env *env, Cell *c, const Row *r, Row ***towers, bool ordered)
{
    uint32_t levels = c->tall ? r->height : 1;
    for (uint32_t i = 0; i < levels; i++)
        towers[i][i] = r->next[i];
    c->count--;
    if (c->tall && !ordered && !c->tall[0])
        cell_make_flat(env, c);
}

Row *cell_take_first(const Env *env, Cell *c, bool ordered)
{
    Row *r = *cell_heads(c);
    if (!r)
        return NULL;
    Row **towers[ROW_HEIGHTS];
    for (uint32_t i = 0; i < ROW_HEIGHTS; i++)
        towers[i] = cell_heads(c); /* the first row is the first of all its levels */
    cell_unlink(env, c, r, towers, ordered);
    return r;
}

/* ---- growth --------------------------------------------------------------------------------- */

/* Parts the rows of a cell: those with that bit of the place set follow the others. */
static Status cell_split(const Env *env, const Cell *from, unsigned bit, Cell *low, Cell *high)
{
    Row **towers[ROW_HEIGHTS];
    Cell whole = *from, upper = {.first = NULL};
    Row **tower = cell_heads(&whole);
    uint32_t before = 0;
    for (uint32_t i = cell_levels(&whole); i-- > 0;) {
        for (Row *r; (r = tower[i]) && !(r->place >> bit & 1); before += i == 0)
            tower = r->next;
        towers[i] = tower;
    }
    bool all_low = !tower[0], all_high = tower == cell_heads(&whole);
    if (all_low || all_high) {
        *low = all_low ? whole : upper;
        *high = all_low ? upper : whole;
        return STATUS_OK;
    }
    if (whole.tall) {
        upper.tall = env_calloc(env, ROW_HEIGHTS * sizeof *upper.tall);
        if (!upper.tall)
            return STATUS_NO_MEMORY;
        upper.height = whole.height;
    }
    for (uint32_t i = cell_levels(&whole); i-- > 0;) {
        cell_heads(&upper)[i] = towers[i][i];
#ifdef MAGGIE_MUTANT_ROWS_SPLIT
        continue;
#endif
        towers[i][i] = NULL;
    }
    upper.count = whole.count - before;
    whole.count = before;
    *low = whole;
    *high = upper;
    return STATUS_OK;
}

static bool move_cell(const Env *env, Stripe *s)
{
    Cell *low = &s->cells[(size_t)s->moved * 2];
    if (cell_split(env, &s->old[s->moved], place_shift(s->bits), low, low + 1) != STATUS_OK)
        return false;
    s->moved++;
    return true;
}

void stripe_grow(const Env *env, Stripe *s, WornCells *worn)
{
    worn->cells = NULL;
    if (!s->old) {
        if (s->rows <= (uint64_t)2 << s->bits || s->bits == CELL_BITS_MAX)
            return;
        Cell *cells = env_alloc(env, sizeof(Cell) << (s->bits + 1));
        if (!cells)
            return;
        s->old = s->cells;
        s->cells = cells;
        s->moved = 0;
        s->bits++;
    }
    for (int n = 0; n < CELLS_MOVED_AT_ONCE && move_cell(env, s); n++) {
        if (s->moved < (uint32_t)1 << (s->bits - 1))
            continue;
        if (s->old != &s->one)
            *worn = (WornCells){s->old, s->bits - 1};
        s->one = (Cell){.first = NULL};
        s->old = NULL;
        return;
    }
}

void stripe_reset(Stripe *s, WornCells worn[2])
{
    worn[0] = worn[1] = (WornCells){NULL, 0};
    if (s->cells != &s->one)
        worn[0] = (WornCells){s->cells, s->bits};
    if (s->old && s->old != &s->one)
        worn[1] = (WornCells){s->old, s->bits - 1};
    s->one = (Cell){.first = NULL};
    s->cells = &s->one;
    s->old = NULL;
    s->bits = 0;
}

void worn_free(const Env *env, const WornCells *worn)
{
    if (worn->cells)
        env_free(env, worn->cells, sizeof(Cell) << worn->bits);
}
