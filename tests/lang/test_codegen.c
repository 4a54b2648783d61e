/* SPDX-License-Identifier: Apache-2.0 */
/* test_codegen.c - the code the compiler makes, compared instruction by instruction.
 * Every unit also passes the verifier, which proves that each register below a live height holds a
 * value on all paths.
 * Threads: one. */
#include "codegen_test.h"

static void arguments_are_computed_in_the_send_window(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "fib: n n < 2 ifTrue: [^n]. ^(self fib: n - 1) + (self fib: n - 2)",
                "LTKJ r4 r1 2 h4\n"
                "JMPF r4 ->3 h5\n"
                "RET r1\n"
                "SUBK r5 r1 1 h4\n"
                "SENDSELF r4 r4/1 #fib:\n"
                "SUBK r6 r1 2 h5\n"
                "SENDSELF r5 r5/1 #fib:\n"
                "ADD r4 r4 r5 h6\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^self bar: x + 1",
                "ADDK r5 r1 1 h4\n"
                "SENDSELF r4 r4/1 #bar:\n"
                "RET r4\n");
    /* a second argument that can be interrupted needs the receiver in place */
    expect_code(AS_METHOD, "foo: x ^self bar: x + 1 baz: x + 2",
                "MOVE r4 r0\n"
                "ADDK r5 r1 1 h5\n"
                "ADDK r6 r1 2 h6\n"
                "SEND r4 r4/2 #bar:baz:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^self bar: x + 1 baz: x",
                "ADDK r5 r1 1 h4\n"
                "MOVE r6 r1\n"
                "SENDSELF r4 r4/2 #bar:baz:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^x bar: p with: 3",
                "GETF r5 r0 0\n"
                "LDI r6 3\n"
                "SENDREG r4 r4/2 r1 #bar:with:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^(x bar baz: 1) zork + 2 - x",
                "SENDREG r4 r4/0 r1 #bar\n"
                "LDI r5 1\n"
                "SEND r4 r4/1 #baz:\n"
                "SEND r4 r4/0 #zork\n"
                "ADDK r4 r4 2 h5\n"
                "SUB r4 r4 r1 h5\n"
                "RET r4\n");
}

static void method_without_return_answers_self(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo", "RETSELF\n");
    expect_code(AS_METHOD, "foo 3", "RETSELF\n");
    expect_code(AS_METHOD, "foo p bar",
                "GETF r3 r0 0\n"
                "SEND r3 r3/0 #bar\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo p", "RETSELF\n");
}

static void return_of_a_send_to_self_with_the_own_selector_is_a_tail_call(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "inc: x ^self inc: x + 1",
                "ADDK r5 r1 1 h4\n"
                "TAILSELF r4 r4/1 #inc:\n"
                "SENDSELF r4 r4/1 #inc:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "loop ^self loop",
                "TAILSELF r3 r3/0 #loop\n"
                "SENDSELF r3 r3/0 #loop\n"
                "RET r3\n");
    expect_code(AS_METHOD, "down: n n = 0 ifTrue: [^0]. ^self down: n - 1",
                "EQKJ r4 r1 0 h4\n"
                "JMPF r4 ->4 h5\n"
                "LDI r4 0\n"
                "RET r4\n"
                "SUBK r5 r1 1 h4\n"
                "TAILSELF r4 r4/1 #down:\n"
                "SENDSELF r4 r4/1 #down:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "down: n with: m ^self down: n - 1 with: m + n",
                "MOVE r5 r0\n"
                "SUBK r6 r1 1 h6\n"
                "ADD r7 r2 r1 h7\n"
                "TAILSELF r5 r5/2 #down:with:\n"
                "SENDSELF r5 r5/2 #down:with:\n"
                "RET r5\n");
    expect_code(AS_METHOD, "down: n ^[self down: n - 1] value",
                "MKBLK r4 block 0 [r0 r1] h4\n"
                "SENDVALUE r4 r4/0 #value\n"
                "RET r4\n"
                "[\n"
                "SUBK r6 r4 1 h5\n"
                "SENDREG r5 r5/1 r3 #down:\n"
                "RET r5\n"
                "]\n");
    expect_code(AS_METHOD, "value ^self value",
                "TAILSELF r3 r3/0 #value\n"
                "SENDSELF r3 r3/0 #value\n"
                "RET r3\n");
    expect_code(AS_METHOD, "+ x ^self + x",
                "ADD r4 r0 r1 h4\n"
                "RET r4\n");
}

static void constants_are_folded_only_when_exact(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo ^3 + 4 * 2 - 1 + p",
                "LDI r3 13\n"
                "GETF r4 r0 0\n"
                "ADD r3 r3 r4 h5\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo ^140737488355327 + 1",
                "LDLIT r3 140737488355327\n"
                "ADDK r3 r3 1 h4\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo ^3 / 4",
                "LDI r3 3\n"
                "LDI r4 4\n"
                "DIV r3 r3 r4 h5\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo ^3 + 4",
                "LDI r3 7\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo 3 + 4", "RETSELF\n");
}

static void small_constants_ride_in_the_instruction(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: x ^(x + 127) - -128 * 128",
                "ADDK r4 r1 127 h4\n"
                "SUBK r4 r4 -128 h5\n"
                "LDI r5 128\n"
                "MUL r4 r4 r5 h6\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^x < 3 | (x = -1) | (x // 2 \\\\ 3 bitAnd: 15)",
                "LTK r4 r1 3 h4\n"
                "EQK r5 r1 -1 h5\n"
                "SEND r4 r4/1 #|\n"
                "IDIVK r5 r1 2 h5\n"
                "MODK r5 r5 3 h6\n"
                "BITANDK r5 r5 15 h6\n"
                "SEND r4 r4/1 #|\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^3 + x",
                "LDI r4 3\n"
                "ADD r4 r4 r1 h5\n"
                "RET r4\n");
}

static void operands_are_read_before_a_later_operand_assigns_them(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: x ^x + (x := 3)",
                "MOVE r4 r1\n"
                "LDI r1 3\n"
                "ADD r4 r4 r1 h5\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^(x := 3) + (x := 4)",
                "LDI r1 3\n"
                "MOVE r4 r1\n"
                "LDI r1 4\n"
                "ADD r4 r4 r1 h5\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^x + (x := 3) + x",
                "MOVE r4 r1\n"
                "LDI r1 3\n"
                "ADD r4 r4 r1 h5\n"
                "ADD r4 r4 r1 h5\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^x bar: (x := 3)",
                "MOVE r4 r1\n"
                "LDI r1 3\n"
                "MOVE r5 r1\n"
                "SEND r4 r4/1 #bar:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x x foo: x; bar: (x := 1); baz",
                "MOVE r4 r1\n"
                "MOVE r6 r1\n"
                "SENDREG r5 r5/1 r4 #foo:\n"
                "LDI r1 1\n"
                "MOVE r6 r1\n"
                "SENDREG r5 r5/1 r4 #bar:\n"
                "SENDREG r5 r5/0 r4 #baz\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: x ^p at: x put: (x := 3)",
                "GETF r4 r0 0\n"
                "MOVE r5 r1\n"
                "LDI r1 3\n"
                "PUTAT r4 r4 r5 r1 h6\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^{x. x := 3. x}",
                "MOVE r4 r1\n"
                "LDI r1 3\n"
                "MOVE r5 r1\n"
                "MOVE r6 r1\n"
                "MKARR r4 r4/3 h7\n"
                "RET r4\n");
}

static void conditions_become_jumps(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: a ^a < 3 ifTrue: [1] ifFalse: [2]",
                "LTKJ r4 r1 3 h4\n"
                "JMPF r4 ->4 h5\n"
                "LDI r4 1\n"
                "RET r4\n"
                "LDI r4 2\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: a a < 3 ifTrue: [p bar]. a isNil ifFalse: [p baz]",
                "LTKJ r4 r1 3 h4\n"
                "JMPF r4 ->4 h5\n"
                "GETF r4 r0 0\n"
                "SEND r4 r4/0 #bar\n"
                "ISNILJ r4 r1 h4\n"
                "JMPF r4 ->7 h5\n"
                "RETSELF\n"
                "GETF r4 r0 0\n"
                "SEND r4 r4/0 #baz\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: a ^(a > 1 and: [a < 9 or: [p]]) ifTrue: [#yes]",
                "GTKJ r4 r1 1 h4\n"
                "JMPF r4 ->9 h5\n"
                "LTKJ r4 r1 9 h4\n"
                "JMPF r4 ->5 h5\n"
                "JMP ->7\n"
                "GETF r4 r0 0\n"
                "JMPF r4 ->9 h5\n"
                "LDLIT r4 #yes\n"
                "RET r4\n"
                "LDNIL r4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: a ^a == p",
                "GETF r4 r0 0\n"
                "SAME r4 r1 r4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: a a == p ifTrue: [^1]. a ~~ p ifTrue: [^2]",
                "GETF r4 r0 0\n"
                "SAMEJ r4 r1 r4\n"
                "JMPF r4 ->5 h5\n"
                "LDI r4 1\n"
                "RET r4\n"
                "GETF r4 r0 0\n"
                "NOTSAME r4 r1 r4\n"
                "JMPF r4 ->10 h5\n"
                "LDI r4 2\n"
                "RET r4\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: a (a = 1) not ifTrue: [p bar]. a not ifTrue: [p baz]",
                "EQKJ r4 r1 1 h4\n"
                "JMPF r4 ->3 h5\n"
                "JMP ->5\n"
                "GETF r4 r0 0\n"
                "SEND r4 r4/0 #bar\n"
                "NOT r4 r1 h4\n"
                "JMPF r4 ->9 h5\n"
                "GETF r4 r0 0\n"
                "SEND r4 r4/0 #baz\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: a (a > 1) not not not ifTrue: [p bar]",
                "GTKJ r4 r1 1 h4\n"
                "JMPF r4 ->3 h5\n"
                "RETSELF\n"
                "GETF r4 r0 0\n"
                "SEND r4 r4/0 #bar\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: a true ifTrue: [p bar] ifFalse: [p baz]. false ifTrue: [p zork]",
                "GETF r4 r0 0\n"
                "SEND r4 r4/0 #bar\n"
                "RETSELF\n"
                "RETSELF\n");
}

static void values_of_conditionals(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: a | x | x := a ifTrue: [1]. ^x",
                "JMPF r1 ->3 h4\n"
                "LDI r4 1\n"
                "RET r4\n"
                "LDNIL r4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: a ^a and: [p]",
                "JMPF r1 ->3 h4\n"
                "GETF r4 r0 0\n"
                "RET r4\n"
                "LDFALSE r4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: a | x | x := a or: [p]. ^x",
                "JMPT r1 ->3 h4\n"
                "GETF r4 r0 0\n"
                "RET r4\n"
                "LDTRUE r4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: a ^a ifTrue: [] ifFalse: [2]",
                "JMPF r1 ->3 h4\n"
                "LDNIL r4\n"
                "RET r4\n"
                "LDI r4 2\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: a ^(a ifTrue: [p] ifFalse: [q]) foo",
                "JMPF r1 ->3 h4\n"
                "GETF r4 r0 0\n"
                "JMP ->4\n"
                "GETF r4 r0 1\n"
                "SEND r4 r4/0 #foo\n"
                "RET r4\n");
}

static void while_loops_test_at_the_top(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: n | i | i := 0. [i < n] whileTrue: [i := i + 1]. ^i",
                "LDI r4 0\n"
                "LTJ r5 r4 r1 h5\n"
                "JMPF r5 ->5 h6\n"
                "ADDK r4 r4 1 h5\n"
                "LOOP ->1 h5\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: n [n bar. n baz] whileFalse",
                "SENDREG r4 r4/0 r1 #bar\n"
                "SENDREG r4 r4/0 r1 #baz\n"
                "JMPT r4 ->4 h5\n"
                "LOOP ->0 h4\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: n [true] whileTrue: [n bar]. ^n",
                "SENDREG r4 r4/0 r1 #bar\n"
                "LOOP ->0 h4\n");
    expect_code(AS_METHOD, "foo: n ^[n bar] whileTrue: [n baz]",
                "SENDREG r4 r4/0 r1 #bar\n"
                "JMPF r4 ->4 h5\n"
                "SENDREG r4 r4/0 r1 #baz\n"
                "LOOP ->0 h4\n"
                "LDNIL r4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo [p bar] repeat",
                "GETF r3 r0 0\n"
                "SEND r3 r3/0 #bar\n"
                "LOOP ->0 h3\n");
    expect_code(AS_METHOD, "foo: n [] whileTrue: [n bar]",
                "LDLIT r4 block 0\n"
                "MKBLK r5 block 1 [r1] h5\n"
                "SEND r4 r4/1 #whileTrue:\n"
                "RETSELF\n"
                "[\n"
                "LDNIL r3\n"
                "RET r3\n"
                "]\n"
                "[\n"
                "SENDREG r4 r4/0 r3 #bar\n"
                "RET r4\n"
                "]\n");
}

static void counting_loops_have_one_instruction_per_round(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "sum: n | s | s := 0. 1 to: n do: [:i | s := s + i]. ^s",
                "LDI r4 0\n"
                "LDI r5 1\n"
                "MOVE r6 r1\n"
                "JINT2 r5 r6 ->9\n"
                "LEJ r7 r5 r6 h7\n"
                "JMPF r7 ->8 h8\n"
                "ADD r4 r4 r5 h7\n"
                "FORLOOP r5 by 1 ->6 h7\n"
                "RET r4\n"
                "MOVE r7 r4\n"
                "MKCELL r7 r7 h8\n"
                "MOVE r8 r5\n"
                "MOVE r9 r6\n"
                "MKBLK r10 block 0 [r7] h10\n"
                "SEND r8 r8/2 #to:do:\n"
                "GETCELL r4 r7\n"
                "RET r4\n"
                "[\n"
                "GETCELL r5 r4\n"
                "ADD r5 r5 r1 h6\n"
                "SETCELL r4 r5 h6\n"
                "RET r5\n"
                "]\n");
    expect_code(AS_METHOD, "foo 1 to: 9 do: [:i | p bar: i]",
                "LDI r3 1\n"
                "LDI r4 9\n"
                "GETF r5 r0 0\n"
                "MOVE r6 r3\n"
                "SEND r5 r5/1 #bar:\n"
                "FORLOOP r3 by 1 ->2 h5\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo 9 to: 1 by: -2 do: [:i | p bar: i]",
                "LDI r3 9\n"
                "LDI r4 1\n"
                "GETF r5 r0 0\n"
                "MOVE r6 r3\n"
                "SEND r5 r5/1 #bar:\n"
                "FORLOOP r3 by -2 ->2 h5\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo 9 to: 1 do: [:i | p bar: i]",
                "LDI r3 9\n"
                "LDI r4 1\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: n ^n timesRepeat: [p bar]",
                "LDI r4 1\n"
                "MOVE r5 r1\n"
                "JINT r5 ->9 h6\n"
                "LEJ r6 r4 r5 h6\n"
                "JMPF r6 ->8 h7\n"
                "GETF r6 r0 0\n"
                "SEND r6 r6/0 #bar\n"
                "FORLOOP r4 by 1 ->5 h6\n"
                "RET r5\n"
                "MOVE r6 r5\n"
                "MKBLK r7 block 0 [r0] h7\n"
                "SEND r5 r6/1 #timesRepeat:\n"
                "RET r5\n"
                "[\n"
                "GETF r4 r3 0\n"
                "SEND r4 r4/0 #bar\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo 3 timesRepeat: [p bar]",
                "LDI r3 1\n"
                "LDI r4 3\n"
                "GETF r5 r0 0\n"
                "SEND r5 r5/0 #bar\n"
                "FORLOOP r3 by 1 ->2 h5\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: n n to: 9 by: 300 do: [:i | p bar: i]",
                "MOVE r4 r1\n"
                "LDI r5 9\n"
                "JINT2 r4 r5 ->12\n"
                "LEJ r6 r4 r5 h6\n"
                "JMPF r6 ->11 h7\n"
                "GETF r6 r0 0\n"
                "MOVE r7 r4\n"
                "SEND r6 r6/1 #bar:\n"
                "LDI r6 300\n"
                "ADD r4 r4 r6 h7\n"
                "LOOP ->3 h6\n"
                "RETSELF\n"
                "MOVE r6 r4\n"
                "MOVE r7 r5\n"
                "LDI r8 300\n"
                "MKBLK r9 block 0 [r0] h9\n"
                "SEND r6 r6/3 #to:by:do:\n"
                "RETSELF\n"
                "[\n"
                "GETF r5 r4 0\n"
                "MOVE r6 r1\n"
                "SEND r5 r5/1 #bar:\n"
                "RET r5\n"
                "]\n");
    expect_code(AS_METHOD, "foo: n ^1 to: n do: [:i | i = 3 ifTrue: [^i]]",
                "HOMETOKEN r4\n"
                "LDI r5 1\n"
                "MOVE r6 r5\n"
                "MOVE r7 r1\n"
                "JINT2 r6 r7 ->12\n"
                "LEJ r8 r6 r7 h8\n"
                "JMPF r8 ->11 h9\n"
                "EQKJ r8 r6 3 h8\n"
                "JMPF r8 ->10 h9\n"
                "RET r6\n"
                "FORLOOP r6 by 1 ->7 h8\n"
                "RET r5\n"
                "MOVE r8 r6\n"
                "MOVE r9 r7\n"
                "MKBLK r10 block 0 [r4] h10\n"
                "SEND r5 r8/2 #to:do:\n"
                "RET r5\n"
                "[\n"
                "EQKJ r5 r1 3 h5\n"
                "JMPF r5 ->3 h6\n"
                "NLR r1 r4 h5\n"
                "LDNIL r5\n"
                "RET r5\n"
                "]\n");
}

static void loops_without_literal_blocks_are_sends(void **state)
{
    (void)state;
    expect_code(AS_METHOD,
                "foo: b 1 to: 3 do: b. 3 timesRepeat: b. 1 to: 3 by: 0 do: [:i | p]. 1 "
                "to: 3 do: [:i :j | p]",
                "LDI r4 1\n"
                "LDI r5 3\n"
                "MOVE r6 r1\n"
                "SEND r4 r4/2 #to:do:\n"
                "LDI r4 3\n"
                "MOVE r5 r1\n"
                "SEND r4 r4/1 #timesRepeat:\n"
                "LDI r4 1\n"
                "LDI r5 3\n"
                "LDI r6 0\n"
                "MKBLK r7 block 0 [r0] h7\n"
                "SEND r4 r4/3 #to:by:do:\n"
                "LDI r4 1\n"
                "LDI r5 3\n"
                "MKBLK r6 block 1 [r0] h6\n"
                "SEND r4 r4/2 #to:do:\n"
                "RETSELF\n"
                "[\n"
                "GETF r5 r4 0\n"
                "RET r5\n"
                "]\n"
                "[\n"
                "GETF r6 r5 0\n"
                "RET r6\n"
                "]\n");
}

static void loop_variables_are_fresh_when_it_can_be_seen(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo 1 to: 3 do: [:i | i := i + 1. p bar: i]",
                "LDI r3 1\n"
                "LDI r4 3\n"
                "MOVE r5 r3\n"
                "ADDK r5 r5 1 h6\n"
                "GETF r6 r0 0\n"
                "MOVE r7 r5\n"
                "SEND r6 r6/1 #bar:\n"
                "FORLOOP r3 by 1 ->2 h5\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo 1 to: 3 do: [:i | p bar: [i]]",
                "LDI r3 1\n"
                "LDI r4 3\n"
                "GETF r5 r0 0\n"
                "MKBLK r6 block 0 [r3] h6\n"
                "SEND r5 r5/1 #bar:\n"
                "FORLOOP r3 by 1 ->2 h5\n"
                "RETSELF\n"
                "[\n"
                "RET r3\n"
                "]\n");
    expect_code(AS_METHOD, "foo 1 to: 3 do: [:i | p bar: [i := i + 1]]",
                "LDI r3 1\n"
                "LDI r4 3\n"
                "MOVE r5 r3\n"
                "MKCELL r5 r5 h6\n"
                "GETF r6 r0 0\n"
                "MKBLK r7 block 0 [r5] h7\n"
                "SEND r6 r6/1 #bar:\n"
                "FORLOOP r3 by 1 ->2 h5\n"
                "RETSELF\n"
                "[\n"
                "GETCELL r4 r3\n"
                "ADDK r4 r4 1 h5\n"
                "SETCELL r3 r4 h5\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo 1 to: 3 do: [:i | | t | p bar: [t]. t := i]",
                "LDI r3 1\n"
                "LDI r4 3\n"
                "LDNIL r5\n"
                "MKCELL r5 r5 h6\n"
                "GETF r6 r0 0\n"
                "MKBLK r7 block 0 [r5] h7\n"
                "SEND r6 r6/1 #bar:\n"
                "SETCELL r5 r3 h6\n"
                "FORLOOP r3 by 1 ->2 h5\n"
                "RETSELF\n"
                "[\n"
                "GETCELL r4 r3\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo 1 to: 3 do: [:i | | t | t := i. p bar: [t]]",
                "LDI r3 1\n"
                "LDI r4 3\n"
                "MOVE r5 r3\n"
                "GETF r6 r0 0\n"
                "MKBLK r7 block 0 [r5] h7\n"
                "SEND r6 r6/1 #bar:\n"
                "FORLOOP r3 by 1 ->2 h5\n"
                "RETSELF\n"
                "[\n"
                "RET r3\n"
                "]\n");
    expect_code(AS_METHOD, "foo [| t | t := p. t bar: [t]. t baz] whileTrue",
                "GETF r3 r0 0\n"
                "MKBLK r5 block 0 [r3] h4\n"
                "SENDREG r4 r4/1 r3 #bar:\n"
                "SENDREG r4 r4/0 r3 #baz\n"
                "JMPF r4 ->6 h5\n"
                "LOOP ->0 h3\n"
                "RETSELF\n"
                "[\n"
                "RET r3\n"
                "]\n");
}

static void captured_variables_get_cells_only_when_they_change_afterwards(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: x | y | y := x + 1. ^[y + x]",
                "ADDK r4 r1 1 h4\n"
                "MKBLK r5 block 0 [r4 r1] h5\n"
                "RET r5\n"
                "[\n"
                "ADD r5 r3 r4 h5\n"
                "RET r5\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x x := x + 1. ^[x]",
                "ADDK r1 r1 1 h4\n"
                "MKBLK r4 block 0 [r1] h4\n"
                "RET r4\n"
                "[\n"
                "RET r3\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x | y | p bar: [y]. y := x",
                "LDNIL r4\n"
                "MKCELL r4 r4 h5\n"
                "GETF r5 r0 0\n"
                "MKBLK r6 block 0 [r4] h6\n"
                "SEND r5 r5/1 #bar:\n"
                "SETCELL r4 r1 h5\n"
                "RETSELF\n"
                "[\n"
                "GETCELL r4 r3\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x | y | y := 1. p bar: [y := 2]. ^y",
                "LDI r4 1\n"
                "MKCELL r4 r4 h5\n"
                "GETF r5 r0 0\n"
                "MKBLK r6 block 0 [r4] h6\n"
                "SEND r5 r5/1 #bar:\n"
                "GETCELL r5 r4\n"
                "RET r5\n"
                "[\n"
                "LDI r4 2\n"
                "SETCELL r3 r4 h5\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x | y | [x bar] whileTrue: [y := x. p bar: [y]]",
                "LDNIL r4\n"
                "MKCELL r4 r4 h5\n"
                "SENDREG r5 r5/0 r1 #bar\n"
                "JMPF r5 ->9 h6\n"
                "SETCELL r4 r1 h5\n"
                "GETF r5 r0 0\n"
                "MKBLK r6 block 0 [r4] h6\n"
                "SEND r5 r5/1 #bar:\n"
                "LOOP ->2 h5\n"
                "RETSELF\n"
                "[\n"
                "GETCELL r4 r3\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x | y | [x bar] whileTrue: [y := x]. p bar: [y]",
                "LDNIL r4\n"
                "SENDREG r5 r5/0 r1 #bar\n"
                "JMPF r5 ->5 h6\n"
                "MOVE r4 r1\n"
                "LOOP ->1 h5\n"
                "GETF r5 r0 0\n"
                "MKBLK r6 block 0 [r4] h6\n"
                "SEND r5 r5/1 #bar:\n"
                "RETSELF\n"
                "[\n"
                "RET r3\n"
                "]\n");
    expect_code(AS_METHOD, "foo | y | y := [y value]",
                "LDNIL r3\n"
                "MKCELL r3 r3 h4\n"
                "MKBLK r4 block 0 [r3] h4\n"
                "SETCELL r3 r4 h5\n"
                "RETSELF\n"
                "[\n"
                "GETCELL r4 r3\n"
                "SENDVALUE r4 r4/0 #value\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo ^[:a :b | | t | t := a. [t + b + p]]",
                "MKBLK r3 block 0 [r0] h3\n"
                "RET r3\n"
                "[\n"
                "MOVE r6 r1\n"
                "MKBLK r7 block 0 [r5 r6 r2] h7\n"
                "RET r7\n"
                "[\n"
                "ADD r6 r4 r5 h6\n"
                "GETF r7 r3 0\n"
                "ADD r6 r6 r7 h8\n"
                "RET r6\n"
                "]\n"
                "]\n");
}

static void blocks_without_captures_are_literals(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo ^[3]",
                "LDLIT r3 block 0\n"
                "RET r3\n"
                "[\n"
                "LDI r3 3\n"
                "RET r3\n"
                "]\n");
    expect_code(AS_METHOD, "foo ^[] value",
                "LDLIT r3 block 0\n"
                "SENDVALUE r3 r3/0 #value\n"
                "RET r3\n"
                "[\n"
                "LDNIL r3\n"
                "RET r3\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x ^x collect: [:e | e bar]",
                "LDLIT r5 block 0\n"
                "SENDREG r4 r4/1 r1 #collect:\n"
                "RET r4\n"
                "[\n"
                "SENDREG r4 r4/0 r1 #bar\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x [p]. #(1 2). 'x'. x. #foo", "RETSELF\n");
}

static void return_in_a_block_leaves_the_method(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: x x do: [:e | e bar ifTrue: [^e]]. ^nil",
                "HOMETOKEN r4\n"
                "MKBLK r6 block 0 [r4] h5\n"
                "SENDREG r5 r5/1 r1 #do:\n"
                "LDNIL r5\n"
                "RET r5\n"
                "[\n"
                "SENDREG r5 r5/0 r1 #bar\n"
                "JMPF r5 ->3 h6\n"
                "NLR r1 r4 h5\n"
                "LDNIL r5\n"
                "RET r5\n"
                "]\n");
    expect_code(AS_METHOD, "foo: x ^x do: [:e | [^e]]",
                "HOMETOKEN r4\n"
                "MKBLK r6 block 0 [r4] h5\n"
                "SENDREG r5 r5/1 r1 #do:\n"
                "RET r5\n"
                "[\n"
                "MKBLK r5 block 0 [r4 r1] h5\n"
                "RET r5\n"
                "[\n"
                "NLR r4 r3 h5\n"
                "]\n"
                "]\n");
    expect_code(AS_METHOD, "foo ^[^self]",
                "HOMETOKEN r3\n"
                "MKBLK r4 block 0 [r0 r3] h4\n"
                "RET r4\n"
                "[\n"
                "NLR r3 r4 h5\n"
                "]\n");
    expect_code(AS_SCRIPT, "^[:x | ^x] value: 3",
                "HOMETOKEN r3\n"
                "MKBLK r4 block 0 [r3] h4\n"
                "LDI r5 3\n"
                "SENDVALUE r4 r4/1 #value:\n"
                "RET r4\n"
                "[\n"
                "NLR r1 r4 h5\n"
                "]\n");
}

static void cascades_evaluate_the_receiver_once(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: x ^x bar; baz: 3; + 4",
                "SENDREG r4 r4/0 r1 #bar\n"
                "LDI r5 3\n"
                "SENDREG r4 r4/1 r1 #baz:\n"
                "ADDK r4 r1 4 h4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo p bar; baz",
                "GETF r3 r0 0\n"
                "SENDREG r4 r4/0 r3 #bar\n"
                "SENDREG r4 r4/0 r3 #baz\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo ^super bar; baz",
                "MOVE r3 r0\n"
                "SENDSUPER r3 r3/0 #bar\n"
                "MOVE r3 r0\n"
                "SENDSUPER r3 r3/0 #baz\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo 3 bar; baz. self bar; baz: 1 + p",
                "LDI r3 3\n"
                "SENDREG r4 r4/0 r3 #bar\n"
                "SENDREG r4 r4/0 r3 #baz\n"
                "SENDSELF r3 r3/0 #bar\n"
                "LDI r3 1\n"
                "GETF r4 r0 0\n"
                "ADD r4 r3 r4 h5\n"
                "SENDSELF r3 r3/1 #baz:\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: x x bar ifTrue: [p]; baz",
                "SENDREG r4 r4/0 r1 #bar\n"
                "MKBLK r6 block 0 [r0] h5\n"
                "SENDREG r5 r5/1 r4 #ifTrue:\n"
                "SENDREG r5 r5/0 r4 #baz\n"
                "RETSELF\n"
                "[\n"
                "GETF r4 r3 0\n"
                "RET r4\n"
                "]\n");
}

static void special_selectors(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: x ^x isNil",
                "ISNIL r4 r1 h4\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^x at: 1",
                "LDI r4 1\n"
                "AT r4 r1 r4 h5\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x x at: 1 put: 2",
                "LDI r4 1\n"
                "LDI r5 2\n"
                "PUTAT r4 r1 r4 r5 h6\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo: x ^x at: 1 put: x size",
                "LDI r4 1\n"
                "SIZE r5 r1 h5\n"
                "PUTAT r4 r1 r4 r5 h6\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: b ^b value: 1 value: 2",
                "LDI r5 1\n"
                "LDI r6 2\n"
                "VALUEREG r4 r4/2 r1 #value:value:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^x value: 1 + 2 value: x bar",
                "MOVE r4 r1\n"
                "LDI r5 3\n"
                "SENDREG r6 r6/0 r1 #bar\n"
                "SENDVALUE r4 r4/2 #value:value:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo ^super + 1",
                "MOVE r3 r0\n"
                "LDI r4 1\n"
                "SENDSUPER r3 r3/1 #+\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo ^super", "RETSELF\n");
}

static void other_constructs(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: x ^x ~> bar: 3 baz: p",
                "MOVE r4 r1\n"
                "LDLIT r5 #bar:baz:\n"
                "LDI r6 3\n"
                "GETF r7 r0 0\n"
                "MKARR r6 r6/2 h8\n"
                "SEND r4 r4/2 #eventualSend:with:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo: x ^x bar ~> baz ~> zork",
                "SENDREG r4 r4/0 r1 #bar\n"
                "LDLIT r5 #baz\n"
                "MKARR r6 r0/0 h6\n"
                "SEND r4 r4/2 #eventualSend:with:\n"
                "LDLIT r5 #zork\n"
                "MKARR r6 r0/0 h6\n"
                "SEND r4 r4/2 #eventualSend:with:\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo ^thisContext",
                "LDLIT r3 class Context\n"
                "SEND r3 r3/0 #current\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo: x ^#{1 -> x. x -> (x := 2)}",
                "LDLIT r4 class Dictionary\n"
                "SEND r4 r4/0 #new\n"
                "LDI r5 1\n"
                "PUTAT r5 r4 r5 r1 h6\n"
                "MOVE r5 r1\n"
                "LDI r1 2\n"
                "PUTAT r5 r4 r5 r1 h6\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo ^#{}",
                "LDLIT r3 class Dictionary\n"
                "SEND r3 r3/0 #new\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo ^#(1 $a foo (2))",
                "LITARR r3 array of 4 h3\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo: x ^{x. x bar}",
                "MOVE r4 r1\n"
                "SENDREG r5 r5/0 r1 #bar\n"
                "MKARR r4 r4/2 h6\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo ^{}",
                "MKARR r3 r0/0 h3\n"
                "RET r3\n");
    expect_code(AS_METHOD,
                "foo ^{1. 2. 3. 4. 5. 6. 7. 8. 9. 10. 11. 12. 13. 14. 15. 16. 17. 18. "
                "19. 20. 21. 22. 23. 24. 25}",
                "NEWARR r3 25 h3\n"
                "LDI r4 1\n"
                "PUTI r3 r4 0 h5\n"
                "LDI r4 2\n"
                "PUTI r3 r4 1 h5\n"
                "LDI r4 3\n"
                "PUTI r3 r4 2 h5\n"
                "LDI r4 4\n"
                "PUTI r3 r4 3 h5\n"
                "LDI r4 5\n"
                "PUTI r3 r4 4 h5\n"
                "LDI r4 6\n"
                "PUTI r3 r4 5 h5\n"
                "LDI r4 7\n"
                "PUTI r3 r4 6 h5\n"
                "LDI r4 8\n"
                "PUTI r3 r4 7 h5\n"
                "LDI r4 9\n"
                "PUTI r3 r4 8 h5\n"
                "LDI r4 10\n"
                "PUTI r3 r4 9 h5\n"
                "LDI r4 11\n"
                "PUTI r3 r4 10 h5\n"
                "LDI r4 12\n"
                "PUTI r3 r4 11 h5\n"
                "LDI r4 13\n"
                "PUTI r3 r4 12 h5\n"
                "LDI r4 14\n"
                "PUTI r3 r4 13 h5\n"
                "LDI r4 15\n"
                "PUTI r3 r4 14 h5\n"
                "LDI r4 16\n"
                "PUTI r3 r4 15 h5\n"
                "LDI r4 17\n"
                "PUTI r3 r4 16 h5\n"
                "LDI r4 18\n"
                "PUTI r3 r4 17 h5\n"
                "LDI r4 19\n"
                "PUTI r3 r4 18 h5\n"
                "LDI r4 20\n"
                "PUTI r3 r4 19 h5\n"
                "LDI r4 21\n"
                "PUTI r3 r4 20 h5\n"
                "LDI r4 22\n"
                "PUTI r3 r4 21 h5\n"
                "LDI r4 23\n"
                "PUTI r3 r4 22 h5\n"
                "LDI r4 24\n"
                "PUTI r3 r4 23 h5\n"
                "LDI r4 25\n"
                "PUTI r3 r4 24 h5\n"
                "RET r3\n");
    expect_code(AS_METHOD,
                "foo ^{$a. 'b'. #c. 1.5. 123456789012345678901234567890. "
                "-16rFFFFFFFFFFFFFFFF. 99999999999}",
                "LDLIT r3 $97\n"
                "LDLIT r4 'b'\n"
                "LDLIT r5 #c\n"
                "LDLIT r6 1.5\n"
                "LDLIT r7 123456789012345678901234567890\n"
                "LDLIT r8 16r-FFFFFFFFFFFFFFFF\n"
                "LDLIT r9 99999999999\n"
                "MKARR r3 r3/7 h10\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo K1 := Array. ^K1",
                "GETGLOBAL r3 Array h3\n"
                "SETGLOBAL r3 Owner.K1 h4\n"
                "GETGLOBAL r3 Owner.K1 h3\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo p := q := 3",
                "LDI r3 3\n"
                "SETF r0 r3 1 h4\n"
                "SETF r0 r3 0 h4\n"
                "RETSELF\n");
    expect_code(AS_METHOD, "foo ^A::B::C new",
                "GETGLOBAL r3 A::B::C h3\n"
                "SEND r3 r3/0 #new\n"
                "RET r3\n");
}

static void only_reachable_statements_have_code(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo ^3. p bar",
                "LDI r3 3\n"
                "RET r3\n");
    expect_code(AS_METHOD, "foo: x x ifTrue: [^1] ifFalse: [^2]. p bar",
                "JMPF r1 ->3 h4\n"
                "LDI r4 1\n"
                "RET r4\n"
                "LDI r4 2\n"
                "RET r4\n");
    expect_code(AS_METHOD, "foo [p bar] repeat. p baz",
                "GETF r3 r0 0\n"
                "SEND r3 r3/0 #bar\n"
                "LOOP ->0 h3\n");
    expect_code(AS_METHOD, "foo: x x ifTrue: [^1. p bar]. ^2",
                "JMPF r1 ->3 h4\n"
                "LDI r4 1\n"
                "RET r4\n"
                "LDI r4 2\n"
                "RET r4\n");
}

static void script_variables_are_temporaries(void **state)
{
    (void)state;
    expect_code(AS_SCRIPT, "a := 3. b := a + 1. ^b",
                "LDI r3 3\n"
                "ADDK r4 r3 1 h4\n"
                "RET r4\n");
    expect_code(AS_SCRIPT, "| a b | a := 3. [a := 4] value. | a | b := a",
                "LDI r3 3\n"
                "MKCELL r3 r3 h4\n"
                "MKBLK r4 block 0 [r3] h4\n"
                "SENDVALUE r4 r4/0 #value\n"
                "LDNIL r4\n"
                "SETCELL r3 r4 h5\n"
                "GETCELL r4 r3\n"
                "RET r4\n"
                "[\n"
                "LDI r4 4\n"
                "SETCELL r3 r4 h5\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_SCRIPT, "show := [x]. x := 2. show value",
                "LDNIL r3\n"
                "MKCELL r3 r3 h4\n"
                "MKBLK r4 block 0 [r3] h4\n"
                "LDI r5 2\n"
                "SETCELL r3 r5 h6\n"
                "VALUEREG r5 r5/0 r4 #value\n"
                "RET r5\n"
                "[\n"
                "GETCELL r4 r3\n"
                "RET r4\n"
                "]\n");
    expect_code(AS_SCRIPT, "x foo. x := 2. [:y | z := y. x := z] value: 4",
                "NILS r3 r4\n"
                "MKCELL r3 r3 h5\n"
                "MKCELL r4 r4 h5\n"
                "GETCELL r5 r3\n"
                "SEND r5 r5/0 #foo\n"
                "LDI r5 2\n"
                "SETCELL r3 r5 h6\n"
                "MKBLK r5 block 0 [r4 r3] h5\n"
                "LDI r6 4\n"
                "SENDVALUE r5 r5/1 #value:\n"
                "RET r5\n"
                "[\n"
                "SETCELL r4 r1 h6\n"
                "GETCELL r6 r4\n"
                "SETCELL r5 r6 h7\n"
                "RET r6\n"
                "]\n");
    expect_code(AS_SCRIPT, "",
                "LDNIL r3\n"
                "RET r3\n");
}

static void evaluated_text_shares_undeclared_names(void **state)
{
    (void)state;
    expect_code(AS_EVALUATE, "| t | t := 3. a := t. old := a. b",
                "LDI r5 3\n"
                "SETCELL r1 r5 h6\n"
                "GETCELL r6 r1\n"
                "SETCELL r2 r6 h7\n"
                "GETGLOBAL r6 b h6\n"
                "RET r6\n");
    expect_code(AS_EVALUATE, "a := old + 1",
                "GETCELL r5 r2\n"
                "ADDK r5 r5 1 h6\n"
                "SETCELL r1 r5 h6\n"
                "RET r5\n");
    expect_code(AS_SHELL, "| t | t := 3. a := t. old := a",
                "LDI r6 3\n"
                "SETCELL r1 r6 h7\n"
                "GETCELL r6 r1\n"
                "SETCELL r2 r6 h7\n"
                "GETCELL r6 r2\n"
                "SETCELL r3 r6 h7\n"
                "RET r6\n");
}

static void fallback_code_stays_linear(void **state)
{
    (void)state;
    expect_code(AS_METHOD, "foo: n 1 to: n do: [:i | 1 to: n do: [:j | p bar: i + j]]",
                "LDI r4 1\n"
                "MOVE r5 r1\n"
                "JINT2 r4 r5 ->21\n"
                "LEJ r6 r4 r5 h6\n"
                "JMPF r6 ->15 h7\n"
                "LDI r6 1\n"
                "MOVE r7 r1\n"
                "JINT2 r6 r7 ->16\n"
                "LEJ r8 r6 r7 h8\n"
                "JMPF r8 ->14 h9\n"
                "GETF r8 r0 0\n"
                "ADD r9 r4 r6 h9\n"
                "SEND r8 r8/1 #bar:\n"
                "FORLOOP r6 by 1 ->10 h8\n"
                "FORLOOP r4 by 1 ->5 h6\n"
                "RETSELF\n"
                "MOVE r8 r6\n"
                "MOVE r9 r7\n"
                "MKBLK r10 block 0 [r0 r4] h10\n"
                "SEND r8 r8/2 #to:do:\n"
                "JMP ->14\n"
                "MOVE r6 r4\n"
                "MOVE r7 r5\n"
                "MKBLK r8 block 1 [r0 r1] h8\n"
                "SEND r6 r6/2 #to:do:\n"
                "RETSELF\n"
                "[\n"
                "GETF r6 r4 0\n"
                "ADD r7 r5 r1 h7\n"
                "SEND r6 r6/1 #bar:\n"
                "RET r6\n"
                "]\n"
                "[\n"
                "LDI r6 1\n"
                "MOVE r7 r5\n"
                "MKBLK r8 block 0 [r4 r1] h8\n"
                "SEND r6 r6/2 #to:do:\n"
                "RET r6\n"
                "[\n"
                "GETF r6 r4 0\n"
                "ADD r7 r5 r1 h7\n"
                "SEND r6 r6/1 #bar:\n"
                "RET r6\n"
                "]\n"
                "]\n");
    expect_code(AS_METHOD,
                "foo: n | s | n timesRepeat: [1 to: 2 do: [:j | s := j]. self bar: "
                "[s]. ^3]",
                "HOMETOKEN r4\n"
                "LDNIL r5\n"
                "MKCELL r5 r5 h6\n"
                "LDI r6 1\n"
                "MOVE r7 r1\n"
                "JINT r7 ->17 h8\n"
                "LEJ r8 r6 r7 h8\n"
                "JMPF r8 ->16 h9\n"
                "LDI r8 1\n"
                "LDI r9 2\n"
                "SETCELL r5 r8 h10\n"
                "FORLOOP r8 by 1 ->10 h10\n"
                "MKBLK r9 block 0 [r5] h8\n"
                "SENDSELF r8 r8/1 #bar:\n"
                "LDI r8 3\n"
                "RET r8\n"
                "RETSELF\n"
                "MOVE r8 r7\n"
                "MKBLK r9 block 1 [r0 r4 r5] h9\n"
                "SEND r7 r8/1 #timesRepeat:\n"
                "RETSELF\n"
                "[\n"
                "GETCELL r4 r3\n"
                "RET r4\n"
                "]\n"
                "[\n"
                "LDI r6 1\n"
                "LDI r7 2\n"
                "SETCELL r5 r6 h8\n"
                "FORLOOP r6 by 1 ->2 h8\n"
                "MKBLK r7 block 0 [r5] h6\n"
                "SENDREG r6 r6/1 r3 #bar:\n"
                "LDI r6 3\n"
                "NLR r6 r4 h7\n"
                "[\n"
                "GETCELL r4 r3\n"
                "RET r4\n"
                "]\n"
                "]\n");
}

static void constants_of_loops_are_loaded_once(void **state)
{
    (void)state;
    expect_code(AS_METHOD,
                "foo: b | x | x := 0.0. [x < 10.0] whileTrue: [b at: 1 put: true. x := "
                "2.0 * x]. ^x = 2.0",
                "LDLIT r4 0.0\n"
                "LDLIT r5 10.0\n"
                "LDI r6 1\n"
                "LDTRUE r7\n"
                "LDLIT r8 2.0\n"
                "LTJ r9 r4 r5 h9\n"
                "JMPF r9 ->10 h10\n"
                "PUTAT r9 r1 r6 r7 h9\n"
                "MUL r4 r8 r4 h9\n"
                "LOOP ->5 h9\n"
                "LDLIT r5 2.0\n"
                "EQ r5 r4 r5 h6\n"
                "RET r5\n");
    expect_code(AS_METHOD,
                "foo: n 1 to: n do: [:i | 1 to: n do: [:j | p := p - 1000. q := 1000 + "
                "p]]",
                "LDI r4 1000\n"
                "LDI r5 1\n"
                "MOVE r6 r1\n"
                "JINT2 r5 r6 ->25\n"
                "LEJ r7 r5 r6 h7\n"
                "JMPF r7 ->19 h8\n"
                "LDI r7 1\n"
                "MOVE r8 r1\n"
                "JINT2 r7 r8 ->20\n"
                "LEJ r9 r7 r8 h9\n"
                "JMPF r9 ->18 h10\n"
                "GETF r9 r0 0\n"
                "SUB r9 r9 r4 h10\n"
                "SETF r0 r9 0 h10\n"
                "GETF r9 r0 0\n"
                "ADD r9 r4 r9 h10\n"
                "SETF r0 r9 1 h10\n"
                "FORLOOP r7 by 1 ->11 h9\n"
                "FORLOOP r5 by 1 ->6 h7\n"
                "RETSELF\n"
                "MOVE r9 r7\n"
                "MOVE r10 r8\n"
                "MKBLK r11 block 0 [r0] h11\n"
                "SEND r9 r9/2 #to:do:\n"
                "JMP ->18\n"
                "MOVE r7 r5\n"
                "MOVE r8 r6\n"
                "MKBLK r9 block 1 [r0 r1] h9\n"
                "SEND r7 r7/2 #to:do:\n"
                "RETSELF\n"
                "[\n"
                "GETF r5 r4 0\n"
                "LDI r6 1000\n"
                "SUB r5 r5 r6 h7\n"
                "SETF r4 r5 0 h6\n"
                "LDI r5 1000\n"
                "GETF r6 r4 0\n"
                "ADD r5 r5 r6 h7\n"
                "SETF r4 r5 1 h6\n"
                "RET r5\n"
                "]\n"
                "[\n"
                "LDI r6 1\n"
                "MOVE r7 r5\n"
                "MKBLK r8 block 0 [r4] h8\n"
                "SEND r6 r6/2 #to:do:\n"
                "RET r6\n"
                "[\n"
                "GETF r5 r4 0\n"
                "LDI r6 1000\n"
                "SUB r5 r5 r6 h7\n"
                "SETF r4 r5 0 h6\n"
                "LDI r5 1000\n"
                "GETF r6 r4 0\n"
                "ADD r5 r5 r6 h7\n"
                "SETF r4 r5 1 h6\n"
                "RET r5\n"
                "]\n"
                "]\n");
    expect_code(AS_METHOD, "foo: n [n > 500] whileTrue: [p bar: 500. q := p at: 'x']",
                "LDI r4 500\n"
                "GTJ r5 r1 r4 h5\n"
                "JMPF r5 ->11 h6\n"
                "GETF r5 r0 0\n"
                "LDI r6 500\n"
                "SEND r5 r5/1 #bar:\n"
                "GETF r5 r0 0\n"
                "LDLIT r6 'x'\n"
                "AT r5 r5 r6 h7\n"
                "SETF r0 r5 1 h6\n"
                "LOOP ->1 h5\n"
                "RETSELF\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_computed_in_the_send_window),
        cmocka_unit_test(method_without_return_answers_self),
        cmocka_unit_test(return_of_a_send_to_self_with_the_own_selector_is_a_tail_call),
        cmocka_unit_test(constants_are_folded_only_when_exact),
        cmocka_unit_test(small_constants_ride_in_the_instruction),
        cmocka_unit_test(operands_are_read_before_a_later_operand_assigns_them),
        cmocka_unit_test(conditions_become_jumps),
        cmocka_unit_test(values_of_conditionals),
        cmocka_unit_test(while_loops_test_at_the_top),
        cmocka_unit_test(counting_loops_have_one_instruction_per_round),
        cmocka_unit_test(loops_without_literal_blocks_are_sends),
        cmocka_unit_test(loop_variables_are_fresh_when_it_can_be_seen),
        cmocka_unit_test(captured_variables_get_cells_only_when_they_change_afterwards),
        cmocka_unit_test(blocks_without_captures_are_literals),
        cmocka_unit_test(return_in_a_block_leaves_the_method),
        cmocka_unit_test(cascades_evaluate_the_receiver_once),
        cmocka_unit_test(special_selectors),
        cmocka_unit_test(other_constructs),
        cmocka_unit_test(only_reachable_statements_have_code),
        cmocka_unit_test(script_variables_are_temporaries),
        cmocka_unit_test(evaluated_text_shares_undeclared_names),
        cmocka_unit_test(fallback_code_stays_linear),
        cmocka_unit_test(constants_of_loops_are_loaded_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
