/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_code_life.c - how long code and values of globals live (I11, M1): what is evaluated once
 * is gone afterwards, blocks of it work as long as somebody has them, old versions of methods are
 * run to their end wherever they are, and idle processes let go of what they only looked at.
 * Threads: the VM's own. */
#include "vmkit.h"

#include <stdio.h>

#if MAGGIE_ASAN || MAGGIE_TSAN || defined(MAGGIE_GC_STRESS) || defined(MAGGIE_DEBUG) ||           \
    !defined(NDEBUG)
#define SCALE 100
#else
#define SCALE 1
#endif

/* What may wait at any time: noted and not looked at by a process (GC_HOLDS_SLACK), and deferred by
 * each scheduler and dirty thread. */
#define VERSIONS_SLACK 600

static void both(void (*test)(VmKit *k))
{
    for (int simulated = 0; simulated < 2; simulated++) {
        VmKit k;
        VmKitOptions options = {.simulated = simulated != 0, .seed = 11};
        vmkit_open(&k, &options);
        test(&k);
        vmkit_close(&k);
    }
}

static void expect_formatted(VmKit *k, const char *wanted, const char *format, ...)
{
    char script[8192];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(script, sizeof script, format, args);
    va_end(args);
    assert_in_range(n, 1, sizeof script - 1);
    vmkit_expect(k, script, wanted);
}

/* The most versions there were, looked at now and then, less those at the beginning; true when that
 * is not many. `doit` is evaluated with the variable i. */
#define EVALUATE_MANY                                                                              \
    "| from most bytes | from := System statistics at: #codeVersions. most := 0.\n"                \
    "1 to: %d do: [:i |\n"                                                                         \
    "  i = 200 ifTrue: [bytes := System statistics at: #codeBytes].\n"                             \
    "  %s.\n"                                                                                      \
    "  i \\\\ 100 = 0 ifTrue: [\n"                                                                 \
    "    most := most max: (System statistics at: #codeVersions) - from]].\n"                      \
    "(most < %d and: [((System statistics at: #codeBytes) - bytes) < 2000000])\n"                  \
    "  ifTrue: [true] ifFalse: [{most. bytes. System statistics at: #codeBytes}]"

static void evaluate_many(VmKit *k)
{
    int n = 100000 / SCALE;
    expect_formatted(k, "true", EVALUATE_MANY, n,
                     "(Compiler evaluate: '3 + ', i printString) = (3 + i) ifFalse: [nil foo]",
                     VERSIONS_SLACK);
    expect_formatted(k, "true", EVALUATE_MANY, n,
                     "((Compiler evaluate: '| a | a := ', i printString, '. [:x | x + a]')"
                     " value: 1) = (i + 1) ifFalse: [nil foo]",
                     VERSIONS_SLACK);
}

static void evaluated_code_is_gone_afterwards(void **state)
{
    (void)state;
    both(evaluate_many);
}

static void keep_blocks(VmKit *k)
{
    int n = 20000 / SCALE;
    expect_formatted(
        k, "(true true)",
        "| kept ok me got |\n"
        "kept := (1 to: 50) asArray collect: [:i |\n"
        "  Compiler evaluate: '[:x | [:y | x + y + ', i printString, ']]'].\n"
        "Compiler setGlobal: #Kept to: (Compiler evaluate: '[:x | x * 1000]').\n"
        "me := Process current.\n"
        "me send: (Compiler evaluate: '[:x | x * 2000]').\n"
        "1 to: %d do: [:i | Compiler evaluate: '[:x | x - ', i printString, ']'].\n"
        "ok := true.\n"
        "kept doWithIndex: [:each :i |\n"
        "  ((each value: 3) value: 4) = (7 + i) ifFalse: [ok := false]].\n"
        "got := Process receive payload.\n"
        "1 to: %d do: [:i | Compiler evaluate: '[:x | x - ', i printString, ']'].\n"
        "{ok. (got value: 1) + ((Compiler getGlobal: #Kept) value: 1) = 3000}",
        n, n);
}

static void a_block_of_evaluated_code_works_as_long_as_it_is_kept(void **state)
{
    (void)state;
    both(keep_blocks);
}

static void keep_traces(VmKit *k)
{
    int n = 5000 / SCALE + 300;
    expect_formatted(
        k, "(true true)",
        "| e text |\n"
        "e := [Compiler evaluate: '[:x | nil foo: x] value: 3'] on: Error do: [:x | x].\n"
        "text := e stackTrace.\n"
        "1 to: %d do: [:i | Compiler evaluate: '[:x | x - ', i printString, ']'].\n"
        "{e stackTrace = text. text includesSubstring: 'doIt'}",
        n);
}

static void a_stack_trace_keeps_what_it_names(void **state)
{
    (void)state;
    both(keep_traces);
}

/* Everybody is in the same version of a method (parked in it, running it, holding a block of it,
 * far down the stack, with one in the mailbox) when it is replaced many times, and goes on. */
#define VERSIONED                                                                                  \
    "Versioned subclass: Object\n"                                                                 \
    "  method: parked [ ^-1 ]\n"                                                                   \
    "  method: spin: aPid [ ^-1 ]\n"                                                               \
    "  method: block [ ^nil ]\n"                                                                   \
    "  method: deep: n [ ^-1 ]\n"

static void replace_many(VmKit *k)
{
    vmkit_load(k, VERSIONED);
    expect_formatted(
        k, "(0 7000000 7000000 7000001 7000002 7000050 7000002 0)",
        "| install v me parked spinning holding forked deep from most early |\n"
        "me := Process current.\n"
        "install := [:n | | s | s := n printString.\n"
        "  Versioned compileAndInstall: 'method: parked [ | a |\n"
        "    1 to: 40 do: [:i | a := Array new: 400].\n"
        "    Process receive. ^', s, ' ]'.\n"
        "  Versioned compileAndInstall: 'method: spin: aPid [ | m | aPid send: #spinning.\n"
        "    [(m := Process receive: 2) isNil] whileTrue: [Array new: 20]. ^', s, ' ]'.\n"
        "  Versioned compileAndInstall: 'method: block [ ^[:x | [x + ', s, ' + 0] value] ]'.\n"
        "  Versioned compileAndInstall: 'method: deep: n [\n"
        "    n = 0 ifTrue: [Process receive. ^', s, '].\n"
        "    Array new: 300. ^(self deep: n - 1) + 1 ]'].\n"
        "install value: 0. install value: 7000000.\n"
        "v := Versioned new.\n"
        "parked := [v parked] fork.\n"
        "spinning := [v spin: me] fork. Process receive.\n"
        "holding := [:b | Process receive. b value: 1] forkWith: v block.\n"
        "forked := (Compiler evaluate: '[Process receive. [:x | x + 2] value: 7000000]') fork.\n"
        "deep := [v deep: 50] fork.\n"
        "me send: v block.\n"
        "Process sleep: 20.\n"
        "from := System statistics at: #codeVersions. most := 0.\n"
        "1 to: %d do: [:i | install value: i.\n"
        "  i \\\\ 50 = 0 ifTrue: [\n"
        "    most := most max: (System statistics at: #codeVersions) - from]].\n"
        "early := {parked. spinning. holding. forked. deep} inject: 0 into: [:n :p |\n"
        "  p isAlive ifTrue: [n] ifFalse: [n + 1]].\n"
        "{parked. spinning. holding. forked. deep} do: [:p | p send: #go].\n"
        "{early. parked wait. spinning wait. holding wait. forked wait. deep wait.\n"
        "  (Process receive payload) value: 2. most < %d ifTrue: [0] ifFalse: [most]}",
        (k->simulated ? 0 : 10000 / SCALE / 4) + 200, VERSIONS_SLACK);
}

static void old_versions_are_run_to_their_end(void **state)
{
    (void)state;
    both(replace_many);
}

/* M1: nobody pays for the values in between. */
static void reassign(VmKit *k)
{
    int idle = (k->simulated ? 10000 : 100000) / SCALE, n = 1000000 / SCALE;
    expect_formatted(
        k, "(true true)",
        "| me idle sum bytes grown |\n"
        "me := Process current.\n"
        "idle := (1 to: %d) asArray collect: [:i |\n"
        "  Compiler setGlobal: #Shared to: (Array with: i).\n"
        "  [| mine | mine := Compiler getGlobal: #Shared. me send: #ready. Process receive.\n"
        "   mine at: 1] forkWith: nil].\n"
        "idle do: [:p | Process receive].\n"
        "1 to: %d do: [:i | Compiler setGlobal: #Shared to: (Array with: i).\n"
        "  i = 1000 ifTrue: [bytes := System statistics at: #frozenBytes]].\n"
        "grown := (System statistics at: #frozenBytes) - bytes.\n"
        "idle do: [:p | p send: #go]. sum := 0. idle do: [:p | sum := sum + p wait].\n"
        "{grown < 200000 ifTrue: [true] ifFalse: [grown]. sum > 0}",
        idle, n);
}

static void a_global_reassigned_often_takes_no_more_memory(void **state)
{
    (void)state;
    both(reassign);
}

static void look_and_forget(VmKit *k)
{
    /* 64 values of 256 KB, each looked at by a process that waits for ever and refers to none */
    vmkit_expect(k,
                 "| me frozen tries |\n"
                 "me := Process current.\n"
                 "1 to: 64 do: [:i |\n"
                 "  Compiler setGlobal: #Shared to: (Array new: 32768 withAll: i).\n"
                 "  [| mine | mine := Compiler getGlobal: #Shared. mine := mine at: 1.\n"
                 "   me send: mine. Process receive. mine] fork.\n"
                 "  Process receive].\n"
                 "Compiler setGlobal: #Shared to: nil.\n"
                 "frozen := [System statistics at: #frozenBytes]. tries := 0.\n"
                 "[frozen value > 10000000 and: [tries < 20000]] whileTrue: [\n"
                 "  Compiler setGlobal: #Shared to: (Array with: tries).\n"
                 "  tries := tries + 1. Process sleep: 1].\n"
                 "frozen value > 10000000",
                 "false");
}

static void idle_processes_let_go_of_what_they_only_looked_at(void **state)
{
    (void)state;
    both(look_and_forget);
}

/* The last count of a value goes while the VM is destroyed, and with it those that the message in
 * its channel has. vmkit_close finds what is not freed. */
static void leave_items(VmKit *k)
{
    vmkit_expect(k,
                 "| c me |\n"
                 "me := Process current.\n"
                 "Compiler setGlobal: #One to: (Array with: 1).\n"
                 "Compiler setGlobal: #Two to: (Array with: 2).\n"
                 "c := Channel new: 4.\n"
                 "c send: {Compiler getGlobal: #One. Compiler getGlobal: #Two}.\n"
                 "Compiler setGlobal: #Shared to: (Array with: c).\n"
                 "[| mine |\n"
                 "  mine := Compiler getGlobal: #Shared. me send: 1. Process receive. mine] fork.\n"
                 "Process receive.\n"
                 "Compiler setGlobal: #Shared to: nil. c := nil. 1",
                 "1");
}

static void what_a_value_held_is_freed_when_the_vm_is_destroyed(void **state)
{
    (void)state;
    both(leave_items);
}

TESTKIT_MAIN(cmocka_unit_test(evaluated_code_is_gone_afterwards),
             cmocka_unit_test(a_block_of_evaluated_code_works_as_long_as_it_is_kept),
             cmocka_unit_test(a_stack_trace_keeps_what_it_names),
             cmocka_unit_test(old_versions_are_run_to_their_end),
             cmocka_unit_test(a_global_reassigned_often_takes_no_more_memory),
             cmocka_unit_test(idle_processes_let_go_of_what_they_only_looked_at),
             cmocka_unit_test(what_a_value_held_is_freed_when_the_vm_is_destroyed))
