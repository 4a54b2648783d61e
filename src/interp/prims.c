/* SPDX-License-Identifier: Apache-2.0 */
/* prims.c - the one table of primitives, put together from the prims_*.def lists.
 * Threads: constant data. */
#include "prims.h"

#include "vm_int.h"

#define PRIM(cls, selector, fn, authority, fallback, help)                                         \
    {cls, selector, fn, authority, fallback, help, false},
#define CONTROL(cls, selector, fn, authority, fallback, help)                                      \
    {cls, selector, fn, authority, fallback, help, true},
static const PrimEntry entries[] = {
#include "prims_all.h"
    {NULL, NULL, NULL, 0, NULL, NULL, false}};
#undef PRIM
#undef CONTROL

const PrimEntry *prim_all(void) { return entries; }

static bool same(const char *text, Bytes b)
{
    return strncmp(text, b.data, b.len) == 0 && text[b.len] == 0;
}

static bool same_class(const char *text, Bytes cls, bool class_side)
{
    if (strncmp(text, cls.data, cls.len) != 0) {
        return false;
    }
    return strcmp(text + cls.len, class_side ? " class" : "") == 0;
}

/* A linear search: at load time only, over some hundred short strings with early mismatch. */
const PrimEntry *prim_find(Bytes cls, bool class_side, Bytes selector)
{
    for (const PrimEntry *e = entries; e->cls; e++) {
        if (e->selector[0] == selector.data[0] && same(e->selector, selector) &&
            same_class(e->cls, cls, class_side)) {
            return e;
        }
    }
    return NULL;
}
