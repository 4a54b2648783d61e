/* SPDX-License-Identifier: Apache-2.0 */
/* symtab.h - the VM's symbols: bytes <-> 32-bit id, both ways without a lock for readers.
 * Ids count up from 1 in the order of interning, so a fixed list interned first has known ids.
 * 0 is no symbol. Bytes are valid UTF-8 (the caller's word; checked by assert in debug builds) and
 * stay where they are until destroy. Limits on count and bytes (D18) are never exceeded: interning
 * then answers STATUS_SYMBOL_LIMIT and nothing changes.
 * Threads: all functions by any thread; destroy when nobody else uses the table. */
#ifndef MAGGIE_SYMTAB_H
#define MAGGIE_SYMTAB_H

#include "env.h"

typedef struct Symtab Symtab;

#define SYMTAB_COUNT_DEFAULT 1048576u
#define SYMTAB_BYTES_DEFAULT ((size_t)64 << 20)
#define SYMTAB_RESERVE_COUNT 4096u
#define SYMTAB_RESERVE_BYTES ((size_t)256 << 10)
#define SYMTAB_CODE_SHARE 8u
#define SYMTAB_NAME_MAX ((size_t)65535) /* bytes of one symbol */

typedef struct SymtabName {
    const char *bytes; /* not NUL-terminated by promise, though a NUL follows for debuggers */
    uint32_t len;      /* bytes */
    uint32_t chars;    /* code points; == len for pure ASCII */
    uint32_t hash;     /* hash_fnv32 of the bytes */
} SymtabName;

/* Returns new; 0 limits mean the defaults. */
MUST_CHECK Status symtab_create(const Env *env, uint32_t count_max, size_t bytes_max, Symtab **out);
void symtab_destroy(Symtab *table);

/* Finds or adds. Fails with STATUS_SYMBOL_LIMIT, STATUS_TOO_BIG (name too long) or
 * STATUS_NO_MEMORY. Takes the writer lock only for a new name. */
MUST_CHECK Status symtab_intern(Symtab *table, const char *bytes, size_t len, uint32_t *id);

/* The same for texts that a program makes symbols of, which leave one in SYMTAB_CODE_SHARE of both
 * limits to code: a program that floods the table does not keep others from compiling. */
MUST_CHECK Status symtab_intern_text(Symtab *table, const char *bytes, size_t len, uint32_t *id);

/* The same for the few texts of the VM's own, such as those of error messages: up to
 * SYMTAB_RESERVE_COUNT symbols and SYMTAB_RESERVE_BYTES beyond the limits, so that a table that
 * programs have filled can still be told of. */
MUST_CHECK Status symtab_intern_reserved(Symtab *table, const char *bytes, size_t len,
                                         uint32_t *id);

/* Finds without adding: 0 when there is no such symbol. */
uint32_t symtab_lookup(const Symtab *table, const char *bytes, size_t len);

/* Name of a valid id (1 .. symtab_count); asserts otherwise. */
SymtabName symtab_name(const Symtab *table, uint32_t id);

/* Hash of a valid id without touching its bytes. */
uint32_t symtab_hash(const Symtab *table, uint32_t id);

/* True when `id` names a symbol: the check for ids from outside. */
bool symtab_valid(const Symtab *table, uint32_t id);

/* One word per symbol for the registry of process names, 0 at first; use atomics on it. */
uint64_t *symtab_word(Symtab *table, uint32_t id);

/* Symbols so far, and bytes of their names. */
uint32_t symtab_count(const Symtab *table);
/* How many there may be, but for the reserve. */
uint32_t symtab_count_max(const Symtab *table);
size_t symtab_bytes(const Symtab *table);

#endif
