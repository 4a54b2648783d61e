/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.c - domain and records of epoch.h: who holds which record.
 * A returned record keeps what it had deferred; the next holder, or destroy, runs it. So no thread
 * has to wait for a grace period when it ends, and records are freed only with the domain.
 * Threads: see epoch.h. */
#include <assert.h>
#include <sched.h>

#include "epoch_int.h"

struct EpochRecord {
    EpochDomain *domain;
    EpochCoreRecord *core;
    EpochRecord *next_all;  /* under domain->lock; never removed */
    EpochRecord *next_free; /* under domain->lock */
};

struct EpochDomain {
    const Env *env;
    EpochCore *core;
    Lock lock; /* level 4 */
    EpochRecord *all;
    EpochRecord *idle; /* returned records */
};

static size_t round_up_line(size_t n) { return (n + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1); }

EpochDomain *epoch_domain_create(const Env *env)
{
    EpochDomain *domain = env_calloc(env, sizeof *domain);
    if (!domain)
        return NULL;
    domain->env = env;
    domain->core = env->alloc_aligned(env->ctx, round_up_line(epoch_core_size()), CACHE_LINE);
    if (!domain->core) {
        env_free(env, domain, sizeof *domain);
        return NULL;
    }
    epoch_core_init(domain->core);
    return domain;
}

static void record_free(const Env *env, EpochRecord *record)
{
    env_free(env, record->core, round_up_line(epoch_core_record_size()));
    env_free(env, record, sizeof *record);
}

/* A function that runs now may defer again, on any record; so go round until nothing is left. */
void epoch_domain_drain(EpochDomain *domain)
{
    bool again = true;
    while (again) {
        again = false;
        for (EpochRecord *record = domain->all; record; record = record->next_all) {
            if (epoch_core_pending(record->core) == 0)
                continue;
            epoch_core_reclaim(record->core);
            again = true;
        }
    }
}

void epoch_domain_destroy(EpochDomain *domain)
{
    epoch_domain_drain(domain);
    const Env *env = domain->env;
    while (domain->all) {
        EpochRecord *record = domain->all;
        domain->all = record->next_all;
        assert(!epoch_core_active(record->core));
        record_free(env, record);
    }
    env_free(env, domain->core, round_up_line(epoch_core_size()));
    env_free(env, domain, sizeof *domain);
}

static EpochRecord *record_create(EpochDomain *domain)
{
    const Env *env = domain->env;
    EpochRecord *record = env_calloc(env, sizeof *record);
    if (!record)
        return NULL;
    size_t size = round_up_line(epoch_core_record_size());
    record->core = env->alloc_aligned(env->ctx, size, CACHE_LINE);
    if (!record->core) {
        env_free(env, record, sizeof *record);
        return NULL;
    }
    record->domain = domain;
    return record;
}

EpochRecord *epoch_register(EpochDomain *domain)
{
    lock_acquire(&domain->lock);
    EpochRecord *record = domain->idle;
    if (record) {
        domain->idle = record->next_free;
    } else {
        record = record_create(domain);
        if (record) {
            epoch_core_record_init(domain->core, record->core);
            record->next_all = domain->all;
            domain->all = record;
        }
    }
    lock_release(&domain->lock);
    return record;
}

void epoch_unregister(EpochRecord *record)
{
    assert(!epoch_core_active(record->core));
    EpochDomain *domain = record->domain;
    epoch_core_poll(record->core);
    lock_acquire(&domain->lock);
    record->next_free = domain->idle;
    domain->idle = record;
    lock_release(&domain->lock);
}

void epoch_begin(EpochRecord *record) { epoch_core_begin(record->core); }

void epoch_end(EpochRecord *record)
{
    assert(epoch_core_active(record->core));
    epoch_core_end(record->core);
}

bool epoch_active(const EpochRecord *record) { return epoch_core_active(record->core); }

void epoch_defer(EpochRecord *record, EpochEntry *entry, EpochFn fn, void *arg)
{
    entry->fn = fn;
    entry->arg = arg;
#ifdef MAGGIE_MUTANT_EPOCH_EARLY_FREE
    epoch_entry_run(entry);
#else
    epoch_core_defer(record->core, entry);
#endif
}

bool epoch_poll(EpochRecord *record)
{
    assert(!epoch_core_active(record->core));
    return epoch_core_poll(record->core);
}

uint32_t epoch_pending(const EpochRecord *record) { return epoch_core_pending(record->core); }

void epoch_barrier(EpochRecord *record)
{
    assert(!epoch_core_active(record->core));
    while (epoch_core_pending(record->core) > 0) {
        /* Bounded by the longest section of another thread. */
        if (!epoch_core_poll(record->core))
            sched_yield();
    }
}
