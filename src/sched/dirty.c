/* SPDX-License-Identifier: Apache-2.0 */
/* dirty.c - threads for jobs that may block or take long: made on demand, gone after some idle
 * seconds. Two pools of one kind: what computes must not wait behind what blocks.
 * Threads: dirty_submit by any; a pool's threads run jobs outside its mutex; dirty_close by the
 * owner of the group. Invariant: every accepted job is counted in group->alive until its done has
 * returned, so a group with jobs under way is never silent. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "sched_int.h"

#define DIRTY_IDLE_S 5
#define DIRTY_STACK_BYTES ((size_t)1 << 20)

static Status pool_init(SchedGroup *group, DirtyPool *pool, uint32_t max)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return STATUS_SYSTEM;
    /* Idle time-outs must not follow jumps of the wall clock. */
    int error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    error = error ? error : pthread_mutex_init(&pool->mutex, NULL);
    error = error ? error : pthread_cond_init(&pool->wake, &attr);
    error = error ? error : pthread_cond_init(&pool->gone, NULL);
    pthread_condattr_destroy(&attr);
    pool->group = group;
    pool->max = max;
    return error ? STATUS_SYSTEM : STATUS_OK;
}

static void pool_destroy(DirtyPool *pool)
{
    pthread_cond_destroy(&pool->gone);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
}

Status dirty_init(SchedGroup *group, uint32_t max)
{
    STATUS_FORWARD(pool_init(group, &group->dirty, max));
    Status status = pool_init(group, &group->work, group->count);
    if (status != STATUS_OK)
        pool_destroy(&group->dirty);
    return status;
}

void dirty_destroy(SchedGroup *group)
{
    pool_destroy(&group->dirty);
    pool_destroy(&group->work);
}

/* --- queue, under the mutex ------------------------------------------------------------------- */

static void queue_append(DirtyPool *pool, DirtyJob *job)
{
    job->next = NULL;
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    pool->queued++;
}

/* Takes the job with this number, counted from the oldest. */
static DirtyJob *queue_take(DirtyPool *pool, uint32_t index)
{
    DirtyJob *before = NULL;
    DirtyJob *job = pool->first;
    for (uint32_t i = 0; i < index; i++) {
        before = job;
        job = job->next;
    }
    if (before)
        before->next = job->next;
    else
        pool->first = job->next;
    if (pool->last == job)
        pool->last = before;
    pool->queued--;
    return job;
}

static void job_end(SchedGroup *group, DirtyJob *job, bool ran)
{
    job->done(job, ran);
    idle_source_gone(group);
}

void dirty_run(SchedGroup *group, DirtyJob *job)
{
    job->run(job);
    job_end(group, job, true);
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Waits for a job; NULL when the thread should end. Under the mutex. */
static DirtyJob *await_job(DirtyPool *pool)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DIRTY_IDLE_S;
    int error = 0;
    pool->idle++;
    while (!pool->first && !pool->closed && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&pool->wake, &pool->mutex, &until);
    pool->idle--;
    return pool->first && !pool->closed ? queue_take(pool, 0) : NULL;
}

static void *dirty_main(void *arg)
{
    DirtyPool *pool = arg;
    pthread_mutex_lock(&pool->mutex);
    DirtyJob *job;
    while ((job = await_job(pool)) != NULL) {
        pthread_mutex_unlock(&pool->mutex);
        dirty_run(pool->group, job);
        pthread_mutex_lock(&pool->mutex);
    }
    pool->threads--;
    /* Under the mutex to the end: once dirty_close has it and sees no thread, the pool may go. */
    pthread_cond_signal(&pool->gone);
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* One more thread, detached; under the mutex. */
static bool thread_add(DirtyPool *pool)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attr, DIRTY_STACK_BYTES); /* else the larger default */
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t thread;
    int error = pthread_create(&thread, &attr, dirty_main, pool);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error != 0)
        return false;
    pool->threads++;
    return true;
}

static Status pool_submit(SchedGroup *group, DirtyPool *pool, DirtyJob *job)
{
    sched_hold(group); /* until job_end */
    Status status = STATUS_OK;
    pthread_mutex_lock(&pool->mutex);
    if (pool->closed || sched_stopping(group))
        status = STATUS_CLOSED;
    else if (!group->sim && pool->idle <= pool->queued && pool->threads < pool->max &&
             !thread_add(pool) && pool->threads == 0)
        status = STATUS_SYSTEM;
    if (status == STATUS_OK) {
        queue_append(pool, job);
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (status != STATUS_OK)
        sched_release(group);
    return status;
}

Status dirty_submit(SchedGroup *group, DirtyJob *job)
{
    return pool_submit(group, &group->dirty, job);
}

Status dirty_submit_work(SchedGroup *group, DirtyJob *job)
{
    return pool_submit(group, &group->work, job);
}

static void pool_close(SchedGroup *group, DirtyPool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->closed = true;
    pthread_cond_broadcast(&pool->wake);
    while (pool->first) {
        DirtyJob *job = queue_take(pool, 0);
        pthread_mutex_unlock(&pool->mutex);
        job_end(group, job, false);
        pthread_mutex_lock(&pool->mutex);
    }
    while (pool->threads > 0)
        pthread_cond_wait(&pool->gone, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void dirty_close(SchedGroup *group)
{
    pool_close(group, &group->dirty);
    pool_close(group, &group->work);
}

static DirtyJob *pool_take(DirtyPool *pool, uint32_t which)
{
    pthread_mutex_lock(&pool->mutex);
    DirtyJob *job = pool->queued > 0 ? queue_take(pool, which % pool->queued) : NULL;
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

DirtyJob *dirty_take(SchedGroup *group, uint32_t which)
{
    DirtyPool *first = which & 1 ? &group->work : &group->dirty;
    DirtyPool *second = which & 1 ? &group->dirty : &group->work;
    DirtyJob *job = pool_take(first, which >> 1);
    return job ? job : pool_take(second, which >> 1);
}
