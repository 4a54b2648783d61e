/* SPDX-License-Identifier: Apache-2.0 */
/* interp.c - the dispatch loop.
 *
 * Hot state lives in locals: R (window), pc, code, ics, reds. It is committed to the process
 * (window, pc, code, live) before anything that may collect, inspect or leave. After a collection
 * only R has to be recomputed, from p->heap.lo and p->window.
 *
 * A call that cannot go on now (slice used up, stack full, memory short, primitive waits) is kept
 * as p->pending: callee, window and argument count; receiver and arguments stay in their registers,
 * below the live height. Entering it again is the same code as entering it the first time, so a
 * rewritten send (perform:, doesNotUnderstand:, fallback) is never evaluated twice.
 *
 * Threads: runs on the scheduler that owns the process.
 */
#include "interp.h"

#include "class.h"
#include "code_life.h"
#include "fastops.h"
#include "interp_int.h"
#include "quick.h"


static inline uint32_t class_of(Value v)
{
    if (LIKELY(v >> VALUE_TAG_SHIFT == 0)) {
        return obj_class(obj_of(v));
    }
    return LIKELY(value_is_int(v)) ? (uint32_t)CLASS_SMALL_INTEGER : value_class_of(v);
}

/* Double of an int or float value. */
static inline double as_double(Value v)
{
    return value_is_int(v) ? (double)value_as_int(v) : value_as_float(v);
}
static inline bool is_number(Value v) { return value_is_int(v) || value_is_float(v); }

/* Second entry, then the scheduler's cache, then the class chain; fills a free entry. */
static __attribute__((noinline)) Code *send_miss(VmLocal *l, InlineCache *ic, uint32_t cls)
{
    /* acquire: pairs with the release of the class word in ic_fill, publishes the target */
    if (atom_load_acq(&ic->cls1) == cls) {
        return atom_load_rlx(&ic->target1); /* ordered by the acquire above */
    }
    /* What is filled in stays for good, so it must not come from an outdated scheduler cache: see
     * methods_install. */
    vm_local_check_version(l);
    Code *target = vm_lookup_cached(l, cls, ic->selector);
    l->counters.sends_missed++;
    if (target) {
        ic_fill(ic, cls, target);
    }
    return target;
}

#ifdef MAGGIE_COUNT_WORK
#define CALL_PRIMITIVE(m, c) interp_count_work(m, c)
#else
#define CALL_PRIMITIVE(m, c) (m)->prim(c)
#endif

#define A instr_a(ins)
#define B instr_b(ins)
#define C instr_c(ins)
#define CK instr_ck(ins)
#define D instr_d(ins)

#ifdef MAGGIE_GC_STRESS
/* Once not, after a collection elsewhere: what asked for it starts over through here. */
#define ARM()                                                                                      \
    (p->heap.stress_armed = !(p->modes & PROCESS_MODE_COLLECTED),                                  \
     p->modes &= (uint8_t)~PROCESS_MODE_COLLECTED)
#else
#define ARM() ((void)0)
#endif

/* Next instruction. */
#define NEXT                                                                                       \
    do {                                                                                           \
        ARM();                                                                                     \
        ins = atom_load_rlx(pc); /* relaxed: see quicken */                                        \
        pc++;                                                                                      \
        goto *dispatch[(uint8_t)ins];                                                              \
    } while (0)
/* A comparison and the JMPF behind it: each way has its own dispatch, so that its target is
 * predicted by itself. */
#define BRANCH(CONDITION, WORDS)                                                                   \
    do {                                                                                           \
        if (CONDITION) {                                                                           \
            pc += (WORDS);                                                                         \
            NEXT;                                                                                  \
        }                                                                                          \
        pc += (ptrdiff_t)instr_jump(pc[(WORDS)-1]) + (WORDS);                                      \
        NEXT;                                                                                      \
    } while (0)
/* The same instruction again, after a collection. */
#define AGAIN goto *dispatch[(uint8_t)ins]
#define COMMIT()                                                                                   \
    do {                                                                                           \
        p->pc = pc;                                                                                \
        p->code = code;                                                                            \
        p->window = (uint32_t)(R - p->heap.lo);                                                    \
    } while (0)
#define STACK_END (R + code->nregs)
/* Collects for `words` at live height `height` and starts the instruction over. */
#define COLLECT(words, height)                                                                     \
    do {                                                                                           \
        gc_need = (words);                                                                         \
        gc_live = (size_t)(height);                                                                \
        goto collect_again;                                                                        \
    } while (0)

/* Sends whose window and operands are in registers: the out-of-line half of the fast operators. */
#define SLOW_BINARY()                                                                              \
    do {                                                                                           \
        nb = R + instr_h(ins);                                                                     \
        nb[0] = R[B];                                                                              \
        nb[1] = R[C];                                                                              \
        goto slow_binary;                                                                          \
    } while (0)
#define SLOW_CONSTANT()                                                                            \
    do {                                                                                           \
        nb = R + instr_h(ins);                                                                     \
        nb[0] = R[B];                                                                              \
        nb[1] = value_int(CK);                                                                     \
        goto slow_binary;                                                                          \
    } while (0)

/* Every word that is no float decodes to a NaN (the offset moves pointers, integers and the other
 * immediates into the NaN range), so the float path needs no tag tests: it computes, and a result
 * that is a NaN (or an unordered comparison) tells that an operand was no float, or a NaN. */
#define ARITH_CASE(NAME, INT_EXPR, FLOAT_EXPR)                                                     \
    L_##NAME:                                                                                      \
    {                                                                                              \
        uint32_t bc = (uint32_t)ins >> 16; /* B and C in fewer steps */                            \
        Value a = R[bc & 0xFF], b = R[bc >> 8];                                                    \
        if ((a & b) >= int_tag) {                                                                  \
            Value r = (INT_EXPR);                                                                  \
            if (LIKELY(r >= int_tag)) {                                                            \
                R[A] = r;                                                                          \
                NEXT;                                                                              \
            }                                                                                      \
            SLOW_BINARY();                                                                         \
        }                                                                                          \
        Number z = number_##NAME(float_decode(a), float_decode(b));                                \
        if (LIKELY(!number_is_nan(z))) {                                                           \
            R[A] = float_encode(z);                                                                \
            /* relaxed: see quicken */                                                             \
            quicken(pc, ins, quick_choose(ins, atom_load_rlx(pc)));                                \
            NEXT;                                                                                  \
        }                                                                                          \
        if (is_number(a) && is_number(b)) {                                                        \
            double x = as_double(a), y = as_double(b);                                             \
            R[A] = value_float(FLOAT_EXPR);                                                        \
            NEXT;                                                                                  \
        }                                                                                          \
        SLOW_BINARY();                                                                             \
    }
/* The quick form: no integer test first. Anything but two Floats turns the site back. */
#define FLOAT_CASE(NAME)                                                                           \
    L_##NAME##F:                                                                                   \
    {                                                                                              \
        uint32_t bc = (uint32_t)ins >> 16;                                                         \
        Number z = number_##NAME(float_decode(R[bc & 0xFF]), float_decode(R[bc >> 8]));            \
        if (UNLIKELY(number_is_nan(z))) {                                                          \
            goto no_floats;                                                                        \
        }                                                                                          \
        R[A] = float_encode(z);                                                                    \
        NEXT;                                                                                      \
    }
/* Both halves of a pair: the result of the first one is stored, but the second does not wait for
 * that. OTHER tells in which register the second finds its other operand. */
#define FLOAT_PAIR_FIRST(NAME)                                                                     \
    uint32_t bc = (uint32_t)ins >> 16, between = A;                                                \
    Number z = number_##NAME(float_decode(R[bc & 0xFF]), float_decode(R[bc >> 8]));                \
    if (UNLIKELY(number_is_nan(z))) {                                                              \
        goto no_floats;                                                                            \
    }                                                                                              \
    R[between] = float_encode(z);                                                                  \
    Instr second = atom_load_rlx(pc); /* relaxed: see quicken */                                   \
    bc = (uint32_t)second >> 16
#define FLOAT_PAIR_CASE(FIRST, SECOND, EXPR, OTHER)                                                \
    L_##FIRST##SECOND##F:                                                                          \
    {                                                                                              \
        FLOAT_PAIR_FIRST(FIRST);                                                                   \
        Number y = float_decode(R[OTHER]);                                                         \
        z = EXPR;                                                                                  \
        if (UNLIKELY(number_is_nan(z))) {                                                          \
            goto no_pair;                                                                          \
        }                                                                                          \
        R[instr_a(second)] = float_encode(z);                                                      \
        pc++;                                                                                      \
        NEXT;                                                                                      \
    }
#define FLOAT_PAIRS(FIRST)                                                                         \
    FLOAT_PAIR_CASE(FIRST, ADD, number_ADD(z, y), (uint8_t)(bc ^ bc >> 8 ^ between))               \
    FLOAT_PAIR_CASE(FIRST, SUB, number_SUB(z, y), bc >> 8)                                         \
    FLOAT_PAIR_CASE(FIRST, RSUB, number_SUB(y, z), (uint8_t)bc)                                    \
    FLOAT_PAIR_CASE(FIRST, MUL, number_MUL(z, y), (uint8_t)(bc ^ bc >> 8 ^ between))
#define FLOAT_PAIR_COMPARE(FIRST, NAME, OPERATOR)                                                  \
    L_##FIRST##NAME##JF:                                                                           \
    {                                                                                              \
        FLOAT_PAIR_FIRST(FIRST);                                                                   \
        double x = number_double(z), y = number_double(float_decode(R[bc >> 8]));                  \
        if (UNLIKELY(__builtin_isunordered(x, y))) {                                               \
            goto no_pair;                                                                          \
        }                                                                                          \
        BRANCH(x OPERATOR y, 2);                                                                   \
    }
#define FLOAT_COMPARE_CASE(NAME, OPERATOR)                                                         \
    L_##NAME##JF:                                                                                  \
    {                                                                                              \
        uint32_t bc = (uint32_t)ins >> 16;                                                         \
        double x = number_double(float_decode(R[bc & 0xFF]));                                      \
        double y = number_double(float_decode(R[bc >> 8]));                                        \
        if (UNLIKELY(__builtin_isunordered(x, y))) {                                               \
            goto no_floats;                                                                        \
        }                                                                                          \
        BRANCH(x OPERATOR y, 1);                                                                   \
    }
#define ARITHK_CASE(NAME, INT_EXPR, FLOAT_EXPR)                                                    \
    L_##NAME:                                                                                      \
    {                                                                                              \
        Value a = R[B];                                                                            \
        int64_t k = CK;                                                                            \
        if (LIKELY(a >= int_tag)) {                                                                \
            Value r = (INT_EXPR);                                                                  \
            if (LIKELY(r >= int_tag)) {                                                            \
                R[A] = r;                                                                          \
                NEXT;                                                                              \
            }                                                                                      \
        } else if (value_is_float(a)) {                                                            \
            double x = value_as_float(a), y = (double)k;                                           \
            R[A] = value_float(FLOAT_EXPR);                                                        \
            NEXT;                                                                                  \
        }                                                                                          \
        SLOW_CONSTANT();                                                                           \
    }
/* Comparisons: biased integers compare as unsigned words. */
#define COMPARE_CASE(NAME, OPERATOR)                                                               \
    L_##NAME:                                                                                      \
    {                                                                                              \
        uint32_t bc = (uint32_t)ins >> 16;                                                         \
        Value a = R[bc & 0xFF], b = R[bc >> 8];                                                    \
        if ((a & b) >= int_tag) {                                                                  \
            R[A] = value_bool(a OPERATOR b);                                                       \
            NEXT;                                                                                  \
        }                                                                                          \
        double x = number_double(float_decode(a));                                                 \
        double y = number_double(float_decode(b));                                                 \
        if (UNLIKELY(__builtin_isunordered(x, y))) {                                               \
            if (!is_number(a) || !is_number(b)) {                                                  \
                SLOW_BINARY();                                                                     \
            }                                                                                      \
            x = as_double(a);                                                                      \
            y = as_double(b);                                                                      \
        }                                                                                          \
        R[A] = value_bool(x OPERATOR y);                                                           \
        NEXT;                                                                                      \
    }                                                                                              \
    L_##NAME##J:                                                                                   \
    {                                                                                              \
        uint32_t bc = (uint32_t)ins >> 16;                                                         \
        Value a = R[bc & 0xFF], b = R[bc >> 8];                                                    \
        if (LIKELY((a & b) >= int_tag)) {                                                          \
            BRANCH(a OPERATOR b, 1);                                                               \
        }                                                                                          \
        double x = number_double(float_decode(a));                                                 \
        double y = number_double(float_decode(b));                                                 \
        if (UNLIKELY(__builtin_isunordered(x, y))) {                                               \
            if (!is_number(a) || !is_number(b)) {                                                  \
                SLOW_BINARY();                                                                     \
            }                                                                                      \
            x = as_double(a);                                                                      \
            y = as_double(b);                                                                      \
        } else {                                                                                   \
            quicken(pc, ins, OP_##NAME##JF);                                                       \
        }                                                                                          \
        BRANCH(x OPERATOR y, 1);                                                                   \
    }                                                                                              \
    L_##NAME##K:                                                                                   \
    {                                                                                              \
        Value a = R[B];                                                                            \
        if (LIKELY(a >= int_tag)) {                                                                \
            R[A] = value_bool(a OPERATOR value_int(CK));                                           \
            NEXT;                                                                                  \
        }                                                                                          \
        if (value_is_float(a)) {                                                                   \
            R[A] = value_bool(value_as_float(a) OPERATOR(double) CK);                              \
            NEXT;                                                                                  \
        }                                                                                          \
        SLOW_CONSTANT();                                                                           \
    }                                                                                              \
    L_##NAME##KJ:                                                                                  \
    {                                                                                              \
        Value a = R[B];                                                                            \
        if (LIKELY(a >= int_tag)) {                                                                \
            BRANCH(a OPERATOR value_int(CK), 1);                                                   \
        }                                                                                          \
        if (value_is_float(a)) {                                                                   \
            BRANCH(value_as_float(a) OPERATOR(double) CK, 1);                                      \
        }                                                                                          \
        SLOW_CONSTANT();                                                                           \
    }
/* = and ~= without a send: every left side but a heap object compares as a word (L7: 3 = 3.0 is
 * false), Floats by IEEE. NEGATE is 0 or 1. */
#define EQUAL_CASE(NAME, NEGATE)                                                                   \
    L_##NAME:                                                                                      \
    {                                                                                              \
        Value a = R[B], b = R[C];                                                                  \
        if (UNLIKELY(value_is_ptr(a))) {                                                           \
            SLOW_BINARY();                                                                         \
        }                                                                                          \
        R[A] = value_bool(words_equal(a, b) != NEGATE);                                            \
        NEXT;                                                                                      \
    }                                                                                              \
    L_##NAME##J:                                                                                   \
    {                                                                                              \
        Value a = R[B], b = R[C];                                                                  \
        if (UNLIKELY(value_is_ptr(a))) {                                                           \
            SLOW_BINARY();                                                                         \
        }                                                                                          \
        BRANCH(words_equal(a, b) != NEGATE, 1);                                                    \
    }                                                                                              \
    L_##NAME##K:                                                                                   \
    {                                                                                              \
        Value a = R[B];                                                                            \
        if (UNLIKELY(value_is_ptr(a))) {                                                           \
            SLOW_CONSTANT();                                                                       \
        }                                                                                          \
        R[A] = value_bool((a == value_int(CK)) != NEGATE);                                         \
        NEXT;                                                                                      \
    }                                                                                              \
    L_##NAME##KJ:                                                                                  \
    {                                                                                              \
        Value a = R[B];                                                                            \
        if (UNLIKELY(value_is_ptr(a))) {                                                           \
            SLOW_CONSTANT();                                                                       \
        }                                                                                          \
        BRANCH((a == value_int(CK)) != NEGATE, 1);                                                 \
    }
/* Unary tests that only a redefinition (non-pristine) could make a send. */
#define TEST_CASE(NAME, EXPR)                                                                      \
    L_##NAME:                                                                                      \
    {                                                                                              \
        Value a = R[B];                                                                            \
        R[A] = value_bool(EXPR);                                                                   \
        NEXT;                                                                                      \
    }                                                                                              \
    L_##NAME##J:                                                                                   \
    {                                                                                              \
        Value a = R[B];                                                                            \
        BRANCH(EXPR, 1);                                                                           \
    }

/* The dispatch table for the calls of a process: traced or not. Traced calls ask for their own once
 * in a slice, so who is not traced pays for one test there. */
#define CHOOSE_DISPATCH()                                                                          \
    do {                                                                                           \
        /* relaxed: a redefinition comes with a code_version, which has been acquired */           \
        dispatch = atom_load_rlx(&l->vm->nonpristine) ? slow_table : fast_table;                   \
        if (UNLIKELY(p->mail & MAIL_F_TRACE_CALLS)) {                                              \
            dispatch = interp_trace_table(l, dispatch, &&L_TRACE);                                 \
        }                                                                                          \
    } while (0)
#define CALLS_ARE_TRACED() UNLIKELY(dispatch == l->trace_dispatch)
#define TELL_CALL() (CALLS_ARE_TRACED() ? interp_trace_code(l, p, m, nb[0], nb + 1, argc) : (void)0)

/* Does the loop begin behind a collection that was made elsewhere? Asked once. */
static bool back_from_away(Process *p)
{
    bool back = (p->modes & PROCESS_MODE_COLLECTED) != 0;
#ifndef MAGGIE_GC_STRESS
    p->modes &= (uint8_t)~PROCESS_MODE_COLLECTED; /* else ARM does */
#endif
    return back;
}

/* The loop. Two dispatch tables: in the second the operators that could be inlined always send,
 * because somebody redefined one of them for a built-in class. */
LoopEnd interp_loop(VmLocal *l, Process *p, Sched *sched)
{
    static const void *const fast_table[] = {
#define OP(name, form, help) &&L_##name,
#include "opcodes.def"
#undef OP
    };
#define SLOW_FORM_NONE(name) &&L_##name
#define SLOW_FORM_A(name) &&L_##name
#define SLOW_FORM_AB(name) &&L_##name
#define SLOW_FORM_ABC(name) &&L_##name
#define SLOW_FORM_AI(name) &&L_##name
#define SLOW_FORM_AL(name) &&L_##name
#define SLOW_FORM_ALH(name) &&L_##name
#define SLOW_FORM_AG(name) &&L_##name
#define SLOW_FORM_AGH(name) &&L_##name
#define SLOW_FORM_ABF(name) &&L_##name
#define SLOW_FORM_ABD(name) &&L_##name
#define SLOW_FORM_FOR(name) &&L_##name
#define SLOW_FORM_PUTAT(name) &&slow_putat
#define SLOW_FORM_SENDREG(name) SLOW_##name
#define SLOW_SENDREG &&L_SENDREG
#define SLOW_VALUEREG &&L_SENDREG
#define SLOW_FORM_J(name) &&L_##name
#define SLOW_FORM_JH(name) &&L_##name
#define SLOW_FORM_AJH(name) &&L_##name
#define SLOW_FORM_ABJ(name) &&L_##name
#define SLOW_FORM_SEND(name) SLOW_##name
#define SLOW_SEND &&L_SEND
#define SLOW_SENDSELF &&L_SENDSELF
#define SLOW_SENDSUPER &&L_SENDSUPER
#define SLOW_SENDVALUE &&L_SEND
#define SLOW_ATPUT &&L_SEND
#define SLOW_TAILSELF &&L_TAILSELF
#define SLOW_FORM_ARITH(name) &&slow_arith
#define SLOW_FORM_ARITHK(name) &&slow_arithk
#define SLOW_FORM_UNARY(name) &&slow_unary
#define SLOW_FORM_ABH(name) &&L_##name
#define SLOW_FORM_AH(name) &&L_##name
#define SLOW_FORM_ABLK(name) &&L_##name
#define SLOW_FORM_ARR(name) &&L_##name
#define SLOW_FORM_NEWARR(name) &&L_##name
    static const void *const slow_table[] = {
#define OP(name, form, help) SLOW_FORM_##form(name),
#include "opcodes.def"
#undef OP
    };
    const void *const *dispatch;
    CHOOSE_DISPATCH();
    uint32_t version = l->code_version; /* that `dispatch` and the top frame's `ics` belong to */

    /* hidden from the optimiser, which would copy the constant around at every dispatch */
    Value int_tag = VALUE_INT_TAG;
    __asm__("" : "+r"(int_tag));
    Value *R = p->heap.lo + p->window;
    const Instr *pc = p->pc;
    Code *code = p->code;
    InlineCache *ics = code_ics(code);
    int32_t reds = sched->reds;
    Instr ins = 0;

    /* a call in the making: callee, window, arguments */
    Code *m;
    Value *nb;
    unsigned argc;
    uint32_t cls;
    InlineCache *ic;
    uint32_t missing; /* selector that was not understood */
    /* a collection in the making */
    size_t gc_need, gc_live;
    Value v;

    if (p->pending) {
        m = p->pending;
        p->pending = NULL;
        nb = R + p->pending_base;
        argc = p->pending_argc;
        /* a primitive may have progress in p->resume, and needs no window: it is let through */
        if (UNLIKELY(interp_over_budget(l, p))) {
            if (interp_makes_frame(m)) {
                goto grow_stack;
            }
            reds = back_from_away(p) ? 0 : reds; /* the next call looks, as in interp_collect */
        }
        if (m->kind == CODE_BLOCK) {
            goto enter_block;
        }
        interp_take_dirty(l, p);
        goto enter;
    }
    if (UNLIKELY(interp_over_budget(l, p))) {
        /* a loop was preempted, not the call that is to be: see interp_collect */
        reds = back_from_away(p) ? 0 : 1;
    }
    NEXT;

    /* ---- moves and literals ---- */
L_MOVE:
    R[A] = R[B];
    NEXT;
L_LDI:
    R[A] = value_int(instr_jump(ins));
    NEXT;
L_LDNIL:
    R[A] = VALUE_NIL;
    NEXT;
L_LDTRUE:
    R[A] = VALUE_TRUE;
    NEXT;
L_LDFALSE:
    R[A] = VALUE_FALSE;
    NEXT;
L_NILS:
    for (Value *r = R + A, *end = R + B; r <= end; r++) {
        *r = VALUE_NIL;
    }
    NEXT;
L_LDLIT:
    R[A] = code->literals[D];
    NEXT;
L_LITARR : {
    size_t need = interp_copy_literal(l, p, code->literals[D], STACK_END, &v);
    if (UNLIKELY(need)) {
        COLLECT(need, C);
    }
    R[A] = v;
    NEXT;
}
L_GETGLOBAL : {
    Cell *cell = code->globals[D];
    /* acquire: pairs with the release in cell_set, publishes the frozen graph */
    v = atom_load_acq(&cell->value);
    if (UNLIKELY(value_is_ptr(v) || p->domain->nhidden)) {
        if (p->domain->nhidden && !(code->flags & CODE_F_LIBRARY) && cell->owner == CLASS_NONE &&
            domain_hides(p->domain, cell->name)) {
            nb = R + C;
            nb[0] = value_class(CLASS_ERROR);
            nb[1] = value_symbol(cell->name);
            nb[2] = VALUE_FALSE;
            argc = 2;
            m = vm_lookup_cached(l, CLASS_META_ERROR, SYM_RESTRICTED);
            goto enter;
        }
        v = cell_read(l, p, cell);
        if (UNLIKELY(v == VALUE_NONE)) {
            COMMIT();
            interp_end_for(p, STATUS_NO_MEMORY);
            goto ended;
        }
    }
    R[A] = v;
    NEXT;
}
L_SETGLOBAL : {
    Cell *cell = code->globals[D];
    Value culprit = VALUE_NIL;
    nb = R + C;
    if (UNLIKELY(p->domain->nhidden) && !(code->flags & CODE_F_LIBRARY) &&
        cell->owner == CLASS_NONE && domain_hides(p->domain, cell->name)) {
        nb[0] = value_class(CLASS_ERROR);
        nb[1] = value_symbol(cell->name);
        nb[2] = VALUE_TRUE;
        argc = 2;
        m = vm_lookup_cached(l, CLASS_META_ERROR, SYM_RESTRICTED);
        goto enter;
    }
    l->actor.heap.copy_words = l->vm->heap_env.long_words / 2;
    Status status = cell_set(l, &p->heap, cell, R[A], &culprit);
    l->actor.heap.copy_words = 0;
    if (UNLIKELY(status == STATUS_COPY_LONG)) { /* a primitive does it again */
        nb[0] = value_class(CLASS_PROCESS);
        nb[1] = R[A];
        argc = 1;
        m = vm_lookup_cached(l, CLASS_META_PROCESS, SYM_ASSIGN);
        goto enter;
    }
    if (UNLIKELY(status != STATUS_OK)) {
        interp_raise_status(l, nb, status, culprit, cell->name);
        argc = 4;
        m = vm_lookup_cached(l, class_of(nb[0]), SYM_RAISE);
        goto enter;
    }
    reds -= 4 + (int32_t)(l->actor.copied_words / 8);
    NEXT;
}

    /* ---- variables ---- */
L_GETF:
    R[A] = obj_of(R[B])->words[D];
    NEXT;
L_SETF : {
    Object *o = obj_of(R[A]);
    if (UNLIKELY(!heap_store(&p->heap, o, o->words + D, R[B]))) {
        nb = R + C;
        nb[0] = R[A];
        goto frozen_store;
    }
    NEXT;
}
L_MKCELL : {
    Object *o = heap_try_alloc(&p->heap, STACK_END, 2);
    if (UNLIKELY(!o)) {
        COLLECT(2, C);
    }
    o->header = obj_header(CLASS_CELL, 1, OBJ_CELL, 0);
    o->words[0] = R[B];
    R[A] = value_ptr(o);
    NEXT;
}
L_GETCELL:
    R[A] = obj_of(R[B])->words[0];
    NEXT;
L_SETCELL : {
    Object *o = obj_of(R[A]);
#ifdef MAGGIE_MUTANT_INTERP_CELL_STORE
    o->words[0] = R[B];
    NEXT;
#endif
    if (UNLIKELY(!heap_store(&p->heap, o, o->words, R[B]))) {
        nb = R + C;
        nb[0] = R[A];
        goto frozen_store;
    }
    NEXT;
}

    /* ---- control flow ---- */
L_JMP:
    pc += instr_jump(ins);
    NEXT;
L_LOOP:
    if (UNLIKELY(--reds < 0)) {
        pc--;
        p->live = C;
        goto yield;
    }
    pc += instr_jump(ins);
    NEXT;
L_FORLOOP : {
    Value next = R[A] + (uint64_t)(int64_t)CK;
    Value limit = R[A + 1];
    /* an overflow wraps below the tag: less than any limit, or more than any once that is off */
    if (UNLIKELY(CK > 0 ? next - int_tag > limit - int_tag : next < limit)) {
        R[A] = next >= int_tag ? next : limit;
        NEXT;
    }
    R[A] = next;
    pc += instr_jump(ins);
    if (UNLIKELY(--reds < 0)) {
        p->live = B;
        goto yield;
    }
    NEXT;
}
L_JMPT:
    v = R[A];
    if (LIKELY(v == VALUE_TRUE)) {
        pc += instr_jump(ins);
        NEXT;
    }
    if (LIKELY(v == VALUE_FALSE)) {
        NEXT;
    }
    goto not_boolean;
L_JMPF:
    v = R[A];
    if (LIKELY(v == VALUE_FALSE)) {
        pc += instr_jump(ins);
        NEXT;
    }
    if (LIKELY(v == VALUE_TRUE)) {
        NEXT;
    }
not_boolean:
    nb = R + C;
    nb[0] = v;
    argc = 0;
    m = vm_lookup_cached(l, class_of(v), SYM_MUST_BE_BOOLEAN);
    goto enter;
L_JINT2:
    if (UNLIKELY(!value_both_int(R[A], R[B]))) {
        pc += instr_jump(ins);
    }
    NEXT;
L_JINT:
    if (UNLIKELY(!value_is_int(R[A]))) {
        pc += instr_jump(ins);
    }
    NEXT;

    /* ---- sends ---- */
L_SENDSELF:
    nb = R + B;
    nb[0] = R[0];
    argc = C;
    ic = ics + D;
    goto send;
L_SENDVALUE:
    nb = R + B;
    v = nb[0];
    if (LIKELY(v >> VALUE_TAG_SHIFT == 0 && obj_class(obj_of(v)) == CLASS_BLOCK)) {
        m = closure_code(obj_of(v));
        argc = C;
        goto enter_block;
    }
    argc = C;
    ic = ics + D;
    goto send;
L_VALUEREG:
    nb = R + B;
    v = nb[0] = R[C];
    argc = D >> 24;
    if (LIKELY(v >> VALUE_TAG_SHIFT == 0 && obj_class(obj_of(v)) == CLASS_BLOCK)) {
        m = closure_code(obj_of(v));
        goto enter_block;
    }
    ic = ics + instr_ic(ins);
    goto send;
L_SENDREG:
    nb = R + B;
    nb[0] = R[C];
    argc = D >> 24;
    ic = ics + instr_ic(ins);
    goto send;
L_PUTAT : {
    unsigned value_register = D >> 16 & 0xFF;
    if (LIKELY(fast_at_put(&p->heap, R[B], R[C], R[value_register]))) {
        R[A] = R[value_register];
        NEXT;
    }
    goto slow_putat;
}
L_ATPUT:
    nb = R + B;
    if (LIKELY(fast_at_put(&p->heap, nb[0], nb[1], nb[2]))) {
        R[A] = nb[2];
        NEXT;
    }
    argc = 2;
    ic = ics + D;
    goto slow_send;
L_SEND:
    nb = R + B;
    argc = C;
    ic = ics + D;
send:
    cls = class_of(nb[0]);
    /* acquire: pairs with ic_fill's release of the class word, publishes the target */
    if (LIKELY(atom_load_acq(&ic->cls0) == cls)) {
        m = atom_load_rlx(&ic->target0); /* relaxed: ordered by the acquire above */
    } else {
        m = send_miss(l, ic, cls);
        if (UNLIKELY(!m)) {
            missing = ic->selector;
            goto not_understood;
        }
    }
    if (LIKELY(m->entry == ENTRY_BYTECODE)) {
        goto enter_bytecode;
    }
    if (m->entry == ENTRY_GETTER) { /* as in enter_special, without its detour */
        R[A] = obj_of(nb[0])->words[m->getter_slot];
        NEXT;
    }
enter:
    if (UNLIKELY(m->entry != ENTRY_BYTECODE)) {
        goto enter_special;
    }
enter_bytecode:
    if (UNLIKELY(nb + m->nregs + HEAP_STACK_RED_ZONE > p->heap.hp)) {
        goto grow_stack;
    }
    if (UNLIKELY(--reds < 0)) {
        goto preempt_call;
    }
    {
        Value *record = nb + m->nargs + 1;
        record[0] = frame_link(code, (size_t)(nb - R));
        record[1] = (Value)(uintptr_t)pc;
        R = nb;
        code = m;
        pc = m->instr;
        ics = code_ics(m);
    }
    NEXT;

L_TRACE: /* a send: tells of it, and does it */
    interp_trace_send(l, p, R, code, ics, ins, reds);
    goto *fast_table[(uint8_t)ins]; /* sends are the same in both */

L_SENDSUPER : {
    nb = R + B;
    argc = C;
    /* keyed by the class above the defining one, so the entry is the same for every receiver */
    ic = ics + D;
    cls = atom_load_rlx(&vm_class(l->vm, code->owner)->super); /* relaxed: as in vm_lookup */
    /* acquire, then relaxed: as at `send` */
    if (LIKELY(atom_load_acq(&ic->cls0) == cls)) {
        m = atom_load_rlx(&ic->target0);
        goto enter;
    }
    m = cls == CLASS_NONE ? NULL : send_miss(l, ic, cls);
    if (UNLIKELY(!m)) {
        cls = class_of(nb[0]);
        missing = ic->selector;
        goto not_understood;
    }
    goto enter;
}
L_TAILSELF : {
    ic = ics + D;
    cls = class_of(R[0]);
    /* acquire, then relaxed: as at `send` */
    m = LIKELY(atom_load_acq(&ic->cls0) == cls) ? atom_load_rlx(&ic->target0)
                                                : send_miss(l, ic, cls);
    if (UNLIKELY(m != code)) {
        NEXT; /* the SENDSELF that follows */
    }
    if (UNLIKELY(--reds < 0)) {
        pc--;
        R[B] = R[0]; /* may not have been written yet, and everything below live is a root */
        p->live = B + C + 1;
        goto yield;
    }
    for (unsigned i = 1; i <= C; i++) {
        R[i] = R[B + i];
    }
    pc = code->instr;
    NEXT;
}

enter_special:
    if (m->entry == ENTRY_GETTER) {
        v = obj_of(nb[0])->words[m->getter_slot];
        R[instr_a(pc[-1])] = v;
        NEXT;
    }
    if (m->entry == ENTRY_COUNTED) {
        if (UNLIKELY(code_hold(&l->actor.heap, &p->heap, m) != STATUS_OK)) {
            COMMIT();
            interp_end_for(p, STATUS_NO_MEMORY);
            goto ended;
        }
        goto enter_bytecode;
    }
    goto call_primitive;

enter_block : {
    if (UNLIKELY(nb + m->nregs + HEAP_STACK_RED_ZONE > p->heap.hp)) {
        goto grow_stack;
    }
    if (UNLIKELY(--reds < 0)) {
        goto preempt_call;
    }
    Object *closure = obj_of(nb[0]);
    unsigned nargs = m->nargs;
    for (unsigned i = argc; i < nargs; i++) {
        nb[1 + i] = VALUE_NIL;
    }
    Value *record = nb + nargs + 1;
    record[0] = frame_link(code, (size_t)(nb - R));
    record[1] = (Value)(uintptr_t)pc;
    const Value *from = closure->words + CLOSURE_FIRST_CAPTURE;
    for (unsigned i = 0, n = m->ncaps; i < n; i++) {
        record[2 + i] = from[i];
    }
    R = nb;
    code = m;
    pc = m->instr;
    ics = code_ics(m);
    NEXT;
}

not_understood : {
    /* arguments become a Message, doesNotUnderstand: the selector */
    size_t need = 3 + 1 + argc;
    Object *message = heap_try_alloc(&p->heap, STACK_END, need);
    if (UNLIKELY(!message)) {
        gc_live = (size_t)(nb - R) + argc + 1;
        COMMIT();
        if (interp_collect_is_long(l, p, need, gc_live, 0)) {
            /* a send that a primitive has rewritten cannot start over */
            message = heap_new_apart(&p->heap, &l->actor.heap, need);
        }
        if (!message) {
            if (!interp_collect(l, p, need, gc_live, 0, &reds)) {
                goto ended;
            }
            ptrdiff_t base = nb - R;
            R = p->heap.lo + p->window;
            nb = R + base;
            goto not_understood;
        }
    }
    interp_fill_message(message, missing, nb, argc);
    nb[1] = value_ptr(message);
    argc = 1;
    m = vm_lookup_cached(l, cls, SYM_DNU);
    TELL_CALL();
    goto enter;
}

slow_arith:
    nb = R + instr_h(ins);
    nb[0] = R[B];
    nb[1] = R[C];
    goto slow_binary;
slow_arithk:
    nb = R + instr_h(ins);
    nb[0] = R[B];
    nb[1] = value_int(CK);
    goto slow_binary;
slow_unary:
    nb = R + instr_h(ins);
    nb[0] = R[B];
    argc = 0;
    ic = ics + instr_ic(ins);
    goto slow_send;
slow_putat:
    nb = R + (D >> 24);
    nb[0] = R[B];
    nb[1] = R[C];
    nb[2] = R[D >> 16 & 0xFF];
    argc = 2;
    ic = ics + (D & 0xFFFF);
    goto slow_send;
slow_binary:
    argc = 1;
    ic = ics + instr_ic(ins);
slow_send:
    if (CALLS_ARE_TRACED()) {
        interp_trace_window(l, p, nb, argc, ic->selector);
    }
    goto send;

frozen_store: /* nb[0] is the frozen object */
    argc = 0;
    m = vm_lookup_cached(l, class_of(nb[0]), SYM_IMMUTABLE);
    goto enter;

    /* ---- returns ---- */
L_RETSELF:
    v = R[0];
    goto do_return;
L_RET:
    v = R[A];
do_return : {
    const Value *record = R + code->nargs + 1;
    Value link = record[0];
    pc = (const Instr *)(uintptr_t)record[1];
    code = frame_caller_code(link);
    if (UNLIKELY(!code)) {
        process_set_end(p, value_symbol(SYM_NORMAL), v);
        goto ended;
    }
    R -= frame_delta(link);
    ics = code_ics(code);
    R[instr_a(pc[-1])] = v;
    NEXT;
}
L_HOMETOKEN:
    R[A] = HOME_TOKEN_FIRST + p->serial++;
    NEXT;
L_NLR : {
    COMMIT();
    size_t home;
    switch (interp_find_home(p, R[B], &home)) {
    case HOME_FOUND:
        v = R[A];
        code = p->code = interp_code_at(p, home);
        p->window = (uint32_t)home;
        if (UNLIKELY(p->flags & PROCESS_F_RESERVE) && !interp_leave_reserve(l, p, &v, &reds)) {
            goto ended;
        }
        R = p->heap.lo + home;
        goto do_return;
    case HOME_UNWIND: /* ensure: blocks in between run first, in Maggie code */
        nb = R + C;
        v = R[A];
        nb[0] = R[0];
        nb[1] = v;
        nb[2] = value_int((int64_t)home);
        argc = 2;
        m = vm_lookup_cached(l, CLASS_BLOCK, SYM_UNWIND_RETURN);
        goto enter;
    case HOME_GONE: break;
    }
    nb = R + C;
    v = R[A];
    nb[0] = R[0];
    nb[1] = v;
    argc = 1;
    m = vm_lookup_cached(l, CLASS_BLOCK, SYM_CANNOT_RETURN);
    goto enter;
}

    /* ---- construction ---- */
L_MKBLK : {
    Code *block = code->blocks[D];
    unsigned n = block->ncaps;
    Object *o = heap_try_alloc(&p->heap, STACK_END, 2 + (size_t)n);
    if (UNLIKELY(!o)) {
        COLLECT(2 + (size_t)n, C);
    }
    o->header = obj_header(CLASS_BLOCK, 1 + n, OBJ_CLOSURE, 0);
    o->words[CLOSURE_CODE] = value_raw(block);
    const uint8_t *captures = block->captures;
    for (unsigned i = 0; i < n; i++) {
        o->words[CLOSURE_FIRST_CAPTURE + i] = R[captures[i]];
    }
    R[A] = value_ptr(o);
    NEXT;
}
L_MKARR : {
    unsigned n = C;
    Object *o = heap_try_alloc(&p->heap, STACK_END, 1 + (size_t)n);
    if (UNLIKELY(!o)) {
        COLLECT(1 + (size_t)n, D);
    }
    o->header = obj_header(CLASS_ARRAY, n, OBJ_SLOTS, 0);
    memcpy(o->words, R + B, n * sizeof(Value));
    R[A] = value_ptr(o);
    NEXT;
}
L_NEWARR : {
    Object *o;
    COMMIT();
    Status status =
        heap_try_new(&p->heap, &l->actor.heap, STACK_END, CLASS_ARRAY, OBJ_SLOTS, 0, D, &o);
    if (UNLIKELY(status != STATUS_OK)) {
        if (status == STATUS_HEAP_LIMIT || status == STATUS_NO_MEMORY) {
            interp_end_for(p, status);
            goto ended;
        }
        COLLECT(obj_alloc_words(D), C);
    }
    Value *slots = obj_slots(o);
    for (size_t i = 0; i < D; i++) {
        slots[i] = VALUE_NIL;
    }
    reds -= (int32_t)(D / 32);
    R[A] = value_ptr(o);
    NEXT;
}
L_GETI:
    /* The compiler's own code is right about these; an image of a stranger may not be (I9). */
    if (UNLIKELY(!value_is_kind(R[B], OBJ_SLOTS) || D >= obj_words(obj_of(R[B])))) {
        goto bad_code;
    }
    v = obj_slots(obj_of(R[B]))[D];
    if (UNLIKELY(C && !value_is_kind(v, OBJ_CELL))) {
        goto bad_code;
    }
    R[A] = v;
    NEXT;
L_PUTI : {
    if (UNLIKELY(!value_is_kind(R[A], OBJ_SLOTS) || D >= obj_words(obj_of(R[A])))) {
        goto bad_code;
    }
    Object *o = obj_of(R[A]);
    if (UNLIKELY(!heap_store(&p->heap, o, obj_slots(o) + D, R[B]))) {
        nb = R + C;
        nb[0] = R[A];
        goto frozen_store;
    }
    NEXT;
}

    /* ---- arithmetic ---- */
    ARITH_CASE(ADD, a + (b - VALUE_INT_BIAS), x + y)
    ARITH_CASE(SUB, a - (b - VALUE_INT_BIAS), x - y)
    ARITH_CASE(MUL, int_multiply(a, b), x * y)
    ARITH_CASE(DIV, int_divide(value_as_int(a), value_as_int(b)), x / y)
    FLOAT_CASE(ADD)
    FLOAT_CASE(SUB)
    FLOAT_CASE(MUL)
    FLOAT_CASE(DIV)
    FLOAT_COMPARE_CASE(LT, <)
    FLOAT_COMPARE_CASE(GT, >)
    FLOAT_COMPARE_CASE(LE, <=)
    FLOAT_COMPARE_CASE(GE, >=)
    FLOAT_PAIRS(ADD)
    FLOAT_PAIRS(SUB)
    FLOAT_PAIRS(MUL)
    FLOAT_PAIR_COMPARE(ADD, LT, <)
    FLOAT_PAIR_COMPARE(ADD, GT, >)
    FLOAT_PAIR_COMPARE(ADD, LE, <=)
    FLOAT_PAIR_COMPARE(ADD, GE, >=)
    ARITHK_CASE(ADDK, a + (uint64_t)k, x + y)
    ARITHK_CASE(SUBK, a - (uint64_t)k, x - y)
    ARITHK_CASE(MULK, int_multiply(a, value_int(k)), x * y)
L_IDIV : {
    Value a = R[B], b = R[C];
    if (LIKELY(value_both_int(a, b)) &&
        (v = int_floor_divide(value_as_int(a), value_as_int(b))) != 0) {
        R[A] = v;
        NEXT;
    }
    SLOW_BINARY();
}
L_MOD : {
    Value a = R[B], b = R[C];
    if (LIKELY(value_both_int(a, b)) &&
        (v = int_remainder(value_as_int(a), value_as_int(b))) != 0) {
        R[A] = v;
        NEXT;
    }
    SLOW_BINARY();
}
L_IDIVK : {
    Value a = R[B];
    if (LIKELY(value_is_int(a)) && (v = int_floor_divide(value_as_int(a), CK)) != 0) {
        R[A] = v;
        NEXT;
    }
    SLOW_CONSTANT();
}
L_MODK : {
    Value a = R[B];
    if (LIKELY(value_is_int(a)) && (v = int_remainder(value_as_int(a), CK)) != 0) {
        R[A] = v;
        NEXT;
    }
    SLOW_CONSTANT();
}
L_BITAND : {
    Value a = R[B], b = R[C];
    if (LIKELY(value_both_int(a, b))) {
        R[A] = value_int(value_as_int(a) & value_as_int(b));
        NEXT;
    }
    SLOW_BINARY();
}
L_BITOR : {
    Value a = R[B], b = R[C];
    if (LIKELY(value_both_int(a, b))) {
        R[A] = value_int(value_as_int(a) | value_as_int(b));
        NEXT;
    }
    SLOW_BINARY();
}
L_BITXOR : {
    Value a = R[B], b = R[C];
    if (LIKELY(value_both_int(a, b))) {
        R[A] = value_int(value_as_int(a) ^ value_as_int(b));
        NEXT;
    }
    SLOW_BINARY();
}
L_BITANDK : {
    Value a = R[B];
    if (LIKELY(value_is_int(a))) {
        R[A] = value_int(value_as_int(a) & CK);
        NEXT;
    }
    SLOW_CONSTANT();
}
L_BITSHIFT : {
    Value a = R[B], b = R[C];
    if (LIKELY(value_both_int(a, b)) && (v = int_shift(value_as_int(a), value_as_int(b))) != 0) {
        R[A] = v;
        NEXT;
    }
    SLOW_BINARY();
}
    COMPARE_CASE(LT, <)
    COMPARE_CASE(GT, >)
    COMPARE_CASE(LE, <=)
    COMPARE_CASE(GE, >=)
    EQUAL_CASE(EQ, 0)
    EQUAL_CASE(NE, 1)
    TEST_CASE(ISNIL, a == VALUE_NIL)
    TEST_CASE(NOTNIL, a != VALUE_NIL)
L_NOT:
    v = R[B];
    if (LIKELY(value_is_bool(v))) {
        R[A] = v == VALUE_TRUE ? VALUE_FALSE : VALUE_TRUE;
        NEXT;
    }
    goto slow_unary;
L_SIZE:
    v = fast_size(R[B]);
    if (LIKELY(v != VALUE_NONE)) {
        R[A] = v;
        NEXT;
    }
    goto slow_unary;
L_AT:
    v = fast_at(R[B], R[C]);
    if (LIKELY(v != VALUE_NONE)) {
        R[A] = v;
        NEXT;
    }
    SLOW_BINARY();
L_SAME:
    R[A] = value_bool(value_same(R[B], R[C]));
    NEXT;
L_NOTSAME:
    R[A] = value_bool(!value_same(R[B], R[C]));
    NEXT;
L_SAMEJ:
    BRANCH(value_same(R[B], R[C]), 1);

    /* ---- primitives ---- */
call_primitive : {
    PrimCall *c = &l->call;
#ifndef MAGGIE_MUTANT_INTERP_NO_AUTHORITY
    if (UNLIKELY(m->authority & ~p->domain->rights)) {
        interp_raise_authority(l, p, nb, m);
        argc = 4;
        m = vm_lookup_cached(l, class_of(nb[0]), SYM_RAISE);
        goto enter;
    }
#endif
    ARM();
again:
    c->process = p;
    c->heap = &p->heap;
    c->args = nb;
    c->argc = argc;
    c->stack_end = STACK_END;
    c->resume = (PrimResume *)(void *)&p->resume;
    c->reductions = reds;
    if (UNLIKELY(m->flags & CODE_F_FRAME)) {
        COMMIT();
        p->live = (uint32_t)(nb - R) + argc + 1;
    }
    PrimStatus answer = CALL_PRIMITIVE(m, c);
    if (UNLIKELY(c->back)) {
        interp_end_back(l, p, answer);
    }
    switch (answer) {
    case PRIM_OK:
        reds = (int32_t)c->reductions - 1;
        R[instr_a(pc[-1])] = c->result;
        if (UNLIKELY(p->resume.a | p->resume.b | p->resume.c)) {
            interp_clear_resume(p); /* progress of this call: the next one starts at zero */
        }
        if (UNLIKELY(l->code_version != version)) {
            /* it received news, or installed a method: nothing older may run from here on */
            version = l->code_version;
            ics = code_ics(code);
            CHOOSE_DISPATCH();
        }
        /* not a safepoint by itself: loops and calls are; long ones have charged */
        NEXT;
    case PRIM_GC:
        COMMIT();
        {
            ptrdiff_t base = nb - R;
            if (UNLIKELY(interp_collect_is_long(l, p, c->need_words, (size_t)base + argc + 1, 0)) &&
                interp_keep_dirty(l, p)) {
                goto away;
            }
            if (!interp_collect(l, p, c->need_words, (size_t)base + argc + 1, 0, &reds)) {
                interp_drop_dirty(l);
                goto ended;
            }
            R = p->heap.lo + p->window;
            nb = R + base;
        }
        goto again;
    case PRIM_ERROR:
        reds = (int32_t)c->reductions - 1;
        if (c->error.kind == PRIM_ERR_MEMORY) {
            interp_end_for(p, STATUS_HEAP_LIMIT);
            goto ended;
        }
        interp_clear_resume(p);
        interp_raise(l, nb, m);
        argc = 4;
        m = vm_lookup_cached(l, class_of(nb[0]), SYM_RAISE);
        goto enter;
    case PRIM_FALLBACK:
        reds = (int32_t)c->reductions;
        interp_clear_resume(p);
        cls = class_of(nb[0]);
        m = vm_lookup_cached(l, cls, m->fallback);
        assert(m);
        goto enter;
    case PRIM_SEND: {
        reds = (int32_t)c->reductions;
        interp_clear_resume(p);
        argc = c->send_argc;
        cls = class_of(nb[0]);
        m = vm_lookup_cached(l, cls, c->send_selector);
        if (UNLIKELY(!m)) {
            missing = c->send_selector;
            goto not_understood;
        }
        TELL_CALL();
        goto enter;
    }
    case PRIM_CALL:
        reds = (int32_t)c->reductions;
        interp_clear_resume(p);
        argc = c->send_argc;
        m = c->send_code;
        TELL_CALL();
        goto enter;
    case PRIM_VALUE:
        reds = (int32_t)c->reductions;
        interp_clear_resume(p);
        argc = c->send_argc;
        m = closure_code(obj_of(nb[0]));
        goto enter_block;
    case PRIM_FRAME: /* exceptions, unwinding: the process's state is the new state */
        reds = (int32_t)c->reductions - 1;
        interp_clear_resume(p);
        v = c->send_argc == INTERP_FRAME_CONTINUE ? VALUE_NIL : c->result;
        if (UNLIKELY(p->flags & PROCESS_F_RESERVE) && c->send_argc != INTERP_FRAME_RESULT &&
            !interp_leave_reserve(l, p, &v, &reds)) {
            goto ended;
        }
        R = p->heap.lo + p->window;
        code = p->code;
        pc = p->pc;
        ics = code_ics(code);
        if (c->send_argc == INTERP_FRAME_RETURN) {
            goto do_return;
        }
        if (c->send_argc == INTERP_FRAME_RESULT) {
            R[instr_a(pc[-1])] = c->result;
        }
        NEXT;
    case PRIM_YIELD:
        reds = 0;
        p->pending = m;
        p->pending_base = (uint16_t)(nb - R);
        p->pending_argc = (uint16_t)argc;
        p->live = (uint32_t)(nb - R) + argc + 1;
        goto yield;
    case PRIM_COLLECT: reds = (int32_t)c->reductions; goto away;
    case PRIM_PARK:
        c->dirty_run = NULL;
        /* fall through */
    case PRIM_DIRTY:
        p->pending = m;
        p->pending_base = (uint16_t)(nb - R);
        p->pending_argc = (uint16_t)argc;
        p->live = (uint32_t)(nb - R) + argc + 1;
        COMMIT();
        sched->reds = (int32_t)c->reductions;
        return LOOP_PARK;
    case PRIM_EXIT: COMMIT(); goto ended;
    }
    __builtin_unreachable();
}

    /* ---- out of line ---- */
no_floats: /* a quick form met something else: the general form from now on */
    ins = (ins & ~(Instr)0xFF) | quick_general(instr_op(ins));
    quicken(pc, ins, instr_op(ins));
    AGAIN;
no_pair: /* the second half of a pair did: each for itself from now on */
    quicken(pc, ins, quick_single(quick_general(instr_op(ins))));
    NEXT;

collect_again:
    pc--;
    COMMIT();
    if (UNLIKELY(interp_collect_is_long(l, p, gc_need, gc_live, 0))) {
        goto leave_to_collect;
    }
    if (!interp_collect(l, p, gc_need, gc_live, 0, &reds)) {
        goto ended;
    }
    R = p->heap.lo + p->window;
    ins = atom_load_rlx(pc); /* relaxed: see quicken */
    pc++;
    AGAIN;

grow_stack : {
    /* receiver and arguments of the callee stay live; then enter again */
    ptrdiff_t base = nb - R;
    COMMIT();
    p->pending = m; /* a root: a doit's handle is no argument any more */
    StackGrowth growth = interp_grow_stack(l, p, (size_t)base + argc + 1, m->nregs, &reds);
    p->pending = NULL;
    switch (growth) {
    case STACK_GROWN:
        R = p->heap.lo + p->window;
        nb = R + base;
        if (m->kind == CODE_BLOCK) {
            goto enter_block;
        }
        goto enter;
    case STACK_GROWN_AWAY: goto away;
    case STACK_OVERFLOW:
    case STACK_OVERFLOW_AWAY:
        R = p->heap.lo + p->window;
        nb = R + base;
        nb[0] = value_class(CLASS_ERROR);
        argc = 0;
        m = vm_lookup_cached(l, CLASS_META_ERROR, SYM_STACK_OVERFLOW);
        if (!interp_hold_callee(l, p, m)) {
            goto ended;
        }
        if (growth == STACK_OVERFLOW) {
            goto enter;
        }
        goto away;
    case STACK_EXHAUSTED: goto ended;
    }
    __builtin_unreachable();
}

bad_code:
    interp_end_for(p, STATUS_BAD_CODE);
    COMMIT();
    goto ended;

away: /* the call is entered (again) after the collection in l->collection */
    p->pending = m;
    p->pending_base = (uint16_t)(nb - R);
    p->pending_argc = (uint16_t)argc;
    p->live = (uint32_t)(nb - R) + argc + 1;
    COMMIT();
leave_to_collect:
    p->modes |= PROCESS_MODE_COLLECTED;
    sched->reds = reds < 0 ? 0 : reds;
    return LOOP_COLLECT;
preempt_call:
    p->pending = m;
    p->pending_base = (uint16_t)(nb - R);
    p->pending_argc = (uint16_t)argc;
    p->live = (uint32_t)(nb - R) + argc + 1;
yield:
    COMMIT();
    sched->reds = reds < 0 ? 0 : reds;
    return LOOP_YIELD;
ended:
    sched->reds = reds < 0 ? 0 : reds;
    return LOOP_DONE;
}
