/* SPDX-License-Identifier: Apache-2.0 */
/* test_prims_dict.c - dictionaries against a model: built-in keys, growth, removal, collections. */
#include "prim_kit.h"

#define I(n) value_int(n)
#define KEYS 4096

static uint64_t seed = 0;
static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

/* What the library's _grow does. */
static void grow(Kit *k, size_t r)
{
    KIT_CALL(k, 20, prim_dict_next_capacity, *kit_root(k, r));
    int64_t capacity = value_as_int(*kit_root(k, 20));
    KIT_CALL(k, 21, prim_array_new, value_class(CLASS_ARRAY), I(capacity * 3));
    KIT_CALL(k, 22, prim_words_new, value_class(CLASS_WORD_ARRAY), I(capacity + 1));
    KIT_CALL(k, 20, prim_dict_rehash, *kit_root(k, r), *kit_root(k, 21), *kit_root(k, 22));
}

/* at:put: with the growth that large dictionaries leave to the library. */
static void put(Kit *k, size_t r, Value key, Value value)
{
    PrimStatus st = KIT_RUN(k, prim_dict_at_put, *kit_root(k, r), key, value);
    if (st == PRIM_FALLBACK) {
        Value held = key;
        if (value_is_ptr(key))
            *kit_root(k, 19) = key;
        grow(k, r);
        key = value_is_ptr(held) ? *kit_root(k, 19) : held;
        st = KIT_RUN(k, prim_dict_at_put, *kit_root(k, r), key, value);
    }
    assert_int_equal(st, PRIM_OK);
}

static Value at(Kit *k, size_t r, Value key)
{
    assert_int_equal(KIT_RUN(k, prim_dict_at, *kit_root(k, r), key), PRIM_OK);
    return k->call.result;
}

static int64_t size(Kit *k, size_t r)
{
    assert_int_equal(KIT_RUN(k, prim_dict_size, *kit_root(k, r)), PRIM_OK);
    return value_as_int(k->call.result);
}

/* Keys that collide in one way or another. */
static Value model_key(size_t i, unsigned kind)
{
    switch (kind) {
    case 0: return I((int64_t)i);
    case 1: return I((int64_t)i * 16 + 5);
    case 2: return I((int64_t)i << 20);
    case 3: return I(-(int64_t)i * 4096);
    case 4: return value_float((double)i / 7);
    case 5: return value_symbol((uint32_t)i + 1);
    default: return i % 2 ? value_char((uint32_t)i) : I((int64_t)i << 33);
    }
}

static void every_kind_of_key_follows_the_model(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 7; kind++) {
        Kit k;
        kit_open(&k);
        k.slice = 300;
        k.gc_at_yield = true;
        seed = kind;
        kit_slots(&k, 0, CLASS_DICTIONARY, 3);
        int64_t model[KEYS] = {0};
        int64_t present = 0;
        for (int round = 0; round < 30000; round++) {
            size_t i = next_random() % (round < 15000 ? 40 : KEYS);
            Value key = model_key(i, kind);
            if (next_random() % 3 == 0) {
                KIT_CALL(&k, 1, prim_dict_remove_key, *kit_root(&k, 0), key);
                assert_int_equal(*kit_root(&k, 1), model[i] ? I(model[i]) : VALUE_NIL);
                present -= model[i] != 0;
                model[i] = 0;
            } else {
                present += model[i] == 0;
                model[i] = round + 1;
                put(&k, 0, key, I(model[i]));
            }
            if (round % 997 == 0)
                kit_collect(&k, round % 2 ? HEAP_GC_MINOR : HEAP_GC_MAJOR, 0);
            size_t j = next_random() % KEYS;
            assert_int_equal(at(&k, 0, model_key(j, kind)), model[j] ? I(model[j]) : VALUE_NIL);
        }
        assert_int_equal(size(&k, 0), present);
        for (size_t i = 0; i < KEYS; i++) {
            assert_int_equal(
                KIT_RUN(&k, prim_dict_includes_key, *kit_root(&k, 0), model_key(i, kind)), PRIM_OK);
            assert_int_equal(k.call.result, value_bool(model[i] != 0));
        }
        kit_close(&k);
    }
}

static void equal_strings_are_one_key(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    k.gc_at_yield = true;
    kit_slots(&k, 0, CLASS_DICTIONARY, 3);
    char text[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3000; i++) {
            snprintf(text, sizeof text, "key%d", i);
            kit_string(&k, 1, text);
            put(&k, 0, *kit_root(&k, 1), I(i + round));
        }
    }
    assert_int_equal(size(&k, 0), 3000);
    for (int i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "key%d", i);
        kit_string(&k, 1, text);
        assert_int_equal(at(&k, 0, *kit_root(&k, 1)), I(i + 1));
    }
    kit_string(&k, 1, "absent");
    assert_int_equal(at(&k, 0, *kit_root(&k, 1)), VALUE_NIL);
    kit_close(&k);
}

static void entries_stand_in_the_order_of_insertion(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    kit_slots(&k, 0, CLASS_DICTIONARY, 3);
    for (int64_t i = 0; i < 300; i++)
        put(&k, 0, I(i * 7 % 300), I(i));
    for (int64_t i = 0; i < 300; i += 2)
        KIT_CALL(&k, 1, prim_dict_remove_key, *kit_root(&k, 0), I(i * 7 % 300));
    put(&k, 0, I(0), I(0)); /* removed and stored again: last now */
    grow(&k, 0);
    Object *entries = obj_of(obj_slots(kit_object(&k, 0))[1]);
    for (int64_t e = 0; e < 150; e++)
        assert_int_equal(obj_slots(entries)[e * 3], I((2 * e + 1) * 7 % 300));
    assert_int_equal(obj_slots(entries)[450], I(0));
    kit_close(&k);
}

static void nan_is_never_found_and_zeros_are_one_key(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    kit_slots(&k, 0, CLASS_DICTIONARY, 3);
    put(&k, 0, value_float(0.0 / 0.0), I(1));
    assert_int_equal(at(&k, 0, value_float(0.0 / 0.0)), VALUE_NIL);
    put(&k, 0, value_float(0.0), I(2));
    assert_int_equal(at(&k, 0, value_float(-0.0)), I(2));
    put(&k, 0, VALUE_NIL, I(3));
    assert_int_equal(at(&k, 0, VALUE_NIL), I(3));
    assert_int_equal(size(&k, 0), 3);
    kit_close(&k);
}

static void other_keys_are_left_to_the_library(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    kit_slots(&k, 0, CLASS_DICTIONARY, 3);
    kit_slots(&k, 1, CLASS_ASSOCIATION, 2);
    assert_int_equal(KIT_RUN(&k, prim_dict_at, *kit_root(&k, 0), *kit_root(&k, 1)), PRIM_FALLBACK);
    assert_int_equal(KIT_RUN(&k, prim_dict_at_put, *kit_root(&k, 0), *kit_root(&k, 1), I(1)),
                     PRIM_FALLBACK);
    /* three keys with one hash, as the fallback methods store and look for them */
    for (size_t r = 1; r <= 3; r++) {
        kit_slots(&k, r, CLASS_ASSOCIATION, 2);
        assert_int_equal(
            KIT_RUN(&k, prim_dict_append, *kit_root(&k, 0), *kit_root(&k, r), I((int64_t)r), I(99)),
            PRIM_OK);
        assert_int_equal(k.call.result, VALUE_TRUE);
    }
    assert_int_equal(KIT_RUN(&k, prim_dict_find_hash, *kit_root(&k, 0), *kit_root(&k, 2), I(99)),
                     PRIM_OK);
    assert_int_equal(k.call.result, I(4)); /* identical: second entry, position 1 + 3 */
    kit_slots(&k, 4, CLASS_ASSOCIATION, 2);
    assert_int_equal(KIT_RUN(&k, prim_dict_find_hash, *kit_root(&k, 0), *kit_root(&k, 4), I(99)),
                     PRIM_OK);
    assert_int_equal(k.call.result, I(-1)); /* first candidate */
    assert_int_equal(KIT_RUN(&k, prim_dict_find_hash, *kit_root(&k, 0), *kit_root(&k, 4), I(98)),
                     PRIM_OK);
    assert_int_equal(k.call.result, I(0));
    KIT_CALL(&k, 5, prim_dict_candidates, *kit_root(&k, 0), I(99));
    assert_int_equal(obj_words(kit_object(&k, 5)), 3);
    assert_int_equal(KIT_RUN(&k, prim_dict_remove_at, *kit_root(&k, 0), I(4)), PRIM_OK);
    assert_int_equal(k.call.result, I(2));
    assert_int_equal(size(&k, 0), 2);
    kit_close(&k);
}

static void rehashing_a_large_dictionary_yields(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    k.slice = 100;
    k.gc_at_yield = true;
    kit_slots(&k, 0, CLASS_DICTIONARY, 3);
    for (int64_t i = 0; i < 20000; i++)
        put(&k, 0, I(i), I(i * 2));
    assert_true(k.yields > 10);
    kit_collect(&k, HEAP_GC_MAJOR, 0);
    for (int64_t i = 0; i < 20000; i++)
        assert_int_equal(at(&k, 0, I(i)), I(i * 2));
    kit_close(&k);
}

static void damaged_dictionaries_are_errors(void **state)
{
    (void)state;
    Kit k;
    kit_open(&k);
    kit_slots(&k, 0, CLASS_DICTIONARY, 3);
    for (int64_t i = 0; i < 40; i++)
        put(&k, 0, I(i), I(i));
    Value *slots = obj_slots(kit_object(&k, 0));
    Value table = slots[0], entries = slots[1], tally = slots[2];
    const Value bad[][3] = {{I(-1), entries, tally},   {I(100000), entries, tally},
                            {table, I(3), tally},      {table, entries, VALUE_NIL},
                            {entries, entries, tally}, {table, entries, I(100)},
                            {table, entries, I(-1)},   {VALUE_NIL, entries, tally}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memcpy(slots, bad[i], sizeof bad[i]);
        assert_int_equal(KIT_RUN(&k, prim_dict_at, *kit_root(&k, 0), I(3)), PRIM_ERROR);
        assert_int_equal(KIT_RUN(&k, prim_dict_at_put, *kit_root(&k, 0), I(99), I(3)), PRIM_ERROR);
    }
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_key_follows_the_model),
        cmocka_unit_test(equal_strings_are_one_key),
        cmocka_unit_test(entries_stand_in_the_order_of_insertion),
        cmocka_unit_test(nan_is_never_found_and_zeros_are_one_key),
        cmocka_unit_test(other_keys_are_left_to_the_library),
        cmocka_unit_test(rehashing_a_large_dictionary_yields),
        cmocka_unit_test(damaged_dictionaries_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
