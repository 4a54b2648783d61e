/* SPDX-License-Identifier: Apache-2.0 */
/* prims_number.c - arithmetic and comparison of SmallInteger, BigInteger and Float.
 * Two machine integers and two doubles are done here; everything else with integers is a BigJob.
 * Threads: the owner of the process; long jobs run on dirty threads on copied operands. */
#include "numops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "prims.h"
#include "valueops.h"

/* Longer jobs leave the scheduler (I5). */
#define DIRTY_COST_NS 80000
/* What a reduction stands for. */
#define NS_PER_REDUCTION 32
/* Operands and result of most jobs: on the C stack. */
#define LOCAL_LIMBS 256

/* ---- values -------------------------------------------------------------------------------- */

bool num_integer_view(Value v, BigLimb *store, BigView *out)
{
    if (value_is_int(v)) {
        *out = bigint_of_int64(value_as_int(v), store);
        return true;
    }
    if (value_is_kind(v, OBJ_BIG_INT)) {
        *out = num_big_view(v);
        return true;
    }
    return false;
}

bool num_to_double(Value v, double *out)
{
    if (value_is_float(v))
        *out = value_as_float(v);
    else if (value_is_int(v))
        *out = (double)value_as_int(v);
    else if (value_is_kind(v, OBJ_BIG_INT))
        *out = bigint_to_double(num_big_view(v));
    else
        return false;
    return true;
}

PrimStatus num_answer(PrimCall *c, BigView n)
{
    int64_t small;
    if (bigint_to_small(n, &small))
        return prim_ok(c, value_int(small));
    PrimStatus st;
    Object *o = prim_new(c, CLASS_BIG_INTEGER, OBJ_BIG_INT,
                         n.negative ? OBJ_BIGINT_NEGATIVE_PAD : 0, n.n, &st);
    if (!o)
        return st;
    memcpy(obj_slots(o), n.limbs, n.n * sizeof(BigLimb));
    return prim_ok(c, value_ptr(o));
}

PrimStatus num_answer_truncated(PrimCall *c, double d)
{
    if (!isfinite(d))
        return prim_error(c, "cannot make an integer of an infinity or NaN");
    if (fabs(d) < 9e15)
        return prim_answer_int64(c, (int64_t)d);
    BigLimb store[BIGINT_DOUBLE_LIMBS];
    return num_answer(c, bigint_of_double(d, store));
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static PrimStatus answer_job(PrimCall *c, const BigJob *job)
{
    if (!bigint_fits(job))
        return prim_error(c, "result is too large");
    if (job->op == BIG_TEXT)
        return prim_answer_string(c, job->out, job->out_n);
    return num_answer(c, bigint_result(job));
}

/* A job with its operands, out and scratch in one block. */
typedef struct DirtyJob {
    BigJob job;
    const Env *env;
    size_t bytes;
    BigLimb room[];
} DirtyJob;

static void dirty_run(void *state) { bigint_run(&((DirtyJob *)state)->job); }

static void dirty_free(void *state)
{
    DirtyJob *d = state;
    env_free(d->env, d, d->bytes);
}

/* Copies the operand behind `room`; answers what follows it. */
static BigLimb *move_operand(BigView *operand, BigLimb *room)
{
    if (operand->n)
        memcpy(room, operand->limbs, operand->n * sizeof(BigLimb));
    operand->limbs = room;
    return room + operand->n;
}

static PrimStatus send_to_dirty(PrimCall *c, const BigJob *job)
{
    const Env *env = c->cx->env->env;
    size_t text_limbs = (job->text_len + sizeof(BigLimb) - 1) / sizeof(BigLimb);
    size_t limbs = job->a.n + job->b.n + job->out_limbs + job->scratch_limbs + text_limbs;
    size_t bytes = sizeof(DirtyJob) + limbs * sizeof(BigLimb);
    DirtyJob *d = env_alloc(env, bytes);
    if (!d)
        return prim_status(c, STATUS_NO_MEMORY, 0);
    d->job = *job;
    d->env = env;
    d->bytes = bytes;
    bool square = job->a.limbs == job->b.limbs && job->a.n == job->b.n;
    BigLimb *next = move_operand(&d->job.a, d->room);
    if (square)
        d->job.b.limbs = d->job.a.limbs; /* a square is cheaper than a product */
    else
        next = move_operand(&d->job.b, next);
    if (job->text_len) {
        memcpy(next, job->text, job->text_len);
        d->job.text = (const uint8_t *)next;
        next += text_limbs;
    }
    d->job.out = next;
    d->job.scratch = next + job->out_limbs;
    c->dirty_run = dirty_run;
    c->dirty_free = dirty_free;
    c->dirty_state = d;
    return PRIM_DIRTY;
}

PrimStatus num_finish(PrimCall *c)
{
    DirtyJob *d = c->dirty_state;
    PrimStatus st = answer_job(c, &d->job);
    prim_charge(c, d->job.out_limbs / 32); /* copied to the heap */
    if (st == PRIM_GC) {
        c->dirty_free = dirty_free; /* for the case that the process dies of the collection */
    } else {
        dirty_free(d);
        c->dirty_state = NULL;
    }
    return st;
}

PrimStatus num_run(PrimCall *c, BigJob *job)
{
    if (bigint_plan(job) != STATUS_OK)
        return prim_error(c, "result is too large");
    if (job->cost_ns > DIRTY_COST_NS)
        return send_to_dirty(c, job);
    prim_charge(c, (size_t)job->cost_ns / NS_PER_REDUCTION);
    const Env *env = c->cx->env->env;
    size_t limbs = job->out_limbs + job->scratch_limbs;
    BigLimb local[LOCAL_LIMBS];
    BigLimb *room = local;
    if (limbs > LOCAL_LIMBS && !(room = env_alloc(env, limbs * sizeof(BigLimb))))
        return prim_status(c, STATUS_NO_MEMORY, 0);
    job->out = room;
    job->scratch = room + job->out_limbs;
    bigint_run(job);
    PrimStatus st = answer_job(c, job);
    if (room != local)
        env_free(env, room, limbs * sizeof(BigLimb));
    return st;
}

/* Receiver and argument are integers, not both small or too big for the machine. */
static PrimStatus run_binary(PrimCall *c, BigOp op)
{
    BigLimb a, b;
    BigJob job = {.op = op};
    bool integers =
        num_integer_view(c->args[0], &a, &job.a) && num_integer_view(c->args[1], &b, &job.b);
    assert(integers);
    (void)integers;
    return num_run(c, &job);
}

/* ---- arithmetic ---------------------------------------------------------------------------- */

static bool both_integers(const PrimCall *c)
{
    return num_is_integer(c->args[0]) && num_is_integer(c->args[1]);
}

/* At least one of the two is a Float or no number at all. */
static bool both_doubles(const PrimCall *c, double *a, double *b)
{
    return num_to_double(c->args[0], a) && num_to_double(c->args[1], b);
}

static PrimStatus not_a_number(PrimCall *c) { return prim_error(c, "argument must be a number"); }

PrimStatus num_add(PrimCall *c)
{
    Value a = c->args[0], b = c->args[1];
    double x, y;
    if (value_both_int(a, b))
        return prim_answer_int64(c, value_as_int(a) + value_as_int(b));
    if (c->dirty_done)
        return num_finish(c);
    if (both_integers(c))
        return run_binary(c, BIG_ADD);
    if (!both_doubles(c, &x, &y))
        return not_a_number(c);
    return prim_ok(c, value_float(x + y));
}

PrimStatus num_sub(PrimCall *c)
{
    Value a = c->args[0], b = c->args[1];
    double x, y;
    if (value_both_int(a, b))
        return prim_answer_int64(c, value_as_int(a) - value_as_int(b));
    if (c->dirty_done)
        return num_finish(c);
    if (both_integers(c))
        return run_binary(c, BIG_SUB);
    if (!both_doubles(c, &x, &y))
        return not_a_number(c);
    return prim_ok(c, value_float(x - y));
}

PrimStatus num_mul(PrimCall *c)
{
    Value a = c->args[0], b = c->args[1];
    int64_t product;
    double x, y;
    if (c->dirty_done)
        return num_finish(c);
    if (value_both_int(a, b) && !__builtin_mul_overflow(value_as_int(a), value_as_int(b), &product))
        return prim_answer_int64(c, product);
    if (both_integers(c))
        return run_binary(c, BIG_MUL);
    if (!both_doubles(c, &x, &y))
        return not_a_number(c);
    return prim_ok(c, value_float(x * y));
}

PrimStatus num_div(PrimCall *c)
{
    Value a = c->args[0], b = c->args[1];
    double x, y;
    if (c->dirty_done)
        return num_finish(c);
    if (both_integers(c)) {
        if (b == value_int(0))
            return prim_zero_divide(c);
        if (value_both_int(a, b))
            return prim_answer_int64(c, value_as_int(a) / value_as_int(b));
        return run_binary(c, BIG_QUO);
    }
    if (!both_doubles(c, &x, &y))
        return not_a_number(c);
    return prim_ok(c, value_float(x / y));
}

/* Common to the operations that only integers have: true when the caller goes on. */
static bool integer_operands(PrimCall *c, PrimStatus *st)
{
    double ignored;
    if (both_integers(c)) {
        if (c->args[1] != value_int(0))
            return true;
        *st = prim_zero_divide(c);
    } else if (num_to_double(c->args[1], &ignored)) {
        *st = prim_error(c, "argument must be an integer");
    } else {
        *st = not_a_number(c);
    }
    return false;
}

PrimStatus num_idiv(PrimCall *c)
{
    PrimStatus st;
    if (c->dirty_done)
        return num_finish(c);
    if (!integer_operands(c, &st))
        return st;
    if (!value_both_int(c->args[0], c->args[1]))
        return run_binary(c, BIG_DIV);
    int64_t a = value_as_int(c->args[0]), b = value_as_int(c->args[1]);
    int64_t quotient = a / b;
    return prim_answer_int64(c, quotient - (a % b != 0 && (a < 0) != (b < 0)));
}

PrimStatus num_mod(PrimCall *c)
{
    PrimStatus st;
    if (c->dirty_done)
        return num_finish(c);
    if (!integer_operands(c, &st))
        return st;
    if (!value_both_int(c->args[0], c->args[1]))
        return run_binary(c, BIG_REM);
    return prim_ok(c, value_int(value_as_int(c->args[0]) % value_as_int(c->args[1])));
}

PrimStatus prim_integer_floor_mod(PrimCall *c)
{
    PrimStatus st;
    if (c->dirty_done)
        return num_finish(c);
    if (!integer_operands(c, &st))
        return st;
    return run_binary(c, BIG_MOD);
}

/* ---- comparison ---------------------------------------------------------------------------- */

static int order_of_ints(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

static int order_of_doubles(double a, double b) { return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2; }

static int order_to_double(Value integer, double d)
{
    if (value_is_int(integer))
        return order_of_doubles((double)value_as_int(integer), d);
    return bigint_compare_double(num_big_view(integer), d);
}

int num_compare(Value a, Value b)
{
    BigLimb x_store, y_store;
    BigView x, y;
    if (value_both_int(a, b))
        return order_of_ints(value_as_int(a), value_as_int(b));
    if (value_is_float(a) && value_is_float(b))
        return order_of_doubles(value_as_float(a), value_as_float(b));
    if (value_is_float(a) && num_is_integer(b)) {
        int order = order_to_double(b, value_as_float(a));
        return order == 2 ? 2 : -order;
    }
    if (value_is_float(b) && num_is_integer(a))
        return order_to_double(a, value_as_float(b));
    if (!num_integer_view(a, &x_store, &x) || !num_integer_view(b, &y_store, &y))
        return 3;
    return bigint_compare(x, y);
}

static int compare_paid(PrimCall *c)
{
    if (value_is_ptr(c->args[0]))
        prim_charge(c, obj_words(obj_of(c->args[0])) / 64);
    return num_compare(c->args[0], c->args[1]);
}

PrimStatus num_less(PrimCall *c)
{
    int order = compare_paid(c);
    return order == 3 ? not_a_number(c) : prim_ok(c, value_bool(order == -1));
}

PrimStatus num_greater(PrimCall *c)
{
    int order = compare_paid(c);
    return order == 3 ? not_a_number(c) : prim_ok(c, value_bool(order == 1));
}

PrimStatus num_less_eq(PrimCall *c)
{
    int order = compare_paid(c);
    return order == 3 ? not_a_number(c) : prim_ok(c, value_bool(order <= 0));
}

PrimStatus num_greater_eq(PrimCall *c)
{
    int order = compare_paid(c);
    return order == 3 ? not_a_number(c) : prim_ok(c, value_bool(order == 0 || order == 1));
}

PrimStatus num_equal(PrimCall *c)
{
    return prim_ok(c, value_bool(value_equal_builtin(c->vm, c->args[0], c->args[1]) == 1));
}

PrimStatus num_not_equal(PrimCall *c)
{
    return prim_ok(c, value_bool(value_equal_builtin(c->vm, c->args[0], c->args[1]) != 1));
}

PrimStatus num_hash(PrimCall *c)
{
    uint64_t hash = 0;
    bool known = value_hash_answer(c->args[0], &hash);
    assert(known);
    (void)known;
    return prim_ok(c, value_int((int64_t)hash));
}
