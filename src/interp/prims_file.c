/* SPDX-License-Identifier: Apache-2.0 */
/* prims_file.c - File: what Maggie asks, handed to a FileJob on a dirty thread, and its answer made
 * into Maggie values.
 *
 * Long contents are copied between heap and job in pieces with yields between. While that lasts the
 * job belongs to a handle object in the process's heap, so that nothing is lost when the process
 * dies:
 *
 *   resume.a   FILE_COPY_IN: root is the handle, b the bytes copied so far
 *              FILE_COPY_OUT: root is an Array {target. handle}, b the bytes and c the names done
 *
 * Threads: the owner of the process; file_job_run on a dirty thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "file_ops.h"
#include "file_path.h"
#include "output.h"
#include "prims.h"
#include "utf8.h"

enum { FILE_FRESH, FILE_COPY_IN, FILE_COPY_OUT };

/* Copied at once up to here; a piece of what is longer. */
#define FILE_PIECE ((size_t)256 << 10)
/* Words of a few small objects. */
#define FILE_SMALL_WORDS 64

static PrimStatus finish(PrimCall *c, Value answer)
{
    c->resume->a = c->resume->b = c->resume->c = 0;
    c->resume->root = VALUE_NIL;
    return prim_ok(c, answer);
}

/* A failed allocation asks for room for all that the primitive will need, since it starts over. */
static PrimStatus need(PrimCall *c, PrimStatus st, size_t words)
{
    if (st == PRIM_GC && c->need_words < words)
        c->need_words = words;
    return st;
}

/* ---- answers -------------------------------------------------------------------------------- */

static PrimStatus answer_wrapped(PrimCall *c, uint32_t cls, Value value)
{
    PrimStatus st;
    Object *o = prim_new_slots(c, cls, 1, &st);
    if (!o)
        return st;
    o->words[0] = value;
    return finish(c, value_ptr(o));
}

/* Bytes from outside as a new String: what is not UTF-8 becomes U+FFFD. */
static PrimStatus foreign_string(PrimCall *c, const char *bytes, size_t n, Value *out)
{
    char text[3 * FILE_PATH_MAX];
    PrimStatus st;
    prim_charge(c, n / 16);
    if (utf8_check(bytes, n, NULL))
        return prim_new_string(c, bytes, n, out, &st) ? PRIM_OK : st;
    size_t len = 0;
    n = n < FILE_PATH_MAX ? n : FILE_PATH_MAX;
    for (size_t i = 0; i < n;) {
        uint32_t codepoint;
        size_t width = utf8_decode(bytes + i, n - i, &codepoint);
        len += utf8_encode(width ? codepoint : 0xFFFD, text + len);
        i += width ? width : 1;
    }
    return prim_new_string(c, text, len, out, &st) ? PRIM_OK : st;
}

static PrimStatus answer_failure_text(PrimCall *c, const char *text, size_t n)
{
    Value string;
    PrimStatus st = foreign_string(c, text, n, &string);
    if (st == PRIM_OK)
        st = answer_wrapped(c, CLASS_FAILURE, string);
    return need(c, st, n / 8 + FILE_SMALL_WORDS);
}

static PrimStatus answer_failure(PrimCall *c, const FileJob *job)
{
    Buf text;
    buf_init(&text, c->vm->env, 3 * FILE_PATH_MAX);
    file_job_failure(job, &text);
    PrimStatus st = text.status == STATUS_OK ? answer_failure_text(c, text.data, text.len)
                                             : prim_status(c, text.status, 0);
    buf_free(&text);
    return st;
}

/* A String of the job's data, whose validity and length the dirty thread has found out. */
static PrimStatus new_text(PrimCall *c, const FileJob *job, Value *out, uint8_t **room)
{
    Status status =
        str_new(c->heap, c->cx, c->stack_end, CLASS_STRING, job->data.len, job->chars, room, out);
    return status == STATUS_OK ? PRIM_OK : prim_status(c, status, FILE_SMALL_WORDS);
}

static PrimStatus new_bytes(PrimCall *c, const FileJob *job, Value *out, uint8_t **room)
{
    PrimStatus st;
    size_t words = (job->data.len + 7) / 8;
    unsigned pad = (unsigned)(words * 8 - job->data.len);
    Object *o = prim_new(c, CLASS_BYTE_ARRAY, OBJ_BYTES, pad, words, &st);
    if (!o)
        return st;
    if (words)
        obj_slots(o)[words - 1] = 0; /* the rest of the last word */
    *room = obj_bytes(o);
    *out = value_ptr(o);
    return PRIM_OK;
}

static PrimStatus answer_tail(PrimCall *c, Value text, int64_t offset)
{
    PrimStatus st;
    Object *pair = prim_new_slots(c, CLASS_ARRAY, 2, &st);
    if (!pair)
        return st;
    pair->words[0] = text;
    pair->words[1] = value_int(offset);
    return finish(c, value_ptr(pair));
}

static PrimStatus answer_contents(PrimCall *c, const FileJob *job, Value contents)
{
    if (file_op_gives(job->op) == FILE_GIVES_TAIL)
        return answer_tail(c, contents, job->number);
    return answer_wrapped(c, CLASS_SUCCESS, contents);
}

static bool gives_bytes(const FileJob *job) { return file_op_gives(job->op) == FILE_GIVES_BYTES; }

static PrimStatus answer_short_contents(PrimCall *c, const FileJob *job)
{
    Value contents;
    uint8_t *room;
    PrimStatus st =
        gives_bytes(job) ? new_bytes(c, job, &contents, &room) : new_text(c, job, &contents, &room);
    if (st == PRIM_OK) {
        if (job->data.len)
            memcpy(room, job->data.data, job->data.len);
        prim_charge(c, job->data.len / 100);
        st = answer_contents(c, job, contents);
    }
    size_t words = job->data.len / 8;
    return need(c, st, (words <= HEAP_LARGE_WORDS ? words : 0) + FILE_SMALL_WORDS);
}

/* ---- long contents, lists ------------------------------------------------------------------- */

static size_t count_names(const Buf *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->len; i++)
        n += list->data[i] == '\0';
    return n;
}

static PrimStatus new_target(PrimCall *c, const FileJob *job, Value *out)
{
    uint8_t *room;
    PrimStatus st;
    if (file_op_gives(job->op) != FILE_GIVES_LIST)
        return gives_bytes(job) ? new_bytes(c, job, out, &room) : new_text(c, job, out, &room);
    Object *o = prim_new_slots(c, CLASS_ARRAY, count_names(&job->data), &st);
    *out = o ? value_ptr(o) : VALUE_NIL;
    return o ? PRIM_OK : st;
}

/* Hands the job to a handle in the heap and begins to copy. */
static PrimStatus begin_copy_out(PrimCall *c, FileJob *job)
{
    Value target, handle;
    PrimStatus st = new_target(c, job, &target);
    if (st != PRIM_OK)
        return need(c, st, FILE_SMALL_WORDS);
    Status status = heap_new_handle(c->heap, c->cx, c->stack_end, CLASS_OBJECT, &job->off, &handle);
    if (status != STATUS_OK)
        return prim_status(c, status, HEAP_LARGE_WORDS + FILE_SMALL_WORDS);
    Object *pair = prim_new_slots(c, CLASS_ARRAY, 2, &st);
    if (!pair)
        return need(c, st, HEAP_LARGE_WORDS + FILE_SMALL_WORDS);
    pair->words[0] = target;
    pair->words[1] = handle;
    c->resume->a = FILE_COPY_OUT;
    c->resume->b = c->resume->c = 0;
    c->resume->root = value_ptr(pair);
    return PRIM_OK;
}

static FileJob *job_of_handle(Value handle)
{
    return (FileJob *)(uintptr_t)obj_of(handle)->words[0];
}

static void copy_piece(PrimCall *c, const FileJob *job, Value target)
{
    uint8_t *room =
        gives_bytes(job) ? obj_bytes(obj_of(target)) : (uint8_t *)(uintptr_t)str_view(target).data;
    size_t left = job->data.len - c->resume->b;
    size_t n = left < FILE_PIECE ? left : FILE_PIECE;
    memcpy(room + c->resume->b, job->data.data + c->resume->b, n);
    c->resume->b += n;
    prim_charge(c, n / 100 + 1);
}

static PrimStatus copy_name(PrimCall *c, const FileJob *job)
{
    const char *name = job->data.data + c->resume->b;
    size_t n = strlen(name);
    Value string;
    PrimStatus st = foreign_string(c, name, n, &string);
    if (st != PRIM_OK)
        return st;
    Object *list = obj_of(obj_of(c->resume->root)->words[0]);
    (void)heap_store(c->heap, list, obj_slots(list) + c->resume->c, string); /* is not frozen */
    c->resume->b += n + 1;
    c->resume->c++;
    prim_charge(c, 1);
    return PRIM_OK;
}

static PrimStatus copy_out(PrimCall *c)
{
    FileJob *job = job_of_handle(obj_of(c->resume->root)->words[1]);
    bool list = file_op_gives(job->op) == FILE_GIVES_LIST;
    while (c->resume->b < job->data.len) {
        if (prim_out_of_time(c))
            return PRIM_YIELD;
        if (list) {
            PrimStatus st = copy_name(c, job);
            if (st != PRIM_OK)
                return st;
        } else {
            copy_piece(c, job, obj_of(c->resume->root)->words[0]);
        }
    }
    Value target = obj_of(c->resume->root)->words[0];
    PrimStatus st = list ? finish(c, target) : answer_contents(c, job, target);
    if (st == PRIM_OK)
        buf_free(&job->data); /* not only when the handle is collected */
    return st;
}

/* ---- what the dirty thread has found -------------------------------------------------------- */

static PrimStatus answer_text(PrimCall *c, const char *text, size_t n, bool wrapped)
{
    Value string;
    PrimStatus st = foreign_string(c, text, n, &string);
    if (st == PRIM_OK)
        st = wrapped ? answer_wrapped(c, CLASS_SUCCESS, string) : finish(c, string);
    return need(c, st, n / 8 + FILE_SMALL_WORDS);
}

static PrimStatus answer_job(PrimCall *c, FileJob *job)
{
    if (job->error)
        return answer_failure(c, job);
    switch (file_op_gives(job->op)) {
    case FILE_GIVES_PATH: return answer_wrapped(c, CLASS_SUCCESS, c->args[1]);
    case FILE_GIVES_NEW_PATH: return answer_wrapped(c, CLASS_SUCCESS, c->args[2]);
    case FILE_GIVES_MADE_PATH: return answer_text(c, job->path, strlen(job->path), true);
    case FILE_GIVES_BOOLEAN: return finish(c, value_bool(job->number != 0));
    case FILE_GIVES_NUMBER: return prim_answer_int64(c, job->number);
    case FILE_GIVES_PLAIN_TEXT: return answer_text(c, job->data.data, job->data.len, false);
    case FILE_GIVES_TEXT:
    case FILE_GIVES_BYTES:
    case FILE_GIVES_TAIL:
        if (job->data.len <= FILE_PIECE)
            return answer_short_contents(c, job);
        break;
    case FILE_GIVES_LIST: break;
    }
    PrimStatus st = begin_copy_out(c, job);
    return st == PRIM_OK ? copy_out(c) : st;
}

/* The job has run. It is kept (by the interpreter) when only memory for the answer was short. */
static PrimStatus job_done(PrimCall *c)
{
    FileJob *job = c->dirty_state;
    PrimStatus st = answer_job(c, job);
    if (st == PRIM_GC && c->resume->a != FILE_COPY_OUT)
        return st;
    c->dirty_state = NULL;
    file_job_release(job); /* perhaps the handle has another count */
    return st;
}

/* ---- asking --------------------------------------------------------------------------------- */

static PrimStatus submit(PrimCall *c, FileJob *job)
{
    c->dirty_run = file_job_run;
    c->dirty_free = file_job_forget;
    c->dirty_state = job;
    return PRIM_DIRTY;
}

/* Copies a path; what no file can be called is an error of the job. */
static void set_path(FileJob *job, char *path, StrView text)
{
    size_t n = text.bytes < FILE_PATH_MAX ? text.bytes : FILE_PATH_MAX - 1;
    memcpy(path, text.data, n);
    path[n] = '\0';
    if (n < text.bytes || memchr(path, '\0', n)) {
        job->error = n < text.bytes ? ENAMETOOLONG : EINVAL;
        job->what = "open";
        job->on_path2 = path == job->path2;
    }
}

static PrimStatus missing_path(PrimCall *c, FileOp op, const char *selector)
{
    if (file_op_gives(op) == FILE_GIVES_BOOLEAN)
        return finish(c, VALUE_FALSE);
    char text[128];
    int n = snprintf(text, sizeof text, "%s requires a path string", selector);
    return answer_failure_text(c, text, (size_t)n);
}

/* A job about args[1] and, when `paths` is 2, args[2]; NULL when the answer is there already. */
static PrimStatus new_job(PrimCall *c, FileOp op, const char *selector, unsigned paths,
                          FileJob **out)
{
    StrView path[2];
    *out = NULL;
    for (unsigned i = 0; i < paths; i++) {
        if (!prim_text(c, c->args[1 + i], &path[i]))
            return prim_type_error(c, 1 + i, "String");
        if (path[i].bytes == 0)
            return missing_path(c, op, selector);
    }
    FileJob *job = file_job_new(c->vm->env, op);
    if (!job)
        return prim_status(c, STATUS_NO_MEMORY, 0);
    if (paths > 0)
        set_path(job, job->path, path[0]);
    if (paths > 1)
        set_path(job, job->path2, path[1]);
    *out = job;
    return PRIM_OK;
}

/* A job that cannot run is answered at once. */
static PrimStatus submit_or_fail(PrimCall *c, FileJob *job)
{
    if (!job->error)
        return submit(c, job);
    PrimStatus st = file_op_gives(job->op) == FILE_GIVES_BOOLEAN ? finish(c, VALUE_FALSE)
                                                                 : answer_failure(c, job);
    file_job_release(job);
    return st;
}

static PrimStatus file_operation(PrimCall *c, FileOp op, const char *selector, unsigned paths)
{
    if (c->dirty_done)
        return job_done(c);
    if (c->resume->a == FILE_COPY_OUT)
        return copy_out(c);
    FileJob *job;
    PrimStatus st = new_job(c, op, selector, paths, &job);
    return job ? submit_or_fail(c, job) : st;
}

#define FILE_PRIM(name, op, selector, paths)                                                       \
    PrimStatus prim_file_##name(PrimCall *c)                                                       \
    {                                                                                              \
        return file_operation(c, FILE_OP_##op, selector, paths);                                   \
    }
FILE_PRIM(read, READ, "readFileContents:", 1)
FILE_PRIM(read_bytes, READ_BYTES, "readBytes:", 1)
FILE_PRIM(exists, EXISTS, "exists:", 1)
FILE_PRIM(is_directory, IS_DIRECTORY, "isDirectory:", 1)
FILE_PRIM(is_file, IS_FILE, "isFile:", 1)
FILE_PRIM(list, LIST, "listDirectory:", 1)
FILE_PRIM(make_directory, MAKE_DIRECTORY, "createDirectory:", 1)
FILE_PRIM(delete, DELETE, "delete:", 1)
FILE_PRIM(delete_all, DELETE_ALL, "deleteAll:", 1)
FILE_PRIM(rename, RENAME, "rename:to:", 2)
FILE_PRIM(copy, COPY, "copy:to:", 2)
FILE_PRIM(size, SIZE, "size:", 1)
FILE_PRIM(modified, MODIFIED, "modificationTime:", 1)
FILE_PRIM(temp, TEMP, "tempFileWithPrefix:", 1)
FILE_PRIM(absolute, ABSOLUTE, "absolutePath:", 1)
FILE_PRIM(working_directory, WORKING_DIRECTORY, "workingDirectory", 0)

/* Pattern first, then directory; the job wants them the other way round. */
PrimStatus prim_file_glob(PrimCall *c)
{
    if (c->dirty_done || c->resume->a == FILE_COPY_OUT)
        return file_operation(c, FILE_OP_GLOB, "glob:in:", 2);
    FileJob *job;
    PrimStatus st = new_job(c, FILE_OP_GLOB, "glob:in:", 2, &job);
    if (!job)
        return st;
    char pattern[FILE_PATH_MAX];
    memcpy(pattern, job->path, sizeof pattern);
    memcpy(job->path, job->path2, sizeof pattern);
    memcpy(job->path2, pattern, sizeof pattern);
    return submit_or_fail(c, job);
}

PrimStatus prim_file_tail(PrimCall *c)
{
    if (c->dirty_done || c->resume->a == FILE_COPY_OUT)
        return file_operation(c, FILE_OP_TAIL, "readFrom:offset:", 1);
    FileJob *job;
    PrimStatus st = new_job(c, FILE_OP_TAIL, "readFrom:offset:", 1, &job);
    if (!job)
        return st;
    job->number = value_is_int(c->args[2]) ? value_as_int(c->args[2]) : 0;
    return submit_or_fail(c, job);
}

/* ---- writing -------------------------------------------------------------------------------- */

static bool contents_of(PrimCall *c, StrView *out)
{
    Value v = c->args[2];
    if (prim_text(c, v, out))
        return true;
    if (!value_is_kind(v, OBJ_BYTES))
        return false;
    *out = (StrView){obj_bytes(obj_of(v)), obj_byte_length(obj_of(v)), 0};
    return true;
}

/* Contents that are too long to copy in one go. */
static PrimStatus copy_in(PrimCall *c)
{
    StrView contents;
    FileJob *job = job_of_handle(c->resume->root);
    /* A ByteArray is not shared, and this process does nothing else: it has not changed. */
    if (!contents_of(c, &contents) || job->data.len > contents.bytes)
        return prim_type_error(c, 2, "String");
    while (job->data.len < contents.bytes) {
        if (prim_out_of_time(c))
            return PRIM_YIELD;
        size_t left = contents.bytes - job->data.len;
        size_t n = left < FILE_PIECE ? left : FILE_PIECE;
        Status status = buf_put(&job->data, contents.data + job->data.len, n);
        if (status != STATUS_OK)
            return prim_status(c, status, 0); /* no memory: room was reserved */
        prim_charge(c, n / 100 + 1);
    }
    offheap_retain(&job->off);
    finish(c, VALUE_NIL);
    return submit(c, job);
}

/* Hands the job (a count of it) to a handle. */
static PrimStatus begin_copy_in(PrimCall *c, FileJob *job)
{
    Value handle;
    Status status = heap_new_handle(c->heap, c->cx, c->stack_end, CLASS_OBJECT, &job->off, &handle);
    if (status != STATUS_OK)
        return prim_status(c, status, FILE_SMALL_WORDS);
    c->resume->a = FILE_COPY_IN;
    c->resume->root = handle;
    return PRIM_OK;
}

static PrimStatus file_write(PrimCall *c, FileOp op, const char *selector, int64_t mode)
{
    if (c->dirty_done)
        return job_done(c);
    if (c->resume->a == FILE_COPY_IN)
        return copy_in(c);
    StrView contents;
    if (!contents_of(c, &contents))
        return prim_type_error(c, 2, "String");
    FileJob *job;
    PrimStatus st = new_job(c, op, selector, 1, &job);
    if (!job)
        return st;
    job->number = mode;
    if (job->error)
        return submit_or_fail(c, job);
    Status status = buf_reserve(&job->data, contents.bytes);
    if (status != STATUS_OK) {
        job->error = status == STATUS_NO_MEMORY ? ENOMEM : EFBIG;
        job->what = "write";
        return submit_or_fail(c, job);
    }
    if (contents.bytes > FILE_PIECE) {
        st = begin_copy_in(c, job);
        file_job_release(job);
        return st == PRIM_OK ? copy_in(c) : st;
    }
    (void)buf_put(&job->data, contents.data, contents.bytes); /* room is reserved */
    prim_charge(c, contents.bytes / 100);
    return submit(c, job);
}

PrimStatus prim_file_write(PrimCall *c)
{
    return file_write(c, FILE_OP_WRITE, "writeFileContents:contents:", -1);
}

PrimStatus prim_file_write_mode(PrimCall *c)
{
    if (!value_is_int(c->args[3])) {
        static const char text[] = "writeFileContents:contents:mode: requires an integer mode";
        return answer_failure_text(c, text, sizeof text - 1);
    }
    return file_write(c, FILE_OP_WRITE,
                      "writeFileContents:contents:mode:", value_as_int(c->args[3]) & 07777);
}

PrimStatus prim_file_append(PrimCall *c)
{
    return file_write(c, FILE_OP_APPEND, "appendToFile:contents:", -1);
}

/* ---- names ---------------------------------------------------------------------------------- */

static PrimStatus answer_part(PrimCall *c, PathText (*part)(const char *path, size_t n))
{
    StrView path;
    if (!prim_text(c, c->args[1], &path))
        return prim_type_error(c, 1, "String");
    if (path.bytes > FILE_PATH_MAX)
        return prim_error(c, system_error_text(ENAMETOOLONG));
    prim_charge(c, path.bytes / 32);
    PathText text = part((const char *)path.data, path.bytes);
    return prim_answer_string(c, text.bytes, text.len);
}

PrimStatus prim_file_basename(PrimCall *c) { return answer_part(c, path_base); }
PrimStatus prim_file_extension(PrimCall *c) { return answer_part(c, path_extension); }

static PrimStatus too_long(PrimCall *c) { return prim_error(c, system_error_text(ENAMETOOLONG)); }

PrimStatus prim_file_dirname(PrimCall *c)
{
    StrView path;
    char clean[FILE_PATH_MAX + 2];
    if (!prim_text(c, c->args[1], &path))
        return prim_type_error(c, 1, "String");
    if (path.bytes > FILE_PATH_MAX)
        return too_long(c);
    prim_charge(c, path.bytes / 32);
    PathText dir = path_dir((const char *)path.data, path.bytes);
    return prim_answer_string(c, clean, path_clean(dir.bytes, dir.len, clean));
}

PrimStatus prim_file_join(PrimCall *c)
{
    StrView base, name;
    char whole[2 * FILE_PATH_MAX + 2];
    if (!prim_text(c, c->args[1], &base))
        return prim_type_error(c, 1, "String");
    if (!prim_text(c, c->args[2], &name))
        return prim_type_error(c, 2, "String");
    if (base.bytes + name.bytes > 2 * FILE_PATH_MAX)
        return too_long(c);
    size_t n = 0;
    memcpy(whole, base.data, base.bytes);
    n += base.bytes;
    if (base.bytes && name.bytes)
        whole[n++] = '/';
    memcpy(whole + n, name.data, name.bytes);
    n += name.bytes;
    return prim_answer_string(c, whole, n ? path_clean(whole, n, whole) : 0);
}
