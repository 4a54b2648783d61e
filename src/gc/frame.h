/* SPDX-License-Identifier: Apache-2.0 */
/* frame.h - layout of activations on a process's stack.
 *
 * A window of registers per activation; the caller builds receiver and arguments in its own scratch
 * registers, and there the callee's window begins (no copying):
 *
 *   R[0]            receiver (methods) or the closure itself (blocks)
 *   R[1..nargs]     arguments
 *   R[nargs+1]      frame record, word 0: caller's code pointer | window delta << 48
 *   R[nargs+2]      frame record, word 1: caller's return pc index (32 bits) | flags << 32
 *   R[nargs+3..]    blocks: captured values, copied in on entry; then temporaries; then scratch
 *
 * delta = this window's base - the caller's base, in words; code pointer 0 marks the base frame of
 * a process. The record sits above the arguments, so it is written in one go at the call and
 * nothing below it is ever stale: below the top of a window every register but the two record
 * words holds a Value (M8). Results go to the register named by the A field of the caller's
 * instruction before the return pc.
 *
 * Nothing points into the stack: frames are named by their offset from heap->lo.
 */
#ifndef MAGGIE_FRAME_H
#define MAGGIE_FRAME_H

#include "value.h"

#define FRAME_RECORD_WORDS 2
#define FRAME_DELTA_SHIFT 48

static inline Value frame_link(const void *caller_code, size_t delta)
{
    return (Value)(uintptr_t)caller_code | (Value)delta << FRAME_DELTA_SHIFT;
}
static inline void *frame_caller_code(Value link)
{
    return (void *)(uintptr_t)(link & VALUE_PAYLOAD_MASK);
}
static inline size_t frame_delta(Value link) { return (size_t)(link >> FRAME_DELTA_SHIFT); }

#endif
