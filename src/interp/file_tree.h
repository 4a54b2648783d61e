/* SPDX-License-Identifier: Apache-2.0 */
/* file_tree.h - the source files of a directory tree, in lexical order of their paths (3.4).
 * Threads: pure but for the file system; may block. */
#ifndef MAGGIE_FILE_TREE_H
#define MAGGIE_FILE_TREE_H

#include "code.h"
#include "status.h"

#define FILE_TREE_DEPTH_MAX 64
#define FILE_TREE_FILES_MAX 100000

/* Calls fn for every *.mag file below `dir`, with its namespace by directory. Stops at the first
 * status that is not STATUS_OK and answers it. STATUS_NOT_FOUND when `dir` cannot be read. Names
 * that begin with a dot are left out. */
MUST_CHECK Status file_tree_each(const char *dir,
                                 Status (*fn)(void *ctx, const char *path, Bytes space), void *ctx);

#endif
