/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - bump allocation over chunks that double up to a megabyte.
 * Threads: one at a time per arena.
 * Invariant: chunks is a list of everything taken from the allocator. */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { ARENA_CHUNK_MIN = 4096, ARENA_CHUNK_MAX = 1 << 20 };

struct LangArenaChunk {
    LangArenaChunk *older;
    size_t bytes; /* of the whole chunk, this header included */
    alignas(max_align_t) char data[];
};

static void *malloc_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void malloc_free(void *ctx, void *memory)
{
    (void)ctx;
    free(memory);
}

LangAllocator lang_allocator_malloc(void)
{
    LangAllocator a = {malloc_alloc, malloc_free, NULL};
    return a;
}

void lang_arena_init(LangArena *arena, LangAllocator allocator, size_t bytes_max)
{
    memset(arena, 0, sizeof *arena);
    arena->allocator = allocator;
    arena->bytes_max = bytes_max;
}

void lang_arena_free(LangArena *arena)
{
    LangArenaChunk *chunk = arena->chunks;
    while (chunk) {
        LangArenaChunk *older = chunk->older;
        arena->allocator.free(arena->allocator.ctx, chunk);
        chunk = older;
    }
    lang_arena_init(arena, arena->allocator, arena->bytes_max);
}

/* Big requests get a chunk of their own size; small ones share one that grows with the arena. */
static size_t chunk_size(const LangArena *arena, size_t payload)
{
    size_t wanted = arena->bytes < ARENA_CHUNK_MIN ? ARENA_CHUNK_MIN : arena->bytes;
    if (wanted > ARENA_CHUNK_MAX)
        wanted = ARENA_CHUNK_MAX;
    size_t needed = payload + sizeof(LangArenaChunk);
    return needed > wanted ? needed : wanted;
}

static bool arena_grow(LangArena *arena, size_t payload)
{
    if (payload > SIZE_MAX / 2)
        return false;
    size_t bytes = chunk_size(arena, payload);
    if (arena->bytes_max &&
        (arena->bytes > arena->bytes_max || bytes > arena->bytes_max - arena->bytes))
        return false;
    LangArenaChunk *chunk = arena->allocator.alloc(arena->allocator.ctx, bytes);
    if (!chunk)
        return false;
    chunk->older = arena->chunks;
    chunk->bytes = bytes;
    arena->chunks = chunk;
    arena->bytes += bytes;
    arena->next = chunk->data;
    arena->end = (char *)chunk + bytes;
    return true;
}

void *lang_arena_alloc(LangArena *arena, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    size_t room = (bytes + align - 1) & ~(align - 1);
    if (room < bytes) {
        arena->failed = true;
        return NULL;
    }
    if (room == 0)
        room = align;
    if (!arena->next || room > (size_t)(arena->end - arena->next)) {
        if (!arena_grow(arena, room)) {
            arena->failed = true;
            return NULL;
        }
    }
    void *memory = arena->next;
    arena->next += room;
    memset(memory, 0, room);
    return memory;
}

void *lang_arena_array(LangArena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        arena->failed = true;
        return NULL;
    }
    return lang_arena_alloc(arena, bytes);
}

LangText lang_arena_copy(LangArena *arena, const char *bytes, size_t len)
{
    char *copy = lang_arena_alloc(arena, len + 1);
    if (!copy)
        return lang_text("", 0);
    if (len)
        memcpy(copy, bytes, len);
    return lang_text(copy, len);
}
