/* SPDX-License-Identifier: Apache-2.0 */
/* image.h - compiled definitions as bytes: classes, traits and methods, no heap objects.
 *
 * A header (magic, version, opcode fingerprint, length, checksum), then five sections: strings,
 * units, classes, traits, methods. Numbers are LEB128, instructions and floats little-endian
 * 64-bit words; texts and units stand once and are named by index. The same definitions in the same
 * order give the same bytes.
 *
 * The reader takes bytes from anywhere: every count is checked against the bytes that are left
 * before memory is asked for, nesting is limited, every unit passes code_verify and may only name
 * slots that its class has. For the image that the program itself carries (IMAGE_TRUSTED) these
 * checks are left out; its checksum is verified all the same.
 *
 * Threads: a writer belongs to one thread; image_load to a thread with a VmLocal of its own, one
 * load of a VM at a time.
 */
#ifndef MAGGIE_IMAGE_H
#define MAGGIE_IMAGE_H

#include "buf.h"
#include "loader.h"

#define IMAGE_VERSION 1u
#define IMAGE_HEADER_BYTES 32u
#define IMAGE_MAX_BYTES ((size_t)1 << 30)

/* Collects what a Loader defines through its tap. */
typedef struct ImageWriter ImageWriter;
/* Returns new; NULL when memory is out. */
ImageWriter *image_writer_new(const Env *env);
void image_writer_free(ImageWriter *w);
/* Borrowed: lasts as long as the writer. */
const LoaderTap *image_writer_tap(const ImageWriter *w);
/* Appends the whole image to `out`. */
MUST_CHECK Status image_write(ImageWriter *w, Buf *out);

enum { IMAGE_TRUSTED = 1, IMAGE_BOOT = 2 /* the library: unknown primitives are errors */ };

/* Defines and installs everything in the image, or nothing but class shapes when it answers an
 * error; then a text in `error`. The bytes are only read during the call. */
MUST_CHECK Status image_load(Vm *vm, VmLocal *l, const void *bytes, size_t n, unsigned flags,
                             char *error, size_t error_size);

#endif
