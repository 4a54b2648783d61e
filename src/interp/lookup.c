/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c - method lookup and the caches in front of it.
 *
 * Inline cache entries follow M3: the class word is claimed by CAS, the target written, the class
 * released; an entry is never changed again, so class and target always agree although all
 * schedulers share the table. Invalidation replaces the whole table of a code (classes.c).
 * The scheduler's cache is private to its thread and valid for one code_version.
 * Threads: any reader inside an epoch section. */
#ifdef MAGGIE_MUTANT_LOOKUP_NO_CLAIM
#include <sched.h>
#endif

#include "interp_int.h"

Code *dict_find(const MethodDict *dict, uint32_t selector)
{
    if (!dict) {
        return NULL;
    }
    uint32_t mask = dict->capacity - 1;
    for (uint32_t i = dict_slot(selector, mask);; i = (i + 1) & mask) {
        /* acquire: pairs with the release in dict_insert, publishes the code word */
        uint32_t found = atom_load_acq(&dict->entries[i].selector);
        if (found == selector) {
            /* acquire: a replaced code is published by this very word */
            return atom_load_acq(&dict->entries[i].code);
        }
        if (found == 0) {
            return NULL;
        }
    }
}

Code *vm_lookup(const Vm *vm, uint32_t cls, uint32_t selector)
{
    while (cls != CLASS_NONE) {
        const Class *c = vm_class(vm, cls);
        /* acquire: pairs with the release in methods_install, publishes the dictionary */
        Code *code = dict_find(atom_load_acq(&c->methods), selector);
        if (code) {
            return code;
        }
        /* relaxed: re-parenting is followed by a bump of code_version */
        cls = atom_load_rlx(&c->super);
    }
    return NULL;
}

Code *vm_lookup_cached(VmLocal *l, uint32_t cls, uint32_t selector)
{
    CacheEntry *e = &l->cache[(cls * 31 + selector * 7) & (GLOBAL_CACHE_SIZE - 1)];
    if (e->cls == cls && e->selector == selector) {
        return e->code;
    }
    Code *code = vm_lookup(l->vm, cls, selector);
    if (code) {
        e->cls = cls;
        e->selector = selector;
        e->code = code;
    }
    return code;
}

void vm_local_check_version(VmLocal *l)
{
    /* acquire: pairs with the release in methods_install: what is looked up from now on is new */
    uint32_t version = atom_load_acq(&l->vm->code_version);
    if (version != l->code_version) {
        l->code_version = version;
#ifndef MAGGIE_MUTANT_LOOKUP_STALE_CACHE
        for (unsigned i = 0; i < GLOBAL_CACHE_SIZE; i++) {
            l->cache[i].selector = 0;
        }
#endif
    }
}

static bool fill_entry(uint32_t *cls_word, Code **target_word, uint32_t cls, Code *target)
{
#ifdef MAGGIE_MUTANT_LOOKUP_NO_CLAIM
    if (atom_load_rlx(cls_word) == IC_FREE) { /* relaxed, all here: wrong on purpose */
        atom_store_rlx(target_word, target);
        /* Give others the processor, with a single one too, and let now this, now that writer be
         * the one that comes back late. */
        for (uintptr_t i = ((uintptr_t)cls_word / sizeof(InlineCache) ^ cls) & 1; i < 2; i++) {
            sched_yield();
        }
        atom_store_rel(cls_word, cls);
        return true;
    }
#endif
    uint32_t expected = IC_FREE;
    /* the claim: only one writer ever gets past it for this entry. Its order publishes nothing and
     * pairs with nothing: the target is read behind the acquire of the class only. */
    if (!atom_cas(cls_word, &expected, IC_CLAIMED)) {
        return expected == cls;
    }
    atom_store_rlx(target_word, target); /* relaxed: published by the release below */
    /* release: publishes the target; pairs with the acquire of the class in sends */
    atom_store_rel(cls_word, cls);
    return true;
}

void ic_fill(InlineCache *ic, uint32_t cls, Code *target)
{
    if (!fill_entry(&ic->cls0, &ic->target0, cls, target)) {
        (void)fill_entry(&ic->cls1, &ic->target1, cls, target);
    }
}
