/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c - questions about a process, and their answers.
 * Threads: as inspect.h says. */
#include "inspect.h"

#include <string.h>

#include "actor_int.h"
#include "frozen.h"

/* Reductions that filling in a form is worth, without what grows with the process. */
#define INSPECT_COST 32

Status process_inspect(ActorCtx *cx, Process *p, Value to, Value form)
{
    ProcessExt *ext;
    Fragment *f;
    Value culprit;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    STATUS_FORWARD(signal_new(cx, &p->heap, form, SIGNAL_INFO, 3, &f, &culprit));
    Status status = fragment_reserve_holds(&f, &cx->heap, INSPECT_HOLDS_MAX);
    if (status != STATUS_OK) {
        fragment_free(&cx->heap, f);
        return status;
    }
    if (ext->inspected)
        fragment_free(&cx->heap, ext->inspected);
    ext->inspected = NULL;
    f->body[0] = p->pid;
    f->body[1] = value_int((int64_t)(++ext->inspects & (uint64_t)VALUE_INT_MAX));
    f->body[2] = VALUE_NIL;
    f->info = INSPECT_QUESTION;
    signal_to(cx, to, f);
    return STATUS_OK;
}

Fragment *process_inspected(Process *p)
{
    if (!p->ext)
        return NULL;
    Fragment *f = p->ext->inspected;
    p->ext->inspected = NULL;
    return f;
}

static void answer(ActorCtx *cx, Fragment *f)
{
    Value asker = f->body[0];
    f->info = INSPECT_ANSWER;
    signal_to(cx, asker, f);
}

/* An answer; the one to an older question is of no use. */
static void note(ActorCtx *cx, Process *p, Fragment *f)
{
    ProcessExt *ext = p->ext; /* made when it asked */
    bool wanted = f->body[1] == value_int((int64_t)(ext->inspects & (uint64_t)VALUE_INT_MAX));
#ifdef MAGGIE_MUTANT_INSPECT_STALE
    wanted = true;
#endif
    if (wanted && !ext->inspected)
        ext->inspected = f;
    else
        fragment_free(&cx->heap, f);
}

int32_t inspect_receive(ActorCtx *cx, Process *p, Fragment *f, bool at_rest)
{
    if (f->info == INSPECT_ANSWER) {
        note(cx, p, f);
        return 1;
    }
#ifndef MAGGIE_MUTANT_INSPECT_RESTLESS
    if (!at_rest)
        return -1;
#endif
    int32_t more = cx->node->config.info(cx->node->config.ctx, cx, p, f);
    answer(cx, f);
    return INSPECT_COST + more;
}

void inspect_refuse(ActorCtx *cx, Fragment *f)
{
    if (f->info == INSPECT_ANSWER) {
        fragment_free(&cx->heap, f);
        return;
    }
#ifndef MAGGIE_MUTANT_INSPECT_DEAD
    f->root = VALUE_NIL;
#endif
    answer(cx, f);
}

/* ---- links and monitors --------------------------------------------------------------------- */

/* Places of a large table that are looked at. */
#define BONDS_LOOK 1024u

uint32_t inspect_bonds(const BondTable *t, bool links, Value *pids, uint32_t n)
{
    uint32_t found = 0, undone = 0;
    uint32_t places = t->cap > BONDS_LINEAR ? t->cap : t->n;
    for (uint32_t i = 0; i < places && i < BONDS_LOOK; i++) {
        const Bond *b = &t->at[i];
        if (b->key == VALUE_NONE)
            continue;
        if (links && b->word != 0)
            undone++; /* no link any more, but the other end does not know that yet */
        else if (found < n)
            pids[found++] = links ? b->key : b->word;
    }
    return t->n - undone;
}

/* ---- labels --------------------------------------------------------------------------------- */

Status process_set_label(ActorCtx *cx, Process *p, const char *bytes, size_t n)
{
    ProcessExt *ext;
    STATUS_FORWARD(process_ext(cx, p, &ext));
    if (!ext->label)
        ext->label = pool_alloc(cx->heap.pool, pool_class_of(sizeof *ext->label));
    if (!ext->label)
        return STATUS_NO_MEMORY;
    if (n > PROCESS_LABEL_MAX) {
        n = PROCESS_LABEL_MAX;
        while (n > 0 && ((unsigned char)bytes[n] & 0xC0) == 0x80)
            n--; /* in the middle of a character */
    }
    if (n > 0) /* no bytes may come as NULL, which memcpy does not take */
        memcpy(ext->label->bytes, bytes, n);
    ext->label->n = (uint8_t)n;
    return STATUS_OK;
}

void inspect_free(ActorCtx *cx, ProcessExt *ext)
{
    if (ext->inspected)
        fragment_free(&cx->heap, ext->inspected);
    if (ext->label)
        pool_free(cx->heap.pool, ext->label, pool_class_of(sizeof *ext->label));
}
