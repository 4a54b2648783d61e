/* SPDX-License-Identifier: Apache-2.0 */
/* heap_words.c - looking at every word a heap holds, without following anything.
 * Threads: the owner of the heap. */
#include "gc_int.h"

static void each_large(const LargeObject *list, void (*fn)(void *, const Value *, size_t),
                       void *arg)
{
    for (const LargeObject *large = list; large; large = large->next)
        if (kind_has_values(obj_kind(&large->object)))
            fn(arg, large->object.words, obj_total_words(&large->object) - 1);
}

void heap_each_run(const Heap *heap, void (*fn)(void *arg, const Value *first, size_t n), void *arg)
{
    fn(arg, heap->lo, (size_t)(heap->hi - heap->lo));
    for (const Fragment *f = heap->fragments; f; f = f->next)
        fn(arg, f->body, f->words);
    const OldSpace *old = heap_old(heap);
    if (!old)
        return;
    for (const OldChunk *c = old->chunks; c; c = c->next) {
        const Value *top = c == old->chunks ? old->top : c->top;
        fn(arg, c->body, (size_t)(top - c->body));
    }
    each_large(old->large_young, fn, arg);
    each_large(old->large_old, fn, arg);
}
