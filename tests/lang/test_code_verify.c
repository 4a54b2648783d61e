/* SPDX-License-Identifier: Apache-2.0 */
/* test_code_verify.c - what the verifier refuses: each rule broken by hand, and random damage,
 * which must be judged without harm.
 * Threads: one. */
#include "codegen_test.h"

/* A method whose code has a bit of everything. */
static const char rich[] =
    "foo: x bar: y | a b | a := x + 1. b := {a. x. K1}. x < 3 ifTrue: [a := 4].\n"
    "1 to: x do: [:i | b at: i put: [:e | e + i + p]. i = 7 ifTrue: [^i]].\n"
    "[a > 0] whileTrue: [a := a - 1. y do: [:e | a := e. ^p]. p := Array new].\n"
    "x isNil ifTrue: [^self foo: x bar: 3]. ^super foo: [3] bar: #(1 $a (2 3))";

static CodeUnit *compile_rich(void)
{
    LangParse parse;
    CodeUnit *unit = compile_text(AS_METHOD, &parse, rich, strlen(rich));
    assert_non_null(unit);
    lang_parse_free(&parse);
    expect_verified(unit, rich);
    return unit;
}

/* A method with one argument and 12 registers made of the given instructions; R[4] is free. */
static const char *judge(const Instr *code, uint32_t count)
{
    static Bytes selectors[] = {{"+", 1}, {"foo", 3}, {"foo:", 4}, {"at:put:", 7}};
    static Literal literals[2];
    literals[0] = (Literal){.kind = LIT_INT, .integer = 5};
    literals[1] = (Literal){.kind = LIT_ARRAY};
    Instr copy[16];
    CodeUnit unit = {.kind = CODE_METHOD,
                     .selector = {"m:", 2},
                     .nargs = 1,
                     .nregs = 12,
                     .ic_selectors = selectors,
                     .nics = 4,
                     .literals = literals,
                     .nliterals = 2,
                     .instr = copy,
                     .ninstr = count,
                     .getter_slot = -1};
    memcpy(copy, code, count * sizeof *code);
    uint32_t pc;
    return code_verify(&unit, &pc);
}

#define JUDGE(...)                                                                                 \
    judge((const Instr[]){__VA_ARGS__}, sizeof((const Instr[]){__VA_ARGS__}) / sizeof(Instr))
#define I(op, a, b, c, d) instr_make(OP_##op, a, b, c, (uint32_t)(d))
#define ARITH_D(ic, h) ((uint32_t)(ic) | (uint32_t)(h) << 24)

static void expect_refused(const char *error, const char *why)
{
    if (!error)
        fail_msg("accepted, though: %s", why);
    if (strcmp(error, why) != 0)
        fail_msg("refused for '%s', not for '%s'", error, why);
}

static void sound_code_is_accepted(void **state)
{
    (void)state;
    assert_null(JUDGE(I(RETSELF, 0, 0, 0, 0)));
    assert_null(JUDGE(I(ADD, 4, 0, 1, ARITH_D(0, 4)), I(RET, 4, 0, 0, 0)));
    assert_null(JUDGE(I(LDNIL, 4, 0, 0, 0), I(LOOP, 0, 0, 5, -2)));
}

static void registers_must_lie_in_the_window_and_off_the_record(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(RET, 12, 0, 0, 0)), "operand is no register of the window");
    expect_refused(JUDGE(I(RET, 2, 0, 0, 0)), "operand is no register of the window");
    expect_refused(JUDGE(I(RET, 3, 0, 0, 0)), "operand is no register of the window");
    expect_refused(JUDGE(I(LDNIL, 3, 0, 0, 0), I(RETSELF, 0, 0, 0, 0)),
                   "result is no register of the window");
    expect_refused(JUDGE(I(NILS, 4, 12, 0, 0), I(RETSELF, 0, 0, 0, 0)),
                   "result is no register of the window");
    expect_refused(JUDGE(I(NILS, 5, 4, 0, 0), I(RETSELF, 0, 0, 0, 0)), "empty range");
}

static void registers_must_be_defined_on_every_path(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(RET, 4, 0, 0, 0)), "operand may be undefined");
    expect_refused(JUDGE(I(JMPF, 1, 0, 4, 1), I(LDNIL, 4, 0, 0, 0), I(RET, 4, 0, 0, 0)),
                   "operand may be undefined");
    assert_null(
        JUDGE(I(JMPF, 1, 0, 4, 2), I(LDNIL, 4, 0, 0, 0), I(RET, 4, 0, 0, 0), I(RET, 1, 0, 0, 0)));
    /* a loop whose second round would find the register dead */
    expect_refused(JUDGE(I(LDNIL, 4, 0, 0, 0), I(MOVE, 5, 4, 0, 0), I(LOOP, 0, 0, 4, -2)),
                   "operand may be undefined");
}

static void everything_below_a_live_height_must_be_defined(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(ADD, 4, 0, 1, ARITH_D(0, 5)), I(RET, 4, 0, 0, 0)),
                   "register below the live height may be undefined");
    expect_refused(JUDGE(I(LDNIL, 5, 0, 0, 0), I(SEND, 5, 5, 0, 1), I(RET, 5, 0, 0, 0)),
                   "register below the live height may be undefined");
    expect_refused(JUDGE(I(ADD, 4, 0, 1, ARITH_D(0, 3)), I(RET, 4, 0, 0, 0)),
                   "live height outside of the window");
    expect_refused(JUDGE(I(NILS, 4, 11, 0, 0), I(ADD, 4, 0, 1, ARITH_D(0, 10)), I(RET, 4, 0, 0, 0)),
                   "live height outside of the window");
}

static void a_safepoint_kills_what_lies_above(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(NILS, 4, 5, 0, 0), I(ADD, 4, 0, 1, ARITH_D(0, 5)), I(RET, 5, 0, 0, 0)),
                   "operand may be undefined");
    expect_refused(JUDGE(I(LDNIL, 4, 0, 0, 0), I(ADD, 4, 0, 4, ARITH_D(0, 4)), I(RET, 4, 0, 0, 0)),
                   "operand above the live height");
    /* a callee's window begins at the receiver, so the arguments are gone too */
    expect_refused(JUDGE(I(NILS, 4, 5, 0, 0), I(SEND, 6, 4, 1, 2), I(RET, 5, 0, 0, 0)),
                   "operand may be undefined");
}

static void cells_must_be_cells(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(GETCELL, 4, 1, 0, 0), I(RET, 4, 0, 0, 0)), "operand may be no cell");
    expect_refused(JUDGE(I(SETCELL, 1, 0, 4, 0), I(RETSELF, 0, 0, 0, 0)), "operand may be no cell");
    assert_null(JUDGE(I(MKCELL, 1, 1, 4, 0), I(GETCELL, 4, 1, 0, 0), I(RET, 4, 0, 0, 0)));
    expect_refused(JUDGE(I(JMPF, 1, 0, 4, 1), I(MKCELL, 1, 1, 4, 0), I(GETCELL, 4, 1, 0, 0),
                         I(RET, 4, 0, 0, 0)),
                   "operand may be no cell");
    /* an element is taken for a cell only where the interpreter looks whether it is one */
    expect_refused(JUDGE(I(GETI, 4, 1, 0, 0), I(GETCELL, 4, 4, 0, 0), I(RET, 4, 0, 0, 0)),
                   "operand may be no cell");
    assert_null(JUDGE(I(GETI, 4, 1, 1, 0), I(GETCELL, 4, 4, 0, 0), I(RET, 4, 0, 0, 0)));
    expect_refused(JUDGE(I(GETI, 4, 1, 2, 0), I(RET, 4, 0, 0, 0)), "element is cell or not");
}

static void control_must_stay_in_the_code(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(LDNIL, 4, 0, 0, 0)), "control runs off the end");
    expect_refused(JUDGE(I(JMP, 0, 0, 0, 1), I(RETSELF, 0, 0, 0, 0)), "jump out of the code");
    expect_refused(JUDGE(I(JMP, 0, 0, 0, -2), I(RETSELF, 0, 0, 0, 0)), "jump out of the code");
    expect_refused(JUDGE(I(JMP, 0, 0, 0, -1)), "loop without a safepoint");
    expect_refused(JUDGE(I(LDTRUE, 4, 0, 0, 0), I(JMPT, 4, 0, 5, -1), I(RETSELF, 0, 0, 0, 0)),
                   "loop without a safepoint");
    assert_non_null(JUDGE((Instr)OP_COUNT, I(RETSELF, 0, 0, 0, 0)));
}

static void fused_comparisons_need_their_jump(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(LTJ, 4, 0, 1, ARITH_D(0, 4)), I(RETSELF, 0, 0, 0, 0)),
                   "comparison without its JMPF");
    expect_refused(
        JUDGE(I(LTJ, 4, 0, 1, ARITH_D(0, 4)), I(JMPF, 1, 0, 5, 0), I(RETSELF, 0, 0, 0, 0)),
        "comparison without its JMPF");
    /* the inline way does not write the register */
    expect_refused(JUDGE(I(LTJ, 4, 0, 1, ARITH_D(0, 4)), I(JMPF, 4, 0, 5, 0), I(RET, 4, 0, 0, 0)),
                   "operand may be undefined");
    assert_null(JUDGE(I(LTJ, 4, 0, 1, ARITH_D(0, 4)), I(JMPF, 4, 0, 5, 0), I(RET, 1, 0, 0, 0)));
}

static void tables_are_checked(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(LDLIT, 4, 0, 0, 2), I(RET, 4, 0, 0, 0)), "literal out of range");
    expect_refused(JUDGE(I(LDLIT, 4, 0, 0, 1), I(RET, 4, 0, 0, 0)), "literal of the wrong kind");
    expect_refused(JUDGE(I(LITARR, 4, 0, 4, 0), I(RET, 4, 0, 0, 0)), "literal of the wrong kind");
    expect_refused(JUDGE(I(GETGLOBAL, 4, 0, 4, 0), I(RET, 4, 0, 0, 0)), "global out of range");
    expect_refused(JUDGE(I(MKBLK, 4, 0, 4, 0), I(RET, 4, 0, 0, 0)), "block out of range");
    expect_refused(JUDGE(I(ADD, 4, 0, 1, ARITH_D(9, 4)), I(RET, 4, 0, 0, 0)),
                   "inline cache out of range");
    expect_refused(JUDGE(I(ADD, 4, 0, 1, ARITH_D(1, 4)), I(RET, 4, 0, 0, 0)),
                   "argument count does not fit the selector");
    expect_refused(JUDGE(I(NILS, 4, 5, 0, 0), I(SEND, 4, 4, 1, 1), I(RET, 4, 0, 0, 0)),
                   "argument count does not fit the selector");
}

static void fields_belong_to_self_only(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(GETF, 4, 1, 0, 0), I(RET, 4, 0, 0, 0)), "field of no self");
    expect_refused(JUDGE(I(SETF, 1, 0, 4, 0), I(RETSELF, 0, 0, 0, 0)), "field of no self");
    assert_null(JUDGE(I(SETF, 0, 1, 4, 0), I(RETSELF, 0, 0, 0, 0)));
}

static void returns_and_tokens_have_their_places(void **state)
{
    (void)state;
    expect_refused(JUDGE(I(NLR, 1, 0, 4, 0)), "non-local return without a home");
    expect_refused(JUDGE(I(HOMETOKEN, 4, 0, 0, 0), I(RETSELF, 0, 0, 0, 0)), "misplaced home token");
    expect_refused(JUDGE(I(LDNIL, 5, 0, 0, 0), I(TAILSELF, 4, 4, 1, 2), I(RETSELF, 0, 0, 0, 0)),
                   "tail call without its send");
    expect_refused(JUDGE(I(SENDSELF, 1, 1, 0, 1), I(RETSELF, 0, 0, 0, 0)),
                   "window below the locals");
}

static void units_must_have_a_sound_shape(void **state)
{
    (void)state;
    CodeUnit *unit = compile_rich();
    uint32_t pc;
    CodeUnit broken = *unit;
    broken.nregs = 4;
    assert_non_null(code_verify(&broken, &pc));
    broken = *unit;
    broken.nargs = 1;
    assert_non_null(code_verify(&broken, &pc));
    broken = *unit;
    broken.ninstr = 0;
    assert_non_null(code_verify(&broken, &pc));
    broken = *unit;
    broken.home_reg++;
    assert_non_null(code_verify(&broken, &pc));
    broken = *unit;
    broken.ncaps = 1;
    assert_non_null(code_verify(&broken, &pc));
    broken = *unit->blocks[0];
    assert_non_null(code_verify(&broken, &pc));
    /* a block that takes something else for self */
    CodeUnit *block = unit->blocks[0];
    assert_true(block->uses_self);
    block->captures[0] = 1;
    expect_refused(code_verify(unit, &pc), "captured self is not self");
    block->captures[0] = 0;
    block->instr[0] = I(RET, 200, 0, 0, 0);
    assert_non_null(code_verify(unit, &pc));
    code_unit_free(unit);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void damaged_code_is_judged_without_harm(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    uint32_t refused = 0, rounds = 20000, pc;
    CodeUnit *unit = compile_rich();
    for (uint32_t n = 0; n < rounds; n++) {
        CodeUnit *victim = unit;
        uint64_t r = next_random(&seed);
        while (victim->nblocks && (r & 1)) {
            victim = victim->blocks[(r >> 8) % victim->nblocks];
            r = next_random(&seed);
        }
        Instr *instr = &victim->instr[next_random(&seed) % victim->ninstr], before = *instr;
        *instr ^= (Instr)(1 + (next_random(&seed) & 7)) << next_random(&seed) % 64;
        if (*instr == before)
            continue;
        const char *error = code_verify(unit, &pc);
        refused += error != NULL;
        if (!error) { /* what is accepted can be shown */
            Buffer out = {0};
            disasm_unit(unit, buffer_sink(&out));
            free(out.bytes);
        }
        *instr = before;
    }
    assert_null(code_verify(unit, &pc));
    assert_true(refused > rounds / 2);
    code_unit_free(unit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_code_is_accepted),
        cmocka_unit_test(registers_must_lie_in_the_window_and_off_the_record),
        cmocka_unit_test(registers_must_be_defined_on_every_path),
        cmocka_unit_test(everything_below_a_live_height_must_be_defined),
        cmocka_unit_test(a_safepoint_kills_what_lies_above),
        cmocka_unit_test(cells_must_be_cells),
        cmocka_unit_test(control_must_stay_in_the_code),
        cmocka_unit_test(fused_comparisons_need_their_jump),
        cmocka_unit_test(tables_are_checked),
        cmocka_unit_test(fields_belong_to_self_only),
        cmocka_unit_test(returns_and_tokens_have_their_places),
        cmocka_unit_test(units_must_have_a_sound_shape),
        cmocka_unit_test(damaged_code_is_judged_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
