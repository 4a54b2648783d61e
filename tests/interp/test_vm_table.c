/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_table.c - Tables of a whole VM: what several processes do to one at a time, on threads
 * and in the simulator. Each program answers figures that only add up when nothing was lost, seen
 * twice or left behind.
 * Threads: a test is one; the VM makes its own. */
#include "vmkit.h"

/* Nothing here depends on how fast anything runs. */
static const VmProgram programs[] = {
    {"writers on all sides lose no increment and no update",
     "| t ps | t := Table new. t at: #u put: 0.\n"
     "ps := (1 to: 12) asArray collect: [:i |\n"
     "  [1 to: 60 do: [:n | t at: #n increment: i. t at: i increment: 1.\n"
     "     t update: #u with: [:old | Process yield. old + 1]]] fork].\n"
     "ps do: [:p | p wait].\n"
     "Array with: (t at: #n) with: (t at: #u) with: (t at: 7) with: t size",
     "(4680 720 60 14)"},
    {"what goes in at several doors comes out at several others, each row once",
     "| t done taken ps | t := Table new. taken := Table new. done := Table new.\n"
     "ps := (1 to: 4) asArray collect: [:i |\n"
     "  [1 to: 200 do: [:n | t at: (Array with: i with: n) put: n printString]] fork].\n"
     "ps := ps , ((1 to: 3) asArray collect: [:i |\n"
     "  [[(taken at: #n increment: 0) < 800] whileTrue: [\n"
     "    t keysDo: [:k | (t removeKey: k) isNil ifFalse: [taken at: #n increment: 1.\n"
     "       done at: k increment: 1]]. Process yield]] fork]).\n"
     "ps do: [:p | p wait].\n"
     "Array with: t size with: (taken at: #n) with: done size\n"
     "  with: (done select: [:v | v ~= 1]) size",
     "(0 800 800 0)"},
    {"an iteration sees what was there from beginning to end once, whatever others do",
     "| t p wrong | t := Table new. wrong := 0.\n"
     "1 to: 500 do: [:k | t at: k put: #old].\n"
     "p := [1001 to: 100000 do: [:k | t at: k put: #new. t removeKey: k - 5.\n"
     "        t at: k \\\\ 500 + 1 put: #changed]] fork.\n"
     "1 to: 10 do: [:round | | seen | seen := Dictionary new.\n"
     "  t keysDo: [:k | k <= 500 ifTrue: [\n"
     "     (seen includesKey: k) ifTrue: [wrong := wrong + 1]. seen at: k put: true]].\n"
     "  wrong := wrong + (500 - seen size)].\n"
     "p kill. p wait. wrong",
     "0"},
    {"the same of an ordered table, in order",
     "| t p wrong | t := Table kind: #ordered. wrong := 0.\n"
     "1 to: 300 do: [:k | t at: k * 2 put: #old].\n"
     "p := [1 to: 100000 do: [:k | t at: k \\\\ 300 * 2 + 1 put: #new.\n"
     "        t removeKey: k * 7 \\\\ 300 * 2 + 1]] fork.\n"
     "1 to: 10 do: [:round | | last even | last := 0. even := 0.\n"
     "  t keysDo: [:k | k > last ifFalse: [wrong := wrong + 1]. last := k.\n"
     "     k even ifTrue: [even := even + 1]].\n"
     "  wrong := wrong + (300 - even)].\n"
     "p kill. p wait. wrong",
     "0"},
    {"who is killed while writing leaves whole rows and right counts",
     "| t wrong n | t := Table new. wrong := 0.\n"
     "1 to: 60 do: [:i | | p |\n"
     "  p := [[true] whileTrue: [1 to: 20 do: [:k |\n"
     "     t at: k put: (Array with: k with: (String new: k * 30) with: k).\n"
     "     t update: k with: [:old | old].\n"
     "     t removeKey: k]]] fork.\n"
     "  i \\\\ 3 = 0 ifTrue: [Process sleep: 1] ifFalse: [Process yield].\n"
     "  p kill. p wait].\n"
     "n := 0. t keysAndValuesDo: [:k :v | n := n + 1.\n"
     "  (v isNil or: [(v at: 1) = k and: [(v at: 3) = k]]) ifFalse: [wrong := wrong + 1]].\n"
     "n = t size ifFalse: [wrong := wrong + 1].\n"
     "t clear. Array with: wrong with: t size with: t bytes",
     "(0 0 0)"},
    {"the quota is never exceeded, and each row that was refused is not there",
     "| t full ps | t := Table kind: #set rows: 100 bytes: nil. full := Table new.\n"
     "ps := (1 to: 6) asArray collect: [:i | [1 to: 50 do: [:n |\n"
     "  [t at: i * 1000 + n put: n. t size > 100 ifTrue: [full at: #over increment: 1]]\n"
     "     on: TableFull do: [:e | full at: #full increment: 1]]] fork].\n"
     "ps do: [:p | p wait].\n"
     "Array with: t size + (full at: #full) with: t size > 0 with: t size <= 100\n"
     "  with: (full at: #over)",
     "(300 true true nil)"},
    {"a table ends with its owner, and whoever uses it hears of that",
     "| me t p | me := Process current. p := [me send: Table new. Process receive] fork.\n"
     "t := Process receive payload. t at: 1 put: 2. p kill. p wait.\n"
     "Array with: t isGone with: ([t at: 1] on: TableGone do: [:e | #gone])\n"
     "  with: ([t at: 1 put: 3] on: TableGone do: [:e | #gone])\n"
     "  with: ([t do: [:v | v]] on: TableGone do: [:e | #gone])",
     "(true gone gone gone)"},
    {"an heir gets it with a message, from whoever dies however",
     "| me t p | me := Process current.\n"
     "p := [| own | own := Table new. own at: #n put: 1. own heir: me.\n"
     "  me send: 0. Process receive] fork.\n"
     "Process receive. p kill. p wait. t := Process receive payload.\n"
     "p := [Process receive payload at: #n increment: 1. Process receive] fork.\n"
     "t heir: me. t giveTo: p. [(t at: #n) = 2] whileFalse: [Process yield].\n"
     "p kill. p wait.\n"
     "Array with: (t at: #n) with: t isGone with: Process receive payload owner == me",
     "(2 false true)"},
    {"a table given to the dead, or left to an heir that is dead, ends",
     "| me t p heir | me := Process current. heir := [] fork. heir wait.\n"
     "p := [me send: (Table new at: 1 put: 2; heir: heir; yourself)] fork.\n"
     "t := Process receive payload. p wait. [t isGone] whileFalse: [Process yield].\n"
     "[(Table new) giveTo: heir] on: Error do: [:e | e messageText]",
     "there is no such process"},
    {"a row with a handle of its own table goes with the owner",
     "| p | p := [| t | 1 to: 50 do: [:i | t := Table new. t at: 1 put: t.\n"
     "  t at: 2 put: (Array with: t with: i)]. t size] fork. p wait",
     "2"},
    {"a bag of many values under one key is read and emptied in pieces",
     "| t | t := Table kind: #bag. 1 to: 3000 do: [:i | t at: #k put: i].\n"
     "t at: #other put: 1.\n"
     "Array with: (t at: #k) size with: ((t at: #k) at: 3000) with: (t removeKey: #k) size\n"
     "  with: t size",
     "(3000 3000 3000 1)"},
    {"keys of all kinds, in order",
     "| t | t := Table kind: #ordered.\n"
     "#('b' $z #sym 2 1.5 -3 'a' (1 2) (1) 1e300) do: [:k | t at: k put: 0].\n"
     "t at: 100000000000000000000 put: 0. t at: 1 put: 0. t at: 1.0 put: 0. t at: nil put: 0.\n"
     "t keys size = 14 and: [(t keys at: 1) = -3 and: [(t keys at: 2) = 1 and: [\n"
     "  (t next: 1) = 1.0 and: [(t last at: 2) = 2 and: [(t previous: 1e300) =\n"
     "   100000000000000000000 and: [(t next: 1e300) = $z]]]]]]",
     "true"},
    {"many rows grow and go",
     "| t n | t := Table new. 1 to: 5000 do: [:i | t at: i put: i printString].\n"
     "n := 0. t keysAndValuesDo: [:k :v | n := n + k - v size].\n"
     "Array with: t size with: (t at: 4999) with: n",
     "(5000 4999 12483607)"},
};
#define NPROGRAMS (sizeof programs / sizeof *programs)

static void tables_run_on_threads(void **state)
{
    (void)state;
    vmkit_programs_on_threads(programs, NPROGRAMS, 2);
}

static void tables_run_in_the_simulator(void **state)
{
    (void)state;
    vmkit_programs_simulated(programs, NPROGRAMS, (uint64_t)TESTKIT_SCALE(6));
}

TESTKIT_MAIN(cmocka_unit_test(tables_run_on_threads), cmocka_unit_test(tables_run_in_the_simulator))
