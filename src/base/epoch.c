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
    uint32_t left;     /* how many of those have something deferred; changed under the lock */
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

/* A record joins (1) or leaves (-1) the returned ones. */
static void count_left(EpochDomain *domain, const EpochRecord *record, int change)
{
    /* seq_cst: pairs with the fence in epoch_settle. Either that sees the record, or what follows
     * here sees that the section before it has ended. */
    if (epoch_core_pending(record->core) > 0)
        (void)atom_add_seq(&domain->left, (uint32_t)change);
}

static void put_back(EpochDomain *domain, EpochRecord *record)
{
    lock_acquire(&domain->lock);
    record->next_free = domain->idle;
    domain->idle = record;
    count_left(domain, record, 1);
    lock_release(&domain->lock);
}

EpochRecord *epoch_register(EpochDomain *domain)
{
    lock_acquire(&domain->lock);
    EpochRecord *record = domain->idle;
    if (record) {
        domain->idle = record->next_free;
        count_left(domain, record, -1);
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
    put_back(domain, record);
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

/* Polls that ran nothing in a row after which somebody must be in a section: without one each poll
 * advances the epoch, and entries run when it has advanced twice. */
#define SETTLE_FRUITLESS 4

static bool settle(EpochRecord *record)
{
    for (int fruitless = 0; fruitless < SETTLE_FRUITLESS;) {
        if (epoch_core_pending(record->core) == 0)
            return true;
        fruitless = epoch_core_poll(record->core) ? 0 : fruitless + 1;
    }
    return false;
}

/* Takes a returned record that has something deferred, after `count` others; NULL: no more. */
static EpochRecord *take_left(EpochDomain *domain, uint32_t count)
{
    lock_acquire(&domain->lock);
    EpochRecord **link = &domain->idle;
    for (; *link; link = &(*link)->next_free) {
        if (epoch_core_pending((*link)->core) > 0 && count-- == 0)
            break;
    }
    EpochRecord *record = *link;
    if (record) {
        *link = record->next_free;
        count_left(domain, record, -1);
    }
    lock_release(&domain->lock);
    return record;
}

bool epoch_settle_returned(EpochDomain *domain)
{
    EpochRecord *record;
    uint32_t stuck = 0; /* those put back stand in front */
    while ((record = take_left(domain, stuck)) != NULL) {
        stuck += !settle(record);
        put_back(domain, record);
    }
    return stuck == 0;
}

bool epoch_settle(EpochRecord *record)
{
    assert(!epoch_core_active(record->core));
    EpochDomain *domain = record->domain;
    bool settled = settle(record);
    atom_fence_full(&domain->left); /* pairs with count_left */
    /* relaxed: the fence orders it after the caller's last section */
    if (atom_load_rlx(&domain->left) > 0)
        settled = epoch_settle_returned(domain) && settled;
    return settled;
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
