/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_quick.c - quick forms of Float operators (quick.h): each one, alone and in a pair,
 * answers what the general operator answers, whatever the operands; sites get them and lose them.
 * Threads: the VM's own; code is looked at after the schedulers have stopped. */
#include "vmkit.h"

#include "quick.h"

typedef struct Operator {
    const char *name, *selector;
    bool compares;
} Operator;
static const Operator firsts[] = {
    {"ADD", "+", false}, {"SUB", "-", false}, {"MUL", "*", false}, {"DIV", "/", false}};
static const Operator seconds[] = {{"ADD", "+", false}, {"SUB", "-", false}, {"MUL", "*", false},
                                   {"DIV", "/", false}, {"LT", "<", true},   {"GT", ">", true},
                                   {"LE", "<=", true},  {"GE", ">=", true}};
#define FIRSTS (sizeof firsts / sizeof *firsts)
#define SECONDS (sizeof seconds / sizeof *seconds)

/* Ways the second operator may take the result of the first, and the same by sends of the
 * selectors f and s, which run the primitives. The result of the first is looked at, too. */
static const char *const ways[] = {
    "left",   "t := x %s y. u := t %s z.",
    "right",  "t := x %s y. u := z %s t.",
    "both",   "t := x %s y. u := t %s t.",
    "joined", "t := flag ifTrue: [z] ifFalse: [x %s y]. u := t %s z.",
};
#define WAYS (sizeof ways / sizeof *ways / 2)

/* Class Ways with a method of four arguments for each combination. A test decides where the second
 * operator compares, so that it is fused with its jump. */
static void append_methods(Buf *b, const Operator *first, const Operator *second)
{
    char body[200];
    for (size_t w = 0; w < WAYS; w++) {
        snprintf(body, sizeof body, ways[2 * w + 1], first->selector, second->selector);
        if (second->compares) {
            char *assigned = strstr(body, "u := "), *end = strrchr(body, '.');
            *end = '\0';
            assert_ok(buf_putf(b, "  method: %s%s%s: x y: y z: z flag: flag [ | t u |\n    ",
                               ways[2 * w], first->name, second->name));
            assert_ok(buf_putf(b, "%.*su := (%s) ifTrue: [true] ifFalse: [false].\n",
                               (int)(assigned - body), body, assigned + strlen("u := ")));
        } else {
            assert_ok(buf_putf(b, "  method: %s%s%s: x y: y z: z flag: flag [ | t u |\n    %s\n",
                               ways[2 * w], first->name, second->name, body));
        }
        assert_ok(buf_putf(b, "    ^Array with: t with: u ]\n"));
    }
}

static const char *const reference =
    "  method: how: how f: f s: s x: x y: y z: z flag: flag [ | t |\n"
    "    t := (how = 'joined' and: [flag]) ifTrue: [z] ifFalse: [x perform: f with: y].\n"
    "    how = 'right' ifTrue: [^Array with: t with: (z perform: s with: t)].\n"
    "    how = 'both' ifTrue: [^Array with: t with: (t perform: s with: t)].\n"
    "    ^Array with: t with: (t perform: s with: z) ]\n"
    /* an answer as text: of values or of the class of an exception */
    "  method: text: aBlock [ ^[aBlock value printString] on: Error do: [:e | e class name] ]\n";

static void load_ways(VmKit *k)
{
    Buf b;
    buf_init(&b, &k->real, SIZE_MAX);
    assert_ok(buf_putf(&b, "Ways subclass: Object\n%s", reference));
    for (size_t f = 0; f < FIRSTS; f++)
        for (size_t s = 0; s < SECONDS; s++)
            append_methods(&b, &firsts[f], &seconds[s]);
    vmkit_load(k, buf_cstr(&b));
    buf_free(&b);
}

/* First operands that suit the quick forms, then all kinds in changing order, so that sites lose
 * their forms and get them back; `wrong` collects what differs. */
static const char *const comparison =
    "| w kinds wrong check |\n"
    "w := Ways new. wrong := 0.\n"
    "check := [:x :y :z :flag |\n"
    "  (w text: [w %s%s%s: x y: y z: z flag: flag]) =\n"
    "    (w text: [w how: '%s' f: #%s s: #%s x: x y: y z: z flag: flag])\n"
    "      ifFalse: [wrong := wrong + 1]].\n"
    "1 to: 3 do: [:i | check value: 1.5 value: 0.25 * i value: 2.5 value: false].\n"
    "kinds := {2.5. -0.75. 7. 1.0e308. nil. 1.0e308 * 10.0. 1.0e308 * 10.0 * 0.0. 0.0}.\n"
    "kinds do: [:x | kinds do: [:y | kinds do: [:z |\n"
    "  check value: x value: y value: z value: false.\n"
    "  check value: y value: z value: x value: x == 7]]].\n"
    "wrong";

static void quick_operators_answer_what_general_ones_do(void **state)
{
    (void)state;
    VmKit k;
    char script[1200];
    vmkit_open(&k, &(VmKitOptions){.schedulers = 2});
    load_ways(&k);
    for (size_t f = 0; f < FIRSTS; f++) {
        for (size_t s = 0; s < SECONDS; s++) {
            for (size_t w = 0; w < WAYS; w++) {
                snprintf(script, sizeof script, comparison, ways[2 * w], firsts[f].name,
                         seconds[s].name, ways[2 * w], firsts[f].selector, seconds[s].selector);
                vmkit_spawn(&k, script);
            }
        }
    }
    vmkit_run(&k);
    for (uint32_t i = 0; i < FIRSTS * SECONDS * WAYS; i++) {
        if (strcmp(vmkit_result(&k, i), "0") != 0)
            fprintf(stderr, "%s %s, %s: %s\n", firsts[i / WAYS / SECONDS].name,
                    seconds[i / WAYS % SECONDS].name, ways[2 * (i % WAYS)], vmkit_reason(&k, i));
        assert_string_equal(vmkit_result(&k, i), "0");
    }
    vmkit_close(&k);
}

/* ---- which form a site has ------------------------------------------------------------------- */

/* The operation of the first instruction of a method of Site that is an operator's. */
static Opcode operator_form(VmKit *k, const char *selector)
{
    uint32_t symbol;
    assert_ok(vm_intern(k->vm, (Bytes){selector, strlen(selector)}, &symbol));
    uint32_t cls = class_find(k->vm, (Bytes){"Site", 4});
    assert_int_not_equal(cls, CLASS_NONE);
    const Code *code = vm_lookup(k->vm, cls, symbol);
    assert_non_null(code);
    for (uint32_t i = 0; i < code->ninstr; i++) {
        Opcode op = instr_op(code->instr[i]);
        if (op >= OP_QUICK_FIRST || (op >= OP_ADD && op <= OP_DIV))
            return op;
    }
    fail_msg("%s has no operator", selector);
    return OP_COUNT;
}

static void a_site_gets_the_form_that_suits_what_it_has_seen(void **state)
{
    (void)state;
    static const struct {
        const char *body, *calls;
        Opcode wanted;
    } rows[] = {
        {"^x + y", "w at: 1.5 y: 2.5 z: 0.5", OP_ADDF},
        {"^x + y", "w at: 1 y: 2 z: 3", OP_ADD},
        {"^x + y", "w at: 1.5 y: 2.5 z: 0.5. w at: 1 y: 2 z: 3", OP_ADD},
        {"^x + y", "w at: 1.5 y: 2 z: 3", OP_ADD},
        {"^x / y * z", "w at: 1.5 y: 2.5 z: 0.5", OP_DIVF},
        {"^x + y + z", "w at: 1.5 y: 2.5 z: 0.5", OP_ADDADDF},
        {"^x * y + z", "w at: 1.5 y: 2.5 z: 0.5", OP_MULADDF},
        {"^z + (x * y)", "w at: 1.5 y: 2.5 z: 0.5", OP_MULADDF},
        {"^x * y - z", "w at: 1.5 y: 2.5 z: 0.5", OP_MULSUBF},
        {"^z - (x * y)", "w at: 1.5 y: 2.5 z: 0.5", OP_MULRSUBF},
        {"^x - y * z", "w at: 1.5 y: 2.5 z: 0.5", OP_SUBMULF},
        {"^x + y < z ifTrue: [1] ifFalse: [2]", "w at: 1.5 y: 2.5 z: 0.5", OP_ADDLTJF},
        {"^x + y >= z ifTrue: [1] ifFalse: [2]", "w at: 1.5 y: 2.5 z: 0.5", OP_ADDGEJF},
        {"^z < (x + y) ifTrue: [1] ifFalse: [2]", "w at: 1.5 y: 2.5 z: 0.5", OP_ADDF},
        {"^x * y + z", "w at: 1.5 y: 2.5 z: 3", OP_MULADDF}, /* not tried yet */
        {"^x * y + z", "w at: 1.5 y: 2.5 z: 0.5. w at: 1.5 y: 2.5 z: 3", OP_MULF},
        {"^x * y + z", "w at: 1.5 y: 2.5 z: 0.5. w at: 3 y: 2.5 z: 0.5", OP_MUL},
        {"^x * y / z", "w at: 1.5 y: 2.5 z: 0.5", OP_MULF},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        VmKit k;
        char text[300];
        vmkit_open(&k, &(VmKitOptions){.bare = false, .schedulers = 1});
        snprintf(text, sizeof text, "Site subclass: Object\n  method: at: x y: y z: z [ %s ]\n",
                 rows[i].body);
        vmkit_load(&k, text);
        snprintf(text, sizeof text, "| w | w := Site new. %s. 0", rows[i].calls);
        uint32_t job = vmkit_spawn(&k, text);
        vmkit_run(&k);
        assert_string_equal(vmkit_result(&k, job), "0");
        vmkit_stop(&k);
        Opcode op = operator_form(&k, "at:y:z:");
        if (op != rows[i].wanted)
            fprintf(stderr, "%s, %s: %s\n", rows[i].body, rows[i].calls, op_info[op].name);
        assert_int_equal(op, rows[i].wanted);
        vmkit_close(&k);
    }
}

static void a_redefined_operator_is_sent_by_quick_forms_too(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.schedulers = 1});
    vmkit_load(&k, "Site subclass: Object\n"
                   "  method: at: x y: y z: z [ ^x * y + z ]\n"
                   "  method: at: x y: y below: z [ ^x + y < z ifTrue: [1] ifFalse: [2] ]\n");
    vmkit_expect(&k, "Site new at: 1.5 y: 2.0 z: 0.5", "3.5");
    vmkit_expect(&k, "Site new at: 1.5 y: 2.0 below: 0.5", "2");
    vmkit_load(&k, "Float subclass: Number\n"
                   "  method: + x [ ^self - x ]\n  method: < x [ ^true ]\n");
    uint32_t first = vmkit_spawn(&k, "Site new at: 1.5 y: 2.0 z: 0.5");
    uint32_t second = vmkit_spawn(&k, "Site new at: 1.5 y: 2.0 below: -0.75");
    vmkit_run(&k);
    assert_string_equal(vmkit_result(&k, first), "2.5");
    assert_string_equal(vmkit_result(&k, second), "1");
    vmkit_close(&k);
}

/* Four schedulers run one method with different kinds, so its words change under each other. */
static void sites_shared_by_schedulers_stay_right(void **state)
{
    (void)state;
    enum { JOBS = 8 };
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.schedulers = 4});
    vmkit_load(&k, "Site subclass: Object\n"
                   "  method: at: x y: y z: z [ ^x * y + z ]\n"
                   "  method: at: x y: y below: z [ ^x + y < z ifTrue: [1] ifFalse: [2] ]\n");
    for (uint32_t i = 0; i < JOBS; i++) {
        char script[300];
        snprintf(script, sizeof script,
                 "| w wrong | w := Site new. wrong := 0.\n"
                 "1 to: 20000 do: [:i |\n"
                 "  (w at: %s y: %s z: %s) = %s ifFalse: [wrong := wrong + 1].\n"
                 "  (w at: %s y: %s below: 4.25) = 1 ifFalse: [wrong := wrong + 1]].\n"
                 "wrong",
                 i & 1 ? "1.5" : "3", i & 2 ? "2.0" : "2", i & 4 ? "0.5" : "1",
                 i & 1 ? (i & 4 ? "3.5" : "4.0") : (i & 4 ? "6.5" : (i & 2 ? "7.0" : "7")),
                 i & 1 ? "1.5" : "2", i & 2 ? "2.0" : "2");
        vmkit_spawn(&k, script);
    }
    vmkit_run(&k);
    for (uint32_t i = 0; i < JOBS; i++)
        assert_string_equal(vmkit_result(&k, i), "0");
    vmkit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quick_operators_answer_what_general_ones_do),
        cmocka_unit_test(a_site_gets_the_form_that_suits_what_it_has_seen),
        cmocka_unit_test(a_redefined_operator_is_sent_by_quick_forms_too),
        cmocka_unit_test(sites_shared_by_schedulers_stay_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
