/* SPDX-License-Identifier: Apache-2.0 */
/* prims_array.h - how primitives look at Arrays and instances of their subclasses.
 * Threads: the owner of the process. */
#ifndef MAGGIE_PRIMS_ARRAY_H
#define MAGGIE_PRIMS_ARRAY_H

#include "vm.h"

typedef struct ArrayView {
    Object *object;
    size_t named; /* words of named variables in front of the elements */
    size_t size;  /* elements */
} ArrayView;

/* False when v is no Array. Unrooted: valid until the primitive returns. */
bool array_view(const PrimCall *c, Value v, ArrayView *out);

#endif
