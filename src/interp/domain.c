/* SPDX-License-Identifier: Apache-2.0 */
/* domain.c - what a process may do (D20): rights, and globals that are hidden from it.
 *
 * A process gets its domain when it is forked: that of its parent, or a narrower one. Nothing
 * widens one. Equal domains are one object, so that programs which restrict every process they
 * start need no more of them than there are different restrictions; their number is limited all
 * the same.
 * Threads: any; making one takes domain_lock, reading one needs no lock: it never changes. */
#include <stdlib.h>

#include "vm_int.h"

bool domain_hides(const Domain *domain, uint32_t symbol)
{
    uint32_t low = 0, high = domain->nhidden;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (domain->hidden[middle] < symbol) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < domain->nhidden && domain->hidden[low] == symbol;
}

static int compare_symbols(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Sorts and drops doubles; answers how many are left. */
static uint32_t sort_symbols(uint32_t *symbols, uint32_t n)
{
    uint32_t kept = 0;
    qsort(symbols, n, sizeof *symbols, compare_symbols);
    for (uint32_t i = 0; i < n; i++) {
        if (kept == 0 || symbols[kept - 1] != symbols[i]) {
            symbols[kept++] = symbols[i];
        }
    }
    return kept;
}

static Domain **bucket_of(Vm *vm, uint32_t rights, const uint32_t *hidden, uint32_t n)
{
    uint32_t h = rights;
    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ hidden[i]) * 16777619u;
    }
    return &vm->domain_buckets[(h ^ h >> 16) % DOMAIN_BUCKETS];
}

/* Under domain_lock. */
static Status intern(Vm *vm, uint32_t rights, const uint32_t *hidden, uint32_t n, Domain **out)
{
    Domain **bucket = bucket_of(vm, rights, hidden, n);
    for (Domain *d = *bucket; d; d = d->chain) {
        if (d->rights == rights && d->nhidden == n &&
            memcmp(d->hidden, hidden, n * sizeof *hidden) == 0) {
            *out = d;
            return STATUS_OK;
        }
    }
    if (vm->ndomains == DOMAINS_MAX) {
        return STATUS_LIMIT;
    }
    Domain *d = env_alloc(vm->env, sizeof *d);
    uint32_t *names = env_alloc(vm->env, (n ? n : 1) * sizeof *names);
    if (!d || !names) {
        env_free(vm->env, d, sizeof *d);
        env_free(vm->env, names, (n ? n : 1) * sizeof *names);
        return STATUS_NO_MEMORY;
    }
    memcpy(names, hidden, n * sizeof *names);
    *d = (Domain){
        .rights = rights, .nhidden = n, .hidden = names, .next = vm->domains, .chain = *bucket};
    vm->domains = *bucket = d;
    vm->ndomains++;
    *out = d;
    return STATUS_OK;
}

Status domain_narrow(Vm *vm, Domain *from, const uint32_t *symbols, size_t n, uint32_t rights,
                     Domain **out)
{
    uint32_t hidden[DOMAIN_NAMES_MAX], count = from->nhidden;
    if (count > DOMAIN_NAMES_MAX) {
        return STATUS_LIMIT;
    }
    if (count > 0) {
        memcpy(hidden, from->hidden, count * sizeof *hidden);
    }
    for (size_t i = 0; i < n; i++) {
        if (domain_hides(from, symbols[i])) {
            continue;
        }
        if (count == DOMAIN_NAMES_MAX) {
            return STATUS_LIMIT;
        }
        hidden[count++] = symbols[i];
    }
    if (count == from->nhidden && (from->rights & ~rights) == 0) {
        *out = from;
        return STATUS_OK;
    }
    count = sort_symbols(hidden, count);
    lock_acquire(&vm->domain_lock);
    Status status = intern(vm, from->rights & rights, hidden, count, out);
    lock_release(&vm->domain_lock);
    return status;
}

void vm_free_domains(Vm *vm)
{
    for (Domain *d = vm->domains; d;) {
        Domain *next = d->next;
        /* the root domain has no array; an empty one of another takes a word */
        if (d->hidden) {
            env_free(vm->env, d->hidden, (d->nhidden ? d->nhidden : 1) * sizeof *d->hidden);
        }
        env_free(vm->env, d, sizeof *d);
        d = next;
    }
}
