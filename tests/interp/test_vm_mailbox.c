/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_mailbox.c - programs that receive selectively, call, set timers and bound mailboxes,
 * under threads and under the simulator. Each states its result; what counts messages states that
 * none is lost and none comes twice.
 * Threads: the VM's own. */
#include "vmkit.h"

#include "mailbound.h"

/* Nothing here depends on how fast anything runs: every order is forced by a message, an end or a
 * time-out that nothing else can end. */
static const VmProgram receives[] = {
    {"messages that are not wanted keep their order",
     "| me got | me := Process current. 1 to: 20 do: [:i | me send: i].\n"
     "got := ArrayList new.\n"
     "#(15 3 20) do: [:n | got add: (Process receiveMatching: [:m | m payload = n]) payload].\n"
     "17 timesRepeat: [got add: Process receive payload].\n"
     "got asArray",
     "(15 3 20 1 2 4 5 6 7 8 9 10 11 12 13 14 16 17 18 19)"},
    {"a time-out leaves the mailbox as it was",
     "| me late | me := Process current. me send: 1; send: 2; send: 3.\n"
     "late := Process receiveMatching: [:m | m payload > 5] timeout: 2 ifTimeout: [#late].\n"
     "Array with: late with: Process receive payload with: Process receive payload\n"
     "  with: Process receive payload",
     "(late 1 2 3)"},
    {"long messages are looked at many times and arrive whole",
     "| me big got | me := Process current. big := Array new: 5000 withAll: 7.\n"
     "me send: big; send: 'text' , ('x' repeat: 3000); send: #small.\n"
     "5 timesRepeat: [\n"
     "  Process receiveMatching: [:m | m payload size = 1] timeout: 0.\n"
     "  (1 to: 2000) collect: [:i | Array new: 10]].\n"
     "got := Process receiveMatching: [:m | m payload size = 5000].\n"
     "Array with: (got payload inject: 0 into: [:a :b | a + b])\n"
     "  with: (Process receiveMatching: [:m | m payload size = 3004]) payload size\n"
     "  with: Process receive payload",
     "(35000 3004 small)"},
    {"a guard may receive",
     "| me inner outer | me := Process current. 1 to: 6 do: [:i | me send: i].\n"
     "outer := Process receiveMatching: [:m |\n"
     "  m payload = 2 ifTrue: [inner := (Process receiveMatching: [:n | n payload = 5]) payload].\n"
     "  m payload = 4].\n"
     "Array with: outer payload with: inner with: Process receive payload\n"
     "  with: Process receive payload with: Process receive payload with: Process receive payload",
     "(4 5 1 2 3 6)"},
    {"a guard that takes the message itself does not get it twice",
     "| me got | me := Process current. me send: 1; send: 2.\n"
     "got := Process receiveMatching: [:m | m payload = 1 ifTrue: [Process receive]. true].\n"
     "Array with: got payload with: Process tryReceive",
     "(2 nil)"},
    {"a guard that fails leaves its message",
     "| me | me := Process current. me send: 1; send: 0.\n"
     "[Process receiveMatching: [:m | 10 / m payload = 3]] on: ZeroDivide do: [:e | nil].\n"
     "Array with: Process receive payload with: Process receive payload",
     "(1 0)"},
    {"alternatives are tried in order on each message",
     "| me got | me := Process current. got := ArrayList new.\n"
     "me send: #b with: 1; send: #a with: 'x'; send: #c with: 3; send: 4.\n"
     "4 timesRepeat: [got add: (Process receiveOneOf: [:r |\n"
     "  r on: #a do: [:m | 10]. r on: Number when: [:m | m payload > 3] do: [:m | 20].\n"
     "  r on: #b do: [30]. r otherwise: [:m | m payload * 100]])].\n"
     "got asArray",
     "(30 10 300 20)"},
    {"answers to references find their questions",
     "| servers refs | servers := (1 to: 3) asArray collect: [:k | [| m |\n"
     "  [true] whileTrue: [m := Process receive.\n"
     "    m sender send: (Array with: (m payload at: 1) with: (m payload at: 2) * k)]] fork].\n"
     "refs := (1 to: 30) asArray collect: [:i | | r | r := Reference new.\n"
     "  (servers at: i \\\\ 3 + 1) send: (Array with: r with: i). Array with: r with: i].\n"
     "(refs reversed inject: 0 into: [:sum :each |\n"
     "  sum + ((Process receiveReference: (each at: 1)) payload at: 2) - (each at: 2)])\n"
     "  + Process current messageCount",
     "455"},
    {"a selector far behind others is found across slices",
     "| me | me := Process current. 20000 timesRepeat: [me send: #noise with: nil].\n"
     "me send: #end with: 5.\n"
     "Array with: (Process receiveSelector: #end) payload with: me messageCount",
     "(5 20000)"},
    {"receive for no time takes only what is there",
     "Process current send: 3.\n"
     "Array with: (Process receiveClass: Number timeout: 0) payload\n"
     "  with: (Process receiveClass: Number timeout: -5)",
     "(3 nil)"},
    {"who waits for a selector can be ended",
     "| p | p := [Process receiveSelector: #never] fork. Process yield. p terminate. p wait.\n"
     "p exitReason",
     "shutdown"},
};
/* Each ends at once when a message is looked at again. */
static const VmProgram positions[] = {
    {"a guard sees each message once, however often the process waits",
     "| me seen sender m | me := Process current. seen := 0.\n"
     "50 timesRepeat: [me send: #noise].\n"
     "sender := [50 timesRepeat: [me send: #noise. Process sleep: 1]. me send: #wanted] fork.\n"
     "m := Process receiveMatching: [:each | seen := seen + 1.\n"
     "  seen > 101 ifTrue: [Process exit: #again]. each payload == #wanted].\n"
     "Array with: seen with: Process current messageCount",
     "(101 100)"},
    {"a message that a guard has refused is not seen by the same receive again",
     "| me seen | me := Process current. seen := 0. me send: #a with: 1; send: #b with: 2.\n"
     "Process receiveOneOf: [:r |\n"
     "  r on: #a when: [:m | seen := seen + 1. seen > 2 ifTrue: [Process exit: #again]. false]\n"
     "    do: [1].\n"
     "  r on: Number when: [:m | m payload = 2] do: [:m | seen := seen + (m payload * 10)]].\n"
     "Array with: seen with: me messageCount",
     "(21 1)"},
};

static const VmProgram timers[] = {
    {"timers are never early, and come in order of their times",
     "| me from got | me := Process current. from := System monotonicNanoseconds.\n"
     "#(30 10 20) do: [:ms | me send: ms after: ms].\n"
     "got := (1 to: 3) asArray collect: [:i | | m | m := Process receive payload.\n"
     "  System monotonicNanoseconds - from >= (m * 1000000) ifTrue: [m] ifFalse: [#early]].\n"
     "got",
     "(10 20 30)"},
    {"a message is copied when its timer is started",
     "| me a | me := Process current. a := Array with: 1 with: 2.\n"
     "me send: a after: 1. a at: 1 put: 99. Process receive payload",
     "(1 2)"},
    {"a timer that has fired cannot be cancelled",
     "| t | t := Process startTimer: 1. Process receive. Array with: t cancel with: t remaining",
     "(nil nil)"},
    {"of a timer and its cancel exactly one takes effect",
     "| me n cancelled received ps | me := Process current. n := 300.\n"
     "cancelled := received := 0.\n"
     "ps := (1 to: 3) asArray collect: [:k | [| sum | sum := 0.\n"
     "  100 timesRepeat: [\n"
     "    (Process receiveSelector: #try) payload cancel isNil ifFalse: [sum := sum + 1]].\n"
     "  me send: #sum with: sum] fork].\n"
     "1 to: n do: [:i |\n"
     "  (ps at: i \\\\ 3 + 1) send: #try with: (me send: #rung with: i after: i \\\\ 3).\n"
     "  i \\\\ 50 = 0 ifTrue: [Process sleep: 1]].\n"
     "3 timesRepeat: [cancelled := cancelled + (Process receiveSelector: #sum) payload].\n"
     "[cancelled + received < n and: [(Process receiveSelector: #rung timeout: 60000) notNil]]\n"
     "  whileTrue: [received := received + 1].\n"
     "Array with: cancelled + received with: Process tryReceive",
     "(300 nil)"},
    {"a periodic timer goes on until it is cancelled, by whomever",
     "| me t n | me := Process current. t := me send: #tick every: 1. n := 0.\n"
     "5 timesRepeat: [Process receive]. [t cancel] fork wait.\n"
     "[Process tryReceive notNil] whileTrue: [].\n"
     "Array with: t isPending with: (Process receive: 20)",
     "(false nil)"},
    {"periodic timers and their cancels, many at once",
     "| me ts | me := Process current.\n"
     "ts := (1 to: 40) asArray collect: [:i | me send: i every: i \\\\ 3 + 1].\n"
     "100 timesRepeat: [Process receive].\n"
     "(ts collect: [:t | [t cancel] fork]) do: [:p | p wait].\n"
     "[Process tryReceive notNil] whileTrue: [].\n"
     "Array with: (ts anySatisfy: [:t | t isPending]) with: (Process receive: 20)",
     "(false nil)"},
    {"a timer to the dead is gone when its time comes",
     "| p t u | p := [Process receive] fork. t := p send: 1 after: 5. u := p send: 2 every: 5.\n"
     "p kill. p wait.\n"
     "[t isPending or: [u isPending]] whileTrue: [Process sleep: 1]. #gone",
     "gone"},
    {"many timers, all of them come",
     "| me sum | me := Process current. 1 to: 3000 do: [:i | me send: i after: i \\\\ 7].\n"
     "sum := 0. 3000 timesRepeat: [sum := sum + Process receive payload].\n"
     "Array with: sum with: Process tryReceive",
     "(4501500 nil)"},
    {"a timer left alone does not keep a program from ending",
     "Process startTimer: 1000000000. Process current send: #(1 2 3) after: 1000000000. #done",
     "done"},
};

static const VmProgram calls[] = {
    {"calls are answered, in the midst of other messages",
     "| me server sum | me := Process current.\n"
     "server := [[| m | m := Process receive. m sender send: #noise. m reply: m payload * "
     "2] repeat]\n"
     "  fork.\n"
     "sum := 0. 1 to: 200 do: [:i | sum := sum + (server call: #double with: i timeout: nil)].\n"
     "server kill. Array with: sum with: Process current messageCount",
     "(40200 200)"},
    {"objects go and come, long ones too",
     "| server a | server := [[| m | m := Process receive. m reply: m payload reversed] "
     "repeat] fork.\n"
     "a := server call: #r with: (1 to: 3000) asArray timeout: nil. server kill.\n"
     "Array with: (a at: 1) with: (a at: 3000) with: a size",
     "(3000 1 3000)"},
    {"the end of who is called ends the call, with its reason",
     "| ps | ps := Array new: 4.\n"
     "ps at: 1 put: [Process receive. Process current exit: #(1 2)] fork.\n"
     "ps at: 2 put: [Process receive. 1 / 0] fork.\n"
     "ps at: 3 put: [Process receive. nil] fork.\n"
     "ps at: 4 put: [Process receive. Process current kill] fork.\n"
     "ps collect: [:p | [p call: #x with: 1 timeout: nil] on: ProcessExit do: [:e |\n"
     "  e reason isSymbol ifTrue: [e reason] ifFalse: [e reason at: 2]]]",
     "(2 error normal killed)"},
    {"a call that is never looked at ends with who was called",
     "| p caller | p := [Process receiveSelector: #never] fork.\n"
     "caller := [[p call: #x with: 1 timeout: nil] on: ProcessExit do: [:e | e reason]] fork.\n"
     "[p messageCount = 1] whileFalse: [Process sleep: 1]. p exit: #enough. caller wait",
     "enough"},
    {"the dead do not answer",
     "| p | p := [nil] fork. p wait. [p call: 1] on: ProcessExit do: [:e | e reason]", "noproc"},
    {"a late reply vanishes, and the call after it gets its own",
     "| server late got | server := [| first |\n"
     "  first := Process receive. Process receiveSelector: #go. first reply: #late.\n"
     "  Process receive reply: #second. first reply: #later] fork.\n"
     "late := server call: #a with: 1 timeout: 1 ifTimeout: [#none]. server send: #go with: nil.\n"
     "got := server call: #b with: 2 timeout: nil. server wait.\n"
     "Array with: late with: got with: Process tryReceive",
     "(none second nil)"},
    {"calls that time out leave nothing behind on either side",
     "| server n | n := 0. server := [[| m | m := Process receive. m selector == #n\n"
     "  ifTrue: [m reply: Process current messageCount]] repeat] fork.\n"
     "300 timesRepeat: [server call: #x with: 1 timeout: 0 ifTimeout: [n := n + 1]].\n"
     "n := n + (server call: #n with: nil timeout: nil). server kill. server wait.\n"
     "Array with: n with: Process tryReceive",
     "(300 nil)"},
    {"a second reply is ignored",
     "| server | server := [| m | m := Process receive. m reply: 1. m reply: 2.\n"
     "  Process receive reply: 3] fork.\n"
     "Array with: (server call: #a) with: (server call: #b) with: Process tryReceive",
     "(1 3 nil)"},
    {"a deputy replies, and who was called may end",
     "| server deputy a b |\n"
     "deputy := [[| m | m := Process receive. m payload reply: #deputy] repeat] fork.\n"
     "server := [2 timesRepeat: [deputy send: Process receive from]. Process receive] fork.\n"
     "a := server call: #a with: nil timeout: nil. b := server call: #b with: nil timeout: nil.\n"
     "server kill. server wait. deputy kill. Array with: a with: b with: Process tryReceive",
     "(deputy deputy nil)"},
    {"who calls can be ended, and may call while it unwinds",
     "| silent server p me | me := Process current. silent := [Process receiveSelector: "
     "#never] fork.\n"
     "server := [[| m | m := Process receive. m reply: m payload + 1] repeat] fork.\n"
     "p := [[silent call: #x with: 1 timeout: nil] ensure: [me send: (server call: 4)]] fork.\n"
     "[silent messageCount = 1] whileFalse: [Process sleep: 1]. p terminate. p wait.\n"
     "Array with: p exitReason with: Process receive payload",
     "(shutdown 5)"},
    {"many callers, one server that ends in the midst",
     "| server ps ok ended | server := [| n | n := 0. [n < 500] whileTrue: [\n"
     "  Process receive reply: 1. n := n + 1]] fork.\n"
     "ps := (1 to: 20) asArray collect: [:i | [| sum | sum := 0.\n"
     "  [[sum := sum + (server call: #x with: i timeout: nil)] repeat] on: ProcessExit "
     "do: [:e | nil].\n"
     "  sum] fork].\n"
     "ps inject: 0 into: [:sum :p | sum + p wait]",
     "500"},
};

static const VmProgram bounds[] = {
    {"suspended senders lose nothing and keep their order",
     "| me p ps seen ok | me := Process current.\n"
     "p := [| n last good | n := 0. good := true. last := Array new: 4 withAll: 0.\n"
     "  [n < 400] whileTrue: [| m | m := Process receive payload.\n"
     "    Process current messageCount > 3 ifTrue: [good := false].\n"
     "    (last at: (m at: 1)) + 1 = (m at: 2) ifFalse: [good := false].\n"
     "    last at: (m at: 1) put: (m at: 2). n := n + 1].\n"
     "  good] forkMailboxLimit: 3 policy: #suspendSender.\n"
     "ps := (1 to: 4) asArray collect: [:k | [| sent | sent := 0. 1 to: 100 do: [:i |\n"
     "  (p send: (Array with: k with: i)) ifTrue: [sent := sent + 1]]. sent] fork].\n"
     "Array with: (ps inject: 0 into: [:sum :each | sum + each wait]) with: p wait",
     "(400 true)"},
    {"the end of the receiver lets suspended senders go",
     "| p ps | p := [Process receiveSelector: #never] forkMailboxLimit: 1 policy: #suspendSender.\n"
     "p send: 0. ps := (1 to: 10) asArray collect: [:i | [p send: i] fork].\n"
     "10 timesRepeat: [Process yield]. p kill.\n"
     "ps inject: 0 into: [:n :each | each wait ifTrue: [n + 1] ifFalse: [n]]",
     "0"},
    {"a suspended sender can be killed, and takes no place with it",
     "| p ps last | p := [| n | n := 0. Process receiveSelector: #go.\n"
     "  [(Process receive: 0) notNil] whileTrue: [n := n + 1]. n]\n"
     "  forkMailboxLimit: 2 policy: #suspendSender.\n"
     "p send: 1; send: 2. ps := (1 to: 10) asArray collect: [:i | [p send: i] fork].\n"
     "10 timesRepeat: [Process yield]. ps do: [:each | each kill]. ps do: [:each | each wait].\n"
     "Array with: (p _mailbox at: 3) with: ((p send: #go with: nil after: 1) notNil) with: p wait",
     "(2 true 2)"},
    {"places given to senders that were killed go on to the next",
     "| p ps n | n := 0. p := [| sum | sum := 0. 60 timesRepeat: [sum := sum + 1.\n"
     "  Process receive: 2]. sum] forkMailboxLimit: 1 policy: #suspendSender.\n"
     "ps := (1 to: 40) asArray collect: [:i | [p send: i] fork].\n"
     "1 to: 40 by: 2 do: [:i | (ps at: i) kill]. 2 to: 40 by: 2 do: [:i |\n"
     "  (ps at: i) wait ifTrue: [n := n + 1]]. Array with: n with: p wait",
     "(20 60)"},
    {"what is refused and what is dropped is counted",
     "| count | count := [:policy | | p sent all | sent := 0.\n"
     "  p := [Process receiveSelector: #never] forkMailboxLimit: 10 policy: policy.\n"
     "  100 timesRepeat: [(p send: 1) ifTrue: [sent := sent + 1]].\n"
     "  [(p _mailbox at: 3) > 10] whileTrue: [Process yield].\n"
     "  all := Array with: sent with: p droppedMessages with: p refusedMessages. p kill. all].\n"
     "((count value: #reject) , (count value: #dropNewest)) , (count value: #dropOldest)",
     "(10 0 90 100 90 0 100 90 0)"},
    {"the oldest are dropped, the newest stay",
     "| p got | p := [Process receiveSelector: #go. Process receive payload]\n"
     "  forkMailboxLimit: 5 policy: #dropOldest.\n"
     "1 to: 50 do: [:i | p send: i]. p send: #go with: nil. got := p wait. got",
     "47"},
    {"too many messages may end the receiver",
     "| p | p := [Process receiveSelector: #never] forkMailboxLimit: 2 policy: #kill.\n"
     "p send: 1; send: 2; send: 3. p wait. p exitReason",
     "mailboxLimit"},
    {"a full mailbox refuses calls, and not exits",
     "| p r | p := [Process receiveSelector: #never] forkMailboxLimit: 1 policy: #reject.\n"
     "p send: 1. r := [p call: 2] on: ProcessExit do: [:e | e reason].\n"
     "p terminate. p wait. Array with: r with: p exitReason",
     "(mailboxLimit shutdown)"},
    {"a call that is dropped ends",
     "| p caller | p := [Process receiveSelector: #never] forkMailboxLimit: 1 policy: "
     "#dropOldest.\n"
     "caller := [[p call: #x with: 1 timeout: nil] on: ProcessExit do: [:e | e reason]] fork.\n"
     "[(p _mailbox at: 3) = 1] whileFalse: [Process yield]. p send: 2. caller wait",
     "mailboxLimit"},
    {"who takes the limit away lets everybody in",
     "| p ps | p := [Process receiveSelector: #go. Process mailboxLimit: nil policy: #reject.\n"
     "  30 timesRepeat: [Process receive]. Process current mailboxLimit]\n"
     "  forkMailboxLimit: 1 policy: #suspendSender.\n"
     "ps := (1 to: 30) asArray collect: [:i | [p send: i] fork]. Process yield.\n"
     "p send: #go with: nil after: 1. p wait",
     "nil"},
    {"somebody asks to be told of drops, and info tells of them",
     "| p | p := [Process receiveSelector: #never] forkMailboxLimit: 2 policy: #dropOldest.\n"
     "(p reportDroppedMessagesTo: Process current) ifFalse: [^#noLimit].\n"
     "1 to: 3 do: [:i | p send: i].\n"
     "(Process receiveSelector: #messagesDropped timeout: 10000) sender == p\n"
     "  ifFalse: [^#notTold].\n"
     "{p info mailboxLimit. p info messageCount. p info droppedMessages. p info refusedMessages.\n"
     " Process current info mailboxLimit. Process current reportDroppedMessagesTo: nil}",
     "(2 2 1 0 nil false)"},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define PROGRAM_TESTS(table)                                                                       \
    static void table##_run_on_threads(void **state)                                               \
    {                                                                                              \
        (void)state;                                                                               \
        vmkit_programs_on_threads(table, COUNT(table), 1);                                         \
        vmkit_programs_on_threads(table, COUNT(table), 3);                                         \
    }                                                                                              \
    static void table##_run_in_the_simulator(void **state)                                         \
    {                                                                                              \
        (void)state;                                                                               \
        vmkit_programs_simulated(table, COUNT(table), (uint64_t)TESTKIT_SCALE(10));                \
    }
/* Senders that are faster than an owner who drops the oldest would else hold up what else comes to
 * it. Once it is far over its limit, each sends but one message before the owner runs. */
static void who_floods_lets_the_owner_drop(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        VmKit k;
        uint64_t most = 0;
        vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = seed});
        uint32_t job =
            vmkit_spawn(&k, "| me ps | me := Process current.\n"
                            "Process mailboxLimit: 100 policy: #dropOldest.\n"
                            "ps := (1 to: 12) asArray collect: [:k |\n"
                            "  [1 to: 5000 do: [:i | me send: i]] fork].\n"
                            "ps do: [:p | p wait].\n"
                            "Process current droppedMessages + Process current messageCount");
        while (!k.jobs[job].ended) {
            vmkit_steps(&k, 1);
            const Process *p = process_of_pid(k.vm->actors, k.jobs[job].pid);
            const MailBound *b = p ? mail_bound(p) : NULL;
            if (b && b->count > most)
                most = b->count;
        }
        assert_string_equal(vmkit_result(&k, job), "60000");
        assert_in_range(most, 100, 100 + 1024 + 3 * 12);
        vmkit_close(&k);
    }
}

PROGRAM_TESTS(receives)
PROGRAM_TESTS(positions)
PROGRAM_TESTS(timers)
PROGRAM_TESTS(calls)
PROGRAM_TESTS(bounds)

TESTKIT_MAIN(cmocka_unit_test(receives_run_on_threads),
             cmocka_unit_test(receives_run_in_the_simulator),
             cmocka_unit_test(positions_run_on_threads),
             cmocka_unit_test(positions_run_in_the_simulator),
             cmocka_unit_test(timers_run_on_threads), cmocka_unit_test(timers_run_in_the_simulator),
             cmocka_unit_test(calls_run_on_threads), cmocka_unit_test(calls_run_in_the_simulator),
             cmocka_unit_test(bounds_run_on_threads), cmocka_unit_test(bounds_run_in_the_simulator),
             cmocka_unit_test(who_floods_lets_the_owner_drop))
