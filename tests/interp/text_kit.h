/* SPDX-License-Identifier: Apache-2.0 */
/* text_kit.h - prim_kit with symbols, dirty jobs and comparisons with C strings.
 * Threads: one test. */
#ifndef TEXT_KIT_H
#define TEXT_KIT_H

#include "prim_kit.h"

#include "numops.h"
#include "prims_string.h"
#include "symtab.h"
#include "valueops.h"

static void text_open(Kit *k)
{
    (void)kit_string; /* tools that not every test uses */
    (void)kit_object;
    (void)kit_slots;
    kit_open(k);
    k->vm->env = &k->sim.env;
    assert_int_equal(symtab_create(&k->sim.env, 0, 0, &k->vm->symtab), STATUS_OK);
}

static void text_close(Kit *k)
{
    symtab_destroy(k->vm->symtab);
    kit_close(k);
}

/* As kit_run, with a thread's work done in between; the answer is in root r. */
static PrimStatus text_run(Kit *k, size_t r, PrimFn fn, unsigned argc, const Value *args)
{
    PrimStatus st = kit_run(k, fn, argc, args);
    if (st == PRIM_DIRTY) {
        void *job = k->call.dirty_state;
        k->call.dirty_run(job);
        do {
            k->call.args = k->heap.lo + KIT_ROOTS;
            k->call.stack_end = k->heap.lo + KIT_STACK;
            k->call.dirty_done = true;
            k->call.dirty_state = job;
            st = fn(&k->call);
            if (st == PRIM_GC) {
                assert_ptr_equal(k->call.dirty_state, job);
                kit_collect(k, HEAP_GC_AUTO, k->call.need_words);
            }
        } while (st == PRIM_GC);
        assert_null(k->call.dirty_state);
    }
    if (st == PRIM_OK)
        *kit_root(k, r) = k->call.result;
    return st;
}

#define TEXT_RUN(k, r, fn, ...)                                                                    \
    text_run(k, r, fn, sizeof((Value[]){__VA_ARGS__}) / sizeof(Value) - 1, (Value[]){__VA_ARGS__})
#define TEXT_CALL(k, r, fn, ...) assert_int_equal(TEXT_RUN(k, r, fn, __VA_ARGS__), PRIM_OK)

/* A String of n bytes of any valid UTF-8 in root r. */
static void text_bytes(Kit *k, size_t r, const char *bytes, size_t n)
{
    uint8_t *data;
    Value v;
    size_t chars;
    assert_true(utf8_check(bytes, n, &chars));
    while (str_new(&k->heap, &k->cx, k->heap.lo + KIT_STACK, CLASS_STRING, n, chars, &data, &v) !=
           STATUS_OK)
        kit_collect(k, HEAP_GC_AUTO, 64);
    memcpy(data, bytes, n);
    *kit_root(k, r) = v;
}

static void text_put(Kit *k, size_t r, const char *text) { text_bytes(k, r, text, strlen(text)); }

/* The text `unit` repeated n times in root r. */
static inline void text_many(Kit *k, size_t r, const char *unit, size_t n)
{
    size_t size = strlen(unit);
    char *bytes = malloc(size * n + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        memcpy(bytes + i * size, unit, size);
    text_bytes(k, r, bytes, size * n);
    free(bytes);
}

static inline Value text_symbol(Kit *k, const char *name)
{
    uint32_t id;
    assert_int_equal(symtab_intern(k->vm->symtab, name, strlen(name), &id), STATUS_OK);
    return value_symbol(id);
}

static void assert_text(Value v, const char *expected)
{
    assert_true(value_is_string(v));
    StrView s = str_view(v);
    size_t chars;
    assert_true(utf8_check((const char *)s.data, s.bytes, &chars));
    assert_int_equal(chars, s.chars);
    assert_int_equal(s.bytes, strlen(expected));
    assert_memory_equal(s.data, expected, s.bytes);
}

#define T(k, r) (*kit_root(k, r))
#define I(n) value_int(n)
#define C(cp) value_char(cp)

#endif
