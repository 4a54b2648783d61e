/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_failures.c - allocations that fail while programs run: processes may end, with a reason;
 * the machine goes on, answers afterwards and gives every byte back (I8).
 * Threads: one, the simulator's. */
#include "vmkit.h"

static const char *const programs[] = {
    /* processes, messages, results */
    "| me ps | me := Process current.\n"
    "ps := (1 to: 12) asArray collect: [:i | [:x | me send: x. x * x] forkWith: i].\n"
    "12 timesRepeat: [Process receive]. ps inject: 0 into: [:a :p | a + p wait]",
    /* a heap that grows, large objects, strings outside the heap */
    "| l s | l := ArrayList new. s := 'x'.\n"
    "1 to: 200 do: [:i | l add: (Array new: i * 10). s := s , 'abcdefgh'].\n"
    "l add: (Array new: 20000). l add: (s repeat: 50). l size",
    /* dictionaries that are rehashed, big integers, symbols */
    "| d n | d := Dictionary new. 1 to: 1500 do: [:i | d at: i printString put: i]. n := 1.\n"
    "1 to: 200 do: [:i | n := n * i]. d at: #x put: n printString size. d size",
    /* a deep stack; exceptions over it */
    "| down | down := nil. down := [:k | k = 0 ifTrue: [1 / 0] ifFalse: [1 + (down value: k - "
    "1)]].\n"
    "[down value: 3000] on: ZeroDivide do: [:e | #caught]",
    /* a large message, and a process that waits for it */
    "| p | p := [| m | m := Process receive payload. m size + (m at: 1) size] fork.\n"
    "p send: (Array new: 5000 withAll: ('text' repeat: 2000)). p wait",
    /* ends with ensure: blocks and terminate */
    "| me p | me := Process current.\n"
    "p := [[me send: #ready. Process receive] ensure: [me send: #bye]] fork.\n"
    "Process receive. p terminate. p wait. Process receive payload",
    /* channels, select, locks, contexts; the end of processes that wait for them */
    "| ch out g m c p | ch := Channel new: 2. out := Channel new. g := WaitGroup new.\n"
    "m := Mutex new.\n"
    "c := CancellationContext withTimeout: 500.\n"
    "1 to: 4 do: [:i |\n"
    "  g wrap: [1 to: 5 do: [:k | ch send: (Array new: k * 40)]. m critical: [i]]].\n"
    "1 to: 3 do: [:i | [[true] whileTrue: [Channel select: {ch -> [:x | out send: x size].\n"
    "    c doneChannel -> [:x | Process current terminate]}]] fork].\n"
    "p := [m critical: [out send: 1. Process receive]] fork.\n"
    "1 to: 10 do: [:i | Channel select: {out -> [:x | x]. Channel after: 900 do: [0]}].\n"
    "p kill. c cancel. (Channel select: {out -> [:x | x]} ifNone: [0]). #done",
    /* output and globals */
    "Compiler setGlobal: #Shared to: (Array new: 300 withAll: 'v'). System writeLine: 'hello'.\n"
    "Shared size",
};
#define NPROGRAMS (sizeof programs / sizeof *programs)

static void reset_faults(VmKit *k)
{
    k->sim.alloc_fail_after = 0;
    k->sim.alloc_fail_one_in = 0;
}

/* A machine whose schedulers run already. */
static void open_running(VmKit *k, uint64_t seed, uint32_t schedulers)
{
    vmkit_open(k, &(VmKitOptions){.simulated = true, .seed = seed, .schedulers = schedulers});
    vmkit_expect(k, "[3] fork wait", "3");
    k->njobs = k->nended = 0;
}

/* Lets the VM run into faults; whatever happens, every job must end, and the next one work. */
static void survive(VmKit *k, uint32_t job, uint64_t *failed)
{
    (void)vmkit_run_on(k);
    *failed = k->sim.alloc_failed;
    reset_faults(k);
    if (!k->jobs[job].ended) {
        /* its partner has died: only such a wait may go on for ever */
        k->quiescent = false;
        (void)vmkit_spawn(k, "Process list do: [:p | p == Process current ifFalse: [p terminate]]");
        vmkit_run(k);
    }
    if (strcmp(vmkit_reason(k, job), "normal") != 0)
        assert_int_not_equal(*failed, 0);
    assert_string_not_equal(vmkit_reason(k, job), "");
    vmkit_expect(k, "([:x | x + 4] forkWith: 3) wait", "7");
}

/* From the k-th allocation on nothing is given any more, until the program has ended. */
static void memory_that_runs_out_ends_processes_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < NPROGRAMS; i++) {
        uint64_t failed = 1;
        for (uint64_t nth = 1; failed != 0; nth += nth < 12 ? 1 : nth / 4) {
            VmKit k;
            open_running(&k, nth, 2);
            uint32_t job = vmkit_spawn(&k, programs[i]);
            k.sim.alloc_fail_after = k.sim.alloc_count + nth;
            survive(&k, job, &failed);
            vmkit_close(&k);
        }
    }
}

/* Single failures here and there. */
static void single_failures_end_processes_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < NPROGRAMS; i++) {
        for (uint32_t one_in = 2; one_in <= 64; one_in *= 2) {
            VmKit k;
            uint64_t failed;
            open_running(&k, one_in + i, 2);
            uint32_t job = vmkit_spawn(&k, programs[i]);
            k.sim.alloc_fail_one_in = one_in;
            survive(&k, job, &failed);
            vmkit_close(&k);
        }
    }
}

/* Methods that cannot be installed leave the old ones in force everywhere. */
static void code_that_finds_no_memory_changes_nothing(void **state)
{
    (void)state;
    VmKit k;
    open_running(&k, 5, 1);
    vmkit_load(&k,
               "Tag subclass: Object\n  method: one [ ^1 ]\n  method: sum [ ^self one + 10 ]\n");
    vmkit_expect(&k, "Tag new sum", "11");
    uint64_t failed = 1;
    for (uint64_t nth = 1; failed != 0; nth += 1 + nth / 16) {
        assert_true(nth < 100000);
        uint64_t before = k.sim.alloc_failed;
        uint32_t job = vmkit_spawn(
            &k, "[Tag compileAndInstall: 'method: one [ ^2 ]'] on: Error do: [:e | #failed]");
        k.sim.alloc_fail_after = k.sim.alloc_count + nth;
        (void)vmkit_run_on(&k);
        failed = k.sim.alloc_failed - before;
        reset_faults(&k);
        (void)job;
        uint32_t look = vmkit_spawn(&k, "Tag new sum - Tag new one");
        vmkit_run(&k);
        assert_string_equal(vmkit_result(&k, look), "10");
        k.njobs = k.nended = 0;
    }
    vmkit_expect(&k, "Tag new sum", "12");
    vmkit_close(&k);
}

/* A machine that cannot even be made says so. */
static void a_machine_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    EnvSim sim;
    Status status = STATUS_NO_MEMORY;
    for (uint64_t nth = 1; status != STATUS_OK; nth++) {
        Vm *vm = NULL;
        env_sim_init(&sim, 1);
        sim.alloc_fail_after = nth;
        VmConfig config = {.env = &sim.env, .sim = &sim, .schedulers = 2};
        status = vm_create(&config, &vm);
        sim.alloc_fail_after = 0;
        if (status == STATUS_OK)
            vm_destroy(vm);
        else
            assert_status(status, STATUS_NO_MEMORY);
        if (sim.bytes_live != 0)
            fprintf(stderr, "allocation %llu failed\n", (unsigned long long)nth);
        assert_int_equal(sim.bytes_live, 0);
        assert_true(nth < 10000);
    }
}

TESTKIT_MAIN(cmocka_unit_test(memory_that_runs_out_ends_processes_only),
             cmocka_unit_test(single_failures_end_processes_only),
             cmocka_unit_test(code_that_finds_no_memory_changes_nothing),
             cmocka_unit_test(a_machine_that_cannot_be_made_leaves_nothing))
