/* SPDX-License-Identifier: Apache-2.0 */
/* class.h - making and changing a VM's classes, methods and globals.
 *
 * Writers hold vm->code_lock (taken inside each function; none calls another that takes it).
 * Readers need no lock. What is replaced is freed through the epoch of the given record, or at
 * vm_destroy. Memory of classes, code and names comes from vm->memory and lives as long as the VM.
 */
#ifndef MAGGIE_CLASS_H
#define MAGGIE_CLASS_H

#include "vm.h"

#define VM_SYMBOLS_MAX 4000000u

typedef struct VmConfig {
    Env *env;    /* borrowed; must outlive the VM */
    EnvSim *sim; /* NULL: threads */
    uint64_t sim_seed;
    uint32_t schedulers;    /* 0: usable cores */
    uint32_t max_processes; /* 0: default */
    uint64_t mail_limit;    /* messages in every mailbox; 0: none */
    uint32_t mail_policy;   /* MailPolicy of mailbound.h */
    uint32_t dirty_max;     /* 0: default */
    uint32_t symbols_max;   /* 0: default; at most VM_SYMBOLS_MAX */
    size_t heap_cap_bytes;  /* per process, 0: a share of memory */
    size_t stack_cap_bytes; /* per process, 0: 64 MiB */
    size_t long_words;      /* HeapEnv.long_words, for tests; 0: default */
    bool no_crash_reports;  /* System crashReports: false from the start */
    bool verify;            /* heap_verify after every collection and receive */
    void (*quiescent)(void *embedder, struct Vm *vm); /* nothing can run any more (D15) */
    void (*main_ended)(void *embedder, Process *p);   /* a PROCESS_F_MAIN process ended */
    void *embedder;
} VmConfig;

/* A VM with the core classes of value.h (empty), core symbols, the primitive table, no library, no
 * running scheduler. */
MUST_CHECK Status vm_create(const VmConfig *config, Vm **out);
/* Schedulers must have been joined (or never started). */
void vm_destroy(Vm *vm);
/* The VmLocal of a running scheduler is sched->user. For the thread that creates, loads and feeds a
 * VM from outside (one at a time): a VmLocal without scheduler. */
MUST_CHECK Status vm_local_open(Vm *vm, VmLocal **out);
void vm_local_close(VmLocal *l);

/* VM-lifetime memory (thread safe). NULL when memory is out. */
void *vm_alloc(Vm *vm, size_t bytes);
/* Copy of bytes, NUL-terminated behind; data NULL when memory is out. */
Bytes vm_copy_bytes(Vm *vm, Bytes b);
MUST_CHECK Status vm_intern(Vm *vm, Bytes b, uint32_t *symbol);
static inline Bytes vm_symbol_text(const Vm *vm, uint32_t symbol)
{
    SymtabName n = symtab_name(vm->symtab, symbol);
    return (Bytes){n.bytes, n.len};
}

/* ---- classes ---- */

typedef struct ClassSpec {
    Bytes name;         /* qualified */
    Bytes super;        /* qualified; empty: Object's own superclass */
    const Bytes *slots; /* own instance variables */
    uint32_t nslots;
    const Bytes *class_vars;
    uint32_t nclass_vars;
    Bytes doc;
    Bytes file;
    uint32_t line;
} ClassSpec;

/* Index of a class by qualified name, or CLASS_NONE. */
uint32_t class_find(const Vm *vm, Bytes name);
uint32_t class_find_symbol(const Vm *vm, uint32_t name);
/* Defines a class or reopens it (3.2): adds missing variables when not instantiated, re-parents
 * from Object, keeps an existing docstring. The superclass must exist. A text for people in
 * `error` (any length up to its size) when it fails. */
MUST_CHECK Status class_define(Vm *vm, const ClassSpec *spec, uint32_t *index, char *error,
                               size_t error_size);
/* -1 or the slot index of an instance variable (own or inherited). */
int class_slot_index(const Vm *vm, uint32_t cls, Bytes name);
/* The cell of a class variable visible in cls (own or inherited); NULL. *owner: declaring class. */
Cell *class_var_find(const Vm *vm, uint32_t cls, Bytes name, uint32_t *owner);
bool class_inherits(const Vm *vm, uint32_t cls, uint32_t ancestor);
/* Own method, not inherited; NULL. */
Code *class_own_method(const Vm *vm, uint32_t cls, uint32_t selector);

/* ---- code ---- */

typedef struct LinkInfo {
    uint32_t owner; /* class whose method it becomes (odd: class side), CLASS_NONE for doits */
    Bytes file;
    uint32_t line; /* of the pattern */
} LinkInfo;

/* Turns a unit (verified by the caller when it came from outside) into run-time code: literals
 * become one frozen region, names become symbols and cells, blocks are linked too. is_primitive
 * units are bound to the primitive table; an unknown primitive is STATUS_NOT_FOUND (an inherited
 * primitive of the same selector is fine: then *out is NULL, the stub only documents). Copies what
 * it keeps. Code that is counted comes with a count, to be given to methods_install or back with
 * code_release (code_life.h). */
MUST_CHECK Status code_link(Vm *vm, HeapCtx *cx, const CodeUnit *unit, const LinkInfo *info,
                            Code **out);
/* Installs (replacing) in the class of code->owner, invalidates caches, bumps code_version. Takes
 * the code's count, also when it fails. */
MUST_CHECK Status method_install(Vm *vm, VmLocal *l, Code *code);
/* Many at once: one invalidation at the end. */
MUST_CHECK Status methods_install(Vm *vm, VmLocal *l, Code *const *codes, uint32_t n);

/* ---- globals ---- */

/* Cell of a global; created (undefined, nil) when `create`. */
Cell *cell_find(Vm *vm, uint32_t symbol, bool create);
/* Value for the running process: retains its region in the heap. */
/* VALUE_NONE: no memory for that. */
Value cell_read(VmLocal *l, Process *p, Cell *cell);
/* Publishes a frozen copy of v (from `heap`, NULL when v is immediate or frozen). */
/* Sets l->actor.copied_words, which is to be paid. */
MUST_CHECK Status cell_set(VmLocal *l, Heap *heap, Cell *cell, Value v, Value *culprit);
/* The same, unless the cell holds another value than `expected`, which the caller has read and
 * holds: then STATUS_BUSY and nothing happens. */
MUST_CHECK Status cell_replace(VmLocal *l, Heap *heap, Cell *cell, Value expected, Value v,
                               Value *culprit);
bool domain_hides(const Domain *domain, uint32_t symbol);
/* The domain with all that `from` hides and n more symbols, and those of its rights that are in
 * `rights`. STATUS_LIMIT: more than DOMAIN_NAMES_MAX names or DOMAINS_MAX different domains. */
Status domain_narrow(Vm *vm, Domain *from, const uint32_t *symbols, size_t n, uint32_t rights,
                     Domain **out) MUST_CHECK;
/* Every defined global: fn(ctx, cell). Under code_lock: fn must be short and lock-free. */
void cell_each(Vm *vm, void (*fn)(void *ctx, Cell *cell), void *ctx);

/* ---- processes from outside ---- */

/* A main process (PROCESS_F_MAIN) that runs `code` with receiver and immediate/frozen arguments. */
MUST_CHECK Status vm_spawn_code(VmLocal *l, Code *code, Value receiver, unsigned argc,
                                const Value *args, Value *pid);
MUST_CHECK Status vm_start(Vm *vm); /* schedulers begin; not for a simulated VM */
void vm_stop(Vm *vm);               /* any thread; returns at once */
void vm_join(Vm *vm);

#endif
