/* SPDX-License-Identifier: Apache-2.0 */
/* globals.c - node-wide variables (D3): cells holding frozen values.
 * A cell is read without a lock inside an epoch section; its region may lose its last count in that
 * very moment, so the reader takes a hold and reads again when that fails.
 * Threads: cell_read by the owner of the process; cell_set by any, serialised by code_lock. */
#include "code_life.h"
#include "vm_int.h"

Cell *cell_find(Vm *vm, uint32_t symbol, bool create)
{
    SymbolUse *use = symbol_use(vm, symbol);
    /* acquire: pairs with the release below, publishes the cell */
    Cell *cell = use ? atom_load_acq(&use->cell) : NULL;
    if (cell || !create) {
        return cell;
    }
    lock_acquire(&vm->code_lock);
    use = symbol_use_make(vm, symbol);
    cell = use ? use->cell : NULL;
    if (use && !cell && (cell = vm_alloc(vm, sizeof *cell))) {
        *cell = (Cell){.value = VALUE_NIL, .name = symbol, .owner = CLASS_NONE};
        /* release: publishes the cell's fields to cell_find */
        atom_store_rel(&use->cell, cell);
    }
    lock_release(&vm->code_lock);
    return cell;
}

Value cell_read(VmLocal *l, Process *p, Cell *cell)
{
    for (;;) {
        /* acquire: pairs with the release in cell_set, publishes the frozen graph */
        Value v = atom_load_acq(&cell->value);
        if (!value_is_ptr(v)) {
            return v;
        }
        if (heap_reserve_hold(&p->heap, &l->actor.heap) != STATUS_OK) {
            return VALUE_NONE;
        }
        if (heap_hold(&p->heap, &l->actor.heap, v)) {
            return v;
        }
        atom_stall(); /* the region died between the two steps: a writer has just replaced it */
    }
}

/* Publishes a frozen copy of v; given `expected` only while the cell holds that: else
 * STATUS_BUSY. */
static Status publish(VmLocal *l, Heap *heap, Cell *cell, const Value *expected, Value v,
                      Value *culprit)
{
    Vm *vm = l->vm;
    Region *region = NULL;
    l->actor.copied_words = 0;
    /* relaxed: saves a copy when it is too late already; the look under the lock decides */
    if (expected && atom_load_rlx(&cell->value) != *expected) {
        return STATUS_BUSY;
    }
    if (value_is_ptr(v)) {
        bool copied = !obj_is_frozen(obj_of(v));
        STATUS_FORWARD(frozen_copy(heap, &l->actor.heap, v, &v, &region, culprit));
        l->actor.copied_words = copied ? region_bytes(region) / sizeof(Value) : 0;
    }
    lock_acquire(&vm->code_lock);
    bool wanted = !expected || cell->value == *expected;
    Region *unused = wanted ? cell->region : region;
    if (wanted) {
        cell->region = region;
        cell->defined = true;
        /* release: publishes the frozen graph to the acquires in cell_read and GETGLOBAL */
        atom_store_rel(&cell->value, v);
    }
    lock_release(&vm->code_lock);
    if (unused && wanted) {
        vm_region_retire(l, unused);
    } else if (unused) {
        region_release(&l->actor.heap, l->actor.epoch, unused);
    }
    return wanted ? STATUS_OK : STATUS_BUSY;
}

Status cell_set(VmLocal *l, Heap *heap, Cell *cell, Value v, Value *culprit)
{
    return publish(l, heap, cell, NULL, v, culprit);
}

/* An object that the caller holds is not freed, so no other can have come to its address: equal
 * words are the same value. */
Status cell_replace(VmLocal *l, Heap *heap, Cell *cell, Value expected, Value v, Value *culprit)
{
    return publish(l, heap, cell, &expected, v, culprit);
}

void cell_each(Vm *vm, void (*fn)(void *ctx, Cell *cell), void *ctx)
{
    lock_acquire(&vm->code_lock);
    for (uint32_t i = 0; i < SYMBOL_CHUNKS; i++) {
        SymbolUse *chunk = vm->cells->chunks[i];
        for (uint32_t k = 0; chunk && k < SYMBOL_CHUNK; k++) {
            if (chunk[k].cell && chunk[k].cell->defined) {
                fn(ctx, chunk[k].cell);
            }
        }
    }
    lock_release(&vm->code_lock);
}

/* Releases what cells hold; nothing runs any more. */
void vm_free_cells(Vm *vm, HeapCtx *cx)
{
    for (uint32_t i = 0; i < SYMBOL_CHUNKS; i++) {
        SymbolUse *chunk = vm->cells->chunks[i];
        for (uint32_t k = 0; chunk && k < SYMBOL_CHUNK; k++) {
            if (chunk[k].cell && chunk[k].cell->region) {
                region_release(cx, NULL, chunk[k].cell->region);
                chunk[k].cell->region = NULL;
            }
        }
    }
    for (uint32_t i = 0; i < vm->nclasses; i += 2) {
        Class *c = vm_class(vm, i);
        for (uint32_t k = 0; k < c->nclass_vars; k++) {
            if (c->class_vars[k]->region) {
                region_release(cx, NULL, c->class_vars[k]->region);
                c->class_vars[k]->region = NULL;
            }
        }
    }
}
