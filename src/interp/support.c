/* SPDX-License-Identifier: Apache-2.0 */
/* support.c - the interpreter's out-of-line helpers: collecting, growing the stack, literals,
 * messages that were not understood, and turning failures of primitives into exceptions.
 * Threads: by the owner of the process, between safepoints. */
#include "class.h"
#include "code_life.h"
#include "utf8.h"
#include <stdio.h>

#include "interp_int.h"

/* ---- roots -------------------------------------------------------------------------------- */

/* One window without its frame record. `height` registers are live. */
static void visit_window(const Code *code, Value *regs, size_t height, HeapVisit visit, void *arg)
{
    size_t low = (size_t)code->nargs + 1;
    size_t high = low + FRAME_RECORD_WORDS;
    visit(arg, regs, low < height ? low : height);
    if (height > high) {
        visit(arg, regs + high, height - high);
    }
}

/* Counted code of a frame or pending call: its handle, so that the collection keeps its region. */
static void visit_code(const Code *code, HeapVisit visit, void *arg)
{
#ifdef MAGGIE_MUTANT_CODE_EARLY
    return;
#endif
    if (code && code_is_counted(code)) {
        Value handle = code->method->handle; /* frozen: it stays where it is */
        visit(arg, &handle, 1);
    }
}

void interp_roots(void *process, HeapVisit visit, void *arg)
{
    Process *p = process;
    FrameWalk w = frame_top(p);
    size_t height = p->live;
    for (;;) {
        Value *regs = frame_regs(&w);
        Code *code = w.code;
        size_t above = w.window;
        bool more = frame_up(&w);
#ifdef MAGGIE_MUTANT_INTERP_MISSED_ROOT
        if (more)
#endif
            visit_window(code, regs, height, visit, arg);
        visit_code(code, visit, arg);
        if (!more) {
            break;
        }
        height = above - w.window;
    }
    visit_code(p->pending, visit, arg);
    process_visit_roots(p, visit, arg);
    away_copy_roots(p, visit, arg);
}

/* ---- collection --------------------------------------------------------------------------- */

void interp_end_for(Process *p, Status status)
{
    uint32_t symbol = status == STATUS_STACK_LIMIT  ? SYM_STACK_LIMIT
                      : status == STATUS_HEAP_LIMIT ? SYM_HEAP_LIMIT
                      : status == STATUS_BAD_CODE   ? SYM_BAD_CODE
                                                    : SYM_NO_MEMORY;
    process_set_end(p, value_symbol(symbol), VALUE_NIL);
}

bool interp_hold_callee(VmLocal *l, Process *p, const Code *method)
{
#ifdef MAGGIE_MUTANT_CODE_PUSHED
    if (method->selector == SYM_TERMINATE)
        return true;
#endif
#ifdef MAGGIE_MUTANT_CODE_OVERFLOW
    if (method->selector == SYM_STACK_OVERFLOW)
        return true;
#endif
    if (code_hold(&l->actor.heap, &p->heap, method) == STATUS_OK) {
        return true;
    }
    interp_end_for(p, STATUS_NO_MEMORY);
    return false;
}

static HeapGcRequest collect_request(const Process *p, HeapGcKind kind, size_t need_words,
                                     size_t live, size_t stack_words)
{
    /* registers up to the window's end must stay addressable, live or not */
    size_t top = p->code->nregs > live ? p->code->nregs : live;
    return (HeapGcRequest){
        .kind = kind,
        .need_words = need_words + HEAP_STACK_RED_ZONE,
        .stack_used_words = p->window + live,
        .stack_need_words = top - live + stack_words + HEAP_STACK_RED_ZONE + PRIM_EXTRA_ARGS,
    };
}

bool interp_collect_is_long(VmLocal *l, Process *p, size_t need_words, size_t live,
                            size_t stack_words)
{
    p->live = (uint32_t)live;
    l->collection =
        (Collection){.request = collect_request(p, HEAP_GC_AUTO, need_words, live, stack_words)};
#ifdef MAGGIE_MUTANT_AWAY_NEVER
    return false;
#endif
    return heap_collect_is_long(&p->heap, &l->actor.heap, &l->collection.request);
}

Status interp_collect_for(HeapCtx *cx, Process *p, const Collection *c, HeapGcResult *result)
{
    HeapRoots roots = {interp_roots, p};
    if (c->a) {
        return heap_become(&p->heap, cx, &roots, &c->request, c->a, c->b, c->one_way, result);
    }
    return heap_collect(&p->heap, cx, &roots, &c->request, result);
}

void interp_collect_whole(HeapCtx *cx, Process *p, const Collection *c, HeapGcResult *result)
{
    Status status = interp_collect_for(cx, p, c, result);
    if (status != STATUS_OK) {
        interp_end_for(p, status);
        p->modes |= PROCESS_MODE_COLLECT_FAILED;
    }
}

static bool collect(VmLocal *l, Process *p, HeapGcKind kind, size_t need_words, size_t live,
                    size_t stack_words, int32_t *reds)
{
    p->live = (uint32_t)live;
    HeapRoots roots = {interp_roots, p};
    HeapGcRequest request = collect_request(p, kind, need_words, live, stack_words);
    HeapGcResult result = {0};
    Status status = heap_collect(&p->heap, &l->actor.heap, &roots, &request, &result);
    l->counters.collections++;
    l->counters.words_copied += result.words_copied;
    *reds -= (int32_t)(result.words_copied / 32 < 2000 ? result.words_copied / 32 : 2000);
    if (interp_over_budget(l, p)) {
        /* Calls notice when their block is full. Collections make room in it, into which the stack
         * of a process that allocates between its calls would grow past the reserve: so the next
         * call is preempted, and interp.c looks at the budget when it goes on. */
        *reds = *reds > 0 ? 0 : *reds;
    }
    if (status != STATUS_OK) {
        interp_end_for(p, status);
        return false;
    }
    if (p->ext && p->ext->finalizers != VALUE_NIL) {
        size_t cost = interp_run_finalizers(l, p);
        *reds -= (int32_t)(cost < 2000 ? cost : 2000);
    }
    return true;
}

bool interp_collect(VmLocal *l, Process *p, size_t need_words, size_t live, size_t stack_words,
                    int32_t *reds)
{
    return collect(l, p, HEAP_GC_AUTO, need_words, live, stack_words, reds);
}

bool interp_sweep(VmLocal *l, Process *p, int32_t *reds)
{
    return collect(l, p, HEAP_GC_MAJOR, 0, p->live, 0, reds);
}

bool interp_sweep_is_long(VmLocal *l, Process *p)
{
    l->collection = (Collection){.request = collect_request(p, HEAP_GC_MAJOR, 0, p->live, 0)};
    return heap_collect_is_long(&p->heap, &l->actor.heap, &l->collection.request);
}

StackGrowth interp_grow_stack(VmLocal *l, Process *p, size_t live, unsigned nregs, int32_t *reds)
{
    size_t used = (p->window + live + nregs) * sizeof(Value);
    size_t budget = l->vm->heap_env.stack_soft_bytes;
    if (used > budget && !(p->flags & PROCESS_F_RESERVE)) {
        p->flags |= PROCESS_F_RESERVE;
        if (interp_collect_is_long(l, p, 0, live, 4096)) {
            return STACK_OVERFLOW_AWAY;
        }
        if (!interp_collect(l, p, 0, live, 4096, reds)) {
            return STACK_EXHAUSTED;
        }
        return STACK_OVERFLOW;
    }
    if (used <= budget) {
        p->flags &= (uint8_t)~PROCESS_F_RESERVE;
    } else if (used > budget + (INTERP_STACK_RESERVES - 1) * INTERP_STACK_RESERVE_BYTES) {
        interp_end_for(p, STATUS_STACK_LIMIT); /* a second overflow, inside the handler */
        return STACK_EXHAUSTED;
    }
    if (interp_collect_is_long(l, p, 0, live, nregs)) {
        return STACK_GROWN_AWAY;
    }
    return interp_collect(l, p, 0, live, nregs, reds) ? STACK_GROWN : STACK_EXHAUSTED;
}

bool interp_leave_reserve(VmLocal *l, Process *p, Value *answer, int32_t *reds)
{
    if (p->window * sizeof(Value) > l->vm->heap_env.stack_soft_bytes / 2) {
        return true;
    }
    size_t live = (size_t)p->code->nargs + 1 + FRAME_RECORD_WORDS + p->code->ncaps;
    if (interp_collect_is_long(l, p, 0, live, 0)) {
        p->modes |= PROCESS_MODE_SHRINK; /* at the next call or turn of a loop, see interp_shrink */
        *reds = 0;
        return true;
    }
    p->flags &= (uint8_t)~PROCESS_F_RESERVE;
    p->resume.root = *answer;
    bool ok = interp_collect(l, p, 0, live, 0, reds);
    *answer = p->resume.root;
    p->resume.root = VALUE_NIL;
    return ok;
}

bool interp_shrink(VmLocal *l, Process *p)
{
    p->modes &= (uint8_t)~PROCESS_MODE_SHRINK;
    if (p->window * sizeof(Value) > l->vm->heap_env.stack_soft_bytes / 2) {
        return false; /* the flag is still set: the next frame that goes asks again */
    }
    p->flags &= (uint8_t)~PROCESS_F_RESERVE;
    (void)interp_collect_is_long(l, p, 0, p->live, p->pending ? p->pending->nregs : 0);
    return true;
}

/* ---- literals ----------------------------------------------------------------------------- */

/* Words a copy takes in the block. Depth is bounded by the parser's nesting limit. */
static size_t literal_words(const Object *o)
{
    size_t n = obj_words(o);
    size_t total = n > HEAP_LARGE_WORDS ? 0 : obj_alloc_words(n);
    const Value *slots = obj_slots((Object *)(uintptr_t)o);
    for (size_t i = 0; i < n; i++) {
        if (value_is_kind(slots[i], OBJ_SLOTS)) {
            total += literal_words(obj_of(slots[i]));
        }
    }
    return total;
}

static Status literal_copy(VmLocal *l, Process *p, const Object *from, const Value *stack_end,
                           Value *out)
{
    size_t n = obj_words(from);
    Object *o;
    STATUS_FORWARD(
        heap_try_new(&p->heap, &l->actor.heap, stack_end, CLASS_ARRAY, OBJ_SLOTS, 0, n, &o));
    Value *slots = obj_slots(o);
    const Value *source = obj_slots((Object *)(uintptr_t)from);
    memcpy(slots, source, n * sizeof(Value)); /* defined before anything else is allocated */
    for (size_t i = 0; i < n; i++) {
        if (value_is_kind(source[i], OBJ_SLOTS)) {
            Value inner;
            STATUS_FORWARD(literal_copy(l, p, obj_of(source[i]), stack_end, &inner));
            if (!heap_store(&p->heap, o, slots + i, inner)) {
                return STATUS_INTERNAL;
            }
        }
    }
    *out = value_ptr(o);
    return STATUS_OK;
}

size_t interp_copy_literal(VmLocal *l, Process *p, Value literal, const Value *stack_end,
                           Value *out)
{
    if (!value_is_ptr(literal)) {
        *out = literal;
        return 0;
    }
    Status status = literal_copy(l, p, obj_of(literal), stack_end, out);
    return status == STATUS_OK ? 0 : literal_words(obj_of(literal)) + 16;
}

/* ---- messages ----------------------------------------------------------------------------- */

void interp_fill_message(Object *memory, uint32_t selector, const Value *window, unsigned argc)
{
    Object *array = (Object *)(void *)((Value *)(void *)memory + 3);
    memory->header = obj_header(CLASS_MESSAGE, 2, OBJ_SLOTS, 0);
    memory->words[0] = value_symbol(selector);
    memory->words[1] = value_ptr(array);
    array->header = obj_header(CLASS_ARRAY, argc, OBJ_SLOTS, 0);
    for (unsigned i = 0; i < argc; i++) {
        array->words[i] = window[1 + i];
    }
}

/* ---- errors ------------------------------------------------------------------------------- */

void interp_clear_resume(Process *p)
{
#ifdef MAGGIE_MUTANT_INTERP_KEEP_RESUME
    return;
#endif
    p->resume.a = p->resume.b = p->resume.c = 0;
    p->resume.root = VALUE_NIL;
}

/* The text as a Symbol: a fixed set of strings, so the table cannot be flooded. */
static Value text_symbol(VmLocal *l, const char *text)
{
    uint32_t id;
    if (symtab_intern_reserved(l->vm->symtab, text, strlen(text), &id) != STATUS_OK) {
        return value_symbol(SYM_ERROR);
    }
    return value_symbol(id);
}

static void raise_window(Value *nb, PrimErrorKind kind, Value a, Value b, uint32_t selector)
{
    nb[0] = value_class(CLASS_ERROR);
    nb[1] = value_int(kind);
    nb[2] = a;
    nb[3] = b;
    nb[4] = value_symbol(selector);
}

void interp_raise(VmLocal *l, Value *nb, const Code *primitive)
{
    const PrimCall *c = &l->call;
    uint32_t selector = primitive->selector;
    switch (c->error.kind) {
    case PRIM_ERR_TYPE: {
        Value got = value_class(value_class_of(c->error.value));
        /* argument number and expected class travel as one symbol "N Class" */
        char text[96];
        snprintf(text, sizeof text, "%d %s", (int)c->error.index, c->error.text);
        raise_window(nb, PRIM_ERR_TYPE, text_symbol(l, text), got, selector);
        return;
    }
    case PRIM_ERR_BOUNDS: {
        Value index = value_int_fits(c->error.index) ? value_int(c->error.index) : VALUE_NIL;
        raise_window(nb, PRIM_ERR_BOUNDS, index, value_int(c->error.size), selector);
        return;
    }
    case PRIM_ERR_FROZEN: raise_window(nb, PRIM_ERR_FROZEN, nb[0], VALUE_NIL, selector); return;
    case PRIM_ERR_ZERO_DIVIDE:
    case PRIM_ERR_SYMBOLS: raise_window(nb, c->error.kind, VALUE_NIL, VALUE_NIL, selector); return;
    case PRIM_ERR_TEXT:
    case PRIM_ERR_MEMORY:
    case PRIM_ERR_AUTHORITY:
    case PRIM_ERR_PLAIN:
        raise_window(nb, c->error.kind, text_symbol(l, c->error.text ? c->error.text : "failed"),
                     VALUE_NIL, selector);
        return;
    }
}

static const char *authority_name(uint32_t missing)
{
    static const char *const names[] = {"fileRead",    "fileWrite",  "output",  "input",
                                        "environment", "osProcess",  "network", "node",
                                        "code",        "reflection", "clock"};
    int bit = __builtin_ctz(missing);
    return bit < (int)(sizeof names / sizeof *names) ? names[bit] : "unknown";
}

void interp_raise_authority(VmLocal *l, const Process *p, Value *nb, const Code *primitive)
{
    uint32_t missing = primitive->authority & ~p->domain->rights;
    raise_window(nb, PRIM_ERR_AUTHORITY, text_symbol(l, authority_name(missing)), VALUE_NIL,
                 primitive->selector);
}

void interp_raise_status(VmLocal *l, Value *nb, Status status, Value culprit, uint32_t name)
{
    (void)culprit;
    raise_window(nb, PRIM_ERR_TEXT, text_symbol(l, status_text(status)), VALUE_NIL, name);
}

/* ---- answers of primitives ---------------------------------------------------------------- */

PrimStatus prim_error(PrimCall *c, const char *text)
{
    c->error.kind = PRIM_ERR_TEXT;
    c->error.text = text;
    return PRIM_ERROR;
}
PrimStatus prim_plain_error(PrimCall *c, const char *text)
{
    c->error.kind = PRIM_ERR_PLAIN;
    c->error.text = text;
    return PRIM_ERROR;
}
PrimStatus prim_type_error(PrimCall *c, unsigned arg, const char *expected)
{
    c->error.kind = PRIM_ERR_TYPE;
    c->error.index = arg;
    c->error.text = expected;
    c->error.value = c->args[arg];
    return PRIM_ERROR;
}
PrimStatus prim_bounds_error(PrimCall *c, int64_t index, int64_t size)
{
    c->error.kind = PRIM_ERR_BOUNDS;
    c->error.index = index;
    c->error.size = size;
    return PRIM_ERROR;
}
PrimStatus prim_zero_divide(PrimCall *c)
{
    c->error.kind = PRIM_ERR_ZERO_DIVIDE;
    return PRIM_ERROR;
}
PrimStatus prim_symbol_limit(PrimCall *c)
{
    c->error.kind = PRIM_ERR_SYMBOLS;
    return PRIM_ERROR;
}
PrimStatus prim_frozen_error(PrimCall *c)
{
    c->error.kind = PRIM_ERR_FROZEN;
    return PRIM_ERROR;
}
PrimStatus prim_status(PrimCall *c, Status status, size_t need_words)
{
    switch (status) {
    case STATUS_HEAP_FULL: return prim_gc(c, need_words);
    case STATUS_HEAP_LIMIT:
    case STATUS_NO_MEMORY: c->error.kind = PRIM_ERR_MEMORY; return PRIM_ERROR;
    case STATUS_FROZEN: return prim_frozen_error(c);
    case STATUS_SYMBOL_LIMIT: return prim_symbol_limit(c);
    default: return prim_error(c, status_text(status));
    }
}

Object *prim_new(PrimCall *c, uint32_t cls, ObjKind kind, unsigned pad, size_t payload_words,
                 PrimStatus *st)
{
    Object *o = NULL;
    Status status = heap_try_new(c->heap, c->cx, c->stack_end, cls, kind, pad, payload_words, &o);
    if (status != STATUS_OK) {
        size_t need = payload_words > HEAP_LARGE_WORDS ? 0 : obj_alloc_words(payload_words);
        *st = prim_status(c, status, need);
        return NULL;
    }
    return o;
}

Object *prim_new_slots(PrimCall *c, uint32_t cls, size_t slots, PrimStatus *st)
{
    Object *o = prim_new(c, cls, OBJ_SLOTS, 0, slots, st);
    if (o) {
        Value *words = obj_slots(o);
        for (size_t i = 0; i < slots; i++) {
            words[i] = VALUE_NIL;
        }
        prim_charge(c, slots / 32);
    }
    return o;
}

/* ---- strings and integers of primitives --------------------------------------------------- */

bool prim_text(PrimCall *c, Value v, StrView *out)
{
    if (value_is_string(v)) {
        *out = str_view(v);
        return true;
    }
    if (!value_is_symbol(v)) {
        return false;
    }
    SymtabName name = symtab_name(c->vm->symtab, value_as_symbol(v));
    *out = (StrView){(const uint8_t *)name.bytes, name.len, name.chars};
    return true;
}

static PrimStatus interned(PrimCall *c, size_t len, Status status)
{
    prim_charge(c, len / 32); /* hashing goes byte by byte */
    switch (status) {
    case STATUS_OK: return PRIM_OK;
    case STATUS_TOO_BIG: return prim_error(c, "the text is too long for a symbol");
    case STATUS_SYMBOL_LIMIT: return prim_symbol_limit(c);
    default: c->error.kind = PRIM_ERR_MEMORY; return PRIM_ERROR;
    }
}

PrimStatus prim_intern(PrimCall *c, const void *bytes, size_t len, uint32_t *id)
{
    return interned(c, len, symtab_intern_text(c->vm->symtab, bytes, len, id));
}

PrimStatus prim_intern_name(PrimCall *c, const void *bytes, size_t len, uint32_t *id)
{
    return interned(c, len, symtab_intern(c->vm->symtab, bytes, len, id));
}

bool prim_new_string(PrimCall *c, const void *bytes, size_t len, Value *out, PrimStatus *st)
{
    uint8_t *data;
    size_t chars;
    prim_charge(c, len / 64);
    if (!utf8_check(bytes, len, &chars)) {
        *st = prim_error(c, "the bytes are not valid UTF-8");
        return false;
    }
    Status status = str_new(c->heap, c->cx, c->stack_end, CLASS_STRING, len, chars, &data, out);
    if (status != STATUS_OK) {
        *st = prim_status(c, status, STR_HANDLE_WORDS + 4 + (len <= STR_INLINE_MAX ? len / 8 : 0));
        return false;
    }
    if (len) {
        memcpy(data, bytes, len);
    }
    prim_charge(c, len / 100);
    return true;
}

PrimStatus prim_answer_string(PrimCall *c, const void *bytes, size_t len)
{
    PrimStatus st;
    return prim_new_string(c, bytes, len, &c->result, &st) ? PRIM_OK : st;
}

PrimStatus prim_answer_int64(PrimCall *c, int64_t i)
{
    if (value_int_fits(i)) {
        return prim_ok(c, value_int(i));
    }
    PrimStatus st;
    Object *o =
        prim_new(c, CLASS_BIG_INTEGER, OBJ_BIG_INT, i < 0 ? OBJ_BIGINT_NEGATIVE_PAD : 0, 1, &st);
    if (!o) {
        return st;
    }
    o->words[0] = i < 0 ? (uint64_t)0 - (uint64_t)i : (uint64_t)i;
    return prim_ok(c, value_ptr(o));
}
