/* SPDX-License-Identifier: Apache-2.0 */
/* channel.c - channels; see channel.h.
 *
 * Waiting receivers stand in the TAKE queue, each waiting sender in the GIVE queue with its item in
 * its node. While there is room no sender waits, and while there are items no receiver does, but
 * for nodes of sets that have gone on by another case.
 * Threads: any; under the channel's lock. Fragments are made before and freed after. */
#include "channel.h"

#include <stdio.h>

#include "actor_int.h"

struct Channel {
    Waitable w;
    uint64_t capacity;
    uint64_t size;
    size_t bytes;      /* of the items, about: shares of string buffers change */
    size_t byte_limit; /* SIZE_MAX: none */
    Fragment *first;   /* items in order */
    Fragment **end;
    OffHeap *keeper; /* counted; NULL: none */
    void (*gone)(OffHeap *keeper, Channel *ch);
    bool closed;
};

/* ---- the buffer, under the lock ------------------------------------------------------------- */

static size_t item_bytes(const Fragment *f)
{
    return __builtin_expect(f->handles != 0, 0) ? fragment_bytes(f) : f->words * sizeof(Value);
}

static bool has_room(const Channel *ch)
{
    return !ch->closed && ch->size < ch->capacity && (ch->size == 0 || ch->bytes < ch->byte_limit);
}

static void put_last(Channel *ch, Fragment *item)
{
    item->next = NULL;
    *ch->end = item;
    ch->end = &item->next;
    ch->size++;
    ch->bytes += item_bytes(item);
}

static void put_first(Channel *ch, Fragment *item)
{
    item->next = ch->first;
    if (!ch->first)
        ch->end = &item->next;
    ch->first = item;
    ch->size++;
    ch->bytes += item_bytes(item);
}

static Fragment *take_first(Channel *ch)
{
    Fragment *item = ch->first;
    if (!item)
        return NULL;
    ch->first = item->next;
    ch->size--;
    size_t bytes = item_bytes(item);
    ch->bytes = ch->bytes > bytes ? ch->bytes - bytes : 0;
    if (!ch->first) {
        ch->end = &ch->first;
        ch->bytes = 0;
    }
    return item;
}

/* Items of waiting senders into the room there is. */
static void refill(Channel *ch, WaitWakes *wakes)
{
    while (has_room(ch) && !wakes_full(wakes)) {
        Fragment *item;
        Process *sender = waitable_claim(&ch->w, WAIT_GIVE, NULL, WAIT_DONE, &item);
        if (!sender)
            return;
        put_last(ch, item);
        wakes_add(wakes, sender);
    }
}

static Status give(Channel *ch, Fragment *item, WaitWakes *wakes)
{
    if (ch->closed)
        return STATUS_CLOSED;
    if (!ch->first) {
        Process *receiver = waitable_claim(&ch->w, WAIT_TAKE, item, WAIT_DONE, NULL);
        if (receiver) {
            wakes_add(wakes, receiver);
            return STATUS_OK;
        }
    }
    if (waitable_has(&ch->w, WAIT_GIVE))
        refill(ch, wakes); /* room that only sets gone elsewhere have waited for */
    if (!has_room(ch) || waitable_has(&ch->w, WAIT_GIVE))
        return STATUS_BUSY;
    put_last(ch, item);
    return STATUS_OK;
}

static Status take(Channel *ch, Fragment **item, WaitWakes *wakes)
{
    *item = take_first(ch);
    if (*item) {
#ifndef MAGGIE_MUTANT_CHANNEL_NO_REFILL
        if (waitable_has(&ch->w, WAIT_GIVE))
            refill(ch, wakes);
#endif
        return STATUS_OK;
    }
    Process *sender = ch->closed ? NULL : waitable_claim(&ch->w, WAIT_GIVE, NULL, WAIT_DONE, item);
    if (sender) {
        wakes_add(wakes, sender);
        return STATUS_OK;
    }
    return ch->closed ? STATUS_CLOSED : STATUS_BUSY;
}

/* ---- sending and receiving ------------------------------------------------------------------ */

Status channel_item(ActorCtx *cx, Heap *source, Value v, Fragment **out, Value *culprit)
{
    STATUS_FORWARD(fragment_copy_out(source, &cx->heap, v, 0, out, culprit));
    cx->copied_words = (*out)->words;
    if ((*out)->words > 0)
        process_map_home_tokens((*out)->body, (*out)->body + (*out)->words, HOME_TOKEN_DEAD);
    return STATUS_OK;
}

Status channel_send(ActorCtx *cx, Channel *ch, Fragment *item)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&ch->w.lock);
    Status status = give(ch, item, &wakes);
    lock_release(&ch->w.lock);
    wakes_run(cx, &wakes, true);
    return status;
}

Status channel_receive(ActorCtx *cx, Channel *ch, Fragment **item)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&ch->w.lock);
    Status status = take(ch, item, &wakes);
    lock_release(&ch->w.lock);
    wakes_run(cx, &wakes, true);
    return status;
}

bool channel_close_some(ActorCtx *cx, Channel *ch)
{
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&ch->w.lock);
    ch->closed = true;
#ifdef MAGGIE_MUTANT_CHANNEL_CLOSE
    lock_release(&ch->w.lock);
    return false;
#endif
    bool more = waitable_claim_all(&ch->w, WAIT_GIVE, WAIT_CLOSED, &wakes);
    /* Receivers only wait while there are no items. */
    if (!more)
        more = waitable_claim_all(&ch->w, WAIT_TAKE, WAIT_CLOSED, &wakes);
    lock_release(&ch->w.lock);
    wakes_run(cx, &wakes, false);
    return more;
}

void channel_look(Channel *ch, ChannelInfo *info)
{
    lock_acquire(&ch->w.lock);
    info->capacity = ch->capacity;
    info->size = ch->size;
    info->bytes = ch->bytes;
    info->closed = ch->closed;
    info->would_take = has_room(ch) || (!ch->closed && waitable_has(&ch->w, WAIT_TAKE));
    lock_release(&ch->w.lock);
}

/* ---- as a Waitable -------------------------------------------------------------------------- */

static bool channel_serve(ActorCtx *cx, Waitable *w, WaitNode *node, WaitWakes *wakes)
{
    (void)cx;
    Channel *ch = (Channel *)(void *)w;
    Status status =
        node->way == WAIT_GIVE ? give(ch, node->item, wakes) : take(ch, &node->item, wakes);
    if (status == STATUS_BUSY)
        return false;
    node->outcome = status == STATUS_OK ? WAIT_DONE : WAIT_CLOSED;
    if (node->way == WAIT_GIVE && status == STATUS_OK)
        node->item = NULL;
    return true;
}

/* An item that was received and not looked at. */
static void channel_give_back(ActorCtx *cx, Waitable *w, WaitNode *node)
{
    Channel *ch = (Channel *)(void *)w;
    if (!node->item)
        return;
    if (node->way == WAIT_GIVE) {
        fragment_free(&cx->heap, node->item); /* closed while it waited */
        return;
    }
#ifdef MAGGIE_MUTANT_CHANNEL_GIVE_BACK
    fragment_free(&cx->heap, node->item);
    return;
#endif
    WaitWakes wakes;
    wakes.n = 0;
    lock_acquire(&w->lock);
    Process *receiver =
        ch->first ? NULL : waitable_claim(w, WAIT_TAKE, node->item, WAIT_DONE, NULL);
    if (receiver)
        wakes_add(&wakes, receiver);
    else
        put_first(ch, node->item);
    lock_release(&w->lock);
    wakes_run(cx, &wakes, false);
}

static size_t channel_describe(const Waitable *w, char *out, size_t n)
{
    const Channel *ch = (const Channel *)(const void *)w;
    int m = snprintf(out, n, "Channel #%llu (capacity %llu, %llu items%s)",
                     (unsigned long long)w->number, (unsigned long long)ch->capacity,
                     (unsigned long long)ch->size, ch->closed ? ", closed" : "");
    return m < 0 ? 0 : (size_t)m < n ? (size_t)m : n;
}

/* Nobody waits: each who does holds a count. */
static void channel_destroy(HeapEnv *henv, OffHeap *object)
{
    Channel *ch = (Channel *)(void *)object;
    if (ch->first) {
        Fragment *last = (Fragment *)(void *)((char *)ch->end - offsetof(Fragment, next));
        heap_bury(henv, ch->first, last);
    }
    if (ch->keeper) {
        ch->gone(ch->keeper, ch);
        offheap_release(henv, ch->keeper);
    }
    env_free(henv->env, ch, sizeof *ch);
}

const WaitableType channel_type = {
    .offheap = {.name = "channel", .destroy = channel_destroy, .waitable = true},
    .serve = channel_serve,
    .give_back = channel_give_back,
    .describe = channel_describe,
    .counted = true,
};

Status channel_new(ActorCtx *cx, uint64_t capacity, Channel **out)
{
    if (capacity > CHANNEL_CAPACITY_MAX)
        return STATUS_LIMIT;
    const HeapEnv *henv = cx->heap.env;
    Channel *ch = env_calloc(henv->env, sizeof *ch);
    if (!ch)
        return STATUS_NO_MEMORY;
    waitable_init(cx, &ch->w, &channel_type);
    ch->capacity = capacity;
    ch->byte_limit = henv->default_cap_bytes ? henv->default_cap_bytes : SIZE_MAX;
    ch->end = &ch->first;
    actor_start_digging(cx);
    *out = ch;
    return STATUS_OK;
}

void channel_set_keeper(Channel *ch, OffHeap *keeper, void (*gone)(OffHeap *keeper, Channel *ch))
{
    ch->keeper = keeper;
    ch->gone = gone;
    ch->w.served_uncounted = true; /* the keeper knows it without a count */
}
