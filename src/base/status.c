/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - names and texts of the status codes.
 * Threads: pure functions over constant tables. */
#include "status.h"

typedef struct StatusRow {
    const char *name;
    const char *text;
} StatusRow;

static const StatusRow status_rows[] = {
#define STATUS_ROW(code, name, text) {name, text},
    STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static const StatusRow status_unknown = {"unknown", "unknown status"};

static const StatusRow *status_row(Status status)
{
    unsigned index = (unsigned)status;
    return index < (unsigned)STATUS_COUNT ? &status_rows[index] : &status_unknown;
}

const char *status_text(Status status) { return status_row(status)->text; }

const char *status_name(Status status) { return status_row(status)->name; }
