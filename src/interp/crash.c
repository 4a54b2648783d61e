/* SPDX-License-Identifier: Apache-2.0 */
/* crash.c - text of an exit reason, for the crash log.
 * Threads: the owner of the process. */
#include "crash.h"

#include <string.h>

/* Variables of the library's CrashReason. */
enum { CRASH_CLASS, CRASH_TEXT, CRASH_TRACE, CRASH_SLOTS };

typedef struct Out {
    char *at;
    size_t left;
} Out;

static void put(Out *out, const void *bytes, size_t n)
{
    n = n < out->left ? n : out->left;
    memcpy(out->at, bytes, n);
    out->at += n;
    out->left -= n;
}

static void put_class(Out *out, const Vm *vm, uint32_t index)
{
    SymtabName name = symtab_name(vm->symtab, vm_class(vm, index)->name);
    put(out, name.bytes, name.len);
}

/* False when v is no text. */
static bool put_text(Out *out, const Vm *vm, Value v)
{
    if (value_is_symbol(v)) {
        SymtabName name = symtab_name(vm->symtab, value_as_symbol(v));
        put(out, name.bytes, name.len);
        return true;
    }
    if (!value_is_string(v))
        return false;
    StrView text = str_view(v);
    put(out, text.data, text.bytes);
    return true;
}

static bool put_crash(Out *out, const Vm *vm, const Value *slots)
{
    if (!value_is_class(slots[CRASH_CLASS]))
        return false;
    put_class(out, vm, value_as_class(slots[CRASH_CLASS]));
    put(out, ": ", 2);
    if (!put_text(out, vm, slots[CRASH_TEXT]))
        put(out, "unhandled exception", 19);
    if (value_is_string(slots[CRASH_TRACE])) {
        put(out, " at", 3);
        put_text(out, vm, slots[CRASH_TRACE]);
    }
    return true;
}

size_t crash_describe(void *ctx, Process *p, Value reason, char *out, size_t n)
{
    (void)p;
    const Vm *vm = ctx;
    Out o = {out, n};
    if (put_text(&o, vm, reason))
        return n - o.left;
    if (value_is_kind(reason, OBJ_SLOTS) && obj_words(obj_of(reason)) == CRASH_SLOTS &&
        put_crash(&o, vm, obj_slots(obj_of(reason))))
        return n - o.left;
    put(&o, "an instance of ", 15);
    put_class(&o, vm, value_class_of(reason));
    return n - o.left;
}
