/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_symbols.c - a node that is full of symbols (D18): whoever wants one more gets an
 * exception, everybody else goes on. */
#include "vmkit.h"

#define LIMIT 40000

/* A machine whose table another process has filled; that one has ended of it. */
static void open_full(VmKit *k, uint32_t symbols_max)
{
    vmkit_open(k, &(VmKitOptions){.symbols_max = symbols_max});
    vmkit_load(k, "Full subclass: Object\n"
                  "  classMethod: flood [ 1 to: 100000000 do: [:i |\n"
                  "    ('flood' , i printString) asSymbol] ]\n"
                  "  classMethod: nameOf: aBlock [\n"
                  "    ^[aBlock value. #none] on: Error do: [:e | e class name] ]\n");
    uint32_t flooder = vmkit_spawn(k, "Full flood");
    uint32_t patient = vmkit_spawn(k, "[1 to: 10 do: [:i | Process sleep: 1]] value. #done");
    vmkit_run(k);
    assert_non_null(strstr(vmkit_reason(k, flooder), "SymbolLimit"));
    assert_string_equal(vmkit_result(k, patient), "done");
}

static void one_more_symbol_is_an_exception(void **state)
{
    (void)state;
    VmKit k;
    open_full(&k, LIMIT);
    vmkit_expect(&k, "Full nameOf: ['a brand new one' asSymbol]", "SymbolLimit");
    vmkit_expect(&k,
                 "['a brand new one' asSymbol] on: SymbolLimit do: [:e | (e isKindOf: Error)\n"
                 "  & (e messageText includesSubstring: 'as many symbols as it may have')]",
                 "true");
    /* again and again, and from many processes */
    vmkit_expect(&k,
                 "((1 to: 20) asArray collect: [:i | [(1 to: 50) asArray collect: [:n |\n"
                 "  Full nameOf: [('other' , i printString , n printString) asSymbol]]] fork])\n"
                 "  inject: 0 into: [:sum :p |\n"
                 "    sum + (p wait count: [:each | each == #SymbolLimit])]",
                 "1000");
    vmkit_close(&k);
}

static void source_with_new_symbols_is_an_exception(void **state)
{
    (void)state;
    VmKit k;
    open_full(&k, LIMIT);
    /* what texts leave to code is used up as well */
    vmkit_expect(&k,
                 "Full nameOf: [1 to: 100000000 by: 100 do: [:i | | s | s := ''.\n"
                 "  i to: i + 99 do: [:n | s := s , ' #code' , n printString].\n"
                 "  Compiler evaluate: '#(' , s , ')']]",
                 "SymbolLimit");
    vmkit_expect(&k, "Full nameOf: [Compiler evaluate: '#neverSeenBefore']", "SymbolLimit");
    vmkit_expect(&k, "Full nameOf: [Compiler evaluate: '3 neverSeenSelector']", "SymbolLimit");
    vmkit_expect(&k, "Full nameOf: [Compiler evaluate: 'neverSeenName := 3']", "SymbolLimit");
    vmkit_expect(&k, "Full nameOf: [Full compileAndInstall: 'method: neverSeenMethod [ ^3 ]']",
                 "SymbolLimit");
    vmkit_expect(&k, "Full nameOf: [Compiler evaluate: '#(#size #(#neverSeenBefore))']",
                 "SymbolLimit");
    vmkit_close(&k);
}

static void code_goes_on_being_compiled_in_a_flood_of_texts(void **state)
{
    (void)state;
    VmKit k;
    open_full(&k, LIMIT);
    vmkit_expect(&k, "Full nameOf: ['a brand new one' asSymbol]", "SymbolLimit");
    vmkit_expect(&k, "Compiler evaluate: '#neverSeenBefore size'", "15");
    vmkit_expect(&k, "(Compiler evaluate: 'neverSeenName := 3. neverSeenName + 4')", "7");
    vmkit_expect(&k,
                 "Full compileAndInstall: 'method: neverSeenMethod: neverSeenName [\n"
                 "  ^neverSeenName * 2 ]'. Compiler evaluate: 'Full new neverSeenMethod: 4'",
                 "8");
    vmkit_load(&k, "NeverSeenClass subclass: Object\n  method: neverSeenEither [ ^5 ]\n");
    vmkit_expect(&k, "NeverSeenClass new neverSeenEither", "5");
    vmkit_close(&k);
}

static void symbols_that_are_there_go_on_working(void **state)
{
    (void)state;
    VmKit k;
    open_full(&k, LIMIT);
    vmkit_expect(&k, "'flood17' asSymbol size", "7");
    vmkit_expect(&k, "'flo' , 'od17' == #none | ('size' asSymbol == #size)", "true");
    vmkit_expect(&k, "Compiler evaluate: '#(3 4) size + (3 max: 7)'", "9");
    vmkit_expect(&k, "3 perform: 'negated'", "-3");
    vmkit_expect(&k, "[:x | x size] value: 'a text'", "6");
    /* errors keep their texts, also those that nobody has seen before */
    vmkit_expect(&k, "[3 + 'x'] on: Error do: [:e | e messageText]",
                 "+: argument must be a number");
    vmkit_expect(&k, "[#(1) at: 2] on: Error do: [:e | e class name]", "SubscriptOutOfBounds");
    vmkit_expect(&k, "[WordArray new at: 'x' put: 3] on: Error do: [:e | e class name]",
                 "TypeError");
    vmkit_close(&k);
}

/* 0: the limit that a node has when nobody sets one. */
static void the_limit_of_every_node_holds(void **state)
{
    (void)state;
#ifndef MAGGIE_GC_STRESS /* a million symbols and as many collections */
    VmKit k;
    open_full(&k, 0);
    vmkit_expect(&k, "Full nameOf: ['a brand new one' asSymbol]", "SymbolLimit");
    vmkit_close(&k);
#endif
}

TESTKIT_MAIN(cmocka_unit_test(one_more_symbol_is_an_exception),
             cmocka_unit_test(source_with_new_symbols_is_an_exception),
             cmocka_unit_test(code_goes_on_being_compiled_in_a_flood_of_texts),
             cmocka_unit_test(symbols_that_are_there_go_on_working),
             cmocka_unit_test(the_limit_of_every_node_holds))
