/* SPDX-License-Identifier: Apache-2.0 */
/* vm_int.h - insides of the VM shared by vm.c, classes.c, link.c, globals.c. */
#ifndef MAGGIE_VM_INT_H
#define MAGGIE_VM_INT_H

#include "class.h"
#include "interp_int.h"

#define SYMBOL_CHUNK 1024u
#define SYMBOL_CHUNKS 4096u /* room for VM_SYMBOLS_MAX and the reserve of the symbol table */

/* What a symbol names, by symbol id: chunks published with release, never moved. */
typedef struct SymbolUse {
    Cell *cell;          /* global; NULL */
    uint32_t class_plus; /* class index + 1; 0 none */
} SymbolUse;

struct CellTable {
    SymbolUse *chunks[SYMBOL_CHUNKS];
};
SymbolUse *symbol_use(const Vm *vm, uint32_t symbol);
/* Under code_lock; NULL when memory is out. */
SymbolUse *symbol_use_make(Vm *vm, uint32_t symbol);

/* VM-lifetime memory: chunks under a lock. */
typedef struct MemChunk {
    struct MemChunk *next;
    size_t bytes;
} MemChunk;
struct CodeMem {
    Lock lock;
    MemChunk *chunks;
    char *at;
    char *end;
    size_t total;
};

/* Replaced tables and dictionaries from before the schedulers run, freed at destroy. */
typedef struct PrimEntry {
    const char *cls; /* "Array" or "Array class" */
    const char *selector;
    PrimFn fn;
    uint32_t authority;
    const char *fallback; /* or NULL */
    const char *help;
    bool frame; /* walks frames */
} PrimEntry;
const PrimEntry *prim_find(Bytes cls, bool class_side, Bytes selector);
/* For the inventory and the tests: every primitive, ended by a NULL cls. */
const PrimEntry *prim_all(void);

/* One copy of each file name. */
MUST_CHECK Status vm_intern_file(Vm *vm, Bytes file, Bytes *out);
void vm_free_exit_timers(Vm *vm);
Status away_create(Vm *vm) MUST_CHECK;
void away_destroy(Vm *vm);
void vm_free_cells(Vm *vm, HeapCtx *cx);
void vm_free_domains(Vm *vm);
Status vm_make_core_classes(Vm *vm) MUST_CHECK;
void vm_free_dicts(Vm *vm);
/* An empty inline-cache table; `selectors` NULL keeps those of the present table. */
Status code_new_caches(Vm *vm, Code *code, const uint32_t *selectors) MUST_CHECK;
void code_free_caches(Vm *vm, Code *code);
bool vm_selector_is_special(uint32_t symbol);
void vm_fail(char *error, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
