/* SPDX-License-Identifier: Apache-2.0 */
/* ast.h - the syntax tree: what the parser makes and compiler, checker and formatter read.
 *
 * Every piece lives in the arena of one LangParse and dies with it. Texts are byte slices: of the
 * source where the text is as written, of the arena where it had to be decoded ('' in strings,
 * joined keyword selectors, dedented docstrings). So the source must outlive the tree.
 *
 * Depth. Only ONE direction of a tree is unbounded: the receiver chain of AST_SEND, AST_EVENTUAL
 * and AST_CASCADE (`a b c d ...`, `1 + 2 + 3 ...`). Walk it in a loop (ast_receiver). In every
 * other direction the depth is at most the nesting limit of the parse, so recursion is safe there.
 *
 * Threads: immutable after parsing, except the `tag` and `info` fields, which belong to the pass
 * that runs now (the parser leaves them 0/NULL).
 * Invariant: in a tree of a parse without errors no pointer named here is NULL unless its comment
 * says so; a list with count 0 may have items == NULL. */
#ifndef LANG_AST_H
#define LANG_AST_H

#include "arena.h"
#include "lang_source.h"

/* One list of node kinds, used for the enum and the names. */
#define AST_KINDS(X)                                                                               \
    X(INT, "int")       /* as.integer: fits a SmallInteger */                                      \
    X(BIGINT, "bigint") /* as.integer: does not; digits + radix */                                 \
    X(FLOAT, "float")   /* as.real */                                                              \
    X(STRING, "string") /* as.text, decoded */                                                     \
    X(CHAR, "char")     /* as.character, a code point */                                           \
    X(SYMBOL, "symbol") /* as.text, without #, decoded */                                          \
    X(NIL, "nil")                                                                                  \
    X(TRUE, "true")                                                                                \
    X(FALSE, "false")                                                                              \
    X(LITERAL_ARRAY, "literal-array") /* as.list: literals only (kinds INT..LITERAL_ARRAY) */      \
    X(IDENTIFIER, "identifier")       /* as.name, perhaps qualified */                             \
    X(SELF, "self")                                                                                \
    X(SUPER, "super")                                                                              \
    X(THIS_CONTEXT, "this-context")                                                                \
    X(ASSIGN, "assign")         /* as.assign */                                                    \
    X(SEND, "send")             /* as.send */                                                      \
    X(CASCADE, "cascade")       /* as.cascade */                                                   \
    X(EVENTUAL, "eventual")     /* as.send: receiver ~> message */                                 \
    X(BLOCK, "block")           /* as.block */                                                     \
    X(DYN_ARRAY, "dyn-array")   /* as.list: { a. b } */                                            \
    X(DICTIONARY, "dictionary") /* as.dictionary: #{ k -> v } */                                   \
    X(RETURN, "return")         /* as.value: only as a statement */                                \
    X(TEMPS, "temps")           /* as.temps: `| a b |` between statements of a script */           \
    X(CLASS, "class")           /* as.klass */                                                     \
    X(TRAIT, "trait")           /* as.trait */                                                     \
    X(PROTOCOL, "protocol")     /* as.protocol */

typedef enum AstKind {
#define AST_KIND_ENUM(name, text) AST_##name,
    AST_KINDS(AST_KIND_ENUM)
#undef AST_KIND_ENUM
        AST_KIND_COUNT
} AstKind;

typedef enum AstSendKind { AST_UNARY, AST_BINARY, AST_KEYWORD } AstSendKind;

typedef struct AstNode AstNode;
typedef struct AstClass AstClass;
typedef struct AstTrait AstTrait;
typedef struct AstProtocol AstProtocol;

/* A list of nodes in source order. */
typedef struct AstNodeList {
    AstNode **items;
    uint32_t count;
} AstNodeList;

/* A name at a place: superclass, included trait, import, effect, required selector ... */
typedef struct AstName {
    LangText text; /* without quotes or #; may be qualified (A::B) */
    LangSpan span;
} AstName;

typedef struct AstNameList {
    AstName *items;
    uint32_t count;
} AstNameList;

/* A `<Type>` annotation. Absent: name.len == 0. */
typedef struct AstType {
    LangText name; /* may be qualified */
    LangSpan span; /* with the angle brackets */
} AstType;

/* A declared variable: parameter, temporary, instance or class variable. */
typedef struct AstVar {
    LangText name;
    LangSpan span;
    AstType type; /* often absent; never for block parameters and class variables */
    uint32_t tag; /* for later passes */
    void *info;   /* for later passes */
} AstVar;

typedef struct AstVarList {
    AstVar *items;
    uint32_t count;
} AstVarList;

/* Selector and arguments without a receiver. */
typedef struct AstMessage {
    AstSendKind kind;
    LangText selector;      /* keyword parts joined: at:put: */
    LangSpan selector_span; /* the first part (where a stack trace should point) */
    LangSpan span;          /* selector and arguments */
    AstNodeList args;       /* count 0, 1 or the number of colons */
} AstMessage;

/* AST_SEND and AST_EVENTUAL. */
typedef struct AstSend {
    AstNode *receiver; /* for a super send a node of kind AST_SUPER */
    AstMessage message;
    bool is_super; /* `super sel`; never with AST_EVENTUAL */
} AstSend;

/* The receiver is evaluated once; every message goes to it; the value is that of the last. */
typedef struct AstCascade {
    AstNode *receiver;
    AstMessage *messages;
    uint32_t count; /* >= 2 */
    bool is_super;  /* then all of them are super sends */
} AstCascade;

/* AST_INT and AST_BIGINT. */
typedef struct AstInteger {
    LangText source; /* the whole literal as written: -16rFF */
    LangText digits; /* without sign and radix; all valid in radix, either letter case */
    uint32_t radix;  /* 2..36 */
    bool negative;
    int64_t value; /* AST_INT only: -2^47 .. 2^47-1 */
} AstInteger;

typedef struct AstFloat {
    LangText source; /* as written */
    double value;    /* nearest; finite */
} AstFloat;

typedef struct AstAssign {
    AstName target; /* may be qualified */
    AstNode *value;
    uint32_t tag; /* for later passes */
    void *info;   /* for later passes */
} AstAssign;

/* An identifier used as a value. */
typedef struct AstIdentifier {
    LangText text;  /* as written, with its :: */
    bool qualified; /* contains :: */
    uint32_t tag;   /* for later passes */
    void *info;     /* for later passes */
} AstIdentifier;

typedef struct AstBlock {
    AstVarList params;
    AstVarList temps;
    AstNodeList statements; /* expressions and AST_RETURN; count 0: the block answers nil */
    uint32_t tag;           /* for later passes */
    void *info;             /* for later passes */
} AstBlock;

typedef struct AstPair {
    AstNode *key;
    AstNode *value;
} AstPair;

typedef struct AstDictionary {
    AstPair *pairs;
    uint32_t count;
} AstDictionary;

struct AstNode {
    AstKind kind;
    bool parenthesised; /* stood in ( ); span is without the parentheses */
    uint32_t tag;       /* for later passes */
    LangSpan span;
    union {
        AstInteger integer;
        AstFloat real;
        LangText text;      /* STRING, SYMBOL */
        uint32_t character; /* CHAR */
        AstNodeList list;   /* LITERAL_ARRAY, DYN_ARRAY */
        AstIdentifier name; /* IDENTIFIER */
        AstAssign assign;
        AstSend send; /* SEND, EVENTUAL */
        AstCascade cascade;
        AstBlock *block;
        AstDictionary dictionary;
        AstNode *value;   /* RETURN */
        AstVarList temps; /* TEMPS */
        AstClass *klass;
        AstTrait *trait;
        AstProtocol *protocol;
    } as;
};

/* A docstring. Absent: present == false. */
typedef struct AstDoc {
    bool present;
    LangText text; /* dedented and trimmed */
    LangSpan span; /* with its quotes */
} AstDoc;

/* A method: in a class or trait body, or bare (compileAndInstall:). */
typedef struct AstMethod {
    LangText selector;
    AstSendKind kind;
    LangSpan selector_span; /* the first part of the pattern */
    LangSpan span;          /* from `method:` (bare: from the pattern) to the closing bracket */
    LangText source;        /* the text of the method from the pattern on, as written */
    AstVarList params;
    AstType return_type; /* often absent */
    AstNameList effects;
    AstVarList temps;
    AstNodeList statements; /* count 0: answers self. No duplicate names in params + temps */
    AstDoc doc;
    bool class_side;
    bool is_primitive_stub; /* body is [ <primitive> ]: nothing to compile, only the doc counts */
    bool is_bare;
    void *info; /* for later passes */
} AstMethod;

typedef struct AstMethodList {
    AstMethod **items;
    uint32_t count;
} AstMethodList;

struct AstClass {
    AstName name;       /* may be qualified: used literally then */
    AstName superclass; /* text "nil" with superclass_is_nil */
    bool superclass_is_nil;
    AstVarList instance_vars; /* all lists of the body, in order */
    AstVarList class_vars;
    AstNameList includes;
    AstMethodList methods;       /* instance side, source order */
    AstMethodList class_methods; /* class side, source order */
    AstDoc doc;
    LangSpan span;
    void *info; /* for later passes */
};

struct AstTrait {
    AstName name;
    AstNameList required;  /* selectors */
    AstMethodList methods; /* instance side only */
    AstDoc doc;
    LangSpan span;
    void *info; /* for later passes */
};

/* One selector of a protocol. */
typedef struct AstProtocolEntry {
    LangText selector;
    AstSendKind kind;
    LangSpan span;
    AstType *param_types; /* one per argument, each perhaps absent */
    uint32_t param_count;
    bool has_return; /* a ^ was written; the type may still be absent */
    AstType return_type;
    AstNameList effects;
} AstProtocolEntry;

struct AstProtocol {
    AstName name;
    AstNameList includes;
    AstProtocolEntry *entries;
    uint32_t entry_count;
    AstDoc doc;
    LangSpan span;
};

/* One source file. */
typedef struct AstFile {
    bool has_namespace;
    AstName namespace_name;  /* of the last `namespace:`; text.len == 0: forces the root */
    AstNameList imports;     /* in order */
    AstNodeList definitions; /* CLASS, TRAIT, PROTOCOL in source order */
    AstNodeList script;      /* statements (expression, RETURN) and TEMPS in source order */
    AstNodeList items;       /* definitions and script merged, in source order */
    bool has_shebang;        /* the file began with #! */
    LangSpan span;
} AstFile;

/* Text given to Compiler evaluate:, one shell input, one doctest section. */
typedef struct AstDoit {
    AstVarList temps;       /* the declaration at the start */
    AstNodeList statements; /* with the script_temps option also TEMPS nodes in between */
    LangSpan span;
    void *info; /* for later passes */
} AstDoit;

/* "send", "block" ... */
const char *ast_kind_name(AstKind kind);

/* True for INT..LITERAL_ARRAY: a value known at compile time. */
bool ast_is_literal(const AstNode *node);

/* The receiver of a SEND, EVENTUAL or CASCADE; NULL for every other kind. */
AstNode *ast_receiver(const AstNode *node);

/* True for a literal block without parameters and temporaries (what inlining asks for). */
bool ast_is_plain_block(const AstNode *node);

/* Last segment of a qualified name (Disc of Shapes::Round::Disc), and what stands before it
 * without the final :: (empty when unqualified). Either out pointer may be NULL. */
void ast_split_name(LangText name, LangText *prefix, LangText *last);

#endif
