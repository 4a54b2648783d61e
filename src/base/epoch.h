/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.h - freeing shared objects once nobody can still be looking at them.
 * A reader is inside a section (a scheduler: for a whole slice). An object is first unlinked, so
 * that no new reader can find it, and then deferred; its function runs when every section that was
 * open at that time has ended. Over ck_epoch, with the fences that 0.7.1 lacks on weak machines;
 * ThreadSanitizer builds use a C11 implementation of the same interface.
 * Threads: a record belongs to one thread at a time; domain functions by any.
 * Rule: a thread that stays inside a section stops all reclamation; leave it before long calls. */
#ifndef MAGGIE_EPOCH_H
#define MAGGIE_EPOCH_H

#include "env.h"

typedef struct EpochDomain EpochDomain; /* one per VM */
typedef struct EpochRecord EpochRecord; /* one per thread that reads or defers */
typedef struct EpochEntry EpochEntry;   /* embedded in what is to be freed */

typedef void (*EpochFn)(EpochEntry *entry, void *arg);

struct EpochEntry {
    void *link[2]; /* the implementation's */
    EpochFn fn;
    void *arg;
};

/* Returns new, or NULL. */
EpochDomain *epoch_domain_create(const Env *env);

/* Runs whatever is still deferred, of all records, and what that defers. No section may be open and
 * no record in use by another thread. */
void epoch_domain_drain(EpochDomain *domain);

/* The same, and frees. */
void epoch_domain_destroy(EpochDomain *domain);

/* Gives the calling thread a record; NULL when memory is out. */
EpochRecord *epoch_register(EpochDomain *domain);

/* Returns the record, outside a section. What it had deferred runs later, by its next holder. */
void epoch_unregister(EpochRecord *record);

/* Opens and closes a section; sections nest. About 2 ns each. */
void epoch_begin(EpochRecord *record);
void epoch_end(EpochRecord *record);
bool epoch_active(const EpochRecord *record);

/* Calls fn(entry, arg) after a grace period, in epoch_poll of this record or at destroy. The object
 * has been unlinked. Allocates nothing. Inside or outside a section. */
void epoch_defer(EpochRecord *record, EpochEntry *entry, EpochFn fn, void *arg);

/* Tries to advance and runs what has become due. Outside a section. True if anything ran. */
bool epoch_poll(EpochRecord *record);

/* When the caller has nothing else to do: runs whatever can be run of what this record deferred and
 * what returned records left. Outside a section. True: nothing is left; otherwise sections of
 * others must end first, and it should be called again. If a record is returned meanwhile, the
 * caller that has found nothing or epoch_settle_returned after that sees it. */
bool epoch_settle(EpochRecord *record);

/* The same for what returned records left, by any thread, for instance after epoch_unregister: what
 * it cannot run then, the next settling by a thread that was in a section will. */
bool epoch_settle_returned(EpochDomain *domain);

/* Number of deferred entries not yet run. Owner of the record. */
uint32_t epoch_pending(const EpochRecord *record);

/* Waits until everything this record has deferred ran. Outside a section; must not be called
 * while the caller holds what another section's owner waits for. */
void epoch_barrier(EpochRecord *record);

#endif
