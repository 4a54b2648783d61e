/* SPDX-License-Identifier: Apache-2.0 */
/* task.h - what a scheduler runs: a function with a queue link. A process embeds one.
 *
 * The right to make a task ready belongs to exactly one party at a time: to whoever ends its wait
 * (the process layer decides that with the PARKED tag of its mailbox). A task that has published
 * that it waits may be made ready, and run, by another scheduler before its run function has
 * returned here; so nothing touches a Task once its run function answered TASK_PARKED or TASK_DONE,
 * and a run function must not touch it either after publishing.
 * Threads: fields by the party that holds the task: its creator, a queue, or the running
 * scheduler. */
#ifndef MAGGIE_TASK_H
#define MAGGIE_TASK_H

#include <stdint.h>

typedef struct Task Task;
typedef struct Sched Sched;
typedef struct SchedGroup SchedGroup;

typedef enum TaskPrio {
    TASK_PRIO_MAX, /* reserved for the runtime itself */
    TASK_PRIO_HIGH,
    TASK_PRIO_NORMAL,
    TASK_PRIO_LOW,
    TASK_PRIO_COUNT
} TaskPrio;

typedef enum TaskVerdict {
    TASK_YIELD,  /* runnable still: the scheduler queues it behind its level */
    TASK_PARKED, /* waits; somebody will make it ready, or already has */
    TASK_DONE,   /* gone; its memory may already be somebody else's */
} TaskVerdict;

/* Runs until the budget sched->reds is used up, or it waits, or it ends. Counts sched->reds down;
 * what it leaves is inherited by a task in the run-next slot. */
typedef TaskVerdict (*TaskRun)(Task *task, Sched *sched);

struct Task {
    Task *next; /* link of a list queue; the scheduler's while queued */
    TaskRun run;
    uint32_t trace_id; /* shown in traces; equal seeds must give equal ids, so not an address */
    uint8_t prio;      /* TaskPrio; read when the task is made ready */
    uint8_t queued;    /* 1 from ready to switch-in: catches a task made ready twice */
    uint8_t fresh;     /* 1 until it has run for the first time: see runq.c */
    uint8_t crowded;   /* not the scheduler's: for who embeds the task */
};

_Static_assert(sizeof(Task) <= 32, "a Task is embedded in every process");

/* Prepares a task; it is not queued. */
static inline void task_init(Task *task, TaskRun run, TaskPrio prio, uint32_t trace_id)
{
    task->next = 0;
    task->run = run;
    task->trace_id = trace_id;
    task->prio = (uint8_t)prio;
    task->queued = 0;
    task->fresh = 1;
}

#endif
