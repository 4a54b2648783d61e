/* SPDX-License-Identifier: Apache-2.0 */
/* gc_bench.c - what a heap costs: allocation, collections per live word, copies out, spawns.
 * Prints the best of several runs of each, in nanoseconds. Usage: gc_bench
 * Threads: one. */
#include <stdio.h>
#include <stdlib.h>

#include "gc_int.h"

#define RUNS 5

typedef struct Bench {
    Env env;
    PoolGlobal *pools;
    PoolLocal pool;
    HeapEnv henv;
    HeapCtx cx;
    Heap heap;
    size_t depth;
} Bench;

static void visit_roots(void *ctx, HeapVisit visit, void *arg)
{
    Bench *b = ctx;
    visit(arg, b->heap.lo, b->depth);
}

static Value *top(Bench *b) { return b->heap.lo + b->depth; }

static void collect(Bench *b, HeapGcKind kind, size_t need)
{
    HeapGcRequest r = {kind, need, b->depth, 0};
    HeapRoots roots = {visit_roots, b};
    HeapGcResult result;
    if (heap_collect(&b->heap, &b->cx, &roots, &r, &result) != STATUS_OK)
        abort();
}

static inline Object *new_object(Bench *b, size_t words)
{
    Object *o;
    while (!(o = heap_try_alloc(&b->heap, top(b), 1 + words)))
        collect(b, HEAP_GC_AUTO, 1 + words);
    o->header = obj_header(CLASS_ARRAY, (unsigned)words, OBJ_SLOTS, 0);
    for (size_t i = 0; i < words; i++)
        o->words[i] = VALUE_NIL;
    return o;
}

static void open_heap(Bench *b)
{
    if (heap_init(&b->heap, &b->cx, 0, 1) != STATUS_OK)
        abort();
    b->heap.lo[0] = VALUE_NIL;
    b->depth = 1;
}

static double now(const Bench *b) { return (double)env_now_ns(&b->env); }

/* A list of n three-word cells in root 0. */
static void make_list(Bench *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Object *o = new_object(b, 2);
        o->words[0] = value_int((int64_t)i);
        o->words[1] = b->heap.lo[0];
        b->heap.lo[0] = value_ptr(o);
    }
}

/* A tree whose inner nodes and leaves are three words, n nodes in all, built in random-ish
 * order. */
static void make_tree(Bench *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Object *o = new_object(b, 2);
        if (!value_is_ptr(b->heap.lo[0])) {
            b->heap.lo[0] = value_ptr(o);
            continue;
        }
        Object *at = obj_of(b->heap.lo[0]);
        for (size_t path = i;; path = path / 2 * 7 + 1) {
            Value *slot = &at->words[hash_mix64(path) & 1];
            if (!value_is_ptr(*slot)) {
                heap_store(&b->heap, at, slot, value_ptr(o));
                break;
            }
            at = obj_of(*slot);
        }
    }
}

static double best(double a, double b) { return a == 0 || b < a ? b : a; }

static void bench_allocation(Bench *b)
{
    double ns = 0;
    for (int run = 0; run < RUNS; run++) {
        open_heap(b);
        double start = now(b);
        for (int i = 0; i < 20000000; i++)
            new_object(b, 2);
        ns = best(ns, (now(b) - start) / 20e6);
        heap_destroy(&b->heap, &b->cx);
    }
    printf("allocate a 3-word object, all garbage          %8.2f ns\n", ns);
}

static void bench_small(Bench *b, size_t cells)
{
    double ns = 0;
    open_heap(b);
    make_list(b, cells);
    for (int run = 0; run < RUNS; run++) {
        double start = now(b);
        for (int i = 0; i < 200000; i++)
            collect(b, HEAP_GC_AUTO, 0);
        ns = best(ns, (now(b) - start) / 200000);
    }
    heap_destroy(&b->heap, &b->cx);
    printf("collect a small heap of %4zu live words          %8.1f ns, %.2f per word\n", cells * 3,
           ns, ns / (double)(cells * 3));
}

static void bench_minor(Bench *b, size_t cells)
{
    double ns = 0;
    open_heap(b);
    if (heap_need_old(&b->heap, &b->cx) != STATUS_OK)
        abort();
    for (int run = 0; run < RUNS; run++) {
        double sum = 0;
        for (int i = 0; i < 50; i++) {
            b->heap.lo[0] = VALUE_NIL;
            collect(b, HEAP_GC_MAJOR, 3 * cells);
            if (heap_need_old(&b->heap, &b->cx) != STATUS_OK)
                abort();
            collect(b, HEAP_GC_MINOR, 3 * cells);
            make_list(b, cells);
            double start = now(b);
            collect(b, HEAP_GC_MINOR, 0);
            sum += now(b) - start;
        }
        ns = best(ns, sum / 50);
    }
    heap_destroy(&b->heap, &b->cx);
    printf("promote %6zu live words by a minor collection %8.0f ns, %.2f per word\n", cells * 3, ns,
           ns / (double)(cells * 3));
}

static void bench_major(Bench *b, size_t cells, bool tree)
{
    double ns = 0;
    open_heap(b);
    if (tree)
        make_tree(b, cells);
    else
        make_list(b, cells);
    for (int run = 0; run < RUNS; run++) {
        double start = now(b);
        collect(b, HEAP_GC_MAJOR, 0);
        ns = best(ns, now(b) - start);
    }
    heap_destroy(&b->heap, &b->cx);
    printf("major collection of %8zu words, %s         %8.0f us, %.2f ns per word\n", cells * 3,
           tree ? "tree" : "list", ns / 1000, ns / (double)(cells * 3));
}

static void bench_copy(Bench *b, const char *what, size_t words, Value root, int times)
{
    double out = 0;
    double in = 0;
    for (int run = 0; run < RUNS; run++) {
        double start = now(b);
        for (int i = 0; i < times; i++) {
            Fragment *f;
            if (fragment_copy_out(&b->heap, &b->cx, root, 0, &f, NULL) != STATUS_OK)
                abort();
            fragment_free(&b->cx, f);
        }
        out = best(out, (now(b) - start) / times);
        start = now(b);
        for (int i = 0; i < times; i++) {
            Heap child;
            Value v;
            if (heap_init_with_copy(&child, &b->cx, &b->heap, root, 8, 1, &v) != STATUS_OK)
                abort();
            heap_destroy(&child, &b->cx);
        }
        in = best(in, (now(b) - start) / times);
    }
    printf("copy out and free %5zu words (%s) %*s %8.1f ns; as a new heap %8.1f ns\n", words, what,
           (int)(16 - strlen(what)), "", out, in);
}

static void bench_copies(Bench *b)
{
    open_heap(b);
    collect(b, HEAP_GC_AUTO, 8000);
    Object *m3 = new_object(b, 2);
    m3->words[0] = m3->words[1] = value_int(1);
    Object *m10 = new_object(b, 3);
    for (size_t i = 0; i < 2; i++) {
        Object *o = new_object(b, 2);
        o->words[0] = value_ptr(m10);
        m10->words[i] = value_ptr(o);
    }
    Object *m101 = new_object(b, 20);
    for (size_t i = 0; i < 20; i++)
        m101->words[i] = value_ptr(new_object(b, 3));
    make_list(b, 1000);
    bench_copy(b, "one object", 3, value_ptr(m3), 2000000);
    bench_copy(b, "three, cyclic", 10, value_ptr(m10), 2000000);
    bench_copy(b, "array of 20", 101, value_ptr(m101), 300000);
    bench_copy(b, "list of 1000", 3000, b->heap.lo[0], 10000);
    heap_destroy(&b->heap, &b->cx);
}

static void bench_stores(Bench *b)
{
    open_heap(b);
    Object *o = new_object(b, 2);
    b->heap.lo[0] = value_ptr(o);
    if (heap_need_old(&b->heap, &b->cx) != STATUS_OK)
        abort();
    collect(b, HEAP_GC_MINOR, 0);
    double ns[2] = {0, 0};
    Object *array;
    if (heap_try_new(&b->heap, &b->cx, top(b), CLASS_ARRAY, OBJ_SLOTS, 0, 100000, &array) !=
        STATUS_OK)
        abort();
    b->heap.lo[1] = value_ptr(array);
    b->depth = 2;
    collect(b, HEAP_GC_MINOR, 0);
    for (int run = 0; run < RUNS; run++) {
        o = obj_of(b->heap.lo[0]);
        double start = now(b);
        for (int i = 0; i < 10000000; i++) {
            heap_store(&b->heap, o, &o->words[i & 1], value_int(i));
            __asm__ volatile("" ::: "memory");
        }
        ns[0] = best(ns[0], (now(b) - start) / 1e7);
        start = now(b);
        for (int i = 0; i < 10000000; i++) {
            heap_store(&b->heap, array, &obj_slots(array)[i % 65536], value_int(i));
            __asm__ volatile("" ::: "memory");
        }
        ns[1] = best(ns[1], (now(b) - start) / 1e7);
    }
    printf("store into an old object / a large array       %8.2f / %.2f ns\n", ns[0], ns[1]);
    heap_destroy(&b->heap, &b->cx);
}

int main(void)
{
    Bench b;
    memset(&b, 0, sizeof b);
    env_system_init(&b.env);
    b.pools = pool_global_create(&b.env, POOL_DEFAULT, 0);
    pool_local_init(&b.pool, b.pools);
    heap_env_init(&b.henv, &b.env, b.pools);
    b.cx.env = &b.henv;
    b.cx.pool = &b.pool;
    bench_allocation(&b);
    bench_stores(&b);
    bench_small(&b, 4);
    bench_small(&b, 16);
    bench_small(&b, 100);
    bench_minor(&b, 1000);
    bench_minor(&b, 5000);
    bench_major(&b, 100000, false);
    bench_major(&b, 2000000, false);
    bench_major(&b, 1000000, true);
    bench_copies(&b);
    pool_local_close(&b.pool);
    return pool_global_destroy(b.pools) != 0;
}
