/* SPDX-License-Identifier: Apache-2.0 */
/* prims_random.c - primitives of Random: xoshiro256** in a WordArray of four words held by the
 * first instance variable, so that equal seeds give equal numbers on every machine.
 * The class itself draws from the environment of the VM, which a simulation seeds (I6).
 * Threads: the owner of the process. */
#include "env.h"
#include "prims.h"
#include "rng.h"

#define STATE_WORDS 4
#define STATE_SLOT 0

static uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static uint64_t next_word(uint64_t s[STATE_WORDS])
{
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The words of the receiver's state; NULL: *st is the error. */
static uint64_t *state_of(PrimCall *c, PrimStatus *st)
{
    Value self = c->args[0];
    if (!value_is_kind(self, OBJ_SLOTS) || obj_words(obj_of(self)) <= STATE_SLOT) {
        *st = prim_error(c, "receiver must be a Random");
        return NULL;
    }
    Value state = obj_slots(obj_of(self))[STATE_SLOT];
    if (!value_is_kind(state, OBJ_WORDS) || obj_words(obj_of(state)) != STATE_WORDS) {
        *st = prim_error(c, "the generator has no seed");
        return NULL;
    }
    if (obj_is_frozen(obj_of(state))) {
        *st = prim_frozen_error(c);
        return NULL;
    }
    return obj_slots(obj_of(state));
}

/* _seed: seed. Any SmallInteger. Answers the receiver. */
PrimStatus prim_random_seed(PrimCall *c)
{
    PrimStatus st;
    Value self = c->args[0];
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    if (!value_is_kind(self, OBJ_SLOTS) || obj_words(obj_of(self)) <= STATE_SLOT)
        return prim_error(c, "receiver must be a Random");
    Object *state = prim_new(c, CLASS_WORD_ARRAY, OBJ_WORDS, 0, STATE_WORDS, &st);
    if (!state)
        return st;
    Rng rng;
    rng_init(&rng, (uint64_t)value_as_int(c->args[1]));
    for (int i = 0; i < STATE_WORDS; i++)
        obj_slots(state)[i] = rng_next(&rng);
    if (!heap_store(c->heap, obj_of(self), &obj_slots(obj_of(self))[STATE_SLOT], value_ptr(state)))
        return prim_frozen_error(c);
    return prim_self(c);
}

/* ---- what a word becomes ------------------------------------------------------------------- */

static PrimStatus answer_float(PrimCall *c, uint64_t word)
{
    return prim_ok(c, value_float((double)(word >> 11) * 0x1p-53));
}

/* Uniform in [0, n): words that would favour small results are drawn again. */
typedef uint64_t (*Draw)(void *from);

static uint64_t below(Draw draw, void *from, uint64_t n)
{
    uint64_t reject = (0 - n) % n; /* 2^64 mod n */
    uint64_t word = draw(from);
    while (word < reject)
        word = draw(from);
    return word % n;
}

static uint64_t draw_state(void *from) { return next_word(from); }
static uint64_t draw_env(void *from) { return env_random_u64(from); }

/* nextInt: n, 0 when n < 1. */
static PrimStatus answer_below(PrimCall *c, Draw draw, void *from)
{
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    int64_t n = value_as_int(c->args[1]);
    return prim_ok(c, value_int(n < 1 ? 0 : (int64_t)below(draw, from, (uint64_t)n)));
}

/* nextBetween: a and: b, both included, in any order. */
static PrimStatus answer_between(PrimCall *c, Draw draw, void *from)
{
    for (unsigned i = 1; i <= 2; i++) {
        if (!value_is_int(c->args[i]))
            return prim_type_error(c, i, "SmallInteger");
    }
    int64_t low = value_as_int(c->args[1]), high = value_as_int(c->args[2]);
    if (low > high) {
        int64_t t = low;
        low = high;
        high = t;
    }
    return prim_ok(c, value_int(low + (int64_t)below(draw, from, (uint64_t)(high - low) + 1)));
}

/* ---- instances ----------------------------------------------------------------------------- */

PrimStatus prim_random_next(PrimCall *c)
{
    PrimStatus st;
    uint64_t *state = state_of(c, &st);
    return state ? answer_float(c, next_word(state)) : st;
}

PrimStatus prim_random_next_int(PrimCall *c)
{
    PrimStatus st;
    uint64_t *state = state_of(c, &st);
    return state ? answer_below(c, draw_state, state) : st;
}

PrimStatus prim_random_next_between(PrimCall *c)
{
    PrimStatus st;
    uint64_t *state = state_of(c, &st);
    return state ? answer_between(c, draw_state, state) : st;
}

/* ---- the class ----------------------------------------------------------------------------- */

static void *source(const PrimCall *c) { return c->cx->env->env; }

PrimStatus prim_random_class_next(PrimCall *c)
{
    return answer_float(c, env_random_u64(source(c)));
}

PrimStatus prim_random_class_next_int(PrimCall *c) { return answer_below(c, draw_env, source(c)); }

PrimStatus prim_random_class_next_between(PrimCall *c)
{
    return answer_between(c, draw_env, source(c));
}
