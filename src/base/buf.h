/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - growable byte buffer with an upper bound and a sticky status.
 * The first failure (no memory, limit) stays in `status` and later writes do nothing, so a writer
 * may put many pieces and look once at the end; each put also answers the status.
 * Threads: the owner of the Buf. */
#ifndef MAGGIE_BUF_H
#define MAGGIE_BUF_H

#include <stdarg.h>

#include "env.h"

typedef struct Buf {
    char *data; /* NULL while cap is 0; bytes [0, len) are defined */
    size_t len;
    size_t cap;
    size_t limit; /* len never exceeds it */
    const Env *env;
    Status status;
} Buf;

/* An empty buffer that will hold at most `limit` bytes (SIZE_MAX: as much as memory allows).
 * Allocates nothing. Borrows `env` until buf_free. */
void buf_init(Buf *buf, const Env *env, size_t limit);

/* Gives the memory back; the Buf may be initialised again. */
void buf_free(Buf *buf);

/* Forgets content and failure, keeps the memory. */
void buf_clear(Buf *buf);

/* Makes room for `n` more bytes, so that the next puts of that total cannot fail. */
Status buf_reserve(Buf *buf, size_t n);

Status buf_put(Buf *buf, const void *bytes, size_t n);
Status buf_put_byte(Buf *buf, char byte);
Status buf_puts(Buf *buf, const char *text);
Status buf_put_utf8(Buf *buf, uint32_t codepoint); /* STATUS_BAD_UTF8 for what cannot be encoded */
Status buf_putf(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
Status buf_vputf(Buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Grows by `n` undefined bytes for the caller to fill; NULL when that failed. */
char *buf_extend(Buf *buf, size_t n);

/* Ends the content with a NUL that len does not count, and answers it; "" after a failure. */
const char *buf_cstr(Buf *buf);

/* Hands the block over: *len is its content, *cap its size for env_free. The Buf is empty then.
 * Answers NULL when the buffer was empty or had failed. */
char *buf_take(Buf *buf, size_t *len, size_t *cap);

#endif
