/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_chaos.c - processes killed in whatever they do, and crowds that end each other at random
 * while others keep books:
 *
 *   every kill is answered by exactly one down, and nobody is left
 *   every process that is watched brings its down, every timer that was set has sent its message or
 *   was cancelled, every promise is settled, what a bounded mailbox took was received
 *   all memory comes back (vmkit_close)
 *
 * On threads, and in the simulator from seeds. */
#include "vmkit.h"

#include <stdio.h>

/* What the victim does. */
static const struct {
    const char *what;
    const char *block;
} states[] = {
    {"an endless loop", "[true] whileTrue: []"},
    {"allocating", "| l | [true] whileTrue: [l := Array new: 100 withAll: l]. l"},
    {"keeping what it allocates",
     "| l | l := ArrayList new. [true] whileTrue: [l add: (Array new: 50). l size > 2000 "
     "ifTrue: [l := ArrayList new]]"},
    {"collecting for long",
     "| l | l := (1 to: 30000) asArray collect: [:i | Array with: i]. [true] whileTrue: "
     "[l := l collect: [:x | Array with: (x at: 1)]]"},
    {"receive", "Process receive"},
    {"receive with a time", "Process receive: 1000000"},
    {"a selective receive", "Process receiveSelector: #never"},
    {"a receive of a reference", "Process receiveReference: Reference new"},
    {"sleep", "Process sleep: 1000000"},
    {"receiving from a channel", "Channel new receive"},
    {"sending to a channel", "Channel new send: #(1 2 3)"},
    {"select", "Channel select: {Channel new -> [:x | x]. Channel new onSend: 3 do: [1]. Process "
               "onReceive: [:m | m]. Channel after: 1000000 do: [1]. Promise new -> [:x | x]}"},
    {"waiting for a mutex",
     "| m | m := Mutex new. [m lock. Process sleep: 8] fork. Process sleep: 1. m lock. "
     "Process receive"},
    {"holding a mutex", "| m | m := Mutex new. m critical: [Process receive]"},
    {"waiting for a semaphore", "| s | s := Semaphore new: 1. s acquire. s acquire"},
    {"waiting for a group", "WaitGroup new add: 1; wait"},
    {"waiting for a context", "CancellationContext new wait"},
    {"waiting for a context with a time", "(CancellationContext withTimeout: 1000000) wait"},
    {"waiting for its own promise", "Promise new wait"},
    {"waiting for a promise with a time", "Promise new wait: 1000000"},
    {"waiting for another's promise", "(Promise run: [Process receive]) wait"},
    {"waiting for several promises", "(Promise all: {Promise new. Promise new}) wait"},
    {"calling", "| s | s := [Process receive. Process sleep: 20] fork. s call: 3"},
    {"calling again and again",
     "| s | s := [[| m | m := Process receive. m reply: m payload] repeat] forkLink. "
     "[true] whileTrue: [s call: #(1 2)]"},
    {"waiting for an end", "[Process sleep: 20] fork wait"},
    {"spawning and waiting", "[true] whileTrue: [[3] fork wait]"},
    {"spawning", "[true] whileTrue: [[3] fork. Process yield]"},
    {"spawning linked processes",
     "[true] whileTrue: [[Process receive: 50] forkLink. Process sleep: 1]"},
    {"spawning watched processes", "[true] whileTrue: [[3] forkMonitor. Process receive]"},
    {"sending to itself", "[true] whileTrue: [Process current send: 3. Process receive]"},
    {"sending much",
     "| a p | a := (1 to: 20000) asArray collect: [:i | Array with: i]. p := [[Process "
     "receive] repeat] forkLink. [true] whileTrue: [p send: a]"},
    {"forking with much",
     "| a | a := (1 to: 20000) asArray collect: [:i | Array with: i]. [true] whileTrue: "
     "[([:x | x size] forkWith: a) wait]"},
    {"a full mailbox", "| p | p := [Process receiveSelector: #never] forkMailboxLimit: 1 policy: "
                       "#suspendSender. Process current link: p. p send: 1. p send: 2. p send: 3"},
    {"timers that fire", "[true] whileTrue: [Process current send: 1 after: 0. Process receive]"},
    {"timers that wait",
     "[true] whileTrue: [(Process current send: 1 after: 1000) cancel. Process current "
     "send: 1 after: 100000. Process yield]"},
    {"a table",
     "| t | t := Table new. [true] whileTrue: [1 to: 100 do: [:i | t at: i put: #(1 2)]. "
     "t do: [:x | x]]"},
    {"an ordered table",
     "| t | t := Table kind: #ordered. [true] whileTrue: [1 to: 100 do: [:i | t at: i "
     "put: #(1 2)]. t clear]"},
    {"an atom", "| t | t := Atom on: 3. [true] whileTrue: [t swap: [:x | x + 1]]"},
    {"big integers",
     "[true] whileTrue: [((3 raisedTo: 5000) * (7 raisedTo: 5000)) printString size]"},
    {"long strings",
     "| s | s := ''. [true] whileTrue: [s := s , 'abcdefgh'. s size > 100000 ifTrue: [s "
     ":= '']]"},
    {"compiling", "[true] whileTrue: [Compiler evaluate: '3 + 4']"},
    {"signalling", "[true] whileTrue: [[1 / 0] on: ZeroDivide do: [:e | e return: 3]]"},
    {"a handler", "[1 / 0] on: ZeroDivide do: [:e | Process receive]"},
    {"an ensure: block", "[3] ensure: [Process receive]"},
    {"unwinding, waiting", "[Process current terminate] ensure: [Process receive]"},
    {"unwinding, in a loop", "[Process current terminate] ensure: [[true] whileTrue: []]"},
    {"the end", "3"},
    {"the end with much memory", "(1 to: 50000) asArray collect: [:i | Array with: i]. 4"},
    {"the end with a large result", "(1 to: 20000) asArray collect: [:i | Array with: i]"},
    {"the end with many links",
     "100 timesRepeat: [[Process receive] forkLink]. Process exit: #boom"},
    {"registering",
     "[true] whileTrue: [Process current registerAs: #aName. Process current unregister: "
     "#aName]"},
    {"a group", "| g | g := ProcessGroup named: #grp. [true] whileTrue: [g join. g broadcast: 3. "
                "Process receive: 0. g leave]"},
    {"asking about processes", "[true] whileTrue: [Process list do: [:p | p info]]"},
    {"reading files", "[true] whileTrue: [File readFileContents: '/dev/null']"},
    {"deep recursion",
     "| f | f := nil. f := [:n | n = 0 ifTrue: [0] ifFalse: [1 + (f value: n - 1)]]. "
     "[true] whileTrue: [f value: 5000]"},
    {"exits as exceptions",
     "Process current exitsAsExceptions: true. [[true] whileTrue: [[Process exit: #boom] "
     "forkLink. Process receive: 2]] on: ProcessExit do: [:e | e retry]"},
    {"linking and unlinking",
     "| p | p := [Process receive] fork. [true] whileTrue: [Process current link: p. "
     "Process current unlink: p]"},
    {"watching and not watching",
     "| p | p := [Process receive] fork. [true] whileTrue: [Process current demonitor: "
     "(Process current monitor: p)]"},
};
enum { STATES = sizeof states / sizeof *states, DELAYS = 3, TEXT_MAX = 900 };

static const char *const delays[DELAYS] = {"", "Process yield.", "Process sleep: 3."};

#define NOBODY_IS_LEFT                                                                             \
    {                                                                                              \
        "nobody is left",                                                                          \
            "Process list do: [:p | p == Process current ifFalse: [p kill]].\n"                    \
            "[Process count > 1] whileTrue: [Process sleep: 1]. Process count",                    \
            "1"                                                                                    \
    }

typedef struct Kills {
    char text[STATES][TEXT_MAX];
    VmProgram programs[STATES + 1];
} Kills;

/* Of what is big, a collection at every allocation is too long, and so is a sleep beside it in the
 * simulator, where others run all the time. */
#ifdef MAGGIE_GC_STRESS
#define SIMULATED_DELAYS 2
#else
#define SIMULATED_DELAYS DELAYS
#endif
static bool is_left_out(const char *block)
{
#ifdef MAGGIE_GC_STRESS
    return strstr(block, "0000) asArray") != NULL;
#else
    (void)block;
    return false;
#endif
}

/* Each state once; which of the first n delays depends on `turn`. */
static void write_kills(Kills *kills, uint64_t turn, unsigned n_delays)
{
    for (size_t i = 0; i < STATES; i++) {
        const char *block = is_left_out(states[i].block) ? "3" : states[i].block;
        int n = snprintf(kills->text[i], TEXT_MAX,
                         "| p ref m | p := [%s] forkQuietly.\n"
                         "ref := Process current monitor: p. %s\n"
                         "p kill. m := Process receiveMatching: [:x |\n"
                         "  (x isKindOf: DownMessage) and: [x reference = ref]].\n"
                         "Array with: (Process receive: 2) with: p isAlive with: m process == p",
                         block, delays[(turn + i) % n_delays]);
        assert_in_range(n, 1, TEXT_MAX - 1);
        kills->programs[i] = (VmProgram){states[i].what, kills->text[i], "(nil false true)"};
    }
    kills->programs[STATES] = (VmProgram)NOBODY_IS_LEFT;
}

static void whatever_it_does_a_kill_ends_it_on_threads(void **state)
{
    (void)state;
    Kills *kills = calloc(1, sizeof *kills);
    for (uint32_t turn = 0; turn < DELAYS; turn++) {
        write_kills(kills, turn, DELAYS);
        vmkit_programs_on_threads(kills->programs, STATES + 1, turn + 1);
    }
    free(kills);
}

static void whatever_it_does_a_kill_ends_it_in_the_simulator(void **state)
{
    (void)state;
    Kills *kills = calloc(1, sizeof *kills);
    for (uint32_t turn = 0; turn < (uint32_t)TESTKIT_SCALE(10); turn += DELAYS + 1) {
        write_kills(kills, turn, SIMULATED_DELAYS);
        vmkit_programs_simulated(kills->programs, STATES + 1, 1);
    }
    free(kills);
}

/* ---- crowds --------------------------------------------------------------------------------- */

static const char chaos[] =
    "Chaos subclass: Object\n"
    "  classMethod: roll: n [ ^(Random nextInt: n) + 1 ]\n"
    "  # What those do who may be ended at any moment.\n"
    "  classMethod: live: others [\n"
    "    (self roll: 12) timesRepeat: [\n"
    "      [self act: (self roll: 12) with: (others at: (self roll: others size))]\n"
    "        on: Error do: [:e | e return: nil]].\n"
    "    (self roll: 4) = 1 ifTrue: [Process exit: #tired]\n"
    "  ]\n"
    "  classMethod: act: n with: other [\n"
    "    | me |\n"
    "    me := Process current.\n"
    "    n = 1 ifTrue: [me link: other].\n"
    "    n = 2 ifTrue: [me unlink: other].\n"
    "    n = 3 ifTrue: [other kill].\n"
    "    n = 4 ifTrue: [other exit: #asked].\n"
    "    n = 5 ifTrue: [other send: #(1 2 3)].\n"
    "    n = 6 ifTrue: [[Process receive: 2] forkLink].\n"
    "    n = 7 ifTrue: [me trapExit: (self roll: 2) = 1].\n"
    "    n = 8 ifTrue: [other call: #x with: n timeout: 1 ifTimeout: [nil]].\n"
    "    n = 9 ifTrue: [Process receive: 1].\n"
    "    n = 10 ifTrue: [other monitor].\n"
    "    n = 11 ifTrue: [me send: #late after: 1].\n"
    "    n = 12 ifTrue: [1 / 0]\n"
    "  ]\n"
    "  classMethod: answer [\n"
    "    | n |\n"
    "    n := self roll: 9.\n"
    "    n = 1 ifTrue: [Process exit: #no].\n"
    "    n = 2 ifTrue: [1 / 0].\n"
    "    n = 3 ifTrue: [Process current kill].\n"
    "    ^n\n"
    "  ]\n"
    "  classMethod: count [\n"
    "    | n |\n"
    "    n := 0.\n"
    "    [Process receive selector == #stop] whileFalse: [n := n + 1].\n"
    "    ^n\n"
    "  ]\n"
    "  # Keeps books; answers whether they balance.\n"
    "  classMethod: audit: rounds [\n"
    "    | me crowd made downs set fired cancelled promises timers box sent\n"
    "      note |\n"
    "    me := Process current.\n"
    "    me trapExit: true.\n"
    "    made := downs := set := fired := cancelled := sent := 0.\n"
    "    timers := ArrayList new. promises := ArrayList new.\n"
    "    note := [:m |\n"
    "      (m isKindOf: DownMessage) ifTrue: [downs := downs + 1].\n"
    "      m selector == #tick ifTrue: [fired := fired + 1]].\n"
    "    crowd := (1 to: 8) asArray collect: [:i | [Process receive: 5] fork].\n"
    "    box := [self count] forkMailboxLimit: 5 policy: #reject.\n"
    "    rounds timesRepeat: [\n"
    "      | p m |\n"
    "      p := [:all | self live: all] forkQuietlyWith: crowd.\n"
    "      crowd at: (self roll: 8) put: p.\n"
    "      me monitor: p.\n"
    "      made := made + 1.\n"
    "      timers add: (me send: #tick with: nil after: (self roll: 4)).\n"
    "      set := set + 1.\n"
    "      (self roll: 3) = 1 ifTrue: [\n"
    "        (timers at: (self roll: timers size)) cancel notNil ifTrue: [\n"
    "          cancelled := cancelled + 1]].\n"
    "      promises add: (Promise run: [self answer]).\n"
    "      [p call: #question with: 1 timeout: (self roll: 3) ifTimeout: [nil]]\n"
    "        on: ProcessExit do: [:e | e return: nil].\n"
    "      (box send: #item with: 1) ifTrue: [sent := sent + 1].\n"
    "      [(m := Process tryReceive) notNil] whileTrue: [note value: m]].\n"
    "    promises do: [:each | each reasonWhenSettled].\n"
    "    [downs < made or: [fired + cancelled < set]] whileTrue: [note value: Process receive].\n"
    "    [box send: #stop with: nil] whileFalse: [Process yield].\n"
    "    ^{made = downs. set = (fired + cancelled).\n"
    "      promises inject: true into: [:all :each | all & each isSettled]. box wait = sent}\n"
    "  ]\n"
    "  classMethod: run: n rounds: rounds [\n"
    "    | ps all |\n"
    "    System crashReports: false.\n"
    "    ps := (1 to: n) asArray collect: [:i | [self audit: rounds] fork].\n"
    "    all := ps collect: [:p | p wait].\n"
    "    Process list do: [:p | p == Process current ifFalse: [p kill]].\n"
    "    [Process count > 1] whileTrue: [Process sleep: 1].\n"
    "    ^all printString\n"
    "  ]\n";

#define BALANCED "#(true true true true ) "

static void play_crowd(const VmKitOptions *options, int auditors, int rounds)
{
    VmKit k;
    char text[64], wanted[256] = "#(";
    vmkit_open(&k, options);
    vmkit_load(&k, chaos);
    snprintf(text, sizeof text, "Chaos run: %d rounds: %d", auditors, rounds);
    for (int i = 0; i < auditors; i++)
        strcat(wanted, BALANCED);
    strcat(wanted, ")");
    vmkit_expect(&k, text, wanted);
    vmkit_close(&k);
}

static void the_books_of_a_crowd_balance_on_threads(void **state)
{
    (void)state;
    for (uint32_t schedulers = 1; schedulers <= 4; schedulers++)
        play_crowd(&(VmKitOptions){.schedulers = schedulers}, 3, TESTKIT_SCALE(400));
}

static void the_books_of_a_crowd_balance_in_the_simulator(void **state)
{
    (void)state;
    const char *more = getenv("MAGGIE_TEST_SEED");
    uint64_t first = more ? strtoull(more, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + (uint64_t)TESTKIT_SCALE(60); seed++)
        play_crowd(&(VmKitOptions){.simulated = true, .seed = seed, .schedulers = 3}, 2, 30);
}

TESTKIT_MAIN(cmocka_unit_test(whatever_it_does_a_kill_ends_it_on_threads),
             cmocka_unit_test(whatever_it_does_a_kill_ends_it_in_the_simulator),
             cmocka_unit_test(the_books_of_a_crowd_balance_on_threads),
             cmocka_unit_test(the_books_of_a_crowd_balance_in_the_simulator))
