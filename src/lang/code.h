/* SPDX-License-Identifier: Apache-2.0 */
/* code.h - compiled code as pure data: what the compiler produces and the loader links.
 *
 * A CodeUnit needs no VM: names are byte strings, literals are descriptions. The loader (interp)
 * turns it into the shared, immutable run-time form; the image writer stores it.
 * Threads: a unit belongs to whoever compiled it.
 */
#ifndef MAGGIE_CODE_H
#define MAGGIE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t Instr;

typedef enum {
#define OP(name, form, help) OP_##name,
#include "opcodes.def"
#undef OP
    OP_COUNT
} Opcode;

/* The first instruction that only the interpreter writes (quick forms). */
#define OP_QUICK_FIRST OP_ADDF

typedef enum {
    FORM_NONE,
    FORM_A,
    FORM_AB,
    FORM_ABC,
    FORM_AI,
    FORM_AL,
    FORM_ALH,
    FORM_AGH,
    FORM_ABF,
    FORM_ABD,
    FORM_J,
    FORM_JH,
    FORM_AJH,
    FORM_ABJ,
    FORM_SEND,
    FORM_ARITH,
    FORM_ARITHK,
    FORM_UNARY,
    FORM_ABH,
    FORM_AH,
    FORM_ABLK,
    FORM_ARR,
    FORM_NEWARR,
    FORM_SENDREG,
    FORM_PUTAT,
    FORM_FOR
} OpForm;

typedef struct OpInfo {
    const char *name;
    OpForm form;
    const char *help;
} OpInfo;
extern const OpInfo op_info[OP_COUNT];

#define CODE_MAX_REGISTERS 250
#define CODE_MAX_ARGS 100

static inline Instr instr_make(Opcode op, unsigned a, unsigned b, unsigned c, uint32_t d)
{
    return (Instr)op | (Instr)(uint8_t)a << 8 | (Instr)(uint8_t)b << 16 | (Instr)(uint8_t)c << 24 |
           (Instr)d << 32;
}
static inline Opcode instr_op(Instr i) { return (Opcode)(uint8_t)i; }
static inline unsigned instr_a(Instr i) { return (uint8_t)(i >> 8); }
static inline unsigned instr_b(Instr i) { return (uint8_t)(i >> 16); }
static inline unsigned instr_c(Instr i) { return (uint8_t)(i >> 24); }
static inline int instr_ck(Instr i) { return (int8_t)(uint8_t)(i >> 24); }
static inline uint32_t instr_d(Instr i) { return (uint32_t)(i >> 32); }
static inline int32_t instr_jump(Instr i) { return (int32_t)(uint32_t)(i >> 32); }
static inline uint32_t instr_ic(Instr i)
{
    return (uint32_t)(i >> 32) & 0xFFFFFFu;
} /* ARITH forms */
static inline unsigned instr_h(Instr i) { return (unsigned)(i >> 56); } /* ARITH forms */
/* SENDREG form: ic as instr_ic, argument count in the top byte. */
static inline unsigned instr_argc(Instr i) { return (unsigned)(i >> 56); }
/* PUTAT form: H as instr_h. */
static inline uint32_t instr_put_ic(Instr i) { return (uint32_t)(i >> 32) & 0xFFFFu; }
static inline unsigned instr_put_value(Instr i) { return (uint8_t)(i >> 48); }

/* Live height at a safepoint instruction, see opcodes.def; 0 for every other instruction. */
unsigned instr_live_height(Instr i);

typedef struct Bytes {
    const char *data; /* not NUL-terminated */
    size_t len;
} Bytes;

typedef enum {
    LIT_NIL,
    LIT_TRUE,
    LIT_FALSE,
    LIT_INT,     /* integer */
    LIT_BIG_INT, /* text: optional '-', digits in `radix`, no prefix */
    LIT_FLOAT,   /* number */
    LIT_CHAR,    /* integer = code point */
    LIT_STRING,  /* text (decoded) */
    LIT_SYMBOL,  /* text */
    LIT_ARRAY,   /* elements */
    LIT_CLASS,   /* text: name of a core class (Dictionary for #{}, Context) */
    LIT_BLOCK    /* integer = index in blocks: a closure without captures, allocated once, frozen */
} LiteralKind;

typedef struct Literal {
    LiteralKind kind;
    int radix;
    int64_t integer;
    double number;
    Bytes text;
    struct Literal *elements;
    size_t count;
} Literal;

typedef enum {
    GLOBAL_NAME,     /* name: resolved full key (namespaces applied) */
    GLOBAL_CLASS_VAR /* owner: qualified name of the declaring class, name: the variable */
} GlobalKind;

typedef struct GlobalRef {
    GlobalKind kind;
    Bytes owner;
    Bytes name;
} GlobalRef;

typedef struct LineEntry { /* ascending pc; applies from pc on */
    uint32_t pc;
    uint32_t line;
    uint32_t column;
} LineEntry;

typedef enum { CODE_METHOD, CODE_BLOCK, CODE_DOIT } CodeKind;

typedef struct CodeUnit {
    CodeKind kind;
    Bytes selector;    /* methods; "doIt" for doits; enclosing method's selector for blocks */
    uint8_t nargs;     /* arguments (doits: one Cell per entry of bindings) */
    uint8_t ncaps;     /* blocks: captured values */
    uint8_t nregs;     /* window size in registers, frame record included, <= CODE_MAX_REGISTERS */
    uint8_t home_reg;  /* methods/doits: register of the home token (then instruction 0 is its
                            HOMETOKEN and nothing else writes it), 0 when no block has ^ */
    bool uses_self;    /* blocks: uses self, also by a nested block (D2); it is capture 0 */
    bool has_nlr;      /* blocks: contains ^ that returns from the home method, also in a nested
                            block; the home token is the capture after self */
    uint8_t *captures; /* blocks: register of the enclosing window for each capture */
    Instr *instr;
    uint32_t ninstr;
    Literal *literals;
    uint32_t nliterals;
    Bytes *ic_selectors; /* one per inline cache site */
    uint32_t nics;
    GlobalRef *globals;
    uint32_t nglobals;
    struct CodeUnit **blocks;
    uint32_t nblocks;
    LineEntry *lines;
    uint32_t nlines;
    Bytes *temp_names;     /* register -> name or empty; nregs entries, for tools and thisContext */
    Bytes *bindings;       /* doits: names of top-level variables passed as Cells in R[1..nargs] */
    uint8_t *new_bindings; /* doits: 1 where the doit makes the binding (assigned or declared) */
    Bytes source;          /* slice of the source text of the method or doit */
    Bytes docstring;
    bool is_primitive; /* [ <primitive> ]: no instructions, the VM provides the code */
    /* getters and setters the VM answers without a frame: slot index or -1 */
    int32_t getter_slot; /* method is exactly ^ivar */
    void *arena; /* owns every pointer above; freed by code_unit_free of the outermost unit */
} CodeUnit;

void code_unit_free(CodeUnit *unit);

/* Structural check of a unit from outside (image, wire): register, jump, literal, ic and block
 * indices in range, every path ends in a return or jump, fused compares followed by their JMPF,
 * heights within the window, no fall-through. NULL or a static text; *pc names the place. */
const char *code_verify(const CodeUnit *unit, uint32_t *pc);

/* ---- compilation (codegen.h) ---------------------------------------------------------------- */

/* What the compiler asks about the world; the loader answers. */
typedef struct CompileEnv {
    void *ctx;
    /* index of an instance variable visible in the method, or -1 */
    int (*instance_var)(void *ctx, Bytes name);
    /* qualified name of the class whose class variable `name` is, or empty */
    Bytes (*class_var)(void *ctx, Bytes name);
    /* full key of a global for a name (namespace, imports, root, 3.3); *known false when no class
     * or global of that name exists (a warning, L4; an error when strict) */
    Bytes (*global)(void *ctx, Bytes name, bool *known);
    /* doits: is `name` an existing top-level binding of the evaluating process? */
    bool (*binding)(void *ctx, Bytes name);
    bool strict;
    bool class_side;
    bool no_folding; /* arithmetic of literals is sent: somebody has redefined an operator */
} CompileEnv;

#endif
