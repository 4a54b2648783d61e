/* SPDX-License-Identifier: Apache-2.0 */
/* cli.c - see cli.h. */
#define _GNU_SOURCE /* vasprintf */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", O_RDONLY); /* becomes fd, the lowest that is free */
}

bool cli_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    unsigned shift = 0;
    switch (*end) {
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    default: break;
    }
    end += shift ? 1 : 0;
    if (errno || *end || n > max >> shift) {
        return false;
    }
    *out = n << shift;
    return true;
}

void cli_error(Maggie *m, const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n >= 0) {
        (void)maggie_write(m, MAGGIE_STDOUT, "", 0); /* first what came first */
        (void)maggie_write(m, MAGGIE_STDERR, text, (size_t)n);
        free(text);
    }
}

void cli_report(Maggie *m, MaggieStatus status, const MaggieResult *r)
{
    const char *text = maggie_result_text(r), *trace = maggie_result_trace(r);
    size_t n = strlen(trace);
    if (status == MAGGIE_ERROR) {
        cli_error(m, "Error: %s\n%s%s", text, trace, n && trace[n - 1] != '\n' ? "\n" : "");
    } else if (status == MAGGIE_SYNTAX) {
        cli_error(m, "%s\n", text);
    } else {
        cli_error(m, "Error: %s%s%s\n", maggie_status_text(status), *text ? ": " : "", text);
    }
}

int cli_close_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return 0;
    }
    fputs("cannot write to standard output\n", stderr);
    return 1;
}
