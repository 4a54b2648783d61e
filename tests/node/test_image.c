/* SPDX-License-Identifier: Apache-2.0 */
/* test_image.c - images: equal input gives equal bytes, what is written can be read, damage is
 * found, loading is quick. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_image.h"
#include "image.h"
#include "image_int.h"

static void no_text(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
}

static const char source[] =
    "Pair subclass: Object\n"
    "  instanceVars: left right\n"
    "  classVars: Count\n"
    "  include: Comparable\n"
    "  method: left [ ^left ]\n"
    "  \"\"\"Adds them.\"\"\"\n"
    "  method: sum [ | t | t := left + right. ^#(1 2.5 'x' #y $z (3 nil)) size + t ]\n"
    "  method: < other [ ^self sum < other sum ]\n"
    "  method: find: n in: list [ list do: [:e | e = n ifTrue: [^e]]. "
    "^123456789012345678901234567890 ]\n"
    "  classMethod: left: a right: b [ Count := 1. ^self new setLeft: a right: b ]\n"
    "  method: setLeft: a right: b [ left := a. right := b ]\n"
    "Twice trait\n"
    "  method: twice [ ^self + self ]\n";

static Env env;

static Vm *open_vm(bool with_library)
{
    Vm *vm;
    char error[256];
    env_system_init(&env);
    VmConfig config = {.env = &env, .schedulers = 1};
    assert_int_equal(vm_create(&config, &vm), STATUS_OK);
    if (with_library)
        assert_int_equal(image_load(vm, vm->outside, maggie_boot_image, maggie_boot_image_size,
                                    IMAGE_TRUSTED | IMAGE_BOOT, error, sizeof error),
                         STATUS_OK);
    return vm;
}

static void write_image(Buf *out)
{
    Vm *vm = open_vm(true);
    ImageWriter *w = image_writer_new(&env);
    LoaderOptions options = {
        .no_warnings = true, .sink = {no_text, NULL}, .tap = image_writer_tap(w)};
    Loader *loader = loader_new(vm, vm->outside, &options);
    assert_int_equal(
        loader_add(loader, (Bytes){"pair.mag", 8}, (Bytes){source, strlen(source)}, (Bytes){"", 0}),
        STATUS_OK);
    assert_int_equal(loader_run(loader), STATUS_OK);
    buf_init(out, &env, SIZE_MAX);
    assert_int_equal(image_write(w, out), STATUS_OK);
    loader_free(loader);
    image_writer_free(w);
    vm_destroy(vm);
}

static void equal_sources_give_equal_bytes(void **state)
{
    (void)state;
    Buf a, b;
    write_image(&a);
    write_image(&b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    Buf image;
    char error[256];
    write_image(&image);
    Vm *vm = open_vm(true);
    assert_int_equal(image_load(vm, vm->outside, image.data, image.len, 0, error, sizeof error),
                     STATUS_OK);
    uint32_t cls = class_find(vm, (Bytes){"Pair", 4});
    assert_int_not_equal(cls, CLASS_NONE);
    assert_int_equal(class_slot_index(vm, cls, (Bytes){"right", 5}), 1);
    uint32_t symbol = symtab_lookup(vm->symtab, "sum", 3);
    const Code *code = class_own_method(vm, cls, symbol);
    assert_non_null(code);
    assert_int_equal(code->doc.len, strlen("Adds them."));
    assert_non_null(class_own_method(vm, cls | 1u, symtab_lookup(vm->symtab, "left:right:", 11)));
    buf_free(&image);
    vm_destroy(vm);
}

/* The whole library passes the checks that images from outside go through. */
static void the_library_passes_the_checks_for_strangers(void **state)
{
    (void)state;
    char error[256];
    Vm *vm = open_vm(false);
    Status status = image_load(vm, vm->outside, maggie_boot_image, maggie_boot_image_size,
                               IMAGE_BOOT, error, sizeof error);
    if (status != STATUS_OK)
        fail_msg("%s", error);
    vm_destroy(vm);
}

static Status load_changed(const Buf *image, size_t len, char *error, size_t n)
{
    Vm *vm = open_vm(true);
    Status status = image_load(vm, vm->outside, image->data, len, 0, error, n);
    vm_destroy(vm);
    return status;
}

static void put_checksum(Buf *image)
{
    unsigned char *p = (unsigned char *)image->data;
    uint64_t sum = image_checksum(p + IMAGE_HEADER_BYTES, image->len - IMAGE_HEADER_BYTES);
    for (unsigned i = 0; i < 8; i++)
        p[24 + i] = (unsigned char)(sum >> (8 * i));
}

static void damage_is_found(void **state)
{
    (void)state;
    Buf image;
    char error[256];
    write_image(&image);
    assert_int_equal(load_changed(&image, image.len - 1, error, sizeof error), STATUS_BAD_IMAGE);
    assert_int_equal(load_changed(&image, 10, error, sizeof error), STATUS_BAD_IMAGE);
    image.data[image.len / 2] ^= 1;
    assert_int_equal(load_changed(&image, image.len, error, sizeof error), STATUS_BAD_IMAGE);
    assert_string_equal(error, "the image's checksum is wrong");
    image.data[image.len / 2] ^= 1;
    image.data[8] ^= 1;
    assert_int_equal(load_changed(&image, image.len, error, sizeof error), STATUS_BAD_IMAGE);
    buf_free(&image);
}

/* An instruction of the image that stores slot 1 of self: its bytes, or NULL. */
static char *find_store(const Buf *image)
{
    for (size_t i = IMAGE_HEADER_BYTES; i + 8 <= image->len; i++) {
        const unsigned char *p = (const unsigned char *)image->data + i;
        if (p[0] == OP_SETF && p[1] == 0 && p[4] == 1 && !p[5] && !p[6] && !p[7])
            return image->data + i;
    }
    return NULL;
}

static void a_variable_that_is_not_there_is_refused(void **state)
{
    (void)state;
    Buf image;
    char error[256];
    write_image(&image);
    char *store = find_store(&image);
    assert_non_null(store);
    put_checksum(&image);
    assert_int_equal(load_changed(&image, image.len, error, sizeof error), STATUS_OK);
    store[4] = 2; /* Pair has two */
    put_checksum(&image);
    assert_int_equal(load_changed(&image, image.len, error, sizeof error), STATUS_BAD_IMAGE);
    assert_non_null(strstr(error, "a method names a variable that is not there"));
    store[4] = 1;
    store[1] = 1; /* an argument in place of self */
    put_checksum(&image);
    assert_int_equal(load_changed(&image, image.len, error, sizeof error), STATUS_BAD_IMAGE);
    assert_non_null(strstr(error, "a method does not pass verification"));
    buf_free(&image);
}

/* Bytes changed one at a time, the checksum put right: an error or a load, never more. */
static void any_changed_byte_is_survived(void **state)
{
    (void)state;
    Buf image;
    char error[256];
    write_image(&image);
    Vm *vm = open_vm(true);
    for (size_t i = IMAGE_HEADER_BYTES; i < image.len; i += 3) {
        static const char flips[] = {1, (char)0x80, (char)0xFF};
        char old = image.data[i];
        image.data[i] ^= flips[i % 3];
        put_checksum(&image);
        Status status = image_load(vm, vm->outside, image.data, image.len, 0, error, sizeof error);
        assert_true(status == STATUS_OK || error[0]);
        image.data[i] = old;
    }
    vm_destroy(vm);
    buf_free(&image);
}

static void loading_the_library_is_quick(void **state)
{
    (void)state;
    uint64_t best = UINT64_MAX;
    char error[256];
    for (int i = 0; i < 5; i++) {
        Vm *vm = open_vm(false);
        uint64_t start = env_now_ns(&env);
        assert_int_equal(image_load(vm, vm->outside, maggie_boot_image, maggie_boot_image_size,
                                    IMAGE_TRUSTED | IMAGE_BOOT, error, sizeof error),
                         STATUS_OK);
        uint64_t took = env_now_ns(&env) - start;
        best = took < best ? took : best;
        vm_destroy(vm);
    }
    print_message("%zu bytes of image in %.2f ms\n", (size_t)maggie_boot_image_size,
                  (double)best / 1e6);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sources_give_equal_bytes),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(the_library_passes_the_checks_for_strangers),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(a_variable_that_is_not_there_is_refused),
        cmocka_unit_test(any_changed_byte_is_survived),
        cmocka_unit_test(loading_the_library_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
