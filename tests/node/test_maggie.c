/* SPDX-License-Identifier: Apache-2.0 */
/* test_maggie.c - the C interface: evaluation, values in and out, processes, sessions, many
 * machines, the simulator. */
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maggie.h"

#define LONG_MS 120000 /* a hanging test ends; no result depends on it */

typedef struct Catch {
    pthread_mutex_t lock;
    char out[65536];
    size_t len;
} Catch;

static int catch_output(void *ctx, MaggieStream stream, const char *bytes, size_t n)
{
    Catch *c = ctx;
    (void)stream;
    pthread_mutex_lock(&c->lock);
    size_t room = sizeof c->out - 1 - c->len;
    memcpy(c->out + c->len, bytes, n < room ? n : room);
    c->len += n < room ? n : room;
    c->out[c->len] = 0;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static void catch_text(void *ctx, const char *bytes, size_t n)
{
    (void)catch_output(ctx, MAGGIE_STDERR, bytes, n);
}

static Maggie *machine(Catch *c)
{
    memset(c, 0, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    MaggieOptions options = {.schedulers = 2,
                             .ctx = c,
                             .output = catch_output,
                             .diagnostics = catch_text,
                             .log = catch_text};
    Maggie *m;
    assert_int_equal(maggie_create(&options, &m), MAGGIE_OK);
    return m;
}

static void expect(Maggie *m, const char *text, MaggieStatus status, const char *wanted)
{
    MaggieResult *r;
    MaggieStatus got = maggie_evaluate(m, text, LONG_MS, &r);
    if (got != status || strcmp(maggie_result_text(r), wanted) != 0)
        fail_msg("%s: %s '%s' in place of '%s'", text, maggie_status_text(got),
                 maggie_result_text(r), wanted);
    maggie_result_free(r);
}

static void an_expression_is_evaluated_to_text(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    expect(m, "3 + 4", MAGGIE_OK, "7");
    expect(m, "'a', 'b'", MAGGIE_OK, "'ab'");
    expect(m, "", MAGGIE_OK, "nil");
    expect(m, "| x | x := 20 factorial. x", MAGGIE_OK, "2432902008176640000");
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void an_error_tells_class_text_and_trace(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    MaggieResult *r;
    expect(m, "1 / 0", MAGGIE_ERROR, "ZeroDivide: division by zero");
    expect(m, "nil foo", MAGGIE_ERROR, "MessageNotUnderstood: Message not understood: foo");
    assert_int_equal(maggie_evaluate(m, "1 / 0", LONG_MS, &r), MAGGIE_ERROR);
    assert_non_null(strstr(maggie_result_trace(r), "eval:1"));
    maggie_result_free(r);
    assert_int_equal(maggie_evaluate(m, "3 +", LONG_MS, &r), MAGGIE_SYNTAX);
    assert_non_null(strstr(maggie_result_text(r), "line 1"));
    maggie_result_free(r);
    expect(m, "3", MAGGIE_OK, "3"); /* the machine is none the worse */
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void values_come_out_typed(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    MaggieResult *r;
    assert_int_equal(
        maggie_evaluate(m, "{nil. true. 42. 1.5. 'text'. #sym. $x. #(1 2). Array. 2 raisedTo: 100}",
                        LONG_MS, &r),
        MAGGIE_OK);
    const MaggieValue *v = maggie_result_value(r);
    assert_int_equal(v->kind, MAGGIE_ARRAY);
    assert_int_equal(v->as.array.count, 10);
    const MaggieValue *e = v->as.array.items;
    assert_int_equal(e[0].kind, MAGGIE_NIL);
    assert_true(e[1].kind == MAGGIE_BOOL && e[1].as.boolean);
    assert_true(e[2].kind == MAGGIE_INT && e[2].as.integer == 42);
    assert_true(e[3].kind == MAGGIE_FLOAT && e[3].as.number > 1.4 && e[3].as.number < 1.6);
    assert_int_equal(e[4].kind, MAGGIE_STRING);
    assert_string_equal(e[4].as.text.bytes, "text");
    assert_int_equal(e[5].kind, MAGGIE_SYMBOL);
    assert_string_equal(e[5].as.text.bytes, "sym");
    assert_true(e[6].kind == MAGGIE_CHARACTER && e[6].as.character == 'x');
    assert_true(e[7].kind == MAGGIE_ARRAY && e[7].as.array.items[1].as.integer == 2);
    assert_int_equal(e[8].kind, MAGGIE_CLASS);
    assert_int_equal(e[9].kind, MAGGIE_OTHER);
    assert_string_equal(e[9].as.text.bytes, "BigInteger");
    maggie_result_free(r);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static MaggieValue text_value(const char *text)
{
    MaggieValue v = {.kind = MAGGIE_STRING};
    v.as.text.bytes = text;
    v.as.text.len = strlen(text);
    return v;
}

static void a_call_takes_values_of_every_kind(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    static const char source[] = "Echo subclass: Object\n"
                                 "  classMethod: of: a and: b [ ^{b. a} ]\n"
                                 "  classMethod: big: a [ ^a + 1 ]\n";
    assert_int_equal(maggie_load_text(m, "echo.mag", source, strlen(source)), MAGGIE_OK);
    MaggieValue items[2] = {{.kind = MAGGIE_INT}, text_value("in")};
    items[0].as.integer = -7;
    MaggieValue args[2] = {{.kind = MAGGIE_ARRAY}, text_value("out")};
    args[0].as.array.items = items;
    args[0].as.array.count = 2;
    MaggieResult *r;
    assert_int_equal(maggie_call(m, "Echo", "of:and:", args, 2, LONG_MS, &r), MAGGIE_OK);
    assert_string_equal(maggie_result_text(r), "#('out' #(-7 'in' ) )");
    maggie_result_free(r);
    MaggieValue big = {.kind = MAGGIE_INT};
    big.as.integer = INT64_MAX;
    assert_int_equal(maggie_call(m, "Echo", "big:", &big, 1, LONG_MS, &r), MAGGIE_OK);
    assert_string_equal(maggie_result_text(r), "9223372036854775808");
    maggie_result_free(r);
    /* a long string goes off the heap */
    char *text = malloc(100001);
    memset(text, 'x', 100000);
    text[100000] = 0;
    args[0] = text_value(text);
    assert_int_equal(maggie_call(m, "Echo", "of:and:", args, 2, LONG_MS, &r), MAGGIE_OK);
    assert_int_equal(maggie_result_value(r)->as.array.items[1].as.text.len, 100000);
    maggie_result_free(r);
    free(text);
    args[0] = text_value("\xFF");
    assert_int_equal(maggie_call(m, "Echo", "of:and:", args, 2, LONG_MS, &r), MAGGIE_BAD_ARGUMENT);
    assert_int_equal(maggie_call(m, "NoClass", "of:and:", args, 2, LONG_MS, &r), MAGGIE_NOT_FOUND);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void messages_feed_a_process(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    MaggiePid pid;
    MaggieResult *r;
    assert_int_equal(maggie_start(m,
                                  "| a b | a := Process receive. b := Process receive. "
                                  "{a payload. b payload. b selector}",
                                  &pid, NULL),
                     MAGGIE_OK);
    assert_int_equal(maggie_wait(m, pid, LONG_MS, &r), MAGGIE_DEADLOCK); /* nobody else sends */
    maggie_result_free(r);
    MaggieValue v = text_value("first");
    assert_int_equal(maggie_send(m, pid, NULL, &v), MAGGIE_OK);
    v = (MaggieValue){.kind = MAGGIE_INT};
    v.as.integer = 2;
    assert_int_equal(maggie_send(m, pid, "second", &v), MAGGIE_OK);
    assert_int_equal(maggie_wait(m, pid, LONG_MS, &r), MAGGIE_OK);
    assert_string_equal(maggie_result_text(r), "#('first' 2 #second )");
    maggie_result_free(r);
    assert_int_equal(maggie_send(m, pid, NULL, &v), MAGGIE_NOT_FOUND);
    assert_int_equal(maggie_wait(m, pid, LONG_MS, &r), MAGGIE_NOT_FOUND);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void an_endless_loop_is_timed_out_and_killed(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    MaggieResult *r;
    MaggiePid pid;
    assert_int_equal(maggie_evaluate(m, "[true] whileTrue: []", 20, &r), MAGGIE_TIMEOUT);
    maggie_result_free(r);
    assert_int_equal(maggie_start(m, "[true] whileTrue: []", &pid, NULL), MAGGIE_OK);
    maggie_terminate(m, pid, false);
    assert_int_equal(maggie_wait(m, pid, LONG_MS, &r), MAGGIE_ENDED);
    assert_string_equal(maggie_result_text(r), "shutdown");
    maggie_result_free(r);
    assert_int_equal(maggie_run_until_idle(m, LONG_MS), MAGGIE_OK);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void a_session_keeps_its_variables(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    MaggieSession *s;
    MaggieResult *r;
    static const struct {
        const char *text;
        MaggieStatus status;
        const char *wanted;
    } steps[] = {{"a := 3", MAGGIE_OK, "3"},
                 {"| b | b := a + 1", MAGGIE_OK, "4"},
                 {"1 / 0", MAGGIE_ERROR, "ZeroDivide: division by zero"},
                 {"a + b", MAGGIE_OK, "7"},
                 {"[:x | x + a] value: 4", MAGGIE_OK, "7"},
                 {"[b := 9] value. b", MAGGIE_OK, "9"},
                 {"[a := 100] fork wait. a", MAGGIE_OK, "3"}};
    assert_int_equal(maggie_session_open(m, &s), MAGGIE_OK);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        MaggieStatus got =
            maggie_session_evaluate(s, steps[i].text, strlen(steps[i].text), LONG_MS, &r);
        if (got != steps[i].status || strcmp(maggie_result_text(r), steps[i].wanted) != 0)
            fail_msg("%s: %s", steps[i].text, maggie_result_text(r));
        maggie_result_free(r);
    }
    maggie_session_close(s);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void *interrupt_later(void *arg)
{
    struct timespec t = {0, 30000000};
    nanosleep(&t, NULL);
    maggie_session_interrupt(arg);
    return NULL;
}

static void an_interrupt_stops_an_evaluation_and_not_the_session(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    MaggieSession *s;
    MaggieResult *r;
    pthread_t thread;
    assert_int_equal(maggie_session_open(m, &s), MAGGIE_OK);
    assert_int_equal(maggie_session_evaluate(s, "v := 5", 6, LONG_MS, &r), MAGGIE_OK);
    maggie_result_free(r);
    static const char loop[] = "[[true] whileTrue: []] ensure: [v := 6]";
    pthread_create(&thread, NULL, interrupt_later, s);
    assert_int_equal(maggie_session_evaluate(s, loop, strlen(loop), LONG_MS, &r), MAGGIE_ERROR);
    assert_string_equal(maggie_result_text(r), "Interrupt: interrupted");
    maggie_result_free(r);
    pthread_join(thread, NULL);
    assert_int_equal(maggie_session_evaluate(s, "v", 1, LONG_MS, &r), MAGGIE_OK);
    assert_string_equal(maggie_result_text(r), "6");
    maggie_result_free(r);
    maggie_session_close(s);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void output_goes_to_the_callback_in_order(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    expect(m, "1 to: 3 do: [:i | System writeLine: i printString]. 4", MAGGIE_OK, "4");
    assert_int_equal(maggie_write(m, MAGGIE_STDOUT, "end\n", 4), MAGGIE_OK);
    assert_string_equal(c.out, "1\n2\n3\nend\n");
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void a_program_that_exits_ends_every_wait(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    MaggieResult *r;
    int status = 0;
    assert_false(maggie_exit_requested(m, &status));
    assert_int_equal(maggie_evaluate(m, "System exit: 5. 3", LONG_MS, &r), MAGGIE_EXITED);
    maggie_result_free(r);
    assert_true(maggie_exit_requested(m, &status));
    assert_int_equal(status, 5);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void bad_source_installs_nothing(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    static const char bad[] = "Bad subclass: Object\n  method: a [ ^1 ]\n  method: b [ ^( ]\n";
    assert_int_equal(maggie_load_text(m, "bad.mag", bad, strlen(bad)), MAGGIE_SYNTAX);
    assert_non_null(strstr(c.out, "bad.mag:3:"));
    assert_false(maggie_understands(m, "Bad", "a", false));
    static const char *const missing[] = {"/no/such/file.mag"};
    assert_int_equal(maggie_load_files(m, missing, 1), MAGGIE_NOT_FOUND);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static void hundred_machines_come_and_go(void **state)
{
    (void)state;
    enum { MACHINES = 100 };
    Maggie *all[MACHINES];
    for (int i = 0; i < MACHINES; i++) {
        MaggieOptions options = {.schedulers = 1};
        char text[64], wanted[16];
        assert_int_equal(maggie_create(&options, &all[i]), MAGGIE_OK);
        snprintf(text, sizeof text, "Compiler setGlobal: #Mine to: %d", i);
        snprintf(wanted, sizeof wanted, "%d", i);
        expect(all[i], text, MAGGIE_OK, wanted);
    }
    for (int i = 0; i < MACHINES; i++) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "%d", i + 1);
        expect(all[i], "[Mine + 1] fork wait", MAGGIE_OK, wanted);
    }
    for (int i = 0; i < MACHINES; i++)
        assert_int_equal(maggie_destroy(all[i]), MAGGIE_OK);
}

#if MAGGIE_ASAN || MAGGIE_TSAN || defined(MAGGIE_GC_STRESS) || !defined(NDEBUG)
#define EVALUATIONS 2000
#else
#define EVALUATIONS 100000
#endif

static long figure(Maggie *m, const char *name)
{
    char text[64];
    MaggieResult *r;
    snprintf(text, sizeof text, "System statistics at: #%s", name);
    assert_int_equal(maggie_evaluate(m, text, LONG_MS, &r), MAGGIE_OK);
    long n = strtol(maggie_result_text(r), NULL, 10);
    maggie_result_free(r);
    return n;
}

/* Each text is compiled to code of its own, which nobody wants afterwards. */
static void many_evaluations_take_no_more_memory_than_few(void **state)
{
    (void)state;
    Catch c;
    Maggie *m = machine(&c);
    long versions = figure(m, "codeVersions"), bytes = 0, most = 0;
    for (int i = 0; i < EVALUATIONS; i++) {
        char text[64], wanted[16];
        snprintf(text, sizeof text, "[:x | x + %d] value: 1", i);
        snprintf(wanted, sizeof wanted, "%d", i + 1);
        expect(m, text, MAGGIE_OK, wanted);
        if (i % 500 == 499) {
            long now = figure(m, "codeVersions") - versions;
            most = now > most ? now : most;
        }
        if (i == 999)
            bytes = figure(m, "codeBytes");
    }
    assert_in_range(most, 0, 200); /* what waits for idleness, or for enough of it */
    assert_true(figure(m, "codeBytes") - bytes < 500000);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
}

static uint64_t simulated_hash(uint64_t seed)
{
    MaggieOptions options = {.simulate = true, .seed = seed};
    Maggie *m;
    assert_int_equal(maggie_create(&options, &m), MAGGIE_OK);
    expect(m,
           "| me | me := Process current. "
           "1 to: 20 do: [:i | [Process sleep: i \\\\ 5. me send: i] fork]. "
           "(1 to: 20) inject: 0 into: [:sum :each | sum + Process receive payload]",
           MAGGIE_OK, "210");
    uint64_t hash = maggie_trace_hash(m);
    assert_int_equal(maggie_destroy(m), MAGGIE_OK);
    return hash;
}

static void equal_seeds_give_equal_runs(void **state)
{
    (void)state;
    uint64_t first = simulated_hash(7);
    assert_true(first == simulated_hash(7));
    assert_true(first != simulated_hash(8));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_is_evaluated_to_text),
        cmocka_unit_test(an_error_tells_class_text_and_trace),
        cmocka_unit_test(values_come_out_typed),
        cmocka_unit_test(a_call_takes_values_of_every_kind),
        cmocka_unit_test(messages_feed_a_process),
        cmocka_unit_test(an_endless_loop_is_timed_out_and_killed),
        cmocka_unit_test(a_session_keeps_its_variables),
        cmocka_unit_test(an_interrupt_stops_an_evaluation_and_not_the_session),
        cmocka_unit_test(output_goes_to_the_callback_in_order),
        cmocka_unit_test(a_program_that_exits_ends_every_wait),
        cmocka_unit_test(bad_source_installs_nothing),
        cmocka_unit_test(hundred_machines_come_and_go),
        cmocka_unit_test(many_evaluations_take_no_more_memory_than_few),
        cmocka_unit_test(equal_seeds_give_equal_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
