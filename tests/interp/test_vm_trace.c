/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_trace.c - tracing sessions, under threads and under the simulator: what is traced is told
 * whole and in order, or counted as dropped; sessions end when they should.
 * Threads: the VM's own. */
#include "vmkit.h"

static const char *const library =
    "Traced subclass: Object\n"
    "  instanceVars: n\n"
    "  classMethod: loop: n [ ^n = 0 ifTrue: [#done] ifFalse: [^self loop: n - 1] ]\n"
    "  classMethod: deep: n [ ^n = 0 ifTrue: [0] ifFalse: [(self deep: n - 1) + 1] ]\n"
    "  classMethod: add: a to: b [ ^a + b ]\n"
    "  classMethod: many: a with: b with: c with: d with: e [ ^a ]\n"
    "  method: n [ ^n ]\n"
    "  method: + other [ ^other ]\n"
    "  method: at: i [ ^i ]\n"
    "  method: at: i put: v [ ^v ]\n"
    "  method: size [ ^7 ]\n"
    "  method: fails [ ^self nothing ]\n"
    "TracedSub subclass: Traced\n"
    "  method: at: i [ ^super at: i + 1 ]\n"
    "Tally subclass: Object\n"
    "  classMethod: kinds: session [\n"
    "    | all event |\n"
    "    all := Dictionary new.\n"
    "    session do: [:e | all at: e kind put: (all at: e kind ifAbsent: [0]) + 1].\n"
    "    ^all\n"
    "  ]\n"
    "  classMethod: calls: session [\n"
    "    | all |\n"
    "    all := ArrayList new.\n"
    "    session do: [:e | e kind == #called ifTrue: [\n"
    "      all add: e methodClass printString , '>>' , e selector asString]].\n"
    "    ^all\n"
    "  ]\n";

/* Nothing here depends on how fast anything runs. */
static const VmProgram programs[] = {
    {"what is sent and received is told in order, with its payload",
     "| a b s t order | b := [[Process receive payload = 20] whileFalse: []] fork.\n"
     "a := [:q | Process receive. 1 to: 20 do: [:i | q send: #n with: i]] forkWith: b.\n"
     "s := TraceSession on: #(sends exits). t := TraceSession on: #(receives exits).\n"
     "s trace: a. t trace: b. a send: #go. a wait. b wait. s stop. t stop.\n"
     "order := [:session :kind :other :me | | i | i := 0.\n"
     "  session do: [:e | (e kind == kind and: [e payload = (i + 1) and: [e selector == #n and: [\n"
     "    e other == other and: [e process == me]]]]) ifTrue: [i := i + 1]]. i].\n"
     "Array with: (order value: s value: #sent value: b value: a)\n"
     "  with: (order value: t value: #received value: a value: b)",
     "(20 20)"},
    {"who traces everything sees a message sent before it is received",
     "| s bad sent ps | bad := 0. sent := Set new.\n"
     "s := TraceSession on: #(sends receives) calls: #() perSecond: 100000 total: 100000\n"
     "  buffer: 100000.\n"
     "ps := (1 to: 4) asArray collect: [:i | [| all | all := Process receive payload.\n"
     "  1 to: 25 do: [:n | (all at: n + i \\\\ 4 + 1) send: #token with: i * 1000 + n].\n"
     "  25 timesRepeat: [Process receiveSelector: #token]] fork].\n"
     "s trace: ps. ps do: [:p | p send: ps]. ps do: [:p | p wait]. s stop.\n"
     "s do: [:e | e selector == #token ifTrue: [\n"
     "  e kind == #sent ifTrue: [sent add: e payload]\n"
     "    ifFalse: [(sent includes: e payload) ifFalse: [bad := bad + 1]]]].\n"
     "Array with: sent size with: bad with: s dropped",
     "(100 0 0)"},
    {"calls are told once each, however they are made",
     "| p s | p := [Process receive. Traced loop: 3. Traced add: 1 to: 2.\n"
     "  Traced perform: #deep: with: 1.\n"
     "  TracedSub new at: 1. Traced new size. Traced new + 3. Traced new at: 1 put: 2.\n"
     "  Traced new n] fork.\n"
     "s := TraceSession on: #(calls) calls: {Traced}. s trace: p. p send: 1. p wait. s stop.\n"
     "(Tally calls: s) inject: '' into: [:a :b | a , b , ' ']",
     "Traced class>>loop: Traced class>>loop: Traced class>>loop: Traced class>>loop: "
     "Traced class>>add:to: Object>>perform:with: Traced class>>deep: Traced class>>deep: "
     "Traced>>at: Class>>new Traced>>size Class>>new Traced>>+ Class>>new Traced>>at:put: "
     "Class>>new Traced>>n "},
    {"what is not understood is told as that",
     "| p s | p := [Process receive. [Traced new fails] on: MessageNotUnderstood do: [:e | 1]] "
     "fork.\n"
     "s := TraceSession on: #(calls) calls: {#fails. #doesNotUnderstand:}.\n"
     "s trace: p. p send: 1. p wait. s stop.\n"
     "(Tally calls: s) inject: '' into: [:a :b | a , b , ' ']",
     "Traced>>fails Object>>doesNotUnderstand: "},
    {"ten thousand calls across many slices are told ten thousand times",
     "| p s n | p := [Process receive. Traced loop: 4999. Traced deep: 4999] fork.\n"
     "s := TraceSession on: #(calls) calls: {Traced}\n"
     "  perSecond: 1000000 total: 1000000 buffer: 1000000.\n"
     "s trace: p. p send: 1. p wait. s stop. n := 0. s do: [:e | n := n + 1].\n"
     "Array with: n with: s delivered with: s dropped",
     "(10000 10000 0)"},
    {"it begins before what comes behind it, also in the middle of a slice",
     "| s p | s := TraceSession on: #(calls) calls: {#deep:}.\n"
     "p := [:session | session trace: Process current. Process tryReceive. Traced deep: 5]\n"
     "  forkWith: s. p wait. s stop. s delivered",
     "6"},
    {"a traced process computes what it computes otherwise",
     "| work p s | work := [Process receive. (1 to: 200) asArray inject: 0 into: [:a :b |\n"
     "    a + (b printString reversed asInteger ifNil: [0]) + (Traced deep: b \\\\ 7)]].\n"
     "p := work fork. s := TraceSession on: #(calls) calls: #() perSecond: 100 total: 100 "
     "buffer: 9.\n"
     "s trace: p. p send: 1.\n"
     "p wait = (work fork send: 1; yourself) wait",
     "true"},
    {"arguments that are objects are told as their classes",
     "| p s e | p := [Process receive. Traced many: 1 with: #two with: 'three' with: $4 with: 5.\n"
     "  Traced add: 1 to: 2] fork.\n"
     "s := TraceSession on: #(calls) calls: {Traced}. s trace: p. p send: 1. p wait. s stop.\n"
     "e := s next. {e arguments at: 1. e arguments at: 2. (e arguments at: 3) == String.\n"
     "  e arguments size. e isWhole. s next isWhole}",
     "(1 two true 4 false true)"},
    {"long messages and those with handles are told by their class",
     "| p s e f | p := [Process receive. Process receive. Process receive] fork.\n"
     "s := TraceSession on: #(receives). s trace: p.\n"
     "p send: (Array new: 300); send: {Channel new}; send: {#(1). 'two'}. p wait. s stop.\n"
     "e := s next. f := s next.\n"
     "{e payload == Array. e isWhole. f payload == Array. f isWhole. s next payload printString}",
     "(true false true false #(#(1 ) 'two' ))"},
    {"spawns with all descendants, and nobody else's",
     "| p other s d | other := [Process receive. [1] fork wait] fork.\n"
     "p := [Process receive. (1 to: 3) asArray collect: [:i | [[i] fork wait] fork]] fork.\n"
     "s := TraceSession on: #(spawns exits). s traceWithChildren: p. p send: 1. other send: 1.\n"
     "p wait do: [:each | each wait]. other wait. Process sleep: 1. d := nil.\n"
     "[s delivered < 19] whileTrue: [Process sleep: 1]. s stop. d := Tally kinds: s.\n"
     "{d at: #spawned. d at: #started. d at: #exited}",
     "(6 6 7)"},
    {"links are told at both ends",
     "| a b s seen | b := [Process current trapExit: true. Process receive. Process receive] "
     "fork.\n"
     "a := [:q | Process receive. Process current link: q. Process current unlink: q] forkWith: "
     "b.\n"
     "s := TraceSession on: #(links exits). s trace: {a. b}. a send: 1. a wait.\n"
     "b send: 1; send: 2. b wait. s stop. seen := ''.\n"
     "s do: [:e | seen := seen , e kind asString , (e process == a ifTrue: ['A '] ifFalse: ['B "
     "'])].\n"
     "#('linkedA' 'gotLinkedB' 'unlinkedA' 'gotUnlinkedB') allSatisfy: [:each |\n"
     "  seen includesSubstring: each]",
     "true"},
    {"why it ended, and by whose end",
     "| a b s ends | a := [Process receive] fork.\n"
     "b := [:q | Process current link: q. Process receive] forkWith: a.\n"
     "[b status == #waiting] whileFalse: [Process sleep: 1].\n"
     "s := TraceSession on: #(exits). s trace: {a. b}. a exit: #boom. b wait. a wait. s stop.\n"
     "ends := Dictionary new. s do: [:e | ends at: e process put: {e reason. e other}].\n"
     "{(ends at: a) at: 1. (ends at: b) at: 1. ((ends at: b) at: 2) == a}",
     "(boom boom true)"},
    {"every process that starts, and those that are there",
     "| s before n | before := [Process receive] fork. s := TraceSession on: #(exits).\n"
     "n := s traceAll. before send: 1. before wait. [Process exit: #b] forkQuietly wait. s stop.\n"
     "n := 0. s do: [:e | n := n + 1]. n",
     "2"},
    {"what is delivered and what is dropped is all there was",
     "| p s n lost | p := [500 timesRepeat: [Process receive]] fork.\n"
     "s := TraceSession on: #(receives) calls: #() perSecond: 100000 total: 100000 buffer: 7.\n"
     "s trace: p. n := 0. lost := 0.\n"
     "1 to: 500 do: [:i | p send: i. i \\\\ 13 = 0 ifTrue: [\n"
     "  | e | e := s next: 0. e isNil ifFalse: [n := n + 1. lost := lost + e lost]]].\n"
     "p wait. s stop. s do: [:e | n := n + 1. lost := lost + e lost].\n"
     "{n = s delivered. n + s dropped. lost <= s dropped}",
     "(true 500 true)"},
    {"no more than so many in a second",
     "| p s n | p := [200 timesRepeat: [Process receive]] fork.\n"
     "s := TraceSession on: #(receives) calls: #() perSecond: 1 total: 1000 buffer: 1000.\n"
     "s trace: p. n := System monotonicNanoseconds.\n"
     "1 to: 200 do: [:i | p send: i]. p wait.\n"
     "n := System monotonicNanoseconds - n // 1000000000. s stop.\n"
     "{s delivered <= (n + 2). s delivered + s dropped}",
     "(true 200)"},
    {"after the total it is over",
     "| p s | p := [50 timesRepeat: [Process receive]] fork.\n"
     "s := TraceSession on: #(receives) calls: #() perSecond: 1000 total: 20 buffer: 1000.\n"
     "s trace: p. 1 to: 50 do: [:i | p send: i]. p wait.\n"
     "{s isRunning. s delivered. s events size. s dropped. s traceNew. s trace: [1] fork}",
     "(false 20 20 0 false 0)"},
    {"what was delivered before the stop can be read after it",
     "| p s n | p := [50 timesRepeat: [Process receive]] fork.\n"
     "s := TraceSession on: #(receives). s trace: p. 1 to: 50 do: [:i | p send: i]. p wait.\n"
     "s stop. n := 0. s do: [:e | n := n + e payload]. n",
     "1275"},
    {"it ends with its owner, who is waited for by a reader",
     "| p main owner s n | main := Process current. p := [[true] whileTrue: [Process receive]] "
     "fork.\n"
     "owner := [| mine | mine := TraceSession on: #(receives). mine trace: p; traceNew.\n"
     "  main send: mine. Process receive] fork.\n"
     "s := Process receive payload. p send: 1. n := s next payload.\n"
     "[owner send: #end] fork. n := {n. s next. s isRunning}.\n"
     "p send: 2; send: 3. p kill. p wait. n , {s delivered. s dropped}",
     "(1 nil false 1 0)"},
    {"who is ended in the middle of tracing takes its session along",
     "| main p odd | main := Process current. odd := 0.\n"
     "p := [[Process receive payload == #end] whileFalse: [Traced deep: 9]] fork.\n"
     "1 to: 20 do: [:i | | owner s |\n"
     "  owner := [| mine | mine := TraceSession new. main send: mine. mine traceWithChildren: p;\n"
     "    traceNew. mine do: [:e | e]] fork.\n"
     "  s := Process receive payload. 1 to: 5 do: [:n | p send: n]. i \\\\ 3 timesRepeat: "
     "[Process yield].\n"
     "  owner kill. owner wait.\n"
     "  s isRunning ifTrue: [odd := odd + 1]].\n"
     "p send: #end. p wait. odd",
     "0"},
    {"three sessions do not see each other's limits",
     "| p all | p := [30 timesRepeat: [Process receive]] fork.\n"
     "all := #(1 5 30) collect: [:n | (TraceSession on: #(receives) calls: #() perSecond: 1000\n"
     "  total: 1000 buffer: n) trace: p; yourself].\n"
     "1 to: 30 do: [:i | p send: i]. p wait.\n"
     "all inject: #() into: [:sum :s | s stop. sum , {s delivered. s dropped}]",
     "(1 29 5 25 30 0)"},
    {"who is not traced any more tells nothing",
     "| p s | p := [4 timesRepeat: [Process receive]] fork. s := TraceSession on: #(receives).\n"
     "s trace: p. p send: 1; send: 2. s untrace: p. p send: 3; send: 4. p wait. s stop.\n"
     "s delivered",
     "2"},
    {"an owner is not traced by itself, also not among all",
     "| s | s := TraceSession on: #(sends receives calls). s traceAll.\n"
     "Process current send: 1. Process receive. Traced deep: 3. s stop. s delivered",
     "0"},
    {"requests are messages too",
     "| p s seen | p := [| m | m := Process receive. m reply: m payload first * 2] fork.\n"
     "s := TraceSession on: #(sends receives). s trace: p. p call: #double with: #(21).\n"
     "s stop. seen := s next. {seen kind. seen selector. seen payload printString. s next}",
     "(received double #(21 ) nil)"},
    {"what is asked with a promise is a message too",
     "| p asker s t | p := [Process receive payload] fork.\n"
     "asker := [:q | Process receive. q ~> size] forkWith: p.\n"
     "s := TraceSession on: #(receives). s trace: p.\n"
     "t := TraceSession on: #(sends). t trace: asker.\n"
     "asker send: 1. asker wait. p wait. s stop. t stop. {s next selector. t next selector}",
     "(size size)"},
    {"filters that are none are refused",
     "{[TraceSession on: #(calls) calls: #(1)] on: Error do: [:e | #a].\n"
     " [TraceSession on: #(calls) calls: (1 to: 17) asArray , #()] on: Error do: [:e | #b].\n"
     " [TraceSession on: #()] on: Error do: [:e | #c].\n"
     " [TraceSession on: #(calls) calls: #() perSecond: 0 total: 1 buffer: 1] on: TypeError\n"
     "   do: [:e | #d].\n"
     " [TraceSession on: #(calls) calls: ((1 to: 17) asArray collect: [:i | #x])] on: TypeError\n"
     "   do: [:e | #e].\n"
     " [(TraceSession on: #(calls)) trace: 3] on: Error do: [:e | #f]}",
     "(a b c d e f)"},
    {"one session that many want for new processes at once is listed once",
     "| s ps | s := TraceSession on: #(exits).\n"
     "ps := (1 to: 8) asArray collect: [:i | [1 to: 400 do: [:k | s traceNew.\n"
     "  k \\\\ 50 = 0 ifTrue: [s untraceNew; traceNew]]. #ok] fork].\n"
     "1 to: 60 do: [:k | [k] fork wait]. ps do: [:p | p wait]. s untraceNew.\n"
     "ps := (1 to: 16) asArray collect: [:i | (TraceSession on: #(exits)) traceNew; yourself].\n"
     "ps do: [:t | t stop]. {s stop; isRunning. [1] fork wait}",
     "(false 1)"},
    {"the stop wakes all that wait for an event, however many",
     "| s ch all | s := TraceSession on: #(exits). ch := s events.\n"
     "all := (1 to: 1000) asArray collect: [:i | [ch receive] fork].\n"
     "[all allSatisfy: [:p | p status == #waiting]] whileFalse: [Process sleep: 1].\n"
     "s stop. all inject: 0 into: [:n :p | p wait isNil ifTrue: [n + 1] ifFalse: [n]]",
     "1000"},
    {"a process has at most sixty-four sessions that run",
     "| all | all := (1 to: 64) asArray collect: [:i | TraceSession on: #(exits)].\n"
     "{[TraceSession new] on: Error do: [:e | #refused].\n"
     " [TraceSession new isRunning] fork wait.\n"
     " [:s | s stop. TraceSession new isRunning] value: all first.\n"
     " [:s | s events close. TraceSession new isRunning] value: all last.\n"
     " [TraceSession new] on: Error do: [:e | #refused]}",
     "(refused true true true refused)"},
    {"a process is traced by at most sixty-four sessions",
     "| p make all | p := [2 timesRepeat: [Process receive]] fork.\n"
     "make := [:main | | mine | mine := (1 to: 40) asArray collect: [:i |\n"
     "  TraceSession on: #(receives)]. mine do: [:s | s trace: p]. main send: mine.\n"
     "  Process receive].\n"
     "make forkWith: Process current. all := Process receive payload.\n"
     "make forkWith: Process current. all := all , Process receive payload.\n"
     "p send: 1; send: 2. p wait.\n"
     "{all inject: 0 into: [:n :s | n + s delivered]. all inject: 0 into: [:n :s | n + s dropped]}",
     "(128 16)"},
    {"who closes the channel ends the session",
     "| p s | p := [3 timesRepeat: [Process receive]] fork. s := TraceSession on: #(receives).\n"
     "s trace: p. p send: 1. s next. s events close. p send: 2; send: 3. p wait.\n"
     "{s isRunning. s next. s delivered. s dropped. s traceNew. s trace: [Process receive] fork}",
     "(false nil 1 1 false 0)"},
    {"what is no event is an error that says so",
     "| s | s := TraceSession on: #(exits).\n"
     "s events send: 3; send: #(1 2); send: #(2 2 3 4 5 6 7 8); send: 'event'.\n"
     "(1 to: 4) asArray collect: [:i | [s next] on: Error do: [:e |\n"
     "  (e messageText includesSubstring: 'not an event') and: [e class == Error]]]",
     "(true true true true)"},
    {"wrong arguments are told as such",
     "| s | s := TraceSession on: #(calls).\n"
     "{[s trace: 3] . [s trace: nil]. [TraceSession on: #calls]. [TraceSession on: nil].\n"
     " [TraceSession on: #(calls) calls: {3}]. [TraceSession on: #(calls) calls: #printString].\n"
     " [TraceSession on: #(calls) calls: {Array -> 3}].\n"
     " [TraceSession on: #(calls) calls: #() perSecond: 0 total: 1 buffer: 1]}\n"
     "  collect: [:b | b on: TypeError do: [:e | #told]]",
     "(told told told told told told told told)"},
    {"no more than sixteen trace all that starts",
     "| all | all := (1 to: 16) asArray collect: [:i | TraceSession on: #(exits)].\n"
     "all do: [:s | s traceNew]. all first traceNew.\n"
     "{[(TraceSession on: #(exits)) traceNew] on: Error do: [:e | all last stop. #refused].\n"
     " (TraceSession on: #(exits)) traceNew}",
     "(refused true)"},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void run_all(const VmKitOptions *options)
{
    VmKit k;
    vmkit_open(&k, options);
    vmkit_load(&k, library);
    for (size_t i = 0; i < COUNT(programs); i++) {
        print_message("  %s\n", programs[i].what);
        vmkit_expect(&k, programs[i].source, programs[i].wanted);
    }
    vmkit_close(&k);
}

static void sessions_run_on_threads(void **state)
{
    (void)state;
    run_all(&(VmKitOptions){.schedulers = 1});
    run_all(&(VmKitOptions){.schedulers = 3});
}

static void sessions_run_in_the_simulator(void **state)
{
    (void)state;
    const char *more = getenv("MAGGIE_TEST_SEED");
    uint64_t first = more ? strtoull(more, NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + (uint64_t)TESTKIT_SCALE(5); seed++)
        run_all(&(VmKitOptions){.simulated = true, .seed = seed, .schedulers = 3});
}

/* The operators were redefined: the table of a traced process is made of the slow one then. */
static void operators_that_were_redefined_are_calls(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 3, .schedulers = 2});
    vmkit_load(&k, library);
    vmkit_load(&k, "SmallInteger subclass: Number\n  method: isNil [ ^#redefined ]\n");
    vmkit_expect(&k,
                 "| p s | p := [Process receive. 3 isNil] fork.\n"
                 "s := TraceSession on: #(calls) calls: #(isNil). s trace: p. p send: 1.\n"
                 "{p wait. s stop; delivered}",
                 "(redefined 1)");
    vmkit_close(&k);
}

/* D20 */
static void to_trace_takes_a_right(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 1, .schedulers = 2});
    Domain *narrow = vmkit_domain(&k, AUTH_ALL & ~(uint32_t)AUTH_REFLECT);
    uint32_t make = vmkit_spawn_in(
        &k, "[TraceSession new] on: RestrictedAuthority do: [:e | #refused]", narrow);
    uint32_t given = vmkit_spawn(
        &k, "| s | s := TraceSession new.\n"
            "([{[s trace: [1] fork] on: RestrictedAuthority do: [:e | #refused].\n"
            "   [s traceNew] on: RestrictedAuthority do: [:e | #refused]. s isRunning}]\n"
            "  forkWithRights: #(clock)) wait");
    vmkit_run_on(&k);
    assert_string_equal(vmkit_result(&k, make), "refused");
    assert_string_equal(vmkit_result(&k, given), "(refused refused true)");
    vmkit_close(&k);
}

TESTKIT_MAIN(cmocka_unit_test(sessions_run_on_threads),
             cmocka_unit_test(sessions_run_in_the_simulator),
             cmocka_unit_test(operators_that_were_redefined_are_calls),
             cmocka_unit_test(to_trace_takes_a_right))
