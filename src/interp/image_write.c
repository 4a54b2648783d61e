/* SPDX-License-Identifier: Apache-2.0 */
/* image_write.c - writing images: definitions arrive through a LoaderTap and are encoded at once.
 * Invariant: texts and encoded units are numbered in the order of their first use.
 * Threads: one per writer. */
#include "image_int.h"

/* A set of byte strings with numbers: open addressing over entries that lie in one buffer. */
typedef struct PoolEntry {
    size_t offset;
    size_t len;
    uint32_t hash;
} PoolEntry;

typedef struct BytePool {
    Buf bytes;
    PoolEntry *entries;
    uint32_t count, cap;
    uint32_t *table; /* entry number + 1; size 2 * cap */
} BytePool;

struct ImageWriter {
    const Env *env;
    LoaderTap tap;
    BytePool strings, units;
    Buf classes, traits, methods;
    uint32_t nclasses, ntraits, nmethods;
    Status status;
};

static void note(ImageWriter *w, Status status)
{
    if (w->status == STATUS_OK) {
        w->status = status;
    }
}

/* ---- pools ---- */

static Status bytes_grow(const Env *env, BytePool *p)
{
    uint32_t cap = p->cap ? p->cap * 2 : 1024;
    PoolEntry *entries = env_alloc(env, cap * sizeof *entries);
    uint32_t *table = env_calloc(env, 2 * (size_t)cap * sizeof *table);
    if (!entries || !table) {
        env_free(env, entries, cap * sizeof *entries);
        env_free(env, table, 2 * (size_t)cap * sizeof *table);
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        entries[i] = p->entries[i];
        uint32_t at = entries[i].hash & (2 * cap - 1);
        while (table[at]) {
            at = (at + 1) & (2 * cap - 1);
        }
        table[at] = i + 1;
    }
    env_free(env, p->entries, p->cap * sizeof *entries);
    env_free(env, p->table, 2 * (size_t)p->cap * sizeof *table);
    p->entries = entries;
    p->table = table;
    p->cap = cap;
    return STATUS_OK;
}

/* The number of these bytes, new or old. */
static uint32_t bytes_number(ImageWriter *w, BytePool *p, const void *data, size_t len)
{
    if (p->count >= p->cap) {
        Status status = bytes_grow(w->env, p);
        if (status != STATUS_OK) {
            note(w, status);
            return 0;
        }
    }
    uint32_t hash = hash_fnv32(data, len);
    uint32_t at = hash & (2 * p->cap - 1);
    for (; p->table[at]; at = (at + 1) & (2 * p->cap - 1)) {
        const PoolEntry *e = &p->entries[p->table[at] - 1];
        if (e->hash == hash && e->len == len &&
            (len == 0 || !memcmp(p->bytes.data + e->offset, data, len))) {
            return p->table[at] - 1;
        }
    }
    p->entries[p->count] = (PoolEntry){p->bytes.len, len, hash};
    note(w, buf_put(&p->bytes, len ? data : "", len ? len : 1)); /* so that data is never NULL */
    p->table[at] = ++p->count;
    return p->count - 1;
}

static void bytes_free(const Env *env, BytePool *p)
{
    buf_free(&p->bytes);
    env_free(env, p->entries, p->cap * sizeof *p->entries);
    env_free(env, p->table, 2 * (size_t)p->cap * sizeof *p->table);
}

/* ---- numbers and texts ---- */

static void put_u(Buf *b, uint64_t v)
{
    while (v >= 0x80) {
        (void)buf_put_byte(b, (char)(v | 0x80));
        v >>= 7;
    }
    (void)buf_put_byte(b, (char)v);
}

static void put_s(Buf *b, int64_t v) { put_u(b, (uint64_t)v << 1 ^ (uint64_t)(v >> 63)); }

static void put_word(Buf *b, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        (void)buf_put_byte(b, (char)(v >> (8 * i)));
    }
}

static void put_text(ImageWriter *w, Buf *b, Bytes text)
{
    put_u(b, bytes_number(w, &w->strings, text.data, text.len));
}

/* ---- units ---- */

/* Recursion is bounded by the nesting limit of the parser, which made the unit. */
static void put_literal(ImageWriter *w, Buf *b, const Literal *lit)
{
    put_u(b, (unsigned)lit->kind);
    switch (lit->kind) {
    case LIT_INT:
    case LIT_CHAR:
    case LIT_BLOCK: put_s(b, lit->integer); break;
    case LIT_BIG_INT:
        put_u(b, (unsigned)lit->radix);
        put_text(w, b, lit->text);
        break;
    case LIT_FLOAT: {
        uint64_t bits;
        memcpy(&bits, &lit->number, sizeof bits);
        put_word(b, bits);
        break;
    }
    case LIT_STRING:
    case LIT_SYMBOL:
    case LIT_CLASS: put_text(w, b, lit->text); break;
    case LIT_ARRAY:
        put_u(b, lit->count);
        for (size_t i = 0; i < lit->count; i++) {
            put_literal(w, b, &lit->elements[i]);
        }
        break;
    default: break;
    }
}

static void put_lines(Buf *b, const CodeUnit *unit)
{
    uint32_t pc = 0, line = 0;
    put_u(b, unit->nlines);
    for (uint32_t i = 0; i < unit->nlines; i++) {
        const LineEntry *e = &unit->lines[i];
        put_u(b, e->pc - pc);
        put_s(b, (int64_t)e->line - line);
        put_u(b, e->column);
        pc = e->pc;
        line = e->line;
    }
}

static void put_unit(ImageWriter *w, Buf *b, const CodeUnit *unit)
{
    put_u(b, (unsigned)unit->kind);
    put_text(w, b, unit->selector);
    (void)buf_put_byte(b, (char)unit->nargs);
    (void)buf_put_byte(b, (char)unit->ncaps);
    (void)buf_put_byte(b, (char)unit->nregs);
    (void)buf_put_byte(b, (char)unit->home_reg);
    put_u(b, (unsigned)(unit->uses_self ? IMAGE_UNIT_SELF : 0) |
                 (unsigned)(unit->has_nlr ? IMAGE_UNIT_NLR : 0) |
                 (unsigned)(unit->is_primitive ? IMAGE_UNIT_PRIMITIVE : 0));
    put_s(b, unit->getter_slot);
    (void)buf_put(b, unit->captures, unit->ncaps);
    put_u(b, unit->ninstr);
    for (uint32_t i = 0; i < unit->ninstr; i++) {
        put_word(b, unit->instr[i]);
    }
    put_u(b, unit->nliterals);
    for (uint32_t i = 0; i < unit->nliterals; i++) {
        put_literal(w, b, &unit->literals[i]);
    }
    put_u(b, unit->nics);
    for (uint32_t i = 0; i < unit->nics; i++) {
        put_text(w, b, unit->ic_selectors[i]);
    }
    put_u(b, unit->nglobals);
    for (uint32_t i = 0; i < unit->nglobals; i++) {
        put_u(b, (unsigned)unit->globals[i].kind);
        put_text(w, b, unit->globals[i].owner);
        put_text(w, b, unit->globals[i].name);
    }
    put_lines(b, unit);
    put_u(b, unit->temp_names ? 1 : 0);
    for (uint32_t i = 0; unit->temp_names && i < unit->nregs; i++) {
        put_text(w, b, unit->temp_names[i]);
    }
    put_text(w, b, unit->source);
    put_text(w, b, unit->docstring);
    put_u(b, unit->nblocks);
    for (uint32_t i = 0; i < unit->nblocks; i++) {
        put_unit(w, b, unit->blocks[i]);
    }
}

static uint32_t unit_number(ImageWriter *w, const CodeUnit *unit)
{
    Buf b;
    buf_init(&b, w->env, IMAGE_MAX_BYTES);
    put_unit(w, &b, unit);
    note(w, b.status);
    uint32_t number = b.status == STATUS_OK ? bytes_number(w, &w->units, b.data, b.len) : 0;
    buf_free(&b);
    return number;
}

/* ---- the tap ---- */

static void put_texts(ImageWriter *w, Buf *b, const Bytes *texts, uint32_t n)
{
    put_u(b, n);
    for (uint32_t i = 0; i < n; i++) {
        put_text(w, b, texts[i]);
    }
}

/* The library's own paths must not depend on where it was built. */
static Bytes base_name(Bytes path)
{
    size_t i = path.len;
    while (i > 0 && path.data[i - 1] != '/') {
        i--;
    }
    return (Bytes){path.data + i, path.len - i};
}

static void on_define(void *ctx, const ClassSpec *spec)
{
    ImageWriter *w = ctx;
    put_text(w, &w->classes, spec->name);
    put_text(w, &w->classes, spec->super);
    put_texts(w, &w->classes, spec->slots, spec->nslots);
    put_texts(w, &w->classes, spec->class_vars, spec->nclass_vars);
    put_text(w, &w->classes, spec->doc);
    put_text(w, &w->classes, base_name(spec->file));
    put_u(&w->classes, spec->line);
    w->nclasses++;
}

static void on_method(void *ctx, Bytes owner, bool class_side, const CodeUnit *unit, Bytes file,
                      uint32_t line)
{
    ImageWriter *w = ctx;
    put_text(w, &w->methods, owner);
    put_u(&w->methods, class_side);
    put_u(&w->methods, unit_number(w, unit));
    put_text(w, &w->methods, base_name(file));
    put_u(&w->methods, line);
    w->nmethods++;
}

static void on_trait(void *ctx, Bytes name, CodeUnit *const *units, uint32_t nunits,
                     const Bytes *required, uint32_t nrequired)
{
    ImageWriter *w = ctx;
    put_text(w, &w->traits, name);
    put_u(&w->traits, nunits);
    for (uint32_t i = 0; i < nunits; i++) {
        put_u(&w->traits, unit_number(w, units[i]));
    }
    put_texts(w, &w->traits, required, nrequired);
    w->ntraits++;
}

/* ---- outward ---- */

ImageWriter *image_writer_new(const Env *env)
{
    ImageWriter *w = env_calloc(env, sizeof *w);
    if (!w) {
        return NULL;
    }
    w->env = env;
    w->tap = (LoaderTap){.ctx = w, .define = on_define, .method = on_method, .trait = on_trait};
    Buf *bufs[] = {&w->strings.bytes, &w->units.bytes, &w->classes, &w->traits, &w->methods};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        buf_init(bufs[i], env, IMAGE_MAX_BYTES);
    }
    return w;
}

void image_writer_free(ImageWriter *w)
{
    bytes_free(w->env, &w->strings);
    bytes_free(w->env, &w->units);
    buf_free(&w->classes);
    buf_free(&w->traits);
    buf_free(&w->methods);
    env_free(w->env, w, sizeof *w);
}

const LoaderTap *image_writer_tap(const ImageWriter *w) { return &w->tap; }

static void put_pool(Buf *out, const BytePool *p)
{
    put_u(out, p->count);
    for (uint32_t i = 0; i < p->count; i++) {
        put_u(out, p->entries[i].len);
        (void)buf_put(out, p->bytes.data + p->entries[i].offset, p->entries[i].len);
    }
}

static void put_section(ImageWriter *w, Buf *out, uint32_t count, const Buf *section)
{
    note(w, section->status);
    put_u(out, count);
    (void)buf_put(out, section->data ? section->data : "", section->len);
}

Status image_write(ImageWriter *w, Buf *out)
{
    Buf body;
    buf_init(&body, w->env, IMAGE_MAX_BYTES);
    put_pool(&body, &w->strings);
    put_pool(&body, &w->units);
    put_section(w, &body, w->nclasses, &w->classes);
    put_section(w, &body, w->ntraits, &w->traits);
    put_section(w, &body, w->nmethods, &w->methods);
    note(w, body.status);
    if (w->status == STATUS_OK) {
        (void)buf_put(out, IMAGE_MAGIC, 8);
        put_word(out, (uint64_t)image_fingerprint() << 32 | IMAGE_VERSION);
        put_word(out, body.len);
        put_word(out, image_checksum((const unsigned char *)body.data, body.len));
        (void)buf_put(out, body.data, body.len);
        note(w, out->status);
    }
    buf_free(&body);
    return w->status;
}
