/* SPDX-License-Identifier: Apache-2.0 */
/* main_boot.c - mag-boot: compiles the class library into the boot image, while building only.
 *
 *     mag-boot IMAGE ASSEMBLY DEPENDENCIES FOLDER
 *
 * writes the image, an assembly file that embeds it, and what they depend on, for ninja. The *.mag
 * files of the folder are one batch, in sorted order, so that equal sources give equal images.
 * Threads: one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_tree.h"
#include "image.h"

static void to_stderr(void *ctx, const char *bytes, size_t len)
{
    (void)ctx;
    fwrite(bytes, 1, len, stderr);
}

typedef struct Sources {
    Loader *loader;
    Buf paths; /* for the dependencies */
    Status status;
} Sources;

/* All files are looked at, also after one with errors. */
static Status add(void *ctx, const char *path, Bytes space)
{
    Sources *s = ctx;
    Status status = loader_add_file(s->loader, path, space);
    s->status = s->status == STATUS_OK ? status : s->status;
    return buf_putf(&s->paths, " \\\n  %s", path);
}

static Status compile(Vm *vm, const char *folder, Buf *out, Buf *paths)
{
    ImageWriter *writer = image_writer_new(vm->env);
    if (!writer) {
        return STATUS_NO_MEMORY;
    }
    LoaderOptions options = {
        .boot = true, .sink = {to_stderr, NULL}, .tap = image_writer_tap(writer)};
    Loader *loader = loader_new(vm, vm->outside, &options);
    Sources sources = {.loader = loader};
    buf_init(&sources.paths, vm->env, SIZE_MAX);
    Status status = loader ? file_tree_each(folder, add, &sources) : STATUS_NO_MEMORY;
    status = status == STATUS_OK ? sources.status : status;
    *paths = sources.paths;
    if (status == STATUS_OK) {
        status = loader_run(loader);
    }
    if (status == STATUS_OK) {
        status = image_write(writer, out);
    }
    if (loader) {
        loader_free(loader);
    }
    image_writer_free(writer);
    return status;
}

static bool write_file(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(bytes, 1, n, f) == n;
    ok = f && fclose(f) == 0 && ok;
    if (!ok) {
        fprintf(stderr, "mag-boot: cannot write %s\n", path);
    }
    return ok;
}

static bool write_assembly(const char *path, const char *image, size_t n)
{
    char text[8192];
    char *full = realpath(image, NULL);
    int len = snprintf(text, sizeof text,
                       "    .section .rodata\n"
                       "    .global maggie_boot_image\n"
                       "    .global maggie_boot_image_size\n"
                       "    .balign 16\n"
                       "maggie_boot_image:\n"
                       "    .incbin \"%s\"\n"
                       "    .balign 8\n"
                       "maggie_boot_image_size:\n"
                       "    .quad %zu\n"
                       "    .section .note.GNU-stack,\"\",%%progbits\n",
                       full ? full : image, n);
    free(full);
    return len > 0 && len < (int)sizeof text && write_file(path, text, (size_t)len);
}

/* The folder is one of them: its time changes when a file comes or goes. */
static bool write_dependencies(const char *path, const char *image, const char *folder, Buf *paths)
{
    Buf text;
    buf_init(&text, paths->env, SIZE_MAX);
    (void)buf_putf(&text, "%s: \\\n  %s%s\n", image, folder, buf_cstr(paths));
    bool ok = text.status == STATUS_OK && write_file(path, text.data, text.len);
    buf_free(&text);
    return ok;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: mag-boot IMAGE ASSEMBLY DEPENDENCIES FOLDER\n");
        return 2;
    }
    Env env;
    env_system_init(&env);
    Vm *vm;
    VmConfig config = {.env = &env, .schedulers = 1};
    Status status = vm_create(&config, &vm);
    if (status != STATUS_OK) {
        fprintf(stderr, "mag-boot: %s\n", status_text(status));
        return 1;
    }
    Buf image, paths;
    buf_init(&image, &env, IMAGE_MAX_BYTES);
    buf_init(&paths, &env, SIZE_MAX);
    status = compile(vm, argv[4], &image, &paths);
    bool ok = status == STATUS_OK && write_file(argv[1], image.data, image.len) &&
              write_assembly(argv[2], argv[1], image.len) &&
              write_dependencies(argv[3], argv[1], argv[4], &paths);
    if (status != STATUS_OK) {
        fprintf(stderr, "mag-boot: %s\n", status_text(status));
    }
    buf_free(&image);
    buf_free(&paths);
    vm_destroy(vm);
    return ok ? 0 : 1;
}
