/* SPDX-License-Identifier: Apache-2.0 */
/* code.c - facts about instructions and units: names, forms, live heights, memory.
 * Threads: constants and pure functions; a unit belongs to its owner. */
#include "code.h"

#include "arena.h"

const OpInfo op_info[OP_COUNT] = {
#define OP(name, form, help) {#name, FORM_##form, help},
#include "opcodes.def"
#undef OP
};

unsigned instr_live_height(Instr i)
{
    if (instr_op(i) >= OP_COUNT)
        return 0;
    switch (op_info[instr_op(i)].form) {
    case FORM_NONE:
    case FORM_A:
    case FORM_AB:
    case FORM_ABC:
    case FORM_AI:
    case FORM_AL:
    case FORM_ABD:
    case FORM_J:
    case FORM_ABJ: return 0;
    case FORM_ALH:
    case FORM_AGH:
    case FORM_ABF:
    case FORM_JH:
    case FORM_AJH:
    case FORM_ABH:
    case FORM_AH:
    case FORM_ABLK:
    case FORM_NEWARR: return instr_c(i);
    case FORM_SEND: return instr_b(i) + instr_c(i) + 1;
    case FORM_SENDREG: return instr_b(i) + instr_argc(i) + 1;
    case FORM_ARITH:
    case FORM_ARITHK:
    case FORM_UNARY:
    case FORM_PUTAT: return instr_h(i);
    case FORM_FOR: return instr_b(i);
    case FORM_ARR: return instr_d(i);
    }
    return 0;
}

void code_unit_free(CodeUnit *unit)
{
    if (!unit)
        return;
    LangArena *arena = unit->arena; /* the unit itself lives there */
    if (!arena)
        return;
    LangAllocator allocator = arena->allocator;
    lang_arena_free(arena);
    allocator.free(allocator.ctx, arena);
}
