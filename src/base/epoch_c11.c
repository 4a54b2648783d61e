/* SPDX-License-Identifier: Apache-2.0 */
/* epoch_c11.c - epoch sections in C11 atomics, for builds in which every order must be visible to
 * ThreadSanitizer. Classic three-epoch scheme, simple before fast.
 *
 * Why it is right. Advancing from n to n + 1 reads the epoch, then every pin by a
 * read-modify-write, then moves the epoch by compare-and-swap, and is refused while a section is
 * pinned at another epoch than n. An entry of epoch e runs when the epoch is e + 2 or later, so
 * two whole advances, the first one ending and the second one wholly, lie after the
 * read-modify-write with which defer read e. Take a reader whose section is open then. If the
 * second advance saw its pin, the pin was e + 1: the reader loaded an epoch that was made after
 * defer's read, so the unlinking happened before the section. If it did not see the pin, the
 * reader's exchange came later in the order of that word and so the unlinking, which happened
 * before the advance began, is seen by the section. Either way the reader cannot have found the
 * object.
 * Threads: see epoch.h. */
#include "epoch_int.h"

#if defined(MAGGIE_EPOCH_C11)

#include <string.h>

#define EPOCH_FIRST 2 /* so that no entry looks due because of a small number */

struct EpochCoreRecord {
    uint64_t pin; /* 0 outside, else epoch * 2 + 1. Writer: owner. Reader: advance of any thread */
    uint32_t depth;     /* owner */
    uint32_t pending;   /* owner */
    EpochEntry *oldest; /* owner; in the order of epochs. link[0]: next, link[1]: epoch */
    EpochEntry *newest;
    EpochCore *core;
    EpochCoreRecord *next; /* set before publication, never changed */
};

struct EpochCore {
    uint64_t epoch;           /* grows by one in advance */
    EpochCoreRecord *records; /* push only */
};

size_t epoch_core_size(void) { return sizeof(EpochCore); }

size_t epoch_core_record_size(void) { return sizeof(EpochCoreRecord); }

void epoch_core_init(EpochCore *core)
{
    core->epoch = EPOCH_FIRST;
    core->records = NULL;
}

void epoch_core_record_init(EpochCore *core, EpochCoreRecord *record)
{
    memset(record, 0, sizeof *record);
    record->core = core;
    /* Registration is under the domain's lock, so there is one pusher. */
    record->next = atom_load_rlx(&core->records);
    /* Publishes the record to advance(). */
    atom_store_rel(&core->records, record);
}

void epoch_core_begin(EpochCoreRecord *record)
{
    if (record->depth++ > 0)
        return;
    /* Acquire: sees what was unlinked before the epoch became this. */
    uint64_t epoch = atom_load_acq(&record->core->epoch);
    /* Pairs with the read-modify-write in advance(): see the head of the file. */
    (void)atom_xchg_seq(&record->pin, epoch * 2 + 1);
}

void epoch_core_end(EpochCoreRecord *record)
{
    if (--record->depth > 0)
        return;
    /* Release: all reads of the section happen before an advance that finds the pin gone. */
    atom_store_rel(&record->pin, (uint64_t)0);
}

bool epoch_core_active(const EpochCoreRecord *record) { return record->depth > 0; }

void epoch_core_defer(EpochCoreRecord *record, EpochEntry *entry)
{
    /* A read-modify-write of nothing: the newest epoch in its modification order, see above. */
    uint64_t epoch = atom_add_seq(&record->core->epoch, (uint64_t)0);
    entry->link[0] = NULL;
    entry->link[1] = (void *)(uintptr_t)epoch;
    if (record->newest)
        record->newest->link[0] = entry;
    else
        record->oldest = entry;
    record->newest = entry;
    record->pending++;
}

/* Moves the epoch on when every open section began in the current one. */
static uint64_t advance(EpochCore *core)
{
    uint64_t epoch = atom_add_seq(&core->epoch, (uint64_t)0);
    /* Acquire pairs with epoch_core_record_init. */
    EpochCoreRecord *record = atom_load_acq(&core->records);
    for (; record; record = record->next) {
        uint64_t pin = atom_add_seq(&record->pin, (uint64_t)0);
        if (pin != 0 && pin != epoch * 2 + 1)
            return epoch;
    }
    uint64_t expected = epoch;
    /* Failure means that somebody else advanced: as good. */
    if (atom_cas(&core->epoch, &expected, epoch + 1))
        return epoch + 1;
    return expected;
}

/* Runs the entries of epochs up to `last`, oldest first. A function may defer more. */
static bool run_until(EpochCoreRecord *record, uint64_t last)
{
    bool ran = false;
    while (record->oldest && (uintptr_t)record->oldest->link[1] <= last) {
        EpochEntry *entry = record->oldest;
        record->oldest = entry->link[0];
        if (!record->oldest)
            record->newest = NULL;
        record->pending--;
        epoch_entry_run(entry);
        ran = true;
    }
    return ran;
}

bool epoch_core_poll(EpochCoreRecord *record)
{
    if (record->pending == 0)
        return false;
    return run_until(record, advance(record->core) - 2);
}

uint32_t epoch_core_pending(const EpochCoreRecord *record) { return record->pending; }

void epoch_core_reclaim(EpochCoreRecord *record) { (void)run_until(record, UINT64_MAX); }

#else
typedef int EpochC11Unused;
#endif
