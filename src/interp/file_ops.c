/* SPDX-License-Identifier: Apache-2.0 */
/* file_ops.c - operations on the file system that may block.
 *
 * Each op_ function answers nothing: it leaves a result in the job, or an errno with the name of
 * the call that failed. Nothing recurses: deleting a tree goes down and up along one path (I4).
 * Threads: as file_ops.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "file_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_path.h"
#include "output.h"
#include "utf8.h"

static void fail(FileJob *j, const char *what)
{
    j->error = errno ? errno : EIO;
    j->what = what;
}

static void fail_with(FileJob *j, const char *what, int error)
{
    j->error = error;
    j->what = what;
}

static void fail_status(FileJob *j, Status status)
{
    fail_with(j, "read", status == STATUS_NO_MEMORY ? ENOMEM : EFBIG);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Appends what fd holds up to `max` bytes; false with the error set. */
static bool read_all(FileJob *j, int fd, size_t max)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if ((uint64_t)st.st_size > max) {
            fail_with(j, "read", EFBIG);
            return false;
        }
        Status status = buf_reserve(&j->data, (size_t)st.st_size + 1);
        if (status != STATUS_OK) {
            fail_status(j, status);
            return false;
        }
    }
    for (;;) {
        size_t room = j->data.cap - j->data.len;
        size_t n = room > 1 ? room : 65536;
        char *to = buf_extend(&j->data, n);
        if (!to) {
            fail_status(j, j->data.status);
            return false;
        }
        ssize_t got = read(fd, to, n);
        j->data.len -= n - (size_t)(got > 0 ? got : 0);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR) {
            fail(j, "read");
            return false;
        }
    }
}

static int open_for_reading(FileJob *j)
{
    /* O_NONBLOCK: opening a fifo nobody writes to must not hang for ever */
    int fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        fail(j, "open");
    return fd;
}

static void op_read(FileJob *j)
{
    int fd = open_for_reading(j);
    if (fd < 0)
        return;
    if (read_all(j, fd, FILE_READ_MAX) && j->op == FILE_OP_READ &&
        !utf8_check(j->data.data, j->data.len, &j->chars))
        fail_with(j, "read", EILSEQ);
    close(fd);
}

/* The complete lines from an offset on. */
static void op_tail(FileJob *j)
{
    int fd = open_for_reading(j);
    if (fd < 0)
        return;
    int64_t offset = j->number > 0 ? j->number : 0;
    if (lseek(fd, offset, SEEK_SET) < 0) {
        fail(j, "seek");
    } else if (read_all(j, fd, FILE_READ_MAX)) {
        while (j->data.len > 0 && j->data.data[j->data.len - 1] != '\n')
            j->data.len--;
        j->number = offset + (int64_t)j->data.len;
        if (!utf8_check(j->data.data, j->data.len, &j->chars))
            fail_with(j, "read", EILSEQ);
    }
    close(fd);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return true;
}

static void op_write(FileJob *j)
{
    int how = j->op == FILE_OP_APPEND ? O_APPEND : O_TRUNC;
    mode_t mode = j->number >= 0 ? (mode_t)(j->number & 07777) : 0644;
    int fd = open(j->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | how, mode);
    if (fd < 0) {
        fail(j, "open");
        return;
    }
    errno = 0;
    if (j->number >= 0 && fchmod(fd, mode) != 0)
        fail(j, "chmod");
    else if (!write_all(fd, j->data.data, j->data.len))
        fail(j, "write");
    if (close(fd) != 0 && !j->error)
        fail(j, "close");
}

static void op_temp(FileJob *j)
{
    const char *folder = getenv("TMPDIR");
    char prefix[128];
    if (strlen(j->path) >= sizeof prefix || strchr(j->path, '/')) {
        fail_with(j, "open", EINVAL); /* a prefix, not a place elsewhere */
        return;
    }
    memcpy(prefix, j->path, strlen(j->path) + 1);
    for (int attempt = 0; attempt < 100; attempt++) {
        uint32_t number = (uint32_t)env_random_u64(j->env);
        int n = snprintf(j->path, sizeof j->path, "%s/%s-%u", folder && *folder ? folder : "/tmp",
                         prefix, number);
        if (n < 0 || (size_t)n >= sizeof j->path) {
            fail_with(j, "open", ENAMETOOLONG);
            return;
        }
        int fd = open(j->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            close(fd);
            return;
        }
        if (errno != EEXIST)
            break;
    }
    fail(j, "open");
}

/* Regular files only, through a fixed buffer. */
static void op_copy(FileJob *j)
{
    char bytes[65536];
    struct stat st;
    int from = open_for_reading(j);
    if (from < 0)
        return;
    int to = -1;
    if (fstat(from, &st) != 0 || !S_ISREG(st.st_mode)) {
        fail_with(j, "read", EINVAL);
        goto done;
    }
    to = open(j->path2, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
    if (to < 0) {
        fail(j, "open");
        j->on_path2 = true;
        goto done;
    }
    for (;;) {
        ssize_t n = read(from, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fail(j, "read");
        if (n <= 0)
            break;
        if (!write_all(to, bytes, (size_t)n)) {
            fail(j, "write");
            j->on_path2 = true;
            break;
        }
    }
done:
    close(from);
    if (to >= 0 && close(to) != 0 && !j->error) {
        fail(j, "close");
        j->on_path2 = true;
    }
}

/* ---- looking -------------------------------------------------------------------------------- */

static void op_test(FileJob *j)
{
    struct stat st;
    bool there = stat(j->path, &st) == 0;
    j->number = there && (j->op == FILE_OP_EXISTS ||
                          (j->op == FILE_OP_IS_FILE ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode)));
}

static void op_stat(FileJob *j)
{
    struct stat st;
    if (stat(j->path, &st) != 0)
        fail(j, "stat");
    else if (j->op == FILE_OP_SIZE)
        j->number = st.st_size;
    else
        j->number = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

static void op_absolute(FileJob *j)
{
    char folder[FILE_PATH_MAX];
    char whole[2 * FILE_PATH_MAX + 2];
    folder[0] = '\0';
    if (j->path[0] != '/' && !getcwd(folder, sizeof folder)) {
        fail(j, "getcwd");
        return;
    }
    int n = snprintf(whole, sizeof whole, "%s/%s", folder, j->path);
    size_t len = path_clean(whole, (size_t)n, whole);
    if (buf_put(&j->data, whole, len) != STATUS_OK)
        fail_with(j, "getcwd", ENOMEM);
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Appends a path with its NUL to the list. */
static bool list_put(FileJob *j, Buf *list, const char *folder, const char *name)
{
    if (*folder) {
        (void)buf_puts(list, folder);
        if (folder[strlen(folder) - 1] != '/')
            (void)buf_put_byte(list, '/');
    }
    (void)buf_puts(list, name);
    if (buf_put_byte(list, '\0') == STATUS_OK)
        return true;
    fail_with(j, "read", list->status == STATUS_NO_MEMORY ? ENOMEM : EFBIG);
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts a list of NUL-ended names. */
static void list_sort(FileJob *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->data.len; i++)
        n += j->data.data[i] == '\0';
    if (n < 2)
        return;
    const char **names = env_alloc(j->env, n * sizeof *names);
    Buf sorted;
    buf_init(&sorted, j->env, FILE_LIST_MAX);
    if (!names || buf_reserve(&sorted, j->data.len) != STATUS_OK) {
        fail_with(j, "read", ENOMEM);
        env_free(j->env, names, names ? n * sizeof *names : 0);
        buf_free(&sorted);
        return;
    }
    const char *at = j->data.data;
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1)
        names[i] = at;
    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++)
        (void)buf_put(&sorted, names[i], strlen(names[i]) + 1); /* room is reserved */
    env_free(j->env, names, n * sizeof *names);
    buf_free(&j->data);
    j->data = sorted;
}

static void op_list(FileJob *j)
{
    DIR *dir = opendir(j->path);
    if (!dir) {
        fail(j, "open");
        return;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL)
        if (!is_dots(entry->d_name) && !list_put(j, &j->data, "", entry->d_name))
            break;
    if (!entry && errno)
        fail(j, "read");
    closedir(dir);
    if (!j->error)
        list_sort(j);
}

/* ---- patterns ------------------------------------------------------------------------------- */

static bool pattern_is_sane(const char *p)
{
    for (; *p; p++) {
        if (*p == '\\' && !*++p)
            return false;
        if (*p == '[') {
            const char *close = p[1] == '^' || p[1] == '!' ? p + 2 : p + 1;
            close = *close ? strchr(close + 1, ']') : NULL;
            if (!close)
                return false;
            p = close;
        }
    }
    return true;
}

/* One component of the pattern in one folder (`shown` is how its path is written). */
static bool glob_folder(FileJob *j, const char *shown, const char *pattern, Buf *found)
{
    DIR *dir = opendir(*shown ? shown : ".");
    if (!dir)
        return true; /* what cannot be read holds nothing that matches */
    struct dirent *entry;
    bool ok = true;
    while (ok && (entry = readdir(dir)) != NULL)
        if (!is_dots(entry->d_name) && fnmatch(pattern, entry->d_name, 0) == 0)
            ok = list_put(j, found, shown, entry->d_name);
    closedir(dir);
    return ok;
}

/* Component by component: the folders that match so far, then what matches in each of them. */
static void op_glob(FileJob *j)
{
    if (!pattern_is_sane(j->path2)) {
        fail_with(j, "pattern", EINVAL);
        j->on_path2 = true;
        return;
    }
    if (!list_put(j, &j->data, "", j->path))
        return;
    char *rest = j->path2, *component;
    while (!j->error && (component = strsep(&rest, "/")) != NULL) {
        if (!*component)
            continue;
        Buf found;
        buf_init(&found, j->env, FILE_LIST_MAX);
        for (const char *at = j->data.data; at && at < j->data.data + j->data.len;
             at += strlen(at) + 1)
            if (!glob_folder(j, at, component, &found))
                break;
        buf_free(&j->data);
        j->data = found;
    }
    if (!j->error)
        list_sort(j);
}

/* ---- changing directories ------------------------------------------------------------------- */

static void op_make_directory(FileJob *j)
{
    char *p = j->path;
    for (char *slash = p + 1;; slash++) {
        slash = strchr(slash, '/');
        if (slash)
            *slash = '\0';
        struct stat st;
        if (mkdir(p, 0755) != 0 && (errno != EEXIST || stat(p, &st) != 0 || !S_ISDIR(st.st_mode))) {
            fail_with(j, "mkdir", errno == EEXIST || errno == 0 ? ENOTDIR : errno);
            return;
        }
        if (!slash)
            return;
        *slash = '/';
    }
}

static void op_delete(FileJob *j)
{
    if (remove(j->path) != 0)
        fail(j, "remove");
}

/* Appends the first entry of the folder `path`; 0 when it is empty, -1 on failure. */
static int first_entry(FileJob *j, char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        fail(j, "open");
        return -1;
    }
    struct dirent *entry;
    int found = 0;
    while ((entry = readdir(dir)) != NULL && is_dots(entry->d_name)) {
    }
    if (entry) {
        size_t len = strlen(path);
        found = snprintf(path + len, FILE_PATH_MAX - len, "/%s", entry->d_name) <
                        (int)(FILE_PATH_MAX - len)
                    ? 1
                    : -1;
        if (found < 0)
            fail_with(j, "remove", ENAMETOOLONG);
    }
    closedir(dir);
    return found;
}

/* Goes down to something that can be removed, removes it, goes up. Links are removed, not followed.
 * Each step removes an entry or goes one folder down, so it ends unless others keep adding. */
static void op_delete_all(FileJob *j)
{
    char path[FILE_PATH_MAX];
    size_t top = path_clean(j->path, strlen(j->path), path);
    path[top] = '\0';
    if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0 || strcmp(path, "..") == 0) {
        fail_with(j, "remove", EINVAL);
        return;
    }
    for (;;) {
        if (unlink(path) != 0 && errno != ENOENT) {
            if (errno != EISDIR && errno != EPERM) {
                fail(j, "remove");
                return;
            }
            int entry = first_entry(j, path);
            if (entry < 0)
                return;
            if (entry > 0)
                continue;
            if (rmdir(path) != 0 && errno != ENOENT) {
                fail(j, "remove");
                return;
            }
        }
        size_t len = strlen(path);
        if (len <= top)
            return;
        *strrchr(path, '/') = '\0';
    }
}

static void op_rename(FileJob *j)
{
    if (rename(j->path, j->path2) != 0)
        fail(j, "rename");
}

/* ---- jobs ----------------------------------------------------------------------------------- */

typedef struct FileOpInfo {
    void (*run)(FileJob *job);
    FileGives gives;
    const char *failure;
} FileOpInfo;

static const FileOpInfo *file_op_info(FileOp op)
{
    static const FileOpInfo infos[] = {
#define FILE_OP_INFO(id, fn, gives, text) {fn, FILE_GIVES_##gives, text},
        FILE_OPS(FILE_OP_INFO)
#undef FILE_OP_INFO
    };
    return &infos[op];
}

FileGives file_op_gives(FileOp op) { return file_op_info(op)->gives; }

static void file_job_destroy(HeapEnv *env, OffHeap *object)
{
    (void)env;
    FileJob *job = (FileJob *)(void *)object;
    buf_free(&job->data);
    env_free(job->env, job, sizeof *job);
}

static const OffHeapType file_job_type = {.name = "file operation", .destroy = file_job_destroy};

FileJob *file_job_new(const Env *env, FileOp op)
{
    FileJob *job = env_calloc(env, sizeof *job);
    if (!job)
        return NULL;
    job->off.refs = 1;
    job->off.type = &file_job_type;
    job->env = env;
    job->op = op;
    job->number = -1;
    buf_init(&job->data, env, FILE_READ_MAX + 65536);
    return job;
}

void file_job_release(FileJob *job) { offheap_release(NULL, &job->off); }

void file_job_forget(void *job) { file_job_release(job); }

void file_job_run(void *job)
{
    FileJob *j = job;
    file_op_info(j->op)->run(j);
}

void file_job_failure(const FileJob *job, Buf *out)
{
    buf_putf(out, "%s: %s", file_op_info(job->op)->failure, job->what);
    const char *path = job->on_path2 ? job->path2 : job->path;
    if (*path)
        buf_putf(out, " %s", path);
    buf_putf(out, ": %s", system_error_text(job->error));
}
