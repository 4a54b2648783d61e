/* SPDX-License-Identifier: Apache-2.0 */
/* file_path.h - path names as text; nothing here looks at the file system.
 * Threads: pure functions. */
#ifndef MAGGIE_FILE_PATH_H
#define MAGGIE_FILE_PATH_H

#include <stddef.h>

typedef struct PathText {
    const char *bytes; /* into the argument, or static */
    size_t len;
} PathText;

/* Shortest equivalent name: no empty, . or inner .. components; "" gives ".". `out` has room for
 * n + 1 bytes (and at least 2) and may be `path` itself. Answers the length. */
size_t path_clean(const char *path, size_t n, char *out);
/* Last component; "" gives ".", slashes only give "/", trailing slashes do not count. */
PathText path_base(const char *path, size_t n);
/* Everything before the last slash, not yet cleaned; "" when there is none. */
PathText path_dir(const char *path, size_t n);
/* From the last dot of the last component on, or "". */
PathText path_extension(const char *path, size_t n);

#endif
