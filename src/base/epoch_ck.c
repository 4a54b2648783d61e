/* SPDX-License-Identifier: Apache-2.0 */
/* epoch_ck.c - epoch sections over ck_epoch, with the fences that release 0.7.1 lacks.
 * Threads: see epoch.h. */
#include "epoch_int.h"

#if !defined(MAGGIE_EPOCH_C11)

#include <ck_epoch.h>
#include <stddef.h>

struct EpochCore {
    ck_epoch_t ck;
};

struct EpochCoreRecord {
    ck_epoch_record_t ck;
};

_Static_assert(sizeof(ck_epoch_entry_t) <= sizeof(((EpochEntry *)0)->link),
               "ck's entry lives in EpochEntry.link");
_Static_assert(offsetof(EpochEntry, link) == 0, "the ck entry is the start of the EpochEntry");

size_t epoch_core_size(void) { return sizeof(EpochCore); }

size_t epoch_core_record_size(void) { return sizeof(EpochCoreRecord); }

void epoch_core_init(EpochCore *core) { ck_epoch_init(&core->ck); }

void epoch_core_record_init(EpochCore *core, EpochCoreRecord *record)
{
    ck_epoch_register(&core->ck, &record->ck, NULL);
}

void epoch_core_begin(EpochCoreRecord *record)
{
    ck_epoch_begin(&record->ck, NULL);
    /* Loads of the section must not pass the load of the epoch: 0.7.1 relies on TSO here. Nothing
     * but a compiler barrier on x86. Pairs with the full fence in epoch_core_defer. */
    ck_pr_fence_load();
}

void epoch_core_end(EpochCoreRecord *record) { ck_epoch_end(&record->ck, NULL); }

bool epoch_core_active(const EpochCoreRecord *record)
{
    /* Written by the owner, who asks. */
    return record->ck.active != 0;
}

static void run_ck_entry(ck_epoch_entry_t *ck_entry)
{
    epoch_entry_run((EpochEntry *)(void *)ck_entry);
}

void epoch_core_defer(EpochCoreRecord *record, EpochEntry *entry)
{
    /* The unlinking store must be visible before the epoch is read, else the entry could be filed
     * under an older epoch than a reader that still found the object, and run too early. */
    ck_pr_fence_memory();
    ck_epoch_call(&record->ck, (ck_epoch_entry_t *)(void *)entry->link, run_ck_entry);
}

bool epoch_core_poll(EpochCoreRecord *record)
{
    if (record->ck.n_pending == 0)
        return false;
    unsigned before = record->ck.n_dispatch;
    /* Its answer says whether the epoch advanced; we say whether anything ran. */
    (void)ck_epoch_poll(&record->ck);
    return record->ck.n_dispatch != before;
}

uint32_t epoch_core_pending(const EpochCoreRecord *record) { return record->ck.n_pending; }

void epoch_core_reclaim(EpochCoreRecord *record) { ck_epoch_reclaim(&record->ck); }

#else
typedef int EpochCkUnused;
#endif
