/* SPDX-License-Identifier: Apache-2.0 */
/* code_life.h - how long code lives (I11, M1).
 *
 * A version is what one method or doit was compiled to: its Code, that of the blocks in it, their
 * literals in one frozen region. Two sorts:
 *
 * Pinned versions live as long as the VM and cost nothing: everything from before boot_done, the
 * first version of each method of a class, stubs of primitives. So there are at most as many as
 * there are different methods.
 *
 * Counted versions (CODE_F_COUNTED) live while somebody refers to them: doits, scripts, and
 * methods that replace one. Their region carries them (region_carry_code), so the region's count is
 * theirs, and everything that keeps track of frozen regions keeps track of code. Counts are held by
 *   - whoever linked it (class.h: code_link), until it is handed on;
 *   - the method dictionary, from methods_install until another version replaces it there;
 *   - heaps: `handle`, a frozen object in the region, is what frames and closures count as. A
 *     process that enters a counted method notes the region first (ENTRY_COUNTED in the loop); one
 *     that runs a doit has its handle as an argument or was given it by vm_spawn_code. Blocks need
 *     nothing: a closure is made by code that is running, or came with a copy. Collections that are
 *     not minor find out what is still needed: frames and the pending callee (interp_roots),
 *     closures (heap_trace.c: gc_note_code);
 *   - fragments, new processes and regions with copies of closures (heap_copy.c: copier_scan);
 *   - arrays of captured stack traces, which end with the handles of the versions they name.
 * Not counted are inline caches and the schedulers' caches: they hold only what a dictionary held
 * at the same code_version, are emptied when it changes, and are read inside epoch sections only.
 * So the dictionary's count is given back a grace period after the replacement: whoever found the
 * old version before has noted it by then. A pending call outlives a section, so who makes one of a
 * method that it has looked up notes it first (exits.c: push_call).
 *
 * Death: the last count goes on any thread; the region waits for the epoch, then the version is
 * taken out of the VM's lists under code_lock (version_dead); its memory waits for the epoch again,
 * because tools find code by number without counting it (code_by_number).
 *
 * No memory to note a hold: the process that would enter the method ends (I8). None to link:
 * everything is given back.
 *
 * Threads: code_retain and code_release by any; the rest as said. */
#ifndef MAGGIE_CODE_LIFE_H
#define MAGGIE_CODE_LIFE_H

#include "vm.h"

/* Memory of one counted version: chunks, the first of which begins with this. */
typedef struct CodeVersion {
    EpochEntry epoch;    /* giving back the dictionary's count; later the death */
    EpochRecord *record; /* that it is deferred on */
    Vm *vm;
    Code *next;  /* replaced in the same installation */
    Code *codes; /* all of it, by Code.peer; the method first */
    Region *region;
    struct CodeChunk *chunks;
    char *at, *end;
    size_t bytes; /* of all chunks and caches */
} CodeVersion;

/* ---- making one (link.c) ---- */

/* Returns new, or NULL. */
CodeVersion *version_new(Vm *vm);
/* Zeroed memory that lives as long as the version; `version` NULL: as the VM. NULL: none left. */
void *version_alloc(Vm *vm, CodeVersion *version, size_t bytes);
/* Numbers the codes linked by `peer` and enters them into the VM's list; then the version, if it is
 * counted, is carried by its region. */
Status version_register(Vm *vm, Code *codes) MUST_CHECK;
/* Frees a version that was never registered, without its region and caches. */
void version_drop(Vm *vm, CodeVersion *version);

/* ---- counts ---- */

static inline bool code_is_counted(const Code *code) { return (code->flags & CODE_F_COUNTED) != 0; }
/* The frozen object whose region is the version's; VALUE_NIL for pinned ones. */
static inline Value code_counted_handle(const Code *code)
{
    return code_is_counted(code) ? code->method->handle : VALUE_NIL;
}
/* Gives back the count that code_link gave; nothing for pinned code or NULL. */
void code_release(VmLocal *l, Code *code);
/* The same by a thread that has no VmLocal. */
void code_release_outside(Vm *vm, Code *code);
/* The dictionary no longer refers to this version: its count goes after a grace period. */
void code_retire(VmLocal *l, Code *code);
/* Makes the process hold the version, if it is counted. */
Status code_hold(HeapCtx *cx, Heap *heap, const Code *code) MUST_CHECK;
/* HeapEnv's callbacks. */
Value code_handle_of(const void *code);
void version_dead(HeapEnv *henv, EpochRecord *epoch, void *version);

/* ---- tools ---- */

/* Code by its number, inside an epoch section (or when nothing runs); NULL when there is none. */
const Code *code_by_number(const Vm *vm, uint64_t number);
/* Bytes of code: all of the VM's permanent memory for code and names, and counted versions. */
size_t vm_code_bytes(Vm *vm);

/* ---- asking processes to let go (frozen.h) ---- */

/* region_retire by a scheduler or loader; parked processes are woken when a round begins. */
void vm_region_retire(VmLocal *l, Region *region);
/* The same by a thread that has no VmLocal. */
void vm_region_retire_outside(Vm *vm, Region *region);
/* Wakes some of them; between slices, outside epoch sections. True: there were some, or no round is
 * under way any more; who runs them goes on. */
bool vm_wake_some(VmLocal *l);

#endif
