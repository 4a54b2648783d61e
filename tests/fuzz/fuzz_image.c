/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_image.c - the image reader takes any bytes. The checksum is put right before each load, or
 * no
 * input would ever get behind the header. Without libFuzzer main() loads the files named as
 * arguments. */
#include <stdio.h>
#include <stdlib.h>

#include "image_int.h"

static void load(const unsigned char *bytes, size_t n)
{
    Env env;
    Vm *vm;
    char error[256];
    env_system_init(&env);
    VmConfig config = {.env = &env, .schedulers = 1};
    if (vm_create(&config, &vm) != STATUS_OK)
        abort();
    Status status = image_load(vm, vm->outside, bytes, n, 0, error, sizeof error);
    if (status != STATUS_OK && !error[0])
        abort(); /* a refusal says why */
    vm_destroy(vm);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    unsigned char *image = malloc(IMAGE_HEADER_BYTES + n);
    uint64_t fields[3] = {(uint64_t)image_fingerprint() << 32 | IMAGE_VERSION, n,
                          image_checksum(data, n)};
    if (!image)
        return 0;
    memcpy(image, IMAGE_MAGIC, 8);
    for (unsigned f = 0; f < 3; f++)
        for (unsigned i = 0; i < 8; i++)
            image[8 + 8 * f + i] = (unsigned char)(fields[f] >> (8 * i));
    memcpy(image + IMAGE_HEADER_BYTES, data, n);
    load(image, IMAGE_HEADER_BYTES + n);
    free(image);
    return 0;
}

#ifndef MAGGIE_FUZZ
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f)
            return 1;
        static const size_t max = 1 << 20;
        unsigned char *bytes = malloc(max);
        size_t n = bytes ? fread(bytes, 1, max, f) : 0;
        fclose(f);
        if (bytes)
            (void)LLVMFuzzerTestOneInput(bytes, n);
        free(bytes);
    }
    return 0;
}
#endif
