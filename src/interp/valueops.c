/* SPDX-License-Identifier: Apache-2.0 */
/* valueops.c - `=` and `hash` of the built-in kinds of values.
 * Threads: any, on Values of the caller. */
#include "valueops.h"

#include <string.h>

#include "bigint.h"
#include "hash.h"
#include "numops.h"
#include "strbuf.h"

static bool is_plain_string(Value v)
{
    return value_is_string(v) && obj_class(obj_of(v)) == CLASS_STRING;
}

bool value_strings_equal(Value a, Value b)
{
    StrView x = str_view(a), y = str_view(b);
    return x.bytes == y.bytes && (x.data == y.data || memcmp(x.data, y.data, x.bytes) == 0);
}

bool value_bigints_equal(Value a, Value b)
{
    const Object *x = obj_of(a), *y = obj_of(b);
    size_t n = obj_words(x);
    return n == obj_words(y) && obj_pad(x) == obj_pad(y) &&
           memcmp(obj_slots(obj_of(a)), obj_slots(obj_of(b)), n * sizeof(BigLimb)) == 0;
}

int value_equal_builtin(const struct Vm *vm, Value a, Value b)
{
    (void)vm;
    if (!value_is_ptr(a)) {
        if (value_is_float(a) && value_is_float(b))
            return value_as_float(a) == value_as_float(b);
        return a == b;
    }
    if (is_plain_string(a)) {
        if (a == b)
            return 1;
        if (!value_is_string(b))
            return 0;
        if (str_view(a).bytes > VALUE_WORK_BYTES && str_view(a).bytes == str_view(b).bytes)
            return -1;
        return value_strings_equal(a, b);
    }
    if (value_is_kind(a, OBJ_BIG_INT))
        return value_is_kind(b, OBJ_BIG_INT) && value_bigints_equal(a, b);
    return -1;
}

static uint64_t hash_float(double d)
{
    if (d == 0)
        return 0; /* 0.0 = -0.0 */
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return hash_mix64(bits) & (uint64_t)VALUE_INT_MAX;
}

static uint64_t hash_immediate(Value v)
{
    if (value_is_int(v))
        return (uint64_t)value_as_int(v) & (uint64_t)VALUE_INT_MAX;
    if (value_is_float(v))
        return hash_float(value_as_float(v));
    return v & (uint64_t)VALUE_INT_MAX; /* code point, symbol id, process id, class index, 0..2 */
}

bool value_hash_answer(Value v, uint64_t *hash)
{
    if (!value_is_ptr(v)) {
        *hash = hash_immediate(v);
        return true;
    }
    if (is_plain_string(v)) {
        StrView s = str_view(v);
        if (s.bytes > VALUE_WORK_BYTES)
            return false;
        *hash = hash_fnv32(s.data, s.bytes);
        return true;
    }
    if (value_is_kind(v, OBJ_BIG_INT)) {
        *hash = bigint_hash(num_big_view(v));
        return true;
    }
    return false;
}

bool value_hash_builtin(const struct Vm *vm, Value v, uint32_t *hash)
{
    (void)vm;
    uint64_t wide;
    if (!value_hash_answer(v, &wide))
        return false;
    *hash = value_fold_hash(wide);
    return true;
}
