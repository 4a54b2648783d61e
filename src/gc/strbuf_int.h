/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf_int.h - the off-heap buffer behind big strings. Not for other folders.
 * Threads: see the fields. */
#ifndef MAGGIE_STRBUF_INT_H
#define MAGGIE_STRBUF_INT_H

#include "gc_int.h"

struct StrBuf {
    uint32_t refs;   /* atomic; handle objects */
    size_t used;     /* atomic; bytes claimed: [0, used) never change once a handle shows them */
    size_t capacity; /* bytes in data */
    uint8_t data[];
};

/* Returns new with one count, `used` bytes of it claimed; NULL when memory is out. */
StrBuf *strbuf_new(HeapEnv *henv, size_t used, size_t capacity);
void strbuf_retain(StrBuf *buf);
void strbuf_release(HeapEnv *henv, StrBuf *buf);

#endif
