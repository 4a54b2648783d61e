/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_output.c - standard output: order, wholeness, waiting writers, writes that fail.
 * Threads: the VM's own; the writers below run on its dirty threads. */
#include "vmkit.h"

#include <errno.h>

#include "output.h"

static void open_kit(VmKit *k, bool simulated)
{
    VmKitOptions options = {.simulated = simulated, .seed = 5, .schedulers = 2};
    vmkit_open(k, &options);
}

/* Lines "WRITER NUMBER xxx": whole, and each writer's numbers in order. */
static void check_lines(const Buf *out, int writers, int lines, size_t padding)
{
    int next[64] = {0}, seen = 0;
    const char *at = out->data, *end = out->data + out->len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        assert_non_null(stop);
        char *rest;
        long writer = strtol(at, &rest, 10);
        long number = strtol(rest, &rest, 10);
        assert_in_range(writer, 1, writers);
        assert_int_equal(number, ++next[writer]);
        assert_int_equal(stop - rest, 1 + padding);
        for (const char *p = rest + 1; p < stop; p++)
            assert_int_equal(*p, 'x');
        seen++;
        at = stop + 1;
    }
    assert_int_equal(seen, writers * lines);
}

static void lines_stay_whole_and_in_the_order_of_their_process(void **state)
{
    (void)state;
    for (int simulated = 0; simulated < 2; simulated++) {
        VmKit k;
        open_kit(&k, simulated);
        vmkit_expect(&k,
                     "| ps x | x := String new: 100 withAll: $x.\n"
                     "ps := (1 to: 8) asArray collect: [:w | [1 to: 300 do: [:i |\n"
                     "  (w printString , ' ' , i printString , ' ' , x) println]. w] fork].\n"
                     "ps inject: 0 into: [:a :p | a + p wait]",
                     "36");
        vmkit_stop(&k);
        assert_ok(output_flush_final(k.vm->output));
        check_lines(&k.out, 8, 300, 100);
        vmkit_close(&k);
    }
}

static void a_text_longer_than_the_buffer_arrives_whole(void **state)
{
    (void)state;
    for (int simulated = 0; simulated < 2; simulated++) {
        VmKit k;
        open_kit(&k, simulated);
        vmkit_expect(&k,
                     "(String new: 1000000 withAll: $y) println. (String new: 65536 withAll: $z) "
                     "println. 1",
                     "1");
        vmkit_stop(&k);
        assert_ok(output_flush_final(k.vm->output));
        assert_int_equal(k.out.len, 1000001 + 65537);
        for (size_t i = 0; i < 1000000; i++)
            assert_int_equal(k.out.data[i], 'y');
        assert_int_equal(k.out.data[1000000], '\n');
        assert_int_equal(k.out.data[k.out.len - 2], 'z');
        vmkit_close(&k);
    }
}

static int disk_full(void *ctx, OutputStream stream, const char *bytes, size_t n)
{
    (void)ctx;
    (void)stream;
    (void)bytes;
    (void)n;
    return ENOSPC;
}

static void a_failed_write_is_an_error_of_the_next_writer(void **state)
{
    (void)state;
    for (int simulated = 0; simulated < 2; simulated++) {
        VmKit k;
        open_kit(&k, simulated);
        output_set_writer(k.vm->output, disk_full, NULL);
        vmkit_expect(&k,
                     "[[true] whileTrue: ['lost' println. Process yield]]\n"
                     "  on: Error do: [:e | e messageText]",
                     "cannot write to standard output: no space left on device");
        vmkit_stop(&k);
        assert_status(output_flush_final(k.vm->output), STATUS_IO);
        vmkit_close(&k);
    }
}

static void the_last_write_that_fails_shows_at_the_end(void **state)
{
    (void)state;
    VmKit k;
    open_kit(&k, true);
    vmkit_expect(&k, "1", "1");
    output_set_writer(k.vm->output, disk_full, NULL);
    int error;
    assert_int_equal(output_put(k.vm->output, OUTPUT_STDOUT, "x", 1, true, NULL, &error),
                     OUTPUT_TAKEN);
    vmkit_stop(&k);
    assert_status(output_flush_final(k.vm->output), STATUS_IO);
    vmkit_close(&k);
}

/* A writer behind a gate. */
typedef struct Gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
    uint64_t bytes;
} Gate;

static int gated(void *ctx, OutputStream stream, const char *bytes, size_t n)
{
    (void)stream;
    (void)bytes;
    Gate *gate = ctx;
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->opened, &gate->lock);
    gate->bytes += n;
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

static void open_gate(Gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

static bool job_ended(VmKit *k, uint32_t job)
{
    pthread_mutex_lock(&k->lock);
    bool ended = k->jobs[job].ended;
    pthread_mutex_unlock(&k->lock);
    return ended;
}

static void a_slow_reader_holds_up_writers_but_nobody_else(void **state)
{
    (void)state;
    VmKit k;
    open_kit(&k, false);
    Gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
    output_set_writer(k.vm->output, gated, &gate);
    uint32_t writers[3];
    for (int i = 0; i < 3; i++)
        writers[i] = vmkit_spawn(&k, "1 to: 4000 do: [:i |\n"
                                     "  (String new: 99 withAll: $x) println]. #written");
    /* One is killed while it waits for room; its neighbours must not miss their wake-up for it. */
    uint32_t killer = vmkit_spawn(&k, "| p me | me := Process current.\n"
                                      "p := [[true] whileTrue: [(String new: 999) println]] fork.\n"
                                      "Process sleep: 20. p kill. p wait. p exitReason");
    uint32_t busy = vmkit_spawn(&k, "1 to: 50 do: [:i | [i] fork wait]. #calculated");
    while (!job_ended(&k, busy) || !job_ended(&k, killer))
        sched_yield();
    for (int i = 0; i < 3; i++)
        assert_false(job_ended(&k, writers[i])); /* 400 kB do not fit */
    open_gate(&gate);
    vmkit_run(&k);
    for (int i = 0; i < 3; i++)
        assert_string_equal(vmkit_result(&k, writers[i]), "written");
    assert_string_equal(vmkit_result(&k, busy), "calculated");
    assert_string_equal(vmkit_result(&k, killer), "killed");
    vmkit_stop(&k);
    assert_ok(output_flush_final(k.vm->output));
    assert_true(gate.bytes >= 3 * 4000 * 100);
    vmkit_close(&k);
}

TESTKIT_MAIN(cmocka_unit_test(lines_stay_whole_and_in_the_order_of_their_process),
             cmocka_unit_test(a_text_longer_than_the_buffer_arrives_whole),
             cmocka_unit_test(a_failed_write_is_an_error_of_the_next_writer),
             cmocka_unit_test(the_last_write_that_fails_shows_at_the_end),
             cmocka_unit_test(a_slow_reader_holds_up_writers_but_nobody_else), )
