/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - growable byte buffer with an upper bound and a sticky status.
 * Threads: the owner of the Buf. Invariant: len <= cap, len <= limit; one byte beyond the limit may
 * be allocated for the NUL of buf_cstr. */
#include "buf.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"

#define BUF_CAP_MIN 64

void buf_init(Buf *buf, const Env *env, size_t limit)
{
    /* The NUL of buf_cstr must not overflow the size. */
    *buf = (Buf){.env = env, .limit = limit < SIZE_MAX ? limit : SIZE_MAX - 1};
}

void buf_free(Buf *buf)
{
    env_free(buf->env, buf->data, buf->cap);
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
}

void buf_clear(Buf *buf)
{
    buf->len = 0;
    buf->status = STATUS_OK;
}

/* Makes cap at least `need`, doubling; `need` <= limit + 1. */
static Status buf_grow(Buf *buf, size_t need)
{
    size_t cap = buf->cap < BUF_CAP_MIN ? BUF_CAP_MIN : buf->cap;
    while (cap < need)
        cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
    if (cap > buf->limit + 1)
        cap = buf->limit + 1;
    char *data =
        buf->data ? env_realloc(buf->env, buf->data, buf->cap, cap) : env_alloc(buf->env, cap);
    if (!data)
        return buf->status = STATUS_NO_MEMORY;
    buf->data = data;
    buf->cap = cap;
    return STATUS_OK;
}

Status buf_reserve(Buf *buf, size_t n)
{
    if (buf->status != STATUS_OK)
        return buf->status;
    if (n > buf->limit - buf->len)
        return buf->status = STATUS_LIMIT;
    if (n > buf->cap - buf->len)
        return buf_grow(buf, buf->len + n);
    return STATUS_OK;
}

char *buf_extend(Buf *buf, size_t n)
{
    if (buf_reserve(buf, n) != STATUS_OK)
        return NULL;
    /* n == 0 on an empty buffer must not look like a failure. */
    if (!buf->data && buf_grow(buf, 1) != STATUS_OK)
        return NULL;
    char *start = buf->data + buf->len;
    buf->len += n;
    return start;
}

Status buf_put(Buf *buf, const void *bytes, size_t n)
{
    STATUS_FORWARD(buf_reserve(buf, n));
    if (n > 0) {
        memcpy(buf->data + buf->len, bytes, n);
        buf->len += n;
    }
    return STATUS_OK;
}

Status buf_put_byte(Buf *buf, char byte) { return buf_put(buf, &byte, 1); }

Status buf_puts(Buf *buf, const char *text) { return buf_put(buf, text, strlen(text)); }

Status buf_put_utf8(Buf *buf, uint32_t codepoint)
{
    char bytes[4];
    size_t n = utf8_encode(codepoint, bytes);
    if (n == 0)
        return buf->status == STATUS_OK ? (buf->status = STATUS_BAD_UTF8) : buf->status;
    return buf_put(buf, bytes, n);
}

Status buf_vputf(Buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0)
        return buf->status == STATUS_OK ? (buf->status = STATUS_BAD_ARGUMENT) : buf->status;
    size_t n = (size_t)size;
    STATUS_FORWARD(buf_reserve(buf, n));
    /* vsnprintf ends with a NUL, which limit + 1 has room for. */
    if (n + 1 > buf->cap - buf->len)
        STATUS_FORWARD(buf_grow(buf, buf->len + n + 1));
    vsnprintf(buf->data + buf->len, n + 1, format, args);
    buf->len += n;
    return STATUS_OK;
}

Status buf_putf(Buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Status status = buf_vputf(buf, format, args);
    va_end(args);
    return status;
}

const char *buf_cstr(Buf *buf)
{
    if (buf->status != STATUS_OK)
        return "";
    if (buf->len == buf->cap && buf_grow(buf, buf->len + 1) != STATUS_OK)
        return "";
    buf->data[buf->len] = '\0';
    return buf->data;
}

char *buf_take(Buf *buf, size_t *len, size_t *cap)
{
    if (buf->status != STATUS_OK || !buf->data) {
        *len = 0;
        *cap = 0;
        return NULL;
    }
    char *data = buf->data;
    *len = buf->len;
    *cap = buf->cap;
    buf->data = NULL;
    buf->len = 0;
    buf->cap = 0;
    return data;
}
