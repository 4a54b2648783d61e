/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf.c - strings: short ones inline, long ones as slices of counted off-heap buffers.
 * Threads: the owner of the heap; a buffer is shared by any number of owners. Bytes behind `used`
 * are written only by the one who claimed them by CAS and read only through handles made
 * afterwards. */
#include "strbuf_int.h"
#include "utf8.h"

/* A slice that is a smaller part of the buffer is copied, lest 300 bytes keep 100 MB. */
#define STR_SHARE_PART 8

StrBuf *strbuf_new(HeapEnv *henv, size_t used, size_t capacity)
{
    StrBuf *buf = env_alloc(henv->env, sizeof(StrBuf) + capacity);
    if (!buf)
        return NULL;
    buf->refs = 1;
    buf->used = used;
    buf->capacity = capacity;
    (void)atom_add_rlx(&henv->string_bytes, sizeof(StrBuf) + capacity); /* relaxed: a statistic */
    return buf;
}

void strbuf_retain(StrBuf *buf)
{
    /* Relaxed: the caller's count keeps the buffer alive, nothing is read because of this. */
    uint32_t before = atom_add_rlx(&buf->refs, 1u);
    assert(before > 0);
    (void)before;
}

void strbuf_release(HeapEnv *henv, StrBuf *buf)
{
    /* Releases our reads of the buffer; the one who frees it acquires all of them. */
    if (atom_sub(&buf->refs, 1u) == 1) {
        size_t bytes = sizeof(StrBuf) + buf->capacity;
        (void)atom_sub_rlx(&henv->string_bytes, bytes); /* relaxed: as above */
        env_free(henv->env, buf, bytes);
    }
}

StrView str_view(Value v)
{
    Object *o = obj_of(v);
    if (obj_kind(o) == OBJ_STRING)
        return (StrView){str_inline_data(o), str_inline_bytes(o), str_inline_chars(o)};
    const StrHandle *h = (const StrHandle *)(const void *)o;
    return (StrView){h->buf->data + h->offset, h->bytes, h->chars};
}

/* ---- making ------------------------------------------------------------------------------- */

static size_t str_inline_words(size_t bytes) { return 1 + (bytes + 7) / 8; }

static void str_fill_inline(Object *o, size_t bytes, size_t chars)
{
    o->words[0] = (Value)bytes | (Value)chars << 32;
    if (bytes)
        o->words[(bytes + 7) / 8] = 0; /* the rest of the last word: equal strings, equal words */
}

static Status str_new_inline(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls,
                             size_t bytes, size_t chars, uint8_t **data, Value *out)
{
    Object *o;
    STATUS_FORWARD(
        heap_try_new(heap, cx, stack_end, cls, OBJ_STRING, 0, str_inline_words(bytes), &o));
    str_fill_inline(o, bytes, chars);
    *data = str_inline_data(o);
    *out = value_ptr(o);
    return STATUS_OK;
}

static void str_fill_handle(StrHandle *h, StrBuf *buf, size_t offset, size_t bytes, size_t chars,
                            Value *list)
{
    h->buf = buf;
    h->offset = offset;
    h->bytes = bytes;
    h->chars = chars;
    h->cursor = 0;
    h->link = *list;
    *list = value_ptr(h);
}

/* New handle object; takes one count of buf, also when it fails. */
static Status str_new_slice(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls,
                            StrBuf *buf, size_t offset, size_t bytes, size_t chars, Value *out)
{
    Object *o;
    Status status = heap_try_new(heap, cx, stack_end, cls, OBJ_BIG_STRING, 0, STR_HANDLE_WORDS, &o);
    if (status != STATUS_OK) {
        strbuf_release(cx->env, buf);
        return status;
    }
    str_fill_handle((StrHandle *)(void *)o, buf, offset, bytes, chars, &heap->handles);
    *out = value_ptr(o);
    return STATUS_OK;
}

/* A string in a buffer of its own. */
static Status str_new_big(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls,
                          size_t bytes, size_t chars, size_t capacity, uint8_t **data, Value *out)
{
    if (bytes > UINT32_MAX)
        return STATUS_TOO_BIG; /* cursors are 32 bits */
    if (!heap_has_room(heap, stack_end, 1 + STR_HANDLE_WORDS))
        return STATUS_HEAP_FULL; /* before the buffer, which may be big */
    STATUS_FORWARD(heap_charge_offheap(heap, cx, capacity));
    StrBuf *buf = strbuf_new(cx->env, bytes, capacity);
    Status status =
        buf ? str_new_slice(heap, cx, stack_end, cls, buf, 0, bytes, chars, out) : STATUS_NO_MEMORY;
    if (status != STATUS_OK)
        heap->ext->offheap_young -= capacity;
    else
        *data = buf->data;
    return status;
}

Status str_new(Heap *heap, HeapCtx *cx, const Value *stack_end, uint32_t cls, size_t bytes,
               size_t chars, uint8_t **data, Value *out)
{
    if (bytes <= STR_INLINE_MAX)
        return str_new_inline(heap, cx, stack_end, cls, bytes, chars, data, out);
    return str_new_big(heap, cx, stack_end, cls, bytes, chars, bytes, data, out);
}

/* ---- concatenation ------------------------------------------------------------------------ */

/* Claims room for b right behind a, if a is the last slice of its buffer and the room is there. */
static bool str_claim(const StrHandle *a, size_t more)
{
    size_t end = a->offset + a->bytes;
    if (a->buf->capacity - end < more)
        return false;
#ifdef MAGGIE_MUTANT_STR_CLAIM
    return a->buf->used >= end;
#else
    size_t used = end;
    /* Whoever moves `used` owns the bytes it passes over; nobody reads them before that owner hands
     * out a handle, and handing over between threads synchronises. */
    return atom_cas(&a->buf->used, &used, end + more);
#endif
}

bool str_can_append(Value a, size_t more)
{
    if (!value_is_kind(a, OBJ_BIG_STRING))
        return false;
    const StrHandle *h = (const StrHandle *)(const void *)obj_of(a);
    size_t end = h->offset + h->bytes;
    /* Relaxed: only a forecast, str_claim decides. */
    return h->buf->capacity - end >= more && atom_load_rlx(&h->buf->used) == end;
}

Status str_new_growing(Heap *heap, HeapCtx *cx, const Value *stack_end, size_t bytes, size_t chars,
                       uint8_t **data, Value *out)
{
    return str_new_big(heap, cx, stack_end, CLASS_STRING, bytes, chars, bytes + bytes / 2, data,
                       out);
}

static Status str_append(Heap *heap, HeapCtx *cx, const Value *stack_end, const StrHandle *a,
                         StrView b, Value *out)
{
    StrBuf *buf = a->buf;
    size_t end = a->offset + a->bytes;
    strbuf_retain(buf);
    STATUS_FORWARD(str_new_slice(heap, cx, stack_end, CLASS_STRING, buf, a->offset,
                                 a->bytes + b.bytes, a->chars + b.chars, out));
    memcpy(buf->data + end, b.data, b.bytes);
    return STATUS_OK;
}

Status str_concat(Heap *heap, HeapCtx *cx, const Value *stack_end, StrView a, Value a_value,
                  StrView b, Value *out)
{
    size_t bytes = a.bytes + b.bytes;
    size_t chars = a.chars + b.chars;
    uint8_t *data;
    if (bytes <= STR_INLINE_MAX) {
        STATUS_FORWARD(str_new_inline(heap, cx, stack_end, CLASS_STRING, bytes, chars, &data, out));
    } else {
        if (bytes > UINT32_MAX)
            return STATUS_TOO_BIG;
        bool has_room = heap_has_room(heap, stack_end, 1 + STR_HANDLE_WORDS);
        if (has_room && value_is_kind(a_value, OBJ_BIG_STRING)) {
            const StrHandle *h = (const StrHandle *)(const void *)obj_of(a_value);
            if (str_claim(h, b.bytes))
                return str_append(heap, cx, stack_end, h, b, out);
        }
        STATUS_FORWARD(str_new_big(heap, cx, stack_end, CLASS_STRING, bytes, chars,
                                   bytes + bytes / 2, &data, out));
    }
    memcpy(data, a.data, a.bytes);
    memcpy(data + a.bytes, b.data, b.bytes);
    return STATUS_OK;
}

Status str_slice(Heap *heap, HeapCtx *cx, const Value *stack_end, Value a, size_t offset,
                 size_t bytes, size_t chars, Value *out)
{
    StrView view = str_view(a);
    assert(offset <= view.bytes && bytes <= view.bytes - offset);
    uint32_t cls = obj_class(obj_of(a));
    if (bytes > STR_INLINE_MAX) {
        StrHandle *h = (StrHandle *)(void *)obj_of(a);
        if (bytes >= h->buf->capacity / STR_SHARE_PART) {
            strbuf_retain(h->buf);
            return str_new_slice(heap, cx, stack_end, cls, h->buf, h->offset + offset, bytes, chars,
                                 out);
        }
    }
    uint8_t *data;
    STATUS_FORWARD(str_new(heap, cx, stack_end, cls, bytes, chars, &data, out));
    memcpy(data, view.data + offset, bytes);
    return STATUS_OK;
}

Status str_new_frozen(Region *region, HeapCtx *cx, uint32_t cls, const uint8_t *data, size_t bytes,
                      Value *out)
{
    size_t chars = utf8_count((const char *)data, bytes);
    Object *o;
    if (bytes <= STR_INLINE_MAX) {
        STATUS_FORWARD(frozen_new(region, cls, OBJ_STRING, 0, str_inline_words(bytes), &o));
        str_fill_inline(o, bytes, chars);
        memcpy(str_inline_data(o), data, bytes);
        *out = value_ptr(o);
        return STATUS_OK;
    }
    if (bytes > UINT32_MAX)
        return STATUS_TOO_BIG;
    StrBuf *buf = strbuf_new(cx->env, bytes, bytes);
    if (!buf)
        return STATUS_NO_MEMORY;
    Status status = frozen_new(region, cls, OBJ_BIG_STRING, 0, STR_HANDLE_WORDS, &o);
    if (status != STATUS_OK) {
        strbuf_release(cx->env, buf);
        return status;
    }
    memcpy(buf->data, data, bytes);
    str_fill_handle((StrHandle *)(void *)o, buf, 0, bytes, chars, &region->handles);
    *out = value_ptr(o);
    return STATUS_OK;
}

/* ---- stepping ----------------------------------------------------------------------------- */

static bool utf8_is_lead(uint8_t byte) { return (byte & 0xC0) != 0x80; }

static size_t str_step_back(const uint8_t *data, size_t offset, size_t steps)
{
    while (steps > 0) {
        offset--;
        steps -= utf8_is_lead(data[offset]);
    }
    return offset;
}

static size_t str_step(const StrView *view, size_t index, size_t at_index, size_t at_offset)
{
    if (index < at_index)
        return str_step_back(view->data, at_offset, at_index - index);
    const char *from = (const char *)view->data + at_offset;
    return at_offset + utf8_offset(from, view->bytes - at_offset, index - at_index);
}

static size_t distance(size_t a, size_t b) { return a > b ? a - b : b - a; }

StrPlace str_nearest(Value v, size_t index)
{
    StrView view = str_view(v);
    StrPlace at = {0, 0};
    if (index > view.chars / 2)
        at = (StrPlace){view.chars, view.bytes};
    if (obj_kind(obj_of(v)) == OBJ_STRING)
        return at;
    const StrHandle *h = (const StrHandle *)(const void *)obj_of(v);
    /* Relaxed, index and offset in one word: a frozen handle is stepped by several processes at
     * once, and any pair one of them stored is right. */
    uint64_t cursor = atom_load_rlx(&h->cursor);
    if (distance(index, (size_t)(cursor >> 32)) < distance(index, at.index))
        at = (StrPlace){(size_t)(cursor >> 32), (size_t)(uint32_t)cursor};
    return at;
}

size_t str_walk(Value v, StrPlace *at, size_t index, size_t most)
{
    StrView view = str_view(v);
    size_t steps = distance(index, at->index);
    if (steps > most) {
        index = index > at->index ? at->index + most : at->index - most;
        steps = most;
    }
    size_t offset = str_step(&view, index, at->index, at->offset);
    *at = (StrPlace){index, offset};
    if (obj_kind(obj_of(v)) == OBJ_BIG_STRING) {
        StrHandle *h = (StrHandle *)(void *)obj_of(v);
        atom_store_rlx(&h->cursor, (uint64_t)index << 32 | offset); /* as in str_nearest */
    }
    return steps;
}

size_t str_offset(Value v, size_t index)
{
    StrView view = str_view(v);
    if (view.bytes == view.chars)
        return index < view.bytes ? index : view.bytes;
    if (index >= view.chars)
        return view.bytes;
    StrPlace at = str_nearest(v, index);
    (void)str_walk(v, &at, index, SIZE_MAX);
    return at.offset;
}
