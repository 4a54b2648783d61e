/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_code_life.c - how long code and values of globals live (I11, M1): what is evaluated once
 * is gone afterwards, blocks of it work as long as somebody has them, old versions of methods are
 * run to their end wherever they are, and idle processes let go of what they only looked at.
 * Threads: the VM's own. */
#include "vmkit.h"

#include <stdio.h>
#include <time.h>

#include "buf.h"
#include "code_life.h"
#include "loader.h"

#if MAGGIE_ASAN || MAGGIE_TSAN || defined(MAGGIE_GC_STRESS) || defined(MAGGIE_DEBUG) ||            \
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
    for (int threads = 0; threads < 2; threads++) {
        VmKit k;
        VmKitOptions options = {.simulated = threads == 0, .seed = 11};
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
    expect_formatted(k, "(true true)",
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

/* ---- a silent node --------------------------------------------------------------------------- */

/* How many counted versions there are when everything that can go has gone. */
static size_t versions_at_rest(VmKit *k, size_t wanted)
{
    if (k->simulated) {
        for (k->quiescent = false; !k->quiescent;)
            vmkit_steps(k, 1000);
        return k->vm->counted_versions;
    }
    /* nothing else than idleness makes them go; the limit is a guard */
    for (int tries = 0; tries < 60000; tries++) {
        if (atom_load_rlx(&k->vm->counted_versions) == wanted) /* relaxed: a figure */
            break;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return atom_load_rlx(&k->vm->counted_versions); /* relaxed: as above */
}

static void fall_silent(VmKit *k)
{
    vmkit_load(k, "Silent subclass: Object\n  method: one [ ^-1 ]\n  method: two [ ^-1 ]\n");
    /* fewer of everything than what makes a busy scheduler look */
    vmkit_expect(k,
                 "1 to: 3 do: [:i | Compiler evaluate: '[:x | x + ', i printString, '] value: 1'.\n"
                 "  Silent compileAndInstall: 'method: one [ ^', i printString, ' ]'.\n"
                 "  Silent compileAndInstall: 'method: two [ ^', i printString, ' ]'.\n"
                 "  [Silent new one + (Compiler evaluate: '4')] fork wait].\n"
                 "Silent new one + Silent new two",
                 "6");
    assert_int_equal(versions_at_rest(k, 2), 2); /* those in the dictionary */
    vmkit_load(k, "1 foo");
    vmkit_expect(k, "Silent compileAndInstall: 'method: one [ ^7 ]'. Silent new one", "7");
    assert_int_equal(versions_at_rest(k, 2), 2);
}

static void a_silent_node_keeps_no_dead_code(void **state)
{
    (void)state;
    both(fall_silent);
}

/* ---- looking at frames ----------------------------------------------------------------------- */

/* A process tells of its frames and goes away with all that it ran; what it told is read then. */
static void tell_of_frames(VmKit *k)
{
    vmkit_load(k, "Told subclass: Object\n  method: wait [ ^-1 ]\n");
    vmkit_expect(k,
                 "| p info before |\n"
                 "Told compileAndInstall: 'method: wait [ ^0 ]'.\n"
                 "Told compileAndInstall: 'method: wait [ ^[Process receive] value ]'.\n"
                 "p := [Told new wait. Compiler evaluate: '1'] fork.\n"
                 "[p status == #waiting] whileFalse: [Process sleep: 1].\n"
                 "info := p info. before := info stack.\n"
                 "Told compileAndInstall: 'method: wait [ ^1 ]'.\n"
                 "p send: 1. p wait. p := nil.\n"
                 /* silence, then others in the same places */
                 "Process sleep: 1000.\n"
                 "1 to: 200 do: [:i | Compiler evaluate: '[:x | x - ', i printString, ']'].\n"
                 "{info stack printString = before printString.\n"
                 " (before at: 2) startsWith: '[] in Told>>wait'.\n"
                 " (before at: 3) startsWith: 'Told>>wait'}",
                 "(true true true)");
    assert_int_equal(versions_at_rest(k, 1), 1);
}

static void a_frame_told_of_keeps_its_code(void **state)
{
    (void)state;
    both(tell_of_frames);
}

/* ---- replaced while a process is away -------------------------------------------------------- */

static void install(VmKit *k, uint32_t cls, const char *source)
{
    VmLocal *l;
    uint32_t selector;
    Buf report;
    buf_init(&report, &k->env, SIZE_MAX);
    assert_ok(vm_local_open(k->vm, &l));
    assert_ok(loader_compile_method(l, cls, (Bytes){source, strlen(source)}, &selector, &report));
    assert_int_not_equal(selector, 0);
    vm_local_close(l);
    buf_free(&report);
}

/* The process has left for a collection, after which it enters the counted version of the method
 * with this selector. */
static bool is_away_before(const VmKit *k, uint32_t job, uint32_t selector)
{
    const Process *p = process_of_pid(k->vm->actors, k->jobs[job].pid);
    return p && p->wait == PROCESS_WAIT_COLLECT && p->pending && p->pending->selector == selector &&
           code_is_counted(p->pending);
}

static bool has_ended(const VmKit *k, uint32_t job) { return k->jobs[job].ended; }

/* A method that is replaced while a process that is about to enter it is away. */
typedef struct Replacement {
    uint32_t cls, selector;
    const char *first, *second; /* definitions */
    const char *script;         /* with a number, by which its heap differs from time to time */
    bool is_exit;               /* an exit signal makes it enter the method, when it waits */
} Replacement;

static void send_shutdown(VmKit *k, uint32_t job)
{
    const Process *p = process_of_pid(k->vm->actors, k->jobs[job].pid);
    while (p->wait != PROCESS_WAIT_RECEIVE)
        vmkit_steps(k, 1);
    ActorCtx *cx = &k->vm->outside->actor;
    epoch_begin(cx->epoch);
    assert_ok(process_send_exit(cx, NULL, k->jobs[job].pid, value_symbol(SYM_SHUTDOWN), false));
    epoch_end(cx->epoch);
}

/* Lets everything go that can while the process is away. False: it was back too soon. */
static bool replace_while_away(VmKit *k, const Replacement *r, uint32_t job)
{
    install(k, r->cls, r->second);
    uint64_t before = k->vm->away_counters.jobs[AWAY_COLLECT];
    vmkit_steps(k, 1); /* ends the slice, unless the seed has the job done first */
    if (k->vm->away_counters.jobs[AWAY_COLLECT] != before)
        return false;
    assert_true(epoch_settle_returned(k->vm->epochs));
    assert_true(is_away_before(k, job, r->selector));
    return true;
}

/* Programs with ever more to collect, until some have left just there. What they run is the first
 * definition, whatever has become of it. */
static void replace_until_met(const Replacement *r)
{
    VmKit k;
    unsigned met = 0;
    vmkit_open(&k, &(VmKitOptions){.simulated = true,
                                   .seed = 1,
                                   .schedulers = 1,
                                   .stack_cap_bytes = 1 << 15,
                                   .long_words = 200});
    for (int i = 0; i < 120 && met < 3; i++) {
        char script[500];
        snprintf(script, sizeof script, r->script, i * 8);
        install(&k, r->cls, r->first);
        install(&k, r->cls, r->first); /* the second one is counted, whatever there was before */
        assert_int_equal(versions_at_rest(&k, 1), 1);
        uint32_t job = vmkit_spawn(&k, script);
        if (r->is_exit)
            send_shutdown(&k, job);
        while (!has_ended(&k, job) && !is_away_before(&k, job, r->selector))
            vmkit_steps(&k, 1);
        met += !has_ended(&k, job) && replace_while_away(&k, r, job);
        (void)vmkit_run_on(&k);
        assert_string_equal(r->is_exit ? vmkit_reason(&k, job) : vmkit_result(&k, job), "first");
        assert_int_equal(versions_at_rest(&k, 1), 1);
    }
#ifndef MAGGIE_GC_STRESS /* which makes room all the time */
    assert_int_equal(met, 3);
#endif
    vmkit_close(&k);
}

static void an_exit_that_waits_for_a_collection_runs_what_it_found(void **state)
{
    (void)state;
    replace_until_met(&(Replacement){
        .cls = CLASS_PROCESS | 1u,
        .selector = SYM_TERMINATE,
        .first = "classMethod: _terminate: reason [\n"
                 "  Exception _unwind: Exception _baseFrame. self _exit: #first result: nil ]",
        .second = "classMethod: _terminate: reason [\n"
                  "  Exception _unwind: Exception _baseFrame. self _exit: #second result: nil ]",
        /* what it has looked at makes it sweep when the signal comes */
        .script = "| a | a := (1 to: 60) asArray collect: [:x | Array new: 8].\n"
                  "[1 to: %d do: [:x | Compiler setGlobal: #Looked to: (Array with: x).\n"
                  "  Compiler getGlobal: #Looked]. Process receive] ensure: [a at: 1 put: 3]",
        .is_exit = true});
}

static void an_overflow_that_waits_for_a_collection_runs_what_it_found(void **state)
{
    (void)state;
    replace_until_met(&(Replacement){
        .cls = CLASS_EXCEPTION | 1u,
        .selector = SYM_STACK_OVERFLOW,
        .first = "classMethod: _stackOverflow [ ^StackOverflow new signal: 'first' ]",
        .second = "classMethod: _stackOverflow [ ^StackOverflow new signal: 'second' ]",
        .script = "| down | 1 to: %d do: [:x | Array new: 4].\n"
                  "down := nil. down := [:n | (down value: n + 1) + 1].\n"
                  "[down value: 1] on: StackOverflow do: [:e | e messageText]"});
}

TESTKIT_MAIN(cmocka_unit_test(evaluated_code_is_gone_afterwards),
             cmocka_unit_test(a_block_of_evaluated_code_works_as_long_as_it_is_kept),
             cmocka_unit_test(a_stack_trace_keeps_what_it_names),
             cmocka_unit_test(old_versions_are_run_to_their_end),
             cmocka_unit_test(a_global_reassigned_often_takes_no_more_memory),
             cmocka_unit_test(idle_processes_let_go_of_what_they_only_looked_at),
             cmocka_unit_test(what_a_value_held_is_freed_when_the_vm_is_destroyed),
             cmocka_unit_test(a_silent_node_keeps_no_dead_code),
             cmocka_unit_test(an_exit_that_waits_for_a_collection_runs_what_it_found),
             cmocka_unit_test(an_overflow_that_waits_for_a_collection_runs_what_it_found),
             cmocka_unit_test(a_frame_told_of_keeps_its_code))
