/* SPDX-License-Identifier: Apache-2.0 */
/* holds.c - the list of what must hear of a process's end.
 * Threads: the owner of the process. */
#include "actor_int.h"

#define HOLDS_LIMIT_FIRST 32

static void hold_unlink(ProcessExt *ext, ProcessHold *hold)
{
    *hold->prev = hold->next;
    if (hold->next)
        hold->next->prev = hold->prev;
    hold->next = NULL;
    hold->prev = NULL;
    ext->nholds--;
}

/* Linear in the number of holds, and called when that has doubled: amortised: two steps a hold. */
static void holds_drop_stale(ActorCtx *cx, Process *p)
{
    ProcessExt *ext = p->ext;
    for (ProcessHold *hold = ext->holds, *next; hold; hold = next) {
        next = hold->next;
        if (!hold->type->stale || !hold->type->stale(hold))
            continue;
        hold_unlink(ext, hold);
        hold->type->ended(cx, p, hold);
    }
    ext->holds_limit = ext->nholds > HOLDS_LIMIT_FIRST / 2 ? ext->nholds * 2 : HOLDS_LIMIT_FIRST;
}

Status process_hold_add(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    ProcessExt *ext;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    if (ext->nholds >= (ext->holds_limit ? ext->holds_limit : HOLDS_LIMIT_FIRST))
        holds_drop_stale(cx, p);
    hold->next = ext->holds;
    hold->prev = &ext->holds;
    if (hold->next)
        hold->next->prev = &hold->next;
    ext->holds = hold;
    ext->nholds++;
    return STATUS_OK;
}

void process_hold_remove(Process *p, ProcessHold *hold)
{
    if (hold->prev)
        hold_unlink(p->ext, hold);
}

bool holds_end(ActorCtx *cx, Process *p, int32_t *left)
{
    ProcessExt *ext = p->ext;
    while (ext && ext->holds) {
        if (*left <= 0)
            return false;
        --*left;
        ProcessHold *hold = ext->holds;
        hold_unlink(ext, hold);
        hold->type->ended(cx, p, hold);
    }
    return true;
}
