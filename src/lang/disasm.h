/* SPDX-License-Identifier: Apache-2.0 */
/* disasm.h - compiled code as text for people.
 * Threads: pure. */
#ifndef LANG_DISASM_H
#define LANG_DISASM_H

#include "code.h"
#include "lang_source.h"

/* Writes the unit and the blocks inside it, each with a headline, the instructions with symbolic
 * operands and the source line where it changes. The unit must satisfy code_verify. */
void disasm_unit(const CodeUnit *unit, LangSink sink);

/* The instructions of one unit alone, one `OP operands` per line, without places and nested
 * blocks. What tests compare. */
void disasm_plain(const CodeUnit *unit, LangSink sink);

/* One instruction without a line end. */
void disasm_instr(const CodeUnit *unit, uint32_t pc, LangSink sink);

#endif
