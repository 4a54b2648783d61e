/* SPDX-License-Identifier: Apache-2.0 */
/* file_ops.h - operations on the file system that may block: one FileJob each, run on a dirty
 * thread. Threads: file_job_run by the dirty thread while it has the job; everything else by the
 * owner. */
#ifndef MAGGIE_FILE_OPS_H
#define MAGGIE_FILE_OPS_H

#include "buf.h"
#include "heap.h"

/* What a job may read or gather; a text beyond that is an error, not a crash. */
#define FILE_READ_MAX ((size_t)1 << 30)
#define FILE_LIST_MAX ((size_t)64 << 20)
#define FILE_PATH_MAX 4096 /* with its NUL */

/* What an operation gives. */
typedef enum {
    FILE_GIVES_TEXT,      /* Success(String) */
    FILE_GIVES_BYTES,     /* Success(ByteArray) */
    FILE_GIVES_PATH,      /* Success(its path argument) */
    FILE_GIVES_NEW_PATH,  /* Success(its second path) */
    FILE_GIVES_MADE_PATH, /* Success(the path the job made) */
    FILE_GIVES_BOOLEAN,   /* number; errors are false */
    FILE_GIVES_NUMBER,
    FILE_GIVES_LIST,       /* Array of Strings from data, each ended by a NUL */
    FILE_GIVES_PLAIN_TEXT, /* String */
    FILE_GIVES_TAIL        /* Array {String. number} */
} FileGives;

/* X(enumerator, function, what it gives, start of its failure text). */
#define FILE_OPS(X)                                                                                \
    X(READ, op_read, TEXT, "Cannot read file")                                                     \
    X(READ_BYTES, op_read, BYTES, "Cannot read file")                                              \
    X(WRITE, op_write, PATH, "Cannot write file")                                                  \
    X(APPEND, op_write, PATH, "Cannot append to file")                                             \
    X(TAIL, op_tail, TAIL, "Cannot read file")                                                     \
    X(EXISTS, op_test, BOOLEAN, "")                                                                \
    X(IS_DIRECTORY, op_test, BOOLEAN, "")                                                          \
    X(IS_FILE, op_test, BOOLEAN, "")                                                               \
    X(LIST, op_list, LIST, "Cannot list directory")                                                \
    X(MAKE_DIRECTORY, op_make_directory, PATH, "Cannot create directory")                          \
    X(DELETE, op_delete, PATH, "Cannot delete")                                                    \
    X(DELETE_ALL, op_delete_all, PATH, "Cannot delete")                                            \
    X(RENAME, op_rename, NEW_PATH, "Cannot rename")                                                \
    X(COPY, op_copy, NEW_PATH, "Cannot copy file")                                                 \
    X(SIZE, op_stat, NUMBER, "Cannot read file size")                                              \
    X(MODIFIED, op_stat, NUMBER, "Cannot read modification time")                                  \
    X(GLOB, op_glob, LIST, "Cannot match files")                                                   \
    X(TEMP, op_temp, MADE_PATH, "Cannot create temporary file")                                    \
    X(ABSOLUTE, op_absolute, PLAIN_TEXT, "Cannot make path absolute")                              \
    X(WORKING_DIRECTORY, op_absolute, PLAIN_TEXT, "Cannot find the working directory")
typedef enum {
#define FILE_OP_ENUM(id, fn, gives, text) FILE_OP_##id,
    FILE_OPS(FILE_OP_ENUM)
#undef FILE_OP_ENUM
} FileOp;

/* Counted: the dirty call holds one, and a handle in the process's heap another while contents are
 * copied in pieces. */
typedef struct FileJob {
    OffHeap off;
    const Env *env;
    FileOp op;
    char path[FILE_PATH_MAX];
    char path2[FILE_PATH_MAX];
    Buf data;         /* contents to write; contents read, list or text found */
    size_t chars;     /* TEXT: code points of data */
    int64_t number;   /* in: mode (-1: default), offset. out: NUMBER, BOOLEAN, TAIL */
    int error;        /* errno; 0 */
    const char *what; /* the call that failed; static */
    bool on_path2;    /* and which path it was about */
} FileJob;

/* Returns new with one count; NULL when memory is out. */
FileJob *file_job_new(const Env *env, FileOp op);
void file_job_release(FileJob *job);
FileGives file_op_gives(FileOp op);
/* "Cannot read file: open x: no such file or directory" */
void file_job_failure(const FileJob *job, Buf *out);
/* The DirtyJob's function. */
void file_job_run(void *job);
/* file_job_release with the type the interpreter wants. */
void file_job_forget(void *job);

#endif
