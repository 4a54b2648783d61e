/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - the 64-bit tagged word every Maggie variable holds.
 *
 * Encoding (NaN boxing; pointers need no mask, integers no shift):
 *
 *   0000 pppp pppp pppp   pointer to an object header (address below 2^47); the all-zero word
 *                         is "no value" and is never visible to Maggie code
 *   0002 .. FFF2          double: IEEE bits + 2^49, NaN always canonical (M5)
 *   FFF4 0000 0000 000k   nil (0), false (1), true (2)
 *   FFF5 0000 00cc cccc   Character: code point
 *   FFF6 0000 ssss ssss   Symbol: id in the VM's symbol table
 *   FFF7 gggg giii iiii   local process id: 22-bit generation, 26-bit index
 *   FFF8 0000 cccc cccc   Class: class index (even: class, odd: its metaclass)
 *   FFF9 ...              reserved: node id
 *   FFFA ...              reserved: remote reference, promise and other small handles
 *   FFFC nnnn nnnn nnnn   Reference: a number that its node gives out once
 *   FFFD gggg giii iiii   Timer: 22-bit generation, 26-bit index
 *   FFFB pppp pppp pppp   raw off-heap pointer (code of a closure); never a Maggie value
 *   FFFF 0000 0000 0000 .. FFFF FFFF FFFF FFFF
 *                         SmallInteger: value + VALUE_INT_BIAS, 48-bit signed
 *
 * Threads: pure functions. Values that are immediates may be passed between threads freely;
 * pointers obey the ownership rules of heap.h.
 */
#ifndef MAGGIE_VALUE_H
#define MAGGIE_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t Value;

#define VALUE_NONE ((Value)0)

#define VALUE_TAG_SHIFT 48
#define VALUE_TAG_SPECIAL UINT64_C(0xFFF4)
#define VALUE_TAG_CHAR UINT64_C(0xFFF5)
#define VALUE_TAG_SYMBOL UINT64_C(0xFFF6)
#define VALUE_TAG_PID UINT64_C(0xFFF7)
#define VALUE_TAG_CLASS UINT64_C(0xFFF8)
#define VALUE_TAG_NODE UINT64_C(0xFFF9)   /* reserved for node ids */
#define VALUE_TAG_HANDLE UINT64_C(0xFFFA) /* reserved for remote references and promises */
#define VALUE_TAG_RAW UINT64_C(0xFFFB)
#define VALUE_TAG_REFERENCE UINT64_C(0xFFFC)
#define VALUE_TAG_TIMER UINT64_C(0xFFFD)

#define VALUE_PAYLOAD_MASK UINT64_C(0x0000FFFFFFFFFFFF)
#define VALUE_MAKE(tag, payload) (((tag) << VALUE_TAG_SHIFT) | (uint64_t)(payload))

#define VALUE_NIL VALUE_MAKE(VALUE_TAG_SPECIAL, 0)
#define VALUE_FALSE VALUE_MAKE(VALUE_TAG_SPECIAL, 1)
#define VALUE_TRUE VALUE_MAKE(VALUE_TAG_SPECIAL, 2)

/* Smallest word that is a SmallInteger; also the tag test's threshold. */
#define VALUE_INT_TAG UINT64_C(0xFFFF000000000000)
/* The word of SmallInteger 0. */
#define VALUE_INT_BIAS UINT64_C(0xFFFF800000000000)
#define VALUE_INT_MAX ((INT64_C(1) << 47) - 1)
#define VALUE_INT_MIN (-(INT64_C(1) << 47))

#define VALUE_FLOAT_OFFSET (UINT64_C(1) << 49)
#define VALUE_FLOAT_FIRST UINT64_C(0x0002000000000000)
#define VALUE_FLOAT_END UINT64_C(0xFFF3000000000000)
#define VALUE_NAN_BITS UINT64_C(0x7FF8000000000000)

static inline unsigned value_tag(Value v) { return (unsigned)(v >> VALUE_TAG_SHIFT); }

static inline bool value_is_int(Value v) { return v >= VALUE_INT_TAG; }
static inline bool value_both_int(Value a, Value b) { return (a & b) >= VALUE_INT_TAG; }
static inline bool value_int_fits(int64_t i) { return i >= VALUE_INT_MIN && i <= VALUE_INT_MAX; }
/* `i` must satisfy value_int_fits. */
static inline Value value_int(int64_t i) { return VALUE_INT_BIAS + (uint64_t)i; }
static inline int64_t value_as_int(Value v) { return (int64_t)(v - VALUE_INT_BIAS); }

static inline bool value_is_ptr(Value v) { return v >> VALUE_TAG_SHIFT == 0 && v != 0; }
static inline Value value_ptr(const void *p) { return (Value)(uintptr_t)p; }

static inline bool value_is_float(Value v)
{
    return v - VALUE_FLOAT_FIRST < VALUE_FLOAT_END - VALUE_FLOAT_FIRST;
}
static inline double value_as_float(Value v)
{
    uint64_t bits = v - VALUE_FLOAT_OFFSET;
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}
/* M5: every NaN becomes the one canonical NaN, otherwise foreign NaN bits would forge a pointer.
 * Out of line so that the test is a predicted branch: a conditional move would sit in the
 * dependency chain of every float operation. */
static __attribute__((noinline, cold, unused)) Value value_nan(void)
{
    return VALUE_NAN_BITS + VALUE_FLOAT_OFFSET;
}
static inline Value value_float(double d)
{
    uint64_t bits;
    if (__builtin_expect(d != d, 0)) {
        return value_nan();
    }
    memcpy(&bits, &d, sizeof bits);
    return bits + VALUE_FLOAT_OFFSET;
}

static inline bool value_is_nil(Value v) { return v == VALUE_NIL; }
static inline Value value_bool(bool b) { return b ? VALUE_TRUE : VALUE_FALSE; }
static inline bool value_is_bool(Value v) { return v == VALUE_TRUE || v == VALUE_FALSE; }

static inline bool value_is_char(Value v) { return value_tag(v) == VALUE_TAG_CHAR; }
static inline Value value_char(uint32_t cp) { return VALUE_MAKE(VALUE_TAG_CHAR, cp); }
static inline uint32_t value_as_char(Value v) { return (uint32_t)v; }

static inline bool value_is_symbol(Value v) { return value_tag(v) == VALUE_TAG_SYMBOL; }
static inline Value value_symbol(uint32_t id) { return VALUE_MAKE(VALUE_TAG_SYMBOL, id); }
static inline uint32_t value_as_symbol(Value v) { return (uint32_t)v; }

#define VALUE_PID_INDEX_BITS 26
#define VALUE_PID_GENERATION_BITS 22
static inline bool value_is_pid(Value v) { return value_tag(v) == VALUE_TAG_PID; }
static inline Value value_pid(uint32_t index, uint32_t generation)
{
    return VALUE_MAKE(VALUE_TAG_PID, (uint64_t)generation << VALUE_PID_INDEX_BITS | index);
}
static inline uint32_t value_pid_index(Value v)
{
    return (uint32_t)(v & ((1u << VALUE_PID_INDEX_BITS) - 1));
}
static inline uint32_t value_pid_generation(Value v)
{
    return (uint32_t)((v & VALUE_PAYLOAD_MASK) >> VALUE_PID_INDEX_BITS);
}

static inline bool value_is_class(Value v) { return value_tag(v) == VALUE_TAG_CLASS; }
static inline Value value_class(uint32_t index) { return VALUE_MAKE(VALUE_TAG_CLASS, index); }
static inline uint32_t value_as_class(Value v) { return (uint32_t)v; }

static inline bool value_is_reference(Value v) { return value_tag(v) == VALUE_TAG_REFERENCE; }
static inline bool value_is_timer(Value v) { return value_tag(v) == VALUE_TAG_TIMER; }
static inline Value value_reference(uint64_t number)
{
    return VALUE_MAKE(VALUE_TAG_REFERENCE, number & VALUE_PAYLOAD_MASK);
}

/* Raw off-heap pointers inside closures; the collector and the copier leave them alone. */
static inline bool value_is_raw(Value v) { return value_tag(v) == VALUE_TAG_RAW; }
static inline Value value_raw(const void *p)
{
    return VALUE_MAKE(VALUE_TAG_RAW, (uint64_t)(uintptr_t)p);
}
static inline void *value_as_raw(Value v) { return (void *)(uintptr_t)(v & VALUE_PAYLOAD_MASK); }

/* Class indices fixed by the VM (language.md 10.1); even numbers, the metaclass is index + 1.
 * The order is part of the image format. X(enumerator, "Name", superclass enumerator). */
#define VALUE_CORE_CLASSES(X)                                                                      \
    X(OBJECT, "Object", NONE)                                                                      \
    X(CLASS, "Class", OBJECT)                                                                      \
    X(METACLASS, "Metaclass", CLASS)                                                               \
    X(UNDEFINED_OBJECT, "UndefinedObject", OBJECT)                                                 \
    X(BOOLEAN, "Boolean", OBJECT)                                                                  \
    X(TRUE, "True", BOOLEAN)                                                                       \
    X(FALSE, "False", BOOLEAN)                                                                     \
    X(MAGNITUDE, "Magnitude", OBJECT)                                                              \
    X(NUMBER, "Number", MAGNITUDE)                                                                 \
    X(SMALL_INTEGER, "SmallInteger", NUMBER)                                                       \
    X(BIG_INTEGER, "BigInteger", NUMBER)                                                           \
    X(FLOAT, "Float", NUMBER)                                                                      \
    X(CHARACTER, "Character", OBJECT)                                                              \
    X(COLLECTION, "Collection", OBJECT)                                                            \
    X(STRING, "String", COLLECTION)                                                                \
    X(SYMBOL, "Symbol", STRING)                                                                    \
    X(ARRAY, "Array", COLLECTION)                                                                  \
    X(BYTE_ARRAY, "ByteArray", COLLECTION)                                                         \
    X(WORD_ARRAY, "WordArray", COLLECTION)                                                         \
    X(ARRAY_LIST, "ArrayList", COLLECTION)                                                         \
    X(DICTIONARY, "Dictionary", COLLECTION)                                                        \
    X(SET, "Set", COLLECTION)                                                                      \
    X(ASSOCIATION, "Association", OBJECT)                                                          \
    X(BLOCK, "Block", OBJECT)                                                                      \
    X(COMPILED_METHOD, "CompiledMethod", OBJECT)                                                   \
    X(CONTEXT, "Context", OBJECT)                                                                  \
    X(MESSAGE, "Message", OBJECT)                                                                  \
    X(CELL, "Cell", OBJECT)                                                                        \
    X(WEAK_REFERENCE, "WeakReference", OBJECT)                                                     \
    X(PROCESS, "Process", OBJECT)                                                                  \
    X(MAILBOX_MESSAGE, "MailboxMessage", OBJECT)                                                   \
    X(EXCEPTION, "Exception", OBJECT)                                                              \
    X(ERROR, "Error", EXCEPTION)                                                                   \
    X(RESULT, "Result", OBJECT)                                                                    \
    X(SUCCESS, "Success", RESULT)                                                                  \
    X(FAILURE, "Failure", RESULT)                                                                  \
    X(REFERENCE, "Reference", OBJECT)                                                              \
    X(TIMER, "Timer", OBJECT)                                                                      \
    X(END_MESSAGE, "EndMessage", MAILBOX_MESSAGE)                                                  \
    X(EXIT_MESSAGE, "ExitMessage", END_MESSAGE)                                                    \
    X(DOWN_MESSAGE, "DownMessage", END_MESSAGE)                                                    \
    X(MAILBOX_REQUEST, "MailboxRequest", MAILBOX_MESSAGE)

enum {
#define VALUE_CLASS_ENUM(id, name, super) CLASS_##id, CLASS_META_##id,
    VALUE_CORE_CLASSES(VALUE_CLASS_ENUM)
#undef VALUE_CLASS_ENUM
        CLASS_FIRST_FREE,   /* even */
    CLASS_NONE = 0x7FFFFFFE /* the superclass of Object */
};

#define VALUE_CLASS_IS_META(index) (((index)&1u) != 0)

#endif
