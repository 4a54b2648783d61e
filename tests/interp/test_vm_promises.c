/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_promises.c - programs of promises, under threads and under the simulator: settled once,
 * seen by all, rejected with the dead.
 * Threads: the VM's own. */
#include "vmkit.h"

/* Nothing here depends on how fast anything runs. */
static const VmProgram programs[] = {
    {"everybody who waits gets the value",
     "| p ps sum | p := Promise new. sum := 0.\n"
     "ps := (1 to: 300) asArray collect: [:i | [p wait] fork].\n"
     "Process yield. p resolve: 7.\n"
     "ps do: [:each | sum := sum + each wait]. sum",
     "2100"},
    {"waiters that are killed do not keep others from the value",
     "| p ps sum | p := Promise new. sum := 0.\n"
     "ps := (1 to: 200) asArray collect: [:i | [p wait] fork].\n"
     "Process yield.\n"
     "ps doWithIndex: [:each :i | i odd ifTrue: [each kill]].\n"
     "p resolve: 1.\n"
     "ps doWithIndex: [:each :i | i odd ifTrue: [each kill]].\n"
     "ps doWithIndex: [:each :i | i odd ifFalse: [sum := sum + each wait]]. sum",
     "100"},
    {"one of many settles it",
     "| p ps wins | p := Promise new.\n"
     "ps := (1 to: 100) asArray collect: [:i | [:n | p resolve: n. p wait = n] forkWith: i].\n"
     "wins := ps select: [:each | each wait]. wins size",
     "1"},
    {"the end of who owes it rejects it",
     "| gate p q | gate := Promise new.\n"
     "p := Promise run: [gate wait. Process current exit: #enough. Process receive].\n"
     "q := p then: [:x | x + 1].\n"
     "gate resolve: 1.\n"
     "Array with: p reasonWhenSettled with: q reasonWhenSettled",
     "(enough enough)"},
    {"whatever state it is killed in",
     "| reasons me | me := Process current.\n"
     "reasons := (1 to: 60) asArray collect: [:i | | box p |\n"
     "  box := Promise new.\n"
     "  p := Promise run: [box resolve: Process current.\n"
     "    i \\\\ 3 = 0 ifTrue: [Process receive].\n"
     "    i \\\\ 3 = 1 ifTrue: [[true] whileTrue: []].\n"
     "    Promise new wait].\n"
     "  i \\\\ 2 = 0 ifTrue: [box wait kill] ifFalse: [box wait terminate].\n"
     "  p reasonWhenSettled].\n"
     "Array with: (reasons occurrencesOf: #killed) with: (reasons occurrencesOf: #shutdown)",
     "(30 30)"},
    {"a promise made by the dead is rejected",
     "| p | p := [Promise new] fork wait. p reasonWhenSettled", "normal"},
    {"a promise handed to the dead is rejected",
     "| dead p | dead := [1] fork. dead wait.\n" /* it may still be about to end */
     "[Promise _new _handTo: dead debt: 3] whileTrue: [Process yield].\n"
     "p := Promise _new. p _handTo: dead debt: 1. p reasonWhenSettled",
     "noproc"},
    {"a rejection goes down a chain with its exception",
     "| p | p := Promise run: [1 / 0].\n"
     "10 timesRepeat: [p := p then: [:x | x + 1]].\n"
     "[p wait] on: ZeroDivide do: [:e | e messageText]",
     "division by zero"},
    {"a chain follows promises",
     "| a b c | a := Promise new. b := Promise new resolve: a. c := Promise new resolve: b.\n"
     "b resolve: 99. a resolve: 5. c wait",
     "5"},
    {"a cycle of one is refused", "| p | p := Promise new. p resolve: p. p isRejected", "true"},
    {"thousands at once",
     "| list | list := (1 to: 3000) asArray collect: [:i | Promise run: [i]].\n"
     "(Promise all: list) wait inject: 0 into: [:a :b | a + b]",
     "4501500"},
    {"all: does not wait for the rest when one is rejected",
     "| never | never := (1 to: 1500) asArray collect: [:i | Promise new].\n"
     "(Promise all: (Array with: (Promise rejected: #no)) , never) reasonWhenSettled",
     "no"},
    {"a time-out and a value in a race: one of them, once",
     "| late | late := 0.\n"
     "(1 to: 50) do: [:i | | p got |\n"
     "  p := Promise run: [Process sleep: 1. 1].\n"
     "  got := p wait: 1 ifTimeout: [nil].\n"
     "  (got isNil or: [got = 1]) ifFalse: [late := late + 1].\n"
     "  p wait = 1 ifFalse: [late := late + 1]].\n"
     "late",
     "0"},
    {"an eventual send leaves the receiver alone",
     "| a p | a := Array with: 1. p := a ~> at: 1 put: 2.\n"
     "Array with: p wait with: (a at: 1)",
     "(2 1)"},
    {"pipelines run before the first value is there",
     "| gate p | gate := Promise new.\n"
     "p := ((gate ~> + 1) ~> * 2) ~> printString. gate resolve: 20. p wait",
     "42"},
    {"^ in the block of a promise is its value", "(Promise run: [[:x | ^x] value: 9. 1]) wait",
     "9"},
    {"a process as a promise",
     "Array with: [6] fork asPromise wait with: ([#() first] fork asPromise reasonWhenSettled)",
     "(6 error)"},
    {"a process as a promise, asked for while it ends",
     "| p | p := [Process receive. 6] fork.\n"
     "20000 timesRepeat: [Process current monitor: p].\n"
     "p send: #go. [p isAlive] whileTrue: [Process yield].\n"
     "p asPromise wait: 20000 ifTimeout: [#never]",
     "6"},
    {"a request to a process is received there, in order with its other messages",
     "| me p got | me := Process current.\n"
     "p := [me send: Process receive payload * 100 + ((Process receive reply: #yes; arguments)\n"
     "  inject: 0 into: [:a :b | a + b * 10]) + Process receive payload] fork.\n"
     "p send: 1. got := p ~> at: 2 put: 3. p send: 4.\n"
     "Array with: got wait with: Process receive payload",
     "(yes 334)"},
    {"requests are answered in any order, once",
     "| p all | p := [| ms | ms := (1 to: 50) asArray collect: [:i | Process receive].\n"
     "  ms reversed do: [:m | m reply: m arguments first * 2. m reply: 0]. Process receive] fork.\n"
     "all := (1 to: 50) asArray collect: [:i | p ~> double: i].\n"
     "Array with: ((Promise all: all) wait inject: 0 into: [:a :b | a + b])\n"
     "  with: (Process receive: 0)",
     "(2550 nil)"},
    {"requests to who dies before, while and after receiving them",
     "| reasons |\n"
     "reasons := (1 to: 90) asArray collect: [:i | | p r |\n"
     "  p := [i \\\\ 3 > 0 ifTrue: [Process receive]. i \\\\ 3 > 1 ifTrue: [Process yield].\n"
     "    Process receiveSelector: #never] fork.\n"
     "  i \\\\ 5 timesRepeat: [Process yield].\n"
     "  i \\\\ 2 = 0 ifTrue: [r := p ~> work. p kill] ifFalse: [p kill. r := p ~> work].\n"
     "  r reasonWhenSettled].\n"
     "reasons reject: [:r | r == #killed or: [r == #noproc]]",
     "()"},
    {"a request that comes while its receiver ends is rejected by that end",
     "| p r | p := [Process receive. Process current exit: #enough. Process receive] fork.\n"
     "20000 timesRepeat: [Process current monitor: p].\n"
     "p send: #go. [p isAlive] whileTrue: [Process yield].\n"
     "r := p ~> work. Promise firstOf: {r} within: 20000. #(enough noproc) includes: r reason",
     "true"},
    {"the end of who asked changes nothing",
     "| p asker gate box | gate := Promise new. box := Promise new.\n"
     "p := [gate wait. Process receive reply: #done. Process receive] fork.\n"
     "asker := [box resolve: {p ~> work}. Process receive] fork.\n"
     "box wait. asker kill. asker wait. gate resolve: 1. box wait first wait",
     "done"},
    {"a reply after the end of the promise vanishes",
     "| p q m | q := Promise new.\n"
     "p := [| from | from := Process receive from. q wait. from reply: #late] fork.\n"
     "m := p ~> work. m reject: #tired. q resolve: 1. p wait. m reason",
     "tired"},
    {"a deputy may reply",
     "| deputy p | deputy := [[Process receive payload reply: #deputy] repeat] fork.\n"
     "p := [[deputy send: Process receive from] repeat] fork.\n"
     "(Promise all: ((1 to: 20) collect: [:i | p ~> work])) wait asSet size",
     "1"},
    {"requests wait for a place in a mailbox, or are refused",
     "| p q all gate | gate := Promise new.\n"
     "p := [gate wait. [Process receive reply: 1] repeat]\n"
     "  forkMailboxLimit: 3 policy: #suspendSender.\n"
     "all := [(1 to: 40) asArray collect: [:i | p ~> work]] fork.\n"
     "Process yield. gate resolve: 1.\n"
     "all := (Promise all: all wait) wait size.\n"
     "q := [Process receiveSelector: #never] forkMailboxLimit: 1 policy: #reject.\n"
     "Array with: all with: ((1 to: 3) asArray collect: [:i | q ~> work]) last reasonWhenSettled",
     "(40 mailboxLimit)"},
    {"requests that a mailbox drops are rejected",
     "| p all | p := [Process receiveSelector: #go.\n"
     "  Process receiveSelector: #never] forkMailboxLimit: 2 policy: #dropOldest.\n"
     "all := (1 to: 10) asArray collect: [:i | p ~> work].\n"
     "p send: #other with: nil; send: #other with: nil.\n"
     "(Promise all: all) reasonWhenSettled",
     "mailboxLimit"},
    {"who is asked again and again lets go of what it has replied to",
     "| p sum | p := [[| m | m := Process receive. m reply: m arguments first] repeat] fork.\n"
     "sum := 0. 1 to: 2000 do: [:i | sum := sum + (p ~> echo: i) wait]. sum",
     "2001000"},
    {"a long request is copied",
     "| p | p := [| m | m := Process receive. m reply: m arguments first size] fork.\n"
     "(p ~> measure: (Array new: 60000)) wait",
     "60000"},
    {"a request to a promise of a process goes to the process",
     "| p | p := [Process receive reply: 3. Process receive] fork.\n"
     "((Promise resolved: p) ~> work) wait",
     "3"},
    {"calls that are refused signal what they were refused with",
     "| p | p := [| m | m := Process receive. m reject: #busy. m := Process receive.\n"
     "  m reject: ([1 / 0] on: ZeroDivide do: [:e | e])] fork.\n"
     "Array with: ([p call: 1] on: PromiseRejected do: [:e | e reason])\n"
     "  with: ([p call: 2] on: ZeroDivide do: [:e | e messageText])",
     "(busy division by zero)"},
    {"an atom loses no change",
     "| a ps | a := Atom on: 0.\n"
     "ps := (1 to: 20) asArray collect: [:i |\n"
     "  [1 to: 50 do: [:n | a swap: [:old | Process yield. old + 1]]] fork].\n"
     "ps do: [:p | p wait]. a value",
     "1000"},
    {"an atom holds copies, and those that are killed hold up nobody",
     "| a p list | a := Atom on: (Array with: 1 with: 'two').\n"
     "p := [a swap: [:old | Process receive. old]] fork. Process yield. p kill. p wait.\n"
     "list := a value. list at: 1 put: 9.\n"
     "a swap: [:old | old , #(3)].\n"
     "Array with: (a value at: 1) with: a value size with: (list at: 1)",
     "(1 3 9)"},
    {"settled promises are let go by a process that owes many",
     "| sum | sum := 0.\n"
     "1 to: 20000 do: [:i | sum := sum + (Promise new resolve: i) wait]. sum",
     "200010000"},
};
#define NPROGRAMS (sizeof programs / sizeof *programs)

static void promises_run_on_threads(void **state)
{
    (void)state;
    vmkit_programs_on_threads(programs, NPROGRAMS, 2);
}

static void promises_run_in_the_simulator(void **state)
{
    (void)state;
    vmkit_programs_simulated(programs, NPROGRAMS, (uint64_t)TESTKIT_SCALE(6));
}

TESTKIT_MAIN(cmocka_unit_test(promises_run_on_threads),
             cmocka_unit_test(promises_run_in_the_simulator))
