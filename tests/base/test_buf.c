/* SPDX-License-Identifier: Apache-2.0 */
/* test_buf.c - buffers grow, stop at their limit, and remember the first failure. */
#include "testkit.h"

#include "buf.h"
#include "env_sim.h"

static void pieces_come_out_in_order(void **state)
{
    (void)state;
    EnvSim sim;
    env_sim_init(&sim, 1);
    Buf buf;
    buf_init(&buf, &sim.env, SIZE_MAX);
    assert_string_equal(buf_cstr(&buf), "");
    assert_ok(buf_puts(&buf, "a"));
    assert_ok(buf_put_byte(&buf, 'b'));
    assert_ok(buf_put_utf8(&buf, 0x20AC));
    assert_ok(buf_putf(&buf, "%d-%s", 42, "x"));
    char *room = buf_extend(&buf, 2);
    memcpy(room, "yz", 2);
    assert_string_equal(buf_cstr(&buf), "ab\xE2\x82\xAC"
                                        "42-xyz");
    for (int i = 0; i < 10000; i++)
        assert_ok(buf_putf(&buf, "%d,", i));
    assert_int_equal(buf.len, 11 + 48890);
    buf_clear(&buf);
    assert_string_equal(buf_cstr(&buf), "");
    buf_free(&buf);
    assert_int_equal(sim.bytes_live, 0);
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    for (size_t limit = 0; limit < 200; limit += 7) {
        Buf buf;
        buf_init(&buf, &env, limit);
        for (size_t i = 0; i < limit; i++)
            assert_ok(buf_put_byte(&buf, 'x'));
        assert_int_equal(strlen(buf_cstr(&buf)), limit);
        assert_status(buf_put_byte(&buf, 'x'), STATUS_LIMIT);
        assert_int_equal(buf.len, limit);
        assert_status(buf_puts(&buf, ""), STATUS_LIMIT);
        buf_clear(&buf);
        assert_ok(buf_puts(&buf, ""));
        buf_free(&buf);
    }
}

static void formatting_meets_the_limit_too(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    Buf buf;
    buf_init(&buf, &env, 4);
    assert_ok(buf_putf(&buf, "%s", "abcd"));
    assert_string_equal(buf_cstr(&buf), "abcd");
    assert_status(buf_putf(&buf, "%d", 1), STATUS_LIMIT);
    assert_string_equal(buf_cstr(&buf), "");
    buf_free(&buf);
}

static void a_failed_allocation_is_remembered(void **state)
{
    (void)state;
    EnvSim sim;
    env_sim_init(&sim, 1);
    Buf buf;
    buf_init(&buf, &sim.env, SIZE_MAX);
    assert_ok(buf_puts(&buf, "kept"));
    sim.alloc_fail_after = 1;
    assert_status(buf_reserve(&buf, 100000), STATUS_NO_MEMORY);
    sim.alloc_fail_after = 0;
    assert_status(buf_puts(&buf, "x"), STATUS_NO_MEMORY);
    assert_null(buf_extend(&buf, 1));
    assert_int_equal(buf.len, 4);
    size_t len;
    size_t cap;
    assert_null(buf_take(&buf, &len, &cap));
    buf_free(&buf);
    assert_int_equal(sim.bytes_live, 0);
}

static void what_cannot_be_encoded_is_a_failure(void **state)
{
    (void)state;
    Env env;
    env_system_init(&env);
    Buf buf;
    buf_init(&buf, &env, 100);
    assert_status(buf_put_utf8(&buf, 0xD800), STATUS_BAD_UTF8);
    assert_status(buf_puts(&buf, "x"), STATUS_BAD_UTF8);
    buf_free(&buf);
}

static void a_taken_block_belongs_to_the_taker(void **state)
{
    (void)state;
    EnvSim sim;
    env_sim_init(&sim, 1);
    Buf buf;
    buf_init(&buf, &sim.env, 100);
    assert_ok(buf_puts(&buf, "mine"));
    size_t len;
    size_t cap;
    char *block = buf_take(&buf, &len, &cap);
    assert_int_equal(len, 4);
    assert_memory_equal(block, "mine", 4);
    assert_int_equal(buf.len, 0);
    buf_free(&buf);
    env_free(&sim.env, block, cap);
    assert_int_equal(sim.bytes_live, 0);
}

TESTKIT_MAIN(cmocka_unit_test(pieces_come_out_in_order), cmocka_unit_test(the_limit_is_exact),
             cmocka_unit_test(formatting_meets_the_limit_too),
             cmocka_unit_test(a_failed_allocation_is_remembered),
             cmocka_unit_test(what_cannot_be_encoded_is_a_failure),
             cmocka_unit_test(a_taken_block_belongs_to_the_taker))
