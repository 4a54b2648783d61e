/* SPDX-License-Identifier: Apache-2.0 */
/* prim.h - what a primitive sees and what it may answer.
 *
 * A primitive is a C function behind a Maggie selector. It never runs Maggie code (I3), never
 * blocks (D7), never collects: when it needs memory that is not there it returns PRIM_GC and is
 * called again from the start after the collection, so it must have changed nothing visible before
 * its last allocation succeeded. Between entry and return no object moves.
 *
 * The tables prims_*.def bind them: PRIM("Class" or "Class class", "selector", function, authority,
 * fallback selector or 0, "help"). The library declares each with a body [ <primitive> ].
 * Arity is implied by the selector; args[0] is the receiver.
 *
 * Work beyond a few hundred words is charged (prim_charge); work that may exceed about 100 us keeps
 * its progress in c->resume and returns PRIM_YIELD, or runs on a dirty thread (PRIM_DIRTY).
 */
#ifndef MAGGIE_PRIM_H
#define MAGGIE_PRIM_H

#include "heap.h"
#include "strbuf.h"
#include "symtab.h"
#include "value.h"

struct Vm;
struct Process;
struct Code;

typedef enum {
    PRIM_OK,    /* c->result is the answer */
    PRIM_ERROR, /* an exception described by c->error is signalled; its resumption value, if any,
                      becomes the answer */
    /* send the fallback selector of the table with the same receiver and arguments */
    PRIM_FALLBACK,
    PRIM_GC,    /* collect so that c->need_words are free, call again */
    PRIM_YIELD, /* slice used up: call again with c->resume as it is now */
    PRIM_SEND,  /* tail send: receiver and arguments stand in args[0..c->send_argc], selector
                      symbol c->send_selector; its answer is the primitive's answer. Up to
                      PRIM_EXTRA_ARGS more arguments than the primitive has may be written. */
    PRIM_VALUE, /* tail call of the Block in args[0] with c->send_argc arguments */
    PRIM_CALL,  /* tail call of c->send_code (a doit): receiver and c->send_argc arguments stand in
                      args[0..c->send_argc]; before writing more than
                      PRIM_EXTRA_ARGS of them look at heap->hp */
    PRIM_DIRTY, /* run c->dirty_run(c->dirty_state) on a dirty thread, then call again with
                      c->dirty_state set and c->dirty_done true; the primitive then frees the state.
                      If the process dies meanwhile c->dirty_free(state) is called instead */
    PRIM_COLLECT, /* l->collection, which is long, is made elsewhere, then called again */
    PRIM_PARK,    /* the process waits (actor folder knows for what); called again when woken */
    PRIM_FRAME,   /* the primitive has changed the stack itself (exceptions, unwinding): continue
                      with the process's top frame */
    PRIM_EXIT     /* the process ends; reason and result are in the process */
} PrimStatus;

#define PRIM_EXTRA_ARGS 5

typedef enum {
    PRIM_ERR_TEXT,        /* PrimitiveError "SEL: text" */
    PRIM_ERR_TYPE,        /* TypeError "SEL: argument K must be EXPECTED, got CLASS" */
    PRIM_ERR_BOUNDS,      /* SubscriptOutOfBounds "SEL: index I is out of bounds for size N" */
    PRIM_ERR_ZERO_DIVIDE, /* ZeroDivide "division by zero" */
    PRIM_ERR_FROZEN,      /* ImmutableObject naming the remedy */
    PRIM_ERR_MEMORY,      /* allocation refused: the process ends (I8) */
    PRIM_ERR_AUTHORITY,   /* RestrictedAuthority naming the right that is missing */
    PRIM_ERR_PLAIN,       /* Error "text" (no selector prefix) */
    PRIM_ERR_SYMBOLS      /* SymbolLimit: the node has as many symbols as it may have (D18) */
} PrimErrorKind;

/* D20: what a primitive touches of the outside world; PRIM_PURE for everything else. The one check
 * is in the interpreter, before the function is called. */
typedef enum {
    AUTH_NONE = 0,
    AUTH_FILE_READ = 1 << 0,
    AUTH_FILE_WRITE = 1 << 1,
    AUTH_OUTPUT = 1 << 2, /* standard output and error */
    AUTH_INPUT = 1 << 3,  /* standard input */
    AUTH_ENV = 1 << 4,    /* environment, arguments, host facts */
    AUTH_OS_PROCESS = 1 << 5,
    AUTH_NETWORK = 1 << 6,
    AUTH_NODE = 1 << 7,    /* node control: exit, limits */
    AUTH_CODE = 1 << 8,    /* installing code, writing globals */
    AUTH_REFLECT = 1 << 9, /* raw reflection on other processes, instVarAt:put: and the like */
    AUTH_CLOCK = 1 << 10,
    AUTH_ALL = (1 << 11) - 1
} Authority;

/* Progress of a primitive that yielded; zero at a fresh call; `root` is a collector root. */
typedef struct PrimResume {
    uint64_t a, b, c;
    Value root;
} PrimResume;

typedef struct PrimCall {
    struct Vm *vm;
    struct Process *process;
    Heap *heap;
    HeapCtx *cx;
    Value *args;
    unsigned argc; /* number of arguments without the receiver */
    const Value *stack_end;
    PrimResume *resume;
    int64_t reductions; /* left in this slice; prim_charge lowers it */

    Value result;
    size_t need_words;
    uint32_t send_selector;
    unsigned send_argc;
    struct Code *send_code;
    void (*dirty_run)(void *state);
    void (*dirty_free)(void *state);
    void *dirty_state;
    bool dirty_done;
    bool back;          /* the call goes on after a dirty job, or a copy made elsewhere */
    uint8_t dirty_wait; /* a ProcessWait from COLLECT on: the job works on the process's memory,
                           which it alone has meanwhile. 0: it does not look at it */
    struct {
        PrimErrorKind kind;
        int64_t index;    /* TYPE: argument number; BOUNDS: index */
        int64_t size;     /* BOUNDS */
        const char *text; /* static or interned: TEXT, PLAIN; TYPE: expected class */
        Value value;      /* TYPE: the offending value */
    } error;
} PrimCall;

typedef PrimStatus (*PrimFn)(PrimCall *c);

/* ---- answers ------------------------------------------------------------------------------ */

static inline PrimStatus prim_ok(PrimCall *c, Value v)
{
    c->result = v;
    return PRIM_OK;
}
static inline PrimStatus prim_self(PrimCall *c) { return prim_ok(c, c->args[0]); }
static inline PrimStatus prim_gc(PrimCall *c, size_t words)
{
    c->need_words = words;
    return PRIM_GC;
}
PrimStatus prim_error(PrimCall *c, const char *text);                        /* static text */
PrimStatus prim_plain_error(PrimCall *c, const char *text);                  /* static text */
PrimStatus prim_type_error(PrimCall *c, unsigned arg, const char *expected); /* arg 1.. */
PrimStatus prim_bounds_error(PrimCall *c, int64_t index, int64_t size);
PrimStatus prim_zero_divide(PrimCall *c);
PrimStatus prim_frozen_error(PrimCall *c);
PrimStatus prim_symbol_limit(PrimCall *c);
/* Turns a heap status into PRIM_GC (HEAP_FULL, with need_words), PRIM_ERROR (limits, frozen). */
PrimStatus prim_status(PrimCall *c, Status status, size_t need_words);

/* Costs `units` reductions (1 per ~32 words or ~100 bytes of work). */
static inline void prim_charge(PrimCall *c, size_t units) { c->reductions -= (int64_t)units; }
static inline bool prim_out_of_time(const PrimCall *c) { return c->reductions <= 0; }

/* ---- allocation: NULL or false mean `return` what *st says ---------------------------------- */

/* Uninitialised object with `payload_words`; the caller fills every word before returning. */
Object *prim_new(PrimCall *c, uint32_t cls, ObjKind kind, unsigned pad, size_t payload_words,
                 PrimStatus *st);
/* SLOTS object filled with nil. */
Object *prim_new_slots(PrimCall *c, uint32_t cls, size_t slots, PrimStatus *st);
/* String from bytes (must be valid UTF-8). */
bool prim_new_string(PrimCall *c, const void *bytes, size_t len, Value *out, PrimStatus *st);
/* PRIM_OK with a new String, or what must be returned. */
PrimStatus prim_answer_string(PrimCall *c, const void *bytes, size_t len);
/* Normalised integer: SmallInteger, or BigInteger object. */
PrimStatus prim_answer_int64(PrimCall *c, int64_t i);

/* ---- arguments ------------------------------------------------------------------------------ */

/* Text of a String or Symbol; false for anything else. */
bool prim_text(PrimCall *c, Value v, StrView *out);
/* Interned symbol for text; PRIM_ERROR (SymbolLimit) when the table is full. */
PrimStatus prim_intern(PrimCall *c, const void *bytes, size_t len, uint32_t *id);
/* The same for a name of code that has been compiled (symtab_intern). */
PrimStatus prim_intern_name(PrimCall *c, const void *bytes, size_t len, uint32_t *id);

#endif
