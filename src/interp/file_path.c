/* SPDX-License-Identifier: Apache-2.0 */
/* file_path.c - path names as text.
 * Threads: pure functions. */
#include "file_path.h"

#include <stdbool.h>
#include <string.h>

size_t path_clean(const char *path, size_t n, char *out)
{
    bool rooted = n > 0 && path[0] == '/';
    size_t r = rooted ? 1 : 0, w = r;
    size_t floor = r; /* .. does not go back behind this */
    if (rooted)
        out[0] = '/';
    while (r < n) {
        size_t end = r;
        while (end < n && path[end] != '/')
            end++;
        size_t len = end - r;
        bool up = len == 2 && path[r] == '.' && path[r + 1] == '.';
        if (len == 0 || (len == 1 && path[r] == '.')) {
            /* nothing */
        } else if (up && w > floor) {
            while (w > floor && out[w - 1] != '/')
                w--;
            if (w > floor)
                w--; /* the slash before it */
        } else if (!up || !rooted) {
            if (w > (rooted ? 1u : 0u))
                out[w++] = '/';
            memmove(out + w, path + r, len);
            w += len;
            if (up)
                floor = w;
        }
        r = end + 1;
    }
    if (w == 0)
        out[w++] = '.';
    return w;
}

static size_t without_slashes(const char *path, size_t n)
{
    while (n > 0 && path[n - 1] == '/')
        n--;
    return n;
}

PathText path_base(const char *path, size_t n)
{
    if (n == 0)
        return (PathText){".", 1};
    size_t end = without_slashes(path, n);
    if (end == 0)
        return (PathText){"/", 1};
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return (PathText){path + start, end - start};
}

PathText path_dir(const char *path, size_t n)
{
    while (n > 0 && path[n - 1] != '/')
        n--;
    return (PathText){path, n};
}

PathText path_extension(const char *path, size_t n)
{
    for (size_t i = n; i > 0 && path[i - 1] != '/'; i--)
        if (path[i - 1] == '.')
            return (PathText){path + i - 1, n - i + 1};
    return (PathText){"", 0};
}
