/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - bump allocation for syntax trees: many small pieces, freed together.
 * Threads: an arena belongs to one thread at a time.
 * Invariant: memory handed out stays where it is until lang_arena_free.
 * Out of memory: lang_arena_alloc answers NULL and sets failed; nothing here ever aborts. */
#ifndef LANG_ARENA_H
#define LANG_ARENA_H

#include "lang_source.h"

/* Where memory comes from. alloc answers NULL when there is none; free ignores NULL. */
typedef struct LangAllocator {
    void *(*alloc)(void *ctx, size_t bytes);
    void (*free)(void *ctx, void *memory);
    void *ctx;
} LangAllocator;

typedef struct LangArenaChunk LangArenaChunk;

typedef struct LangArena {
    LangAllocator allocator;
    LangArenaChunk *chunks; /* newest first; only the newest is filled */
    char *next;             /* first free byte of the newest chunk */
    char *end;              /* just behind it */
    size_t bytes;           /* total taken from the allocator */
    size_t bytes_max;       /* refuse to grow beyond this; 0: no limit */
    bool failed;            /* an allocation was refused */
} LangArena;

/* malloc and free behind the interface. */
LangAllocator lang_allocator_malloc(void);

/* Makes an empty arena; allocates nothing yet. */
void lang_arena_init(LangArena *arena, LangAllocator allocator, size_t bytes_max);

/* Gives everything back. The arena is empty and usable afterwards. */
void lang_arena_free(LangArena *arena);

/* bytes of zeroed memory aligned for any type, or NULL. bytes == 0 gives a valid pointer. */
void *lang_arena_alloc(LangArena *arena, size_t bytes);

/* count * size bytes with an overflow check, or NULL. */
void *lang_arena_array(LangArena *arena, size_t count, size_t size);

/* A copy of bytes in the arena (with a NUL behind it that len does not count).
 * When memory is short: ptr "" and len 0, and arena->failed. */
LangText lang_arena_copy(LangArena *arena, const char *bytes, size_t len);

#endif
