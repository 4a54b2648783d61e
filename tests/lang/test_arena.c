/* SPDX-License-Identifier: Apache-2.0 */
/* test_arena.c - memory of syntax trees: alignment, limits, lack of memory.
 * Threads: one. */
#include "lang_test.h"

#include <stdalign.h>

static void pieces_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    LangArena a;
    lang_arena_init(&a, lang_allocator_malloc(), 0);
    char *before = NULL;
    for (size_t n = 0; n < 3000; n++) {
        char *p = lang_arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        assert_ptr_not_equal(p, before);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, n);
        before = p;
    }
    lang_arena_free(&a);
    assert_int_equal(a.bytes, 0);
    assert_non_null(lang_arena_alloc(&a, 10));
    lang_arena_free(&a);
}

static void the_limit_and_overflow_are_refused(void **state)
{
    (void)state;
    LangArena a;
    lang_arena_init(&a, lang_allocator_malloc(), 8192);
    assert_non_null(lang_arena_alloc(&a, 100));
    assert_false(a.failed);
    assert_null(lang_arena_alloc(&a, 8192));
    assert_true(a.failed);
    assert_non_null(lang_arena_alloc(&a, 100));
    assert_null(lang_arena_alloc(&a, SIZE_MAX));
    assert_null(lang_arena_alloc(&a, SIZE_MAX - 100));
    assert_null(lang_arena_array(&a, SIZE_MAX / 4, 8));
    lang_arena_free(&a);
}

static void copies_have_a_hidden_nul(void **state)
{
    (void)state;
    LangArena a;
    lang_arena_init(&a, lang_allocator_malloc(), 0);
    LangText t = lang_arena_copy(&a, "a\0b", 3);
    assert_int_equal(t.len, 3);
    assert_memory_equal(t.ptr, "a\0b", 4);
    lang_arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_zeroed_and_apart),
        cmocka_unit_test(the_limit_and_overflow_are_refused),
        cmocka_unit_test(copies_have_a_hidden_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
