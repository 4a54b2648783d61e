/* SPDX-License-Identifier: Apache-2.0 */
/* boot_image.h - the compiled class library inside the program; made by stdlib/meson.build.
 * Threads: constant data. */
#ifndef MAGGIE_BOOT_IMAGE_H
#define MAGGIE_BOOT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

extern const unsigned char maggie_boot_image[];
extern const uint64_t maggie_boot_image_size;

#endif
