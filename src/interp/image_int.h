/* SPDX-License-Identifier: Apache-2.0 */
/* image_int.h - what the writer and the reader of images agree on. */
#ifndef MAGGIE_IMAGE_INT_H
#define MAGGIE_IMAGE_INT_H

#include "hash.h"
#include "image.h"

#define IMAGE_MAGIC "MAGIMG\r\n"
#define IMAGE_DEPTH_MAX 1000u /* nested blocks and literal arrays, as deep as the parser allows */

enum { /* flags of a unit */
       IMAGE_UNIT_SELF = 1,
       IMAGE_UNIT_NLR = 2,
       IMAGE_UNIT_PRIMITIVE = 4,
       IMAGE_UNIT_ALL = 7
};

static inline uint64_t image_word(const unsigned char *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

/* Changes whenever the list of instructions does: code of another list must not be run. */
static inline uint32_t image_fingerprint(void)
{
    uint32_t hash = HASH_FNV32_START;
    for (unsigned i = 0; i < OP_COUNT; i++) {
        hash = hash_fnv32_more(hash, op_info[i].name, strlen(op_info[i].name) + 1);
        unsigned char form = (unsigned char)op_info[i].form;
        hash = hash_fnv32_more(hash, &form, 1);
    }
    return hash;
}

/* Eight bytes at a time: the embedded image is checked at every start. */
static inline uint64_t image_checksum(const unsigned char *p, size_t n)
{
    uint64_t hash = n;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        hash = (hash ^ image_word(p + i)) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    for (; i < n; i++) {
        hash = (hash ^ p[i]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash_mix64(hash);
}

#endif
