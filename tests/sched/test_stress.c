/* SPDX-License-Identifier: Apache-2.0 */
/* test_stress.c - one seeded program over everything at once, with a conservation law.
 *
 * Actors send each other messages that are counters: whoever raises a counter from zero has the
 * right to make the actor ready, and whoever lowers it to zero is parked. Each handled message
 * sends others while a common budget lasts: directly, through the run-next slot, by a timer, by a
 * dirty job. Law: when the group falls silent, every message that was sent has been handled - a
 * lost task or wake-up leaves some, a task that runs twice makes a counter pass below zero. Timers
 * moreover are never early, and fired plus cancelled equals started.
 * A failure prints the seed. */
#include "schedkit.h"

#define ACTORS 64
#define ALARMS 32
#define OUTSIDERS 2

typedef struct Actor {
    Task task;        /* first */
    uint64_t pending; /* messages; see the head of the file */
    struct Storm *storm;
    Rng rng; /* of the actor while it runs */
} Actor;

typedef struct Alarm {
    Timer timer;    /* first */
    uint32_t busy;  /* 1 from start to the end of fn, or to a successful cancel */
    uint32_t guard; /* who starts or cancels holds it */
    struct Storm *storm;
} Alarm;

typedef struct Errand {
    DirtyJob job; /* first */
    struct Storm *storm;
    uint32_t target;
} Errand;

typedef struct Storm {
    Kit kit;
    uint64_t seed;
    int64_t budget; /* messages that may still be sent */
    uint64_t sent;
    uint64_t handled;
    uint64_t started;
    uint64_t fired;
    uint64_t cancelled;
    Actor actors[ACTORS];
    Alarm alarms[ALARMS];
} Storm;

/* All counters of a Storm are relaxed: they are compared after the group has been joined. */

static void actor_send(Storm *storm, Sched *self, uint32_t target, bool next)
{
    Actor *actor = &storm->actors[target % ACTORS];
    atom_add_rlx(&storm->sent, (uint64_t)1);
    /* Acquire: from zero the task is ours, with all its last run wrote. */
    if (atom_add(&actor->pending, (uint64_t)1) != 0)
        return;
    if (self && next)
        sched_ready_next(self, &actor->task);
    else
        sched_ready(self, storm->kit.group, &actor->task);
}

static bool take_budget(Storm *storm) { return atom_sub_rlx(&storm->budget, (int64_t)1) > 0; }

/* --- ways to send
 * ------------------------------------------------------------------------------ */

static void alarm_fires(Timer *timer, Sched *sched)
{
    Alarm *alarm = (Alarm *)(void *)timer;
    Storm *storm = alarm->storm;
    if (sched_clock(sched) < timer->deadline_ns)
        fail_msg("a timer was early, seed %llu", (unsigned long long)storm->seed);
    atom_add_rlx(&storm->fired, (uint64_t)1);
    actor_send(storm, sched, (uint32_t)(uintptr_t)timer->arg, timer->deadline_ns % 2);
    atom_store_rel(&alarm->busy, 0u); /* publishes that fn is done with the alarm */
}

static bool alarm_try(Alarm *alarm) { return atom_xchg(&alarm->guard, 1u) == 0; }

static void alarm_leave(Alarm *alarm) { atom_store_rel(&alarm->guard, 0u); }

/* Starts or cancels some alarm; false if another is at it. */
static bool use_alarm(Storm *storm, Sched *sched, Rng *rng)
{
    Alarm *alarm = &storm->alarms[rng_below(rng, ALARMS)];
    if (!alarm_try(alarm))
        return false;
    bool used = false;
    if (atom_load_acq(&alarm->busy) == 0) {
        if (take_budget(storm)) {
            alarm->busy = 1;
            atom_add_rlx(&storm->started, (uint64_t)1);
            timer_init(&alarm->timer, alarm_fires, (void *)(uintptr_t)rng_below(rng, ACTORS));
            timer_start_in(sched, &alarm->timer, rng_below(rng, 2000000));
            used = true;
        }
    } else if (timer_cancel(sched, &alarm->timer)) {
        atom_add_rlx(&storm->cancelled, (uint64_t)1);
        uint32_t target = (uint32_t)(uintptr_t)alarm->timer.arg;
        atom_store_rel(&alarm->busy, 0u);
        actor_send(storm, sched, target, false);
        used = true;
    }
    alarm_leave(alarm);
    return used;
}

static void errand_run(DirtyJob *job) { (void)job; }

static void errand_done(DirtyJob *job, bool ran)
{
    Errand *errand = (Errand *)(void *)job;
    assert_true(ran);
    actor_send(errand->storm, NULL, errand->target, false);
    free(errand);
}

static void send_errand(Storm *storm, Rng *rng)
{
    Errand *errand = calloc(1, sizeof *errand);
    *errand = (Errand){{errand_run, errand_done, NULL, NULL}, storm, rng_below(rng, ACTORS)};
    assert_ok(dirty_submit(storm->kit.group, &errand->job));
}

static void send_somehow(Storm *storm, Sched *sched, Rng *rng)
{
    uint32_t way = rng_below(rng, 100);
    if (way < 20 && use_alarm(storm, sched, rng))
        return;
    if (!take_budget(storm))
        return;
    if (way < 22)
        send_errand(storm, rng);
    else
        actor_send(storm, sched, rng_below(rng, ACTORS), way < 60);
}

/* --- actors
 * ------------------------------------------------------------------------------------ */

static TaskVerdict actor_run(Task *task, Sched *sched)
{
    Actor *actor = (Actor *)(void *)task;
    Storm *storm = actor->storm;
    for (;;) {
        atom_add_rlx(&storm->handled, (uint64_t)1);
        uint32_t sends = rng_below(&actor->rng, 4);
        for (uint32_t i = 0; i < sends; i++)
            send_somehow(storm, sched, &actor->rng);
        sched->reds -= 1 + (int32_t)rng_below(&actor->rng, 500);
        /* Release: to zero gives the task to whoever raises it again. */
        uint64_t before = atom_sub(&actor->pending, (uint64_t)1);
        if (before == 0)
            fail_msg("handled a message twice, seed %llu", (unsigned long long)storm->seed);
        if (before == 1)
            return TASK_PARKED;
        if (sched->reds <= 0)
            return TASK_YIELD;
    }
}

static void storm_open(Storm *storm, uint32_t count, bool simulated, uint64_t seed, int64_t budget)
{
    memset(storm, 0, sizeof *storm);
    kit_prepare(&storm->kit, count, simulated, seed);
    storm->kit.config.hooks.quiescent = kit_stop_when_quiet;
    kit_open(&storm->kit);
    storm->seed = seed;
    storm->budget = budget;
    Rng rng;
    rng_init(&rng, seed);
    for (uint32_t i = 0; i < ACTORS; i++) {
        Actor *actor = &storm->actors[i];
        task_init(&actor->task, actor_run, (TaskPrio)rng_below(&rng, TASK_PRIO_COUNT), i);
        actor->storm = storm;
        rng_init(&actor->rng, rng_next(&rng));
    }
    for (uint32_t i = 0; i < ALARMS; i++)
        storm->alarms[i].storm = storm;
}

static void storm_check(Storm *storm)
{
    if (storm->sent != storm->handled || storm->started != storm->fired + storm->cancelled)
        fail_msg("sent %llu handled %llu, timers started %llu fired %llu cancelled %llu, seed %llu",
                 (unsigned long long)storm->sent, (unsigned long long)storm->handled,
                 (unsigned long long)storm->started, (unsigned long long)storm->fired,
                 (unsigned long long)storm->cancelled, (unsigned long long)storm->seed);
    assert_true(storm->sent > 0);
}

static void storm_begin(Storm *storm)
{
    for (uint32_t i = 0; i < ACTORS; i++)
        actor_send(storm, NULL, i, false);
}

static uint64_t simulated_storm(uint32_t count, uint64_t seed, int64_t budget)
{
    Storm *storm = malloc(sizeof *storm);
    storm_open(storm, count, true, seed, budget);
    storm_begin(storm);
    kit_run(&storm->kit);
    if (storm->kit.end != SCHED_SIM_STOPPED)
        fail_msg("not silent but end %d, seed %llu", (int)storm->kit.end, (unsigned long long)seed);
    storm_check(storm);
    uint64_t hash = sched_sim_hash(storm->kit.group);
    kit_close(&storm->kit);
    free(storm);
    return hash;
}

static void every_message_is_handled_in_the_simulator(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= (uint64_t)TESTKIT_SCALE(400); seed++)
        (void)simulated_storm(1 + (uint32_t)seed % 6, seed, 1500);
}

static void equal_seeds_give_equal_traces(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t hash = simulated_storm(3, seed, 2000);
        assert_true(hash == simulated_storm(3, seed, 2000));
        assert_true(hash != last);
        assert_true(hash != simulated_storm(4, seed, 2000));
        last = hash;
    }
}

/* --- threads
 * ----------------------------------------------------------------------------------- */

typedef struct Outsider {
    Storm *storm;
    uint32_t index;
} Outsider;

static void *send_from_outside(void *arg)
{
    Outsider *outsider = arg;
    Storm *storm = outsider->storm;
    Rng rng;
    rng_init(&rng, storm->seed * 31 + outsider->index);
    for (int i = 0; i < TESTKIT_SCALE(20000); i++) {
        actor_send(storm, NULL, rng_below(&rng, ACTORS), false);
        for (uint32_t k = rng_below(&rng, 200); k > 0; k--)
            atom_stall();
    }
    sched_release(storm->kit.group);
    return NULL;
}

static void every_message_is_handled_by_threads(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 12; round++) {
        Storm *storm = malloc(sizeof *storm);
        storm_open(storm, 1 + round % 4, false, round, TESTKIT_SCALE(400000));
        for (uint32_t i = 0; i < OUTSIDERS; i++)
            sched_hold(storm->kit.group);
        storm_begin(storm);
        pthread_t threads[OUTSIDERS];
        Outsider outsiders[OUTSIDERS];
        for (uint32_t i = 0; i < OUTSIDERS; i++) {
            outsiders[i] = (Outsider){storm, i};
            assert_int_equal(pthread_create(&threads[i], NULL, send_from_outside, &outsiders[i]),
                             0);
        }
        kit_run(&storm->kit);
        for (uint32_t i = 0; i < OUTSIDERS; i++)
            pthread_join(threads[i], NULL);
        storm_check(storm);
        kit_close(&storm->kit);
        free(storm);
    }
}

/* Small storms, many of them: the way into silence and sleep is what they exercise. */
static void many_small_storms_fall_silent(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < (uint64_t)TESTKIT_SCALE(1000); seed++) {
        Storm *storm = malloc(sizeof *storm);
        storm_open(storm, 1 + (uint32_t)seed % 4, false, seed, 100);
        storm_begin(storm);
        kit_run(&storm->kit);
        storm_check(storm);
        kit_close(&storm->kit);
        free(storm);
    }
}

TESTKIT_MAIN(cmocka_unit_test(every_message_is_handled_in_the_simulator),
             cmocka_unit_test(equal_seeds_give_equal_traces),
             cmocka_unit_test(every_message_is_handled_by_threads),
             cmocka_unit_test(many_small_storms_fall_silent))
