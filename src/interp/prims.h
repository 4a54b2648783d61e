/* SPDX-License-Identifier: Apache-2.0 */
/* prims.h - prototypes of all primitives, from their tables. */
#ifndef MAGGIE_PRIMS_H
#define MAGGIE_PRIMS_H

#include "prim.h"

#define PRIM(cls, selector, fn, authority, fallback, help) PrimStatus fn(PrimCall *c);
#define CONTROL(cls, selector, fn, authority, fallback, help) PrimStatus fn(PrimCall *c);
#include "prims_all.h"
#undef PRIM
#undef CONTROL

#endif
