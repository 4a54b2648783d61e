/* SPDX-License-Identifier: Apache-2.0 */
/* file_tree.c - walking a directory of source files; see file_tree.h.
 * The recursion is limited by FILE_TREE_DEPTH_MAX, so that a loop of links ends. */
#include "file_tree.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader.h"

typedef struct Tree {
    char **paths;
    size_t count, cap;
} Tree;

static Status keep(Tree *t, const char *path)
{
    if (t->count == FILE_TREE_FILES_MAX) {
        return STATUS_LIMIT;
    }
    if (t->count == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        char **paths = realloc(t->paths, cap * sizeof *paths);
        if (!paths) {
            return STATUS_NO_MEMORY;
        }
        t->paths = paths;
        t->cap = cap;
    }
    t->paths[t->count] = strdup(path);
    return t->paths[t->count++] ? STATUS_OK : STATUS_NO_MEMORY;
}

static bool is_source(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".mag") == 0;
}

static Status collect(Tree *t, const char *dir, unsigned depth)
{
    DIR *d = depth <= FILE_TREE_DEPTH_MAX ? opendir(dir) : NULL;
    if (!d) {
        return STATUS_NOT_FOUND;
    }
    Status status = STATUS_OK;
    char path[4096];
    for (struct dirent *e; status == STATUS_OK && (e = readdir(d));) {
        struct stat info;
        int n = snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] == '.' || n < 0 || n >= (int)sizeof path || stat(path, &info) != 0) {
            continue;
        }
        if (S_ISDIR(info.st_mode)) {
            status = collect(t, path, depth + 1);
            status = status == STATUS_NOT_FOUND ? STATUS_OK : status; /* unreadable: left out */
        } else if (is_source(e->d_name)) {
            status = keep(t, path);
        }
    }
    closedir(d);
    return status;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

Status file_tree_each(const char *dir, Status (*fn)(void *ctx, const char *path, Bytes space),
                      void *ctx)
{
    Tree t = {0};
    Status status = collect(&t, dir, 0);
    if (t.count) {
        qsort(t.paths, t.count, sizeof *t.paths, by_path);
    }
    for (size_t i = 0; i < t.count; i++) {
        char space[256];
        if (status == STATUS_OK) {
            loader_space_of_path(t.paths[i] + strlen(dir) + 1, space, sizeof space);
            status = fn(ctx, t.paths[i], (Bytes){space, strlen(space)});
        }
        free(t.paths[i]);
    }
    free(t.paths);
    return status;
}
