/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_info.c - programs that look into processes, under threads and under the simulator: every
 * question is answered, by the process that was asked, whatever that one does.
 * Threads: the VM's own. */
#include "vmkit.h"

typedef struct Program {
    const char *what;
    const char *source; /* its last expression is the result */
    const char *wanted;
} Program;

static const char *const library =
    "Deep subclass: Object\n"
    "  classMethod: down: n then: aBlock [\n"
    "    ^n = 0 ifTrue: [aBlock value] ifFalse: [(self down: n - 1 then: aBlock) + 1]\n"
    "  ]\n"
    "  classMethod: churn [\n"
    "    [true] whileTrue: [\n"
    "      1 to: 20 do: [:i | self down: i then: [Process tryReceive. 0]].\n"
    "      Process receive: 0]\n"
    "  ]\n"
    "  classMethod: start: kind [\n"
    "    kind = 0 ifTrue: [^[Process receive] fork].\n"
    "    kind = 1 ifTrue: [^[[true] whileTrue: []] fork].\n"
    "    kind = 2 ifTrue: [^[self churn] fork].\n"
    "    kind = 3 ifTrue: [^[Process sleep: 1000000] fork].\n"
    "    kind = 4 ifTrue: [^[Promise new wait] fork].\n"
    "    kind = 5 ifTrue: [^[Channel new receive] fork].\n"
    "    ^[[[Process receive] fork] value wait] fork\n"
    "  ]\n";

/* Nothing here depends on how fast anything runs. */
static const Program programs[] = {
    {"a process in any state tells of itself",
     "| bad | bad := 0.\n"
     "1 to: 70 do: [:i | | p info |\n"
     "  p := Deep start: i \\\\ 7. i \\\\ 3 = 0 ifTrue: [Process yield].\n"
     "  info := p info.\n"
     "  (info process == p and: [info parent == Process current]) ifFalse: [bad := bad + 1].\n"
     "  p kill. p wait].\n"
     "bad",
     "0"},
    {"stacks are whole, at whatever moment",
     "| p bad | bad := 0. p := [Deep churn] fork.\n"
     "1 to: 300 do: [:i | | lines |\n"
     "  p send: i.\n"
     "  lines := p info stack.\n"
     "  (lines last startsWith: '[] in doIt') ifFalse: [bad := bad + 1].\n"
     "  lines do: [:each |\n"
     "    (each includesSubstring: 'class>>') | (each startsWith: '[] in ')\n"
     "      ifFalse: [bad := bad + 1]]].\n"
     "p kill. bad",
     "0"},
    {"a stack of a thousand frames tells of the first",
     "| p | p := [Deep down: 1000 then: [Process receive]] fork.\n"
     "[p status == #waiting] whileFalse: [Process sleep: 1].\n"
     "Array with: p info stack size with: p info stack last with: p info startedWith",
     "(66 ... nil)"},
    {"the dead tell nothing",
     "| all | all := (1 to: 40) asArray collect: [:i | [i] fork].\n"
     "all do: [:p | p wait].\n"
     "(all select: [:p | p info notNil]) size",
     "0"},
    {"who dies while it is asked tells or does not, but answers",
     "| odd | odd := 0.\n"
     "1 to: 60 do: [:i | | p info |\n"
     "  p := Deep start: i \\\\ 3. [p kill] fork.\n"
     "  info := p info.\n"
     "  (info isNil or: [info process == p]) ifFalse: [odd := odd + 1]].\n"
     "odd",
     "0"},
    {"an answer that nobody stayed for is not the next one's",
     "| slow fast bad main | main := Process current. bad := 0.\n"
     "slow := [Process current label: 'slow'. main send: 1. [true] whileTrue: []] forkAt: #low.\n"
     "fast := [Process current label: 'fast'. main send: 1. Process receive] fork.\n"
     "Process receive. Process receive.\n"
     "1 to: 150 do: [:i | | asker |\n"
     "  asker := [[slow info] ensure: [main send: fast info label]] fork.\n"
     "  i \\\\ 4 timesRepeat: [Process yield].\n"
     "  asker terminate. asker wait.\n"
     "  [asker := Process tryReceive] value notNil\n"
     "    ifTrue: [asker payload = 'fast' ifFalse: [bad := bad + 1]]].\n"
     "slow kill. fast kill. bad",
     "0"},
    {"processes that ask each other do not wait for each other",
     "| ps | ps := (1 to: 20) asArray collect: [:i | [\n"
     "  | all | all := Process receive payload.\n"
     "  (1 to: 30) do: [:n | (all at: n * i \\\\ 20 + 1) info]. i] fork].\n"
     "ps do: [:p | p send: ps]. (ps collect: [:p | p wait]) inject: 0 into: [:a :b | a + b]",
     "210"},
    {"a flooded process answers, and keeps every message",
     "| p n | p := [| n | n := 0.\n"
     "  [Process receive payload == #end] whileFalse: [n := n + 1]. n] fork.\n"
     "1 to: 20000 do: [:i | p send: i. i \\\\ 1000 = 0 ifTrue: [\n"
     "  p info process == p ifFalse: [p send: #end]]].\n"
     "p send: #end. p wait",
     "20000"},
    {"one that waits goes on waiting, and for the same",
     "| m p a b | m := Mutex new. m lock. p := [m lock] fork.\n"
     "[p status == #waiting] whileFalse: [Process sleep: 1].\n"
     "a := p info. b := p info.\n"
     "m unlock. p wait.\n"
     "Array with: a _waitNumber = b _waitNumber with: a waitsFor = b waitsFor\n"
     "  with: a blocker == Process current",
     "(true true true)"},
    {"links and monitors from both ends, many of them",
     "| p ps i | p := [[Process receive payload == #end] whileFalse: []] fork.\n"
     "ps := (1 to: 100) asArray collect: [:n | [p monitor. Process receive] fork].\n"
     "ps do: [:each | [each status == #waiting] whileFalse: [Process sleep: 1]].\n"
     "p monitor. i := p info.\n"
     "p send: #end. Process receive. ps do: [:each | each kill].\n"
     "Array with: i monitoredByCount with: i monitoredBy size with: i linkCount\n"
     "  with: i monitorCount",
     "(101 64 0 0)"},
    {"ancestors as far as they live",
     "| main p | main := Process current.\n"
     "p := [[main send: Process current info ancestors. Process receive] fork.\n"
     "  Process receive] fork.\n"
     "Array with: (Process receive payload at: 1) == p with: p parent == main",
     "(true true)"},
    {"processes that wait for each other are found, and only they",
     "| locks ps sizes | locks := (1 to: 5) asArray collect: [:i | Mutex new].\n"
     "ps := (1 to: 5) asArray collect: [:i | [\n"
     "  (locks at: i) lock. Process receive. (locks at: i \\\\ 5 + 1) lock] fork].\n"
     "ps := ps , (Array with: [(ps at: 2) wait] fork with: [Process receive] fork).\n"
     "ps do: [:p | [p status == #waiting] whileFalse: [Process sleep: 1]].\n"
     "sizes := Array with: System deadlocks size.\n"
     "(ps copyFrom: 1 to: 5) do: [:p | p send: 1].\n"
     "[((ps copyFrom: 1 to: 5) collect: [:p | p info blocker]) includes: nil]\n"
     "  whileTrue: [Process sleep: 1].\n"
     "sizes := sizes , (System deadlocks collect: [:each | each size]).\n"
     "ps do: [:p | p kill. p wait]. sizes , (Array with: System deadlocks size)",
     "(0 5 0)"},
    {"two that wait for each other's end",
     "| a b | a := [Process receive payload wait] fork. b := [a wait] fork. a send: b.\n"
     "[a info blocker == b and: [b info blocker == a]] whileFalse: [Process sleep: 1].\n"
     "[System deadlocks first size] ensure: [a kill. b kill]",
     "2"},
    {"two that call each other",
     "| ps | ps := (1 to: 2) asArray collect: [:i |\n"
     "  [(Process receiveSelector: #go) payload call: #x with: 1 timeout: nil] fork].\n"
     "ps first send: #go with: ps last. ps last send: #go with: ps first.\n"
     "[ps first info blocker == ps last and: [ps last info blocker == ps first]]\n"
     "  whileFalse: [Process sleep: 1].\n"
     "[System deadlocks first size] ensure: [ps do: [:p | p kill]]",
     "2"},
    {"a call that ends by itself is no deadlock",
     "| ps | ps := (1 to: 2) asArray collect: [:i |\n"
     "  [(Process receiveSelector: #go) payload call: #x with: 1 timeout: 100000] fork].\n"
     "ps first send: #go with: ps last. ps last send: #go with: ps first.\n"
     "ps do: [:p | [p waitsFor = 'call'] whileFalse: [Process sleep: 1]].\n"
     "[Array with: System deadlocks size with: ps first info blocker]\n"
     "  ensure: [ps do: [:p | p kill]]",
     "(0 nil)"},
    {"a promise that its debtor waits for, over a lock, a call, a join and a full mailbox",
     "| lock a b c d e | lock := Mutex new.\n"
     "a := [lock lock. Process receive payload call: #x with: 1 timeout: nil] fork.\n"
     "[lock isLocked] whileFalse: [Process yield].\n" /* else e may be faster */
     "b := [| m | m := Process receive. (m payload ~> work) wait] fork.\n"
     "c := [Process receive payload asPromise wait] fork.\n"
     "d := [| to | to := Process receive payload. 2 timesRepeat: [to send: 1]] fork.\n"
     "e := [lock critical: [1]] forkMailboxLimit: 1 policy: #suspendSender.\n"
     "[e info blocker == a] whileFalse: [Process sleep: 1].\n"
     "d send: e. c send: d. b send: c. a send: b.\n"
     "[{a. b. c. d. e} collect: [:p | [p info blocker isNil] whileTrue: [Process sleep: 1]].\n"
     " System deadlocks collect: [:each | each size]]\n"
     "  ensure: [{a. b. c. d. e} do: [:p | p kill]]",
     "(5)"},
    {"who asks itself and waits for that",
     "| p | p := [(Process current ~> work) wait] fork.\n"
     "[p info blocker == p] whileFalse: [Process sleep: 1].\n"
     "[Array with: System deadlocks size with: (p waitsFor)] ensure: [p kill]",
     "(1 promise)"},
    {"a promise that nobody was asked to settle is waited for by nobody in particular",
     "| q p | q := Promise new. p := [q wait] fork.\n"
     "[p status == #waiting] whileFalse: [Process sleep: 1].\n"
     "[Array with: System deadlocks size with: p info blocker] ensure: [q resolve: 1]",
     "(0 nil)"},
    {"who has a handle could end the wait",
     "| ch p | ch := Channel new. p := [ch receive] fork.\n"
     "[p status == #waiting] whileFalse: [Process sleep: 1].\n"
     "[System deadlocks size] ensure: [ch send: 1. p wait]",
     "0"},
    {"processes that wait for channels which nobody else has are found, in groups",
     "| ps | ps := [| a b c | a := Channel new. b := Channel new. c := Channel new: 1.\n"
     "  Array with: [a receive. b send: 1] fork with: [b receive. a send: 1] fork\n"
     "    with: [c receive] fork with: [Channel new send: 1] fork\n"
     "    with: [| s | s := Semaphore new. s acquire; acquire] fork\n"
     "    with: [Channel select: {Channel new -> [:x | x]. Channel new -> [:x | x]}] fork]\n"
     "  fork wait.\n"
     "[System deadlocks size = 5] whileFalse: [Process sleep: 1].\n"
     "[(System deadlocks collect: [:g | g size]) sort , (Array with:\n"
     "  (System deadlocks allSatisfy: [:g | g allSatisfy: [:each | ps includes: each process]]))]\n"
     "  ensure: [ps do: [:p | p kill; wait]]",
     "(1 1 1 1 2 true)"},
    {"joins and locks belong to such a group",
     "| n | n := [| ch m p q | ch := Channel new. m := Mutex new.\n"
     "  p := [m lock. ch receive] fork. [p status == #waiting] whileFalse: [Process sleep: 1].\n"
     "  q := [[m lock. ch send: 1] fork wait. ch send: 2] fork. 2] fork wait.\n"
     "[System deadlocks isEmpty] whileTrue: [Process sleep: 1].\n"
     "n := System deadlocks.\n"
     "n do: [:g | g do: [:each | each process kill; wait]]. n collect: [:g | g size]",
     "(3)"},
    {"the done channel of a context is served by who has no handle of it",
     "| c waits sizes | c := CancellationContext withCancel.\n"
     "waits := {\n"
     "  [[:x | x doneChannel receive] value: c] fork.\n"
     "  [[:x | x withCancel doneChannel receive] value: c] fork.\n"
     "  [(CancellationContext withTimeout: 100000) doneChannel receive] fork}.\n"
     "waits do: [:p | [p status == #waiting] whileFalse: [Process sleep: 1]].\n"
     "sizes := (1 to: 3) asArray collect: [:i | System deadlocks size].\n"
     "c cancel. waits last kill.\n"
     "sizes , ((waits copyFrom: 1 to: 2) collect: [:p | p wait])",
     "(0 0 0 true true)"},
    {"an exit that becomes an exception ends any wait",
     "| q n | q := [| helper |\n"
     "  helper := [Process receive. Process exit: #boom] forkLink.\n"
     "  Process current exitsAsExceptions: true.\n"
     "  [Channel new receive] on: ProcessExit do: [:e | e reason]] fork.\n"
     "[q waitsFor notNil and: [q waitsFor startsWith: 'channel']] whileFalse: [Process sleep: 1].\n"
     "n := (1 to: 3) asArray collect: [:i | System deadlocks size].\n"
     "q info links first send: 1. n , {q wait}",
     "(0 0 0 boom)"},
    {"who can be helped helps others, over any number of them",
     "| first last sizes | first := Channel new.\n"
     "last := [| c | c := first. (1 to: 12) asArray do: [:i | | from to |\n"
     "  from := c. to := c := Channel new. [to send: from receive + 1] fork]. c] fork wait.\n"
     "sizes := (1 to: 3) asArray collect: [:i | Process yield. System deadlocks size].\n"
     "first send: 0. sizes , {last receive}",
     "(0 0 0 12)"},
    {"a channel that many wait for makes one group of them and who waits for their end",
     "| n | n := [| ch p | ch := Channel new. p := [ch receive] fork.\n"
     "  1 to: 200 do: [:i | | q | q := p. p := i even ifTrue: [[ch receive] fork]\n"
     "    ifFalse: [[q wait. ch send: 1] fork]]. 1] fork wait.\n"
     "[System deadlocks anySatisfy: [:g | g size = 201]] whileFalse: [Process sleep: 1].\n"
     "n := System deadlocks first.\n"
     "n do: [:each | each process kill; wait]. n size",
     "201"},
    {"a handle that is on its way to somebody counts",
     "| q p n | q := [Process receiveSelector: #never] fork.\n"
     "p := [| ch | ch := Channel new. q send: ch. [ch receive] fork] fork wait.\n"
     "[p status == #waiting] whileFalse: [Process sleep: 1].\n"
     "n := (1 to: 5) asArray collect: [:i | Process yield. System deadlocks size].\n"
     "q kill. [System deadlocks isEmpty] whileTrue: [Process sleep: 1].\n"
     "[n , (Array with: System deadlocks size)] ensure: [p kill; wait]",
     "(0 0 0 0 0 1)"},
    {"channels back and forth are no deadlock",
     "| ps bad | bad := 0.\n"
     "ps := (1 to: 4) asArray collect: [:i | [| a b |\n"
     "  a := Channel new. b := Channel new: 1.\n"
     "  [1 to: 200 do: [:n | b send: a receive * 2.\n"
     "    n \\\\ 50 = 0 ifTrue: [Array new: 2000]]] fork.\n"
     "  1 to: 200 do: [:n | a send: n.\n"
     "    b receive = (n * 2) ifFalse: [Process exit: #wrong]]] fork].\n"
     "15 timesRepeat: [System deadlocks isEmpty ifFalse: [bad := bad + 1]. Process yield].\n"
     "ps do: [:p | p waitOrSignal]. bad",
     "0"},
    {"calls back and forth are no deadlock",
     "| ps bad | bad := 0.\n"
     "ps := (1 to: 2) asArray collect: [:i | [\n"
     "  | other | other := (Process receiveSelector: #go) payload.\n"
     "  i = 1 ifTrue: [1 to: 150 do: [:n | other call: #x with: n timeout: nil.\n"
     "    (Process receiveMatching: [:m | m isRequest]) reply: n]]\n"
     "    ifFalse: [1 to: 150 do: [:n | (Process receiveMatching: [:m | m isRequest]) reply: n.\n"
     "    other call: #y with: n timeout: nil]]] fork].\n"
     "ps first send: #go with: ps last. ps last send: #go with: ps first.\n"
     "10 timesRepeat: [System deadlocks isEmpty ifFalse: [bad := bad + 1]. Process yield].\n"
     "ps do: [:p | p wait]. bad",
     "0"},
    {"locks taken in order are no deadlock",
     "| a b ps bad | a := Mutex new. b := Mutex new. bad := 0.\n"
     "ps := (1 to: 6) asArray collect: [:i | [\n"
     "  1 to: 40 do: [:n |\n"
     "    a lock. Process yield. b lock. Process yield. b unlock. a unlock]] fork].\n"
     "10 timesRepeat: [System deadlocks isEmpty ifFalse: [bad := bad + 1]. Process yield].\n"
     "ps do: [:p | p wait]. bad",
     "0"},
    {"memory is counted where it is, and given back with who had it",
     "| strings main p n | main := Process current. strings := System memory at: #strings.\n"
     "p := [| text | text := String new: 3000000 withAll: $x. main send: 1.\n"
     "  Process receive. text size] fork.\n"
     "Process receive. n := (System memory at: #strings) - strings.\n"
     "p send: 1. p wait.\n"
     "[(System memory at: #strings) > strings] whileTrue: [Process sleep: 1].\n"
     "{n >= 3000000. (System memory at: #blocks) > 0.\n"
     " [:m | (m at: #total) >= ((m at: #blocks) + (m at: #code))] value: System memory}",
     "(true true true)"},
    {"the limits of a node are those it was given",
     "{System limits at: #processes. System limits at: #reservedProcesses.\n"
     " (System limits at: #symbols) > (System statistics at: #symbols)}",
     "(4194304 64 true)"},
    {"a label is cut between characters",
     "Process current label: ('\u00e9' repeat: 100). Process label size", "30"},
    {"a form of another shape is refused",
     "[Process current _infoOwn: (Array new: 3)] on: TypeError do: [:e | #refused]", "refused"},
    {"somebody else's label stays as it is",
     "| p | p := [Process receive] fork. [p label: 'x'] on: Error do: [:e | p kill. #refused]",
     "refused"},
};
#define NPROGRAMS (sizeof programs / sizeof *programs)

static void run_program(VmKit *k, const Program *p)
{
    print_message("  %s\n", p->what);
    vmkit_expect(k, p->source, p->wanted);
}

static void run_all(const VmKitOptions *options)
{
    VmKit k;
    vmkit_open(&k, options);
    vmkit_load(&k, library);
    for (size_t i = 0; i < NPROGRAMS; i++)
        run_program(&k, &programs[i]);
    vmkit_close(&k);
}

static void questions_run_on_threads(void **state)
{
    (void)state;
    run_all(&(VmKitOptions){.schedulers = 2});
}

static void questions_run_in_the_simulator(void **state)
{
    (void)state;
    const char *more = getenv("MAGGIE_TEST_SEED");
    uint64_t first = more ? strtoull(more, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + (uint64_t)TESTKIT_SCALE(6); seed++)
        run_all(&(VmKitOptions){.simulated = true, .seed = seed, .schedulers = 3});
}

/* D20: who may not look into others may look into itself. */
static void others_are_looked_into_with_a_right_only(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 1, .schedulers = 2});
    Domain *narrow = vmkit_domain(&k, AUTH_ALL & ~(uint32_t)AUTH_REFLECT);
    uint32_t other = vmkit_spawn_in(&k,
                                    "| p | p := [Process receive] fork.\n"
                                    "[p info] on: RestrictedAuthority do: [:e | #refused]",
                                    narrow);
    uint32_t self =
        vmkit_spawn_in(&k, "Process current label: 'me'. Process current info label", narrow);
    uint32_t all = vmkit_spawn_in(&k,
                                  "| main | main := Process current. [| i | i := Process current "
                                  "info. {i printString includesSubstring: 'ancestors'. "
                                  "i ancestors size. i ancestors first == main}] fork wait",
                                  narrow);
    vmkit_run_on(&k);
    assert_string_equal(vmkit_result(&k, other), "refused");
    assert_string_equal(vmkit_result(&k, self), "me");
    assert_string_equal(vmkit_result(&k, all), "(true 1 true)");
    vmkit_close(&k);
}

TESTKIT_MAIN(cmocka_unit_test(questions_run_on_threads),
             cmocka_unit_test(questions_run_in_the_simulator),
             cmocka_unit_test(others_are_looked_into_with_a_right_only))
