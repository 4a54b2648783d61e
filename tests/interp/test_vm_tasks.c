/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_tasks.c - programs of tasks, under threads and under the simulator: results in order,
 * failures along the link and no further, nothing left running.
 * Threads: the VM's own. */
#include "vmkit.h"

/* Nothing here depends on how fast anything runs. Where time decides, all outcomes are named. */
static const VmProgram programs[] = {
    {"tasks are awaited in any order",
     "| ts | ts := (1 to: 50) asArray collect: [:i | Task async: [i * i]].\n"
     "ts reversed inject: 0 into: [:sum :t | sum + t await]",
     "42925"},
    {"a task may be awaited again after its time and after its end",
     "| t a b | t := Task async: [Process receive payload].\n"
     "a := t await: 1 ifTimeout: [#late]. t process send: 3.\n"
     "b := t await: nil. Array with: a with: b with: (t await: nil)",
     "(late 3 3)"},
    {"time-outs without end leave nothing behind",
     "| t n | t := Task async: [Process receive]. n := 0.\n"
     "500 timesRepeat: [(t yield: 0) isNil ifTrue: [n := n + 1]].\n"
     "t process send: 1. Array with: n with: (t yield: nil) isSuccess",
     "(500 true)"},
    {"a failure ends the owner, whatever it does",
     "| ps | ps := (1 to: 30) asArray collect: [:i | [| t |\n"
     "  t := Task async: [i \\\\ 2 = 0 ifTrue: [Process yield]. Process exit: i].\n"
     "  i \\\\ 3 = 0 ifTrue: [t await: nil]. i \\\\ 3 = 1 ifTrue: [[true] whileTrue: []].\n"
     "  Process receive] fork].\n"
     "(ps doWithIndex: [:p :i | p wait. p exitCause = i ifFalse: [^p exitReason]]) size",
     "30"},
    {"no handler of the owner sees it before",
     "| ps | ps := (1 to: 40) asArray collect: [:i |\n"
     "  [[(Task async: [Process exit: #boom]) await: nil] on: Error do: [:e | #handled]] fork].\n"
     "(ps collect: [:p | p wait. p exitReason]) asSet asArray",
     "(linked)"},
    {"an owner that traps gets the failure from await, and no message",
     "| p | p := [| t | Process current trapExit: true.\n"
     "  t := Task async: [Process exit: #boom]. Array\n"
     "  with: ([t await: nil] on: ProcessExit do: [:e | e reason]) with: Process tryReceive\n"
     "  with: (Task async: [7]) await with: Process tryReceive] fork.\n"
     "p wait",
     "(boom nil 7 nil)"},
    {"an owner that gets exits as exceptions gets one",
     "| p | p := [Process current exitsAsExceptions: true.\n"
     "  [(Task async: [Process exit: #boom]) await: nil] on: ProcessExit do: [:e | e cause]] "
     "fork.\n"
     "p wait",
     "boom"},
    {"the end of an owner ends its tasks",
     "| me p ts | me := Process current.\n"
     "p := [me send: ((1 to: 20) asArray collect:\n"
     "  [:i | (Task async: [Process receive]) process]). Process receive] fork.\n"
     "ts := Process receive payload. ts do: [:t | t monitor]. p exit: #enough.\n"
     "(ts collect: [:t | Process receive cause]) asSet asArray",
     "(enough)"},
    {"without a link only await tells",
     "| t | t := Task asyncNoLink: [Process exit: #boom].\n"
     "Array with: ([t await: nil] on: ProcessExit do: [:e | e reason])\n"
     "  with: (t yield: 0) error with: t shutdown error",
     "(boom boom boom)"},
    {"a shutdown waits for ensure: blocks, then kills, and its owner lives",
     "| me a b log | me := Process current.\n"
     "a := Task async: [[me send: 1. Process receive] ensure: [me send: #cleaned]].\n"
     "b := Task async: [[me send: 1. Process receive] ensure: [Process receive]].\n"
     "Process receive. Process receive.\n"
     "log := Array with: a shutdown with: Process receive payload with: (b shutdown: 1).\n"
     "log , (Array with: b process exitReason with: Process tryReceive)",
     "(nil cleaned nil killed nil)"},
    {"a shutdown of what has just ended tells how",
     "| t | (1 to: 40) collect: [:i | | o | t := Task async: [i].\n"
     "  i \\\\ 4 timesRepeat: [Process yield].\n"
     "  o := t shutdown. (o isNil or: [o value = i]) ifFalse: [^#wrong]]. #right",
     "right"},
    {"a cancelled task ends and its owner does not",
     "| c ts | c := CancellationContext withCancel.\n"
     "ts := (1 to: 20) asArray collect: [:i |\n"
     "  Task async: [i odd ifTrue: [Process receive]. i] in: c].\n"
     "3 timesRepeat: [Process yield].\n"
     "c cancel.\n"
     "(ts reject: [:t | | o | o := t yield: nil.\n"
     "  o isSuccess ifTrue: [o value even] ifFalse: [o error == #cancelled]]) size",
     "0"},
    {"only the owner awaits",
     "| t | t := Task async: [1]. [[t await: nil] on: Error do: [:e | #refused]] fork wait",
     "refused"},
    {"collect keeps the order and the bound",
     "| now most lock | now := Atom on: 0. most := Atom on: 0.\n"
     "lock := Task collect: (1 to: 60) with: [:i | | n |\n"
     "  n := now swap: [:x | x + 1]. most swap: [:x | x max: n].\n"
     "  i \\\\ 5 timesRepeat: [Process yield]. now swap: [:x | x - 1]. i] atMost: 4 timeout: nil.\n"
     "Array with: lock = lock sort with: (lock inject: 0 into: [:a :b | a + b])\n"
     "  with: most value <= 4",
     "(true 1830 true)"},
    {"a failure in collect ends the caller by the link, with the cause",
     "| p | p := [Task collect: (1 to: 20) with: [:i | i = 7 ifTrue: [Process exit: #seven].\n"
     "  i > 7 ifTrue: [Process receive]. i] atMost: 10 timeout: nil] fork.\n"
     "p wait. Array with: p exitReason with: p exitCause",
     "(linked seven)"},
    {"failures that are handled stand in their places",
     "Task collect: (1 to: 5) with: [:i | i = 2 ifTrue: [Process exit: #two].\n"
     "  i = 4 ifTrue: [Process current kill. Process receive]. i] atMost: 2 timeout: nil\n"
     "  ifFailed: [:reason | reason]",
     "(1 two 3 killed 5)"},
    {"what takes too long is killed, the rest goes on",
     "| all | all := Task collect: (1 to: 4) with: [:i | i odd ifTrue: [Process receive]. i]\n"
     "  atMost: 2 timeout: 20 ifFailed: [:reason :each | each negated].\n"
     "Array with: (all at: 1) with: (all at: 2) abs with: (all at: 3) with: (all at: 4) abs",
     "(-1 2 -3 4)"},
    {"a time-out in collect ends all of it",
     "| box | box := Atom on: #().\n"
     "[Task collect: (1 to: 6) with: [:i | box swap: [:all | all copyWith: Process current].\n"
     "  Process receive] atMost: 3 timeout: 20] on: TimeoutError do: [:e | #late].\n"
     "(box value select: [:p | p isAlive]) size",
     "0"},
    {"who is killed in collect takes it along",
     "| me p ps | me := Process current.\n"
     "p := [Task collect: (1 to: 6) with: [:i | me send: Process current.\n"
     "  Process receive] atMost: 6 timeout: nil ifFailed: [:r | r]] fork.\n"
     "ps := (1 to: 6) asArray collect: [:i | Process receive payload].\n"
     "ps do: [:each | each monitor]. p kill.\n"
     "ps collect: [:each | Process receive]. (ps select: [:each | each isAlive]) size",
     "0"},
    {"who leaves collect by an exception takes it along",
     "| ps me q | me := Process current.\n"
     "q := [Process current exitsAsExceptions: true.\n"
     "  [Task collect: (1 to: 3) with: [:i | me send: Process current. Process receive]\n"
     "    atMost: 3 timeout: nil] on: ProcessExit do: [:e | me send: #left].\n"
     "  Process receive] fork.\n"
     "ps := (1 to: 3) asArray collect: [:i | Process receive payload].\n"
     "ps do: [:each | each monitor]. q link: [Process exit: #other] fork.\n"
     "(1 to: 4) collect: [:i | Process receive]. (ps select: [:each | each isAlive]) size",
     "0"},
    {"collect leaves no message, also in who traps exits",
     "| p | p := [Process current trapExit: true.\n"
     "  (Task collect: (1 to: 10) with: [:i | i]) , (Array with: Process tryReceive)] fork.\n"
     "p wait",
     "(1 2 3 4 5 6 7 8 9 10 nil)"},
};
#define NPROGRAMS (sizeof programs / sizeof *programs)

static void tasks_run_on_threads(void **state)
{
    (void)state;
    vmkit_programs_on_threads(programs, NPROGRAMS, 2);
}

static void tasks_run_in_the_simulator(void **state)
{
    (void)state;
    vmkit_programs_simulated(programs, NPROGRAMS, (uint64_t)TESTKIT_SCALE(6));
}

TESTKIT_MAIN(cmocka_unit_test(tasks_run_on_threads), cmocka_unit_test(tasks_run_in_the_simulator))
