/* SPDX-License-Identifier: Apache-2.0 */
/* quick.c - which quick form an instruction gets, and back.
 * Threads: any; pure. */
#include "quick.h"

Opcode quick_general(Opcode quick)
{
    static const uint8_t general[] = {
        OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_LTJ, OP_GTJ, OP_LEJ, OP_GEJ, /* alone */
        OP_ADD, OP_ADD, OP_ADD, OP_ADD, OP_SUB, OP_SUB, OP_SUB, OP_SUB, /* pairs */
        OP_MUL, OP_MUL, OP_MUL, OP_MUL, OP_ADD, OP_ADD, OP_ADD, OP_ADD,
    };
    _Static_assert(sizeof general == OP_COUNT - OP_QUICK_FIRST, "one for each quick form");
    return (Opcode)general[quick - OP_QUICK_FIRST];
}

Opcode quick_single(Opcode general)
{
    _Static_assert(OP_DIV - OP_ADD == OP_DIVF - OP_ADDF, "in the same order");
    return (Opcode)(OP_ADDF + (general - OP_ADD));
}

Opcode quick_choose(Instr ins, Instr next)
{
    Opcode op = instr_op(ins), second = instr_op(next);
    if (second >= OP_QUICK_FIRST) {
        second = quick_general(second);
    }
    bool in_b = instr_b(next) == instr_a(ins), in_c = instr_c(next) == instr_a(ins);
    if (op == OP_DIV || !(in_b || in_c)) {
        return quick_single(op);
    }
    Opcode first_pair = (Opcode)(OP_ADDADDF + (OP_SUBADDF - OP_ADDADDF) * (op - OP_ADD));
    switch (second) {
    case OP_ADD: return first_pair;
    case OP_SUB: return (Opcode)(first_pair + (in_b ? 1 : 2));
    case OP_MUL: return (Opcode)(first_pair + 3);
    case OP_LTJ:
    case OP_GTJ:
    case OP_LEJ:
    case OP_GEJ:
        if (op == OP_ADD && in_b) {
            return (Opcode)(OP_ADDLTJF + (second - OP_LTJ));
        }
        break;
    default: break;
    }
    return quick_single(op);
}
