/* SPDX-License-Identifier: Apache-2.0 */
/* bonds.c - the tables of links and monitors of a process.
 *
 * Few entries stand one behind the other in a small pool block and are searched in order; more of
 * them are hashed by their key (a supervisor may have a hundred thousand children), at most three
 * quarters of the places used, no marks for removed ones.
 *
 * Threads: the owner of the process. */
#include "actor_int.h"

#include <string.h>

#include "hash.h"

#define BONDS_MAX (UINT32_C(1) << 30)

static inline bool is_hashed(const BondTable *t) { return t->cap > BONDS_LINEAR; }

/* Keys that follow each other (references made one after the other, processes forked one after the
 * other) stand side by side in blocks of 16; where a block stands is mixed. So walks and searches
 * find several entries per cache line, and no pattern of keys fills one place only. */
static inline uint32_t home_of(const BondTable *t, Value key)
{
    return ((uint32_t)hash_mix64(key >> 4) << 4 | (uint32_t)(key & 15)) & (t->cap - 1);
}

Bond *bonds_find(const BondTable *t, Value key)
{
    if (!is_hashed(t)) {
        for (uint32_t i = 0; i < t->n; i++)
            if (t->at[i].key == key)
                return &t->at[i];
        return NULL;
    }
    /* ends: a quarter of the places is free */
    for (uint32_t i = home_of(t, key); t->at[i].key != VALUE_NONE; i = (i + 1) & (t->cap - 1))
        if (t->at[i].key == key)
            return &t->at[i];
    return NULL;
}

/* ---- memory --------------------------------------------------------------------------------- */

static Bond *array_new(ActorCtx *cx, uint32_t cap)
{
    size_t bytes = cap * sizeof(Bond);
    Bond *at = bytes > POOL_SIZE_MAX ? env_alloc(cx->node->config.env, bytes)
                                     : pool_alloc(cx->heap.pool, pool_class_of(bytes));
    if (at && cap > BONDS_LINEAR)
        memset(at, 0, bytes); /* VALUE_NONE: free */
    return at;
}

static void array_free(ActorCtx *cx, Bond *at, uint32_t cap)
{
    size_t bytes = cap * sizeof(Bond);
    if (bytes > POOL_SIZE_MAX)
        env_free(cx->node->config.env, at, bytes);
    else if (at)
        pool_free(cx->heap.pool, at, pool_class_of(bytes));
}

/* A free place for a key that is not there; the table has one. */
static Bond *place(BondTable *t, Value key)
{
    Bond *b = &t->at[t->n];
    if (is_hashed(t)) {
        uint32_t i = home_of(t, key);
        while (t->at[i].key != VALUE_NONE)
            i = (i + 1) & (t->cap - 1);
        b = &t->at[i];
    }
    t->n++;
    *b = (Bond){.key = key};
    return b;
}

static bool resize(ActorCtx *cx, BondTable *t, uint32_t cap)
{
    BondTable new = {.cap = cap, .at = array_new(cx, cap)};
    if (!new.at)
        return false;
    uint32_t at = 0;
    for (Bond *b; (b = bonds_next(t, &at));)
        *place(&new, b->key) = *b;
    array_free(cx, t->at, t->cap);
    *t = new;
    return true;
}

/* 2 entries fill a pool block of 64 bytes, 5 one of 128, 10 one of 256. */
static uint32_t next_cap(uint32_t cap)
{
    return cap == 0 ? 2 : cap == 2 ? 5 : cap == 5 ? 10 : cap == 10 ? 32 : cap * 2;
}
_Static_assert(BONDS_LINEAR * sizeof(Bond) <= 256, "the largest linear table is a pool block");

Bond *bonds_add(ActorCtx *cx, BondTable *t, Value key)
{
    uint32_t most = is_hashed(t) ? t->cap / 4 * 3 : t->cap;
    if (t->n >= most && (t->cap >= BONDS_MAX || !resize(cx, t, next_cap(t->cap))))
        return NULL;
    return place(t, key);
}

static void close_gap(BondTable *t, const Bond *b)
{
    uint32_t mask = t->cap - 1, i = (uint32_t)(b - t->at);
    for (uint32_t j = (i + 1) & mask; t->at[j].key != VALUE_NONE; j = (j + 1) & mask) {
        /* j's entry may move to the gap unless its home lies behind the gap (cyclically) */
        if (((j - home_of(t, t->at[j].key)) & mask) >= ((j - i) & mask)) {
            t->at[i] = t->at[j];
            i = j;
        }
    }
    t->at[i].key = VALUE_NONE;
}

void bonds_remove(ActorCtx *cx, BondTable *t, Bond *b)
{
    t->n--;
    if (!is_hashed(t)) {
        /* the order is kept: it decides in which order others hear of our end */
        memmove(b, b + 1, (size_t)(t->at + t->n - b) * sizeof *b);
        return;
    }
    close_gap(t, b);
    /* A walk takes no longer than a few places per entry. Without memory it does, once. */
    if (t->n < t->cap / 8)
        (void)resize(cx, t, t->cap == 32 ? BONDS_LINEAR : t->cap / 2);
}

Bond *bonds_next(const BondTable *t, uint32_t *at)
{
    uint32_t end = is_hashed(t) ? t->cap : t->n;
    while (*at < end) {
        Bond *b = &t->at[(*at)++];
        if (*at + 3 < end)
            __builtin_prefetch(t->at[*at + 3].signal, 1); /* NULL and stale ones do no harm */
        if (b->key != VALUE_NONE)
            return b;
    }
    return NULL;
}

void bonds_free(ActorCtx *cx, BondTable *t)
{
    uint32_t at = 0;
    for (Bond *b; (b = bonds_next(t, &at));)
        if (b->signal)
            fragment_free(&cx->heap, b->signal);
    array_free(cx, t->at, t->cap);
    *t = (BondTable){0};
}
