/* SPDX-License-Identifier: Apache-2.0 */
/* mag_doctest.c - `mag doctest`: runs the ```test parts of docstrings (tooling rules T18-T20).
 *
 * Parts are collected here, in order of class and selector; each runs in a process of its own
 * (Doctest class>>run: in the library), a few at the same time.
 * Threads: the main thread; the Maggie's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "cli.h"
#include "file_tree.h"
#include "mag.h"
#include "maggie_int.h"

#define PART_TIMEOUT_MS 60000

typedef struct Part {
    char *title; /* "Array>>collect:", "Array class>>new:", "Array" */
    char *text;
    MaggiePid pid;
} Part;

typedef struct Run {
    Maggie *m;
    bool verbose;
    Part *parts;
    size_t nparts, cap;
    const char **classes; /* filter: full or short names; none: see only_loaded */
    size_t nclasses;
    uint32_t first_class; /* classes from this index on; 0: all */
    unsigned passed, failed;
} Run;

/* ---- collecting ---- */

static Bytes trim(Bytes b)
{
    while (b.len && strchr(" \t\r", b.data[0])) {
        b.data++;
        b.len--;
    }
    while (b.len && strchr(" \t\r", b.data[b.len - 1])) {
        b.len--;
    }
    return b;
}

static bool is(Bytes b, const char *word)
{
    return b.len == strlen(word) && !memcmp(b.data, word, b.len);
}

static bool add_part(Run *run, const char *title, const char *text, size_t n)
{
    if (run->nparts == run->cap) {
        size_t cap = run->cap ? run->cap * 2 : 256;
        Part *parts = realloc(run->parts, cap * sizeof *parts);
        if (!parts) {
            return false;
        }
        run->parts = parts;
        run->cap = cap;
    }
    run->parts[run->nparts++] = (Part){strdup(title), strndup(text, n), 0};
    return true;
}

/* Every ```test part of a docstring. An unclosed one runs to the end. */
static void add_doc(Run *run, const char *title, Bytes doc)
{
    const char *at = doc.data, *end = doc.data + doc.len, *start = NULL;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *next = line_end ? line_end + 1 : end;
        Bytes line = trim((Bytes){at, (size_t)((line_end ? line_end : end) - at)});
        if (!start && is(line, "```test")) {
            start = next;
        } else if (start && is(line, "```")) {
            (void)add_part(run, title, start, (size_t)(at - start));
            start = NULL;
        }
        at = next;
    }
    if (start && start < end) {
        (void)add_part(run, title, start, (size_t)(end - start));
    }
}

typedef struct Named {
    Bytes name;
    uint32_t index;   /* class */
    const Code *code; /* or method */
} Named;

static int by_name(const void *a, const void *b)
{
    Bytes x = ((const Named *)a)->name, y = ((const Named *)b)->name;
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void add_methods(Run *run, uint32_t cls)
{
    Vm *vm = run->m->vm;
    const MethodDict *dict = vm_class(vm, cls)->methods;
    Named *found = calloc(dict ? dict->count + 1 : 1, sizeof *found);
    Bytes name = vm_symbol_text(vm, vm_class(vm, cls & ~1u)->name);
    size_t n = 0;
    for (uint32_t i = 0; found && dict && i < dict->capacity && n < dict->count; i++) {
        if (dict->entries[i].selector) {
            found[n++] =
                (Named){vm_symbol_text(vm, dict->entries[i].selector), 0, dict->entries[i].code};
        }
    }
    if (n) {
        qsort(found, n, sizeof *found, by_name);
    }
    for (size_t i = 0; i < n; i++) {
        char title[600];
        snprintf(title, sizeof title, "%.*s%s>>%.*s", (int)name.len, name.data,
                 cls & 1 ? " class" : "", (int)found[i].name.len, found[i].name.data);
        add_doc(run, title, found[i].code->doc);
    }
    free(found);
}

static bool wanted(const Run *run, uint32_t index)
{
    const Class *c = vm_class(run->m->vm, index);
    if (index < run->first_class) {
        return false;
    }
    for (size_t i = 0; i < run->nclasses; i++) {
        if (is(vm_symbol_text(run->m->vm, c->name), run->classes[i]) ||
            is(vm_symbol_text(run->m->vm, c->short_name), run->classes[i])) {
            return true;
        }
    }
    return run->nclasses == 0;
}

static void collect(Run *run)
{
    Vm *vm = run->m->vm;
    uint32_t n = vm->nclasses;
    Named *classes = calloc(n + 1, sizeof *classes);
    size_t count = 0;
    for (uint32_t i = 0; classes && i < n; i += 2) {
        if (wanted(run, i)) {
            classes[count++] = (Named){vm_symbol_text(vm, vm_class(vm, i)->name), i, NULL};
        }
    }
    if (count) {
        qsort(classes, count, sizeof *classes, by_name);
    }
    for (size_t i = 0; i < count; i++) {
        char title[600];
        snprintf(title, sizeof title, "%.*s (class)", (int)classes[i].name.len,
                 classes[i].name.data);
        add_doc(run, title, vm_class(vm, classes[i].index)->doc);
        add_methods(run, classes[i].index);
        add_methods(run, classes[i].index + 1);
    }
    free(classes);
}

/* ---- running ---- */

static MaggieStatus start(Run *run, Part *part)
{
    MaggieValue text = {.kind = MAGGIE_STRING};
    text.as.text.bytes = part->text;
    text.as.text.len = strlen(part->text);
    return maggie_start_call(run->m, "Doctest", true, "run:", &text, 1, &part->pid);
}

static bool text_is(const MaggieValue *v, const char *word)
{
    return (v->kind == MAGGIE_SYMBOL || v->kind == MAGGIE_STRING) &&
           !strcmp(v->as.text.bytes, word);
}

static const char *text_of(const MaggieValue *v)
{
    return v->kind == MAGGIE_STRING ? v->as.text.bytes : "";
}

static unsigned assertions_in(const char *text)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, ">>>")); n++) {
        at = strchr(at, '\n') ? strchr(at, '\n') : at + strlen(at);
    }
    return n ? n : 1;
}

/* One outcome: {line. kind. expected or error. actual}. */
static void report_line(Run *run, const Part *part, const MaggieValue *outcome)
{
    if (outcome->kind != MAGGIE_ARRAY || outcome->as.array.count != 4) {
        return;
    }
    const MaggieValue *o = outcome->as.array.items;
    if (text_is(&o[1], "pass")) {
        run->passed++;
        if (run->verbose) {
            printf("ok   %s: %s\n", part->title, text_of(&o[0]));
        }
    } else if (text_is(&o[1], "setup")) {
        if (run->verbose) {
            printf("     %s: %s\n", part->title, text_of(&o[0]));
        }
    } else {
        run->failed++;
        printf("FAIL %s: %s\n", part->title, text_of(&o[0]));
        if (text_is(&o[1], "fail")) {
            printf("     expected: %s\n     got:      %s\n", text_of(&o[2]), text_of(&o[3]));
        } else {
            printf("     error: %s\n", text_of(&o[2]));
        }
    }
}

static void finish(Run *run, Part *part)
{
    MaggieResult *r;
    MaggieStatus status = maggie_wait(run->m, part->pid, PART_TIMEOUT_MS, &r);
    const MaggieValue *value = maggie_result_value(r);
    if (status == MAGGIE_OK && value->kind == MAGGIE_ARRAY) {
        for (size_t i = 0; i < value->as.array.count; i++) {
            report_line(run, part, &value->as.array.items[i]);
        }
    } else {
        run->failed += assertions_in(part->text);
        printf("FAIL %s: the whole part\n     error: %s%s%s\n", part->title,
               maggie_status_text(status), *maggie_result_text(r) ? ": " : "",
               maggie_result_text(r));
        if (status == MAGGIE_TIMEOUT || status == MAGGIE_DEADLOCK) {
            maggie_release(run->m, part->pid);
            maggie_terminate(run->m, part->pid, true);
        }
    }
    maggie_result_free(r);
}

#define PARTS_AT_A_TIME 16

static void run_parts(Run *run)
{
    for (size_t i = 0; i < run->nparts; i += PARTS_AT_A_TIME) {
        size_t end = i + PARTS_AT_A_TIME < run->nparts ? i + PARTS_AT_A_TIME : run->nparts;
        for (size_t k = i; k < end; k++) {
            if (start(run, &run->parts[k]) != MAGGIE_OK) {
                run->parts[k].pid = 0;
            }
        }
        for (size_t k = i; k < end; k++) {
            finish(run, &run->parts[k]);
        }
        fflush(stdout);
    }
}

/* ---- command ---- */

typedef struct Paths {
    char **paths;
    size_t count;
} Paths;

static Status add_path(void *ctx, const char *path, Bytes space)
{
    Paths *p = ctx;
    (void)space;
    char **paths = realloc(p->paths, (p->count + 1) * sizeof *paths);
    if (!paths) {
        return STATUS_NO_MEMORY;
    }
    p->paths = paths;
    p->paths[p->count] = strdup(path);
    return p->paths[p->count++] ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Arguments are files, directories, or names of classes. */
static Status sort_arguments(Run *run, Paths *files, int argc, char **argv)
{
    Status status = STATUS_OK;
    for (int i = 0; i < argc && status == STATUS_OK; i++) {
        struct stat info;
        if (!strcmp(argv[i], "-v")) {
            run->verbose = true;
        } else if (!strcmp(argv[i], "-c")) {
            continue; /* the class follows */
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "mag: unknown option: %s\n", argv[i]);
            return STATUS_BAD_ARGUMENT;
        } else if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode)) {
            status = file_tree_each(argv[i], add_path, files);
        } else if (stat(argv[i], &info) == 0 || strstr(argv[i], ".mag")) {
            status = add_path(files, argv[i], (Bytes){"", 0});
        } else {
            run->classes[run->nclasses++] = argv[i];
        }
    }
    return status;
}

static int run_all(Run *run, const Paths *files)
{
    run->first_class = files->count && !run->nclasses ? run->m->vm->nclasses & ~1u : 0;
    if (files->count &&
        maggie_load_files(run->m, (const char *const *)files->paths, files->count)) {
        return 1;
    }
    for (size_t i = 0; i < run->nclasses; i++) {
        if (!maggie_has_class(run->m, run->classes[i])) {
            fprintf(stderr, "mag: there is no class %s\n", run->classes[i]);
            return 1;
        }
    }
    collect(run);
    run_parts(run);
    printf("%u passed, %u failed\n", run->passed, run->failed);
    return run->failed ? 1 : 0;
}

int mag_doctest(int argc, char **argv)
{
    Run run = {.classes = calloc((size_t)argc + 1, sizeof *run.classes)};
    Paths files = {0};
    MaggieOptions options = {.no_warnings = true};
    int code = 2;
    if (run.classes && sort_arguments(&run, &files, argc, argv) == STATUS_OK) {
        code = 1;
        MaggieStatus status = maggie_create(&options, &run.m);
        if (status == MAGGIE_OK) {
            code = run_all(&run, &files);
            (void)maggie_destroy(run.m);
        } else {
            fprintf(stderr, "mag: %s\n", maggie_status_text(status));
        }
    }
    for (size_t i = 0; i < run.nparts; i++) {
        free(run.parts[i].title);
        free(run.parts[i].text);
    }
    for (size_t i = 0; i < files.count; i++) {
        free(files.paths[i]);
    }
    free(files.paths);
    free(run.parts);
    free(run.classes);
    return cli_close_stdout() || code ? (code ? code : 1) : 0;
}
