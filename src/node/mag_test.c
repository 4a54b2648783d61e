/* SPDX-License-Identifier: Apache-2.0 */
/* mag_test.c - `mag test`: runs scripts that say in comments what they print.
 *
 *     # expect: TEXT          the next line of standard output is TEXT
 *     # expect error: TEXT    the script does not compile, or ends with an error; the message
 * holds TEXT
 *     # expect status: N      the script ends with System exit: N
 *     # expect warning: TEXT  a compile warning holds TEXT
 *     # options: +S 1         understood: +S N, -strict
 *
 * Each file runs in a machine of its own.
 * Threads: the main thread; callbacks on threads of the machine, under `lock`. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cli.h"
#include "mag.h"

/* Against hanging only: under collector stress a script may take minutes. */
#define TEST_TIMEOUT_MS 900000
#define TEXT_MAX ((size_t)64 << 20)

typedef struct Test {
    const char *path;
    Env env;
    Buf source, expected, output, complaints;
    pthread_mutex_t lock; /* guards output and complaints */
    char *error;          /* expected; NULL: none */
    char *warning;
    int status; /* expected of System exit:; -1: none */
    MaggieOptions options;
} Test;

static int take_output(void *ctx, MaggieStream stream, const char *bytes, size_t n)
{
    Test *t = ctx;
    pthread_mutex_lock(&t->lock);
    (void)buf_put(stream == MAGGIE_STDOUT ? &t->output : &t->complaints, bytes, n);
    pthread_mutex_unlock(&t->lock);
    return 0;
}

static void take_diagnostics(void *ctx, const char *bytes, size_t n)
{
    (void)take_output(ctx, MAGGIE_STDERR, bytes, n);
}

static void take_log(void *ctx, const char *line, size_t n)
{
    take_diagnostics(ctx, line, n);
    take_diagnostics(ctx, "\n", 1);
}

/* The text behind `key` when the line is such a comment; NULL otherwise. */
static char *after(const char *line, size_t n, const char *key)
{
    size_t k = strlen(key);
    while (n && (*line == ' ' || *line == '\t')) {
        line++;
        n--;
    }
    if (n < k || memcmp(line, key, k) != 0) {
        return NULL;
    }
    line += k;
    n -= k;
    if (n && *line == ' ') {
        line++;
        n--;
    }
    return strndup(line, n);
}

static void take_options(Test *t, const char *text)
{
    const char *schedulers = strstr(text, "+S ");
    if (schedulers) {
        t->options.schedulers = (unsigned)atoi(schedulers + 3);
    }
    t->options.strict = strstr(text, "-strict") != NULL;
}

static void take_line(Test *t, const char *line, size_t n)
{
    char *text;
    if ((text = after(line, n, "# expect:"))) {
        (void)buf_puts(&t->expected, text);
        (void)buf_put_byte(&t->expected, '\n');
        free(text);
    } else if ((text = after(line, n, "# expect error:"))) {
        free(t->error);
        t->error = text;
    } else if ((text = after(line, n, "# expect warning:"))) {
        free(t->warning);
        t->warning = text;
    } else if ((text = after(line, n, "# expect status:"))) {
        t->status = atoi(text);
        free(text);
    } else if ((text = after(line, n, "# options:"))) {
        take_options(t, text);
        free(text);
    }
}

static bool read_expectations(Test *t)
{
    FILE *in = fopen(t->path, "rb");
    char chunk[65536];
    size_t n;
    if (!in) {
        return false;
    }
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0) {
        (void)buf_put(&t->source, chunk, n);
    }
    fclose(in);
    const char *at = buf_cstr(&t->source), *end = at + t->source.len;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        take_line(t, at, (size_t)(line_end - at));
        at = line_end + 1;
    }
    return true;
}

/* How the script ended, as text in `complaints`. */
static int run_script(Test *t)
{
    Maggie *m;
    MaggiePid pid;
    MaggieResult *r = NULL;
    int status = -1;
    t->options.ctx = t;
    t->options.output = take_output;
    t->options.diagnostics = take_diagnostics;
    t->options.log = take_log;
    MaggieStatus end = maggie_create(&t->options, &m);
    if (end != MAGGIE_OK) {
        (void)buf_puts(&t->complaints, maggie_status_text(end));
        return -1;
    }
    end = maggie_load_files(m, &t->path, 1);
    if (end == MAGGIE_OK) {
        end = maggie_start_script(m, &pid);
        end = end == MAGGIE_OK ? maggie_wait(m, pid, TEST_TIMEOUT_MS, &r) : MAGGIE_OK;
        if (!(end == MAGGIE_EXITED && maggie_exit_requested(m, &status)) && end != MAGGIE_OK) {
            cli_report(m, end, r);
        }
    }
    maggie_result_free(r);
    (void)maggie_destroy(m);
    return end == MAGGIE_OK || end == MAGGIE_EXITED ? status : -2;
}

static void show(const char *title, const Buf *text)
{
    printf("  %s:\n", title);
    const char *at = text->len ? text->data : "", *end = at + text->len;
    for (unsigned lines = 0; at < end && lines < 40; lines++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        printf("    | %.*s\n", (int)(line_end - at), at);
        at = line_end + 1;
    }
}

static bool judge(Test *t, int status)
{
    const char *complaints = buf_cstr(&t->complaints);
    bool ok = true;
    if (t->output.len != t->expected.len ||
        (t->output.len && memcmp(t->output.data, t->expected.data, t->output.len) != 0)) {
        show("expected output", &t->expected);
        show("output", &t->output);
        ok = false;
    }
    if (t->error ? status != -2 || !strstr(complaints, t->error) : status == -2) {
        printf("  expected %s%s\n", t->error ? "the error " : "no error", t->error ? t->error : "");
        ok = false;
    }
    if (t->warning && !strstr(complaints, t->warning)) {
        printf("  expected the warning %s\n", t->warning);
        ok = false;
    }
    if (t->status != -1 && status != t->status) {
        printf("  expected exit status %d, got %d\n", t->status, status);
        ok = false;
    }
    if (!ok && t->complaints.len) {
        show("complaints", &t->complaints);
    }
    return ok;
}

static bool test_file(const char *path)
{
    Test t = {.path = path, .status = -1};
    env_system_init(&t.env);
    Buf *bufs[] = {&t.source, &t.expected, &t.output, &t.complaints};
    for (size_t i = 0; i < 4; i++) {
        buf_init(bufs[i], &t.env, TEXT_MAX);
    }
    pthread_mutex_init(&t.lock, NULL);
    bool ok = false;
    if (!read_expectations(&t)) {
        printf("  cannot read %s\n", path);
    } else {
        int status = run_script(&t);
        ok = judge(&t, status);
    }
    for (size_t i = 0; i < 4; i++) {
        buf_free(bufs[i]);
    }
    pthread_mutex_destroy(&t.lock);
    free(t.error);
    free(t.warning);
    return ok;
}

int mag_test(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    bool verbose = argc > 0 && !strcmp(argv[0], "-v");
    for (int i = verbose; i < argc; i++) {
        bool ok = test_file(argv[i]);
        passed += ok;
        failed += !ok;
        if (!ok || verbose) {
            printf("%s %s\n", ok ? "ok  " : "FAIL", argv[i]);
        }
        fflush(stdout);
    }
    if (passed + failed == 0) {
        fputs("Usage: mag test [-v] FILE...\n", stderr);
        return 2;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return cli_close_stdout() || failed ? 1 : 0;
}
