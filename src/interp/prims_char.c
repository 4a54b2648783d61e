/* SPDX-License-Identifier: Apache-2.0 */
/* prims_char.c - primitives of Character.
 * Threads: the owner of the process. */
#include "chartype.h"
#include "numops.h"
#include "prims.h"
#include "utf8.h"

static uint32_t receiver(const PrimCall *c) { return value_as_char(c->args[0]); }

PrimStatus prim_char_new(PrimCall *c)
{
    if (!num_is_integer(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    if (!value_is_int(c->args[1]) || !char_is_valid(value_as_int(c->args[1])))
        return prim_error(c, "not the code point of a character");
    return prim_ok(c, value_char((uint32_t)value_as_int(c->args[1])));
}

PrimStatus prim_char_value(PrimCall *c) { return prim_ok(c, value_int(receiver(c))); }

PrimStatus prim_char_as_string(PrimCall *c)
{
    char bytes[4];
    return prim_answer_string(c, bytes, utf8_encode(receiver(c), bytes));
}

PrimStatus prim_char_print(PrimCall *c)
{
    char bytes[5] = "$";
    return prim_answer_string(c, bytes, 1 + utf8_encode(receiver(c), bytes + 1));
}

PrimStatus prim_char_equal(PrimCall *c) { return prim_ok(c, value_bool(c->args[0] == c->args[1])); }

/* ---- order: false for anything but a Character -------------------------------------------- */

static bool argument(const PrimCall *c, uint32_t *out)
{
    *out = value_as_char(c->args[1]);
    return value_is_char(c->args[1]);
}

PrimStatus prim_char_less(PrimCall *c)
{
    uint32_t other;
    return prim_ok(c, value_bool(argument(c, &other) && receiver(c) < other));
}

PrimStatus prim_char_greater(PrimCall *c)
{
    uint32_t other;
    return prim_ok(c, value_bool(argument(c, &other) && receiver(c) > other));
}

PrimStatus prim_char_less_eq(PrimCall *c)
{
    uint32_t other;
    return prim_ok(c, value_bool(argument(c, &other) && receiver(c) <= other));
}

PrimStatus prim_char_greater_eq(PrimCall *c)
{
    uint32_t other;
    return prim_ok(c, value_bool(argument(c, &other) && receiver(c) >= other));
}

/* ---- kinds --------------------------------------------------------------------------------- */

PrimStatus prim_char_is_letter(PrimCall *c)
{
    return prim_ok(c, value_bool(char_is_letter(receiver(c))));
}

PrimStatus prim_char_is_digit(PrimCall *c)
{
    return prim_ok(c, value_bool(char_is_digit(receiver(c))));
}

PrimStatus prim_char_is_upper(PrimCall *c)
{
    return prim_ok(c, value_bool(char_is_upper(receiver(c))));
}

PrimStatus prim_char_is_lower(PrimCall *c)
{
    return prim_ok(c, value_bool(char_is_lower(receiver(c))));
}

PrimStatus prim_char_is_space(PrimCall *c)
{
    return prim_ok(c, value_bool(char_is_space(receiver(c))));
}

PrimStatus prim_char_is_alphanumeric(PrimCall *c)
{
    return prim_ok(c, value_bool(char_is_letter(receiver(c)) || char_is_digit(receiver(c))));
}

PrimStatus prim_char_to_upper(PrimCall *c)
{
    return prim_ok(c, value_char(char_to_upper(receiver(c))));
}

PrimStatus prim_char_to_lower(PrimCall *c)
{
    return prim_ok(c, value_char(char_to_lower(receiver(c))));
}
