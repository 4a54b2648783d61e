/* SPDX-License-Identifier: Apache-2.0 */
/* object.h - layout of heap objects: the one list of heap kinds, and accessors.
 *
 * Every object starts with one 64-bit header, never zero in its top 16 bits:
 *
 *   bits  0..31  class index
 *   bits 32..47  size: number of 64-bit words after the header (after header and size word when it
 *                is OBJ_SIZE_BIG)
 *   bits 48..55  kind (low 5 bits, ObjKind) and pad (high 3 bits: unused bytes of the last word,
 *                byte kinds only)
 *   bits 56..63  flags; OBJ_F_ALIVE is always set
 *
 *   [header][size word, only if size field == OBJ_SIZE_BIG][word 0]...[word n-1][stored hash, only
 *    if OBJ_F_HASH_STORED]
 *
 * A frozen object has one more word in front of its header: the Region it lives in (frozen.h).
 * Forwarding: the header is overwritten with the raw new address (top 16 bits zero).
 *
 * Flags decide everything the collector, the copier and the write barrier ask:
 *   young object        neither OLD, LARGE nor FROZEN set
 *   store guard (M4)    a store may proceed inline iff no OBJ_F_GUARD_MASK bit is set
 *
 * Threads: an object that is not frozen belongs to exactly one process (I2).
 */
#ifndef MAGGIE_OBJECT_H
#define MAGGIE_OBJECT_H

#include <assert.h>
#include <stddef.h>

#include "value.h"

/* X(enumerator, name, has Values in its words). Order is part of the image format. */
#define OBJ_KINDS(X)                                                                               \
    X(SLOTS, "slots", 1)   /* plain objects and arrays: every word is a Value */                   \
    X(BYTES, "bytes", 0)   /* ByteArray: raw bytes, mutable */                                     \
    X(WORDS, "words", 0)   /* WordArray: raw 64-bit words, mutable (hash indices) */               \
    X(STRING, "string", 0) /* short String: word 0 = byte length | code points << 32, bytes */     \
    X(BIG_STRING, "bigstring", 0) /* slice of a counted off-heap buffer, see StrHandle */          \
    X(BIG_INT, "bigint", 0)       /* limbs, least significant first; OBJ_F_NEGATIVE */             \
    X(CLOSURE, "closure", 1)      /* word 0 = raw CompiledCode pointer, then captured Values */    \
    X(CELL, "cell", 1)            /* captured variable: one Value */                               \
    X(WEAK, "weak", 0)            /* word 0 = weak Value, word 1 = link (collector's) */           \
    X(HANDLE, "handle", 0) /* counted off-heap runtime object: word 0 = pointer, 1 = link */       \
    X(REMOTE_REF, "remote reference", 0) /* reserved: distribution */                              \
    X(PROMISE, "promise", 0)             /* reserved: promises */                                  \
    X(NODE_ID, "node id", 0)             /* reserved: node ids */

typedef enum {
#define OBJ_KIND_ENUM(id, name, values) OBJ_##id,
    OBJ_KINDS(OBJ_KIND_ENUM)
#undef OBJ_KIND_ENUM
        OBJ_KIND_COUNT
} ObjKind;

typedef struct Object {
    uint64_t header;
    Value words[]; /* starts with the size word when the size field is OBJ_SIZE_BIG */
} Object;

#define OBJ_SIZE_BIG 0xFFFFu

#define OBJ_F_ALIVE (UINT64_C(0x80) << 56)  /* always set: top bits of a header are never 0 */
#define OBJ_F_FROZEN (UINT64_C(0x40) << 56) /* deeply immutable, in a Region, shared */
#define OBJ_F_OLD (UINT64_C(0x20) << 56)    /* in old space or promoted large object */
#define OBJ_F_GUARD (UINT64_C(0x10) << 56)  /* OLD and not yet remembered: store must tell */
#define OBJ_F_LARGE (UINT64_C(0x08) << 56)  /* own block, marked instead of moved */
#define OBJ_F_MARK                                                                                 \
    (UINT64_C(0x04) << 56) /* LARGE: reached in this collection; BIG_INT: see below */
#define OBJ_F_HASHED (UINT64_C(0x02) << 56)      /* identity hash was asked for at this address */
#define OBJ_F_HASH_STORED (UINT64_C(0x01) << 56) /* identity hash stands after the last word */
/* M4: one test at every store into an object. LARGE objects keep GUARD set for ever: their slow
 * path remembers slots, not objects. */
#define OBJ_F_GUARD_MASK (OBJ_F_FROZEN | OBJ_F_GUARD)
#define OBJ_F_NOT_YOUNG (OBJ_F_FROZEN | OBJ_F_OLD | OBJ_F_LARGE)

/* BIG_INT sign: lowest bit of the pad field, which limbs do not need. */
#define OBJ_BIGINT_NEGATIVE_PAD 1u

static inline uint64_t obj_header(uint32_t cls, unsigned size_field, ObjKind kind, unsigned pad)
{
    return OBJ_F_ALIVE | (uint64_t)(pad << 5 | (unsigned)kind) << 48 | (uint64_t)size_field << 32 |
           cls;
}

static inline Object *obj_of(Value v) { return (Object *)(uintptr_t)v; }
static inline uint32_t obj_class(const Object *o) { return (uint32_t)o->header; }
static inline ObjKind obj_kind(const Object *o) { return (ObjKind)(o->header >> 48 & 0x1F); }
static inline unsigned obj_pad(const Object *o) { return (unsigned)(o->header >> 53 & 7); }
static inline unsigned obj_size_field(const Object *o)
{
    /* The analyser believes that a Dictionary may be without its array of entries.
     * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    return (unsigned)(o->header >> 32 & 0xFFFF);
}
static inline bool obj_is_big(const Object *o) { return obj_size_field(o) == OBJ_SIZE_BIG; }
/* Number of payload words, without header, size word and stored hash. */
static inline size_t obj_words(const Object *o)
{
    unsigned n = obj_size_field(o);
    return n != OBJ_SIZE_BIG ? n : (size_t)o->words[0];
}
static inline Value *obj_slots(Object *o) { return o->words + (obj_is_big(o) ? 1 : 0); }
static inline bool obj_is_forwarded(const Object *o) { return o->header >> 48 == 0; }
static inline bool obj_is_frozen(const Object *o) { return (o->header & OBJ_F_FROZEN) != 0; }
static inline bool obj_is_young(const Object *o) { return (o->header & OBJ_F_NOT_YOUNG) == 0; }

/* Words of memory taken by the object, header included. */
static inline size_t obj_total_words(const Object *o)
{
    unsigned n = obj_size_field(o);
    size_t total = 1 + (n != OBJ_SIZE_BIG ? n : 1 + (size_t)o->words[0]);
    return total + ((o->header & OBJ_F_HASH_STORED) != 0);
}
/* Words to allocate for a payload of `n` words. */
static inline size_t obj_alloc_words(size_t n) { return 1 + n + (n >= OBJ_SIZE_BIG ? 1 : 0); }

/* BYTES: length in bytes. */
static inline size_t obj_byte_length(const Object *o) { return obj_words(o) * 8 - obj_pad(o); }
static inline uint8_t *obj_bytes(Object *o) { return (uint8_t *)obj_slots(o); }

static inline bool value_is_kind(Value v, ObjKind kind)
{
    return value_is_ptr(v) && obj_kind(obj_of(v)) == kind;
}

/* Are two different pointers handles to one object? Handles are equal, and the same (==), when what
 * they stand for is. */
static inline bool handles_same(Value a, Value b)
{
    return value_is_kind(a, OBJ_HANDLE) && value_is_kind(b, OBJ_HANDLE) &&
           obj_of(a)->words[0] == obj_of(b)->words[0];
}
/* `==` of the language. */
static inline bool value_same(Value a, Value b)
{
    return a == b || __builtin_expect((a | b) >> VALUE_TAG_SHIFT == 0 && handles_same(a, b), 0);
}

/* STRING: short strings, at most STR_INLINE_MAX bytes. Equal counts mean ASCII. */
#define STR_INLINE_MAX 256
static inline uint32_t str_inline_bytes(const Object *o) { return (uint32_t)o->words[0]; }
static inline uint32_t str_inline_chars(const Object *o) { return (uint32_t)(o->words[0] >> 32); }
static inline uint8_t *str_inline_data(Object *o) { return (uint8_t *)(o->words + 1); }

/* BIG_STRING payload: a slice of a counted buffer (strbuf.h). */
typedef struct StrHandle {
    uint64_t header;
    struct StrBuf *buf; /* counted: this handle owns one count */
    uint64_t offset;    /* first byte of the slice */
    uint64_t bytes;     /* length in bytes */
    uint64_t chars;     /* length in code points; == bytes means ASCII */
    uint64_t cursor;    /* cached code point index << 32 | byte offset: amortised stepping (L6) */
    Value link;         /* collector's list of off-heap handles of this heap */
} StrHandle;
#define STR_HANDLE_WORDS 6

/* CLOSURE: word 0 raw CompiledCode, words 1.. captured values. */
#define CLOSURE_CODE 0
#define CLOSURE_FIRST_CAPTURE 1
static inline void *closure_code(const Object *o) { return value_as_raw(o->words[CLOSURE_CODE]); }

/* Class of any value, immediate or not: what sends and inline caches compare. */
static inline uint32_t value_class_of(Value v)
{
    if (value_is_ptr(v)) {
        return obj_class(obj_of(v));
    }
    if (value_is_int(v)) {
        return CLASS_SMALL_INTEGER;
    }
    if (value_is_float(v)) {
        return CLASS_FLOAT;
    }
    switch (value_tag(v)) {
    case VALUE_TAG_SPECIAL:
        return v == VALUE_NIL ? CLASS_UNDEFINED_OBJECT : v == VALUE_TRUE ? CLASS_TRUE : CLASS_FALSE;
    case VALUE_TAG_CHAR: return CLASS_CHARACTER;
    case VALUE_TAG_SYMBOL: return CLASS_SYMBOL;
    case VALUE_TAG_PID: return CLASS_PROCESS;
    case VALUE_TAG_REFERENCE: return CLASS_REFERENCE;
    case VALUE_TAG_TIMER: return CLASS_TIMER;
    case VALUE_TAG_CLASS: /* the class of a class is its metaclass, of a metaclass Metaclass */
        return VALUE_CLASS_IS_META(value_as_class(v)) ? CLASS_METACLASS : value_as_class(v) | 1u;
    default: return CLASS_OBJECT;
    }
}

#endif
