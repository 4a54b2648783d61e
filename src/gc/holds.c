/* SPDX-License-Identifier: Apache-2.0 */
/* holds.c - sets of frozen regions that a heap, a fragment or a region holds a count of each.
 * Most hold none or one, which takes no memory; more live in an open-addressing table.
 * Threads: the owner of the set. */
#include "gc_int.h"

#define HOLDS_FIRST 8

static bool holds_single(RegionHold *set) { return ((uintptr_t)set & HOLD_SINGLE) != 0; }

static size_t holds_bytes(size_t capacity)
{
    return sizeof(RegionHold) + capacity * sizeof(uintptr_t);
}

static size_t holds_start(const RegionHold *set, const Region *region)
{
    return (size_t)hash_mix64((uintptr_t)region >> 4) & (set->capacity - 1);
}

uintptr_t *holds_find(RegionHold **set, const Region *region)
{
    RegionHold *table = *set;
    if (holds_single(table))
        return hold_region((uintptr_t)table) == region ? (uintptr_t *)(void *)set : NULL;
    if (!table)
        return NULL;
    for (size_t i = holds_start(table, region);; i = (i + 1) & (table->capacity - 1)) {
        if (!table->entry[i])
            return NULL;
        if (hold_region(table->entry[i]) == region)
            return &table->entry[i];
    }
}

size_t holds_count(RegionHold *const *set)
{
    return !*set ? 0 : holds_single(*set) ? 1 : (*set)->count;
}

size_t holds_span(RegionHold *const *set)
{
    return !*set ? 0 : holds_single(*set) ? 1 : (*set)->capacity;
}

uintptr_t *holds_at(RegionHold **set, size_t i)
{
    if (holds_single(*set))
        return (uintptr_t *)(void *)set;
    return (*set)->entry[i] ? &(*set)->entry[i] : NULL;
}

static void holds_insert(RegionHold *table, uintptr_t entry)
{
    size_t i = holds_start(table, hold_region(entry));
    while (table->entry[i])
        i = (i + 1) & (table->capacity - 1);
    table->entry[i] = entry;
    table->count++;
}

/* A table with room for `count` entries, or NULL. */
static RegionHold *holds_new_table(const Env *env, size_t count)
{
    size_t capacity = HOLDS_FIRST;
    while (capacity / 4 * 3 < count)
        capacity *= 2;
    RegionHold *table = env_calloc(env, holds_bytes(capacity));
    if (table)
        table->capacity = capacity;
    return table;
}

Status holds_reserve(const Env *env, RegionHold **set, size_t more)
{
    size_t count = holds_count(set) + more;
    if (more == 0 || count <= 1 ||
        (*set && !holds_single(*set) && count <= (*set)->capacity / 4 * 3))
        return STATUS_OK;
    RegionHold *table = holds_new_table(env, count);
    if (!table)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < holds_span(set); i++) {
        uintptr_t *entry = holds_at(set, i);
        if (entry)
            holds_insert(table, *entry & ~HOLD_SINGLE);
    }
    holds_free(env, *set);
    *set = table;
    return STATUS_OK;
}

Status holds_add(const Env *env, RegionHold **set, Region *region)
{
    STATUS_FORWARD(holds_reserve(env, set, 1));
    if (*set)
        holds_insert(*set, (uintptr_t)region);
    else
        *set = (RegionHold *)((uintptr_t)region | HOLD_SINGLE);
    return STATUS_OK;
}

void holds_free(const Env *env, RegionHold *set)
{
    if (set && !holds_single(set))
        env_free(env, set, holds_bytes(set->capacity));
}

void holds_release_all(HeapCtx *cx, RegionHold *set)
{
    for (size_t i = 0; i < holds_span(&set); i++) {
        uintptr_t *entry = holds_at(&set, i);
        if (entry)
            region_release(cx, cx->epoch, hold_region(*entry));
    }
    holds_free(cx->env->env, set);
}

void holds_merge(HeapCtx *cx, RegionHold **to, RegionHold **from)
{
    for (size_t i = 0; i < holds_span(from); i++) {
        uintptr_t *entry = holds_at(from, i);
        if (!entry)
            continue;
        Region *region = hold_region(*entry);
        if (holds_find(to, region)) {
            region_release(cx, cx->epoch, region);
        } else {
            Status status = holds_add(cx->env->env, to, region);
            assert(status == STATUS_OK); /* the caller reserved */
            (void)status;
        }
    }
    holds_free(cx->env->env, *from);
    *from = NULL;
}

void holds_clear_marks(RegionHold **set)
{
    for (size_t i = 0; i < holds_span(set); i++) {
        uintptr_t *entry = holds_at(set, i);
        if (entry)
            *entry &= ~HOLD_MARK;
    }
}

/* Deleting from the table in place would break its probe chains, so the marked ones move to a new
 * table; without memory for that everything is kept until the next time. */
void holds_sweep(HeapCtx *cx, RegionHold **set)
{
    size_t marked = 0;
    for (size_t i = 0; i < holds_span(set); i++) {
        uintptr_t *entry = holds_at(set, i);
        marked += entry && (*entry & HOLD_MARK);
    }
    if (marked == holds_count(set)) {
        holds_clear_marks(set);
        return;
    }
    RegionHold *rest = NULL;
    if (marked > 1) {
        rest = holds_new_table(cx->env->env, marked);
        if (!rest) {
            holds_clear_marks(set);
            return;
        }
    }
    for (size_t i = 0; i < holds_span(set); i++) {
        uintptr_t *entry = holds_at(set, i);
        if (!entry)
            continue;
        Region *region = hold_region(*entry);
        if (!(*entry & HOLD_MARK))
            region_release(cx, cx->epoch, region);
        else if (rest)
            holds_insert(rest, (uintptr_t)region);
        else
            rest = (RegionHold *)((uintptr_t)region | HOLD_SINGLE);
    }
    holds_free(cx->env->env, *set);
    *set = rest;
}

Status holds_duplicate(const Env *env, RegionHold *set, RegionHold **out)
{
    *out = NULL;
    STATUS_FORWARD(holds_reserve(env, out, holds_count(&set)));
    for (size_t i = 0; i < holds_span(&set); i++) {
        uintptr_t *entry = holds_at(&set, i);
        if (!entry)
            continue;
        region_retain(hold_region(*entry));
        Status status = holds_add(env, out, hold_region(*entry));
        assert(status == STATUS_OK);
        (void)status;
    }
    return STATUS_OK;
}
