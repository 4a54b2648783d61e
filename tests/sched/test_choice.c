/* SPDX-License-Identifier: Apache-2.0 */
/* test_choice.c - which task runs next: order, priorities without starvation, run-next,
 * overflow. */
#include "schedkit.h"

#include "sched_int.h"

typedef struct Runner {
    Task task; /* first */
    struct World *world;
    uint64_t runs;
    uint64_t last_switch; /* value of world->switches at the last run */
    uint64_t longest_gap; /* most switches between two runs */
    struct Runner *partner;
    int32_t cost;
    uint32_t left; /* runs until it is done; 0: endless */
} Runner;

typedef struct World {
    Kit kit;
    uint64_t switches;
    uint32_t order[64]; /* trace ids of the first switches */
} World;

static void note_run(Runner *r, Sched *sched)
{
    World *world = r->world;
    if (world->switches < 64)
        world->order[world->switches] = r->task.trace_id;
    world->switches++;
    if (world->switches - r->last_switch > r->longest_gap)
        r->longest_gap = world->switches - r->last_switch;
    r->last_switch = world->switches;
    r->runs++;
    sched->reds -= r->cost;
}

static TaskVerdict run_and_yield(Task *task, Sched *sched)
{
    Runner *r = (Runner *)(void *)task;
    note_run(r, sched);
    return r->left > 0 && --r->left == 0 ? TASK_DONE : TASK_YIELD;
}

/* Makes its partner ready in the run-next slot and waits to be made ready by it. */
static TaskVerdict run_and_hand_over(Task *task, Sched *sched)
{
    Runner *r = (Runner *)(void *)task;
    note_run(r, sched);
    sched_ready_next(sched, &r->partner->task);
    return TASK_PARKED;
}

static void runner_init(Runner *r, World *world, TaskRun run, TaskPrio prio, uint32_t id)
{
    memset(r, 0, sizeof *r);
    task_init(&r->task, run, prio, id);
    r->world = world;
    r->cost = SCHED_REDUCTIONS;
}

static void world_open(World *world)
{
    memset(world, 0, sizeof *world);
    kit_prepare(&world->kit, 1, true, 5);
    world->kit.config.sim_fixed_slices = true;
    kit_open(&world->kit);
}

static void world_steps(World *world, uint64_t steps)
{
    Status status;
    (void)sched_sim_run(world->kit.group, steps, &status);
    assert_ok(status);
}

static void equals_take_turns_in_order(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    Runner runners[5];
    for (uint32_t i = 0; i < 5; i++) {
        runner_init(&runners[i], &world, run_and_yield, TASK_PRIO_NORMAL, i);
        runners[i].left = 4;
        sched_ready(NULL, world.kit.group, &runners[i].task);
    }
    kit_run(&world.kit);
    assert_int_equal(world.kit.end, SCHED_SIM_QUIESCENT);
    assert_int_equal(world.switches, 20);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(world.order[i], i % 5);
    kit_close(&world.kit);
}

static void no_level_starves(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    Runner runners[TASK_PRIO_COUNT];
    for (uint32_t prio = 0; prio < TASK_PRIO_COUNT; prio++) {
        runner_init(&runners[prio], &world, run_and_yield, (TaskPrio)prio, prio);
        sched_ready(NULL, world.kit.group, &runners[prio].task);
    }
    world_steps(&world, 100000);
    for (uint32_t prio = 0; prio < TASK_PRIO_COUNT; prio++) {
        assert_true(runners[prio].runs > 1000 / 64);
        assert_true(runners[prio].longest_gap <= 64 + TASK_PRIO_COUNT);
    }
    assert_true(runners[TASK_PRIO_MAX].runs > runners[TASK_PRIO_HIGH].runs * 10);
    kit_close(&world.kit);
}

static void low_gets_one_turn_in_eight_of_normal(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    Runner normal;
    Runner low;
    runner_init(&normal, &world, run_and_yield, TASK_PRIO_NORMAL, 1);
    runner_init(&low, &world, run_and_yield, TASK_PRIO_LOW, 2);
    sched_ready(NULL, world.kit.group, &normal.task);
    sched_ready(NULL, world.kit.group, &low.task);
    world_steps(&world, 20000);
    assert_in_range(normal.runs * 100 / low.runs, 650, 850);
    kit_close(&world.kit);
}

static void a_pair_in_the_slot_does_not_starve_a_third(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    Runner ping;
    Runner pong;
    Runner third;
    runner_init(&ping, &world, run_and_hand_over, TASK_PRIO_NORMAL, 1);
    runner_init(&pong, &world, run_and_hand_over, TASK_PRIO_NORMAL, 2);
    runner_init(&third, &world, run_and_yield, TASK_PRIO_NORMAL, 3);
    ping.partner = &pong;
    pong.partner = &ping;
    ping.cost = pong.cost = 0; /* so that only the cap on hand-overs can stop them */
    sched_ready(NULL, world.kit.group, &ping.task);
    sched_ready(NULL, world.kit.group, &third.task);
    world_steps(&world, 10000);
    assert_true(third.runs > 100);
    assert_true(third.longest_gap <= HANDOVER_MAX + 2);
    assert_true(ping.runs > 1000);
    kit_close(&world.kit);
}

static void a_handed_over_slice_is_the_rest_of_the_first(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    Runner ping;
    Runner pong;
    Runner third;
    runner_init(&ping, &world, run_and_hand_over, TASK_PRIO_NORMAL, 1);
    runner_init(&pong, &world, run_and_hand_over, TASK_PRIO_NORMAL, 2);
    runner_init(&third, &world, run_and_yield, TASK_PRIO_NORMAL, 3);
    ping.partner = &pong;
    pong.partner = &ping;
    ping.cost = pong.cost = SCHED_REDUCTIONS / 4;
    sched_ready(NULL, world.kit.group, &ping.task);
    sched_ready(NULL, world.kit.group, &third.task);
    world_steps(&world, 10000);
    assert_in_range(third.longest_gap, 4, 6);
    kit_close(&world.kit);
}

typedef struct Waker {
    Runner runner; /* first */
    Runner *high;
    Runner *next;
} Waker;

static TaskVerdict wake_high_and_next(Task *task, Sched *sched)
{
    Waker *w = (Waker *)(void *)task;
    note_run(&w->runner, sched);
    sched_ready_next(sched, &w->next->task);
    assert_false(sched_should_yield(sched, TASK_PRIO_NORMAL));
    sched_ready(sched, sched->group, &w->high->task);
    assert_true(sched_should_yield(sched, TASK_PRIO_NORMAL));
    assert_false(sched_should_yield(sched, TASK_PRIO_HIGH));
    return TASK_DONE;
}

static void higher_work_goes_before_the_slot(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    Waker waker;
    Runner high;
    Runner next;
    runner_init(&waker.runner, &world, wake_high_and_next, TASK_PRIO_NORMAL, 1);
    waker.runner.cost = 1;
    runner_init(&high, &world, run_and_yield, TASK_PRIO_HIGH, 2);
    runner_init(&next, &world, run_and_yield, TASK_PRIO_NORMAL, 3);
    high.left = next.left = 1;
    waker.high = &high;
    waker.next = &next;
    sched_ready(NULL, world.kit.group, &waker.runner.task);
    kit_run(&world.kit);
    assert_int_equal(world.switches, 3);
    assert_int_equal(world.order[0], 1);
    assert_int_equal(world.order[1], 2);
    assert_int_equal(world.order[2], 3);
    kit_close(&world.kit);
}

static void two_tasks_in_the_slot_push_the_older_out(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    Runner runners[3];
    Sched *sched = sched_at(world.kit.group, 0);
    for (uint32_t i = 0; i < 3; i++) {
        runner_init(&runners[i], &world, run_and_yield, TASK_PRIO_NORMAL, i);
        runners[i].left = 1;
        runners[i].cost = 1;
        sched_ready_next(sched, &runners[i].task);
    }
    assert_int_equal(sched_queue_length(world.kit.group, 0), 3);
    sched->reds = 100;
    kit_run(&world.kit);
    assert_int_equal(world.order[0], 2);
    assert_int_equal(world.order[1], 0);
    assert_int_equal(world.order[2], 1);
    kit_close(&world.kit);
}

static void a_flood_overflows_and_every_task_runs_once(void **state)
{
    (void)state;
    World world;
    world_open(&world);
    enum { COUNT = 5000 };
    Runner *runners = calloc(COUNT, sizeof *runners);
    Sched *sched = sched_at(world.kit.group, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        runner_init(&runners[i], &world, run_and_yield, (TaskPrio)(i % TASK_PRIO_COUNT), i);
        runners[i].left = 1;
        runners[i].cost = 1;
        sched_ready(sched, world.kit.group, &runners[i].task);
    }
    assert_true(sched_queue_length(world.kit.group, 1) > COUNT / 2); /* the global lists */
    kit_run(&world.kit);
    assert_int_equal(world.kit.end, SCHED_SIM_QUIESCENT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(runners[i].runs, 1);
    assert_true(kit_total(&world.kit).overflows > 0);
    free(runners);
    kit_close(&world.kit);
}

static void a_thief_takes_half_of_a_long_queue_only(void **state)
{
    (void)state;
    Kit kit;
    kit_prepare(&kit, 2, true, 1);
    kit_open(&kit);
    World world = {.switches = 0};
    SchedImpl *victim = impl_of(sched_at(kit.group, 0));
    SchedImpl *thief = impl_of(sched_at(kit.group, 1));
    Runner runners[20];
    for (uint32_t i = 0; i < 20; i++)
        runner_init(&runners[i], &world, run_and_yield, TASK_PRIO_NORMAL, i);
    uint64_t now_ns = 1000000000;
    for (uint32_t i = 0; i < STEAL_MIN - 1; i++)
        runq_push(victim, &runners[i].task, LEVEL_NORMAL);
    assert_null(runq_steal(thief, now_ns));
    assert_null(runq_steal(thief, now_ns + STEAL_AGE_NS - 1));
    runq_push(victim, &runners[STEAL_MIN - 1].task, LEVEL_NORMAL);
    assert_ptr_equal(runq_steal(thief, now_ns), &runners[0].task);
    assert_int_equal(runq_length(victim), STEAL_MIN / 2);
    assert_int_equal(runq_length(thief), STEAL_MIN / 2 - 1);
    for (uint32_t i = 1; i < STEAL_MIN / 2; i++)
        assert_ptr_equal(runq_pop(thief, LEVEL_NORMAL), &runners[i].task);
    /* A head that stays is taken once it is old enough, however short the queue. */
    assert_null(runq_steal(thief, now_ns + 1));
    assert_ptr_equal(runq_steal(thief, now_ns + 1 + STEAL_AGE_NS), &runners[4].task);
    while (runq_pop(thief, LEVEL_NORMAL))
        ;
    while (runq_pop(victim, LEVEL_NORMAL))
        ;
    /* The slot of one that does not switch. */
    sched_ready_next(&victim->pub, &runners[19].task);
    assert_null(runq_steal(thief, now_ns + 50000));
    assert_ptr_equal(runq_steal(thief, now_ns + 50000 + STUCK_NEXT_NS), &runners[19].task);
    assert_int_equal(runq_length(victim), 0);
    kit_close(&kit);
}

TESTKIT_MAIN(cmocka_unit_test(equals_take_turns_in_order), cmocka_unit_test(no_level_starves),
             cmocka_unit_test(low_gets_one_turn_in_eight_of_normal),
             cmocka_unit_test(a_pair_in_the_slot_does_not_starve_a_third),
             cmocka_unit_test(a_handed_over_slice_is_the_rest_of_the_first),
             cmocka_unit_test(higher_work_goes_before_the_slot),
             cmocka_unit_test(two_tasks_in_the_slot_push_the_older_out),
             cmocka_unit_test(a_flood_overflows_and_every_task_runs_once),
             cmocka_unit_test(a_thief_takes_half_of_a_long_queue_only))
