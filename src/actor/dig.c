/* SPDX-License-Identifier: Apache-2.0 */
/* dig.c - frees what off-heap objects held when their last count went (heap_bury), in pieces, by a
 * task of the node.
 *
 * `digging` is the right to queue the task: whoever sets it queues it; the task gives it back when
 * it found nothing left, and looks once more after that, so nothing stays buried for long.
 * Threads: the hook by any, the task by the scheduler that runs it. */
#include "actor_int.h"

/* Fragments freed in one go. */
#define DIG_PIECE 256

static TaskVerdict dig(Task *task, Sched *sched)
{
    ActorNode *node = (ActorNode *)(void *)((char *)task - offsetof(ActorNode, digger));
    HeapEnv *henv = node->config.heap_env;
    ActorCtx *cx = node->config.ctx_of(sched);
    sched->reds -= DIG_PIECE;
    if (heap_dig(&cx->heap, DIG_PIECE) == DIG_PIECE)
        return TASK_YIELD;
    /* seq_cst: given back before the look; pairs with the exchange in dig_hook */
    (void)atom_xchg_seq(&node->digging, 0u);
    lock_acquire(&henv->buried_lock);
    bool more = henv->buried || henv->graves;
    lock_release(&henv->buried_lock);
    /* seq_cst: a burier that found the flag set had buried before that; the look above sees it */
    return more && atom_xchg_seq(&node->digging, 1u) == 0 ? TASK_YIELD : TASK_PARKED;
}

static void dig_hook(void *ctx)
{
    ActorNode *node = ctx;
    if (atom_xchg_seq(&node->digging, 1u) != 0) /* pairs with the exchange in dig */
        return;
    task_init(&node->digger, dig, TASK_PRIO_NORMAL, 0);
    /* acquire: pairs with actor_start_digging; set, since something off-heap has lived */
    sched_ready(NULL, atom_load_acq(&node->group), &node->digger);
}

void actor_start_digging(ActorCtx *cx)
{
    ActorNode *node = cx->node;
    /* acquire, release: whoever finds the group may use the hook's words; all write the same */
    if (atom_load_acq(&node->group) || !node->config.ctx_of)
        return;
    atom_store_rel(&node->group, cx->group);
}

void actor_open_digging(ActorNode *node)
{
    if (!node->config.ctx_of)
        return;
    node->config.heap_env->buried_ctx = node;
    node->config.heap_env->buried_hook = dig_hook;
}

void actor_close_digging(ActorCtx *cx) { (void)heap_dig(&cx->heap, SIZE_MAX); }
