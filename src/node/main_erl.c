/* SPDX-License-Identifier: Apache-2.0 */
/* main_erl.c - maggie-erl: runs a script, a program of classes, an expression, or a shell.
 *
 * A client of libmaggie. Signals: SIGINT and SIGTERM are blocked in every thread and taken by one
 * thread with sigwait, so no handler and no global is needed (I1).
 * Threads: main, the signal thread, and those of the Maggie. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "shell.h"

#define EXIT_USAGE 2
#define EXIT_DEADLOCK 3

typedef struct Program {
    MaggieOptions options;
    const char *file;
    const char **evals;
    int nevals;
    const char *class_name; /* -s */
    const char *selector;
    char **call_args;
    int ncall_args;
    bool no_shell;
    bool trace_hash;
    bool quit; /* --help or --version was answered */
} Program;

static const char usage[] =
    "Usage: maggie-erl [OPTION...] [FILE.mag [ARGUMENT...]]\n"
    "\n"
    "Runs the statements of FILE.mag, or its class Main (class method start or main).\n"
    "Without FILE, -eval and -s it is a shell.\n"
    "\n"
    "  -eval EXPRESSION      evaluates and prints; may be repeated\n"
    "  -s CLASS [SELECTOR [ARGUMENT...]]\n"
    "                        sends SELECTOR (start) to CLASS; an integer answer is the exit "
    "status;\n"
    "                        ARGUMENTs end at the next option, at a word ending in .mag, which "
    "is\n"
    "                        FILE, or at --\n"
    "  -noshell              no shell: ends when nothing is left to do\n"
    "  +S N                  schedulers (threads that run processes)\n"
    "  +P N                  most processes at a time\n"
    "  +t N                  most symbols\n"
    "  +hmax BYTES[K|M|G]    most memory of one process\n"
    "  +mbox N[:POLICY]      most messages in a mailbox without a limit of its own; POLICY is\n"
    "                        suspendSender (the default), reject, dropNewest, dropOldest or kill\n"
    "  -strict               names that are not defined are errors\n"
    "  -full-traces          stack traces show what ran the program, too\n"
    "  -sim SEED             one thread, virtual time, choices by SEED: a run that repeats\n"
    "  -trace-hash           with -sim: prints a number that stands for the whole run\n"
    "  --                    ends the options: the next word is FILE, whatever it looks like\n"
    "  --version, --help\n"
    "\n"
    "Exit status: 0, or the program's; 1 after an error, 2 wrong usage, 3 when nothing can ever\n"
    "run again, 130 after Ctrl-C, 143 after SIGTERM.\n";

/* ---- command line ---- */

static int bad_usage(const char *text, const char *word)
{
    fprintf(stderr, "maggie-erl: %s%s%s\nTry: maggie-erl --help\n", text, word ? ": " : "",
            word ? word : "");
    return EXIT_USAGE;
}

static bool is(const char *word, const char *name) { return strcmp(word, name) == 0; }

/* An option that needs a value is at argv[*i]; 0 and *i at the value, or the exit status. */
static int value_of(int argc, char **argv, int *i)
{
    if (*i + 1 >= argc) {
        return bad_usage("a value is missing after", argv[*i]);
    }
    ++*i;
    return 0;
}

static int take_number(int argc, char **argv, int *i, uint64_t min, uint64_t max, uint64_t *out)
{
    int code = value_of(argc, argv, i);
    if (code) {
        return code;
    }
    if (!cli_number(argv[*i], max, out)) {
        return bad_usage("not a valid number", argv[*i]);
    }
    if (*out < min) {
        char what[64];
        (void)snprintf(what, sizeof what, "%s needs at least %llu, not", argv[*i - 1],
                       (unsigned long long)min);
        return bad_usage(what, argv[*i]);
    }
    return 0;
}

static bool is_source(const char *word)
{
    size_t n = strlen(word);
    return n > 4 && is(word + n - 4, ".mag");
}

/* Does argv[i] still belong to the -s before it? Not an option, and not the FILE: what the command
 * line means depends on its words alone, never on which files there are. */
static bool belongs_to_call(int argc, char **argv, int i)
{
    return i < argc && argv[i][0] != '-' && argv[i][0] != '+' && !is_source(argv[i]);
}

/* N[:POLICY] behind +mbox */
static int take_mailbox(MaggieOptions *o, int argc, char **argv, int *i)
{
    /* in the order of MaggieMailPolicy */
    static const char *const policies[] = {"suspendSender", "reject", "dropNewest", "dropOldest",
                                           "kill"};
    int code = value_of(argc, argv, i);
    if (code) {
        return code;
    }
    char number[32];
    const char *word = argv[*i], *colon = strchr(word, ':');
    size_t n = colon ? (size_t)(colon - word) : strlen(word);
    bool known = !colon;
    for (unsigned k = 0; colon && k < sizeof policies / sizeof *policies; k++) {
        if (is(colon + 1, policies[k])) {
            o->mailbox_policy = (MaggieMailPolicy)k;
            known = true;
        }
    }
    if (!known) {
        return bad_usage("no such mailbox policy", colon + 1);
    }
    if (n >= sizeof number) {
        return bad_usage("not a valid number", word);
    }
    memcpy(number, word, n);
    number[n] = '\0';
    if (!cli_number(number, (uint64_t)1 << 46, &o->mailbox_limit) || !o->mailbox_limit) {
        return bad_usage("not a valid number", word);
    }
    return 0;
}

/* -s CLASS [SELECTOR [ARGUMENT...]] */
static int take_call(Program *p, int argc, char **argv, int *i)
{
    if (p->class_name) {
        return bad_usage("this option may be given once", argv[*i]);
    }
    int code = value_of(argc, argv, i);
    if (code) {
        return code;
    }
    p->class_name = argv[*i];
    p->selector = belongs_to_call(argc, argv, *i + 1) ? argv[++*i] : "start";
    p->call_args = argv + *i + 1;
    for (; belongs_to_call(argc, argv, *i + 1); ++*i) {
        p->ncall_args++;
    }
    return 0;
}

static int take_option(Program *p, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    uint64_t n = 0;
    int code = 0;
    if (is(word, "-eval") || is(word, "--eval")) {
        code = value_of(argc, argv, i);
        if (!code) {
            p->evals[p->nevals++] = argv[*i];
        }
    } else if (is(word, "-s")) {
        code = take_call(p, argc, argv, i);
    } else if (is(word, "-noshell") || is(word, "-noinput")) {
        p->no_shell = true;
    } else if (is(word, "-strict") || is(word, "--strict")) {
        p->options.strict = true;
    } else if (is(word, "-full-traces")) {
        p->options.full_traces = true;
    } else if (is(word, "-trace-hash")) {
        p->trace_hash = true;
    } else if (is(word, "-sim")) {
        code = take_number(argc, argv, i, 0, UINT64_MAX, &p->options.seed);
        p->options.simulate = true;
    } else if (is(word, "+S")) {
        code = take_number(argc, argv, i, 1, 1024, &n);
        p->options.schedulers = (unsigned)n;
    } else if (is(word, "+P")) {
        code = take_number(argc, argv, i, 16, 1u << 25, &n);
        p->options.max_processes = (unsigned)n;
    } else if (is(word, "+t")) {
        code = take_number(argc, argv, i, 4096, 4000000, &n);
        p->options.max_symbols = (unsigned)n;
    } else if (is(word, "+hmax")) {
        code = take_number(argc, argv, i, 1 << 16, (uint64_t)1 << 46, &n);
        p->options.heap_max_bytes = (size_t)n;
    } else if (is(word, "+mbox")) {
        code = take_mailbox(&p->options, argc, argv, i);
    } else if (is(word, "--help") || is(word, "-h")) {
        fputs(usage, stdout);
        p->quit = true;
    } else if (is(word, "--version") || is(word, "-version")) {
        printf("maggie-erl %s\n", maggie_version());
        p->quit = true;
    } else {
        code = bad_usage("unknown option", word);
    }
    return code;
}

static int parse(Program *p, int argc, char **argv)
{
    int i = 1;
    bool options = true;
    for (; i < argc && !p->file && !p->quit; i++) {
        if (options && is(argv[i], "--")) {
            options = false;
        } else if (options && (argv[i][0] == '-' || argv[i][0] == '+') && argv[i][1]) {
            int code = take_option(p, argc, argv, &i);
            if (code) {
                return code;
            }
        } else {
            p->file = argv[i];
        }
    }
    p->options.argc = argc - i;
    p->options.argv = (const char *const *)argv + i;
    return 0;
}

/* ---- signals ---- */

typedef struct Watch {
    Maggie *m;
    pthread_mutex_t lock;
    MaggiePid main; /* gets the first signal; 0: none */
    Shell *shell;   /* or the shell does */
    int ended_by;   /* the signal that main or shell was told to end by; 0: none */
} Watch;

/* A main process is started between these two, so that a signal it may provoke at once finds it. */
static void main_starts(Watch *w) { pthread_mutex_lock(&w->lock); }

static void main_started(Watch *w, MaggieStatus status, MaggiePid pid)
{
    w->main = status == MAGGIE_OK ? pid : 0;
    pthread_mutex_unlock(&w->lock);
}

/* From now on a signal ends the program at once. */
static void main_ended(Watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->main = 0;
    pthread_mutex_unlock(&w->lock);
}

static void *watch_signals(void *arg)
{
    Watch *w = arg;
    sigset_t set;
    int number;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    while (sigwait(&set, &number) == 0) {
        pthread_mutex_lock(&w->lock);
        if (w->shell && number == SIGINT) {
            shell_interrupt(w->shell);
        } else if ((w->main || w->shell) && !w->ended_by) {
            w->ended_by = number;
            if (w->shell) {
                shell_end(w->shell);
            } else {
                maggie_terminate(w->m, w->main, false);
            }
        } else {
            _exit(128 + number);
        }
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void start_watch(Watch *w, Maggie *m)
{
    pthread_t thread;
    w->m = m;
    pthread_mutex_init(&w->lock, NULL);
    if (pthread_create(&thread, NULL, watch_signals, w) == 0) {
        pthread_detach(thread);
    }
}

/* ---- running ---- */

/* The exit status of a main process. `by_value`: an integer it answers is the status. */
static int finish(Maggie *m, Watch *w, MaggiePid pid, bool by_value, bool print)
{
    MaggieResult *r;
    int status = 0;
    MaggieStatus end = maggie_wait(m, pid, MAGGIE_FOREVER, &r);
    main_ended(w);
    switch (end) {
    case MAGGIE_OK:
        if (by_value && maggie_result_value(r)->kind == MAGGIE_INT) {
            status = (int)(maggie_result_value(r)->as.integer & 0xFF);
        } else if (print && maggie_result_value(r)->kind != MAGGIE_NIL &&
                   (maggie_write(m, MAGGIE_STDOUT, maggie_result_text(r),
                                 maggie_result_text_length(r)) ||
                    maggie_write(m, MAGGIE_STDOUT, "\n", 1))) {
            cli_error(m, "maggie-erl: cannot write to standard output\n");
            status = 1;
        }
        break;
    case MAGGIE_EXITED: status = maggie_exit_requested(m, &status) ? status : 1; break;
    case MAGGIE_DEADLOCK:
        cli_error(m, "deadlock: nothing can run any more\n%s", maggie_result_text(r));
        status = EXIT_DEADLOCK;
        break;
    case MAGGIE_ENDED:
        if (w->ended_by) {
            status = 128 + w->ended_by;
        } else if (strcmp(maggie_result_text(r), "shutdown") != 0) {
            cli_error(m, "Error: the main process ended: %s\n", maggie_result_text(r));
            status = 1;
        }
        break;
    default:
        cli_report(m, end, r);
        status = 1;
        break;
    }
    maggie_result_free(r);
    return status;
}

static int run_call(Maggie *m, Watch *w, Program *p, const char *class_name, const char *selector)
{
    MaggiePid pid = 0;
    size_t n = (size_t)p->ncall_args;
    char name[256];
    if (!maggie_has_class(m, class_name)) {
        cli_error(m, "maggie-erl: there is no class %s\n", class_name);
        return 1;
    }
    /* with arguments, the plain selector may stand for a keyword that takes them as an Array */
    snprintf(name, sizeof name, "%s", selector);
    if (n && !strchr(selector, ':')) {
        snprintf(name, sizeof name, "%s:", selector);
    }
    bool class_side = maggie_understands(m, class_name, name, true);
    if (!class_side && !maggie_understands(m, class_name, name, false)) {
        cli_error(m, "maggie-erl: class %s does not understand %s\n", class_name, name);
        return 1;
    }
    MaggieValue *args = calloc(n + 1, sizeof *args), array = {.kind = MAGGIE_ARRAY};
    for (size_t i = 0; args && i < n; i++) {
        args[i].kind = MAGGIE_STRING;
        args[i].as.text.bytes = p->call_args[i];
        args[i].as.text.len = strlen(p->call_args[i]);
    }
    array.as.array.items = args;
    array.as.array.count = n;
    main_starts(w);
    MaggieStatus status =
        maggie_start_call(m, class_name, class_side, name, &array, n ? 1 : 0, &pid);
    main_started(w, status, pid);
    free(args);
    if (status != MAGGIE_OK) {
        cli_error(m, "maggie-erl: %s\n", maggie_status_text(status));
        return 1;
    }
    return finish(m, w, pid, true, false);
}

static int run_eval(Maggie *m, Watch *w, const char *text)
{
    MaggiePid pid = 0;
    MaggieResult *syntax;
    main_starts(w);
    MaggieStatus status = maggie_start(m, text, &pid, &syntax);
    main_started(w, status, pid);
    if (status != MAGGIE_OK) {
        cli_report(m, status, syntax);
        maggie_result_free(syntax);
        return 1;
    }
    return finish(m, w, pid, false, true);
}

static int run_file(Maggie *m, Watch *w, Program *p)
{
    static const char *const entries[] = {"start", "main"};
    MaggiePid pid = 0;
    if (maggie_load_files(m, &p->file, 1) != MAGGIE_OK) {
        return 1; /* the diagnostics have been written */
    }
    main_starts(w);
    MaggieStatus status = maggie_start_script(m, &pid);
    main_started(w, status, pid);
    if (status == MAGGIE_OK) {
        return finish(m, w, pid, false, false);
    }
    for (size_t i = 0; i < 2 && !p->class_name; i++) {
        if (maggie_understands(m, "Main", entries[i], true)) {
            return run_call(m, w, p, "Main", entries[i]);
        }
    }
    if (!p->class_name && !p->nevals) {
        cli_error(m, "maggie-erl: %s has no statements and no class Main; name one: -s CLASS\n",
                  p->file);
        return 1;
    }
    return 0;
}

static int run_shell(Maggie *m, Watch *w)
{
    Shell *shell = shell_new(m);
    pthread_mutex_lock(&w->lock);
    w->shell = shell;
    pthread_mutex_unlock(&w->lock);
    int status = shell ? shell_run(shell) : 1;
    pthread_mutex_lock(&w->lock);
    w->shell = NULL;
    if (w->ended_by) {
        status = 128 + w->ended_by;
    }
    pthread_mutex_unlock(&w->lock);
    shell_free(shell);
    return status;
}

static int run(Maggie *m, Watch *w, Program *p)
{
    int status = 0, exit_status;
    if (p->file) {
        status = run_file(m, w, p);
    }
    for (int i = 0; i < p->nevals && !status && !maggie_exit_requested(m, &exit_status); i++) {
        status = run_eval(m, w, p->evals[i]);
    }
    if (p->class_name && !status && !maggie_exit_requested(m, &exit_status)) {
        status = run_call(m, w, p, p->class_name, p->selector);
    }
    if (!p->file && !p->nevals && !p->class_name) {
        if (p->no_shell) {
            status = maggie_run_until_idle(m, MAGGIE_FOREVER) == MAGGIE_OK ? 0 : 1;
        } else {
            status = run_shell(m, w);
        }
    }
    return status;
}

int main(int argc, char **argv)
{
    cli_open_standard();
    Program p = {.evals = calloc((size_t)argc + 1, sizeof *p.evals)};
    Watch w = {.m = NULL};
    Maggie *m;
    if (!p.evals) {
        return 1;
    }
    int status = parse(&p, argc, argv);
    if (status || p.quit) {
        free(p.evals);
        return status ? status : cli_close_stdout();
    }
    block_signals();
    MaggieStatus created = maggie_create(&p.options, &m);
    if (created != MAGGIE_OK) {
        fprintf(stderr, "maggie-erl: cannot start: %s\n", maggie_status_text(created));
        return 1;
    }
    start_watch(&w, m);
    status = run(m, &w, &p);
    main_ended(&w);
    if (p.trace_hash && p.options.simulate) {
        fprintf(stderr, "trace hash %016llx\n", (unsigned long long)maggie_trace_hash(m));
    }
    if (maggie_destroy(m) == MAGGIE_IO && !status) {
        fputs("maggie-erl: cannot write to standard output\n", stderr);
        status = 1;
    }
    free(p.evals);
    return status;
}
