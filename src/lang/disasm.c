/* SPDX-License-Identifier: Apache-2.0 */
/* disasm.c - instructions as text, driven by the forms of opcodes.def.
 *
 *   ADD r4 r1 r5 #+ h6       result, operands, selector of the inline cache, live height
 *   JMPF r4 ->12 h5          jump target as an index
 *
 * Nested units are written from a list that grows while it is worked off, not by recursion (I4).
 * Threads: pure. */
#include "disasm.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_TEXT_MAX = 60 };

static void put(LangSink sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(LangSink sink, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0)
        sink.write(sink.ctx, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Bytes with everything but printable ASCII escaped, cut when long. */
static void put_text(LangSink sink, Bytes text)
{
    size_t n = text.len < SHOWN_TEXT_MAX ? text.len : SHOWN_TEXT_MAX;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 32 && c < 127)
            put(sink, "%c", c);
        else
            put(sink, "\\%02x", c);
    }
    if (n < text.len)
        put(sink, "...");
}

/* A point or an exponent tells it from an integer. */
static void put_float(LangSink sink, double number)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", number);
    put(sink, "%s%s", text, strpbrk(text, ".en") ? "" : ".0");
}

static void put_literal(LangSink sink, const Literal *lit)
{
    switch (lit->kind) {
    case LIT_NIL: put(sink, "nil"); break;
    case LIT_TRUE: put(sink, "true"); break;
    case LIT_FALSE: put(sink, "false"); break;
    case LIT_INT: put(sink, "%" PRId64, lit->integer); break;
    case LIT_BIG_INT:
        if (lit->radix != 10)
            put(sink, "%dr", lit->radix);
        put_text(sink, lit->text);
        break;
    case LIT_FLOAT: put_float(sink, lit->number); break;
    case LIT_CHAR: put(sink, "$%" PRId64, lit->integer); break;
    case LIT_STRING:
        put(sink, "'");
        put_text(sink, lit->text);
        put(sink, "'");
        break;
    case LIT_SYMBOL:
        put(sink, "#");
        put_text(sink, lit->text);
        break;
    case LIT_ARRAY: put(sink, "array of %zu", lit->count); break;
    case LIT_CLASS:
        put(sink, "class ");
        put_text(sink, lit->text);
        break;
    case LIT_BLOCK: put(sink, "block %" PRId64, lit->integer); break;
    }
}

static void put_ic(const CodeUnit *unit, uint32_t ic, LangSink sink)
{
    put(sink, " #");
    if (ic < unit->nics)
        put_text(sink, unit->ic_selectors[ic]);
}

static void put_global(const CodeUnit *unit, uint32_t index, LangSink sink)
{
    put(sink, " ");
    if (index >= unit->nglobals)
        return;
    const GlobalRef *g = &unit->globals[index];
    if (g->kind == GLOBAL_CLASS_VAR) {
        put_text(sink, g->owner);
        put(sink, ".");
    }
    put_text(sink, g->name);
}

static void put_block(const CodeUnit *unit, uint32_t index, LangSink sink)
{
    put(sink, " block %u", index);
    if (index >= unit->nblocks)
        return;
    const CodeUnit *block = unit->blocks[index];
    put(sink, " [");
    for (unsigned i = 0; i < block->ncaps; i++)
        put(sink, "%sr%u", i ? " " : "", block->captures[i]);
    put(sink, "]");
}

/* Operands of the forms with a window, and of PUTAT and FORLOOP. */
static void put_long_form(const CodeUnit *unit, Instr i, OpForm form, uint32_t target,
                          LangSink sink)
{
    unsigned a = instr_a(i), b = instr_b(i), c = instr_c(i);
    switch (form) {
    case FORM_SEND:
        put(sink, " r%u r%u/%u", a, b, c);
        put_ic(unit, instr_d(i), sink);
        break;
    case FORM_SENDREG:
        put(sink, " r%u r%u/%u r%u", a, b, instr_argc(i), c);
        put_ic(unit, instr_ic(i), sink);
        break;
    case FORM_PUTAT:
        put(sink, " r%u r%u r%u r%u h%u", a, b, c, instr_put_value(i), instr_h(i));
        break;
    case FORM_FOR: put(sink, " r%u by %d ->%u h%u", a, instr_ck(i), target, b); break;
    default: break;
    }
}

void disasm_instr(const CodeUnit *unit, uint32_t pc, LangSink sink)
{
    Instr i = unit->instr[pc];
    Opcode op = instr_op(i);
    unsigned a = instr_a(i), b = instr_b(i), c = instr_c(i);
    uint32_t d = instr_d(i), target = pc + 1 + d;
    if (op >= OP_COUNT) {
        put(sink, "?%u", (unsigned)op);
        return;
    }
    put(sink, "%s", op_info[op].name);
    OpForm form = op_info[op].form;
    switch (form) {
    case FORM_NONE: break;
    case FORM_A: put(sink, " r%u", a); break;
    case FORM_AB: put(sink, " r%u r%u", a, b); break;
    case FORM_ABC: put(sink, " r%u r%u r%u", a, b, c); break;
    case FORM_AI: put(sink, " r%u %d", a, (int32_t)d); break;
    case FORM_AL:
    case FORM_ALH:
        put(sink, " r%u ", a);
        if (d < unit->nliterals)
            put_literal(sink, &unit->literals[d]);
        if (form == FORM_ALH)
            put(sink, " h%u", c);
        break;
    case FORM_AGH:
        put(sink, " r%u", a);
        put_global(unit, d, sink);
        put(sink, " h%u", c);
        break;
    case FORM_ABF: put(sink, " r%u r%u %u h%u", a, b, d, c); break;
    case FORM_ABD: put(sink, " r%u r%u %u", a, b, d); break;
    case FORM_J: put(sink, " ->%u", target); break;
    case FORM_JH: put(sink, " ->%u h%u", target, c); break;
    case FORM_AJH: put(sink, " r%u ->%u h%u", a, target, c); break;
    case FORM_ABJ: put(sink, " r%u r%u ->%u", a, b, target); break;
    case FORM_ARITH:
        put(sink, " r%u r%u r%u", a, b, c);
        put(sink, " h%u", instr_h(i));
        break;
    case FORM_ARITHK: put(sink, " r%u r%u %d h%u", a, b, instr_ck(i), instr_h(i)); break;
    case FORM_UNARY: put(sink, " r%u r%u h%u", a, b, instr_h(i)); break;
    case FORM_ABH: put(sink, " r%u r%u h%u", a, b, c); break;
    case FORM_AH: put(sink, " r%u h%u", a, c); break;
    case FORM_ABLK:
        put(sink, " r%u", a);
        put_block(unit, d, sink);
        put(sink, " h%u", c);
        break;
    case FORM_ARR: put(sink, " r%u r%u/%u h%u", a, b, c, d); break;
    case FORM_NEWARR: put(sink, " r%u %u h%u", a, d, c); break;
    default: put_long_form(unit, i, form, target, sink);
    }
}

void disasm_plain(const CodeUnit *unit, LangSink sink)
{
    for (uint32_t pc = 0; pc < unit->ninstr; pc++) {
        disasm_instr(unit, pc, sink);
        put(sink, "\n");
    }
}

static void put_headline(const CodeUnit *unit, LangSink sink)
{
    static const char *const kinds[] = {"method ", "block in ", "doit "};
    put(sink, "%s", kinds[unit->kind]);
    put_text(sink, unit->selector);
    put(sink, ": %u arguments, %u captures, %u registers", unit->nargs, unit->ncaps, unit->nregs);
    if (unit->is_primitive)
        put(sink, ", primitive");
    if (unit->getter_slot >= 0)
        put(sink, ", getter of slot %d", unit->getter_slot);
    put(sink, "\n");
    bool named = false;
    for (unsigned r = 0; unit->temp_names && r < unit->nregs; r++) {
        if (!unit->temp_names[r].len)
            continue;
        put(sink, "%s r%u=", named ? "" : "     ", r);
        put_text(sink, unit->temp_names[r]);
        named = true;
    }
    if (named)
        put(sink, "\n");
}

static void put_unit(const CodeUnit *unit, LangSink sink)
{
    uint32_t line = 0;
    put_headline(unit, sink);
    for (uint32_t pc = 0; pc < unit->ninstr; pc++) {
        put(sink, "%5u  ", pc);
        disasm_instr(unit, pc, sink);
        if (line < unit->nlines && unit->lines[line].pc == pc) {
            put(sink, "    ; %u:%u", unit->lines[line].line, unit->lines[line].column);
            line++;
        }
        put(sink, "\n");
    }
}

void disasm_unit(const CodeUnit *unit, LangSink sink)
{
    size_t count = 1, room = 16;
    const CodeUnit **list = malloc(room * sizeof *list);
    if (!list)
        return put(sink, "out of memory\n");
    list[0] = unit;
    for (size_t i = 0; i < count; i++) {
        if (i)
            put(sink, "\n");
        put_unit(list[i], sink);
        if (count + list[i]->nblocks > room) {
            room = (count + list[i]->nblocks) * 2;
            const CodeUnit **grown = realloc(list, room * sizeof *list);
            if (!grown) {
                put(sink, "out of memory\n");
                break;
            }
            list = grown;
        }
        for (uint32_t k = 0; k < list[i]->nblocks; k++)
            list[count++] = list[i]->blocks[k];
    }
    free(list);
}
