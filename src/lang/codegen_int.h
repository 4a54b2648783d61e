/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_int.h - what the files of the compiler share; not for other folders.
 *
 * Two passes over the tree of a method or doit:
 *   codegen_scope.c   resolves names, decides which blocks are inlined, what each closure captures
 *                     and which variables need a cell (M9); leaves its results in tag and info
 *   codegen_flow.c, codegen_expr.c   emit instructions through codegen_emit.c
 *
 * Registers. fn->top is the stack discipline of M8: every register below it (but the frame record)
 * holds a value, and it is the live height of a safepoint emitted now. Locals sit at the bottom,
 * scratch above. A value is wanted INTO a register that is either below top (a local) or at or
 * above it; in both cases it is written by the last instruction that runs, so until then the
 * register may be read or used as scratch.
 *
 * The fallback of an inlined loop. `to:do:` and `timesRepeat:` are inlined behind a guard for
 * SmallIntegers; otherwise the real message is sent with a real closure, which is compiled from the
 * same block after the inlined version: the block is analysed a second time, as a function of its
 * own, in which loops that would again need a guard are not inlined. What it assigns of the
 * enclosing function's register variables goes through cells made for the call and read back.
 *
 * Out of memory leaves by longjmp to the entry point: everything lives in two arenas.
 * Threads: a Codegen belongs to one thread. */
#ifndef LANG_CODEGEN_INT_H
#define LANG_CODEGEN_INT_H

#include <setjmp.h>

#include "codegen.h"

enum {
    CG_CAPTURES_MAX = 32,      /* more captured variables travel in one Array */
    CG_GUARDED_LOOPS_MAX = 6,  /* nesting of inlined loops with a fallback: bounds code size */
    CG_LOOP_CONSTANTS_MAX = 8, /* constants of a loop that are kept in registers */
    CG_MKARR_MAX = 24,         /* longer { } are built in pieces */
    CG_REGISTERS = CODE_MAX_REGISTERS - 3, /* every safepoint has H + 3 <= nregs */
    CG_SEQ_SHIFT = 5, /* AstNode.tag = InlineKind | assignments so far << CG_SEQ_SHIFT */
    CG_KIND_MASK = (1 << CG_SEQ_SHIFT) - 1
};

typedef enum InlineKind {
    INLINE_NONE,
    INLINE_IF_TRUE,
    INLINE_IF_FALSE,
    INLINE_IF_TRUE_FALSE,
    INLINE_IF_FALSE_TRUE,
    INLINE_AND,
    INLINE_OR,
    INLINE_WHILE_TRUE, /* with and without a body */
    INLINE_WHILE_FALSE,
    INLINE_REPEAT,
    INLINE_TO_DO,
    INLINE_TO_BY_DO,
    INLINE_TIMES
} InlineKind;

/* AstBlock.tag */
enum { BLOCK_INLINED = 1, BLOCK_CLOSURE = 2 };

/* AstIdentifier.tag and AstAssign.tag; info is the Var or the Name. */
typedef enum RefKind { REF_VAR = 1, REF_FIELD, REF_CLASS_VAR, REF_GLOBAL } RefKind;

typedef struct Fn Fn;
typedef struct Var Var;

/* A distinct name in the source. What lies outside of the unit is asked once and kept. */
typedef struct Name {
    LangText text;
    uint32_t hash;
    Var *var; /* innermost variable in scope now */
    bool resolved;
    bool warned;
    bool global_known;
    RefKind kind;      /* what it means where no variable is in scope */
    int slot;          /* REF_FIELD */
    Bytes class_owner; /* REF_CLASS_VAR */
    Bytes global_key;  /* REF_GLOBAL */
} Name;

/* A variable. Cells: `cell` is decided by the analysis of the owner. */
struct Var {
    Name *name;
    LangSpan span;
    Fn *fn; /* owner: the function in whose activation it lives */
    struct Scope *scope;
    Var *shadowed;     /* what name->var was before */
    uint32_t *assigns; /* positions of all assignments in the owner, ascending */
    uint32_t assign_count, assign_room;
    uint32_t loop_depth; /* loops of fn around the declaration */
    bool param;
    bool binding;  /* of a doit: an argument that is a Cell already */
    bool creates;  /* binding: made by this doit */
    bool implicit; /* top-level variable without a declaration */
    bool mentioned;
    bool captured;
    bool cell;
    bool lazy;    /* gets its register at its first assignment, a statement of its scope */
    bool defined; /* code generation: has its place */
    bool fork_captured;
    bool fork_warned;
    bool in_array; /* spilled: element `index` of fn->spill_reg */
    uint32_t reg;
    uint32_t index;
};

/* Constants used as operands inside a loop; they are loaded before it. */
typedef struct LoopConstants {
    const AstNode *nodes[CG_LOOP_CONSTANTS_MAX];
    uint32_t count;
} LoopConstants;

/* The variables of a function body or of an inlined block. */
typedef struct Scope {
    Fn *fn;
    Var **vars;
    uint32_t count, room;
    LoopConstants *constants; /* body of an outermost loop: what it uses, or NULL */
    uint32_t saved_top, saved_spill, saved_reg_vars; /* while code for it is generated */
} Scope;

typedef struct Capture {
    Var *var;
    bool boxed; /* fallback closures: a cell made for the call */
} Capture;

typedef struct Label { /* a place to jump to, not known yet */
    uint32_t last;     /* 1 + index of the last jump to it; jumps are chained through D */
} Label;

/* Code moved to the end of its function: what runs when a guard fails. */
typedef struct Snippet {
    Instr *instr;
    LineEntry *lines; /* pc relative to the snippet */
    uint32_t count, nlines;
    uint32_t guard;  /* index of the jump that leads here */
    uint32_t resume; /* where to go on afterwards */
    uint32_t line, column;
} Snippet;

typedef struct RegisterName {
    uint32_t reg;
    Bytes name;
} RegisterName;

/* A function: method, doit or real block. */
struct Fn {
    Fn *outer;
    CodeKind kind;
    AstVarList params, temps;
    AstNodeList body;
    LangText selector;
    LangSpan span;
    Scope *scope;
    bool analysed; /* code generation of it or of an inner function has begun */
    uint32_t var_count;
    bool no_guards; /* fallback: no inlined loops that need a guard */
    bool forked;    /* literal receiver of a fork: send */
    bool uses_self;
    bool has_nlr;
    bool needs_home;
    Capture *captures;
    uint32_t ncaptures, captures_room;
    uint32_t loop_depth, guarded_depth;
    uint32_t *loop_starts; /* assignment count at entry of each open loop */
    uint32_t loop_starts_room;
    LoopConstants *constants; /* of the outermost open loop */
    /* code generation */
    CodeUnit *unit;
    uint32_t top, max;
    bool dead; /* no path leads to the place where code is emitted now */
    uint32_t self_reg, home_reg, pack_reg, captures_reg, spill_reg;
    bool spills;
    const LoopConstants *loaded; /* constants in registers from `loaded_reg` on, or NULL */
    uint32_t loaded_reg;
    uint32_t spill_pc, spill_top, spill_max, reg_vars;
    uint32_t instr_room, literals_room, ics_room, globals_room, blocks_room, lines_room;
    Snippet *snippets;
    uint32_t nsnippets, snippets_room;
    RegisterName *names;
    uint32_t nnames, names_room;
};

typedef enum WantKind { WANT_EFFECT, WANT_INTO, WANT_RETURN, WANT_BRANCH } WantKind;

/* What is to be done with the value of an expression. */
typedef struct Want {
    WantKind kind;
    uint32_t dest; /* INTO */
    bool jump_if;  /* BRANCH: jump to label when the value is this Boolean, else fall through */
    Label *label;
} Want;

/* A receiver that has been evaluated. */
typedef struct Recv {
    enum { RECV_REG, RECV_TOP, RECV_INT, RECV_SUPER } kind;
    uint32_t reg;  /* REG: a register below top that is left alone; TOP: the topmost scratch;
                      INT: where it is loaded already, or 0 */
    int64_t value; /* INT: not loaded yet */
    Var *var;      /* REG: the variable that lives there, or NULL */
    uint32_t seq;  /* REG: assignments made before it was read */
} Recv;

/* A selector with instructions of its own. */
typedef enum SpecialKind {
    SPECIAL_ARITH,
    SPECIAL_UNARY,
    SPECIAL_SAME,
    SPECIAL_PUT,
    SPECIAL_VALUE
} SpecialKind;

typedef struct Special {
    const char *selector;
    uint8_t length;
    SpecialKind kind;
    Opcode op;
    Opcode with_constant; /* OP_COUNT: none */
    Opcode with_jump;
    Opcode constant_jump;
} Special;

typedef struct CaptureSlot { /* of the table (function, variable) -> index in fn->captures */
    Fn *fn;
    Var *var;
    uint32_t index;
} CaptureSlot;

typedef struct TopName {
    Name *name;
    bool declared; /* by a `| |` between statements */
} TopName;

typedef struct Codegen {
    LangArena *out;    /* of the unit */
    LangArena scratch; /* of this run */
    const CompileEnv *env;
    DiagList *diags;
    jmp_buf no_memory;
    bool quiet;    /* errors and warnings are those of another analysis of the same text */
    bool failed;   /* an error was reported */
    bool overflow; /* a window would need too many registers */
    bool too_long;
    LangSpan overflow_at;
    uint32_t reg_vars_max; /* locals of a function that get registers; the others are spilled */
    Name **names;
    uint32_t name_count, name_room;
    CaptureSlot *slots;
    uint32_t slot_count, slot_room;
    AstNode **chain; /* stack of sends whose receivers are being looked at */
    uint32_t chain_len, chain_room;
    uint32_t seq; /* assignments seen by the analysis so far */
    Fn *fn;
    Fn *root;
    DoitMode mode;
    bool top_level; /* a doit: assigning an undeclared name makes a variable */
    TopName *tops;  /* top-level variables found by the first analysis */
    uint32_t top_count, top_room;
    LangText source;       /* the text that spans of the root refer to */
    uint32_t source_start; /* offset of source.ptr in those spans */
    Bytes source_copy;     /* the same in the unit's arena */
    LangSpan at;           /* place of the next safepoint */
} Codegen;

/* -- memory and diagnostics (codegen.c) -- */
void *cg_alloc(Codegen *c, LangArena *arena, size_t count, size_t size);
/* Makes room for one more element; items may move. */
void *cg_grow(Codegen *c, LangArena *arena, void *items, uint32_t count, uint32_t *room,
              size_t size);
#define CG_PUSH(c, arena, items, count, room)                                                      \
    ((items) = cg_grow((c), (arena), (items), (count), &(room), sizeof *(items)),                  \
     &(items)[(count)++])
Bytes cg_copy(Codegen *c, LangText text);
void cg_error(Codegen *c, LangSpan span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cg_warn(Codegen *c, LangSpan span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline LangText cg_text(Bytes b) { return lang_text(b.data, b.len); }

/* -- analysis (codegen_scope.c) -- */
Fn *scope_new_fn(Codegen *c, CodeKind kind, Fn *outer);
/* Resolves names of a method or doit and of everything inside it. */
void scope_analyse_root(Codegen *c, Fn *root);
/* Between two analyses of one root: warnings may be given again. */
void scope_forget_warnings(Codegen *c);
/* Analyses a block that was inlined again, as a closure made by the current function. */
Fn *scope_analyse_fallback(Codegen *c, AstBlock *block);
void scope_bind(Scope *scope); /* its names mean its variables from now on */
void scope_unbind(Scope *scope);
uint32_t scope_capture_index(const Codegen *c, const Fn *fn, const Var *var);
/* True when the function finds a cell in the variable's place. */
bool scope_is_cell(const Codegen *c, const Fn *fn, const Var *var);
/* True when var is assigned after position `from` up to position `to`. */
bool scope_assigned_between(const Var *var, uint32_t from, uint32_t to);
static inline InlineKind scope_kind(const AstNode *node) { return node->tag & CG_KIND_MASK; }
static inline uint32_t scope_seq(const AstNode *node) { return node->tag >> CG_SEQ_SHIFT; }

/* -- what is inlined (codegen_inline.c) -- */
/* What becomes of a send in fn; INLINE_NONE: it is sent. */
InlineKind scope_inline_kind(const Fn *fn, const AstNode *node);
bool scope_loop_is_guarded(const AstNode *node, InlineKind kind);

const Special *special_find(LangText selector); /* NULL: none */
/* The argument can be part of the instruction. */
bool special_takes_constant(const Special *special, const AstNode *arg);

/* -- emission (codegen_emit.c) -- */
void emit_begin(Codegen *c, Fn *fn);
void emit_end(Codegen *c, Fn *fn);
uint32_t emit(Codegen *c, Opcode op, unsigned a, unsigned b, unsigned cc, uint32_t d);
void emit_at(Codegen *c, LangSpan span);     /* position of the safepoints that follow */
uint32_t emit_reg(Codegen *c, uint32_t reg); /* notes that the window must have it */
uint32_t emit_push(Codegen *c);              /* top becomes defined; answers it */
void emit_jump(Codegen *c, Opcode op, unsigned a, unsigned b, Label *label);
void emit_label(Codegen *c, Label *label);
uint32_t emit_here(Codegen *c);
void emit_back(Codegen *c, Opcode op, unsigned a, unsigned b, unsigned cc, uint32_t target);
void emit_branch(Codegen *c, unsigned reg, Want want); /* JMPT or JMPF */
uint32_t emit_ic(Codegen *c, LangText selector);
uint32_t emit_literal(Codegen *c, Literal literal);
uint32_t emit_global(Codegen *c, GlobalKind kind, Bytes owner, Bytes name);
void emit_int(Codegen *c, uint32_t dest, int64_t value);
/* Takes the instructions from index `from` on out of the stream and puts them at the end of the
 * function; `guard` is the jump that leads to them; they go on at the present place. */
void emit_move_out(Codegen *c, uint32_t from, uint32_t guard);

/* -- functions and scopes (codegen_fn.c) -- */
void fn_generate(Codegen *c, Fn *fn);
bool fn_captures_are_packed(const Fn *fn);
/* A new Array of all that fn captures, new cells for the boxed ones; answers its register, the top
 * one. */
uint32_t fn_pack_captures(Codegen *c, const Fn *fn);
/* Loads a closure of fn. `boxes` is NULL, or for a fallback closure: registers of cells for the
 * boxed captures; when captures are packed, just the register of the Array. */
void fn_closure(Codegen *c, Fn *fn, const uint32_t *boxes, uint32_t dest);
/* Opens a scope: its variables get their places. `counter` is the register of the loop counter,
 * for the body of a counting loop. */
void fn_enter_scope(Codegen *c, Scope *scope, uint32_t counter);
void fn_leave_scope(Codegen *c, Scope *scope);
/* Gives a lazy variable its place; its first value is in register top, which becomes part of the
 * place or is free again. */
void fn_define(Codegen *c, Var *var);
/* Register that is the variable now, or 0 when it must be loaded. */
uint32_t fn_var_register(const Codegen *c, const Var *var);
void fn_load_raw(Codegen *c, const Var *var, uint32_t dest); /* the cell, if it has one */
void fn_load(Codegen *c, const Var *var, uint32_t dest);
/* value is a register below top. */
void fn_store(Codegen *c, const Var *var, uint32_t value);
uint32_t fn_self(const Codegen *c);

/* -- expressions (codegen_expr.c) and control flow (codegen_flow.c) -- */
void gen(Codegen *c, AstNode *node, Want want);
void gen_statements(Codegen *c, AstNodeList list, Want want);
void gen_done(Codegen *c, uint32_t reg, Want want); /* the value is in reg */
void gen_nil(Codegen *c, Want want);
uint32_t gen_dest(Codegen *c, Want want);     /* register to compute into */
uint32_t gen_push(Codegen *c, AstNode *node); /* onto the scratch stack */
/* Register holding the value: a local's own, or new scratch. A local assigned up to position
 * `until` is copied. */
uint32_t gen_operand(Codegen *c, AstNode *node, uint32_t until);
void gen_inlined(Codegen *c, AstNode *node, Want want);
void gen_constant(Codegen *c, const AstNode *node, uint32_t dest); /* loads a literal */
/* Register of a constant that was loaded before the loop, or 0. */
uint32_t gen_loaded(const Codegen *c, const AstNode *node);
/* Two literals that may share a register. */
bool scope_same_constant(const AstNode *a, const AstNode *b);
static inline Want want_effect(void) { return (Want){.kind = WANT_EFFECT}; }
static inline Want want_into(uint32_t dest) { return (Want){.kind = WANT_INTO, .dest = dest}; }
static inline Want want_return(void) { return (Want){.kind = WANT_RETURN}; }
static inline Want want_branch(bool jump_if, Label *label)
{
    return (Want){.kind = WANT_BRANCH, .jump_if = jump_if, .label = label};
}

#endif
