/* SPDX-License-Identifier: Apache-2.0 */
/* maggie_values.c - values between C and Maggie: results out of a process's heap, arguments and
 * messages into frozen regions.
 * Recursion over nested arrays is limited by VALUE_DEPTH_MAX (I4).
 * Threads: results are made on the scheduler thread that runs the process; freezing on the
 * caller's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "class.h"
#include "maggie_int.h"
#include "strbuf.h"
#include "utf8.h"

#define VALUE_DEPTH_MAX 64u
#define VALUE_ITEMS_MAX ((size_t)10000000)

/* ---- results ---- */

static const char *copy_text(MaggieResult *r, const void *bytes, size_t n)
{
    return lang_arena_copy(&r->arena, bytes, n).ptr; /* "" when memory is out */
}

static void set_text(MaggieResult *r, const void *bytes, size_t n)
{
    r->text = copy_text(r, bytes, n);
    r->text_len = r->arena.failed ? 0 : n;
}

MaggieResult *result_new(MaggieStatus status, const char *text, size_t len)
{
    MaggieResult *r = calloc(1, sizeof *r);
    if (r) {
        lang_arena_init(&r->arena, lang_allocator_malloc(), 0);
        r->status = status;
        r->trace = "";
        set_text(r, text, len);
    }
    return r;
}

void maggie_result_free(MaggieResult *r)
{
    if (r) {
        lang_arena_free(&r->arena);
        free(r);
    }
}

MaggieStatus maggie_result_status(const MaggieResult *r)
{
    return r ? r->status : MAGGIE_NO_MEMORY;
}
const char *maggie_result_text(const MaggieResult *r) { return r ? r->text : ""; }
size_t maggie_result_text_length(const MaggieResult *r) { return r ? r->text_len : 0; }
const char *maggie_result_trace(const MaggieResult *r) { return r ? r->trace : ""; }

const MaggieValue *maggie_result_value(const MaggieResult *r)
{
    static const MaggieValue nothing = {.kind = MAGGIE_NIL};
    return r ? &r->value : &nothing;
}

static void put_bytes(MaggieResult *r, MaggieValue *out, MaggieKind kind, const void *p, size_t n)
{
    out->kind = kind;
    out->as.text.bytes = copy_text(r, p, n);
    out->as.text.len = r->arena.failed ? 0 : n;
}

static void put_symbol(MaggieResult *r, const Vm *vm, MaggieValue *out, MaggieKind kind,
                       uint32_t id)
{
    Bytes b = vm_symbol_text(vm, id);
    put_bytes(r, out, kind, b.data, b.len);
}

static bool is_array(const Vm *vm, Value v)
{
    return value_is_kind(v, OBJ_SLOTS) && class_inherits(vm, obj_class(obj_of(v)), CLASS_ARRAY) &&
           vm_class(vm, obj_class(obj_of(v)))->nslots == 0;
}

static void put_value(MaggieResult *r, const Vm *vm, Value v, unsigned depth, MaggieValue *out)
{
    if (value_is_int(v)) {
        *out = (MaggieValue){.kind = MAGGIE_INT, .as.integer = value_as_int(v)};
    } else if (value_is_float(v)) {
        *out = (MaggieValue){.kind = MAGGIE_FLOAT, .as.number = value_as_float(v)};
    } else if (value_is_nil(v) || v == VALUE_NONE) {
        *out = (MaggieValue){.kind = MAGGIE_NIL};
    } else if (value_is_bool(v)) {
        *out = (MaggieValue){.kind = MAGGIE_BOOL, .as.boolean = v == VALUE_TRUE};
    } else if (value_is_char(v)) {
        *out = (MaggieValue){.kind = MAGGIE_CHARACTER, .as.character = value_as_char(v)};
    } else if (value_is_pid(v)) {
        *out = (MaggieValue){.kind = MAGGIE_PROCESS, .as.process = v};
    } else if (value_is_symbol(v)) {
        put_symbol(r, vm, out, MAGGIE_SYMBOL, value_as_symbol(v));
    } else if (value_is_class(v)) {
        put_symbol(r, vm, out, MAGGIE_CLASS, vm_class(vm, value_as_class(v))->name);
    } else if (value_is_string(v)) {
        StrView text = str_view(v);
        put_bytes(r, out, MAGGIE_STRING, text.data, text.bytes);
    } else if (is_array(vm, v) && depth < VALUE_DEPTH_MAX &&
               obj_words(obj_of(v)) <= VALUE_ITEMS_MAX) {
        size_t n = obj_words(obj_of(v));
        MaggieValue *items = lang_arena_array(&r->arena, n, sizeof *items);
        for (size_t i = 0; items && i < n; i++) {
            put_value(r, vm, obj_slots(obj_of(v))[i], depth + 1, &items[i]);
        }
        *out = (MaggieValue){.kind = MAGGIE_ARRAY};
        out->as.array.items = items;
        out->as.array.count = items ? n : 0;
    } else {
        put_symbol(r, vm, out, MAGGIE_OTHER, vm_class(vm, value_class_of(v))->short_name);
    }
}

static MaggieResult *checked(MaggieResult *r)
{
    if (r && r->arena.failed) {
        maggie_result_free(r);
        return result_new(MAGGIE_NO_MEMORY, "out of memory", 13);
    }
    return r;
}

/* "CLASS: text" and the trace. */
static MaggieResult *result_of_error(Bytes name, Value text, Value trace)
{
    MaggieResult *r = result_new(MAGGIE_ERROR, "", 0);
    StrView view = {(const uint8_t *)"unhandled exception", 19, 19};
    if (!r) {
        return NULL;
    }
    if (value_is_string(text)) {
        view = str_view(text);
    }
    char *line = lang_arena_alloc(&r->arena, name.len + view.bytes + 3);
    if (line) {
        memcpy(line, name.data, name.len);
        memcpy(line + name.len, ": ", 2);
        memcpy(line + name.len + 2, view.data, view.bytes);
        r->text = line;
        r->text_len = name.len + 2 + view.bytes;
    }
    if (value_is_string(trace)) {
        StrView t = str_view(trace);
        r->trace = copy_text(r, t.data, t.bytes);
    }
    return checked(r);
}

/* Slots of CrashReason, in the order of the library. */
enum { CRASH_CLASS, CRASH_TEXT, CRASH_TRACE, CRASH_SLOTS };

MaggieResult *result_of_end(Vm *vm, Value reason, Value value)
{
    if (reason == value_symbol(SYM_NORMAL)) {
        MaggieResult *r = result_new(MAGGIE_OK, "", 0);
        if (r) {
            put_value(r, vm, value, 0, &r->value);
        }
        return checked(r);
    }
    if (value_is_kind(reason, OBJ_SLOTS) && obj_words(obj_of(reason)) == CRASH_SLOTS &&
        value_is_class(obj_slots(obj_of(reason))[CRASH_CLASS])) {
        const Value *slots = obj_slots(obj_of(reason));
        uint32_t cls = value_as_class(slots[CRASH_CLASS]);
        return result_of_error(vm_symbol_text(vm, vm_class(vm, cls)->short_name), slots[CRASH_TEXT],
                               slots[CRASH_TRACE]);
    }
    MaggieResult *r = result_new(MAGGIE_ENDED, "", 0);
    if (!r) {
        return NULL;
    }
    put_value(r, vm, reason, 0, &r->value);
    if (r->value.kind == MAGGIE_SYMBOL || r->value.kind == MAGGIE_STRING) {
        r->text = r->value.as.text.bytes;
        r->text_len = r->value.as.text.len;
    } else if (r->value.kind == MAGGIE_OTHER) {
        set_text(r, r->value.as.text.bytes, r->value.as.text.len);
    } else if (r->value.kind == MAGGIE_INT) {
        char digits[24];
        int n = snprintf(digits, sizeof digits, "%lld", (long long)r->value.as.integer);
        set_text(r, digits, (size_t)n);
    } else {
        set_text(r, "an object", 9);
    }
    return checked(r);
}

MaggieResult *result_of_delivery(Vm *vm, Value delivery)
{
    if (!is_array(vm, delivery) || obj_words(obj_of(delivery)) != 3) {
        return result_new(MAGGIE_INTERNAL, "not a delivery", 14);
    }
    const Value *parts = obj_slots(obj_of(delivery));
    Bytes kind =
        value_is_symbol(parts[0]) ? vm_symbol_text(vm, value_as_symbol(parts[0])) : (Bytes){"", 0};
    if (kind.len == 5 && !memcmp(kind.data, "error", 5) && is_array(vm, parts[1]) &&
        obj_words(obj_of(parts[1])) == 2) {
        const Value *error = obj_slots(obj_of(parts[1]));
        StrView name =
            value_is_string(error[0]) ? str_view(error[0]) : (StrView){(const uint8_t *)"", 0, 0};
        return result_of_error((Bytes){(const char *)name.data, name.bytes}, error[1], parts[2]);
    }
    bool syntax = kind.len == 6 && !memcmp(kind.data, "syntax", 6);
    MaggieResult *r = result_new(syntax ? MAGGIE_SYNTAX : MAGGIE_OK, "", 0);
    if (!r) {
        return NULL;
    }
    put_value(r, vm, parts[1], 0, &r->value);
    if (value_is_string(parts[2])) {
        StrView text = str_view(parts[2]);
        set_text(r, text.data, text.bytes);
    }
    return checked(r);
}

/* ---- freezing ---- */

static size_t string_words(size_t bytes)
{
    return bytes <= STR_INLINE_MAX ? 2 + (bytes + 7) / 8 + 1 : STR_HANDLE_WORDS + 2;
}

static Status words_of(const MaggieValue *v, unsigned depth, size_t *words)
{
    if ((v->kind == MAGGIE_STRING || v->kind == MAGGIE_SYMBOL) &&
        !utf8_check(v->as.text.bytes, v->as.text.len, NULL)) {
        return STATUS_BAD_UTF8;
    }
    if (v->kind == MAGGIE_STRING) {
        *words += string_words(v->as.text.len);
    } else if (v->kind == MAGGIE_INT && !value_int_fits(v->as.integer)) {
        *words += 3;
    } else if (v->kind == MAGGIE_ARRAY) {
        if (depth >= VALUE_DEPTH_MAX || v->as.array.count > VALUE_ITEMS_MAX) {
            return STATUS_TOO_DEEP;
        }
        *words += 1 + obj_alloc_words(v->as.array.count);
        for (size_t i = 0; i < v->as.array.count; i++) {
            STATUS_FORWARD(words_of(&v->as.array.items[i], depth + 1, words));
        }
    }
    return STATUS_OK;
}

typedef struct Freezer {
    Vm *vm;
    HeapCtx *cx;
    Region *region;
} Freezer;

static Status freeze(Freezer *f, const MaggieValue *v, Value *out);

static Status freeze_array(Freezer *f, const MaggieValue *items, size_t n, Value *out)
{
    Object *o;
    STATUS_FORWARD(frozen_new(f->region, CLASS_ARRAY, OBJ_SLOTS, 0, n, &o));
    Value *slots = obj_slots(o);
    for (size_t i = 0; i < n; i++) {
        slots[i] = VALUE_NIL;
    }
    for (size_t i = 0; i < n; i++) {
        STATUS_FORWARD(freeze(f, &items[i], &slots[i]));
    }
    *out = value_ptr(o);
    return STATUS_OK;
}

static Status freeze(Freezer *f, const MaggieValue *v, Value *out)
{
    Object *o;
    uint32_t symbol;
    *out = VALUE_NIL;
    switch (v->kind) {
    case MAGGIE_NIL: return STATUS_OK;
    case MAGGIE_BOOL: *out = value_bool(v->as.boolean); return STATUS_OK;
    case MAGGIE_INT:
        if (value_int_fits(v->as.integer)) {
            *out = value_int(v->as.integer);
            return STATUS_OK;
        }
        STATUS_FORWARD(frozen_new(f->region, CLASS_BIG_INTEGER, OBJ_BIG_INT,
                                  v->as.integer < 0 ? OBJ_BIGINT_NEGATIVE_PAD : 0, 1, &o));
        obj_slots(o)[0] = v->as.integer < 0 ? 0 - (uint64_t)v->as.integer : (uint64_t)v->as.integer;
        *out = value_ptr(o);
        return STATUS_OK;
    case MAGGIE_FLOAT: *out = value_float(v->as.number); return STATUS_OK;
    case MAGGIE_CHARACTER:
        *out = value_char(v->as.character);
        return v->as.character > 0x10FFFF ? STATUS_BAD_ARGUMENT : STATUS_OK;
    case MAGGIE_PROCESS:
        *out = v->as.process;
        return value_is_pid(*out) ? STATUS_OK : STATUS_BAD_ARGUMENT;
    case MAGGIE_STRING:
        return str_new_frozen(f->region, f->cx, CLASS_STRING, (const uint8_t *)v->as.text.bytes,
                              v->as.text.len, out);
    case MAGGIE_SYMBOL:
        STATUS_FORWARD(vm_intern(f->vm, (Bytes){v->as.text.bytes, v->as.text.len}, &symbol));
        *out = value_symbol(symbol);
        return STATUS_OK;
    case MAGGIE_CLASS: {
        uint32_t cls = class_find(f->vm, (Bytes){v->as.text.bytes, v->as.text.len});
        *out = value_class(cls);
        return cls == CLASS_NONE ? STATUS_NOT_FOUND : STATUS_OK;
    }
    case MAGGIE_ARRAY: return freeze_array(f, v->as.array.items, v->as.array.count, out);
    case MAGGIE_OTHER: break;
    }
    return STATUS_BAD_ARGUMENT;
}

static Status freezer_open(Freezer *f, Vm *vm, HeapCtx *cx, size_t words)
{
    *f = (Freezer){.vm = vm, .cx = cx};
    return words ? region_new(cx, words, false, &f->region) : STATUS_OK;
}

/* Hands out the region, or frees it after a failure. */
static Status freezer_close(Freezer *f, Status status, Region **region)
{
    *region = status == STATUS_OK ? f->region : NULL;
    if (status != STATUS_OK && f->region) {
        region_release(f->cx, NULL, f->region);
    }
    return status;
}

Status values_freeze(Vm *vm, HeapCtx *cx, const MaggieValue *values, size_t n, Value *out,
                     Region **region)
{
    size_t words = 0;
    Freezer f;
    for (size_t i = 0; i < n; i++) {
        STATUS_FORWARD(words_of(&values[i], 0, &words));
    }
    STATUS_FORWARD(freezer_open(&f, vm, cx, words));
    Status status = STATUS_OK;
    for (size_t i = 0; i < n && status == STATUS_OK; i++) {
        status = freeze(&f, &values[i], &out[i]);
    }
    return freezer_close(&f, status, region);
}

Status values_freeze_array(Vm *vm, HeapCtx *cx, const MaggieValue *values, size_t n, Value *out,
                           Region **region)
{
    MaggieValue array = {.kind = MAGGIE_ARRAY};
    array.as.array.items = values;
    array.as.array.count = n;
    return values_freeze(vm, cx, &array, 1, out, region);
}
