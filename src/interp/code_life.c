/* SPDX-License-Identifier: Apache-2.0 */
/* code_life.c - counted versions of code: their memory, counts, death; waking those who may hold
 * what nobody else wants. The rules are in code_life.h.
 * Threads: as said there. */
#include "code_life.h"

#include "vm_int.h"

#define VERSION_CHUNK 1024

typedef struct CodeChunk {
    struct CodeChunk *next;
    size_t bytes;
} CodeChunk;

/* ---- memory ---- */

CodeVersion *version_new(Vm *vm)
{
    CodeChunk *chunk = env_calloc(vm->env, VERSION_CHUNK);
    if (!chunk) {
        return NULL;
    }
    CodeVersion *v = (CodeVersion *)(void *)(chunk + 1);
    chunk->bytes = VERSION_CHUNK;
    v->vm = vm;
    v->chunks = chunk;
    v->at = (char *)(v + 1);
    v->end = (char *)chunk + VERSION_CHUNK;
    v->bytes = VERSION_CHUNK;
    return v;
}

void *version_alloc(Vm *vm, CodeVersion *v, size_t bytes)
{
    if (!v) {
        return vm_alloc(vm, bytes);
    }
    bytes = (bytes + 15) & ~(size_t)15;
    if ((size_t)(v->end - v->at) < bytes) {
        size_t size =
            bytes + sizeof(CodeChunk) > VERSION_CHUNK ? bytes + sizeof(CodeChunk) : VERSION_CHUNK;
        CodeChunk *chunk = env_calloc(vm->env, size);
        if (!chunk) {
            return NULL;
        }
        chunk->bytes = size;
        chunk->next = v->chunks;
        v->chunks = chunk;
        v->at = (char *)(chunk + 1);
        v->end = (char *)chunk + size;
        v->bytes += size;
    }
    void *p = v->at;
    v->at += bytes;
    return p;
}

void version_drop(Vm *vm, CodeVersion *v)
{
    for (CodeChunk *c = v->chunks; c;) { /* the last one is where v itself is */
        CodeChunk *next = c->next;
        env_free(vm->env, c, c->bytes);
        c = next;
    }
}

/* ---- the VM's lists: under code_lock ---- */

/* A free number's entry is the next free number, tagged. */
static Code *free_entry(uint32_t next) { return (Code *)((uintptr_t)next << 1 | 1); }
static bool entry_is_free(const Code *entry) { return ((uintptr_t)entry & 1) != 0; }

/* Room for `more` further codes. */
static Status reserve_numbers(Vm *vm, uint32_t more)
{
    if (vm->nfree_codes >= more || vm->codes_cap - vm->ncodes >= more - vm->nfree_codes) {
        return STATUS_OK;
    }
    uint32_t cap = vm->codes_cap ? vm->codes_cap * 2 : 1024;
    while (cap - vm->ncodes < more) {
        cap *= 2;
    }
    Code **bigger = vm_alloc(vm, cap * sizeof *bigger);
    if (!bigger) {
        return STATUS_NO_MEMORY;
    }
    if (vm->ncodes) {
        memcpy(bigger, vm->codes, vm->ncodes * sizeof *bigger);
    }
    atom_store_rel(&vm->codes, bigger); /* publishes the copy to code_by_number */
    vm->codes_cap = cap;
    return STATUS_OK;
}

static void list_code(Vm *vm, Code *code)
{
    if (vm->nfree_codes) {
        code->id = vm->free_code;
        vm->free_code = (uint32_t)((uintptr_t)vm->codes[code->id] >> 1);
        vm->nfree_codes--;
        atom_store_rel(&vm->codes[code->id], code); /* publishes the code to code_by_number */
    } else {
        code->id = vm->ncodes;
        atom_store_rel(&vm->codes[code->id], code);  /* as above */
        atom_store_rel(&vm->ncodes, vm->ncodes + 1); /* publishes the entry */
    }
    code->prev = NULL;
    code->next = vm->all_code;
    if (code->next) {
        code->next->prev = code;
    }
    vm->all_code = code;
}

static void unlist_code(Vm *vm, Code *code)
{
    /* release: orders the number's new meaning after all uses; readers that still have the code are
     * in epoch sections */
    atom_store_rel(&vm->codes[code->id], free_entry(vm->free_code));
    vm->free_code = code->id;
    vm->nfree_codes++;
    if (code->next) {
        code->next->prev = code->prev;
    }
    if (code->prev) {
        code->prev->next = code->next;
    } else {
        vm->all_code = code->next;
    }
}

Status version_register(Vm *vm, Code *codes)
{
    uint32_t n = 0;
    size_t caches = 0;
    for (Code *c = codes; c; c = c->peer) {
        n++;
        caches += c->nics * sizeof(InlineCache);
    }
    lock_acquire(&vm->code_lock);
    Status status = reserve_numbers(vm, n);
    for (Code *c = codes; c && status == STATUS_OK; c = c->peer) {
        list_code(vm, c);
    }
    lock_release(&vm->code_lock);
    CodeVersion *v = codes ? codes->version : NULL;
    if (status == STATUS_OK && v) {
        v->codes = codes;
        v->region = codes->region;
        v->bytes += caches;
        region_carry_code(v->region, v, v->bytes);
        (void)atom_add_rlx(&vm->counted_bytes, v->bytes); /* relaxed: figures */
        (void)atom_add_rlx(&vm->counted_versions, (size_t)1);
    }
    return status;
}

const Code *code_by_number(const Vm *vm, uint64_t number)
{
    if (number >= atom_load_acq(&vm->ncodes)) { /* pairs with list_code */
        return NULL;
    }
    Code **codes = atom_load_acq(&vm->codes); /* pairs with reserve_numbers */
    const Code *code = atom_load_acq(&codes[number]);
    return entry_is_free(code) ? NULL : code;
}

size_t vm_code_bytes(Vm *vm)
{
    lock_acquire(&vm->memory->lock);
    size_t bytes = vm->memory->total;
    lock_release(&vm->memory->lock);
    return bytes + atom_load_rlx(&vm->counted_bytes); /* relaxed: a figure */
}

/* ---- death ---- */

static void version_free(EpochEntry *entry, void *arg)
{
    CodeVersion *v = (CodeVersion *)(void *)((char *)entry - offsetof(CodeVersion, epoch));
    Vm *vm = arg;
    for (Code *c = v->codes; c; c = c->peer) {
        code_free_caches(vm, c);
    }
    version_drop(vm, v);
}

void version_dead(HeapEnv *henv, EpochRecord *epoch, void *version)
{
    CodeVersion *v = version;
    Vm *vm = v->vm;
    (void)henv;
    lock_acquire(&vm->code_lock);
    for (Code *c = v->codes; c; c = c->peer) {
        unlist_code(vm, c);
    }
    lock_release(&vm->code_lock);
    (void)atom_sub_rlx(&vm->counted_bytes, v->bytes); /* relaxed: figures */
    (void)atom_sub_rlx(&vm->counted_versions, (size_t)1);
    if (epoch) {
        epoch_defer(epoch, &v->epoch, version_free, vm);
    } else {
        version_free(&v->epoch, vm);
    }
}

/* ---- asking ---- */

/* After a region_retire that began a round. */
static void ask(Vm *vm)
{
    /* release: who sees the cursor and wakes a process passes the round's number on to it */
    atom_store_rel(&vm->ask_cursor, 0u);
}

#define WAKE_SPAN 512
#define WAKE_MOST 128

bool vm_wake_some(VmLocal *l)
{
    Vm *vm = l->vm;
    Value pids[WAKE_MOST];
    /* acquire: pairs with ask */
    uint32_t before = atom_load_acq(&vm->ask_cursor);
    uint32_t cursor = before;
    if (before == UINT32_MAX) {
        return true;
    }
    uint32_t n = actor_list_pids(vm->actors, &cursor, WAKE_SPAN, pids, WAKE_MOST);
    /* Lost to another scheduler, or to a new round: it does what follows, twice does no harm. */
    if (!atom_cas(&vm->ask_cursor, &before, cursor)) {
        return false;
    }
    epoch_begin(l->actor.epoch);
    for (uint32_t i = 0; i < n; i++) {
        Process *p = process_of_pid(vm->actors, pids[i]);
        if (p) {
            process_unpark(&l->actor, p);
        }
    }
    epoch_end(l->actor.epoch);
    return n > 0 || cursor == UINT32_MAX;
}

/* By a thread whose slices do not come, while perhaps all schedulers sleep. */
static void ask_outside(Vm *vm)
{
    ask(vm);
    lock_acquire(&vm->outside_lock);
    while (!vm_wake_some(vm->outside)) {
    }
    lock_release(&vm->outside_lock);
}

/* ---- counts ---- */

Value code_handle_of(const void *code) { return code_counted_handle(code); }

void vm_region_retire(VmLocal *l, Region *region)
{
    if (region_retire(&l->actor.heap, l->actor.epoch, region)) {
        ask(l->vm);
    }
}

void code_release(VmLocal *l, Code *code)
{
    if (code && code_is_counted(code)) {
        vm_region_retire(l, code->method->region);
    }
}

void code_release_outside(Vm *vm, Code *code)
{
    if (code && code_is_counted(code)) {
        vm_region_retire_outside(vm, code->method->region);
    }
}

void vm_region_retire_outside(Vm *vm, Region *region)
{
    bool begun;
    EpochRecord *record = epoch_register(vm->epochs);
    if (record) {
        begun = region_retire(NULL, record, region);
        epoch_unregister(record);
        (void)epoch_settle_returned(vm->epochs); /* nobody may come after us */
    } else { /* no memory: a record that there is, which polls only when the VM ends */
        lock_acquire(&vm->outside_lock);
        begun = region_retire(NULL, vm->outside->actor.epoch, region);
        lock_release(&vm->outside_lock);
    }
    if (begun) {
        ask_outside(vm);
    }
}

static void retire_now(EpochEntry *entry, void *arg)
{
    CodeVersion *v = (CodeVersion *)(void *)((char *)entry - offsetof(CodeVersion, epoch));
    Vm *vm = arg;
    if (region_retire(NULL, v->record, v->region)) {
        ask(vm);
    }
}

void code_retire(VmLocal *l, Code *code)
{
#ifdef MAGGIE_MUTANT_CODE_NEVER
    return;
#endif
    if (!code_is_counted(code)) {
        return;
    }
    CodeVersion *v = code->method->version;
    v->record = l->actor.epoch;
    epoch_defer(v->record, &v->epoch, retire_now, l->vm);
}

Status code_hold(HeapCtx *cx, Heap *heap, const Code *code)
{
    if (!code_is_counted(code)) {
        return STATUS_OK;
    }
    STATUS_FORWARD(heap_reserve_hold(heap, cx));
    bool alive = heap_hold(heap, cx, code->method->handle);
    assert(alive); /* found inside this section: the dictionary's count outlives that */
    return alive ? STATUS_OK : STATUS_INTERNAL;
}
