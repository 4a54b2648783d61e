/* SPDX-License-Identifier: Apache-2.0 */
/* bigint.c - integers of any size: planning and running of operations on limbs.
 * Threads: pure functions on the caller's memory.
 * Invariant: bigint_run writes no limb beyond what bigint_plan asked for. */
#include "bigint.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "hash.h"
#include "value.h"

#define LIMB_BITS 64
/* Limbs that bigint_hash looks at, from each end. */
#define HASH_LIMBS 32

/* ---- views ------------------------------------------------------------------------------- */

BigView bigint_of_int64(int64_t i, BigLimb *store)
{
    *store = i < 0 ? 0 - (BigLimb)i : (BigLimb)i;
    return (BigView){store, i != 0, i < 0};
}

bool bigint_to_small(BigView a, int64_t *out)
{
    if (a.n > 1)
        return false;
    BigLimb magnitude = a.n ? a.limbs[0] : 0;
    if (magnitude > (BigLimb)VALUE_INT_MAX + a.negative)
        return false;
    *out = a.negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

size_t bigint_trim(const BigLimb *limbs, size_t n)
{
    while (n > 0 && limbs[n - 1] == 0)
        n--;
    return n;
}

static unsigned limb_bits(BigLimb limb) { return LIMB_BITS - (unsigned)__builtin_clzl(limb); }

uint64_t bigint_bits(BigView a)
{
    return a.n == 0 ? 0 : (a.n - 1) * LIMB_BITS + limb_bits(a.limbs[a.n - 1]);
}

static int compare_magnitude(BigView a, BigView b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    int order = a.n ? mpn_cmp(a.limbs, b.limbs, (mp_size_t)a.n) : 0;
    return order < 0 ? -1 : order > 0;
}

int bigint_compare(BigView a, BigView b)
{
    if (a.negative != b.negative)
        return a.negative ? -1 : 1;
    int order = compare_magnitude(a, b);
    return a.negative ? -order : order;
}

uint64_t bigint_hash(BigView a)
{
    uint64_t hash = a.n * 2 + a.negative;
    size_t low = a.n < HASH_LIMBS ? a.n : HASH_LIMBS;
    for (size_t i = 0; i < low; i++)
        hash = hash_fold64(hash, a.limbs[i]);
    for (size_t i = a.n > 2 * HASH_LIMBS ? a.n - HASH_LIMBS : low; i < a.n; i++)
        hash = hash_fold64(hash, a.limbs[i]);
    return hash & (uint64_t)VALUE_INT_MAX;
}

/* ---- doubles ----------------------------------------------------------------------------- */

/* Bits [from, from + 64) of the number; bits above its end are 0. */
static uint64_t bits_at(const BigLimb *limbs, size_t n, uint64_t from)
{
    size_t word = (size_t)(from / LIMB_BITS);
    unsigned shift = (unsigned)(from % LIMB_BITS);
    uint64_t low = word < n ? limbs[word] >> shift : 0;
    uint64_t high = shift && word + 1 < n ? limbs[word + 1] << (LIMB_BITS - shift) : 0;
    return low | high;
}

static bool any_bit_below(const BigLimb *limbs, uint64_t end)
{
    size_t words = (size_t)(end / LIMB_BITS);
    for (size_t i = 0; i < words; i++) {
        if (limbs[i])
            return true;
    }
    unsigned rest = (unsigned)(end % LIMB_BITS);
    return rest && (limbs[words] << (LIMB_BITS - rest)) != 0;
}

double bigint_scaled_double(const BigLimb *limbs, size_t n, bool sticky, int64_t exponent)
{
    n = bigint_trim(limbs, n);
    if (n == 0)
        return 0.0;
    int64_t bits = (int64_t)bigint_bits((BigView){limbs, n, false});
    int64_t top = bits + exponent; /* the number lies in [2^(top-1), 2^top) */
    if (top > 1024)
        return INFINITY;
    int64_t precision = top < -1021 ? top + 1074 : 53; /* subnormals have fewer bits */
    if (precision < 0)
        return 0.0;
    if (bits <= precision) {
        assert(!sticky);
        return ldexp((double)limbs[0], (int)exponent);
    }
    uint64_t cut = (uint64_t)(bits - precision);
    uint64_t mantissa = precision ? bits_at(limbs, n, cut) : 0;
    bool half = bits_at(limbs, n, cut - 1) & 1;
    if (half && (sticky || (mantissa & 1) || any_bit_below(limbs, cut - 1)))
        mantissa++;
    return ldexp((double)mantissa, (int)(top - precision));
}

double bigint_to_double(BigView a)
{
    double d = bigint_scaled_double(a.limbs, a.n, false, 0);
    return a.negative ? -d : d;
}

BigView bigint_of_double(double d, BigLimb *store)
{
    int exponent;
    double fraction = frexp(fabs(d), &exponent);
    if (exponent <= 0)
        return (BigView){store, 0, false};
    uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
    exponent -= 53;
    if (exponent < 0) {
        store[0] = mantissa >> -exponent;
        return (BigView){store, bigint_trim(store, 1), d < 0};
    }
    size_t words = (size_t)exponent / LIMB_BITS;
    unsigned shift = (unsigned)exponent % LIMB_BITS;
    memset(store, 0, (words + 2) * sizeof *store);
    store[words] = mantissa << shift;
    if (shift)
        store[words + 1] = mantissa >> (LIMB_BITS - shift);
    return (BigView){store, bigint_trim(store, words + 2), d < 0};
}

int bigint_compare_double(BigView a, double d)
{
    if (isnan(d))
        return 2;
    if (isinf(d))
        return d > 0 ? -1 : 1;
    BigLimb store[BIGINT_DOUBLE_LIMBS];
    double whole = trunc(d);
    int order = bigint_compare(a, bigint_of_double(whole, store));
    if (order == 0)
        order = whole < d ? -1 : whole > d;
    return order;
}

/* ---- plans ------------------------------------------------------------------------------- */

/* Nanoseconds of a product, fitted to mpn_mul on x86-64; only its order of magnitude matters. */
static uint64_t mul_cost(size_t n, size_t m)
{
    if (n < m) {
        size_t t = n;
        n = m;
        m = t;
    }
    if (m == 0)
        return 1;
    uint64_t rows = m;
    uint64_t scale = 1;
    while (rows > 32) { /* Karatsuba's exponent */
        rows /= 2;
        scale *= 3;
    }
    return (rows * rows * scale / 6 + 1) * (n / m + 1);
}

static uint64_t text_cost(size_t n, bool power_of_two)
{
    return power_of_two ? n * 40 : n * 30 + 2 * mul_cost(n, n);
}

static bool is_power_of_two(int64_t base) { return (base & (base - 1)) == 0; }

static unsigned floor_log2(uint64_t x) { return 63 - (unsigned)__builtin_clzl(x); }

static Status plan_shift(BigJob *job)
{
    size_t n = job->a.n;
    uint64_t distance = job->count < 0 ? 0 - (uint64_t)job->count : (uint64_t)job->count;
    size_t words = (size_t)(distance / LIMB_BITS);
    if (job->count < 0)
        job->out_limbs = (n > words ? n - words : 0) + 1;
    else if (distance > (uint64_t)BIGINT_SHIFT_MAX && n > 0)
        return STATUS_TOO_BIG;
    else
        job->out_limbs = n == 0 ? 0 : n + words + 1;
    job->cost_ns = job->out_limbs + n;
    return STATUS_OK;
}

static Status plan_power(BigJob *job)
{
    uint64_t exponent = (uint64_t)job->count;
    uint64_t bits = bigint_bits(job->a);
    if (bits <= 1 || exponent == 0) {
        job->out_limbs = 1;
        return STATUS_OK;
    }
    /* The least number with that many bits has (bits - 1) * exponent + 1 in its power. */
    if (exponent > (uint64_t)BIGINT_SHIFT_MAX ||
        (bits - 1) * exponent > BIGINT_LIMBS_MAX * LIMB_BITS)
        return STATUS_TOO_BIG;
    size_t limbs = (size_t)(bits * exponent / LIMB_BITS) + 1;
    job->out_limbs = limbs + job->a.n + 2;
    job->scratch_limbs = job->out_limbs;
    job->cost_ns = 2 * mul_cost(limbs, limbs) + 40 * floor_log2(exponent);
    return STATUS_OK;
}

static void plan_divide(BigJob *job)
{
    size_t n = job->a.n, m = job->b.n;
    size_t quotient = n >= m ? n - m + 2 : 1;
    bool wants_quotient = job->op == BIG_QUO || job->op == BIG_DIV;
    job->out_limbs = wants_quotient ? quotient : m + 1;
    job->scratch_limbs = wants_quotient ? m + 1 : quotient;
    job->cost_ns = n + 3 * mul_cost(quotient, m);
}

static void plan_text(BigJob *job)
{
    size_t n = job->a.n;
    size_t characters = n * LIMB_BITS / floor_log2((uint64_t)job->count) + 3;
    job->out_limbs = characters / sizeof(BigLimb) + 1;
    job->scratch_limbs = n + 1;
    job->cost_ns = text_cost(n, is_power_of_two(job->count));
}

static Status plan_parse(BigJob *job)
{
    unsigned bits = floor_log2((uint64_t)job->count) + !is_power_of_two(job->count);
    if (job->text_len / LIMB_BITS * floor_log2((uint64_t)job->count) > BIGINT_LIMBS_MAX)
        return STATUS_TOO_BIG;
    job->out_limbs = job->text_len * bits / LIMB_BITS + 2;
    job->scratch_limbs = job->text_len / sizeof(BigLimb) + 1;
    job->cost_ns = job->text_len + text_cost(job->out_limbs, is_power_of_two(job->count));
    return STATUS_OK;
}

Status bigint_plan(BigJob *job)
{
    size_t n = job->a.n, m = job->b.n;
    Status status = STATUS_OK;
    job->scratch_limbs = 0;
    job->out_limbs = (n > m ? n : m) + 1;
    job->cost_ns = n + m;
    switch (job->op) {
    case BIG_ADD:
    case BIG_SUB: break;
    case BIG_MUL:
        job->out_limbs = n + m;
        job->cost_ns = mul_cost(n, m);
        break;
    case BIG_QUO:
    case BIG_REM:
    case BIG_DIV:
    case BIG_MOD: plan_divide(job); break;
    case BIG_AND:
    case BIG_OR:
    case BIG_XOR:
        job->scratch_limbs = job->out_limbs;
        job->cost_ns = 4 * (n + m);
        break;
    case BIG_SHIFT: status = plan_shift(job); break;
    case BIG_POWER: status = plan_power(job); break;
    case BIG_GCD:
        job->scratch_limbs = n + m + 2;
        job->cost_ns = (n + m) * 60 + 16 * mul_cost(n < m ? n : m, n < m ? n : m);
        break;
    case BIG_SQRT:
        job->out_limbs = n / 2 + 1;
        job->cost_ns = n * 10 + mul_cost(n / 2, n / 2);
        break;
    case BIG_TEXT: plan_text(job); break;
    case BIG_PARSE: status = plan_parse(job); break;
    }
    bool grows =
        job->op == BIG_ADD || job->op == BIG_SUB || job->op == BIG_MUL || job->op == BIG_SHIFT;
    /* One limb more, for a top limb that may come out as 0; bigint_fits looks at the result. */
    if (status == STATUS_OK && grows && job->out_limbs > BIGINT_LIMBS_MAX + 1)
        status = STATUS_TOO_BIG;
    return status;
}

/* ---- addition and multiplication ---------------------------------------------------------- */

static void set_result(BigJob *job, size_t n, bool negative)
{
    job->out_n = bigint_trim(job->out, n);
    job->out_negative = negative && job->out_n > 0;
}

static void run_add(BigJob *job, BigView a, BigView b)
{
    if (a.n < b.n) {
        BigView t = a;
        a = b;
        b = t;
    }
    if (b.n == 0) {
        if (a.n)
            mpn_copyi(job->out, a.limbs, (mp_size_t)a.n);
        set_result(job, a.n, a.negative);
    } else if (a.negative == b.negative) {
        job->out[a.n] = mpn_add(job->out, a.limbs, (mp_size_t)a.n, b.limbs, (mp_size_t)b.n);
        set_result(job, a.n + 1, a.negative);
    } else {
        bool swapped = compare_magnitude(a, b) < 0; /* only when both have the same length */
        BigView big = swapped ? b : a, little = swapped ? a : b;
        mpn_sub(job->out, big.limbs, (mp_size_t)big.n, little.limbs, (mp_size_t)little.n);
        set_result(job, big.n, big.negative);
    }
}

static void multiply(BigLimb *out, BigView a, BigView b)
{
    if (a.n < b.n)
        mpn_mul(out, b.limbs, (mp_size_t)b.n, a.limbs, (mp_size_t)a.n);
    else if (a.limbs == b.limbs && a.n == b.n)
        mpn_sqr(out, a.limbs, (mp_size_t)a.n);
    else
        mpn_mul(out, a.limbs, (mp_size_t)a.n, b.limbs, (mp_size_t)b.n);
}

static void run_mul(BigJob *job)
{
    if (job->a.n == 0 || job->b.n == 0) {
        set_result(job, 0, false);
        return;
    }
    multiply(job->out, job->a, job->b);
    set_result(job, job->a.n + job->b.n, job->a.negative != job->b.negative);
}

/* Left to right; the two buffers take turns, a square or product never lands on its operand. */
static void run_power(BigJob *job)
{
    uint64_t exponent = (uint64_t)job->count;
    bool negative = job->a.negative && (exponent & 1);
    BigLimb *now = job->out;
    if (exponent == 0 || bigint_bits(job->a) <= 1) {
        now[0] = exponent == 0 ? 1 : job->a.n ? 1 : 0;
        set_result(job, 1, negative);
        return;
    }
    BigLimb *other = job->scratch;
    size_t n = job->a.n;
    mpn_copyi(now, job->a.limbs, (mp_size_t)n);
    for (unsigned bit = floor_log2(exponent); bit-- > 0;) {
        mpn_sqr(other, now, (mp_size_t)n);
        n = bigint_trim(other, 2 * n);
        BigLimb *t = now;
        now = other;
        other = t;
        if (exponent >> bit & 1) {
            multiply(other, (BigView){now, n, false}, job->a);
            n = bigint_trim(other, n + job->a.n);
            t = now;
            now = other;
            other = t;
        }
    }
    if (now != job->out)
        mpn_copyi(job->out, now, (mp_size_t)n);
    set_result(job, n, negative);
}

/* ---- division ----------------------------------------------------------------------------- */

static void run_quotient(BigJob *job)
{
    BigView a = job->a, b = job->b;
    bool negative = a.negative != b.negative;
    bool inexact = a.n > 0;
    size_t n = 0;
    if (a.n >= b.n) {
        mpn_tdiv_qr(job->out, job->scratch, 0, a.limbs, (mp_size_t)a.n, b.limbs, (mp_size_t)b.n);
        n = a.n - b.n + 1;
        inexact = bigint_trim(job->scratch, b.n) > 0;
    }
    if (job->op == BIG_DIV && negative && inexact) {
        job->out[n] = n ? mpn_add_1(job->out, job->out, (mp_size_t)n, 1) : 1;
        n++;
    }
    set_result(job, n, negative);
}

static void run_remainder(BigJob *job)
{
    BigView a = job->a, b = job->b;
    size_t n = a.n;
    if (a.n >= b.n) {
        mpn_tdiv_qr(job->scratch, job->out, 0, a.limbs, (mp_size_t)a.n, b.limbs, (mp_size_t)b.n);
        n = b.n;
    } else if (n) {
        mpn_copyi(job->out, a.limbs, (mp_size_t)n);
    }
    n = bigint_trim(job->out, n);
    bool negative = a.negative;
    if (job->op == BIG_MOD && n > 0 && a.negative != b.negative) {
        mpn_sub(job->out, b.limbs, (mp_size_t)b.n, job->out, (mp_size_t)n);
        n = b.n;
        negative = b.negative;
    }
    set_result(job, n, negative);
}

/* Copies a without its trailing zero bits to `to`; answers their number, the length in *n. */
static uint64_t copy_odd_part(BigLimb *to, BigView a, size_t *n)
{
    uint64_t zeros = mpn_scan1(a.limbs, 0);
    size_t words = (size_t)(zeros / LIMB_BITS);
    unsigned shift = (unsigned)(zeros % LIMB_BITS);
    size_t length = a.n - words;
    if (shift)
        mpn_rshift(to, a.limbs + words, (mp_size_t)length, shift);
    else
        mpn_copyi(to, a.limbs + words, (mp_size_t)length);
    *n = bigint_trim(to, length);
    return zeros;
}

/* `to` has room for one more limb than the result needs. */
static size_t shift_left(BigLimb *to, const BigLimb *from, size_t n, uint64_t distance)
{
    size_t words = (size_t)(distance / LIMB_BITS);
    unsigned shift = (unsigned)(distance % LIMB_BITS);
    to[n + words] = 0;
    if (shift)
        to[n + words] = mpn_lshift(to + words, from, (mp_size_t)n, shift);
    else
        mpn_copyd(to + words, from, (mp_size_t)n);
    if (words)
        mpn_zero(to, (mp_size_t)words);
    return bigint_trim(to, n + words + 1);
}

static void run_gcd(BigJob *job)
{
    BigView a = job->a, b = job->b;
    if (a.n == 0 || b.n == 0) {
        BigView other = a.n ? a : b;
        if (other.n)
            mpn_copyi(job->out, other.limbs, (mp_size_t)other.n);
        set_result(job, other.n, false);
        return;
    }
    BigLimb *x = job->scratch, *y = job->scratch + a.n;
    size_t xn, yn;
    uint64_t x_zeros = copy_odd_part(x, a, &xn);
    uint64_t y_zeros = copy_odd_part(y, b, &yn);
    bool x_first = compare_magnitude((BigView){x, xn, false}, (BigView){y, yn, false}) >= 0;
    BigLimb *large = x_first ? x : y, *small = x_first ? y : x;
    size_t n = (size_t)mpn_gcd(job->out, large, (mp_size_t)(x_first ? xn : yn), small,
                               (mp_size_t)(x_first ? yn : xn));
    n = shift_left(job->out, job->out, n, x_zeros < y_zeros ? x_zeros : y_zeros);
    set_result(job, n, false);
}

/* ---- bits ---------------------------------------------------------------------------------- */

/* Writes a as two's complement in n limbs. */
static void spread(BigLimb *to, BigView a, size_t n)
{
    if (a.n)
        mpn_copyi(to, a.limbs, (mp_size_t)a.n);
    if (n > a.n)
        mpn_zero(to + a.n, (mp_size_t)(n - a.n));
    if (a.negative)
        mpn_neg(to, to, (mp_size_t)n);
}

static void run_bits(BigJob *job)
{
    size_t n = job->out_limbs;
    mp_size_t length = (mp_size_t)n;
    spread(job->out, job->a, n);
    spread(job->scratch, job->b, n);
    if (job->op == BIG_AND)
        mpn_and_n(job->out, job->out, job->scratch, length);
    else if (job->op == BIG_OR)
        mpn_ior_n(job->out, job->out, job->scratch, length);
    else
        mpn_xor_n(job->out, job->out, job->scratch, length);
    bool negative = job->out[n - 1] >> (LIMB_BITS - 1);
    if (negative)
        mpn_neg(job->out, job->out, length);
    set_result(job, n, negative);
}

static void run_shift_right(BigJob *job)
{
    BigView a = job->a;
    uint64_t distance = 0 - (uint64_t)job->count;
    size_t n = 0;
    bool inexact = a.n > 0;
    if (distance / LIMB_BITS < a.n) {
        size_t words = (size_t)(distance / LIMB_BITS);
        unsigned shift = (unsigned)(distance % LIMB_BITS);
        n = a.n - words;
        inexact = any_bit_below(a.limbs, distance);
        if (shift)
            mpn_rshift(job->out, a.limbs + words, (mp_size_t)n, shift);
        else
            mpn_copyi(job->out, a.limbs + words, (mp_size_t)n);
    }
    if (a.negative && inexact) { /* rounds down, away from zero */
        job->out[n] = n ? mpn_add_1(job->out, job->out, (mp_size_t)n, 1) : 1;
        n++;
    }
    set_result(job, n, a.negative);
}

static void run_shift(BigJob *job)
{
    if (job->count < 0)
        run_shift_right(job);
    else if (job->a.n == 0)
        set_result(job, 0, false);
    else
        set_result(job, shift_left(job->out, job->a.limbs, job->a.n, (uint64_t)job->count),
                   job->a.negative);
}

/* ---- text ---------------------------------------------------------------------------------- */

static void run_text(BigJob *job)
{
    uint8_t *out = (uint8_t *)job->out;
    size_t n = 0;
    if (job->a.n == 0) {
        out[n++] = '0';
    } else {
        if (job->a.negative)
            out[n++] = '-';
        mpn_copyi(job->scratch, job->a.limbs, (mp_size_t)job->a.n);
        uint8_t *digits = out + n;
        size_t count = mpn_get_str(digits, (int)job->count, job->scratch, (mp_size_t)job->a.n);
        size_t zeros = 0;
        while (zeros + 1 < count && digits[zeros] == 0)
            zeros++;
        for (size_t i = zeros; i < count; i++)
            digits[i - zeros] = (uint8_t) "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digits[i]];
        n += count - zeros;
    }
    job->out_n = n;
    job->out_negative = false;
}

static uint8_t digit_value(uint8_t c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static void run_parse(BigJob *job)
{
    uint8_t *digits = (uint8_t *)job->scratch;
    size_t zeros = 0;
    while (zeros < job->text_len && job->text[zeros] == '0')
        zeros++;
    size_t count = job->text_len - zeros;
    for (size_t i = 0; i < count; i++)
        digits[i] = digit_value(job->text[zeros + i]);
    size_t n = count ? (size_t)mpn_set_str(job->out, digits, count, (int)job->count) : 0;
    set_result(job, n, job->negative);
}

void bigint_run(BigJob *job)
{
    BigView minus = job->b;
    switch (job->op) {
    case BIG_ADD: run_add(job, job->a, job->b); break;
    case BIG_SUB:
        minus.negative = !minus.negative;
        run_add(job, job->a, minus);
        break;
    case BIG_MUL: run_mul(job); break;
    case BIG_QUO:
    case BIG_DIV: run_quotient(job); break;
    case BIG_REM:
    case BIG_MOD: run_remainder(job); break;
    case BIG_AND:
    case BIG_OR:
    case BIG_XOR: run_bits(job); break;
    case BIG_SHIFT: run_shift(job); break;
    case BIG_POWER: run_power(job); break;
    case BIG_GCD: run_gcd(job); break;
    case BIG_SQRT:
        if (job->a.n)
            mpn_sqrtrem(job->out, NULL, job->a.limbs, (mp_size_t)job->a.n);
        set_result(job, (job->a.n + 1) / 2, false);
        break;
    case BIG_TEXT: run_text(job); break;
    case BIG_PARSE: run_parse(job); break;
    }
}
