/* SPDX-License-Identifier: Apache-2.0 */
/* dirty.h - threads for what may block or take long: files, name lookup, big compiles (D7), and,
 * of their own, for long work that never blocks: collections and copies of big heaps (M17).
 * Threads are made on demand up to a maximum and end after some idle seconds. In the simulator jobs
 * run inline at seeded points.
 * Threads: dirty_submit by any. */
#ifndef MAGGIE_DIRTY_H
#define MAGGIE_DIRTY_H

#include <stdbool.h>

#include "status.h"
#include "task.h"

typedef struct DirtyJob DirtyJob;

struct DirtyJob {
    void (*run)(DirtyJob *job); /* on a dirty thread, outside every epoch section */
    /* After run, on the same thread; normally sched_ready(NULL, group, task). `ran` is false when
     * the group stopped first: then run was never called. Exactly once per accepted job; the job's
     * memory is not touched after it. */
    void (*done)(DirtyJob *job, bool ran);
    void *arg;      /* the user's */
    DirtyJob *next; /* the pool's */
};

/* Takes the job until done was called. STATUS_CLOSED when the group is stopping, STATUS_SYSTEM when
 * there is no dirty thread and none can be made: then done is not called. Never blocks. */
MUST_CHECK Status dirty_submit(SchedGroup *group, DirtyJob *job);
/* The same for work that only computes. It has threads of its own, at most as many as there are
 * schedulers, so it never waits behind jobs that block. */
MUST_CHECK Status dirty_submit_work(SchedGroup *group, DirtyJob *job);

#endif
