/* SPDX-License-Identifier: Apache-2.0 */
/* main_mag.c - mag: the developer's tool. Each subcommand is a function in a file of its own.
 * Threads: main, and those of the Maggies it makes. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "mag.h"

static const MagCommand commands[] = {
    {"check", mag_check, "FILE|DIR...", "compiles without running; reports errors and warnings"},
    {"doctest", mag_doctest, "[-v] [FILE|DIR|CLASS...]", "runs the examples in docstrings"},
    {"test", mag_test, "[-v] FILE...", "runs scripts and compares what they print"},
    {"disasm", mag_disasm, "FILE|CLASS>>SELECTOR...", "shows compiled code"},
    {NULL, NULL, NULL, NULL}};

static void print_usage(FILE *out)
{
    fputs("Usage: mag COMMAND [ARGUMENT...]\n\n", out);
    for (const MagCommand *c = commands; c->name; c++) {
        fprintf(out, "  %-8s %-26s %s\n", c->name, c->arguments, c->help);
    }
    fputs("  version\n  help\n\nPrograms are run by maggie-erl FILE.mag.\n", out);
}

static bool wants_help(int argc, char **argv)
{
    return argc > 2 &&
           (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h") || !strcmp(argv[2], "help"));
}

int main(int argc, char **argv)
{
    cli_open_standard();
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h")) {
        print_usage(stdout);
        return cli_close_stdout();
    }
    if (!strcmp(name, "version") || !strcmp(name, "--version")) {
        printf("mag %s\n", maggie_version());
        return cli_close_stdout();
    }
    for (const MagCommand *c = commands; c->name; c++) {
        if (!strcmp(name, c->name)) {
            if (wants_help(argc, argv)) {
                fprintf(stderr, "Usage: mag %s %s\n  %s\n", c->name, c->arguments, c->help);
                return 0;
            }
            return c->run(argc - 2, argv + 2);
        }
    }
    if (*name) {
        fprintf(stderr, "mag: unknown command: %s\n", name);
    }
    print_usage(stderr);
    return 2;
}
