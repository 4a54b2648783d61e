/* SPDX-License-Identifier: Apache-2.0 */
/* image_read.c - loading images. See image.h for what is checked.
 *
 * Units are decoded one at a time into scratch memory, linked, and forgotten; units of traits stay,
 * in arenas of their own. The first mistake is kept in `error` and makes every later read answer 0.
 * Threads: as image.h says. */
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "image_int.h"
#include "utf8.h"
#include "vm_int.h"

#define SCRATCH_FIRST_BYTES ((size_t)256 << 10)

typedef struct Scratch {
    char *first; /* kept from unit to unit */
    char *at, *end;
    void **more; /* what did not fit: a list linked through its first word */
} Scratch;

typedef struct Reader {
    Vm *vm;
    VmLocal *l;
    const unsigned char *at, *end;
    Bytes *strings;
    Bytes *units;
    size_t nstrings, nunits;
    bool trusted, boot;
    size_t budget; /* bytes of units that may yet be decoded: they may be named many times */
    Scratch scratch;
    LangArena *arena;  /* not NULL: memory and texts of the unit being read come from here */
    const char *error; /* static */
    Status status;
    char *error_text; /* the caller's */
    size_t error_size;
} Reader;

/* ---- failing ---- */

static void fail(Reader *r, Status status, const char *text)
{
    if (!r->error) {
        r->error = text;
        r->status = status;
        if (r->error_size) {
            snprintf(r->error_text, r->error_size, "%s", text);
        }
    }
    r->at = r->end;
}

static void damaged(Reader *r, const char *text) { fail(r, STATUS_BAD_IMAGE, text); }

/* ---- memory ---- */

static void scratch_reset(Scratch *s)
{
    while (s->more) {
        void **next = *s->more;
        free(s->more);
        s->more = next;
    }
    s->at = s->first;
    s->end = s->first ? s->first + SCRATCH_FIRST_BYTES : NULL;
}

static void *scratch_alloc(Scratch *s, size_t n)
{
    n = (n + 15) & ~(size_t)15;
    if (!s->first && !(s->first = malloc(SCRATCH_FIRST_BYTES))) {
        return NULL;
    }
    if (!s->at) {
        scratch_reset(s);
    }
    if ((size_t)(s->end - s->at) >= n) {
        void *p = s->at;
        s->at += n;
        return memset(p, 0, n);
    }
    void **block = calloc(1, n + 16);
    if (!block) {
        return NULL;
    }
    *block = s->more;
    s->more = block;
    return block + 2;
}

/* Zeroed; never NULL without `fail`. The count has been checked against the bytes that are left. */
static void *take(Reader *r, size_t count, size_t size)
{
    size_t n = count * size + 1;
    void *p = r->arena ? lang_arena_alloc(r->arena, n) : scratch_alloc(&r->scratch, n);
    if (!p) {
        fail(r, STATUS_NO_MEMORY, "out of memory");
    }
    return p;
}

/* ---- numbers and texts ---- */

static size_t left(const Reader *r) { return (size_t)(r->end - r->at); }

static uint64_t get_u(Reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end) {
            damaged(r, "the image ends too early");
            return 0;
        }
        unsigned char byte = *r->at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            return v;
        }
    }
    damaged(r, "a number is too big");
    return 0;
}

static int64_t get_s(Reader *r)
{
    uint64_t v = get_u(r);
    return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}

static uint32_t get_u32(Reader *r)
{
    uint64_t v = get_u(r);
    if (v > UINT32_MAX) {
        damaged(r, "a number is too big");
        return 0;
    }
    return (uint32_t)v;
}

static uint8_t get_byte(Reader *r)
{
    if (r->at == r->end) {
        damaged(r, "the image ends too early");
        return 0;
    }
    return *r->at++;
}

/* A number of things that take at least `each` bytes apiece. */
static uint32_t get_count(Reader *r, size_t each)
{
    uint64_t n = get_u(r);
    if (n > left(r) / each || n > UINT32_MAX / 2) {
        damaged(r, "a count is too big");
        return 0;
    }
    return (uint32_t)n;
}

static Bytes get_text(Reader *r)
{
    uint64_t i = get_u(r);
    if (i >= r->nstrings) {
        damaged(r, "a text is not there");
        return (Bytes){"", 0};
    }
    if (!r->arena) {
        return r->strings[i];
    }
    LangText copy = lang_arena_copy(r->arena, r->strings[i].data, r->strings[i].len);
    if (r->arena->failed) {
        fail(r, STATUS_NO_MEMORY, "out of memory");
    }
    return (Bytes){copy.ptr, copy.len};
}

static Bytes *get_texts(Reader *r, uint32_t *n)
{
    *n = get_count(r, 1);
    Bytes *texts = take(r, *n, sizeof *texts);
    for (uint32_t i = 0; texts && i < *n; i++) {
        texts[i] = get_text(r);
    }
    return texts;
}

/* ---- units ---- */

static bool digits_fit(Bytes text, int radix)
{
    size_t i = text.len && text.data[0] == '-' ? 1 : 0;
    if (i == text.len) {
        return false;
    }
    for (; i < text.len; i++) {
        int c = (unsigned char)text.data[i];
        int lower = c | 32;
        int digit = c >= '0' && c <= '9'           ? c - '0'
                    : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10
                                                   : 99;
        if (digit >= radix) {
            return false;
        }
    }
    return true;
}

/* Recursion is limited by IMAGE_DEPTH_MAX, here and in get_unit. */
static void get_literal(Reader *r, Literal *lit, unsigned depth)
{
    uint64_t kind = get_u(r);
    if (kind > LIT_BLOCK || depth > IMAGE_DEPTH_MAX) {
        damaged(r, "bad literal");
        return;
    }
    lit->kind = (LiteralKind)kind;
    switch (lit->kind) {
    case LIT_INT:
    case LIT_CHAR:
    case LIT_BLOCK: lit->integer = get_s(r); break;
    case LIT_BIG_INT:
        lit->radix = (int)(get_u(r) & 0xFF);
        lit->text = get_text(r);
        if (!r->trusted && !digits_fit(lit->text, lit->radix)) {
            damaged(r, "bad integer literal");
        }
        break;
    case LIT_FLOAT:
        if (left(r) < 8) {
            damaged(r, "the image ends too early");
        } else {
            uint64_t bits = image_word(r->at);
            memcpy(&lit->number, &bits, sizeof bits);
            r->at += 8;
        }
        break;
    case LIT_STRING:
    case LIT_SYMBOL:
    case LIT_CLASS: lit->text = get_text(r); break;
    case LIT_ARRAY:
        lit->count = get_count(r, 1);
        lit->elements = take(r, lit->count, sizeof *lit->elements);
        for (size_t i = 0; lit->elements && i < lit->count; i++) {
            get_literal(r, &lit->elements[i], depth + 1);
        }
        break;
    default: break;
    }
}

static void get_instructions(Reader *r, CodeUnit *unit)
{
    unit->ninstr = get_count(r, 8);
    unit->instr = take(r, unit->ninstr, sizeof *unit->instr);
    for (uint32_t i = 0; unit->instr && i < unit->ninstr; i++) {
        unit->instr[i] = image_word(r->at);
        r->at += 8;
    }
}

static void get_globals(Reader *r, CodeUnit *unit)
{
    unit->nglobals = get_count(r, 3);
    unit->globals = take(r, unit->nglobals, sizeof *unit->globals);
    for (uint32_t i = 0; unit->globals && i < unit->nglobals; i++) {
        uint64_t kind = get_u(r);
        if (kind > GLOBAL_CLASS_VAR) {
            damaged(r, "bad variable");
        }
        unit->globals[i].kind = (GlobalKind)(kind & 1);
        unit->globals[i].owner = get_text(r);
        unit->globals[i].name = get_text(r);
    }
}

static void get_lines(Reader *r, CodeUnit *unit)
{
    uint32_t pc = 0, line = 0;
    unit->nlines = get_count(r, 3);
    unit->lines = take(r, unit->nlines, sizeof *unit->lines);
    for (uint32_t i = 0; unit->lines && i < unit->nlines; i++) {
        pc += get_u32(r);
        line += (uint32_t)get_s(r);
        unit->lines[i] = (LineEntry){pc, line, get_u32(r)};
    }
}

static CodeUnit *get_unit(Reader *r, unsigned depth);

static void get_blocks(Reader *r, CodeUnit *unit, unsigned depth)
{
    unit->nblocks = get_count(r, 10);
    unit->blocks = take(r, unit->nblocks, sizeof *unit->blocks);
    for (uint32_t i = 0; unit->blocks && i < unit->nblocks && !r->error; i++) {
        unit->blocks[i] = get_unit(r, depth + 1);
    }
}

static void get_head(Reader *r, CodeUnit *unit)
{
    uint64_t kind = get_u(r);
    if (kind > CODE_BLOCK) {
        damaged(r, "bad kind of code"); /* statements never stand in images */
    }
    unit->kind = (CodeKind)(kind & 1);
    unit->selector = get_text(r);
    unit->nargs = get_byte(r);
    unit->ncaps = get_byte(r);
    unit->nregs = get_byte(r);
    unit->home_reg = get_byte(r);
    uint64_t flags = get_u(r);
    if (flags > IMAGE_UNIT_ALL || !unit->selector.len) {
        damaged(r, "bad method");
    }
    unit->uses_self = flags & IMAGE_UNIT_SELF;
    unit->has_nlr = flags & IMAGE_UNIT_NLR;
    unit->is_primitive = flags & IMAGE_UNIT_PRIMITIVE;
    int64_t slot = get_s(r);
    if (slot < -1 || slot > UINT16_MAX) {
        damaged(r, "bad variable");
    }
    unit->getter_slot = (int)slot;
}

static CodeUnit *get_unit(Reader *r, unsigned depth)
{
    CodeUnit *unit = take(r, 1, sizeof *unit);
    if (!unit || depth > IMAGE_DEPTH_MAX) {
        damaged(r, "nested too deeply");
        return NULL;
    }
    get_head(r, unit);
    unit->captures = take(r, unit->ncaps, 1);
    for (unsigned i = 0; unit->captures && i < unit->ncaps; i++) {
        unit->captures[i] = get_byte(r);
    }
    get_instructions(r, unit);
    unit->nliterals = get_count(r, 1);
    unit->literals = take(r, unit->nliterals, sizeof *unit->literals);
    for (uint32_t i = 0; unit->literals && i < unit->nliterals; i++) {
        get_literal(r, &unit->literals[i], 0);
    }
    unit->ic_selectors = get_texts(r, &unit->nics);
    get_globals(r, unit);
    get_lines(r, unit);
    if (get_u(r)) {
        unit->temp_names = take(r, unit->nregs, sizeof *unit->temp_names);
        for (unsigned i = 0; unit->temp_names && i < unit->nregs; i++) {
            unit->temp_names[i] = get_text(r);
        }
    }
    unit->source = get_text(r);
    unit->docstring = get_text(r);
    get_blocks(r, unit, depth);
    return r->error ? NULL : unit;
}

/* Slots named by the unit and its blocks exist in a class with `nslots`. From a work list that lies
 * in the units themselves: depth is bounded, so recursion is fine. */
static bool slots_fit(const CodeUnit *unit, uint32_t nslots)
{
    if (unit->getter_slot >= 0 && (uint32_t)unit->getter_slot >= nslots) {
        return false;
    }
    for (uint32_t i = 0; i < unit->ninstr; i++) {
        Opcode op = instr_op(unit->instr[i]);
        if ((op == OP_GETF || op == OP_SETF) && instr_d(unit->instr[i]) >= nslots) {
            return false;
        }
    }
    for (uint32_t i = 0; i < unit->nblocks; i++) {
        if (!slots_fit(unit->blocks[i], nslots)) {
            return false;
        }
    }
    return true;
}

/* Decodes unit number `i` for a class with nslots variables. */
static CodeUnit *unit_at(Reader *r, uint64_t i, uint32_t nslots)
{
    if (r->error) {
        return NULL;
    }
    if (i >= r->nunits || r->units[i].len > r->budget) {
        damaged(r, i >= r->nunits ? "a method is not there" : "methods are used too often");
        return NULL;
    }
    r->budget -= r->trusted ? 0 : r->units[i].len;
    const unsigned char *at = r->at, *end = r->end;
    r->at = (const unsigned char *)r->units[i].data;
    r->end = r->at + r->units[i].len;
    CodeUnit *unit = get_unit(r, 0);
    if (unit && r->at != r->end) {
        damaged(r, "bytes behind a method");
    }
    if (unit && !r->trusted) {
        uint32_t pc;
        if (unit->kind != CODE_METHOD || code_verify(unit, &pc)) {
            damaged(r, "a method does not pass verification");
        } else if (!slots_fit(unit, nslots)) {
            damaged(r, "a method names a variable that is not there");
        }
    }
    r->at = r->error ? end : at;
    r->end = end;
    return r->error ? NULL : unit;
}

/* ---- sections ---- */

/* A table of byte strings that stay where they are. */
static void read_pool(Reader *r, Bytes **table, size_t *count, bool texts)
{
    uint32_t n = get_count(r, 1);
    *table = calloc((size_t)n + 1, sizeof **table);
    if (!*table) {
        fail(r, STATUS_NO_MEMORY, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < n && !r->error; i++) {
        uint64_t len = get_u(r);
        if (len > left(r)) {
            damaged(r, "the image ends too early");
            return;
        }
        (*table)[i] = (Bytes){(const char *)r->at, len};
        r->at += len;
        if (texts && !r->trusted && !utf8_check((*table)[i].data, len, NULL)) {
            damaged(r, "a text is not valid UTF-8");
        }
    }
    *count = r->error ? 0 : n;
}

static void read_classes(Reader *r)
{
    uint32_t n = get_count(r, 7);
    for (uint32_t i = 0; i < n && !r->error; i++) {
        uint32_t index;
        scratch_reset(&r->scratch);
        ClassSpec spec = {.name = get_text(r)};
        spec.super = get_text(r);
        spec.slots = get_texts(r, &spec.nslots);
        spec.class_vars = get_texts(r, &spec.nclass_vars);
        spec.doc = get_text(r);
        spec.file = get_text(r);
        spec.line = get_u32(r);
        if (r->error || !spec.name.len) {
            damaged(r, "a class without a name");
            return;
        }
        Status status = class_define(r->vm, &spec, &index, r->error_text, r->error_size);
        if (status != STATUS_OK) {
            r->error = "a class cannot be defined"; /* the text is there already */
            r->status = status;
            r->at = r->end;
        }
    }
}

static CodeUnit *trait_unit(Reader *r, uint64_t number)
{
    LangArena *arena = malloc(sizeof *arena);
    if (!arena) {
        fail(r, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    lang_arena_init(arena, lang_allocator_malloc(), 0);
    r->arena = arena;
    CodeUnit *unit = unit_at(r, number, 0);
    r->arena = NULL;
    if (!unit) {
        lang_arena_free(arena);
        free(arena);
        return NULL;
    }
    unit->arena = arena;
    return unit;
}

static void read_traits(Reader *r)
{
    uint32_t n = get_count(r, 3);
    for (uint32_t i = 0; i < n && !r->error; i++) {
        uint32_t nrequired = 0, made = 0;
        scratch_reset(&r->scratch);
        Bytes name = get_text(r);
        uint32_t nunits = get_count(r, 1);
        CodeUnit **units = calloc((size_t)nunits + 1, sizeof *units);
        for (uint32_t k = 0; units && k < nunits; k++) {
            units[made] = trait_unit(r, get_u(r));
            made += units[made] != NULL;
        }
        scratch_reset(&r->scratch);
        Bytes *required = get_texts(r, &nrequired);
        if (!units || !required) {
            fail(r, STATUS_NO_MEMORY, "out of memory");
        }
        Status status =
            r->error ? r->status : trait_define(r->vm, name, units, made, required, nrequired);
        if (status != STATUS_OK) {
            for (uint32_t k = 0; k < made; k++) {
                code_unit_free(units[k]);
            }
            fail(r, status, "a trait cannot be defined");
        }
        free(units);
    }
}

/* One method; NULL when it is a stub that only documents an inherited primitive. */
static Code *read_method(Reader *r)
{
    scratch_reset(&r->scratch);
    uint32_t cls = class_find(r->vm, get_text(r));
    uint64_t side = get_u(r), number = get_u(r);
    LinkInfo info = {.owner = cls + (side ? 1 : 0), .file = get_text(r)};
    info.line = get_u32(r);
    if (cls == CLASS_NONE || side > 1) {
        damaged(r, "a method of a class that is not there");
        return NULL;
    }
    CodeUnit *unit = unit_at(r, number, side ? 0 : vm_class(r->vm, cls)->nslots);
    if (!unit) {
        return NULL;
    }
    Code *code = NULL;
    Status status = code_link(r->vm, &r->l->actor.heap, unit, &info, &code);
    if (status == STATUS_NOT_FOUND && unit->is_primitive && !r->boot) {
        return NULL;
    }
    if (status != STATUS_OK) {
        fail(r, status, "a method cannot be linked");
    }
    return code;
}

static void read_methods(Reader *r)
{
    uint32_t n = get_count(r, 5), made = 0;
    Code **codes = calloc((size_t)n + 1, sizeof *codes);
    if (!codes) {
        fail(r, STATUS_NO_MEMORY, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < n && !r->error; i++) {
        codes[made] = read_method(r);
        made += codes[made] != NULL;
    }
    if (!r->error && r->at != r->end) {
        damaged(r, "bytes behind the image");
    }
    if (!r->error) {
        Status status = methods_install(r->vm, r->l, codes, made);
        if (status != STATUS_OK) {
            fail(r, status, "methods cannot be installed");
        }
    }
    free(codes);
}

/* ---- outward ---- */

static void check_header(Reader *r, size_t n)
{
    const unsigned char *p = r->at;
    if (n < IMAGE_HEADER_BYTES || memcmp(p, IMAGE_MAGIC, 8) != 0) {
        damaged(r, "this is no image");
    } else if (image_word(p + 8) != ((uint64_t)image_fingerprint() << 32 | IMAGE_VERSION)) {
        damaged(r, "the image is of another version");
    } else if (image_word(p + 16) != n - IMAGE_HEADER_BYTES || n > IMAGE_MAX_BYTES) {
        damaged(r, "the image has the wrong length");
    } else if (image_word(p + 24) !=
               image_checksum(p + IMAGE_HEADER_BYTES, n - IMAGE_HEADER_BYTES)) {
        damaged(r, "the image's checksum is wrong");
    } else {
        r->at += IMAGE_HEADER_BYTES;
    }
}

Status image_load(Vm *vm, VmLocal *l, const void *bytes, size_t n, unsigned flags, char *error,
                  size_t error_size)
{
    Reader r = {.vm = vm,
                .l = l,
                .at = bytes,
                .end = (const unsigned char *)bytes + n,
                .trusted = flags & IMAGE_TRUSTED,
                .boot = flags & IMAGE_BOOT,
                .budget = flags & IMAGE_TRUSTED ? SIZE_MAX : 65536 + 16 * n,
                .error_text = error,
                .error_size = error_size};
    if (error_size) {
        error[0] = 0;
    }
    check_header(&r, n);
    if (!r.error) {
        read_pool(&r, &r.strings, &r.nstrings, true);
        read_pool(&r, &r.units, &r.nunits, false);
        read_classes(&r);
        read_traits(&r);
        read_methods(&r);
    }
    scratch_reset(&r.scratch);
    free(r.scratch.first);
    free(r.strings);
    free(r.units);
    return r.error ? r.status : STATUS_OK;
}
