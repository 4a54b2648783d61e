/* SPDX-License-Identifier: Apache-2.0 */
/* info.c - a process fills in the form of somebody who asks about it, between two slices.
 *
 * Everything that goes into the form is an immediate, a handle of counted code, which the form
 * holds from then on, or bytes of its first slot: nothing is allocated, and the time it takes is
 * bounded, however deep the stack and however many the links.
 * Threads: the owner of the process, state committed. */
#include "info.h"

#include <string.h>

#include "call.h"
#include "code_life.h"
#include "frozen.h"
#include "mailbound.h"
#include "waitable.h"

Value info_blocker(const Process *p)
{
    if (p->flags & PROCESS_F_TIMER)
        return VALUE_NIL; /* time will end this wait */
    if (p->wait == PROCESS_WAIT_RESULT && p->pending) {
        Value other = p->heap.lo[p->window + p->pending_base];
        return value_is_pid(other) ? other : VALUE_NIL;
    }
    switch ((ProcessWait)p->wait) {
    case PROCESS_WAIT_CALL: return call_awaited(p);
    case PROCESS_WAIT_LOCK:
    case PROCESS_WAIT_PROMISE:
    case PROCESS_WAIT_MAILBOX: return wait_blocker(p);
    default: return VALUE_NIL;
    }
}

/* As the frames of Exception>>_captureTrace. */
static Value frame_word(const Code *code, const Instr *pc)
{
    uint64_t index = (uint64_t)(pc - code->instr) & ((UINT64_C(1) << INFO_PC_BITS) - 1);
    uint64_t word = (uint64_t)code->id << INFO_PC_BITS | index;
    return value_int((int64_t)(word & ((UINT64_C(1) << 46) - 1)));
}

/* The form holds the code, as p does now. */
static void fill_code(ActorCtx *cx, const Code *code, Fragment *f, size_t i)
{
    Value handle = code_counted_handle(code);
#ifndef MAGGIE_MUTANT_INFO_CODE
    fragment_hold(f, &cx->heap, handle);
    obj_slots(obj_of(f->root))[INFO_CODES + i] = handle;
#else
    (void)cx, (void)f, (void)i, (void)handle;
#endif
}

static void fill_frames(ActorCtx *cx, Process *p, Fragment *f)
{
    Value *form = obj_slots(obj_of(f->root));
    size_t n = 0;
    form[INFO_CALLEE] = VALUE_NIL;
    if (p->pending && p->pending->kind != CODE_BLOCK) {
        form[INFO_CALLEE] = frame_word(p->pending, p->pending->instr);
        fill_code(cx, p->pending, f, 0);
    }
    FrameWalk w = frame_top(p);
    do {
        fill_code(cx, w.code, f, n + 1);
        form[INFO_FRAMES + n++] = frame_word(w.code, w.pc);
    } while (n < INFO_FRAMES_MAX && frame_up(&w));
    form[INFO_NFRAMES] = value_int((int64_t)n);
    form[INFO_MORE_FRAMES] = value_bool(n == INFO_FRAMES_MAX && frame_up(&w));
}

static void fill_bonds(const BondTable *t, bool links, Value *form, unsigned count, unsigned at)
{
    form[count] = value_int(inspect_bonds(t, links, form + at, INFO_BONDS_MAX));
}

static void fill_ext(Process *p, Value *form, char *text)
{
    const ProcessExt *ext = p->ext;
    form[INFO_NLINKS] = form[INFO_NWATCHING] = form[INFO_NWATCHED] = value_int(0);
    form[INFO_NNAMES] = form[INFO_LABEL_BYTES] = form[INFO_WAIT_NUMBER] = value_int(0);
    if (!ext)
        return;
    form[INFO_WAIT_NUMBER] = value_int((int64_t)(ext->waits & (uint64_t)VALUE_INT_MAX));
    fill_bonds(&ext->links, true, form, INFO_NLINKS, INFO_LINKS);
    fill_bonds(&ext->watching, false, form, INFO_NWATCHING, INFO_WATCHING);
    fill_bonds(&ext->watched, false, form, INFO_NWATCHED, INFO_WATCHED);
    form[INFO_NNAMES] = value_int(process_names(p, form + INFO_NAMES, INFO_NAMES_MAX));
    if (ext->label) {
        memcpy(text + INFO_LABEL_AT, ext->label->bytes, ext->label->n);
        form[INFO_LABEL_BYTES] = value_int(ext->label->n);
    }
}

static void fill_mail(Process *p, Value *form)
{
    MailBound *b = p->bound;
    form[INFO_MESSAGES] = value_int(p->nmessages);
    form[INFO_MAIL_LIMIT] = VALUE_NIL;
    form[INFO_MAIL_DROPPED] = form[INFO_MAIL_REFUSED] = value_int(0);
    if (!b)
        return;
    lock_acquire(&b->w.lock);
    if (b->limit <= (uint64_t)VALUE_INT_MAX)
        form[INFO_MAIL_LIMIT] = value_int((int64_t)b->limit);
    form[INFO_MAIL_DROPPED] = value_int((int64_t)(b->dropped & (uint64_t)VALUE_INT_MAX));
    form[INFO_MAIL_REFUSED] = value_int((int64_t)(b->refused & (uint64_t)VALUE_INT_MAX));
    lock_release(&b->w.lock);
}

/* Whose exits become exceptions may leave any wait by one, and go on. */
static bool may_leave(const Process *p)
{
    return (p->flags & PROCESS_F_TIMER) || (p->modes & PROCESS_MODE_RAISES);
}

static void fill_objects(Process *p, Value *form)
{
    WaitObject object[INFO_OBJECTS_MAX];
    bool waits = p->wait != PROCESS_WAIT_NOTHING && !may_leave(p);
    unsigned n = waits ? wait_objects(p, object, INFO_OBJECTS_MAX) : 0;
    form[INFO_NOBJECTS] = value_int(n);
    for (unsigned i = 0; i < n; i++) {
        form[INFO_OBJECTS + 2 * i] = value_int((int64_t)(object[i].number & VALUE_INT_MAX));
        form[INFO_OBJECTS + 2 * i + 1] = value_int(object[i].refs);
    }
}

/* A reduction is worth about this many handles, or numbers that a handle is compared with. */
#define COUNTS_PER_REDUCTION 16u

/* Answers reductions. */
static int32_t fill_counts(Process *p, Value *form)
{
    uint64_t numbers[INFO_ASKED_MAX];
    uint32_t counts[INFO_ASKED_MAX];
    Value asked = form[INFO_NASKED];
    uint32_t seen = 0;
    unsigned n = 0;
    if (!value_is_int(asked) || value_as_int(asked) > (int64_t)INFO_ASKED_MAX)
        return 0;
    while (n < INFO_ASKED_MAX && (int64_t)n < value_as_int(asked)) {
        Value number = form[INFO_ASKED + n];
        numbers[n++] = value_is_int(number) ? (uint64_t)value_as_int(number) : 0;
    }
    bool all = n > 0 && wait_own_counts(p, numbers, counts, n, &seen);
    for (unsigned i = 0; i < n; i++)
        form[INFO_ASKED + i] = all ? value_int(counts[i]) : VALUE_NIL;
    return (int32_t)(seen * (1 + n) / COUNTS_PER_REDUCTION);
}

int32_t info_fill(void *ctx, ActorCtx *cx, Process *p, Fragment *f)
{
    (void)ctx;
    Value *form = obj_slots(obj_of(f->root));
    char *text = (char *)obj_of(form[INFO_TEXT])->words;
    fill_frames(cx, p, f);
    fill_ext(p, form, text);
    form[INFO_WAIT] = value_int(p->wait);
    size_t n = p->wait == PROCESS_WAIT_NOTHING ? 0 : wait_describe(p, text, INFO_LABEL_AT);
    form[INFO_WAIT_BYTES] = value_int((int64_t)n);
    form[INFO_BLOCKER] = may_leave(p) ? VALUE_NIL : info_blocker(p);
    fill_objects(p, form);
    int32_t cost = fill_counts(p, form);
    form[INFO_HEAP_BYTES] = value_int((int64_t)heap_bytes(&p->heap));
    fill_mail(p, form);
    form[INFO_REDUCTIONS] = value_int((int64_t)(process_reductions(p) & (uint64_t)VALUE_INT_MAX));
    form[INFO_PRIORITY] = value_int(p->priority);
    form[INFO_TRAPS] = value_bool((p->modes & PROCESS_MODE_TRAPS) != 0);
    form[INFO_PARENT] = p->parent;
    return cost;
}

bool info_form_is_valid(Value value)
{
    if (!value_is_kind(value, OBJ_SLOTS) || obj_class(obj_of(value)) != CLASS_ARRAY ||
        obj_words(obj_of(value)) != INFO_SLOTS)
        return false;
    Value text = obj_slots(obj_of(value))[INFO_TEXT];
    return value_is_kind(text, OBJ_BYTES) &&
           obj_words(obj_of(text)) * sizeof(Value) >= INFO_TEXT_BYTES;
}
