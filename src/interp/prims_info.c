/* SPDX-License-Identifier: Apache-2.0 */
/* prims_info.c - looking into processes from outside, without stopping them: what is read here are
 * words that their owners publish; the answer was true at a moment during the call.
 * Threads: the owner of the asking process, inside its scheduler's epoch section. */
#include "process.h"

#include "atomics.h"
#include "code_life.h"
#include "info.h"
#include "inspect.h"
#include "prim_waitable.h"
#include "prims.h"

#include <string.h>

enum { STATUS_GONE, STATUS_SELF, STATUS_RUNNABLE, STATUS_WAITING, STATUS_ENDING };

/* acquire: pairs with the release of process_park, so that what it waits for is seen */
static bool is_parked(const Process *p)
{
    return (atom_load_acq(&p->mbox_tail) & MBOX_PARKED) != 0;
}

static int status_of(PrimCall *c, const Process *p)
{
    if (!p)
        return STATUS_GONE;
    if (p == c->process)
        return STATUS_SELF;
    if (atom_load_acq(&p->state) != PROCESS_LIVE) /* acquire: as process_is_alive */
        return STATUS_ENDING;
    return is_parked(p) ? STATUS_WAITING : STATUS_RUNNABLE;
}

PrimStatus prim_process_status(PrimCall *c)
{
    const Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    return prim_ok(c, value_int(status_of(c, p)));
}

PrimStatus prim_process_wait_name(PrimCall *c)
{
    const Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    if (status_of(c, p) != STATUS_WAITING)
        return prim_ok(c, VALUE_NIL);
    /* relaxed: published by the park that is_parked has seen */
    const char *name = process_wait_name(atom_load_rlx(&p->wait));
    return prim_answer_string(c, name, strlen(name));
}

/* ---- what only the process itself can tell --------------------------------------------------- */

/* args: the process, a form. Answers the form filled in, or nil: it has ended. */
static PrimStatus inspect(PrimCall *c)
{
    Process *p = c->process;
    if (!value_is_pid(c->args[0]))
        return prim_error(c, "the receiver is not a process");
    if (!c->resume->a) {
        if (!info_form_is_valid(c->args[1]))
            return prim_type_error(c, 1, "form");
        Status status = process_inspect(prim_actor(c), p, c->args[0], c->args[1]);
        if (status != STATUS_OK)
            return prim_copy_failed(c, status);
        prim_charge(c, INFO_SLOTS / 16);
        c->resume->a = 1;
    }
    if (!prim_fetch(c))
        return PRIM_YIELD;
    Fragment *answer = process_inspected(p);
    if (!answer && c->args[0] == p->pid)
        return PRIM_YIELD; /* it answers itself between slices, and does not wait */
    if (!answer)
        return prim_park(c, PROCESS_WAIT_INFO);
    Value form = prim_take_fragment(c, answer);
    return prim_finish(c, form);
}

PrimStatus prim_process_info(PrimCall *c) { return inspect(c); }

PrimStatus prim_process_info_own(PrimCall *c)
{
    if (c->args[0] != c->process->pid)
        return prim_error(c, "the receiver is not the running process");
    return inspect(c);
}

/* {Symbol of the class or nil. selector. is it a block. line. file. nil} */
PrimStatus prim_info_frame(PrimCall *c)
{
    enum { FRAME_CLASS, FRAME_SELECTOR, FRAME_BLOCK, FRAME_LINE, FRAME_FILE, FRAME_SLOTS };
    Vm *vm = c->vm;
    int64_t word = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : -1;
    uint64_t id = (uint64_t)word >> INFO_PC_BITS;
    /* NULL: a number that is from no form, which would hold the code */
    const Code *code = word < 0 ? NULL : code_by_number(vm, id);
    if (!code)
        return prim_type_error(c, 1, "frame");
    uint32_t index = (uint32_t)word & ((1u << INFO_PC_BITS) - 1);
    if (index > code->ninstr)
        return prim_type_error(c, 1, "frame");
    size_t n = strlen(code->file);
    n = n < STR_INLINE_MAX ? n : STR_INLINE_MAX;
    Value file;
    PrimStatus st;
    if (!heap_has_room(c->heap, c->stack_end, FRAME_SLOTS + STR_HANDLE_WORDS + 8 + n / 8))
        return prim_gc(c, FRAME_SLOTS + STR_HANDLE_WORDS + 8 + n / 8);
    if (!prim_new_string(c, code->file, n, &file, &st))
        return st;
    Object *frame = prim_new_slots(c, CLASS_ARRAY, FRAME_SLOTS, &st);
    if (!frame)
        return st;
    if (code->owner != CLASS_NONE)
        frame->words[FRAME_CLASS] = value_symbol(vm_class(vm, code->owner)->short_name);
    frame->words[FRAME_SELECTOR] = value_symbol(code->method->selector);
    frame->words[FRAME_BLOCK] = value_bool(code->kind == CODE_BLOCK);
    frame->words[FRAME_LINE] = value_int(code_line_at(code, code->instr + index, NULL));
    frame->words[FRAME_FILE] = file;
    prim_charge(c, 2);
    return prim_ok(c, value_ptr(frame));
}

/* Who forked it, also when it has ended, as long as its place is not another's. */
PrimStatus prim_process_parent(PrimCall *c)
{
    const Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    /* relaxed: immutable while the process lives */
    return prim_ok(c, p ? atom_load_rlx(&p->parent) : VALUE_NIL);
}

PrimStatus prim_process_set_label(PrimCall *c)
{
    StrView text = {0};
    if (c->args[1] != VALUE_NIL && !prim_text(c, c->args[1], &text))
        return prim_type_error(c, 1, "String");
    Status status =
        process_set_label(prim_actor(c), c->process, (const char *)text.data, text.bytes);
    return status == STATUS_OK ? prim_self(c) : prim_status(c, status, 0);
}

PrimStatus prim_wait_name_at(PrimCall *c)
{
    if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) < 0)
        return prim_type_error(c, 1, "SmallInteger");
    const char *name = process_wait_name((unsigned)value_as_int(c->args[1]));
    return prim_answer_string(c, name, strlen(name));
}

/* ---- schedulers ----------------------------------------------------------------------------- */

/* Figures of one scheduler, in the order of System>>schedulerStatistics in the library. */
PrimStatus prim_system_scheduler_figures(PrimCall *c)
{
    SchedGroup *group = c->vm->group;
    int64_t id = value_is_int(c->args[1]) ? value_as_int(c->args[1]) : -1;
    if (id < 0 || id >= sched_count(group))
        return prim_type_error(c, 1, "number of a scheduler");
    SchedStats s;
    sched_stats(group, (uint32_t)id, &s);
    const uint64_t figures[] = {s.slices,
                                s.switches,
                                s.handovers,
                                s.steals,
                                s.stolen,
                                s.wakes,
                                s.sleeps,
                                s.spins,
                                s.overflows,
                                s.timers,
                                s.stand_ins,
                                s.busy_ns,
                                s.idle_ns,
                                sched_queue_length(group, (uint32_t)id),
                                sched_timer_count(group, (uint32_t)id)};
    size_t n = sizeof figures / sizeof *figures;
    PrimStatus st;
    Object *array = prim_new_slots(c, CLASS_ARRAY, n, &st);
    if (!array)
        return st;
    for (size_t i = 0; i < n; i++)
        array->words[i] = value_int((int64_t)(figures[i] & (uint64_t)VALUE_INT_MAX));
    prim_charge(c, 4);
    return prim_ok(c, value_ptr(array));
}
