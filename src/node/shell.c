/* SPDX-License-Identifier: Apache-2.0 */
/* shell.c - see shell.h.
 *
 * Lines are read with libedit when standard input and output are terminals, plainly otherwise. Both
 * wait with poll(2) on the input and on a pipe that shell_interrupt writes to, so that Ctrl-C,
 * taken by the program's signal thread, reaches a reader that waits.
 * Threads: as shell.h; `lock` guards what the signal thread looks at. */
#include "shell.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef MAGGIE_LIBEDIT
#include <histedit.h>
#endif

#include "cli.h"
#include "code.h"
#include "parser.h"

#define SHELL_LINE_MAX ((size_t)16 << 20)
#define SHELL_HISTORY 1000

typedef enum { READ_LINE, READ_END, READ_CANCELLED } ReadState;

struct Shell {
    Maggie *m;
    pthread_mutex_t lock;   /* guards the next three */
    MaggieSession *session; /* written by the main thread alone, which reads it without the lock */
    bool evaluating;
    bool ending; /* told to end: shell_end */
    int wake[2]; /* pipe: a byte for each Ctrl-C at the prompt */
    bool terminal;
    char *text; /* statements being typed */
    size_t len, cap;
    char *pending; /* plain input that has been read but not used */
    size_t npending, pending_cap;
    bool eof;
    bool cancelled;
#ifdef MAGGIE_LIBEDIT
    EditLine *edit;
    History *history;
#endif
};

static bool append(char **block, size_t *len, size_t *cap, const char *bytes, size_t n)
{
    if (*len + n > SHELL_LINE_MAX) {
        return false;
    }
    if (*len + n + 1 > *cap) {
        size_t bigger = (*len + n + 1) * 2;
        char *p = realloc(*block, bigger);
        if (!p) {
            return false;
        }
        *block = p;
        *cap = bigger;
    }
    memcpy(*block + *len, bytes, n);
    *len += n;
    (*block)[*len] = 0;
    return true;
}

/* Waits for input. READ_CANCELLED after Ctrl-C. */
static ReadState wait_input(Shell *s)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = s->wake[0], .events = POLLIN}};
    while (poll(fds, 2, -1) < 0) {
        if (errno != EINTR) {
            return READ_END;
        }
    }
    if (fds[1].revents & POLLIN) {
        char byte[16];
        (void)!read(s->wake[0], byte, sizeof byte);
        return READ_CANCELLED;
    }
    return READ_LINE;
}

/* ---- plain input ---- */

/* One line without its end, appended to s->text with a line feed. */
static ReadState read_plain(Shell *s)
{
    for (;;) {
        char *end = s->npending ? memchr(s->pending, '\n', s->npending) : NULL;
        if (end || (s->eof && s->npending)) {
            size_t n = end ? (size_t)(end - s->pending) : s->npending;
            size_t used = end ? n + 1 : n;
            bool fits = append(&s->text, &s->len, &s->cap, s->pending, n) &&
                        append(&s->text, &s->len, &s->cap, "\n", 1);
            memmove(s->pending, s->pending + used, s->npending - used);
            s->npending -= used;
            return fits ? READ_LINE : READ_CANCELLED;
        }
        if (s->eof) {
            return READ_END;
        }
        ReadState state = wait_input(s);
        if (state != READ_LINE) {
            return state;
        }
        char chunk[4096];
        ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
        if (n <= 0) {
            s->eof = n == 0 || errno != EINTR;
        } else if (!append(&s->pending, &s->npending, &s->pending_cap, chunk, (size_t)n)) {
            cli_error(s->m, "error: the line is too long\n");
            s->npending = 0;
        }
    }
}

/* ---- terminal ---- */

#ifdef MAGGIE_LIBEDIT
static char *edit_prompt(EditLine *edit)
{
    Shell *s;
    el_get(edit, EL_CLIENTDATA, &s);
    return (char *)(uintptr_t)(s->len ? ".. " : ">> "); /* libedit only reads it */
}

static int edit_getc(EditLine *edit, wchar_t *out)
{
    Shell *s;
    el_get(edit, EL_CLIENTDATA, &s);
    unsigned char bytes[4];
    size_t n = 0, want = 1;
    while (n < want) {
        ReadState state = wait_input(s);
        if (state == READ_CANCELLED) {
            s->cancelled = true;
            return -1;
        }
        ssize_t got = state == READ_END ? 0 : read(STDIN_FILENO, bytes + n, 1);
        if (got <= 0) {
            return 0;
        }
        if (n++ == 0) {
            want = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
        }
    }
    uint32_t c = want == 1   ? bytes[0]
                 : want == 2 ? bytes[0] & 0x1Fu
                 : want == 3 ? bytes[0] & 0xFu
                             : bytes[0] & 7u;
    for (size_t i = 1; i < want; i++) {
        c = c << 6 | (bytes[i] & 0x3Fu);
    }
    *out = (wchar_t)c;
    return 1;
}

static void edit_open(Shell *s)
{
    HistEvent event;
    s->edit = el_init("maggie-erl", stdin, stdout, stderr);
    s->history = history_init();
    if (!s->edit || !s->history) {
        return;
    }
    history(s->history, &event, H_SETSIZE, SHELL_HISTORY);
    el_set(s->edit, EL_CLIENTDATA, s);
    el_set(s->edit, EL_PROMPT, edit_prompt);
    el_set(s->edit, EL_EDITOR, "emacs");
    el_set(s->edit, EL_SIGNAL, 0);
    el_set(s->edit, EL_HIST, history, s->history);
    el_set(s->edit, EL_GETCFN, edit_getc);
}

static ReadState read_edited(Shell *s)
{
    HistEvent event;
    int n = 0;
    s->cancelled = false;
    const char *line = el_gets(s->edit, &n);
    if (!line || n <= 0) {
        return s->cancelled ? READ_CANCELLED : READ_END;
    }
    if (n > 1) {
        history(s->history, &event, H_ENTER, line);
    }
    return append(&s->text, &s->len, &s->cap, line, (size_t)n) ? READ_LINE : READ_CANCELLED;
}
#endif

static ReadState read_line(Shell *s)
{
    (void)maggie_write(s->m, MAGGIE_STDOUT, "", 0); /* what processes have written comes first */
    (void)maggie_write(s->m, MAGGIE_STDERR, "", 0);
#ifdef MAGGIE_LIBEDIT
    if (s->edit) {
        return read_edited(s);
    }
#endif
    if (s->terminal) {
        (void)maggie_write(s->m, MAGGIE_STDOUT, s->len ? ".. " : ">> ", 3);
    }
    return read_plain(s);
}

/* ---- commands and evaluation ---- */

static const char help[] =
    "Statements are evaluated when they are complete; the value of the last one is printed.\n"
    "Variables that you assign stay. Ctrl-C forgets the input or stops what runs.\n"
    "  :help         this text\n"
    "  :quit, exit   leave (also Ctrl-D)\n"
    "  Array help            what a class understands\n"
    "  Array help: #collect: what a method is for\n";

/* The text without white space at both ends; not NUL-terminated. */
static Bytes trimmed(const Shell *s)
{
    size_t from = 0, to = s->len;
    while (from < to && strchr(" \t\r\n", s->text[from])) {
        from++;
    }
    while (to > from && strchr(" \t\r\n", s->text[to - 1])) {
        to--;
    }
    return (Bytes){s->text + from, to - from};
}

static bool is_word(Bytes b, const char *word)
{
    return b.len == strlen(word) && !memcmp(b.data, word, b.len);
}

/* Replaces the session by a new one. False: the shell ends. */
static bool session_open(Shell *s)
{
    MaggieSession *fresh, *old;
    MaggieStatus status = maggie_session_open(s->m, &fresh);
    pthread_mutex_lock(&s->lock);
    old = s->session;
    s->session = fresh;
    pthread_mutex_unlock(&s->lock);
    maggie_session_close(old);
    if (status != MAGGIE_OK) {
        cli_error(s->m, "maggie-erl: cannot make a session: %s\n", maggie_status_text(status));
    }
    return status == MAGGIE_OK;
}

/* Answers whether the shell has been told to end. */
static bool set_evaluating(Shell *s, bool evaluating)
{
    pthread_mutex_lock(&s->lock);
    s->evaluating = evaluating;
    bool ending = s->ending;
    pthread_mutex_unlock(&s->lock);
    return ending;
}

/* False: the shell ends. */
static bool evaluate(Shell *s)
{
    MaggieResult *r;
    if (set_evaluating(s, true)) {
        return false;
    }
    MaggieStatus status = maggie_session_evaluate(s->session, s->text, s->len, MAGGIE_FOREVER, &r);
    bool go_on = true;
    if (set_evaluating(s, false)) {
        maggie_result_free(r);
        return false;
    }
    switch (status) {
    case MAGGIE_OK:
        go_on = maggie_write(s->m, MAGGIE_STDOUT, maggie_result_text(r),
                             maggie_result_text_length(r)) == MAGGIE_OK &&
                maggie_write(s->m, MAGGIE_STDOUT, "\n", 1) == MAGGIE_OK;
        break;
    case MAGGIE_EXITED: go_on = false; break;
    case MAGGIE_ENDED:
        cli_error(s->m, "the shell's process has ended%s%s; its variables are lost\n",
                  maggie_result_text_length(r) ? ": " : "", maggie_result_text(r));
        go_on = session_open(s);
        break;
    case MAGGIE_DEADLOCK:
        cli_error(s->m, "deadlock: nothing can run any more\n%s", maggie_result_text(r));
        maggie_session_interrupt(s->session);
        break;
    default: cli_report(s->m, status, r); break;
    }
    maggie_result_free(r);
    return go_on;
}

/* What has been typed is complete. False: the shell ends. */
static bool take_input(Shell *s)
{
    Bytes text = trimmed(s);
    if (!text.len) {
        return true;
    }
    if (is_word(text, ":quit") || is_word(text, ":q") || is_word(text, "exit")) {
        return false;
    }
    if (text.data[0] == ':') {
        const char *answer =
            is_word(text, ":help") || is_word(text, ":h") ? help : "unknown command; try :help\n";
        (void)maggie_write(s->m, MAGGIE_STDOUT, answer, strlen(answer));
        return true;
    }
    return evaluate(s);
}

Shell *shell_new(Maggie *m)
{
    Shell *s = calloc(1, sizeof *s);
    if (!s || pipe(s->wake) != 0) {
        free(s);
        return NULL;
    }
    s->m = m;
    pthread_mutex_init(&s->lock, NULL);
    s->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!session_open(s)) {
        shell_free(s);
        return NULL;
    }
#ifdef MAGGIE_LIBEDIT
    if (s->terminal) {
        edit_open(s);
    }
#endif
    return s;
}

static bool is_ending(Shell *s)
{
    pthread_mutex_lock(&s->lock);
    bool ending = s->ending;
    pthread_mutex_unlock(&s->lock);
    return ending;
}

int shell_run(Shell *s)
{
    int status = 0;
    if (s->terminal) {
        char hello[80];
        int n = snprintf(hello, sizeof hello, "Maggie %s  (:help)\n", maggie_version());
        (void)maggie_write(s->m, MAGGIE_STDOUT, hello, (size_t)n);
    }
    for (bool go_on = true; go_on;) {
        ReadState state = read_line(s);
        if (state == READ_CANCELLED && is_ending(s)) {
            break;
        }
        if (state == READ_CANCELLED) {
            (void)maggie_write(s->m, MAGGIE_STDOUT, "\n", s->terminal ? 1 : 0);
            s->len = 0;
            continue;
        }
        bool command = s->len && s->text[0] == ':';
        if (state == READ_LINE && !command && lang_parse_doit_incomplete(s->text, s->len, NULL)) {
            continue;
        }
        go_on = take_input(s) && state == READ_LINE;
        s->len = 0;
        if (state == READ_END && s->terminal) {
            (void)maggie_write(s->m, MAGGIE_STDOUT, "\n", 1);
        }
        if (maggie_exit_requested(s->m, &status)) {
            break;
        }
    }
    return status;
}

void shell_interrupt(Shell *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->evaluating) {
        maggie_session_interrupt(s->session);
    } else {
        (void)!write(s->wake[1], "c", 1);
    }
    pthread_mutex_unlock(&s->lock);
}

void shell_end(Shell *s)
{
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    if (s->session) {
        /* Unlike an interrupt it is not lost when the session is about to begin or to end. */
        maggie_terminate(s->m, maggie_session_pid(s->session), false);
    }
    (void)!write(s->wake[1], "e", 1);
    pthread_mutex_unlock(&s->lock);
}

void shell_free(Shell *s)
{
    if (!s) {
        return;
    }
#ifdef MAGGIE_LIBEDIT
    if (s->edit) {
        el_end(s->edit);
    }
    if (s->history) {
        history_end(s->history);
    }
#endif
    maggie_session_close(s->session);
    close(s->wake[0]);
    close(s->wake[1]);
    free(s->text);
    free(s->pending);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
