/* SPDX-License-Identifier: Apache-2.0 */
/* sched_bench.c - cost of the scheduler alone: switches, hand-overs, timers, pools, wake-ups.
 * Usage: sched_bench [SCHEDULERS]. Each row is the median of five runs, in ns per operation; a run
 * that does not do exactly the work it should ends the program with 1.
 * Threads: the main thread drives one group at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomics.h"
#include "epoch.h"
#include "lock.h"
#include "mempool.h"
#include "scheduler.h"
#include "timer.h"

#define RUNS 5

typedef struct Bench {
    Env env;
    SchedGroup *group;
    uint32_t count;
    uint64_t left; /* tasks not yet done; atomic */
    uint64_t start_ns;
    uint64_t stop_ns;
    uint32_t rung; /* futex of the wake-up row */
    PoolGlobal *pool;
} Bench;

typedef struct Player {
    Task task; /* first */
    Bench *bench;
    struct Player *partner;
    uint64_t rounds;
    Timer timer;
} Player;

static uint64_t now_ns(const Bench *bench) { return env_now_ns(&bench->env); }

static TaskVerdict finish(Player *player, Sched *sched)
{
    Bench *bench = player->bench;
    /* Acquire and release: the last one sees that all the others are done. */
    if (atom_sub(&bench->left, (uint64_t)1) == 1) {
        bench->stop_ns = now_ns(bench);
        sched_stop(sched->group);
    }
    return TASK_DONE;
}

static TaskVerdict play_yield(Task *task, Sched *sched)
{
    Player *player = (Player *)(void *)task;
    sched->reds -= 10;
    return --player->rounds == 0 ? finish(player, sched) : TASK_YIELD;
}

/* The shortest way of a message between two processes: each makes the other ready and parks. */
static TaskVerdict play_ping(Task *task, Sched *sched)
{
    Player *player = (Player *)(void *)task;
    sched->reds -= 10;
    if (--player->rounds == 0)
        return finish(player, sched);
    sched_ready_next(sched, &player->partner->task);
    return TASK_PARKED;
}

static TaskVerdict play_ring(Task *task, Sched *sched)
{
    Player *player = (Player *)(void *)task;
    sched->reds -= 10;
    if (--player->rounds == 0)
        return finish(player, sched);
    sched_ready(sched, sched->group, &player->partner->task);
    return TASK_PARKED;
}

static void never(Timer *timer, Sched *sched)
{
    (void)timer;
    (void)sched;
}

static TaskVerdict play_timers(Task *task, Sched *sched)
{
    Player *player = (Player *)(void *)task;
    timer_init(&player->timer, never, NULL);
    player->bench->start_ns = now_ns(player->bench);
    for (uint64_t i = 0; i < player->rounds; i++) {
        timer_start(sched, &player->timer, player->bench->start_ns + 5000000000u + i * 1000);
        if (!timer_cancel(sched, &player->timer))
            exit(1);
    }
    return finish(player, sched);
}

static TaskVerdict play_pool(Task *task, Sched *sched)
{
    Player *player = (Player *)(void *)task;
    PoolLocal local;
    pool_local_init(&local, player->bench->pool);
    player->bench->start_ns = now_ns(player->bench);
    for (uint64_t i = 0; i < player->rounds; i++) {
        void *block = pool_alloc(&local, 2);
        if (!block)
            exit(1);
        __asm__ __volatile__("" : "+r"(block)::"memory");
        pool_free(&local, block, 2);
    }
    TaskVerdict verdict = finish(player, sched);
    pool_local_close(&local);
    return verdict;
}

static TaskVerdict play_bell(Task *task, Sched *sched)
{
    (void)sched;
    Bench *bench = ((Player *)(void *)task)->bench;
    (void)atom_add(&bench->rung, 1u); /* publishes that we are parked */
    futex_wake(&bench->rung, 1);
    return TASK_PARKED;
}

static void must(Status status)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "sched_bench: %s\n", status_text(status));
    exit(1);
}

/* Runs `tasks` players of `rounds` rounds each; `first` of them are ready at the start. */
static double play(Bench *bench, TaskRun run, uint32_t tasks, uint32_t first, uint64_t rounds)
{
    SchedConfig config = {.env = &bench->env, .count = bench->count};
    must(sched_group_create(&config, &bench->group));
    Player *players = calloc(tasks, sizeof *players);
    if (!players)
        exit(1);
    bench->pool = pool_global_create(&bench->env, POOL_SLABS, 0);
    bench->left = run == play_ping || run == play_ring ? 1 : tasks;
    for (uint32_t i = 0; i < tasks; i++) {
        task_init(&players[i].task, run, TASK_PRIO_NORMAL, i);
        players[i].bench = bench;
        players[i].rounds = rounds;
        players[i].partner = &players[(i + 1) % tasks];
    }
    for (uint32_t i = 0; i < first; i++)
        sched_ready(NULL, bench->group, &players[i].task);
    bench->start_ns = now_ns(bench);
    must(sched_start(bench->group));
    sched_join(bench->group);
    double ns = (double)(bench->stop_ns - bench->start_ns) / ((double)tasks * (double)rounds);
    sched_group_destroy(bench->group);
    pool_global_destroy(bench->pool);
    free(players);
    return ns;
}

/* From making a task ready outside until its scheduler, asleep before, has run it. */
static double wake_up(Bench *bench)
{
    enum { ROUNDS = 200 };
    SchedConfig config = {.env = &bench->env, .count = bench->count};
    must(sched_group_create(&config, &bench->group));
    sched_hold(bench->group);
    must(sched_start(bench->group));
    Player player = {.bench = bench};
    task_init(&player.task, play_bell, TASK_PRIO_NORMAL, 1);
    bench->rung = 0;
    uint64_t total = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t never_word = 0;
        futex_wait(&never_word, 0, 300000); /* long enough for all to fall asleep */
        uint64_t start = now_ns(bench);
        sched_ready(NULL, bench->group, &player.task);
        while (atom_load_acq(&bench->rung) == i)
            futex_wait(&bench->rung, i, UINT64_MAX);
        total += now_ns(bench) - start;
    }
    sched_stop(bench->group);
    sched_join(bench->group);
    sched_group_destroy(bench->group);
    return (double)total / ROUNDS;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, RUNS, sizeof *values, by_value);
    return values[RUNS / 2];
}

typedef struct Row {
    const char *name;
    TaskRun run;
    uint32_t tasks;
    uint32_t first;
    uint64_t rounds;
} Row;

int main(int argc, char **argv)
{
    static const Row rows[] = {
        {"switch through the ring, 1 task", play_yield, 1, 1, 5000000},
        {"switch through the ring, 100 tasks", play_yield, 100, 100, 50000},
        {"switch through the ring, 10000 tasks", play_yield, 10000, 10000, 500},
        {"hand-over through run-next, 2 tasks", play_ping, 2, 1, 2500000},
        {"chain of 1000 through the ring", play_ring, 1000, 1, 5000},
        {"timer start and cancel", play_timers, 1, 1, 5000000},
        {"pool alloc and free", play_pool, 1, 1, 20000000},
    };
    Bench bench = {.count = argc > 1 ? (uint32_t)atoi(argv[1]) : 1};
    env_system_init(&bench.env);
    printf("%u scheduler%s, median of %d, ns per operation\n", bench.count,
           bench.count == 1 ? "" : "s", RUNS);
    double values[RUNS];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int run = 0; run < RUNS; run++)
            values[run] = play(&bench, rows[i].run, rows[i].tasks, rows[i].first, rows[i].rounds);
        printf("%-40s %10.1f\n", rows[i].name, median(values));
    }
    for (int run = 0; run < RUNS; run++)
        values[run] = wake_up(&bench);
    printf("%-40s %10.1f\n", "ready from outside, scheduler asleep", median(values));
    return 0;
}
