/* SPDX-License-Identifier: Apache-2.0 */
/* calltrace.c - calls of traced processes.
 *
 * The dispatch loop of a process whose calls are traced runs with a table of its own, in which each
 * instruction that sends leads here first and then to what it does anyway. So nobody else pays
 * anything, and a call is told once, however often entering it is interrupted: what is interrupted
 * starts over behind the send (Process.pending). Operators that the loop computes itself are no
 * calls; when they turn into sends, the loop tells of them where it makes the send.
 *
 * Threads: the owner of the process, in the loop. */
#include "interp_int.h"
#include "trace.h"

const void *const *interp_trace_table(VmLocal *l, const void *const *plain, const void *stub)
{
    static const uint8_t sends[] = {OP_SEND,      OP_SENDSELF, OP_SENDREG, OP_SENDSUPER,
                                    OP_SENDVALUE, OP_VALUEREG, OP_TAILSELF};
    for (size_t i = 0; i < OP_COUNT; i++)
        l->trace_dispatch[i] = plain[i];
    for (size_t i = 0; i < sizeof sends; i++)
        l->trace_dispatch[sends[i]] = stub;
    return l->trace_dispatch;
}

static uint32_t class_of_value(Value v)
{
    return value_is_ptr(v) ? obj_class(obj_of(v)) : value_class_of(v);
}

void interp_trace_code(VmLocal *l, Process *p, const Code *m, Value receiver, const Value *args,
                       unsigned argc)
{
    if (m && m->kind != CODE_BLOCK)
        trace_called(&l->actor, p, m->owner, class_of_value(receiver), m->selector, args, argc);
}

void interp_trace_window(VmLocal *l, Process *p, const Value *nb, unsigned argc, uint32_t selector)
{
    interp_trace_code(l, p, vm_lookup_cached(l, class_of_value(nb[0]), selector), nb[0], nb + 1,
                      argc);
}

void interp_trace_send(VmLocal *l, Process *p, const Value *R, const Code *code,
                       const InlineCache *ics, Instr ins, int32_t reds)
{
    const Value *nb = R + instr_b(ins);
    Value receiver = nb[0];
    unsigned argc = instr_c(ins);
    uint32_t ic = instr_d(ins), cls = CLASS_NONE;
    switch (instr_op(ins)) {
    case OP_SENDREG:
    case OP_VALUEREG:
        receiver = R[instr_c(ins)];
        argc = instr_argc(ins);
        ic = instr_ic(ins);
        break;
    case OP_SENDSELF:
    case OP_TAILSELF: receiver = R[0]; break;
    case OP_SENDSUPER:
        cls = atom_load_rlx(&vm_class(l->vm, code->owner)->super); /* relaxed: as in vm_lookup */
        if (cls == CLASS_NONE)
            return;
        break;
    default: break;
    }
    if (cls == CLASS_NONE)
        cls = class_of_value(receiver);
    const Code *m = vm_lookup_cached(l, cls, ics[ic].selector);
    /* A tail call that is not to this code becomes the SENDSELF behind it; one at the end of the
     * slice starts over. */
    if (instr_op(ins) == OP_TAILSELF && (m != code || reds <= 0))
        return;
    interp_trace_code(l, p, m, receiver, nb + 1, argc);
}
