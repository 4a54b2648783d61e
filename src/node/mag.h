/* SPDX-License-Identifier: Apache-2.0 */
/* mag.h - the subcommands of mag: arguments behind the command's name, answer the exit status.
 * Threads: the main thread. */
#ifndef MAGGIE_MAG_H
#define MAGGIE_MAG_H

typedef struct MagCommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *help;
} MagCommand;

int mag_check(int argc, char **argv);
int mag_disasm(int argc, char **argv);
int mag_doctest(int argc, char **argv);
int mag_test(int argc, char **argv);

#endif
