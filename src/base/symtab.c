/* SPDX-License-Identifier: Apache-2.0 */
/* symtab.c - the VM's symbol table.
 * Entries live in chunks that never move, found by id through a directory of fixed size. Ids are
 * found by name through an open-addressing table of 64-bit cells (hash << 32 | id); a full table is
 * replaced by one of twice the size, published by one pointer, and the old one is kept until
 * destroy since a reader may be in it (all old tables together are smaller than the new one).
 *
 * Threads: readers any, without a lock; one writer at a time, under `lock`.
 * Invariant: a cell, once set, never changes; an entry is complete before its id is counted in
 * `count`, and counted before it is in a cell; the load of a table is at most one half, so every
 * probe ends. */
#include "symtab.h"

#include <assert.h>
#include <string.h>

#include "hash.h"
#include "lock.h"
#include "utf8.h"

#define CHUNK_BITS 12
#define CHUNK_SIZE (1u << CHUNK_BITS)
#define TABLE_FIRST 4096u           /* cells of the first table */
#define ARENA_BLOCK ((size_t)65536) /* names are packed into blocks of this size */

typedef struct SymEntry {
    const char *bytes;
    uint32_t len;
    uint32_t chars;
    uint32_t hash;
    uint64_t word; /* the name registry's; atomic, see symtab_word */
} SymEntry;

typedef struct SymTable {
    struct SymTable *older; /* kept for readers; freed at destroy */
    uint32_t mask;
    uint64_t cells[]; /* 0 free; atomic */
} SymTable;

typedef struct ArenaBlock {
    struct ArenaBlock *older;
    size_t size;
    char bytes[];
} ArenaBlock;

struct Symtab {
    const Env *env;
    uint32_t count_max;
    size_t bytes_max;
    SymTable *table; /* published; readers acquire */
    uint32_t count;  /* published; readers acquire */
    Lock lock;       /* level 3; everything below is the writer's */
    size_t bytes;    /* atomic, relaxed for others: a statistic */
    ArenaBlock *arena;
    char *arena_next;
    char *arena_end;
    uint32_t chunk_room; /* length of chunks[] */
    SymEntry *chunks[];  /* published one by one; readers acquire `count` or a cell first */
};

static size_t table_size(uint32_t cells)
{
    return sizeof(SymTable) + (size_t)cells * sizeof(uint64_t);
}

static size_t symtab_size(uint32_t chunk_room)
{
    return sizeof(Symtab) + (size_t)chunk_room * sizeof(SymEntry *);
}

Status symtab_create(const Env *env, uint32_t count_max, size_t bytes_max, Symtab **out)
{
    *out = NULL;
    if (count_max == 0)
        count_max = SYMTAB_COUNT_DEFAULT;
    if (bytes_max == 0)
        bytes_max = SYMTAB_BYTES_DEFAULT;
    if (count_max > UINT32_MAX / 4)
        return STATUS_BAD_ARGUMENT;
    /* ids start at 1 */
    uint32_t chunk_room = ((count_max + SYMTAB_RESERVE_COUNT) >> CHUNK_BITS) + 1;
    Symtab *table = env_calloc(env, symtab_size(chunk_room));
    SymTable *first = env_calloc(env, table_size(TABLE_FIRST));
    if (!table || !first) {
        env_free(env, table, symtab_size(chunk_room));
        env_free(env, first, table_size(TABLE_FIRST));
        return STATUS_NO_MEMORY;
    }
    first->mask = TABLE_FIRST - 1;
    table->env = env;
    table->count_max = count_max;
    table->bytes_max = bytes_max;
    table->chunk_room = chunk_room;
    table->table = first;
    *out = table;
    return STATUS_OK;
}

void symtab_destroy(Symtab *table)
{
    const Env *env = table->env;
    for (SymTable *t = table->table; t;) {
        SymTable *older = t->older;
        env_free(env, t, table_size(t->mask + 1));
        t = older;
    }
    for (ArenaBlock *block = table->arena; block;) {
        ArenaBlock *older = block->older;
        env_free(env, block, sizeof *block + block->size);
        block = older;
    }
    for (uint32_t i = 0; i < table->chunk_room; i++)
        env_free(env, table->chunks[i], CHUNK_SIZE * sizeof(SymEntry));
    env_free(env, table, symtab_size(table->chunk_room));
}

/* The entry of an id that the caller got from a cell or checked against `count`. */
static SymEntry *entry_at(const Symtab *table, uint32_t id)
{
    /* Relaxed: the acquire through which the id was learned orders the chunk's publication. */
    SymEntry *chunk = atom_load_rlx(&table->chunks[id >> CHUNK_BITS]);
    return &chunk[id & (CHUNK_SIZE - 1)];
}

static uint32_t table_find(const Symtab *table, const SymTable *cells, const char *bytes,
                           size_t len, uint32_t hash)
{
    /* The mixer spreads FNV's weak low bits; names may come from strangers, but their number is
     * bounded by quota, and with it the longest probe. */
    for (uint32_t i = (uint32_t)hash_mix64(hash);; i++) {
        /* Acquire pairs with table_add: the entry behind the id is complete. */
        uint64_t cell = atom_load_acq(&cells->cells[i & cells->mask]);
        if (cell == 0)
            return 0;
        if ((uint32_t)(cell >> 32) != hash)
            continue;
        const SymEntry *entry = entry_at(table, (uint32_t)cell);
        if (entry->len == len && memcmp(entry->bytes, bytes, len) == 0)
            return (uint32_t)cell;
    }
}

uint32_t symtab_lookup(const Symtab *table, const char *bytes, size_t len)
{
    if (len > SYMTAB_NAME_MAX)
        return 0;
    /* Acquire pairs with table_grow: the copied cells of a new table. A reader that still sees the
     * old one misses at most what was added after; intern looks again under the lock. */
    return table_find(table, atom_load_acq(&table->table), bytes, len, hash_fnv32(bytes, len));
}

/* --- writing, under the lock ----------------------------------------------------------------- */

static void table_add(SymTable *cells, uint32_t id, uint32_t hash)
{
    uint32_t i = (uint32_t)hash_mix64(hash);
    /* Relaxed: only the writer changes cells. */
    while (atom_load_rlx(&cells->cells[i & cells->mask]) != 0)
        i++;
    /* Publishes the entry; pairs with table_find. */
    atom_store_rel(&cells->cells[i & cells->mask], (uint64_t)hash << 32 | id);
}

/* Keeps the load at one half or below for one more symbol. */
static Status table_grow(Symtab *table)
{
    SymTable *old = table->table;
    if (table->count + 1 <= (old->mask + 1) / 2)
        return STATUS_OK;
    uint32_t size = (old->mask + 1) * 2;
    SymTable *grown = env_calloc(table->env, table_size(size));
    if (!grown)
        return STATUS_NO_MEMORY;
    grown->mask = size - 1;
    grown->older = old;
    for (uint32_t id = 1; id <= table->count; id++)
        table_add(grown, id, entry_at(table, id)->hash);
    /* Publishes the cells; pairs with symtab_lookup. */
    atom_store_rel(&table->table, grown);
    return STATUS_OK;
}

/* Room for `n` bytes that stay where they are. */
static char *arena_alloc(Symtab *table, size_t n)
{
    if ((size_t)(table->arena_end - table->arena_next) < n) {
        size_t size = n > ARENA_BLOCK ? n : ARENA_BLOCK;
        ArenaBlock *block = env_alloc(table->env, sizeof *block + size);
        if (!block)
            return NULL;
        block->older = table->arena;
        block->size = size;
        table->arena = block;
        table->arena_next = block->bytes;
        table->arena_end = block->bytes + size;
    }
    char *bytes = table->arena_next;
    table->arena_next += n;
    return bytes;
}

static Status chunk_ensure(Symtab *table, uint32_t id)
{
    uint32_t index = id >> CHUNK_BITS;
    if (table->chunks[index])
        return STATUS_OK;
    SymEntry *chunk = env_calloc(table->env, CHUNK_SIZE * sizeof(SymEntry));
    if (!chunk)
        return STATUS_NO_MEMORY;
    /* Relaxed: published with the first id in it, see entry_at. */
    atom_store_rlx(&table->chunks[index], chunk);
    return STATUS_OK;
}

/* Who wants it: texts that a program makes symbols of, its code, the VM. */
typedef enum { SYM_FOR_TEXT, SYM_FOR_CODE, SYM_FOR_VM } SymUse;

static Status symbol_add(Symtab *table, const char *bytes, size_t len, uint32_t hash, SymUse use,
                         uint32_t *id_out)
{
    uint32_t count_max = table->count_max;
    size_t bytes_max = table->bytes_max;
    if (use == SYM_FOR_TEXT) {
        count_max -= count_max / SYMTAB_CODE_SHARE;
        bytes_max -= bytes_max / SYMTAB_CODE_SHARE;
    } else if (use == SYM_FOR_VM) {
        count_max += SYMTAB_RESERVE_COUNT;
        bytes_max += SYMTAB_RESERVE_BYTES;
    }
    if (table->count >= count_max || table->bytes > bytes_max || len > bytes_max - table->bytes)
        return STATUS_SYMBOL_LIMIT;
    uint32_t id = table->count + 1;
    STATUS_FORWARD(chunk_ensure(table, id));
    STATUS_FORWARD(table_grow(table));
    char *name = arena_alloc(table, len + 1);
    if (!name)
        return STATUS_NO_MEMORY;
    if (len > 0)
        memcpy(name, bytes, len);
    name[len] = '\0';
    SymEntry *entry = entry_at(table, id);
    entry->bytes = name;
    entry->len = (uint32_t)len;
    entry->chars = (uint32_t)utf8_count(name, len);
    entry->hash = hash;
    /* Publishes the entry to symtab_valid and symtab_count. Before the cell: whoever learns the id
     * from the cell must find it valid. */
    atom_store_rel(&table->count, id);
    table_add(table->table, id, hash);
    /* Relaxed: a statistic. */
    atom_store_rlx(&table->bytes, table->bytes + len);
    *id_out = id;
    return STATUS_OK;
}

static Status intern(Symtab *table, const char *bytes, size_t len, SymUse use, uint32_t *id)
{
    *id = 0;
    if (len > SYMTAB_NAME_MAX)
        return STATUS_TOO_BIG;
#ifdef MAGGIE_DEBUG
    assert(utf8_check(bytes, len, NULL));
#endif
    uint32_t hash = hash_fnv32(bytes, len);
    /* Acquire as in symtab_lookup. */
    *id = table_find(table, atom_load_acq(&table->table), bytes, len, hash);
    if (*id != 0)
        return STATUS_OK;
    lock_acquire(&table->lock);
    Status status = STATUS_OK;
    /* Somebody may have added it since. */
    *id = table_find(table, table->table, bytes, len, hash);
    if (*id == 0)
        status = symbol_add(table, bytes, len, hash, use, id);
    lock_release(&table->lock);
    return status;
}

Status symtab_intern(Symtab *table, const char *bytes, size_t len, uint32_t *id)
{
    return intern(table, bytes, len, SYM_FOR_CODE, id);
}

Status symtab_intern_text(Symtab *table, const char *bytes, size_t len, uint32_t *id)
{
    return intern(table, bytes, len, SYM_FOR_TEXT, id);
}

Status symtab_intern_reserved(Symtab *table, const char *bytes, size_t len, uint32_t *id)
{
    return intern(table, bytes, len, SYM_FOR_VM, id);
}

/* --- reading by id --------------------------------------------------------------------------- */

bool symtab_valid(const Symtab *table, uint32_t id)
{
    /* Acquire pairs with symbol_add. */
    return id != 0 && id <= atom_load_acq(&table->count);
}

SymtabName symtab_name(const Symtab *table, uint32_t id)
{
    assert(symtab_valid(table, id));
    const SymEntry *entry = entry_at(table, id);
    return (SymtabName){entry->bytes, entry->len, entry->chars, entry->hash};
}

uint32_t symtab_hash(const Symtab *table, uint32_t id)
{
    assert(symtab_valid(table, id));
    return entry_at(table, id)->hash;
}

uint64_t *symtab_word(Symtab *table, uint32_t id)
{
    assert(symtab_valid(table, id));
    return &entry_at(table, id)->word;
}

uint32_t symtab_count(const Symtab *table)
{
    /* Acquire: the caller may go on to read the names. */
    return atom_load_acq(&table->count);
}

size_t symtab_bytes(const Symtab *table)
{
    /* Relaxed: a statistic. */
    return atom_load_rlx(&table->bytes);
}

uint32_t symtab_count_max(const Symtab *table) { return table->count_max; }
