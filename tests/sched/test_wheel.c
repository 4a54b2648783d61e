/* SPDX-License-Identifier: Apache-2.0 */
/* test_wheel.c - timers are never early, never lost, never late by more than a tick and a poll. */
#include "schedkit.h"

#include "sched_int.h"

#define TICK_NS ((uint64_t)1 << WHEEL_TICK_SHIFT)

typedef struct Alarm {
    Timer timer; /* first */
    uint32_t fired;
    uint32_t order; /* as the how-manieth it fired */
} Alarm;

/* What the callback needs; reached through Timer.arg. */
typedef struct Bench {
    Kit kit;
    Sched *sched;
    Wheel *wheel;
    uint64_t fired;
} Bench;

static void alarm_fires(Timer *timer, Sched *sched)
{
    Alarm *alarm = (Alarm *)(void *)timer;
    Bench *bench = timer->arg;
    if (sched_clock(sched) < timer->deadline_ns)
        fail_msg("a timer was early");
    alarm->fired++;
    alarm->order = (uint32_t)++bench->fired;
}

static void bench_open(Bench *bench)
{
    memset(bench, 0, sizeof *bench);
    kit_prepare(&bench->kit, 1, true, 1);
    kit_open(&bench->kit);
    bench->sched = sched_at(bench->kit.group, 0);
    bench->wheel = &impl_of(bench->sched)->wheel;
}

/* Lets time pass and polls until the wheel is content. */
static void bench_at(Bench *bench, uint64_t now_ns)
{
    env_sim_advance_to(&bench->kit.sim, now_ns);
    bench->sched->now_ns = now_ns;
    uint32_t polls = 0;
    while (wheel_next_ns(bench->wheel) <= now_ns) {
        (void)wheel_poll(bench->wheel, bench->sched, now_ns);
        assert_true(++polls < 1000000);
    }
}

static void a_timer_fires_within_a_tick_and_never_early(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench);
    static const uint64_t delays[] = {
        0,        1,        1000,       65535,      65536,        65537,         1000000,
        16777216, 16777217, 4294967296, 5000000000, 300000000000, 1099511627776, 99999999999999};
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        Alarm alarm = {0};
        timer_init(&alarm.timer, alarm_fires, &bench);
        uint64_t now_ns = env_now_ns(&bench.kit.sim.env);
        timer_start_in(bench.sched, &alarm.timer, delays[i]);
        assert_true(timer_pending(&alarm.timer));
        assert_int_equal(sched_timer_count(bench.kit.group, 0), 1);
        if (delays[i] > 0) {
            bench_at(&bench, now_ns + delays[i] - 1);
            assert_int_equal(alarm.fired, 0);
        }
        bench_at(&bench, now_ns + delays[i] + TICK_NS);
        assert_int_equal(alarm.fired, 1);
        assert_false(timer_pending(&alarm.timer));
        assert_false(timer_cancel(bench.sched, &alarm.timer));
        assert_int_equal(wheel_next_ns(bench.wheel), UINT64_MAX);
    }
    kit_close(&bench.kit);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench);
    Alarm alarms[100] = {0};
    uint64_t now_ns = env_now_ns(&bench.kit.sim.env);
    for (uint32_t i = 0; i < 100; i++) {
        timer_init(&alarms[i].timer, alarm_fires, &bench);
        assert_false(timer_cancel(bench.sched, &alarms[i].timer));
        timer_start(bench.sched, &alarms[i].timer, now_ns + i * 1000000);
    }
    for (uint32_t i = 0; i < 100; i += 2) {
        assert_true(timer_cancel(i % 4 ? NULL : bench.sched, &alarms[i].timer));
        assert_false(timer_cancel(bench.sched, &alarms[i].timer));
    }
    bench_at(&bench, now_ns + 1000000000);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(alarms[i].fired, i % 2);
    assert_int_equal(sched_timer_count(bench.kit.group, 0), 0);
    kit_close(&bench.kit);
}

static void equal_deadlines_fire_in_the_order_of_starting(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench);
    Alarm alarms[50] = {0};
    uint64_t now_ns = env_now_ns(&bench.kit.sim.env);
    for (uint32_t i = 0; i < 50; i++) {
        timer_init(&alarms[i].timer, alarm_fires, &bench);
        timer_start(bench.sched, &alarms[i].timer, now_ns + 50000000);
    }
    bench_at(&bench, now_ns + 60000000);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(alarms[i].order, i + 1);
    kit_close(&bench.kit);
}

static void a_time_at_the_end_of_time_is_no_problem(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench);
    Alarm alarm = {0};
    timer_init(&alarm.timer, alarm_fires, &bench);
    timer_start_in(bench.sched, &alarm.timer, UINT64_MAX);
    assert_true(alarm.timer.deadline_ns == UINT64_MAX);
    bench_at(&bench, (uint64_t)1 << 60);
    assert_int_equal(alarm.fired, 0);
    assert_true(timer_cancel(bench.sched, &alarm.timer));
    kit_close(&bench.kit);
}

/* Random starts, cancels and jumps of the clock against a plain record of what must have fired. */
static void random_use_agrees_with_a_plain_model(void **state)
{
    (void)state;
    enum { ALARMS = 500 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        Bench bench;
        bench_open(&bench);
        Rng rng;
        rng_init(&rng, seed);
        Alarm *alarms = calloc(ALARMS, sizeof *alarms);
        bool *pending = calloc(ALARMS, sizeof *pending);
        uint32_t *expected = calloc(ALARMS, sizeof *expected);
        for (uint32_t i = 0; i < ALARMS; i++)
            timer_init(&alarms[i].timer, alarm_fires, &bench);
        for (uint32_t round = 0; round < TESTKIT_SCALE(10000); round++) {
            uint32_t i = rng_below(&rng, ALARMS);
            uint64_t now_ns = env_now_ns(&bench.kit.sim.env);
            if (!pending[i]) {
                uint64_t delay_ns = rng_next(&rng) >> (14 + rng_below(&rng, 36));
                timer_start_in(bench.sched, &alarms[i].timer, delay_ns);
                pending[i] = true;
            } else if (rng_below(&rng, 2)) {
                assert_true(timer_cancel(bench.sched, &alarms[i].timer));
                pending[i] = false;
            }
            if (rng_below(&rng, 4) != 0)
                continue;
            now_ns += rng_next(&rng) >> (20 + rng_below(&rng, 30));
            bench_at(&bench, now_ns);
            for (uint32_t k = 0; k < ALARMS; k++) {
                uint64_t deadline_ns = alarms[k].timer.deadline_ns;
                if (pending[k] &&
                    deadline_ns / TICK_NS + (deadline_ns % TICK_NS != 0) <= now_ns / TICK_NS) {
                    pending[k] = false;
                    expected[k]++;
                }
                assert_int_equal(alarms[k].fired, expected[k]);
            }
        }
        free(alarms);
        free(pending);
        free(expected);
        kit_close(&bench.kit);
    }
}

static void a_million_timers_are_polled_in_bounded_pieces(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench);
    uint32_t count = TESTKIT_SCALE(1000000);
    Alarm *alarms = calloc(count, sizeof *alarms);
    uint64_t now_ns = env_now_ns(&bench.kit.sim.env);
    for (uint32_t i = 0; i < count; i++) {
        timer_init(&alarms[i].timer, alarm_fires, &bench);
        /* Half of them in one tick. */
        uint64_t delay_ns = i % 2 ? 20000000000u : (uint64_t)i * 10000;
        timer_start(bench.sched, &alarms[i].timer, now_ns + delay_ns);
    }
    assert_int_equal(sched_timer_count(bench.kit.group, 0), count);
    uint64_t end_ns = now_ns + 30000000000u;
    env_sim_advance_to(&bench.kit.sim, end_ns);
    uint64_t fired = 0;
    while (wheel_next_ns(bench.wheel) <= end_ns) {
        (void)wheel_poll(bench.wheel, bench.sched, end_ns);
        assert_true(bench.fired - fired <= WHEEL_EXPIRE_MAX);
        fired = bench.fired;
    }
    assert_int_equal(bench.fired, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(alarms[i].fired, 1);
    free(alarms);
    kit_close(&bench.kit);
}

static void periodic_fires(Timer *timer, Sched *sched)
{
    Alarm *alarm = (Alarm *)(void *)timer;
    assert_false(timer_cancel(sched, timer));
    if (++alarm->fired < 1000)
        timer_start(sched, timer, timer->deadline_ns + 1000000);
}

static void a_timer_may_start_itself_again(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench);
    Alarm alarm = {0};
    timer_init(&alarm.timer, periodic_fires, &bench);
    uint64_t now_ns = env_now_ns(&bench.kit.sim.env);
    timer_start(bench.sched, &alarm.timer, now_ns + 1000000);
    bench_at(&bench, now_ns + 500000000 + TICK_NS);
    assert_int_equal(alarm.fired, 500);
    bench_at(&bench, now_ns + 5000000000);
    assert_int_equal(alarm.fired, 1000);
    kit_close(&bench.kit);
}

TESTKIT_MAIN(cmocka_unit_test(a_timer_fires_within_a_tick_and_never_early),
             cmocka_unit_test(a_cancelled_timer_does_not_fire),
             cmocka_unit_test(equal_deadlines_fire_in_the_order_of_starting),
             cmocka_unit_test(a_time_at_the_end_of_time_is_no_problem),
             cmocka_unit_test(random_use_agrees_with_a_plain_model),
             cmocka_unit_test(a_million_timers_are_polled_in_bounded_pieces),
             cmocka_unit_test(a_timer_may_start_itself_again))
