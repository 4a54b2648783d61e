/* SPDX-License-Identifier: Apache-2.0 */
/* vm.h - one virtual machine: classes, code, globals, and what each scheduler keeps for it.
 *
 * Everything hangs off the Vm (I1). Reading is lock-free: classes sit in a table of chunks that
 * never move, method dictionaries are immutable and published by one pointer, inline caches follow
 * M3. Writing (defining classes, installing methods, creating cells) happens under `code_lock`.
 *
 * A new method is seen: by its installer at once; by others at their next switch-in or receive,
 * because each compares `code_version` with the version its scheduler's cache was filled under.
 * Inline caches of affected code are replaced by empty ones (Code.ics), old ones freed by epoch.
 */
#ifndef MAGGIE_VM_H
#define MAGGIE_VM_H

#include "code.h"
#include "frozen.h"
#include "lock.h"
#include "prim.h"
#include "process.h"
#include "scheduler.h"
#include "symtab.h"

/* ---- code -------------------------------------------------------------------------------- */

/* Two entries per send site, then the scheduler's cache. `cls` 0xFFFFFFFF = free. M3: a writer
 * claims the class word by CAS (free -> IC_CLAIMED), writes the target, then releases the class;
 * readers load the class with acquire and then the target. An entry is never overwritten. */
typedef struct InlineCache {
    uint32_t cls0;
    uint32_t selector;
    struct Code *target0;
    uint32_t cls1;
    uint32_t flags;
    struct Code *target1;
} InlineCache;
#define IC_FREE 0xFFFFFFFFu
#define IC_CLAIMED 0xFFFFFFFEu

typedef enum {
    ENTRY_BYTECODE,
    ENTRY_PRIMITIVE,
    ENTRY_GETTER, /* answers slot getter_slot of the receiver without a frame */
    ENTRY_COUNTED /* bytecode that the process has to hold first (code_life.h) */
} CodeEntry;

/* Methods whose frames exception handling looks for. */
typedef enum {
    CODE_MARK_NONE,
    CODE_MARK_ON_DO,     /* Block>>on:do:          R[0] protected block, R[1] class, R[2] handler */
    CODE_MARK_ENSURE,    /* Block>>ensure:         R[1] unwind block */
    CODE_MARK_CURTAILED, /* Block>>ifCurtailed:    R[1] unwind block */
    CODE_MARK_SIGNAL, /* Exception>>_dispatch: the frame on which a handler runs; R[0] exception */
    CODE_MARK_UNWIND  /* Exception class>>_unwindFrom:value: an unwind block runs; R[1] its frame */
} CodeMark;

struct Class;

/* A compiled method, block or doit: immutable but for `ics` (I11). First line: what a call
 * reads. */
typedef struct Code {
    const Instr *instr;
    InlineCache *ics; /* atomically replaced when a selector it caches is redefined */
    uint8_t entry;    /* CodeEntry */
    uint8_t nargs;
    uint8_t nregs;
    uint8_t ncaps;
    uint8_t home_reg;
    uint8_t kind; /* CodeKind */
    uint8_t mark; /* CodeMark */
    uint8_t flags;
    PrimFn prim;
    int32_t getter_slot;
    uint32_t authority;
    Value *literals;
    struct Cell **globals;
    struct Code **blocks;
    /* second line */
    const uint8_t *captures;
    uint32_t selector; /* symbol id */
    uint32_t fallback; /* symbol id, 0: none */
    uint32_t owner;    /* class index (odd: class side); CLASS_NONE for doits */
    uint32_t id;       /* index in Vm.codes: names the code in traces */
    uint32_t ninstr, nics, nliterals, nglobals, nblocks, nlines, ntemps;
    const LineEntry *lines;
    struct Code *method; /* blocks: the outermost code; otherwise itself */
    Region *region;      /* literals of the whole version; outermost code only */
    const char *file;    /* interned by the VM, or "" */
    uint32_t line;
    Bytes source, doc; /* owned by the VM's code memory */
    Bytes *temp_names;
    Bytes *bindings;
    uint8_t *new_bindings;
    /* doits and counted versions, outermost code: the CompiledMethod that stands for it, in
     * `region` */
    Value handle;
    struct Code *next, *prev;    /* list of all code of the VM */
    struct Code *peer;           /* next code of the same version */
    struct CodeVersion *version; /* counted ones: their memory; or NULL */
    const char *prim_help;
} Code;

enum {
    CODE_F_NLR = 1,       /* block with ^ */
    CODE_F_USES_SELF = 2, /* block that captures self as capture 0 */
    CODE_F_FRAME = 4,     /* primitive that walks or changes frames: state is committed before */
    CODE_F_LIBRARY = 8,   /* part of the boot image: no global is hidden from it */
    CODE_F_COUNTED = 16   /* lives while somebody refers to it (code_life.h) */
};

/* ---- classes ------------------------------------------------------------------------------- */

/* Immutable once published; replaced as a whole. Open addressing, capacity a power of two. */
typedef struct MethodDict {
    EpochEntry epoch; /* for deferred freeing */
    uint32_t capacity;
    uint32_t count;
    struct {
        uint32_t selector;
        Code *code;
    } entries[];
} MethodDict;

typedef enum {
    SHAPE_SLOTS,   /* plain object */
    SHAPE_INDEXED, /* named slots, then indexed Values (Array) */
    SHAPE_BYTES,
    SHAPE_WORDS,
    SHAPE_SPECIAL /* String, BigInteger, Block, immediates ...: `new` is refused or special */
} ClassShape;

/* One per class and one per metaclass (odd index). */
typedef struct Class {
    uint32_t index;
    uint32_t super;      /* class index or CLASS_NONE */
    MethodDict *methods; /* published with release */
    uint32_t name;       /* symbol: qualified name; metaclass: of its class */
    uint32_t short_name; /* symbol without namespace; metaclass: 'C class' */
    uint16_t nslots;     /* named instance variables, inherited ones included */
    uint8_t shape;       /* ClassShape */
    uint8_t flags;
    uint32_t *slot_names; /* symbols, own variables only */
    uint32_t nown;
    struct Cell **class_vars; /* own */
    uint32_t nclass_vars;
    Bytes doc;
    const char *file;
    uint32_t line;
    bool instantiated; /* Q10: variables may be added only before */
} Class;

/* ---- globals (D3) -------------------------------------------------------------------------- */

/* A node-wide variable. `value` is frozen or an immediate; `region` is owned by the cell. Readers:
 * inside an epoch section, load with acquire, heap_hold, and load again if that failed. Writers
 * under code_lock. */
typedef struct Cell {
    Value value;
    uint32_t name;  /* symbol */
    uint32_t owner; /* class index for class variables, CLASS_NONE for globals */
    bool defined;
    Region *region;
} Cell;

/* ---- authority (D20) ----------------------------------------------------------------------- */

/* Immutable once a process has it; lives as long as the VM. Equal ones are the same (domain.c). */
typedef struct Domain {
    uint32_t rights;      /* Authority bits */
    uint32_t nhidden;     /* hidden globals */
    uint32_t *hidden;     /* symbols, ascending */
    struct Domain *next;  /* all domains of the VM */
    struct Domain *chain; /* of the same bucket */
} Domain;
#define DOMAIN_BUCKETS 256
#define DOMAINS_MAX 16384     /* different ones in a VM */
#define DOMAIN_NAMES_MAX 1024 /* hidden in one */

/* ---- well-known symbols -------------------------------------------------------------------- */

/* Not formatted: each would be indented behind the one before. */
/* clang-format off */
#define VM_SYMBOLS(X) \
    X(DO_IT, "doIt") X(VALUE, "value") X(DNU, "doesNotUnderstand:") \
    X(MUST_BE_BOOLEAN, "_mustBeBoolean") X(CANNOT_RETURN, "_cannotReturn:") \
    X(UNWIND_RETURN, "_unwindReturn:home:") X(RAISE, "_raise:with:with:selector:") \
    X(TERMINATE, "_terminate:") X(UNHANDLED, "_unhandled:") X(IMMUTABLE, "_immutable") \
    X(NORMAL, "normal") X(SHUTDOWN, "shutdown") X(KILLED, "killed") X(ERROR, "error") \
    X(NOPROC, "noproc") X(HEAP_LIMIT, "heapLimit") X(STACK_LIMIT, "stackLimit") \
    X(NO_MEMORY, "noMemory") X(BAD_CODE, "badCode") X(STACK_OVERFLOW, "_stackOverflow") \
    X(LINKED, "linked") X(RESTRICTED, "_restrictedGlobal:write:") X(PLUS, "+") X(MINUS, "-") \
    X(TIMES, "*") X(DIVIDE, "/") X(IDIVIDE, "//") X(MODULO, "\\\\") X(LESS, "<") \
    X(GREATER, ">") X(LESS_EQ, "<=") X(GREATER_EQ, ">=") X(EQUAL, "=") X(NOT_EQUAL, "~=") \
    X(BIT_AND, "bitAnd:") X(BIT_OR, "bitOr:") X(BIT_XOR, "bitXor:") X(BIT_SHIFT, "bitShift:") \
    X(AT, "at:") X(AT_PUT, "at:put:") X(IS_NIL, "isNil") X(NOT_NIL, "notNil") X(NOT, "not") \
    X(SIZE, "size") X(VALUE1, "value:") X(VALUE2, "value:value:") \
    X(VALUE3, "value:value:value:") X(VALUE4, "value:value:value:value:") X(NEW, "new") \
    X(PERFORM, "perform:") X(INTERRUPT, "_interrupt") X(DOIT_FILE, "doit") \
    X(TIMEOUT, "timeout") X(RAISE_EXIT, "_raiseExit:") X(ASSIGN, "_assign:") \
    X(CALL_ENDED, "_callEnded:") X(CALL_TIMED_OUT, "_callTimedOut:") \
    X(CALL_REJECTED, "_callRejected:")
/* clang-format on */
enum {
    SYM_NONE_ = 0,
#define VM_SYMBOL_ENUM(id, text) SYM_##id,
    VM_SYMBOLS(VM_SYMBOL_ENUM)
#undef VM_SYMBOL_ENUM
        SYM_COUNT_
};

/* ---- the machine --------------------------------------------------------------------------- */

#define VM_CLASS_CHUNK 1024
#define VM_CLASS_CHUNKS 1024
#define GLOBAL_CACHE_SIZE 2048

typedef struct CacheEntry {
    uint32_t cls;
    uint32_t selector;
    Code *code;
} CacheEntry;

/* What a process wants done to its heap before it goes on. */
typedef struct Collection {
    HeapGcRequest request;
    Value a, b; /* become: the two objects, which registers of the process hold; else VALUE_NONE */
    bool one_way;
} Collection;

/* M20: what left the schedulers (away.c). */
typedef enum AwayKind { AWAY_COLLECT, AWAY_COPY, AWAY_END, AWAY_KINDS } AwayKind;
typedef struct AwayCounters {
    uint64_t jobs[AWAY_KINDS];
    uint64_t words; /* copied by them, or freed */
} AwayCounters;
typedef struct AwayLocal AwayLocal;

/* What a scheduler keeps for the VM: owned by its thread. */
typedef struct VmLocal {
    struct Vm *vm;
    ActorCtx actor;
    PoolLocal pool;
    uint32_t code_version; /* cache below is valid for this version */
    uint64_t nap_ns;       /* the last one that on_idle asked for; 0: nothing waited */
    int32_t unpaid;        /* reductions no process was charged for yet: process_reductions */
    PrimCall call;
    const void *trace_dispatch[OP_COUNT]; /* of the process whose calls are traced: calltrace.c */
    Collection collection; /* the one that the loop or a primitive has just asked for */
    CacheEntry cache[GLOBAL_CACHE_SIZE];
    struct VmCounters {
        uint64_t sends_missed, collections, words_copied;
    } counters;
} VmLocal;

typedef struct Vm {
    Env *env;
    Symtab *symtab;
    PoolGlobal *pools;
    HeapEnv heap_env;
    EpochDomain *epochs;
    SchedGroup *group;
    ActorNode *actors;
    EnvSim *sim;
    VmLocal **locals; /* one per scheduler */
    uint32_t nlocals;

    Lock code_lock;
    Class **class_chunks[VM_CLASS_CHUNKS]; /* published with release; pointers never change */
    uint32_t nclasses;                     /* published with release */
    uint32_t code_version;                 /* bumped with release after every installation */
    bool boot_done;   /* the library is loaded: from now on redefinitions are the user's */
    bool full_traces; /* stack traces show the frames of Embedding too; set before it starts */
    bool reparented;  /* a class got another superclass; the next installation resets all caches */
    uint32_t
        /* nonzero: SmallInteger/Float/... operators were redefined: no inline fast paths */
        nonpristine;
    struct CellTable *cells; /* globals by symbol */
    Code **codes;
    uint32_t ncodes, codes_cap;
    uint32_t free_code, nfree_codes;        /* numbers of dead code, linked through `codes` */
    size_t counted_bytes, counted_versions; /* figures about counted code */
    uint32_t ask_cursor; /* which processes are still to be woken (code_life.h); UINT32_MAX: none */
    Code *all_code;
    struct TraitTable *traits;
    Domain *root_domain;
    Domain *domains;
    Lock domain_lock; /* guards the next two and `domains` */
    Domain *domain_buckets[DOMAIN_BUCKETS];
    uint32_t ndomains;
    struct PrimTable *prims;
    struct CodeMem *memory; /* VM-lifetime memory of code and names */
    struct Output *output;  /* standard output and error (node folder supplies the writer) */
    int exit_status;
    bool exit_requested;
    char **args;
    uint32_t nargs;
    void *embedder;
    void (*on_quiescent)(void *embedder, struct Vm *vm);
    void (*on_main_ended)(void *embedder, Process *p);
    void (*on_result)(void *embedder, Process *p, int64_t job, Value result);
    void (*on_stopped)(void *embedder); /* a scheduler thread ends */
    Lock load_lock;                     /* one load or compilation at a time */
    struct VmCounters *final_counters;  /* per scheduler, after it has stopped */
    struct ExitTimer *exit_timers;      /* under outside_lock */
    Lock outside_lock;                  /* `outside` is for threads that are no scheduler */
    VmLocal *outside;
    Lock away_lock; /* guards the next two */
    AwayLocal *away;
    AwayCounters away_counters;
} Vm;

static inline Class *vm_class(const Vm *vm, uint32_t index)
{
    return vm->class_chunks[index / VM_CLASS_CHUNK][index % VM_CLASS_CHUNK];
}

#endif
