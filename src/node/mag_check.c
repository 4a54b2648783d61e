/* SPDX-License-Identifier: Apache-2.0 */
/* mag_check.c - `mag check` and `mag disasm`: compiling without running.
 * These look at units before they are linked, so they use the loader and not libmaggie's
 * evaluation.
 * Threads: one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "boot_image.h"
#include "cli.h"
#include "disasm.h"
#include "file_tree.h"
#include "image.h"
#include "mag.h"
#include "vm_int.h"

static void to_stream(void *ctx, const char *bytes, size_t len)
{
    (void)fwrite(bytes, 1, len, ctx);
}

/* A VM with the library, not started. NULL (with a message) when it cannot be made. */
static Vm *open_vm(Env *env)
{
    Vm *vm;
    char error[256] = "";
    env_system_init(env);
    VmConfig config = {.env = env, .schedulers = 1};
    Status status = vm_create(&config, &vm);
    if (status != STATUS_OK) {
        fprintf(stderr, "mag: %s\n", status_text(status));
        return NULL;
    }
    status = image_load(vm, vm->outside, maggie_boot_image, maggie_boot_image_size,
                        IMAGE_TRUSTED | IMAGE_BOOT, error, sizeof error);
    if (status != STATUS_OK) {
        fprintf(stderr, "mag: the class library cannot be loaded: %s\n", error);
        vm_destroy(vm);
        return NULL;
    }
    vm->boot_done = true;
    return vm;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static Status add_path(void *ctx, const char *path, Bytes space)
{
    Status status = loader_add_file(ctx, path, space);
    return status == STATUS_NO_MEMORY ? status : STATUS_OK; /* reported; the loader counts */
}

static Status add_argument(Loader *loader, const char *path)
{
    if (!is_folder(path)) {
        return add_path(loader, path, (Bytes){"", 0});
    }
    Status status = file_tree_each(path, add_path, loader);
    if (status == STATUS_NOT_FOUND) {
        fprintf(stderr, "%s: error: cannot read the directory\n", path);
    }
    return status;
}

/* ---- check ---- */

int mag_check(int argc, char **argv)
{
    Env env;
    bool strict = argc > 0 && (!strcmp(argv[0], "--strict") || !strcmp(argv[0], "-strict"));
    argc -= strict;
    argv += strict;
    if (argc == 0 || argv[0][0] == '-') {
        fputs("Usage: mag check [--strict] FILE|DIR...\n", stderr);
        return 2;
    }
    Vm *vm = open_vm(&env);
    if (!vm) {
        return 1;
    }
    LoaderOptions options = {.strict = strict, .check_only = true, .sink = {to_stream, stderr}};
    Loader *loader = loader_new(vm, vm->outside, &options);
    Status status = loader ? STATUS_OK : STATUS_NO_MEMORY;
    for (int i = 0; i < argc && status == STATUS_OK; i++) {
        status = add_argument(loader, argv[i]);
    }
    if (status == STATUS_OK) {
        status = loader_run(loader);
    }
    if (loader) {
        if (loader_error_count(loader) > 0) {
            uint32_t n = loader_error_count(loader);
            fprintf(stderr, "%u error%s\n", n, n == 1 ? "" : "s");
        }
        loader_free(loader);
    }
    if (status != STATUS_OK && status != STATUS_SYNTAX) {
        fprintf(stderr, "mag: %s\n", status_text(status));
    }
    vm_destroy(vm);
    return status == STATUS_OK ? 0 : 1;
}

/* ---- disasm ---- */

static void show_unit(void *ctx, Bytes owner, bool class_side, const CodeUnit *unit, Bytes file,
                      uint32_t line)
{
    (void)ctx;
    printf("%.*s%s>>%.*s  (%.*s:%u)\n", (int)owner.len, owner.data, class_side ? " class" : "",
           (int)unit->selector.len, unit->selector.data, (int)file.len, file.data, line);
    if (unit->is_primitive) {
        puts("  primitive");
    } else {
        disasm_unit(unit, (LangSink){to_stream, stdout});
    }
    puts("");
}

static bool disasm_file(Vm *vm, const char *path)
{
    LoaderTap tap = {.method = show_unit};
    LoaderOptions options = {.no_warnings = true, .sink = {to_stream, stderr}, .tap = &tap};
    Loader *loader = loader_new(vm, vm->outside, &options);
    Status status = loader ? loader_add_file(loader, path, (Bytes){"", 0}) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        status = loader_run(loader);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < loader_script_count(loader); i++) {
        const CodeUnit *unit = loader_script_unit(loader, i);
        if (unit) {
            printf("statements of %s\n", path);
            disasm_unit(unit, (LangSink){to_stream, stdout});
        }
    }
    if (loader) {
        loader_free(loader);
    }
    return status == STATUS_OK;
}

/* `Class>>selector` or `Class class>>selector`: compiled again from its source. */
static bool disasm_method(Vm *vm, const char *name)
{
    static const char class_word[] = " class";
    const char *arrow = strstr(name, ">>");
    size_t n = (size_t)(arrow - name);
    bool class_side = n > 6 && !memcmp(name + n - 6, class_word, 6);
    Bytes cls_name = {name, class_side ? n - 6 : n}, selector = {arrow + 2, strlen(arrow + 2)};
    uint32_t cls = class_find(vm, cls_name),
             symbol = symtab_lookup(vm->symtab, selector.data, selector.len);
    const Code *code = NULL;
    if (cls != CLASS_NONE && symbol) {
        code = vm_lookup(vm, class_side ? cls | 1u : cls, symbol);
    }
    if (!code) {
        fprintf(stderr, "mag: there is no method %s\n", name);
        return false;
    }
    Buf report;
    CodeUnit *unit = NULL;
    bool side;
    buf_init(&report, vm->env, 1 << 20);
    Status status = loader_compile_unit(vm, code->owner, code->source, &unit, &side, &report);
    if (status == STATUS_OK) {
        Bytes owner = vm_symbol_text(vm, vm_class(vm, code->owner & ~1u)->name);
        show_unit(NULL, owner, code->owner & 1, unit, (Bytes){code->file, strlen(code->file)},
                  code->line);
        code_unit_free(unit);
    } else {
        fprintf(stderr, "%s\n", buf_cstr(&report));
    }
    buf_free(&report);
    return status == STATUS_OK;
}

int mag_disasm(int argc, char **argv)
{
    Env env;
    if (argc == 0) {
        fputs("Usage: mag disasm FILE|CLASS>>SELECTOR...\n", stderr);
        return 2;
    }
    Vm *vm = open_vm(&env);
    bool ok = vm != NULL;
    for (int i = 0; vm && i < argc; i++) {
        ok = (strstr(argv[i], ">>") ? disasm_method(vm, argv[i]) : disasm_file(vm, argv[i])) && ok;
    }
    if (vm) {
        vm_destroy(vm);
    }
    return cli_close_stdout() || !ok;
}
