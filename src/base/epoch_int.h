/* SPDX-License-Identifier: Apache-2.0 */
/* epoch_int.h - what the two implementations of epoch.h must supply to epoch.c.
 * epoch_ck.c stands on ck_epoch; epoch_c11.c (ThreadSanitizer builds, or -DMAGGIE_EPOCH_C11) uses
 * C11 atomics only. The build compiles both files; one of them is empty.
 * Threads: as in epoch.h. */
#ifndef MAGGIE_EPOCH_INT_H
#define MAGGIE_EPOCH_INT_H

#include "epoch.h"
#include "lock.h"

#if MAGGIE_TSAN && !defined(MAGGIE_EPOCH_C11)
#define MAGGIE_EPOCH_C11 1
#endif

typedef struct EpochCore EpochCore; /* domain part of the implementation */
typedef struct EpochCoreRecord EpochCoreRecord;

/* Sizes, since the structs are the implementation's own. */
size_t epoch_core_size(void);
size_t epoch_core_record_size(void);

void epoch_core_init(EpochCore *core);
void epoch_core_record_init(EpochCore *core, EpochCoreRecord *record);
void epoch_core_begin(EpochCoreRecord *record);
void epoch_core_end(EpochCoreRecord *record);
bool epoch_core_active(const EpochCoreRecord *record);
void epoch_core_defer(EpochCoreRecord *record, EpochEntry *entry);

/* Tries to advance the epoch and runs what is due through epoch_entry_run. True if anything ran. */
bool epoch_core_poll(EpochCoreRecord *record);
uint32_t epoch_core_pending(const EpochCoreRecord *record);

/* Runs everything at once; nobody is inside a section any more. */
void epoch_core_reclaim(EpochCoreRecord *record);

static inline void epoch_entry_run(EpochEntry *entry) { entry->fn(entry, entry->arg); }

#endif
