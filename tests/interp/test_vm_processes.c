/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_processes.c - one list of programs of processes, run under threads and under the
 * simulator; equal seeds, equal traces; memory that fails; ends and what they leave behind.
 * Threads: the VM's own. */
#include "vmkit.h"

/* Nothing here depends on how fast anything runs: every order is forced by a message or an end. */
static const VmProgram programs[] = {
    {"a fork answers what its block answered", "[6 * 7] fork wait", "42"},
    {"many forks",
     "| ps sum | ps := (1 to: 200) asArray collect: [:i | [:x | x * x] forkWith: i].\n"
     "sum := 0. ps do: [:p | sum := sum + p wait]. sum",
     "2686700"},
    {"forks of forks",
     "| tree | tree := nil.\n"
     "[:depth | | make |\n"
     "  make := nil.\n"
     "  make := [:d | d = 0 ifTrue: [1] ifFalse: [| a b |\n"
     "    a := make forkWith: d - 1. b := make forkWith: d - 1. a wait + b wait]].\n"
     "  make value: depth] value: 6",
     "64"},
    {"messages of one sender keep their order",
     "| me ps got ok | me := Process current.\n"
     "ps := (1 to: 4) asArray collect: [:s | [1 to: 100 do: [:i |\n"
     "  me send: (Array with: s with: i)]] fork].\n"
     "got := Array new: 4 withAll: 0. ok := true.\n"
     "1 to: 400 do: [:n | | m | m := Process receive payload.\n"
     "  (got at: (m at: 1)) + 1 = (m at: 2) ifFalse: [ok := false].\n"
     "  got at: (m at: 1) put: (m at: 2)].\n"
     "ok",
     "true"},
    {"ping and pong",
     "| me pong sum | me := Process current. sum := 0.\n"
     "pong := [| m | [(m := Process receive) selector == #stop] whileFalse: [\n"
     "  m sender send: m payload + 1]] fork.\n"
     "1 to: 500 do: [:i | pong send: #ping with: i. sum := sum + Process receive payload].\n"
     "pong send: #stop with: nil. pong wait. sum",
     "125750"},
    {"a message is a copy",
     "| me a p | me := Process current. a := Array with: 1 with: 2.\n"
     "p := [| m | m := Process receive payload. m at: 1 put: 99. me send: m] fork.\n"
     "p send: a. a at: 2 put: 7.\n"
     "Array with: (a at: 1) with: (Process receive payload at: 1)",
     "(1 99)"},
    {"cycles and sharing inside a message stay",
     "| me a p | me := Process current. a := Array new: 3.\n"
     "a at: 1 put: a; at: 2 put: 'x' copy; at: 3 put: (a at: 2).\n"
     "p := [me send: Process receive payload] fork. p send: a.\n"
     "a := Process receive payload.\n"
     "Array with: (a at: 1) == a with: (a at: 2) == (a at: 3)",
     "(true true)"},
    {"captured variables are copied at the fork", "| n | n := 1. [n := n + 10] fork wait. n", "1"},
    {"channels lose nothing, whoever is killed at them",
     "| ch sum victims done got | ch := Channel new: 2. sum := Channel new: 1. got := 0.\n"
     "victims := (1 to: 12) asArray collect: [:i | i odd\n"
     "  ifTrue: [[[true] whileTrue: [ch receive]] fork]\n"
     "  ifFalse: [[[true] whileTrue: [Channel select: {ch -> [:x | x].\n"
     "  Channel new -> [:x | x]. Channel after: 100000 do: [nil]}]] fork]].\n"
     "victims do: [:p | p kill]. victims do: [:p | p wait].\n"
     "[| n | n := 0. ch do: [:x | n := n + x]. sum send: n] fork.\n"
     "done := WaitGroup new.\n"
     "1 to: 10 do: [:i | done wrap: [1 to: 10 do: [:k | ch send: k]]].\n"
     "done wait. ch close. sum receive",
     "550"},
    {"two selects that face each other always meet",
     "| a b done total | a := Channel new. b := Channel new. done := Channel new. total := 0.\n"
     "[1 to: 50 do: [:i | Channel select: {a -> [:x | 1]. b onSend: i do: [1]}]. done send: 50]\n"
     "  fork.\n"
     "[1 to: 50 do: [:i | Channel select: {b -> [:x | 1]. a onSend: i do: [1]}]. done send: 50]\n"
     "  fork.\n"
     "2 timesRepeat: [total := total + done receive]. total",
     "100"},
    {"a mutex lets one in, and outlives its holders",
     "| m log g all | m := Mutex new. log := Channel new: 1000. g := WaitGroup new.\n"
     "1 to: 8 do: [:i | g wrap: [10 timesRepeat: [\n"
     "  m critical: [log send: i. Process yield. log send: i]]]].\n"
     "(g wrap: [m critical: [Process sleep: 100000]]) kill.\n"
     "g wait. log close. all := log asArray.\n"
     "{all size. (1 to: all size by: 2) allSatisfy: [:i | (all at: i) = (all at: i + 1)].\n"
     "  m isLocked}",
     "(160 true false)"},
    {"a context cancels all that hangs on it",
     "| root done | root := CancellationContext withCancel. done := WaitGroup new.\n"
     "1 to: 40 do: [:i | | c |\n"
     "  c := i even ifTrue: [root withCancel] ifFalse: [root withTimeout: i].\n"
     "  done wrap: [i \\\\ 3 = 0 ifTrue: [c wait] ifFalse: [c doneChannel receive]]].\n"
     "Process sleep: 5. root cancel. done wait count",
     "0"},
    {"large messages arrive whole",
     "| p s | s := 'abc' repeat: 50000.\n"
     "p := [| m | m := Process receive payload. m size + Process receive payload size] fork.\n"
     "p send: s. p send: (Array new: 20000 withAll: s). p wait",
     "170000"},
    {"sleeping takes at least its time",
     "| from ps | from := System monotonicNanoseconds.\n"
     "ps := (1 to: 20) asArray collect: [:i | [Process sleep: i] fork].\n"
     "ps do: [:p | p wait]. System monotonicNanoseconds - from >= 20000000",
     "true"},
    {"receive: gives up", "Process receive: 2", "nil"},
    {"receive: takes what comes in time",
     "| me | me := Process current. [Process sleep: 1. me send: 5] fork.\n"
     "(Process receive: 1000000) payload",
     "5"},
    {"tryReceive never waits", "Process tryReceive", "nil"},
    {"terminate ends a loop",
     "| p | p := [[true] whileTrue: []] fork. Process yield. p terminate. p wait.\n"
     "Array with: p exitReason with: p isAlive",
     "(shutdown false)"},
    {"terminate ends whatever waits",
     "| me ps | me := Process current.\n"
     "ps := Array with: [Process receive] fork with: [Process sleep: 100000000] fork\n"
     "  with: [me wait] fork.\n"
     "Process yield. ps do: [:p | p terminate]. ps do: [:p | p wait].\n"
     "ps collect: [:p | p exitReason]",
     "(shutdown shutdown shutdown)"},
    {"ensure: blocks run at terminate, from the inside out",
     "| me p | me := Process current.\n"
     "p := [[[me send: #ready. Process receive] ensure: [me send: 1]] ensure: [me send: 2]] fork.\n"
     "Process receive. p terminate. p wait.\n"
     "Array with: Process receive payload with: Process receive payload",
     "(1 2)"},
    {"kill runs no ensure: block",
     "| me p | me := Process current.\n"
     "p := [[me send: #ready. Process receive] ensure: [me send: 1]] fork.\n"
     "Process receive. p kill. p wait.\n"
     "Array with: p exitReason with: Process tryReceive",
     "(killed nil)"},
    {"an exception that nobody handles ends its process only",
     "| p | p := [1 / 0] fork. p wait. Array with: p exitReason with: p exitMessage",
     "(error ZeroDivide: division by zero)"},
    {"any object can be a reason",
     "| p | p := [Process receive] fork. p exit: #(1 2). p wait. p exitReason", "(1 2)"},
    {"the dead take no messages", "| p | p := [nil] fork. p wait. p send: 1", "false"},
    {"a return in a forked block ends it with the value", "[[:x | ^x] value: 5. 6] fork wait", "5"},
    {"a ring",
     "| me first prev laps | me := Process current. prev := me.\n"
     "1 to: 50 do: [:i | | next | next := prev.\n"
     "  prev := [[true] whileTrue: [next send: Process receive payload + 1]] fork].\n"
     "laps := 0. prev send: 0.\n"
     "[laps < 20] whileTrue: [laps := laps + 1. first := Process receive payload.\n"
     "  laps < 20 ifTrue: [prev send: first]]. first",
     "1000"},
    {"each process has its own dictionary and priority",
     "([Process current priority] forkAt: #high) wait", "high"},
    {"three priorities all make progress",
     "| me | me := Process current.\n"
     "#(#high #normal #low) do: [:p | [1 to: 50 do: [:i | Process yield]. me send: p] forkAt: p].\n"
     "(1 to: 3) asArray collect: [:i | Process receive]. #done",
     "done"},
    {"what one process prints stays in order",
     "1 to: 100 do: [:i | System writeLine: i printString]. #printed", "printed"},
    {"allocation beside messages",
     "| me p | me := Process current.\n"
     "p := [| keep | keep := ArrayList new.\n"
     "  1 to: 300 do: [:i | keep add: Process receive payload. keep add: (Array new: 50)].\n"
     "  me send: (keep inject: 0 into: [:a :x | x isInteger ifTrue: [a + x] ifFalse: [a]])] fork.\n"
     "1 to: 300 do: [:i | p send: i]. Process receive payload",
     "45150"},
    {"updates of a global at the same time lose nothing",
     "| ps all | Compiler setGlobal: #Accounts to: #(500 0 0).\n"
     "ps := (1 to: 8) asArray collect: [:k | [1 to: 50 do: [:i |\n"
     "  Compiler updateGlobal: #Accounts with: [:old | | n | n := (old at: 1) min: k.\n"
     "    i \\\\ 7 = 0 ifTrue: [Process yield].\n"
     "    {(old at: 1) - n. (old at: 2) + n. (old at: 3) + 1}]]] fork].\n"
     "ps do: [:p | p wait]. all := Compiler getGlobal: #Accounts.\n"
     "{(all at: 1) + (all at: 2). all at: 3}",
     "(500 400)"},
};
#define NPROGRAMS (sizeof programs / sizeof *programs)

static void programs_run_on_threads(void **state)
{
    (void)state;
    vmkit_programs_on_threads(programs, NPROGRAMS, 4);
}

static void programs_run_on_one_thread(void **state)
{
    (void)state;
    vmkit_programs_on_threads(programs, NPROGRAMS, 1);
}

static void programs_run_at_the_same_time(void **state)
{
    (void)state;
    VmKit k;
    uint32_t jobs[NPROGRAMS];
    vmkit_open(&k, &(VmKitOptions){.schedulers = 4});
    for (size_t i = 0; i < NPROGRAMS; i++)
        jobs[i] = vmkit_spawn(&k, programs[i].source);
    vmkit_run(&k);
    for (size_t i = 0; i < NPROGRAMS; i++)
        assert_string_equal(vmkit_result(&k, jobs[i]), programs[i].wanted);
    vmkit_close(&k);
}

static void programs_run_in_the_simulator(void **state)
{
    (void)state;
    vmkit_programs_simulated(programs, NPROGRAMS, (uint64_t)TESTKIT_SCALE(10));
}

/* ---- seeds ----------------------------------------------------------------------------------- */

static uint64_t trace_of(uint64_t seed)
{
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = seed, .schedulers = 3});
    for (size_t i = 0; i < NPROGRAMS; i++)
        (void)vmkit_spawn(&k, programs[i].source);
    vmkit_run(&k);
    uint64_t hash = sched_sim_hash(k.vm->group);
    vmkit_close(&k);
    return hash;
}

static void equal_seeds_give_equal_traces(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_int_equal(trace_of(seed), trace_of(seed));
}

static void different_seeds_give_different_traces(void **state)
{
    (void)state;
    uint64_t seen[6];
    for (uint64_t seed = 0; seed < 6; seed++) {
        seen[seed] = trace_of(100 + seed);
        for (uint64_t other = 0; other < seed; other++)
            assert_int_not_equal(seen[other], seen[seed]);
    }
}

TESTKIT_MAIN(cmocka_unit_test(programs_run_on_threads),
             cmocka_unit_test(programs_run_on_one_thread),
             cmocka_unit_test(programs_run_at_the_same_time),
             cmocka_unit_test(programs_run_in_the_simulator),
             cmocka_unit_test(equal_seeds_give_equal_traces),
             cmocka_unit_test(different_seeds_give_different_traces))
