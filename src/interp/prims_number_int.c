/* SPDX-License-Identifier: Apache-2.0 */
/* prims_number_int.c - primitives that only integers have: bits, powers, digits.
 * Threads: the owner of the process. */
#include <string.h>

#include "numops.h"
#include "prims.h"

/* ---- bits ---------------------------------------------------------------------------------- */

/* Does what can be done on machine integers; otherwise false. */
static PrimStatus bit_job(PrimCall *c, BigOp op)
{
    BigLimb a, b;
    BigJob job = {.op = op};
    if (c->dirty_done)
        return num_finish(c);
    if (!num_integer_view(c->args[0], &a, &job.a) || !num_integer_view(c->args[1], &b, &job.b))
        return prim_type_error(c, 1, "SmallInteger");
    return num_run(c, &job);
}

PrimStatus num_bit_and(PrimCall *c)
{
    Value a = c->args[0], b = c->args[1];
    if (value_both_int(a, b))
        return prim_ok(c, value_int(value_as_int(a) & value_as_int(b)));
    return bit_job(c, BIG_AND);
}

PrimStatus num_bit_or(PrimCall *c)
{
    Value a = c->args[0], b = c->args[1];
    if (value_both_int(a, b))
        return prim_ok(c, value_int(value_as_int(a) | value_as_int(b)));
    return bit_job(c, BIG_OR);
}

PrimStatus num_bit_xor(PrimCall *c)
{
    Value a = c->args[0], b = c->args[1];
    if (value_both_int(a, b))
        return prim_ok(c, value_int(value_as_int(a) ^ value_as_int(b)));
    return bit_job(c, BIG_XOR);
}

PrimStatus num_bit_shift(PrimCall *c)
{
    BigLimb a;
    BigJob job = {.op = BIG_SHIFT};
    if (c->dirty_done)
        return num_finish(c);
    Value distance = c->args[1];
    if (!num_is_integer(distance))
        return prim_type_error(c, 1, "SmallInteger");
    if (!value_is_int(distance))
        job.count = num_big_view(distance).negative ? INT64_MIN + 1 : INT64_MAX;
    else
        job.count = value_as_int(distance);
    if (job.count > BIGINT_SHIFT_MAX)
        return prim_error(c, "shift amount too large");
    if (!num_integer_view(c->args[0], &a, &job.a))
        return prim_type_error(c, 0, "SmallInteger");
    if (value_is_int(c->args[0]) && job.count <= 0) {
        int64_t right = job.count < -63 ? 63 : -job.count;
        return prim_ok(c, value_int(value_as_int(c->args[0]) >> right));
    }
    return num_run(c, &job);
}

/* Bits of the magnitude. */
PrimStatus prim_integer_bit_length(PrimCall *c)
{
    BigLimb a;
    BigView v;
    if (!num_integer_view(c->args[0], &a, &v))
        return prim_type_error(c, 0, "SmallInteger");
    return prim_ok(c, value_int((int64_t)bigint_bits(v)));
}

/* ---- powers, roots, divisors --------------------------------------------------------------- */

/* raisedTo: n. Falls back unless n is an integer from 0 on. */
PrimStatus prim_integer_power(PrimCall *c)
{
    BigLimb a;
    BigJob job = {.op = BIG_POWER};
    if (c->dirty_done)
        return num_finish(c);
    if (!num_is_integer(c->args[1]))
        return PRIM_FALLBACK;
    if (!num_integer_view(c->args[0], &a, &job.a))
        return prim_type_error(c, 0, "SmallInteger");
    if (value_is_int(c->args[1])) {
        job.count = value_as_int(c->args[1]);
    } else { /* only 0, 1 and -1 have such powers: what counts is whether it is odd */
        BigView exponent = num_big_view(c->args[1]);
        job.count = exponent.negative ? -1 : INT64_MAX - 1 + (int64_t)(exponent.limbs[0] & 1);
    }
    return job.count < 0 ? PRIM_FALLBACK : num_run(c, &job);
}

static uint64_t small_gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

PrimStatus prim_integer_gcd(PrimCall *c)
{
    BigLimb a, b;
    BigJob job = {.op = BIG_GCD};
    if (c->dirty_done)
        return num_finish(c);
    if (!num_integer_view(c->args[0], &a, &job.a) || !num_integer_view(c->args[1], &b, &job.b))
        return prim_type_error(c, 1, "SmallInteger");
    if (value_both_int(c->args[0], c->args[1])) {
        uint64_t divisor = small_gcd(job.a.n ? a : 0, job.b.n ? b : 0);
        return prim_answer_int64(c, (int64_t)divisor);
    }
    return num_run(c, &job);
}

PrimStatus prim_integer_sqrt(PrimCall *c)
{
    BigLimb a;
    BigJob job = {.op = BIG_SQRT};
    if (c->dirty_done)
        return num_finish(c);
    if (!num_integer_view(c->args[0], &a, &job.a))
        return prim_type_error(c, 0, "SmallInteger");
    if (job.a.negative)
        return prim_error(c, "receiver must not be negative");
    return num_run(c, &job);
}

PrimStatus prim_integer_as_float(PrimCall *c)
{
    double d;
    if (!num_to_double(c->args[0], &d))
        return prim_type_error(c, 0, "SmallInteger");
    return prim_ok(c, value_float(d));
}

/* ---- digits -------------------------------------------------------------------------------- */

static PrimStatus print_in_base(PrimCall *c, int64_t base)
{
    BigLimb a;
    BigJob job = {.op = BIG_TEXT, .count = base};
    if (!num_integer_view(c->args[0], &a, &job.a))
        return prim_type_error(c, 0, "SmallInteger");
    return num_run(c, &job);
}

PrimStatus prim_integer_print(PrimCall *c)
{
    if (c->dirty_done)
        return num_finish(c);
    if (!value_is_int(c->args[0]))
        return print_in_base(c, 10);
    char text[24];
    char *p = text + sizeof text;
    int64_t i = value_as_int(c->args[0]);
    uint64_t rest = i < 0 ? (uint64_t)-i : (uint64_t)i;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (i < 0)
        *--p = '-';
    return prim_answer_string(c, p, (size_t)(text + sizeof text - p));
}

PrimStatus prim_integer_print_base(PrimCall *c)
{
    if (c->dirty_done)
        return num_finish(c);
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    int64_t base = value_as_int(c->args[1]);
    if (base < 2 || base > 36)
        return prim_error(c, "base must be between 2 and 36");
    return print_in_base(c, base);
}
