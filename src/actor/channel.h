/* SPDX-License-Identifier: Apache-2.0 */
/* channel.h - channels (D8): FIFO pipes between processes, outside all heaps.
 *
 * An item is a fragment: copied in when it is sent, adopted by the receiver (D1, M2). Frozen parts
 * and long strings are shared as in any message; a block's home is detached.
 *
 * A channel holds at most `capacity` items, and once it holds as many bytes as a process may have
 * (HeapEnv.default_cap_bytes) it counts as full; so what is in it is bounded by whoever made it.
 * With capacity 0 an item goes straight from a sender to a receiver. An item that was given to a
 * process which ended before it looked at it comes back to the front: then a channel may for a
 * while hold one item more than its capacity, per such process.
 *
 * Threads: any, inside an epoch section; the channel's own lock guards its queue. */
#ifndef MAGGIE_CHANNEL_H
#define MAGGIE_CHANNEL_H

#include "waitable.h"

typedef struct Channel Channel;
extern const WaitableType channel_type;

#define CHANNEL_CAPACITY_MAX (UINT64_C(1) << 27)

/* One count, the caller's (offheap_release). STATUS_LIMIT, STATUS_NO_MEMORY. */
MUST_CHECK Status channel_new(ActorCtx *cx, uint64_t capacity, Channel **out);
static inline Channel *channel_of(Value v)
{
    return (Channel *)(void *)waitable_of(v, &channel_type);
}
static inline Waitable *channel_waitable(Channel *ch) { return (Waitable *)(void *)ch; }

/* A copy of v, an object of `source`'s heap, that can be sent. Statuses of fragment_copy_out. */
MUST_CHECK Status channel_item(ActorCtx *cx, Heap *source, Value v, Fragment **out, Value *culprit);

/* STATUS_OK: takes the item. STATUS_BUSY (full), STATUS_CLOSED: it stays the caller's. */
MUST_CHECK Status channel_send(ActorCtx *cx, Channel *ch, Fragment *item);
/* STATUS_OK with an item, which is then the caller's. STATUS_BUSY (empty), STATUS_CLOSED (and
 * empty). */
MUST_CHECK Status channel_receive(ActorCtx *cx, Channel *ch, Fragment **item);
/* Closes, and wakes a piece of those who wait. True: there are more, call again. */
bool channel_close_some(ActorCtx *cx, Channel *ch);

typedef struct ChannelInfo {
    uint64_t capacity;
    uint64_t size; /* items held */
    size_t bytes;
    bool closed;
    bool would_take; /* a send would have been served just now */
} ChannelInfo;
void channel_look(Channel *ch, ChannelInfo *info);

/* The channel holds a count of `keeper` (taken) as long as it lives; `gone` is called before its
 * memory goes, so that the keeper, which has no count of it, forgets it. Before the channel is
 * shared. */
void channel_set_keeper(Channel *ch, OffHeap *keeper, void (*gone)(OffHeap *keeper, Channel *ch));

#endif
