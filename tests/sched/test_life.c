/* SPDX-License-Identifier: Apache-2.0 */
/* test_life.c - starting, stopping, silence, holds, dirty jobs, stuck schedulers, lack of
 * memory. */
#include "schedkit.h"

#include <time.h>

#include "lock.h"

/* Both drivers play most tests: with threads first, then simulated. */
#define FOR_BOTH_DRIVERS(simulated) for (int simulated = 0; simulated < 2; simulated++)

typedef struct Log {
    uint64_t starts;
    uint64_t stops;
    uint64_t quiets;
    uint64_t begun; /* slices */
    uint64_t ended;
    uint64_t runs;
    uint64_t idles;
    Status start_answer;
    uint32_t failing_id;
    SchedGroup *group;
    Task *revived; /* made ready by the first silence */
} Log;

static Status log_start(void *ctx, Sched *sched)
{
    Log *log = ctx;
    atom_add_rlx(&log->starts, (uint64_t)1); /* relaxed here and below: counters, read after join */
    sched->user = log;
    return sched->id == log->failing_id ? log->start_answer : STATUS_OK;
}

static void log_stop(void *ctx, Sched *sched)
{
    assert_ptr_equal(sched->user, ctx);
    atom_add_rlx(&((Log *)ctx)->stops, (uint64_t)1);
}

static void log_begin(void *ctx, Sched *sched)
{
    (void)sched;
    atom_add_rlx(&((Log *)ctx)->begun, (uint64_t)1);
}

static void log_end(void *ctx, Sched *sched)
{
    (void)sched;
    atom_add_rlx(&((Log *)ctx)->ended, (uint64_t)1);
}

static void log_quiet(void *ctx, Sched *sched)
{
    Log *log = ctx;
    uint64_t before = atom_add_rlx(&log->quiets, (uint64_t)1);
    if (before == 0 && log->revived)
        sched_ready(sched, sched->group, log->revived);
    else
        sched_stop(sched->group);
}

static void kit_with_log(Kit *kit, Log *log, uint32_t count, bool simulated)
{
    memset(log, 0, sizeof *log);
    log->failing_id = UINT32_MAX;
    kit_prepare(kit, count, simulated, 17);
    kit->config.hooks = (SchedHooks){.thread_start = log_start,
                                     .thread_stop = log_stop,
                                     .slice_begin = log_begin,
                                     .slice_end = log_end,
                                     .quiescent = log_quiet};
    kit->config.hook_ctx = log;
}

typedef struct Block {
    Lock gate;
    uint64_t running; /* jobs that have begun */
} Block;

typedef struct Job {
    Task task; /* first */
    Log *log;
    Block *block;
    uint32_t yields;
    Timer timer;
    DirtyJob dirty;
    bool dirty_ran;
    uint32_t stage;
} Job;

static TaskVerdict count_run(Task *task, Sched *sched)
{
    Job *job = (Job *)(void *)task;
    sched->reds -= 100;
    if (job->yields > 0) {
        job->yields--;
        return TASK_YIELD;
    }
    atom_add_rlx(&job->log->runs, (uint64_t)1);
    return TASK_DONE;
}

static void job_init(Job *job, Log *log, TaskRun run)
{
    memset(job, 0, sizeof *job);
    task_init(&job->task, run, TASK_PRIO_NORMAL, 1);
    job->log = log;
}

static void hooks_come_in_pairs_and_silence_is_told_once(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        for (uint32_t count = 1; count <= 4; count++) {
            Kit kit;
            Log log;
            kit_with_log(&kit, &log, count, simulated);
            kit_open(&kit);
            Job jobs[20];
            for (int i = 0; i < 20; i++) {
                job_init(&jobs[i], &log, count_run);
                jobs[i].yields = 50;
                sched_ready(NULL, kit.group, &jobs[i].task);
            }
            kit_run(&kit);
            kit_close(&kit);
            assert_int_equal(log.runs, 20);
            assert_int_equal(log.quiets, 1);
            assert_int_equal(log.starts, count);
            assert_int_equal(log.stops, count);
            assert_int_equal(log.begun, log.ended);
            assert_true(log.begun > 0);
        }
    }
}

static void an_empty_group_is_silent_at_once(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        Kit kit;
        Log log;
        kit_with_log(&kit, &log, 3, simulated);
        kit_open(&kit);
        kit_run(&kit);
        assert_int_equal(log.quiets, 1);
        kit_close(&kit);
    }
}

static void the_silence_hook_may_make_work(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        for (uint32_t count = 1; count <= 3; count++) {
            Kit kit;
            Log log;
            kit_with_log(&kit, &log, count, simulated);
            kit_open(&kit);
            Job job;
            job_init(&job, &log, count_run);
            log.revived = &job.task;
            kit_run(&kit);
            assert_int_equal(log.runs, 1);
            assert_int_equal(log.quiets, 2);
            kit_close(&kit);
        }
    }
}

/* Has more to do at first, then wants to be called again and again, makes the task ready at the end
 * of that, and has nothing to do any more. */
static uint64_t chores(void *ctx, Sched *sched)
{
    Log *log = ctx;
    uint64_t before = atom_add_rlx(&log->idles, (uint64_t)1);
    assert_int_equal(log->begun, log->ended);
    if (before == 12)
        sched_ready(sched, sched->group, log->revived);
    return before < 6 ? 0 : before < 12 ? 1000 : UINT64_MAX;
}

static TaskVerdict stop_run(Task *task, Sched *sched)
{
    Job *job = (Job *)(void *)task;
    atom_add_rlx(&job->log->runs, (uint64_t)1);
    sched_stop(sched->group);
    return TASK_DONE;
}

static void an_idle_scheduler_is_called_again_for_its_chores(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        Kit kit;
        Log log;
        kit_with_log(&kit, &log, 1, simulated);
        kit.config.hooks.idle = chores;
        kit.config.hooks.quiescent = NULL;
        kit_open(&kit);
        Job job;
        job_init(&job, &log, stop_run);
        log.revived = &job.task;
        kit_run(&kit);
        assert_int_equal(log.runs, 1);
        assert_true(log.idles > 12);
        kit_close(&kit);
    }
}

static void *release_later(void *arg)
{
    Log *log = arg;
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    assert_int_equal(atom_load_rlx(&log->quiets), 0);
    sched_release(log->group);
    return NULL;
}

static void a_hold_keeps_silence_from_being_told(void **state)
{
    (void)state;
    Kit kit;
    Log log;
    kit_with_log(&kit, &log, 2, false);
    kit_open(&kit);
    log.group = kit.group;
    sched_hold(kit.group);
    pthread_t releaser;
    assert_int_equal(pthread_create(&releaser, NULL, release_later, &log), 0);
    kit_run(&kit);
    pthread_join(releaser, NULL);
    assert_int_equal(log.quiets, 1);
    kit_close(&kit);

    kit_with_log(&kit, &log, 2, true);
    kit_open(&kit);
    sched_hold(kit.group);
    kit_run(&kit);
    assert_int_equal(kit.end, SCHED_SIM_WAITING);
    assert_int_equal(log.quiets, 0);
    sched_release(kit.group);
    kit_run(&kit);
    assert_int_equal(kit.end, SCHED_SIM_STOPPED);
    assert_int_equal(log.quiets, 1);
    kit_close(&kit);
}

static void a_failing_start_hook_fails_the_start(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        for (uint32_t failing = 0; failing < 3; failing++) {
            Kit kit;
            Log log;
            kit_with_log(&kit, &log, 3, simulated);
            log.failing_id = failing;
            log.start_answer = STATUS_DENIED;
            kit_open(&kit);
            Status status;
            if (simulated)
                assert_int_equal(sched_sim_run(kit.group, 100, &status), SCHED_SIM_STOPPED);
            else
                status = sched_start(kit.group);
            assert_status(status, STATUS_DENIED);
            kit_close(&kit);
            assert_int_equal(log.stops, log.starts - 1);
        }
    }
}

static TaskVerdict stop_from_task(Task *task, Sched *sched)
{
    (void)task;
    sched_stop(sched->group);
    sched_stop(sched->group);
    return TASK_DONE;
}

static TaskVerdict run_for_ever(Task *task, Sched *sched)
{
    (void)task;
    sched->reds = 0;
    return TASK_YIELD;
}

static void a_task_may_stop_a_busy_group(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        Kit kit;
        Log log;
        kit_with_log(&kit, &log, 2, simulated);
        kit_open(&kit);
        Job busy[4];
        for (int i = 0; i < 4; i++) {
            job_init(&busy[i], &log, run_for_ever);
            sched_ready(NULL, kit.group, &busy[i].task);
        }
        Job stopper;
        job_init(&stopper, &log, stop_from_task);
        sched_ready(NULL, kit.group, &stopper.task);
        kit_run(&kit);
        assert_true(sched_stopping(kit.group));
        kit_close(&kit);
    }
}

static void the_outside_may_stop_a_sleeping_group(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        Kit kit;
        kit_prepare(&kit, 3, false, 0);
        kit_open(&kit);
        sched_hold(kit.group);
        assert_ok(sched_start(kit.group));
        if (round % 2)
            nanosleep(&(struct timespec){0, 200000}, NULL);
        sched_stop(kit.group);
        sched_join(kit.group);
        sched_join(kit.group);
        kit_close(&kit);
    }
}

/* --- timers and dirty jobs through the loop
 * ---------------------------------------------------- */

static void wake_task(Timer *timer, Sched *sched) { sched_ready(sched, sched->group, timer->arg); }

static TaskVerdict sleep_ten_times(Task *task, Sched *sched)
{
    Job *job = (Job *)(void *)task;
    sched->reds -= 10;
    if (job->stage > 0 && sched_clock(sched) < job->timer.deadline_ns)
        fail_msg("woken early");
    if (job->stage++ == 10) {
        atom_add_rlx(&job->log->runs, (uint64_t)1);
        return TASK_DONE;
    }
    timer_init(&job->timer, wake_task, task);
    timer_start_in(sched, &job->timer, 500000 + task->trace_id * 10000);
    return TASK_PARKED;
}

static void sleeping_tasks_wake_up(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        Kit kit;
        Log log;
        kit_with_log(&kit, &log, 3, simulated);
        kit_open(&kit);
        enum { COUNT = 50 };
        Job jobs[COUNT];
        for (uint32_t i = 0; i < COUNT; i++) {
            job_init(&jobs[i], &log, sleep_ten_times);
            jobs[i].task.trace_id = i;
            sched_ready(NULL, kit.group, &jobs[i].task);
        }
        kit_run(&kit);
        assert_int_equal(log.runs, COUNT);
        assert_int_equal(kit_total(&kit).timers, COUNT * 10);
        kit_close(&kit);
    }
}

static void dirty_run_job(DirtyJob *dirty) { ((Job *)dirty->arg)->dirty_ran = true; }

static void dirty_done_job(DirtyJob *dirty, bool ran)
{
    Job *job = dirty->arg;
    if (ran)
        sched_ready(NULL, job->log->group, &job->task);
    else
        atom_add_rlx(&job->log->runs, (uint64_t)1000);
}

static TaskVerdict go_dirty_ten_times(Task *task, Sched *sched)
{
    Job *job = (Job *)(void *)task;
    sched->reds -= 10;
    if (job->stage > 0 && !job->dirty_ran)
        fail_msg("woken before the job ran");
    if (job->stage++ == 10) {
        atom_add_rlx(&job->log->runs, (uint64_t)1);
        return TASK_DONE;
    }
    job->dirty_ran = false;
    job->dirty = (DirtyJob){dirty_run_job, dirty_done_job, job, NULL};
    assert_ok(dirty_submit(sched->group, &job->dirty));
    return TASK_PARKED;
}

static void dirty_jobs_bring_their_tasks_back(void **state)
{
    (void)state;
    FOR_BOTH_DRIVERS(simulated)
    {
        Kit kit;
        Log log;
        kit_with_log(&kit, &log, 2, simulated);
        kit.config.dirty_max = 3;
        kit_open(&kit);
        log.group = kit.group;
        enum { COUNT = 40 };
        Job jobs[COUNT];
        for (uint32_t i = 0; i < COUNT; i++) {
            job_init(&jobs[i], &log, go_dirty_ten_times);
            sched_ready(NULL, kit.group, &jobs[i].task);
        }
        kit_run(&kit);
        assert_int_equal(log.runs, COUNT);
        assert_int_equal(log.quiets, 1);
        kit_close(&kit);
    }
}

static void dirty_run_in_no_slice(DirtyJob *dirty)
{
    Job *job = dirty->arg;
    job->dirty_ran = true;
    assert_int_equal(job->log->begun, job->log->ended);
}

static TaskVerdict go_dirty_among_slices(Task *task, Sched *sched)
{
    Job *job = (Job *)(void *)task;
    TaskVerdict verdict = go_dirty_ten_times(task, sched);
    job->dirty.run = dirty_run_in_no_slice; /* the simulator has not taken it yet */
    return verdict;
}

/* A job may wait for the epoch, that is until all have left the slices they are in: so the
 * simulator, which runs it on their thread, makes them leave before. */
static void in_the_simulator_no_job_runs_amid_a_slice(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        Kit kit;
        Log log;
        kit_with_log(&kit, &log, 3, true);
        kit.config.sim_seed = seed;
        kit_open(&kit);
        log.group = kit.group;
        enum { COUNT = 12 };
        Job jobs[COUNT];
        for (uint32_t i = 0; i < COUNT; i++) {
            job_init(&jobs[i], &log, i % 2 ? go_dirty_among_slices : count_run);
            jobs[i].yields = 100;
            sched_ready(NULL, kit.group, &jobs[i].task);
        }
        kit_run(&kit);
        assert_int_equal(log.runs, COUNT);
        kit_close(&kit);
    }
}

/* One task that only ever comes back through the injection stack: each time the group is about to
 * fall asleep, and the seed decides between which two steps of that the task comes. */
static void no_injected_task_is_slept_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        Kit kit;
        Log log;
        kit_with_log(&kit, &log, 1 + (uint32_t)seed % 4, true);
        kit.config.sim_seed = seed;
        kit_open(&kit);
        log.group = kit.group;
        Job job;
        job_init(&job, &log, go_dirty_ten_times);
        sched_ready(NULL, kit.group, &job.task);
        kit_run(&kit);
        if (log.runs != 1 || log.quiets != 1)
            fail_msg("slept over a task, seed %u", (unsigned)seed);
        kit_close(&kit);
    }
}

static void dirty_wait_at_gate(DirtyJob *dirty)
{
    Block *block = ((Job *)dirty->arg)->block;
    atom_add_rlx(&block->running, (uint64_t)1);
    lock_acquire(&block->gate);
    lock_release(&block->gate);
}

static void dirty_count_cancelled(DirtyJob *dirty, bool ran)
{
    Job *job = dirty->arg;
    job->stage = ran ? 1 : 2;
}

static void jobs_that_never_ran_are_told_so(void **state)
{
    (void)state;
    Kit kit;
    kit_prepare(&kit, 1, false, 0);
    kit.config.dirty_max = 2;
    kit_open(&kit);
    assert_ok(sched_start(kit.group));
    Block block = {LOCK_INIT, 0};
    lock_acquire(&block.gate);
    enum { COUNT = 10 };
    Job jobs[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        job_init(&jobs[i], NULL, NULL);
        jobs[i].block = &block;
        jobs[i].dirty = (DirtyJob){dirty_wait_at_gate, dirty_count_cancelled, &jobs[i], NULL};
        assert_ok(dirty_submit(kit.group, &jobs[i].dirty));
    }
    while (atom_load_rlx(&block.running) < 2) /* relaxed: only the number matters */
        nanosleep(&(struct timespec){0, 100000}, NULL);
    sched_stop(kit.group);
    DirtyJob late = {dirty_wait_at_gate, dirty_count_cancelled, &jobs[0], NULL};
    assert_status(dirty_submit(kit.group, &late), STATUS_CLOSED);
    lock_release(&block.gate);
    sched_join(kit.group);
    uint32_t ran = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_in_range(jobs[i].stage, 1, 2);
        ran += jobs[i].stage == 1;
    }
    assert_true(ran >= 2);
    kit_close(&kit);
}

/* --- sleeping and waking
 * ----------------------------------------------------------------------- */

typedef struct Bell {
    Task task;     /* first */
    uint32_t rung; /* futex; written by the task */
} Bell;

static TaskVerdict ring_bell(Task *task, Sched *sched)
{
    Bell *bell = (Bell *)(void *)task;
    (void)sched;
    /* The next ready comes from the thread that sees this: publishes that we are parked. */
    (void)atom_add(&bell->rung, 1u);
    futex_wake(&bell->rung, 1);
    return TASK_PARKED;
}

static void every_ready_from_outside_wakes_somebody(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 3; count++) {
        Kit kit;
        kit_prepare(&kit, count, false, 0);
        kit_open(&kit);
        sched_hold(kit.group);
        assert_ok(sched_start(kit.group));
        Bell bell = {.rung = 0};
        task_init(&bell.task, ring_bell, TASK_PRIO_NORMAL, 1);
        Rng rng;
        rng_init(&rng, count);
        for (uint32_t i = 0; i < (uint32_t)TESTKIT_SCALE(5000); i++) {
            sched_ready(NULL, kit.group, &bell.task);
            while (atom_load_acq(&bell.rung) == i)
                futex_wait(&bell.rung, i, UINT64_MAX);
            /* Around the time a scheduler spins before it falls asleep. */
            for (uint32_t k = rng_below(&rng, 3000); k > 0; k--)
                atom_stall();
        }
        sched_stop(kit.group);
        sched_join(kit.group);
        kit_close(&kit);
    }
}

static void an_idle_group_does_not_poll(void **state)
{
    (void)state;
    Kit kit;
    kit_prepare(&kit, 4, false, 0);
    kit_open(&kit);
    sched_hold(kit.group);
    assert_ok(sched_start(kit.group));
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    uint64_t before = kit_total(&kit).sleeps;
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    /* A slow machine can only make it fewer. */
    assert_in_range(kit_total(&kit).sleeps - before, 0, 10);
    sched_stop(kit.group);
    sched_join(kit.group);
    kit_close(&kit);
}

/* A task that never returns until others have done what waits on its scheduler. */
typedef struct Stuck {
    Task task; /* first */
    Timer timer;
    Bell next;
    Bell queued;
    Bell timed;
    Log *log;
} Stuck;

static TaskVerdict block_until_others_ran(Task *task, Sched *sched)
{
    Stuck *stuck = (Stuck *)(void *)task;
    timer_init(&stuck->timer, wake_task, &stuck->timed.task);
    timer_start_in(sched, &stuck->timer, 1000000);
    sched_ready(sched, sched->group, &stuck->queued.task);
    sched_ready_next(sched, &stuck->next.task);
    while (atom_load_acq(&stuck->next.rung) == 0 || atom_load_acq(&stuck->queued.rung) == 0 ||
           atom_load_acq(&stuck->timed.rung) == 0)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    sched_stop(sched->group);
    return TASK_DONE;
}

static void others_do_the_work_of_a_stuck_scheduler(void **state)
{
    (void)state;
    Kit kit;
    kit_prepare(&kit, 2, false, 0);
    kit_open(&kit);
    Stuck stuck = {.log = NULL};
    task_init(&stuck.task, block_until_others_ran, TASK_PRIO_NORMAL, 1);
    task_init(&stuck.next.task, ring_bell, TASK_PRIO_NORMAL, 2);
    task_init(&stuck.queued.task, ring_bell, TASK_PRIO_NORMAL, 3);
    task_init(&stuck.timed.task, ring_bell, TASK_PRIO_NORMAL, 4);
    sched_ready(NULL, kit.group, &stuck.task);
    kit_run(&kit);
    SchedStats total = kit_total(&kit);
    assert_true(total.stand_ins >= 1);
    assert_true(total.stolen >= 2);
    kit_close(&kit);
}

/* --- lack of memory
 * ---------------------------------------------------------------------------- */

static void a_failed_creation_leaves_nothing_behind(void **state)
{
    (void)state;
    bool created = false;
    for (uint64_t fail = 1; !created; fail++) {
        Kit kit;
        kit_prepare(&kit, 3, true, 1);
        kit.sim.alloc_fail_after = fail;
        Status status = sched_group_create(&kit.config, &kit.group);
        created = status == STATUS_OK;
        if (!created) {
            assert_status(status, STATUS_NO_MEMORY);
            assert_null(kit.group);
            assert_int_equal(kit.sim.bytes_live, 0);
        } else {
            kit_close(&kit);
        }
        assert_true(fail < 100);
    }
    Kit kit;
    kit_prepare(&kit, 0, false, 0);
    assert_status(sched_group_create(&kit.config, &kit.group), STATUS_BAD_ARGUMENT);
    kit_prepare(&kit, SCHED_COUNT_MAX + 1, false, 0);
    assert_status(sched_group_create(&kit.config, &kit.group), STATUS_BAD_ARGUMENT);
}

TESTKIT_MAIN(cmocka_unit_test(hooks_come_in_pairs_and_silence_is_told_once),
             cmocka_unit_test(an_empty_group_is_silent_at_once),
             cmocka_unit_test(the_silence_hook_may_make_work),
             cmocka_unit_test(an_idle_scheduler_is_called_again_for_its_chores),
             cmocka_unit_test(a_hold_keeps_silence_from_being_told),
             cmocka_unit_test(a_failing_start_hook_fails_the_start),
             cmocka_unit_test(a_task_may_stop_a_busy_group),
             cmocka_unit_test(the_outside_may_stop_a_sleeping_group),
             cmocka_unit_test(sleeping_tasks_wake_up),
             cmocka_unit_test(dirty_jobs_bring_their_tasks_back),
             cmocka_unit_test(in_the_simulator_no_job_runs_amid_a_slice),
             cmocka_unit_test(no_injected_task_is_slept_over),
             cmocka_unit_test(jobs_that_never_ran_are_told_so),
             cmocka_unit_test(every_ready_from_outside_wakes_somebody),
             cmocka_unit_test(an_idle_group_does_not_poll),
             cmocka_unit_test(others_do_the_work_of_a_stuck_scheduler),
             cmocka_unit_test(a_failed_creation_leaves_nothing_behind))
