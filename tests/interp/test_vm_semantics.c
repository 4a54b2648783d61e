/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_semantics.c - what scripts cannot arrange by themselves: methods that change while other
 * schedulers send them (I11), classes that change under warm caches, operators that stop being
 * built in, limits of depth and memory, code that hides behind a domain.
 * Threads: the VM's own; the test's thread installs methods. */
#include "vmkit.h"

#include <sched.h>

/* Sends an integer to a process from the test's thread. */
static void tell(VmKit *k, uint32_t job, int64_t n)
{
    VmLocal *l;
    Value culprit;
    assert_ok(vm_local_open(k->vm, &l));
    epoch_begin(l->actor.epoch);
    Status status =
        process_send(&l->actor, NULL, k->jobs[job].pid, VALUE_NIL, value_int(n), &culprit);
    epoch_end(l->actor.epoch);
    assert_ok(status);
    vm_local_close(l);
}

static void load_format(VmKit *k, const char *format, int n)
{
    char source[1000];
    snprintf(source, sizeof source, format, n, n, n, n);
    vmkit_load(k, source);
}

/* ---- redefinition under fire ----------------------------------------------------------------- */

static const char *const versioned = "Versioned subclass: Object\n"
                                     "  method: version [ ^%d + 0 ]\n"
                                     "  method: viaSelf [ ^self version ]\n"
                                     "  classMethod: version [ ^%d ]\n"
                                     "  method: plain [ ^%d ]\n"
                                     "  method: value [ ^%d ]\n"
                                     "VersionedMore subclass: Versioned\n"
                                     "  method: plain [ ^super plain ]\n";

/* After message n every way of sending answers n or more. Each process warms its caches between the
 * messages, without leaving its slice when the next message is there already. */
static const char *const watcher =
    "| a b all n low check |\n"
    "a := Versioned new. b := VersionedMore new. all := Array with: a with: b. low := 0.\n"
    "check := [:v | v < n ifTrue: [low := low + 1]].\n"
    "[n := Process receive payload. n >= 0] whileTrue: [\n"
    "  1 to: 3 do: [:i |\n"
    "    check value: a version; value: b version; value: a viaSelf; value: b viaSelf.\n"
    "    check value: a plain; value: b plain; value: Versioned version; value: a value.\n"
    "    all do: [:each | check value: each version; value: each plain].\n"
    "    check value: (a perform: #version); value: (b perform: #plain)]].\n"
    "low";

static void redefine_while_sent(uint32_t schedulers, int versions)
{
    enum { WATCHERS = 6 };
    VmKit k;
    uint32_t jobs[WATCHERS];
    vmkit_open(&k, &(VmKitOptions){.schedulers = schedulers});
    load_format(&k, versioned, 0);
    for (int i = 0; i < WATCHERS; i++)
        jobs[i] = vmkit_spawn(&k, watcher);
    for (int n = 1; n <= versions; n++) {
        load_format(&k, versioned, n);
        for (int i = 0; i < WATCHERS; i++)
            tell(&k, jobs[i], n);
    }
    for (int i = 0; i < WATCHERS; i++)
        tell(&k, jobs[i], -1);
    vmkit_run(&k);
    for (int i = 0; i < WATCHERS; i++)
        assert_string_equal(vmkit_result(&k, jobs[i]), "0");
    vmkit_close(&k);
}

static void a_message_that_tells_of_a_method_lets_no_older_one_run(void **state)
{
    (void)state;
    redefine_while_sent(4, TESTKIT_SCALE(400));
    redefine_while_sent(1, TESTKIT_SCALE(100));
}

/* The messages lie in the mailbox already, so that nothing but the receive can notice. */
static void a_waiting_message_is_news_as_well(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 1, .schedulers = 1});
    load_format(&k, versioned, 0);
    vmkit_expect(&k,
                 "| a install |\n"
                 "a := Versioned new. a version.\n"
                 "install := [:n | Versioned compileAndInstall: "
                 "'method: version [ ^' , n printString , ' ]'].\n"
                 "1 to: 3 do: [:n | | before |\n"
                 "  before := a version. install value: n.\n"
                 "  a version = n ifFalse: [Error signal: 'stale']].\n"
                 "a version",
                 "3");
    vmkit_close(&k);
}

/* ---- classes that change under warm caches --------------------------------------------------- */

static void what_a_superclass_learns_its_subclasses_know(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, NULL);
    vmkit_load(&k,
               "Animal subclass: Object\n  method: noise [ ^'none' ]\n"
               "Cat subclass: Animal\n"
               "Kitten subclass: Cat\n"
               "User subclass: Object\n  classMethod: ask: x [ ^x noise ]\n"
               "  classMethod: try: x [ ^[x purr] on: MessageNotUnderstood do: [:e | 'no'] ]\n");
    vmkit_expect(&k, "(User ask: Cat new) , (User ask: Kitten new) , (User try: Kitten new)",
                 "nonenoneno");
    vmkit_load(&k, "Cat subclass: Animal\n  method: noise [ ^'meow' ]\n");
    vmkit_expect(&k, "(User ask: Cat new) , (User ask: Kitten new) , (User ask: Animal new)",
                 "meowmeownone");
    vmkit_load(&k, "Animal subclass: Object\n  method: purr [ ^'purr' ]\n");
    vmkit_expect(&k, "User try: Kitten new", "purr");
    vmkit_load(&k, "Kitten subclass: Cat\n  method: purr [ ^'prr' ]\n");
    vmkit_expect(&k, "(User try: Kitten new) , (User try: Cat new)", "prrpurr");
    vmkit_close(&k);
}

static void a_class_that_gets_its_superclass_late_inherits_from_it(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, NULL);
    vmkit_load(&k, "Object subclass: nil\n  method: tag [ ^'object' ]\n"
                   "Base subclass: Object\n  method: tag [ ^'base' ]\n"
                   "Late subclass: Object\n"
                   "User subclass: Object\n  classMethod: ask: x [ ^x tag ]\n"
                   "  classMethod: all: x [ ^x tag , (x perform: #tag) , (self ask: x) ]\n");
    vmkit_expect(&k, "User all: Late new", "objectobjectobject");
    vmkit_load(&k, "Late subclass: Base\n");
    vmkit_expect(&k, "User all: Late new", "basebasebase");
    vmkit_close(&k);
}

/* ---- operators that are not built in any more ------------------------------------------------ */

static void a_user_class_may_define_every_operator(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, NULL);
    vmkit_load(&k, "Odd subclass: Object\n"
                   "  method: + x [ ^'plus' ]\n  method: < x [ ^'less' ]\n"
                   "  method: = x [ ^'equal' ]\n  method: isNil [ ^'nil?' ]\n"
                   "  method: notNil [ ^'not nil?' ]\n  method: not [ ^'not' ]\n"
                   "  method: == x [ ^'same' ]\n  method: ~~ x [ ^'differs' ]\n"
                   "  method: at: i [ ^'at' ]\n  method: at: i put: x [ ^'put' ]\n"
                   "  method: size [ ^'size' ]\n  method: bitAnd: x [ ^'and' ]\n"
                   "  method: value [ ^'value' ]\n  method: value: x [ ^'value:' ]\n"
                   "Use subclass: Object\n  classMethod: all: o [\n"
                   "    ^o + 1 , (o < 1) , (o = 1) , o isNil , o notNil , o not , (o at: 1) ,\n"
                   "      (o at: 1 put: 2) , o size , (o bitAnd: 1) , o value , (o value: 1) ]\n"
                   "  classMethod: same: o [ ^o == 1 ]\n");
    vmkit_expect(&k, "Use all: Odd new", "pluslessequalnil?not nil?notatputsizeandvaluevalue:");
    vmkit_expect(&k, "(3 + 4) printString , (3 < 4) printString , nil isNil printString",
                 "7truetrue");
    vmkit_close(&k);
}

static void a_built_in_operator_may_be_redefined(void **state)
{
    (void)state;
    static const struct {
        const char *cls, *method, *expression, *before, *after;
    } rows[] = {
        {"SmallInteger", "+ x [ ^self - x ]", "| a | a := 7. a + 3", "10", "4"},
        {"SmallInteger", "+ x [ ^self - x ]", "| a b | a := 7. b := 3. a + b", "10", "4"},
        {"SmallInteger", "+ x [ ^self - x ]", "7 + 3", "10", "4"},
        {"SmallInteger", "< x [ ^x == 3 ]", "| a | a := 5. a < 3 ifTrue: [1] ifFalse: [2]", "2",
         "1"},
        {"SmallInteger", "= x [ ^x > 100 ]", "| a | a := 5. Array with: a = 5 with: a = 200",
         "(true false)", "(false true)"},
        {"Float", "* x [ ^x ]", "| a | a := 2.5. a * 2", "5", "2"},
        {"Object", "isNil [ ^7 ]", "'x' isNil", "false", "7"},
        {"Object", "notNil [ ^7 ]", "3 notNil", "true", "7"},
        {"True", "not [ ^9 ]", "true not", "false", "9"},
        {"Array", "at: i [ ^i * 2 ]", "#(7 8) at: 2", "8", "4"},
        {"Array", "size [ ^99 ]", "#(7 8) size", "2", "99"},
        {"String", "size [ ^98 ]", "'abc' size", "3", "98"},
        {"Block", "value [ ^'mine' ]", "| b | b := [4]. b value", "4", "mine"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VmKit k;
        char text[400];
        vmkit_open(&k, &(VmKitOptions){.schedulers = 1});
        vmkit_expect(&k, rows[i].expression, rows[i].before);
        snprintf(text, sizeof text, "%s subclass: Object\n  method: %s\n", rows[i].cls,
                 rows[i].method);
        vmkit_load(&k, text);
        uint32_t job = vmkit_spawn(&k, rows[i].expression);
        vmkit_run(&k);
        if (strcmp(vmkit_result(&k, job), rows[i].after) != 0)
            fprintf(stderr, "%s>>%s\n", rows[i].cls, rows[i].method);
        assert_string_equal(vmkit_result(&k, job), rows[i].after);
        vmkit_close(&k);
    }
}

/* A loop that never leaves its slice for long notices a redefinition, too: at its next
 * switch-in. */
static void a_running_loop_sees_new_operators(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.schedulers = 2});
    uint32_t job = vmkit_spawn(&k, "| a | a := 3. [a isNil == 7] whileFalse: [a := 4 - 1]. a");
    vmkit_load(&k, "Object subclass: nil\n  method: isNil [ ^7 ]\n");
    vmkit_run(&k);
    assert_string_equal(vmkit_result(&k, job), "3");
    vmkit_close(&k);
}

/* ---- captured variables, progress of primitives ---------------------------------------------- */

static void captured_variables_are_stored_like_any_other(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.verify = true});
    /* the cell grows old, then refers to the young; a collection must find that */
    vmkit_expect(&k,
                 "| c set wrong | c := nil. wrong := 0. set := [:x | c := x].\n"
                 "1 to: 3000 do: [:i | Array new: 60].\n"
                 "1 to: 200 do: [:i |\n"
                 "  set value: (Array with: i printString).\n"
                 "  1 to: 200 do: [:j | Array new: 60].\n"
                 "  (c at: 1) = i printString ifFalse: [wrong := wrong + 1]].\n"
                 "wrong",
                 "0");
    /* a block published for all processes is frozen, and its variables with it */
    vmkit_expect(&k,
                 "| n | n := 1. Compiler setGlobal: #Count to: [n := n + 1].\n"
                 "[Count value] on: ImmutableObject do: [:e | #frozen]",
                 "frozen");
    vmkit_close(&k);
}

static void progress_of_one_call_is_not_that_of_the_next(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, NULL);
    vmkit_expect(&k,
                 "| a b | a := Array new: 300000. a at: 1 put: 7. b := Array new: 300000.\n"
                 "Array with: (b at: 1) with: a == b",
                 "(nil false)");
    vmkit_expect(&k,
                 "| s t | s := 'ab' repeat: 300000. t := s reversed.\n"
                 "[s indexOf: 'ba' startingAt: 599990] value. [s < 3] on: Error do: [:e | nil].\n"
                 "Array with: s = t with: (s indexOf: 'ab' startingAt: 1) with: s < t",
                 "(false 1 true)");
    vmkit_expect(
        &k,
        "(Process receive: 1) isNil printString , (Process receive: 1) isNil printString ,\n"
        "  ([3] fork wait + [4] fork wait) printString",
        "truetrue7");
    vmkit_close(&k);
}

/* ---- inline caches by themselves (M3) -------------------------------------------------------- */

enum { IC_WRITERS = 2, IC_ROUNDS = 40000 };
typedef struct IcRace {
    InlineCache ic[64];
    uint64_t wrong;
    uint32_t ready[IC_ROUNDS / 64 + 1];
} IcRace;

static Code *target_of(uint32_t cls) { return (Code *)(uintptr_t)(cls * 64 + 4096); }

/* All writers go over the same entries at the same time, then look at what is there. */
static void fill_and_look(uint32_t index, void *arg)
{
    IcRace *race = arg;
    for (uint32_t block = 0; block < IC_ROUNDS / 64; block++) {
        (void)atom_add(&race->ready[block], 1u);
        while (atom_load_acq(&race->ready[block]) < IC_WRITERS)
            sched_yield();
        for (uint32_t i = 0; i < 64; i++)
            ic_fill(&race->ic[i], 1000 + index, target_of(1000 + index));
        for (uint32_t i = 0; i < 64; i++) {
            InlineCache *ic = &race->ic[i];
            uint32_t cls0 = atom_load_acq(&ic->cls0), cls1 = atom_load_acq(&ic->cls1);
            bool bad0 = cls0 < IC_CLAIMED && atom_load_rlx(&ic->target0) != target_of(cls0);
            bool bad1 = cls1 < IC_CLAIMED && atom_load_rlx(&ic->target1) != target_of(cls1);
            bool twice = cls0 < IC_CLAIMED && cls0 == cls1;
            (void)atom_add_rlx(&race->wrong, (uint64_t)(bad0 || bad1 || twice));
        }
        (void)atom_add(&race->ready[block], 1u);
        while (atom_load_acq(&race->ready[block]) < 2 * IC_WRITERS)
            sched_yield();
        if (index == 0)
            for (uint32_t i = 0; i < 64; i++)
                race->ic[i] = (InlineCache){.cls0 = IC_FREE, .cls1 = IC_FREE};
    }
}

static void an_inline_cache_never_mixes_two_writers(void **state)
{
    (void)state;
    IcRace *race = calloc(1, sizeof *race);
    assert_non_null(race);
    for (uint32_t i = 0; i < 64; i++)
        race->ic[i] = (InlineCache){.cls0 = IC_FREE, .cls1 = IC_FREE};
    testkit_threads(IC_WRITERS, fill_and_look, race);
    assert_int_equal(race->wrong, 0);
    free(race);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void deep_recursion_is_an_exception(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.stack_cap_bytes = 1 << 20});
    vmkit_load(&k, "Deep subclass: Object\n"
                   "  method: down: n [ ^(self down: n + 1) + 1 ]\n"
                   "  method: twice: n [ ^[(self twice: n + 1) + 1] on: StackOverflow do: [:e |\n"
                   "     self down: 0] ]\n");
    vmkit_expect(&k, "[Deep new down: 0] on: StackOverflow do: [:e | #caught]", "caught");
    vmkit_expect(&k,
                 "| n | n := 0. 1 to: 5 do: [:i |\n"
                 "  [Deep new down: 0] on: StackOverflow do: [:e | n := n + 1]]. n",
                 "5");
    uint32_t job = vmkit_spawn(&k, "Deep new down: 0");
    uint32_t twice =
        vmkit_spawn(&k, "[Deep new down: 0] on: StackOverflow do: [:e | Deep new down: 0]");
    vmkit_run(&k);
    assert_non_null(strstr(vmkit_reason(&k, job), "StackOverflow"));
    assert_string_not_equal(vmkit_reason(&k, twice), "normal");
    vmkit_expect(&k, "3 + 4", "7");
    vmkit_close(&k);
}

/* In stress mode every allocation collects and verifies the whole heap. */
#ifdef MAGGIE_GC_STRESS
#define SMALL_CAP ((size_t)256 << 10)
#define DEEP_STACK ((size_t)32 << 10)
#define DEEP_SIZES "10"
#else
#define SMALL_CAP ((size_t)8 << 20)
#define DEEP_STACK ((size_t)192 << 10)
#define DEEP_SIZES "1 3 10 30 100 300 1000"
#endif

/* A recursion that allocates has its block renewed by collections again and again, each time with
 * room into which its stack can grow: the budget must be noticed all the same, in time. */
static void deep_recursion_that_allocates_is_an_exception(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.stack_cap_bytes = DEEP_STACK});
    vmkit_load(&k, "Deep subclass: Object\n"
                   "  method: down: n [ | a | a := Array new: n. ^(self down: n) -> a ]\n"
                   "  method: unwinding: n [\n"
                   "    | a | a := Array new: n.\n"
                   "    ^[self unwinding: n] ensure: [a := n printString] ]\n");
    vmkit_expect(&k,
                 "| n | n := 0. #(" DEEP_SIZES ") do: [:size |\n"
                 "  [Deep new down: size] on: StackOverflow do: [:e | n := n + 1].\n"
                 "  [Deep new unwinding: size] on: StackOverflow do: [:e | n := n + 1].\n"
                 "  n := n - 2]. n",
                 "0");
    vmkit_close(&k);
}

static void memory_without_end_ends_its_process_only(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.heap_cap_bytes = SMALL_CAP});
    static const char *const greedy[] = {
        "| l | l := ArrayList new. [true] whileTrue: [l add: (Array new: 100)]",
        "| l | [true] whileTrue: [l := Array with: l]",
        "Array new: 10000000",
        "| s | s := 'ab'. [true] whileTrue: [s := s , s]",
        "| d i | d := Dictionary new. i := 0. [true] whileTrue: [d at: (i := i + 1) put: i]",
        "| n | n := 3. [true] whileTrue: [n := n * n]",
    };
    enum { N = sizeof greedy / sizeof *greedy };
    uint32_t jobs[N];
    for (size_t i = 0; i < N; i++)
        jobs[i] = vmkit_spawn(&k, greedy[i]);
    uint32_t modest = vmkit_spawn(&k, "(1 to: 20000) inject: 0 into: [:a :b | a + b]");
    vmkit_run(&k);
    for (size_t i = 0; i < N; i++)
        assert_string_not_equal(vmkit_reason(&k, jobs[i]), "normal");
    assert_string_equal(vmkit_reason(&k, jobs[0]), "heapLimit");
    assert_string_equal(vmkit_reason(&k, jobs[1]), "heapLimit");
    assert_string_equal(vmkit_result(&k, modest), "200010000");
    vmkit_close(&k);
}

/* Gives the first instruction with this opcode in the method other operands, as code of an image
 * that was not made by the compiler could have. */
static void forge(VmKit *k, const char *selector, Opcode op, unsigned c, uint32_t d)
{
    uint32_t cls = class_find(k->vm, (Bytes){"Forged", 6});
    uint32_t symbol = symtab_lookup(k->vm->symtab, selector, strlen(selector));
    const Code *code = class_own_method(k->vm, cls, symbol);
    assert_non_null(code);
    Instr *instr = (Instr *)(uintptr_t)code->instr; /* nobody runs it yet */
    for (uint32_t i = 0; i < code->ninstr; i++) {
        if (instr_op(instr[i]) == op) {
            instr[i] = instr_make(op, instr_a(instr[i]), instr_b(instr[i]), c, d);
            return;
        }
    }
    fail_msg("%s has no such instruction", selector);
}

/* A method with an Array of its own for its many variables, some of them in cells. */
static void load_spilling(VmKit *k)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    Buf source;
    buf_init(&source, &k->real, 1 << 20);
    assert_ok(buf_puts(&source, "Forged subclass: Object\n"));
    for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
        assert_ok(buf_putf(&source, "  method: %s [ |", names[m]));
        for (int i = 0; i < 260; i++)
            assert_ok(buf_putf(&source, " v%d", i));
        assert_ok(buf_puts(&source, " |"));
        for (int i = 0; i < 260; i++)
            assert_ok(buf_putf(&source, " v%d := %d.", i, i));
        assert_ok(buf_puts(&source, " [v259 := v259 + 1. v1 := 2] value.\n"
                                    "    ^v258 + v259 + v257 ]\n"));
    }
    vmkit_load(k, buf_cstr(&source));
    buf_free(&source);
}

static void forged_operands_end_the_process_only(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, NULL);
    load_spilling(&k);
    forge(&k, "b", OP_GETI, 0, 1000000); /* an element that is not there */
    forge(&k, "c", OP_PUTI, 12, 1000000);
    forge(&k, "d", OP_GETI, 1, 0); /* a cell that is none */
    vmkit_expect(&k, "Forged new a", "775");
    static const char *const scripts[] = {"Forged new b", "Forged new c", "Forged new d"};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        uint32_t job = vmkit_spawn(&k, scripts[i]);
        vmkit_run(&k);
        assert_string_equal(vmkit_reason(&k, job), "badCode");
    }
    vmkit_expect(&k, "Forged new a", "775");
    vmkit_close(&k);
}

static void a_global_may_be_hidden_from_a_domain(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, NULL);
    Domain *d = vmkit_domain(&k, AUTH_ALL);
    uint32_t *hidden = env_alloc(k.vm->env, sizeof *hidden);
    assert_non_null(hidden);
    assert_ok(vm_intern(k.vm, (Bytes){"File", 4}, hidden));
    d->hidden = hidden;
    d->nhidden = 1;
    uint32_t job = vmkit_spawn_in(&k, "[File] on: RestrictedGlobal do: [:e | #hidden]", d);
    uint32_t child =
        vmkit_spawn_in(&k, "[[File] on: RestrictedGlobal do: [:e | #hidden]] fork wait", d);
    uint32_t other = vmkit_spawn_in(&k, "Array name", d);
    vmkit_run(&k);
    assert_string_equal(vmkit_result(&k, job), "hidden");
    assert_string_equal(vmkit_result(&k, child), "hidden");
    assert_string_equal(vmkit_result(&k, other), "Array");
    vmkit_close(&k);
}

TESTKIT_MAIN(cmocka_unit_test(a_message_that_tells_of_a_method_lets_no_older_one_run),
             cmocka_unit_test(a_waiting_message_is_news_as_well),
             cmocka_unit_test(what_a_superclass_learns_its_subclasses_know),
             cmocka_unit_test(a_class_that_gets_its_superclass_late_inherits_from_it),
             cmocka_unit_test(a_user_class_may_define_every_operator),
             cmocka_unit_test(a_built_in_operator_may_be_redefined),
             cmocka_unit_test(a_running_loop_sees_new_operators),
             cmocka_unit_test(captured_variables_are_stored_like_any_other),
             cmocka_unit_test(progress_of_one_call_is_not_that_of_the_next),
             cmocka_unit_test(an_inline_cache_never_mixes_two_writers),
             cmocka_unit_test(deep_recursion_is_an_exception),
             cmocka_unit_test(deep_recursion_that_allocates_is_an_exception),
             cmocka_unit_test(memory_without_end_ends_its_process_only),
             cmocka_unit_test(forged_operands_end_the_process_only),
             cmocka_unit_test(a_global_may_be_hidden_from_a_domain))
