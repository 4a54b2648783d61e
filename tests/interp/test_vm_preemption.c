/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_preemption.c - nobody holds a scheduler: loops, sends, long primitives and high
 * priorities leave room for others; rings of 10,000 processes; a hundred machines in one program.
 * Counted in virtual time of the simulator, where a reduction takes 10 ns, never in real time.
 * Threads: the VM's own. */
#include "vmkit.h"

/* A slice of 4000 reductions and what a primitive may overdraw, twice over. */
#define GAP_MAX_NS 200000

typedef struct Busy {
    const char *what;
    const char *block; /* runs for ever */
} Busy;

static const Busy busy[] = {
    {"an empty loop", "[[true] whileTrue: []]"},
    {"a loop of blocks", "[| b | b := [:x | x + 1]. [true] whileTrue: [b value: 3]]"},
    {"a counting loop", "[[true] whileTrue: [1 to: 1000000 do: [:i | i]]]"},
    {"repeat", "[[3 + 4] repeat]"},
    {"tail calls", "[Loop new around: 1]"},
    {"deep calls", "[[true] whileTrue: [Loop new fib: 25]]"},
    {"exceptions", "[[true] whileTrue: [[1 / 0] on: ZeroDivide do: [:e | e return: 1]]]"},
    {"not understood", "[[true] whileTrue: [[nil foo] on: Error do: [:e | nil]]]"},
    {"allocation", "[[true] whileTrue: [Array new: 100]]"},
    {"a large live heap", "[| l | l := (1 to: 20000) asArray collect: [:i | Array with: i].\n"
                          "  [true] whileTrue: [Array with: l]]"},
    {"large arrays", "[[true] whileTrue: [Array new: 200000]]"},
    {"copies of arrays", "[| a | a := Array new: 200000. [true] whileTrue: [a copy]]"},
    {"sorting", "[| a | a := (1 to: 20000) asArray collect: [:i | i * 7919 \\\\ 10007].\n"
                "  [true] whileTrue: [a copy sort]]"},
    {"sorting with a block", "[| a | a := (1 to: 2000) asArray reversed.\n"
                             "  [true] whileTrue: [a copy sort: [:x :y | x <= y]]]"},
    {"searching arrays", "[| a | a := Array new: 200000. [true] whileTrue: [a indexOf: 3]]"},
    {"long strings", "[| s | s := 'abc' repeat: 100000. [true] whileTrue: [s asUppercase size]]"},
    {"searching strings",
     "[| s | s := 'ab' repeat: 200000. [true] whileTrue: [s includesSubstring: 'ba!']]"},
    {"comparing strings", "[| s t | s := 'ab' repeat: 200000. t := 'ab' repeat: 200000.\n"
                          "  [true] whileTrue: [s = t]]"},
    {"splitting", "[| s | s := 'ab,c' repeat: 50000. [true] whileTrue: [s split: ',']]"},
    {"big integers", "[| n | n := 3 raisedTo: 5000. [true] whileTrue: [(n * n) printString]]"},
    {"dictionaries", "[[true] whileTrue: [| d | d := Dictionary new.\n"
                     "  1 to: 5000 do: [:i | d at: i put: i]]]"},
    {"messages to itself", "[[true] whileTrue: [Process current send: 1. Process receive]]"},
    {"forking", "[[true] whileTrue: [[nil] fork wait]]"},
    {"yielding", "[[true] whileTrue: [Process yield]]"},
    {"perform", "[[true] whileTrue: [3 perform: #+ with: 4]]"},
    {"evaluating", "[[true] whileTrue: [Compiler evaluate: '3 + 4']]"},
    {"random numbers", "[| r | r := Random new. [true] whileTrue: [r nextInt: 100]]"},
};
#define NBUSY (sizeof busy / sizeof *busy)

static const char *const loop_class =
    "Loop subclass: Object\n"
    "  method: around: n [ ^self around: n + 1 \\\\ 7 ]\n"
    "  method: fib: n [\n"
    "    ^n < 2 ifTrue: [n] ifFalse: [(self fib: n - 1) + (self fib: n - 2)] ]\n";

/* The longest time the watcher had to wait for its turn. */
static const char *const watch =
    "| p from now gap | p := %s fork. gap := 0.\n"
    "1 to: 60 do: [:i |\n"
    "  from := System monotonicNanoseconds. Process yield. now := System monotonicNanoseconds.\n"
    "  gap := gap max: now - from].\n"
    "p terminate. p wait. gap";

static void no_loop_holds_a_scheduler(void **state)
{
    (void)state;
    VmKit k;
    char script[2000];
    unsigned slow = 0;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 3, .schedulers = 1});
    vmkit_load(&k, loop_class);
    for (size_t i = 0; i < NBUSY; i++) {
        snprintf(script, sizeof script, watch, busy[i].block);
        uint32_t job = vmkit_spawn(&k, script);
        vmkit_run(&k);
        assert_string_equal(vmkit_reason(&k, job), "normal");
        long gap = strtol(vmkit_result(&k, job), NULL, 10);
        if (gap > GAP_MAX_NS) {
            fprintf(stderr, "%s: others wait %ld ns\n", busy[i].what, gap);
            slow++;
        }
    }
    vmkit_close(&k);
    assert_int_equal(slow, 0);
}

/* The same programs together, on threads: whoever asks, is answered; and all can be ended. */
static void busy_processes_leave_room_on_threads(void **state)
{
    (void)state;
    VmKit k;
    Buf b;
    vmkit_open(&k, &(VmKitOptions){.schedulers = 2});
    vmkit_load(&k, loop_class);
    buf_init(&b, &k.real, 1 << 16);
    buf_puts(&b, "| ps echo | ps := ArrayList new.\n");
    for (size_t i = 0; i < NBUSY; i++)
        buf_putf(&b, "ps add: %s fork.\n", busy[i].block);
    buf_puts(&b,
             "echo := [| m | [true] whileTrue: [m := Process receive. m sender send: m payload]]"
             " fork.\n"
             "1 to: 20 do: [:i | echo send: i. Process receive payload = i ifFalse: [nil foo]].\n"
             "ps do: [:p | p terminate]. ps do: [:p | p wait]. echo kill.\n"
             "(ps collect: [:p | p exitReason]) asArray occurrencesOf: #shutdown");
    char wanted[20];
    snprintf(wanted, sizeof wanted, "%zu", NBUSY);
    vmkit_expect(&k, buf_cstr(&b), wanted);
    buf_free(&b);
    vmkit_close(&k);
}

static void priorities_prefer_and_starve_nobody(void **state)
{
    (void)state;
    VmKit k;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = seed, .schedulers = 1});
        /* counts of turns while three loops of each priority compete */
        vmkit_expect(
            &k,
            "| me counts loops low high |\n"
            "me := Process current. counts := Dictionary new.\n"
            "loops := ArrayList new.\n"
            "#(#high #normal #low) do: [:prio | 3 timesRepeat: [\n"
            "  loops add: ([[true] whileTrue: [me send: prio. Process yield]] forkAt: prio)]].\n"
            "3000 timesRepeat: [| p | p := Process receive payload.\n"
            "  counts at: p put: (counts at: p ifAbsent: [0]) + 1].\n"
            "loops do: [:p | p kill]. loops do: [:p | p wait].\n"
            "low := counts at: #low ifAbsent: [0]. high := counts at: #high ifAbsent: [0].\n"
            "Array with: low > 10 with: (counts at: #normal ifAbsent: [0]) > 10\n"
            "  with: high > (counts at: #normal ifAbsent: [0]) with: high > low",
            "(true true true true)");
        vmkit_close(&k);
    }
}

static void a_ring_of_many_processes_turns(void **state)
{
    (void)state;
    static const char *const ring =
        "| me prev |\n"
        "me := Process current. prev := me.\n"
        "1 to: %d do: [:i | | next | next := prev.\n"
        "  prev := [[true] whileTrue: [next send: Process receive payload + 1]] fork].\n"
        "prev send: 0. prev send: Process receive payload. Process receive payload";
    char script[1000], wanted[20];
    int n = TESTKIT_SCALE(10000);
    snprintf(script, sizeof script, ring, n);
    snprintf(wanted, sizeof wanted, "%d", 2 * n);
    for (int simulated = 0; simulated <= 1; simulated++) {
        VmKit k;
        vmkit_open(&k, &(VmKitOptions){.simulated = simulated != 0, .seed = 9, .schedulers = 3});
        vmkit_expect(&k, script, wanted);
        vmkit_close(&k);
    }
}

/* I1: machines do not know of each other: classes, globals, symbols and methods are their own. */
static void a_hundred_machines_live_side_by_side(void **state)
{
    (void)state;
    enum { MACHINES = TESTKIT_SCALE(100) };
    VmKit *k = calloc(MACHINES, sizeof *k);
    uint32_t *jobs = calloc(MACHINES, sizeof *jobs);
    assert_non_null(k);
    assert_non_null(jobs);
    for (int i = 0; i < MACHINES; i++) {
        char text[600];
        vmkit_open(&k[i], &(VmKitOptions){.schedulers = 1});
        snprintf(text, sizeof text, "Mine subclass: Object\n  classMethod: number [ ^%d ]\n", i);
        vmkit_load(&k[i], text);
        snprintf(text, sizeof text,
                 "| ps | Compiler setGlobal: #Own to: %d.\n"
                 "ps := (1 to: 20) asArray collect: [:i | [[nil foo: i] on: Error do: [:e |\n"
                 "   Mine number + Own + e message arguments size]] fork].\n"
                 "System writeLine: #machine%d asString.\n"
                 "ps inject: 0 into: [:a :p | a + p wait]",
                 i, i);
        jobs[i] = vmkit_spawn(&k[i], text);
    }
    for (int i = 0; i < MACHINES; i++) {
        char wanted[40];
        vmkit_run(&k[i]);
        snprintf(wanted, sizeof wanted, "%d", 20 * (2 * i + 1));
        assert_string_equal(vmkit_result(&k[i], jobs[i]), wanted);
    }
    for (int i = 0; i < MACHINES; i++)
        vmkit_close(&k[i]);
    free(jobs);
    free(k);
}

TESTKIT_MAIN(cmocka_unit_test(no_loop_holds_a_scheduler),
             cmocka_unit_test(busy_processes_leave_room_on_threads),
             cmocka_unit_test(priorities_prefer_and_starve_nobody),
             cmocka_unit_test(a_ring_of_many_processes_turns),
             cmocka_unit_test(a_hundred_machines_live_side_by_side))
