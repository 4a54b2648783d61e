/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_pauses.c - what a big heap costs leaves its scheduler (I5, M17): collections, copies and
 * ends; signals that come meanwhile wait and are honoured; memory that fails there ends the one
 * process; equal seeds give equal traces.
 * Threads: the VM's own. */
#include "vmkit.h"

/* Everything is long, so programs may be small. */
#define TINY 200

typedef struct Program {
    const char *source;
    const char *wanted;
    AwayKind kind; /* what must have left at least once */
} Program;

static const Program programs[] = {
    {"| l | l := ArrayList new. 1 to: 300 do: [:i | l add: (Array with: i with: i printString)].\n"
     "l inject: 0 into: [:sum :each | sum + (each at: 2) size]",
     "792", AWAY_COLLECT},
    {"| a b | a := Array new: 500 withAll: 7. b := Array with: a. Process collectGarbage.\n"
     "a become: (Array new: 400 withAll: 8).\n"
     "Array with: (b at: 1) size with: ((b at: 1) at: 400)",
     "(400 8)", AWAY_COLLECT},
    {"| a p | a := Array new: 900 withAll: 'abc'. a at: 1 put: a.\n"
     "p := [| m | m := Process receive. Array with: m selector with: m payload size\n"
     "  with: (m payload at: 1) == m payload with: (m payload at: 900)] fork.\n"
     "p send: #big with: a. p wait",
     "(big 900 true abc)", AWAY_COPY},
    {"| a p | a := Array new: 900 withAll: 5.\n"
     "p := [:x | a inject: x into: [:s :e | s + e]] forkWith: (Array with: a with: 1).\n"
     "p exitReason. [a size] fork wait + ([:x | (x at: 1) size] forkWith: (Array with: a)) wait",
     "1800", AWAY_COPY},
    {"| p me | me := Process current.\n"
     "p := [(1 to: 900) asArray] fork. p wait size + p wait size",
     "1800", AWAY_END},
    {"| dead | dead := [nil] fork. dead wait. dead send: (Array new: 900)", "false", AWAY_KINDS},
    {"| p | p := [Process receive] fork. p kill. p wait. p send: (Array new: 900). 3", "3",
     AWAY_KINDS},
    {"[[:x | x foo: (Array new: 900) bar: x] value: (Array new: 900)]\n"
     "  on: MessageNotUnderstood do: [:e | e message arguments size]",
     "2", AWAY_KINDS},
    {"| p | p := [[| l | l := ArrayList new. [true] whileTrue: [l add: (Array new: 50).\n"
     "  l size > 40 ifTrue: [l := ArrayList new]]] ensure: [Array new: 300]] fork.\n"
     "Process sleep: 3. p terminate. p wait. p exitReason",
     "shutdown", AWAY_COLLECT},
    {"[Process current send: (Array with: (WeakReference on: 'x' copy) with: (Array new: 900))]\n"
     "  on: Error do: [:e | #refused]",
     "refused", AWAY_KINDS},
    {"| c p | c := Channel new. p := [(c receive at: 900) + (c receive at: 900)] fork.\n"
     "c send: (Array new: 900 withAll: 4).\n"
     "Channel select: {c onSend: (Array new: 900 withAll: 5) do: [nil]}. p wait",
     "9", AWAY_COPY},
    {"| c p | c := Channel new. p := [Channel select: {c onReceive: [:x | x size]}] fork.\n"
     "Channel select: {c onSend: (Array new: 900) do: [#first].\n"
     "  c onSend: (Array new: 900) do: [#first]. c onSend: (Array new: 900) do: [#first]}. p wait",
     "900", AWAY_COPY},
    {"| p | p := Promise new. [p resolve: (Array new: 900 withAll: 3)] fork. (p wait at: 900) * 2",
     "6", AWAY_COPY},
    {"Compiler setGlobal: #PausesBig to: (Array new: 900 withAll: 8).\n"
     "Compiler updateGlobal: #PausesBig with: [:old | (Array with: 1 with: old copy)].\n"
     "((Compiler getGlobal: #PausesBig) at: 2) at: 900",
     "8", AWAY_COPY},
    {"Array with: (Keeper keep: (Array new: 900 withAll: 2)) with: (Keeper kept at: 7)", "(900 2)",
     AWAY_COPY},
    {"[Process _assign: 3] on: Error do: [:e | #refused]", "refused", AWAY_KINDS},
    {"| a p | a := Array new: 900 withAll: 5. Process current trapExit: true.\n"
     "p := [a size] forkLink. p wait + p exitReason size",
     "906", AWAY_COPY},
    {"| p | p := [| r | r := Process receive. r reply: (r payload collect: [:x | x + 1])] fork.\n"
     "(p call: #plus with: (Array new: 900 withAll: 1) timeout: 60000) at: 900",
     "2", AWAY_COPY},
    {"Process current sendAfter: 1 message: (Array new: 900 withAll: 6). Process receive payload "
     "at: 900",
     "6", AWAY_COPY},
    {"| a | a := Atom on: 0. a value: (Array new: 900 withAll: 7).\n"
     "a swap: [:x | x collect: [:y | y + 1]]. a value at: 900",
     "8", AWAY_COPY},
    {"| t k | t := Table new. k := #key. t at: k put: (Array new: 900 withAll: 9).\n"
     "t at: k put: (Array new: 900 withAll: 10). Array with: t size with: ((t at: k) at: 900)",
     "(1 10)", AWAY_COPY},
    {"| t k | t := Table new. t at: 1 put: (Array new: 900 withAll: 9). k := 0.\n"
     "t do: [:row | k := k + (row at: 3)]. 3 timesRepeat: [k := k + ((t at: 1) at: 900)].\n"
     "t update: 1 with: [:row | row collect: [:x | x + 1]]. k + ((t removeKey: 1) at: 5)",
     "46", AWAY_COPY},
    {"| c a | a := Atom on: (Array new: 900 withAll: 3). c := WaitGroup new.\n"
     "4 timesRepeat: [c wrap: [8 timesRepeat: [a swap: [:x | x collect: [:y | y + 1]]]]]. c wait.\n"
     "a value at: 900",
     "35", AWAY_COPY},
    {"| p | p := [Process receive] fork. p exit: (Array new: 900 withAll: 2). p wait.\n"
     "p exitReason at: 900",
     "2", AWAY_COPY},
    {"| p | p := [Process mailboxLimit: 1 policy: #suspendSender. Process sleep: 5.\n"
     "  (1 to: 6) inject: 0 into: [:s :i | s + (Process receive payload at: 900)]] fork.\n"
     "1 to: 6 do: [:i | p send: (Array new: 900 withAll: i)]. p wait",
     "21", AWAY_COPY},
};
#define NPROGRAMS (sizeof programs / sizeof *programs)

static void open(VmKit *k, const VmKitOptions *options)
{
    vmkit_open(k, options);
    vmkit_load(k, "Keeper subclass: Object\n"
                  "  classVars: Kept\n"
                  "  classMethod: keep: x [ Kept := x. ^Kept size ]\n"
                  "  classMethod: kept [ ^Kept ]\n");
}

static uint64_t away(const VmKit *k, AwayKind kind) { return k->vm->away_counters.jobs[kind]; }

static void run_all(const VmKitOptions *options)
{
    VmKit k;
    open(&k, options);
    for (size_t i = 0; i < NPROGRAMS; i++)
        vmkit_expect(&k, programs[i].source, programs[i].wanted);
    vmkit_stop(&k);
    for (int kind = 0; kind < AWAY_KINDS; kind++)
        assert_int_not_equal(away(&k, (AwayKind)kind), 0);
    vmkit_close(&k);
}

static void each_program_leaves_by_itself(void **state)
{
    (void)state;
    VmKit k;
    open(&k, &(VmKitOptions){.simulated = true, .seed = 2, .long_words = TINY});
    for (size_t i = 0; i < NPROGRAMS; i++) {
        uint64_t before = programs[i].kind == AWAY_KINDS ? 0 : away(&k, programs[i].kind);
        vmkit_expect(&k, programs[i].source, programs[i].wanted);
        if (programs[i].kind != AWAY_KINDS)
            assert_true(away(&k, programs[i].kind) > before);
    }
    vmkit_close(&k);
}

static void long_work_leaves_its_scheduler_on_threads(void **state)
{
    (void)state;
    run_all(&(VmKitOptions){.schedulers = 1, .long_words = TINY});
    run_all(&(VmKitOptions){.schedulers = 3, .long_words = TINY});
}

static void long_work_leaves_its_scheduler_in_the_simulator(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        run_all(&(VmKitOptions){.simulated = true,
                                .seed = seed,
                                .schedulers = 1 + (uint32_t)seed % 3,
                                .long_words = TINY});
}

static void short_work_stays(void **state)
{
    (void)state;
    VmKit k;
    open(&k, &(VmKitOptions){.simulated = true, .seed = 3, .long_words = HEAP_LONG_WORDS});
    vmkit_expect(&k,
                 "| p | p := [Process receive payload size] fork. p send: (Array new: 900).\n"
                 "Process collectGarbage. p wait",
                 "900");
    for (int kind = 0; kind < AWAY_KINDS; kind++)
        assert_int_equal(away(&k, (AwayKind)kind), 0);
    vmkit_close(&k);
}

static uint64_t trace_of(uint64_t seed)
{
    VmKit k;
    open(&k, &(VmKitOptions){.simulated = true, .seed = seed, .schedulers = 2, .long_words = TINY});
    for (size_t i = 0; i < NPROGRAMS; i++)
        vmkit_spawn(&k, programs[i].source);
    vmkit_run(&k);
    for (size_t i = 0; i < NPROGRAMS; i++)
        assert_string_equal(vmkit_result(&k, (uint32_t)i), programs[i].wanted);
    uint64_t hash = sched_sim_hash(k.vm->group);
    vmkit_close(&k);
    return hash;
}

static void equal_seeds_give_equal_traces(void **state)
{
    (void)state;
    assert_int_equal(trace_of(11), trace_of(11));
    assert_int_not_equal(trace_of(11), trace_of(12));
}

/* ---- signals that come meanwhile ------------------------------------------------------------ */

static Process *job_process(const VmKit *k, uint32_t job)
{
    return process_of_pid(k->vm->actors, k->jobs[job].pid);
}

/* Steps until the job's process is in the hands of another thread, which has not begun. */
static void run_until_away(VmKit *k, uint32_t job, AwayKind kind, ProcessWait wait)
{
    for (int tries = 0; tries < 4000000; tries++) {
        uint64_t before = away(k, kind);
        vmkit_steps(k, 1);
        const Process *p = job_process(k, job);
        assert_non_null(p);
        if (p->wait == wait && away(k, kind) == before)
            return;
    }
    fail();
}

static void send_kill(VmKit *k, uint32_t job)
{
    ActorCtx *cx = &k->vm->outside->actor;
    epoch_begin(cx->epoch);
    assert_ok(process_send_exit(cx, NULL, k->jobs[job].pid, value_symbol(SYM_KILLED), true));
    epoch_end(cx->epoch);
}

/* The process stays as it is until the work is done, whatever else steps. */
static void stays_until_done(VmKit *k, uint32_t job, AwayKind kind, ProcessWait wait)
{
    uint64_t before = away(k, kind);
    for (int tries = 0; tries < 100000; tries++) {
        const Process *p = job_process(k, job);
        assert_non_null(p);
        assert_int_equal(p->state, PROCESS_LIVE);
        assert_int_equal(p->wait, wait);
        vmkit_steps(k, 1);
        if (away(k, kind) != before)
            return;
    }
    fail();
}

static void kill_while_away(const char *script, AwayKind kind, ProcessWait wait, const char *reason)
{
    VmKit k;
    vmkit_open(&k,
               &(VmKitOptions){.simulated = true, .seed = 1, .schedulers = 2, .long_words = TINY});
    for (int time = 0; time < 6; time++) {
        uint32_t job = vmkit_spawn(&k, script);
        run_until_away(&k, job, kind, wait);
        send_kill(&k, job);
        stays_until_done(&k, job, kind, wait);
        (void)vmkit_run_on(&k);
        assert_string_equal(vmkit_reason(&k, job), reason);
        vmkit_expect(&k, "[4] fork wait", "4");
    }
    vmkit_close(&k);
}

static void a_kill_waits_for_the_end_of_a_collection(void **state)
{
    (void)state;
    kill_while_away("| a | a := Array new: 900 withAll: 'x'. Process collectGarbage. a size",
                    AWAY_COLLECT, PROCESS_WAIT_COLLECT, "killed");
}

static void a_kill_waits_for_the_end_of_a_copy(void **state)
{
    (void)state;
    kill_while_away("| p | p := [Process receive: 5] fork. p send: (Array new: 900). p wait",
                    AWAY_COPY, PROCESS_WAIT_COPY, "killed");
    kill_while_away("| a | a := Array new: 900. [a size] fork wait", AWAY_COPY, PROCESS_WAIT_COPY,
                    "killed");
}

static void a_kill_of_what_is_ending_comes_too_late(void **state)
{
    (void)state;
    kill_while_away("Array new: 900", AWAY_END, PROCESS_WAIT_END, "normal");
}

static void termination_waits_for_the_end_of_a_copy(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 5, .long_words = TINY});
    uint32_t job = vmkit_spawn(&k, "| p out | p := [Process receive: 9] fork.\n"
                                   "[p send: (Array new: 900)] ensure: [p send: #unwound].\n"
                                   "p wait");
    run_until_away(&k, job, AWAY_COPY, PROCESS_WAIT_COPY);
    ActorCtx *cx = &k.vm->outside->actor;
    epoch_begin(cx->epoch);
    assert_ok(process_send_exit(cx, NULL, k.jobs[job].pid, value_symbol(SYM_SHUTDOWN), false));
    epoch_end(cx->epoch);
    stays_until_done(&k, job, AWAY_COPY, PROCESS_WAIT_COPY);
    (void)vmkit_run_on(&k);
    assert_string_equal(vmkit_reason(&k, job), "shutdown");
    vmkit_close(&k);
}

/* ---- memory that fails there ----------------------------------------------------------------- */

#ifdef MAGGIE_GC_STRESS
#define FAIL_ITEMS "60" /* each operation collects and verifies all of it */
#define FAIL_LONG TINY
#else
#define FAIL_ITEMS "40000" /* more than pools have at hand */
#define FAIL_LONG HEAP_LONG_WORDS
#endif

static void memory_that_fails_while_away_ends_that_process(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 9, .long_words = FAIL_LONG});
    uint32_t other = vmkit_spawn(&k, "Process sleep: 100000. #fine");
    uint32_t job = vmkit_spawn(&k, "| l | l := ArrayList new.\n"
                                   "1 to: " FAIL_ITEMS " do: [:i | l add: (Array new: 4)].\n"
                                   "Process receive: 5. Process collectGarbage. l size");
    run_until_away(&k, job, AWAY_COLLECT, PROCESS_WAIT_COLLECT);
    while (job_process(&k, job)->state == PROCESS_LIVE &&
           strcmp(process_wait_name(job_process(&k, job)->wait), "collecting") == 0) {
        /* only while the collection itself runs */
        uint64_t failed = k.sim.alloc_failed;
        k.sim.alloc_fail_after = k.sim.alloc_count + 1;
        vmkit_steps(&k, 1);
        k.sim.alloc_fail_after = 0;
        if (k.sim.alloc_failed != failed)
            break;
    }
    vmkit_run(&k);
    assert_string_equal(vmkit_reason(&k, job), "noMemory");
    assert_string_equal(vmkit_result(&k, other), "fine");
    vmkit_close(&k);
}

/* A node that stops does not begin what is queued, and everything comes back. */
static void a_node_stops_with_work_away(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        AwayKind kind;
        ProcessWait wait;
    } cases[] = {
        {"| a | a := Array new: 900. Process collectGarbage", AWAY_COLLECT, PROCESS_WAIT_COLLECT},
        {"Process current send: (Array new: 900)", AWAY_COPY, PROCESS_WAIT_COPY},
        {"| a | a := Array new: 900. [a] fork wait", AWAY_COPY, PROCESS_WAIT_COPY},
        {"Array new: 900", AWAY_END, PROCESS_WAIT_END},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        VmKit k;
        vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = i, .long_words = TINY});
        uint32_t job = vmkit_spawn(&k, cases[i].script);
        run_until_away(&k, job, cases[i].kind, cases[i].wait);
        vmkit_close(&k);
    }
}

TESTKIT_MAIN(cmocka_unit_test(long_work_leaves_its_scheduler_on_threads),
             cmocka_unit_test(long_work_leaves_its_scheduler_in_the_simulator),
             cmocka_unit_test(each_program_leaves_by_itself), cmocka_unit_test(short_work_stays),
             cmocka_unit_test(equal_seeds_give_equal_traces),
             cmocka_unit_test(a_kill_waits_for_the_end_of_a_collection),
             cmocka_unit_test(a_kill_waits_for_the_end_of_a_copy),
             cmocka_unit_test(a_kill_of_what_is_ending_comes_too_late),
             cmocka_unit_test(termination_waits_for_the_end_of_a_copy),
             cmocka_unit_test(memory_that_fails_while_away_ends_that_process),
             cmocka_unit_test(a_node_stops_with_work_away))
