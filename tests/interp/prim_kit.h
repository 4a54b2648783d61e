/* SPDX-License-Identifier: Apache-2.0 */
/* prim_kit.h - calls primitives without an interpreter: a real heap with the arguments as roots, a
 * VM that knows classes only, and a loop that collects and yields as the interpreter would.
 * Threads: one test. */
#ifndef PRIM_KIT_H
#define PRIM_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "env_sim.h"
#include "prims.h"
#include "vm.h"

#define KIT_ROOTS 24  /* roots of the test, at the bottom of the stack */
#define KIT_WINDOW 16 /* then the window of the primitive */
#define KIT_STACK (KIT_ROOTS + KIT_WINDOW)

typedef struct Kit {
    EnvSim sim;
    PoolGlobal *pools;
    PoolLocal pool;
    HeapEnv henv;
    HeapCtx cx;
    Heap heap;
    HeapRoots roots;
    HeapGcResult last;
    Vm *vm;
    PrimResume resume;
    PrimCall call;
    int64_t slice;    /* reductions of each slice; small ones make a primitive yield often */
    bool gc_at_yield; /* collect at each yield */
    size_t yields;
    size_t collections;
} Kit;

static void kit_visit(void *ctx, HeapVisit visit, void *arg)
{
    Kit *k = ctx;
    visit(arg, k->heap.lo, KIT_STACK);
    visit(arg, &k->resume.root, 1);
}

static void kit_collect(Kit *k, HeapGcKind kind, size_t need)
{
    HeapGcRequest r = {.kind = kind, .need_words = need, .stack_used_words = KIT_STACK};
    assert_int_equal(heap_collect(&k->heap, &k->cx, &k->roots, &r, &k->last), STATUS_OK);
    k->collections++;
}

static Class *kit_class(uint32_t index, uint8_t shape, uint16_t nslots)
{
    Class *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->index = index;
    c->shape = shape;
    c->nslots = nslots;
    return c;
}

static void kit_open(Kit *k)
{
    memset(k, 0, sizeof *k);
    env_sim_init(&k->sim, 1);
    k->pools = pool_global_create(&k->sim.env, POOL_DEFAULT, 0);
    assert_non_null(k->pools);
    pool_local_init(&k->pool, k->pools);
    heap_env_init(&k->henv, &k->sim.env, k->pools);
    k->henv.verify = true;
    k->cx = (HeapCtx){.env = &k->henv, .pool = &k->pool};
    k->roots = (HeapRoots){kit_visit, k};
    k->slice = 4000;
    assert_int_equal(heap_init(&k->heap, &k->cx, 4 * KIT_STACK, 77), STATUS_OK);
    for (size_t i = 0; i < KIT_STACK; i++)
        k->heap.lo[i] = VALUE_NIL;
    k->resume.root = VALUE_NIL;
    k->vm = calloc(1, sizeof *k->vm);
    assert_non_null(k->vm);
    k->vm->class_chunks[0] = calloc(VM_CLASS_CHUNK, sizeof(Class *));
    assert_non_null(k->vm->class_chunks[0]);
    for (uint32_t i = 0; i < CLASS_FIRST_FREE + 2; i++)
        k->vm->class_chunks[0][i] = kit_class(i, SHAPE_SLOTS, 0);
    k->vm->class_chunks[0][CLASS_ARRAY]->shape = SHAPE_INDEXED;
    k->vm->class_chunks[0][CLASS_ASSOCIATION]->nslots = 2;
    k->vm->class_chunks[0][CLASS_FIRST_FREE]->shape = SHAPE_INDEXED; /* a subclass of Array */
    k->vm->class_chunks[0][CLASS_FIRST_FREE]->nslots = 2;
}

static void kit_close(Kit *k)
{
    heap_destroy(&k->heap, &k->cx);
    pool_local_close(&k->pool);
    assert_int_equal(pool_global_destroy(k->pools), 0);
    assert_int_equal(k->sim.bytes_live, 0);
    for (uint32_t i = 0; i < CLASS_FIRST_FREE + 2; i++)
        free(k->vm->class_chunks[0][i]);
    free(k->vm->class_chunks[0]);
    free(k->vm);
}

static Value *kit_root(Kit *k, size_t i) { return k->heap.lo + i; }
static Object *kit_object(Kit *k, size_t i) { return obj_of(k->heap.lo[i]); }

/* Runs the primitive until it answers; receiver and arguments are roots or immediates, given as the
 * words to put in the window. The answer is in k->call.result. */
static PrimStatus kit_run(Kit *k, PrimFn fn, unsigned argc, const Value *args)
{
    for (unsigned i = 0; i < KIT_WINDOW; i++)
        k->heap.lo[KIT_ROOTS + i] = i <= argc ? args[i] : VALUE_NIL;
    k->resume = (PrimResume){.root = VALUE_NIL};
    int64_t left = k->slice;
    for (;;) {
        k->call = (PrimCall){.vm = k->vm, .heap = &k->heap, .cx = &k->cx, .resume = &k->resume};
        k->call.args = k->heap.lo + KIT_ROOTS;
        k->call.argc = argc;
        k->call.stack_end = k->heap.lo + KIT_STACK;
        k->call.reductions = left;
        PrimStatus st = fn(&k->call);
        left = k->call.reductions;
        if (st == PRIM_GC) {
            kit_collect(k, HEAP_GC_AUTO, k->call.need_words);
        } else if (st == PRIM_YIELD) {
            assert_true(left <= 0);
            left = k->slice;
            k->yields++;
            if (k->gc_at_yield)
                kit_collect(k, k->yields % 3 ? HEAP_GC_MINOR : HEAP_GC_MAJOR, 0);
        } else {
            return st;
        }
    }
}

#define KIT_RUN(k, fn, ...)                                                                        \
    kit_run(k, fn, sizeof((Value[]){__VA_ARGS__}) / sizeof(Value) - 1, (Value[]){__VA_ARGS__})

/* Runs and stores the answer in root r. */
#define KIT_CALL(k, r, fn, ...)                                                                    \
    do {                                                                                           \
        assert_int_equal(KIT_RUN(k, fn, __VA_ARGS__), PRIM_OK);                                    \
        *kit_root(k, r) = (k)->call.result;                                                        \
    } while (0)

/* A short String in root r. */
static void kit_string(Kit *k, size_t r, const char *text)
{
    uint8_t *data;
    Value v;
    size_t n = strlen(text);
    for (int tries = 0;; tries++) {
        Status s = str_new(&k->heap, &k->cx, k->heap.lo + KIT_STACK, CLASS_STRING, n, n, &data, &v);
        if (s == STATUS_OK)
            break;
        assert_true(tries < 3);
        kit_collect(k, HEAP_GC_AUTO, 64);
    }
    memcpy(data, text, n);
    *kit_root(k, r) = v;
}

/* A plain object of nil slots in root r. */
static Object *kit_slots(Kit *k, size_t r, uint32_t cls, size_t slots)
{
    Object *o;
    for (int tries = 0;; tries++) {
        Status s =
            heap_try_new(&k->heap, &k->cx, k->heap.lo + KIT_STACK, cls, OBJ_SLOTS, 0, slots, &o);
        if (s == STATUS_OK)
            break;
        assert_true(tries < 3);
        kit_collect(k, HEAP_GC_AUTO, slots + 2);
    }
    for (size_t i = 0; i < slots; i++)
        obj_slots(o)[i] = VALUE_NIL;
    *kit_root(k, r) = value_ptr(o);
    return o;
}

#endif
