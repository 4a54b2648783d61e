/* SPDX-License-Identifier: Apache-2.0 */
/* prims_number_float.c - primitives of Float.
 * Threads: the owner of the process. */
#include <math.h>

#include "floattext.h"
#include "numops.h"
#include "prims.h"

static double receiver(const PrimCall *c) { return value_as_float(c->args[0]); }

static PrimStatus answer(PrimCall *c, double d) { return prim_ok(c, value_float(d)); }

PrimStatus prim_float_print(PrimCall *c)
{
    char text[FLOAT_TEXT_MAX];
    return prim_answer_string(c, text, float_print(receiver(c), text));
}

/* ---- to integers --------------------------------------------------------------------------- */

PrimStatus prim_float_truncated(PrimCall *c) { return num_answer_truncated(c, trunc(receiver(c))); }
PrimStatus prim_float_floor(PrimCall *c) { return num_answer_truncated(c, floor(receiver(c))); }
PrimStatus prim_float_ceiling(PrimCall *c) { return num_answer_truncated(c, ceil(receiver(c))); }
/* Halves away from zero. */
PrimStatus prim_float_rounded(PrimCall *c) { return num_answer_truncated(c, round(receiver(c))); }
PrimStatus prim_float_fraction(PrimCall *c)
{
    double d = receiver(c);
    return answer(c, isinf(d) ? 0.0 : d - trunc(d));
}

/* ---- functions ----------------------------------------------------------------------------- */

PrimStatus prim_float_sqrt(PrimCall *c) { return answer(c, sqrt(receiver(c))); }
PrimStatus prim_float_ln(PrimCall *c) { return answer(c, log(receiver(c))); }
PrimStatus prim_float_log10(PrimCall *c) { return answer(c, log10(receiver(c))); }
PrimStatus prim_float_log2(PrimCall *c) { return answer(c, log2(receiver(c))); }
PrimStatus prim_float_exp(PrimCall *c) { return answer(c, exp(receiver(c))); }
PrimStatus prim_float_sin(PrimCall *c) { return answer(c, sin(receiver(c))); }
PrimStatus prim_float_cos(PrimCall *c) { return answer(c, cos(receiver(c))); }
PrimStatus prim_float_tan(PrimCall *c) { return answer(c, tan(receiver(c))); }
PrimStatus prim_float_asin(PrimCall *c) { return answer(c, asin(receiver(c))); }
PrimStatus prim_float_acos(PrimCall *c) { return answer(c, acos(receiver(c))); }
PrimStatus prim_float_atan(PrimCall *c) { return answer(c, atan(receiver(c))); }

/* The argument as a double; false: *st is the error. */
static bool double_arg(PrimCall *c, double *out, PrimStatus *st)
{
    if (num_to_double(c->args[1], out))
        return true;
    *st = prim_error(c, "argument must be a number");
    return false;
}

PrimStatus prim_float_log(PrimCall *c)
{
    double base;
    PrimStatus st;
    return double_arg(c, &base, &st) ? answer(c, log(receiver(c)) / log(base)) : st;
}

PrimStatus prim_float_pow(PrimCall *c)
{
    double exponent;
    PrimStatus st;
    return double_arg(c, &exponent, &st) ? answer(c, pow(receiver(c), exponent)) : st;
}

PrimStatus prim_float_atan2(PrimCall *c)
{
    double x;
    PrimStatus st;
    return double_arg(c, &x, &st) ? answer(c, atan2(receiver(c), x)) : st;
}

/* timesTwoPower: n */
PrimStatus prim_float_scale(PrimCall *c)
{
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    int64_t n = value_as_int(c->args[1]);
    int exponent = n > 5000 ? 5000 : n < -5000 ? -5000 : (int)n;
    return answer(c, ldexp(receiver(c), exponent));
}
