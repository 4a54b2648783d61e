/* SPDX-License-Identifier: Apache-2.0 */
/* floattext.c - doubles to text and back.
 * Printing: two quick exact cases, else the free-format algorithm of Burger and Dybvig on numbers
 * of at most DIGIT_LIMBS limbs. Reading: Clinger's quick case, else one exact division.
 * Own code, because printf and strtod obey the locale of the program we are a library of.
 * Threads: pure functions. */
#include "floattext.h"

#include <gmp.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "bigint.h"

/* The powers of ten that are doubles. */
static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define MANTISSA_BITS 53
#define EXPONENT_MIN (-1074) /* of the last bit of a subnormal */

/* Decimal digits d1 d2 ... with the point after the first: d1.d2... * 10^exponent. */
typedef struct Digits {
    char digit[20];
    int count;
    int exponent;
} Digits;

/* ---- digits -------------------------------------------------------------------------------- */

/* Digits of the integer, without trailing zeros; times 10^shift. */
static void digits_of_integer(uint64_t n, int shift, Digits *out)
{
    char reversed[20];
    int count = 0;
    while (n > 0) {
        reversed[count++] = (char)('0' + n % 10);
        n /= 10;
    }
    out->exponent = count - 1 + shift;
    int zeros = 0;
    while (zeros + 1 < count && reversed[zeros] == '0')
        zeros++;
    out->count = 0;
    while (count > zeros)
        out->digit[out->count++] = reversed[--count];
}

/* A decimal of at most 15 digits and 22 decimal places that reads back as d is the shortest: no two
 * of them share a double, and fewer places were tried before. */
static bool digits_of_short_decimal(double d, Digits *out)
{
    if (d >= 1e15 || d < 1e-5)
        return false;
    for (int places = 0; places <= 20; places++) {
        double scaled = rint(d * exact_powers[places]);
        if (scaled >= 1e15)
            return false;
        if (scaled / exact_powers[places] == d) {
            digits_of_integer((uint64_t)scaled, -places, out);
            return true;
        }
    }
    return false;
}

/* The largest number below is under 2^1090 or 10^345 * 2^55 at the small end. */
#define DIGIT_LIMBS 22

typedef struct Exact {
    BigLimb limb[DIGIT_LIMBS];
} Exact;

static void exact_shifted(Exact *x, uint64_t small, int bits)
{
    memset(x, 0, sizeof *x);
    int word = bits / 64, shift = bits % 64;
    x->limb[word] = small << shift;
    if (shift)
        x->limb[word + 1] = small >> (64 - shift);
}

static void exact_times_ten_to(Exact *x, int power, mp_size_t n)
{
    for (; power >= 19; power -= 19)
        mpn_mul_1(x->limb, x->limb, n, UINT64_C(10000000000000000000));
    uint64_t rest = 1;
    while (power-- > 0)
        rest *= 10;
    mpn_mul_1(x->limb, x->limb, n, rest);
}

/* Is a + b > c (or >= when `equal`)? */
static bool sum_reaches(const Exact *a, const Exact *b, const Exact *c, bool equal, mp_size_t n)
{
    Exact sum;
    mpn_add_n(sum.limb, a->limb, b->limb, n); /* the sizes leave room for the carry */
    int order = mpn_cmp(sum.limb, c->limb, n);
    return order > 0 || (equal && order == 0);
}

/* The state of the algorithm: value = r / s; up / s and down / s are the distances to the ends of
 * the interval that reads back as the value. All have n limbs. */
typedef struct Scaled {
    Exact r, s, up, down;
    mp_size_t n;
    bool even; /* the ends belong to the interval */
} Scaled;

/* Sets up mantissa * 2^exponent; answers the decimal exponent plus 1. */
static int scale(Scaled *v, uint64_t mantissa, int exponent)
{
    bool narrow = mantissa == UINT64_C(1) << (MANTISSA_BITS - 1) && exponent > EXPONENT_MIN;
    int up = exponent > 0 ? exponent : 0, down = exponent < 0 ? -exponent : 0;
    exact_shifted(&v->r, mantissa, up + 1 + narrow);
    exact_shifted(&v->s, 1, down + 1 + narrow);
    exact_shifted(&v->up, 1, up + narrow);
    exact_shifted(&v->down, 1, up);
    v->even = (mantissa & 1) == 0;
    int bits = 64 - __builtin_clzl(mantissa) + exponent;
    int k = (int)ceil((bits - 1) * 0.30102999566398120 - 1e-10);
    int digits = k < 0 ? -k : k;
    v->n = (up + down + (digits * 10) / 3 + 64 + 16) / 64 + 1;
    if (v->n > DIGIT_LIMBS)
        v->n = DIGIT_LIMBS;
    if (k >= 0) {
        exact_times_ten_to(&v->s, k, v->n);
    } else {
        exact_times_ten_to(&v->r, -k, v->n);
        exact_times_ten_to(&v->up, -k, v->n);
        exact_times_ten_to(&v->down, -k, v->n);
    }
    if (sum_reaches(&v->r, &v->up, &v->s, v->even, v->n))
        return k + 1;
    mpn_mul_1(v->r.limb, v->r.limb, v->n, 10);
    mpn_mul_1(v->up.limb, v->up.limb, v->n, 10);
    mpn_mul_1(v->down.limb, v->down.limb, v->n, 10);
    return k;
}

/* One digit: r := r mod s. */
static char next_digit(Scaled *v)
{
    char digit = '0';
    while (mpn_cmp(v->r.limb, v->s.limb, v->n) >= 0) {
        mpn_sub_n(v->r.limb, v->r.limb, v->s.limb, v->n);
        digit++;
    }
    return digit;
}

static void digits_exactly(double d, Digits *out)
{
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(d, &exponent), MANTISSA_BITS);
    exponent -= MANTISSA_BITS;
    if (exponent < EXPONENT_MIN) {
        mantissa >>= EXPONENT_MIN - exponent;
        exponent = EXPONENT_MIN;
    }
    Scaled v;
    out->exponent = scale(&v, mantissa, exponent) - 1;
    out->count = 0;
    for (;;) {
        char digit = next_digit(&v);
        int low_order = mpn_cmp(v.r.limb, v.down.limb, v.n);
        bool low = low_order < 0 || (v.even && low_order == 0);
        bool high = sum_reaches(&v.r, &v.up, &v.s, v.even, v.n);
        if (low || high) {
            bool tie_up = digit & 1; /* the nearer digit; of two equally near ones the even */
            if (high && (!low || sum_reaches(&v.r, &v.r, &v.s, tie_up, v.n)))
                digit++;
            out->digit[out->count++] = digit;
            return;
        }
        out->digit[out->count++] = digit;
        mpn_mul_1(v.r.limb, v.r.limb, v.n, 10);
        mpn_mul_1(v.up.limb, v.up.limb, v.n, 10);
        mpn_mul_1(v.down.limb, v.down.limb, v.n, 10);
    }
}

/* ---- printing ------------------------------------------------------------------------------ */

static char *put(char *to, const char *from, int n)
{
    memcpy(to, from, (size_t)n);
    return to + n;
}

static char *put_exponent_form(char *to, const Digits *x)
{
    *to++ = x->digit[0];
    if (x->count > 1) {
        *to++ = '.';
        to = put(to, x->digit + 1, x->count - 1);
    }
    int e = x->exponent < 0 ? -x->exponent : x->exponent;
    *to++ = 'e';
    *to++ = x->exponent < 0 ? '-' : '+';
    if (e >= 100)
        *to++ = (char)('0' + e / 100);
    *to++ = (char)('0' + e / 10 % 10);
    *to++ = (char)('0' + e % 10);
    return to;
}

static char *put_plain(char *to, const Digits *x)
{
    int whole = x->exponent + 1; /* digits before the point */
    if (whole <= 0) {
        to = put(to, "0.", 2);
        to = put(to, "0000", -whole);
        return put(to, x->digit, x->count);
    }
    if (x->count <= whole) {
        to = put(to, x->digit, x->count);
        return put(to, "000000", whole - x->count);
    }
    to = put(to, x->digit, whole);
    *to++ = '.';
    return put(to, x->digit + whole, x->count - whole);
}

size_t float_print(double d, char out[FLOAT_TEXT_MAX])
{
    char *to = out;
    if (isnan(d))
        return (size_t)(put(to, "NaN", 3) - out);
    if (isinf(d))
        return (size_t)(put(to, d > 0 ? "+Inf" : "-Inf", 4) - out);
    if (signbit(d)) {
        *to++ = '-';
        d = -d;
    }
    Digits digits = {.count = 0};
    if (d == 0) {
        *to++ = '0';
        return (size_t)(to - out);
    }
    if (!digits_of_short_decimal(d, &digits))
        digits_exactly(d, &digits);
    bool with_exponent = digits.exponent < -4 || digits.exponent >= 6;
    to = with_exponent ? put_exponent_form(to, &digits) : put_plain(to, &digits);
    return (size_t)(to - out);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* More significant digits than that only say whether the rest is zero: a double's halfway points
 * have at most 767. */
#define PARSE_DIGITS_MAX 800

/* What the text says: digits (as values 0..9, none of the first zero) * 10^exponent. */
typedef struct Decimal {
    uint8_t digit[PARSE_DIGITS_MAX + 1];
    size_t count;
    int64_t exponent;
} Decimal;

/* Too big or too small for any double, and safe to compute with. */
#define EXPONENT_CLAMP INT64_C(100000)

static void add_digit(Decimal *x, char c, bool fraction)
{
    if (x->count < PARSE_DIGITS_MAX) {
        if (x->count > 0 || c != '0')
            x->digit[x->count++] = (uint8_t)(c - '0');
        x->exponent -= fraction;
        return;
    }
    if (x->count == PARSE_DIGITS_MAX && c != '0') {
        x->digit[x->count++] = 1; /* something follows: enough to break a tie */
        x->exponent--;
    }
    x->exponent += !fraction;
}

static bool parse_exponent(const char *p, const char *end, int64_t *out)
{
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    int64_t e = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        if (e < EXPONENT_CLAMP)
            e = e * 10 + (*p - '0');
    }
    *out = negative ? -e : e;
    return true;
}

static bool parse_decimal(const char *p, const char *end, Decimal *x)
{
    x->count = 0;
    x->exponent = 0;
    bool any = false, fraction = false;
    for (; p < end; p++) {
        if (*p == '.' && !fraction) {
            fraction = true;
        } else if (*p >= '0' && *p <= '9') {
            add_digit(x, *p, fraction);
            any = true;
        } else {
            break;
        }
    }
    if (!any)
        return false;
    if (p == end)
        return true;
    int64_t e;
    if ((*p | 0x20) != 'e' || !parse_exponent(p + 1, end, &e))
        return false;
    x->exponent += e;
    return true;
}

/* 10^308 * 10 has 1024 bits, 10^(343 + 800) has 3797; 800 digits have 2658. */
#define PARSE_LIMBS 64

static size_t power_of_ten(BigLimb *to, int64_t power)
{
    to[0] = 1;
    size_t n = 1;
    for (; power > 0; power -= power < 19 ? power : 19) {
        uint64_t factor = 1;
        for (int64_t i = power < 19 ? power : 19; i > 0; i--)
            factor *= 10;
        to[n] = mpn_mul_1(to, to, (mp_size_t)n, factor);
        n += to[n] != 0;
    }
    return n;
}

/* digits * 10^exponent with exponent < 0: shifts the digits so that the quotient has more than 64
 * bits, and rounds that once. */
static double divide_decimal(const BigLimb *digits, size_t n, int64_t exponent)
{
    BigLimb divisor[PARSE_LIMBS], shifted[2 * PARSE_LIMBS], quotient[2 * PARSE_LIMBS];
    BigLimb remainder[PARSE_LIMBS];
    size_t m = power_of_ten(divisor, -exponent);
    size_t words = (n < m ? m - n : 0) + 2;
    mpn_zero(shifted, (mp_size_t)words);
    mpn_copyi(shifted + words, digits, (mp_size_t)n);
    mpn_tdiv_qr(quotient, remainder, 0, shifted, (mp_size_t)(n + words), divisor, (mp_size_t)m);
    return bigint_scaled_double(quotient, n + words - m + 1, bigint_trim(remainder, m) > 0,
                                -(int64_t)words * 64);
}

static double exact_value(const Decimal *x)
{
    BigLimb digits[PARSE_LIMBS], product[2 * PARSE_LIMBS];
    size_t n = (size_t)mpn_set_str(digits, x->digit, x->count, 10);
    if (x->exponent < 0)
        return divide_decimal(digits, n, x->exponent);
    BigLimb power[PARSE_LIMBS];
    size_t m = power_of_ten(power, x->exponent);
    if (n >= m)
        mpn_mul(product, digits, (mp_size_t)n, power, (mp_size_t)m);
    else
        mpn_mul(product, power, (mp_size_t)m, digits, (mp_size_t)n);
    return bigint_scaled_double(product, n + m, false, 0);
}

static double decimal_value(const Decimal *x)
{
    if (x->count == 0)
        return 0.0;
    if (x->count <= 15 && x->exponent >= -22 && x->exponent <= 22) {
        uint64_t n = 0;
        for (size_t i = 0; i < x->count; i++)
            n = n * 10 + x->digit[i];
        return x->exponent < 0 ? (double)n / exact_powers[-x->exponent]
                               : (double)n * exact_powers[x->exponent];
    }
    int64_t top = x->exponent + (int64_t)x->count; /* the value is in [10^(top-1), 10^top) */
    if (top > 310)
        return INFINITY;
    if (top < -342)
        return 0.0;
    return exact_value(x);
}

static bool is_name(const char *p, size_t n, const char *lowercase)
{
    if (n != strlen(lowercase))
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((p[i] | 0x20) != lowercase[i])
            return false;
    }
    return true;
}

static bool parse_named(const char *p, size_t n, double *out)
{
    if (is_name(p, n, "inf") || is_name(p, n, "infinity"))
        *out = INFINITY;
    else if (is_name(p, n, "nan"))
        *out = NAN;
    else
        return false;
    return true;
}

bool float_parse(const char *text, size_t len, double *out)
{
    const char *p = text, *end = text + len;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    double value;
    if (!parse_named(p, (size_t)(end - p), &value)) {
        Decimal decimal;
        if (!parse_decimal(p, end, &decimal))
            return false;
        value = decimal_value(&decimal);
        if (isinf(value))
            return false;
    }
    *out = negative ? -value : value;
    return true;
}
