/* SPDX-License-Identifier: Apache-2.0 */
/* test_heap_model.c - random programs over two heaps against a shadow graph: allocations, stores,
 * loads, collections of every kind, messages, spawns, become:, hashes, frozen values, weak
 * references. MAGGIE_TEST_SEED and MAGGIE_TEST_COUNT in the environment choose the seeds (from
 * 1000 * SEED); a failure prints its seed. */
#include "gc_test.h"

#include "utf8.h"

#define ROOTS 24
#define HEAPS 2

/* What a heap object should look like. Nodes are kept until the run ends. */
typedef struct Node {
    ObjKind kind;
    size_t words;             /* SLOTS, CELL, BYTES: payload; strings: bytes */
    struct ShadowValue *slot; /* SLOTS, CELL, WEAK */
    int64_t id;               /* slot 0 of SLOTS; fill of bytes and strings */
    bool frozen;
    bool hashed;
    uint32_t hash;
    Value address;    /* while checking: where it is in this heap */
    unsigned checked; /* number of the check */
    struct Node *next;
    struct Node *copy; /* while copying the shadow */
    unsigned copied;
} Node;

typedef struct ShadowValue {
    Node *node; /* or NULL: */
    Value immediate;
} ShadowValue;

typedef struct Model {
    World world;
    Proc proc[HEAPS];
    ShadowValue root[HEAPS][ROOTS];
    Region *region[16]; /* counts of cells, as globals */
    ShadowValue global[16];
    Value global_value[16];
    Node *nodes;
    unsigned check;
    unsigned copy;
    int64_t next_id;
    Rng rng;
    uint64_t seed;
} Model;

static uint32_t pick(Model *m, uint32_t n) { return rng_below(&m->rng, n); }

#define CHECK(m, cond)                                                                             \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail_msg("seed %llu: %s (line %d)", (unsigned long long)(m)->seed, #cond, __LINE__);   \
    } while (0)

static Node *node_new(Model *m, ObjKind kind, size_t words)
{
    Node *n = calloc(1, sizeof *n);
    n->kind = kind;
    n->words = words;
    n->id = m->next_id++;
    n->next = m->nodes;
    m->nodes = n;
    if (kind == OBJ_SLOTS || kind == OBJ_CELL || kind == OBJ_WEAK) {
        n->slot = calloc(words ? words : 1, sizeof *n->slot);
        for (size_t i = 0; i < words; i++)
            n->slot[i].immediate = VALUE_NIL;
    }
    return n;
}

static void nodes_free(Model *m)
{
    while (m->nodes) {
        Node *n = m->nodes;
        m->nodes = n->next;
        free(n->slot);
        free(n);
    }
}

/* ---- comparing ------------------------------------------------------------------------------ */

typedef struct Stack {
    Node **at;
    size_t n;
    size_t cap;
} Stack;

static void stack_push(Stack *s, Node *n)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->at = realloc(s->at, s->cap * sizeof *s->at);
    }
    s->at[s->n++] = n;
}

static void check_value(Model *m, Value v, ShadowValue s, Stack *todo)
{
    if (!s.node) {
        CHECK(m, v == s.immediate);
        return;
    }
    CHECK(m, value_is_ptr(v));
    if (s.node->checked == m->check) {
        CHECK(m, s.node->address == v);
        return;
    }
    s.node->checked = m->check;
    s.node->address = v;
    stack_push(todo, s.node);
}

static void check_fill(Model *m, const uint8_t *data, size_t n, int64_t id)
{
    for (size_t i = 0; i<n; i += n> 600 ? 97 : 1)
        CHECK(m, data[i] == (uint8_t)('a' + id % 26));
}

static void check_node(Model *m, Proc *p, Node *n, Stack *todo)
{
    Object *o = obj_of(n->address);
    if (n->kind == OBJ_STRING) {
        StrView s = str_view(n->address);
        CHECK(m, s.bytes == n->words);
        check_fill(m, s.data, s.bytes, n->id);
    } else {
        CHECK(m, obj_kind(o) == n->kind);
        CHECK(m, obj_words(o) == n->words);
        if (n->kind == OBJ_BYTES)
            check_fill(m, obj_bytes(o), n->words * 8, n->id);
    }
    CHECK(m, obj_is_frozen(o) == n->frozen);
    if (n->hashed)
        CHECK(m, heap_identity_hash(&p->heap, o) == n->hash);
    if (n->kind != OBJ_WEAK && n->slot) {
        for (size_t i = 0; i < n->words; i++)
            check_value(m, obj_slots(o)[i], n->slot[i], todo);
    }
}

/* Weak targets come last: reached ones must be right, others nil or still there. */
static void check_weak(Model *m, Node *n)
{
    Value v = obj_of(n->address)->words[0];
    Node *target = n->slot[0].node;
    if (!target || target->checked != m->check)
        return;
    /* A frozen value may have left this heap, which clears the reference, and come back. */
    CHECK(m, v == target->address || (target->frozen && v == VALUE_NIL));
}

static void check_heap(Model *m, unsigned h)
{
    Proc *p = &m->proc[h];
    Stack todo = {0};
    Stack weak = {0};
    m->check++;
    for (size_t i = 0; i < ROOTS; i++)
        check_value(m, *proc_root(p, i), m->root[h][i], &todo);
    while (todo.n) {
        Node *n = todo.at[--todo.n];
        check_node(m, p, n, &todo);
        if (n->kind == OBJ_WEAK)
            stack_push(&weak, n);
    }
    while (weak.n)
        check_weak(m, weak.at[--weak.n]);
    free(todo.at);
    free(weak.at);
}

/* ---- shadow copies -------------------------------------------------------------------------- */

static ShadowValue shadow_copy_value(Model *m, ShadowValue s, bool frozen, Stack *todo)
{
    if (!s.node || s.node->frozen)
        return s;
    if (s.node->copied != m->copy) {
        Node *n = node_new(m, s.node->kind, s.node->words);
        n->id = s.node->id;
        n->frozen = frozen;
        s.node->copied = m->copy;
        s.node->copy = n;
        stack_push(todo, s.node);
    }
    return (ShadowValue){s.node->copy, 0};
}

/* False: a weak reference is in it. */
static bool shadow_copy(Model *m, ShadowValue root, bool frozen, ShadowValue *out)
{
    Stack todo = {0};
    bool ok = true;
    m->copy++;
    *out = shadow_copy_value(m, root, frozen, &todo);
    while (todo.n) {
        Node *n = todo.at[--todo.n];
        if (n->kind == OBJ_WEAK)
            ok = false;
        for (size_t i = 0; n->slot && i < n->words; i++)
            n->copy->slot[i] = shadow_copy_value(m, n->slot[i], frozen, &todo);
    }
    free(todo.at);
    return ok;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static Proc *any_heap(Model *m, unsigned *h)
{
    *h = pick(m, HEAPS);
    return &m->proc[*h];
}

static void step_new_slots(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t words = 1 + pick(m, 6);
    uint32_t dice = pick(m, 100);
    if (dice < 5)
        words = 1 + pick(m, 400);
    else if (dice == 5)
        words = 2000 + pick(m, 3000);
    ObjKind kind = words == 1 && pick(m, 2) ? OBJ_CELL : OBJ_SLOTS;
    Object *o = proc_array(p, words);
    o->header = (o->header & ~(UINT64_C(0x1F) << 48)) | (uint64_t)kind << 48;
    Node *n = node_new(m, kind, words);
    for (size_t i = 0; i < words && i < 8; i++) {
        size_t from = pick(m, ROOTS);
        obj_slots(o)[i] = *proc_root(p, from);
        n->slot[i] = m->root[h][from];
    }
    size_t r = pick(m, ROOTS);
    *proc_root(p, r) = value_ptr(o);
    m->root[h][r] = (ShadowValue){n, 0};
}

static void step_new_bytes(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t r = pick(m, ROOTS);
    if (pick(m, 2)) {
        size_t bytes = pick(m, 10) ? pick(m, 60) : pick(m, 3000);
        Node *n = node_new(m, OBJ_STRING, bytes);
        proc_set(p, r, proc_string(p, bytes, (char)('a' + n->id % 26)));
        m->root[h][r] = (ShadowValue){n, 0};
    } else {
        size_t words = pick(m, 20) ? pick(m, 10) : pick(m, 5000);
        Node *n = node_new(m, OBJ_BYTES, words);
        Object *o = proc_new(p, OBJ_BYTES, 0, words);
        memset(obj_bytes(o), (int)('a' + n->id % 26), words * 8);
        *proc_root(p, r) = value_ptr(o);
        m->root[h][r] = (ShadowValue){n, 0};
    }
}

static void step_new_weak(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    Object *o = proc_new(p, OBJ_WEAK, 0, 2);
    Node *n = node_new(m, OBJ_WEAK, 2);
    size_t from = pick(m, ROOTS);
    o->words[0] = *proc_root(p, from);
    o->words[1] = VALUE_NONE;
    n->slot[0] = m->root[h][from];
    size_t r = pick(m, ROOTS);
    *proc_root(p, r) = value_ptr(o);
    m->root[h][r] = (ShadowValue){n, 0};
}

static void step_store(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t r = pick(m, ROOTS);
    size_t from = pick(m, ROOTS);
    Node *n = m->root[h][r].node;
    if (!n || !n->slot || n->kind == OBJ_WEAK || n->words == 0)
        return;
    size_t slot = pick(m, (uint32_t)n->words);
    Object *o = proc_obj(p, r);
    ShadowValue s = m->root[h][from];
    Value v = *proc_root(p, from);
    if (pick(m, 5) == 0) {
        v = value_int((int64_t)pick(m, 1000));
        s = (ShadowValue){NULL, v};
    }
    bool stored = heap_store(&p->heap, o, &obj_slots(o)[slot], v);
    CHECK(m, stored == !n->frozen);
    if (stored)
        n->slot[slot] = s;
}

static void step_load(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t r = pick(m, ROOTS);
    Node *n = m->root[h][r].node;
    if (!n || !n->slot || n->kind == OBJ_WEAK || n->words == 0)
        return;
    size_t slot = pick(m, (uint32_t)n->words);
    size_t to = pick(m, ROOTS);
    *proc_root(p, to) = obj_slots(proc_obj(p, r))[slot];
    m->root[h][to] = n->slot[slot];
}

static void step_clear(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t r = pick(m, ROOTS);
    *proc_root(p, r) = value_int((int64_t)r);
    m->root[h][r] = (ShadowValue){NULL, value_int((int64_t)r)};
}

static void step_collect(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    static const HeapGcKind kinds[] = {HEAP_GC_AUTO,  HEAP_GC_AUTO,  HEAP_GC_MINOR,
                                       HEAP_GC_MINOR, HEAP_GC_MAJOR, HEAP_GC_HIBERNATE};
    uint32_t dice = pick(m, 8);
    if (dice > 5) { /* make it generational whatever its size */
        assert_int_equal(heap_need_old(&p->heap, &m->world.cx), STATUS_OK);
        dice = 2;
    }
    size_t need = pick(m, 4) ? 0 : pick(m, 5000);
    size_t stack = pick(m, 4) ? 0 : pick(m, 5000);
    assert_int_equal(proc_collect_for(p, kinds[dice], need, stack), STATUS_OK);
    if (pick(m, 2))
        heap_note_wait(&p->heap);
    check_heap(m, h);
}

static void step_hash(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t r = pick(m, ROOTS);
    Node *n = m->root[h][r].node;
    if (!n)
        return;
    uint32_t hash = heap_identity_hash(&p->heap, proc_obj(p, r));
    CHECK(m, !n->hashed || n->hash == hash);
    n->hashed = true;
    n->hash = hash;
}

static void step_send(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    unsigned to = pick(m, HEAPS);
    size_t r = pick(m, ROOTS);
    Fragment *f;
    ShadowValue copy;
    bool ok = shadow_copy(m, m->root[h][r], false, &copy);
    Status s = fragment_copy_out(&p->heap, &m->world.cx, *proc_root(p, r), pick(m, 3), &f, NULL);
    CHECK(m, s == (ok ? STATUS_OK : STATUS_NOT_SENDABLE));
    if (!ok)
        return;
    if (pick(m, 3) == 0) {
        Fragment *g;
        assert_int_equal(fragment_duplicate(f, &m->world.cx, &g), STATUS_OK);
        fragment_free(&m->world.cx, f);
        f = g;
    }
    if (pick(m, 8) == 0) {
        fragment_free(&m->world.cx, f);
        return;
    }
    size_t into = pick(m, ROOTS);
    proc_set(&m->proc[to], into, heap_adopt(&m->proc[to].heap, f));
    m->root[to][into] = copy;
    if (heap_wants_collection(&m->proc[to].heap))
        proc_collect(&m->proc[to], HEAP_GC_AUTO);
}

/* A process dies; another is born with one of its values. */
static void step_spawn(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t r = pick(m, ROOTS);
    ShadowValue copy;
    bool ok = shadow_copy(m, m->root[h][r], false, &copy);
    Proc child;
    Value v;
    proc_roots(&child, &m->world);
    Status s = heap_init_with_copy(&child.heap, &m->world.cx, &p->heap, *proc_root(p, r), ROOTS + 2,
                                   (uint32_t)rng_next(&m->rng), &v);
    CHECK(m, s == (ok ? STATUS_OK : STATUS_NOT_SENDABLE));
    if (!ok)
        return;
    proc_close(p);
    *p = child;
    p->roots.ctx = p;
    for (size_t i = 0; i < ROOTS; i++) {
        proc_push(p, i == r ? v : VALUE_NIL);
        m->root[h][i] = (ShadowValue){NULL, VALUE_NIL};
    }
    m->root[h][r] = copy;
}

static void swap_nodes(Node *a, Node *b)
{
    Node t = *a;
    /* The objects keep their identity; the names in the shadow change hands. */
    a->kind = b->kind, a->words = b->words, a->slot = b->slot, a->id = b->id;
    b->kind = t.kind, b->words = t.words, b->slot = t.slot, b->id = t.id;
}

static void step_become(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t a = pick(m, ROOTS);
    size_t b = pick(m, ROOTS);
    Node *na = m->root[h][a].node;
    Node *nb = m->root[h][b].node;
    HeapGcRequest r = {HEAP_GC_AUTO, 0, p->depth, 0};
    Status s = heap_become(&p->heap, &m->world.cx, &p->roots, &r, *proc_root(p, a),
                           *proc_root(p, b), false, &p->last);
    Status want = !na || !nb                 ? STATUS_BAD_ARGUMENT
                  : na->frozen || nb->frozen ? STATUS_FROZEN
                                             : STATUS_OK;
    CHECK(m, s == want);
    if (s == STATUS_OK && na != nb)
        swap_nodes(na, nb);
    check_heap(m, h);
}

static void step_publish(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    size_t r = pick(m, ROOTS);
    uint32_t g = pick(m, 16);
    ShadowValue copy;
    bool ok = shadow_copy(m, m->root[h][r], true, &copy);
    Value v;
    Region *region;
    Status s = frozen_copy(&p->heap, &m->world.cx, *proc_root(p, r), &v, &region, NULL);
    CHECK(m, s == (ok ? STATUS_OK : STATUS_NOT_SENDABLE));
    if (!ok)
        return;
    if (m->region[g])
        region_release(&m->world.cx, NULL, m->region[g]);
    m->region[g] = region;
    m->global[g] = copy;
    m->global_value[g] = v;
}

static void step_read_global(Model *m)
{
    unsigned h;
    Proc *p = any_heap(m, &h);
    uint32_t g = pick(m, 16);
    size_t r = pick(m, ROOTS);
    CHECK(m, heap_hold(&p->heap, &m->world.cx, m->global_value[g]));
    *proc_root(p, r) = m->global_value[g];
    m->root[h][r] = m->global[g];
}

typedef struct Step {
    void (*run)(Model *m);
    uint32_t weight;
} Step;

static const Step steps[] = {
    {step_new_slots, 40},  {step_new_bytes, 10}, {step_new_weak, 3}, {step_store, 40},
    {step_load, 20},       {step_clear, 8},      {step_collect, 3},  {step_hash, 5},
    {step_send, 8},        {step_spawn, 1},      {step_become, 2},   {step_publish, 2},
    {step_read_global, 6},
};
#define STEPS (sizeof steps / sizeof steps[0])

static void model_step(Model *m)
{
    uint32_t total = 0;
    for (size_t i = 0; i < STEPS; i++)
        total += steps[i].weight;
    uint32_t dice = pick(m, total);
    for (size_t i = 0; i < STEPS; i++) {
        if (dice < steps[i].weight) {
            steps[i].run(m);
            return;
        }
        dice -= steps[i].weight;
    }
}

static void model_run(uint64_t seed, unsigned count)
{
    Model m;
    memset(&m, 0, sizeof m);
    m.seed = seed;
    rng_init(&m.rng, seed);
    world_open(&m.world);
    for (unsigned h = 0; h < HEAPS; h++) {
        proc_open(&m.proc[h], &m.world);
        for (size_t i = 0; i < ROOTS; i++) {
            proc_push(&m.proc[h], VALUE_NIL);
            m.root[h][i].immediate = VALUE_NIL;
        }
    }
    for (uint32_t g = 0; g < 16; g++)
        m.global[g].immediate = m.global_value[g] = VALUE_NIL;
    for (unsigned i = 0; i < count; i++)
        model_step(&m);
    for (unsigned h = 0; h < HEAPS; h++) {
        check_heap(&m, h);
        proc_close(&m.proc[h]);
    }
    for (uint32_t g = 0; g < 16; g++) {
        if (m.region[g])
            region_release(&m.world.cx, NULL, m.region[g]);
    }
    nodes_free(&m);
    world_close(&m.world);
}

typedef struct Args {
    uint64_t first;
    uint64_t count;
    unsigned steps;
} Args;

static void random_programs_agree_with_the_model(void **state)
{
    const Args *args = *state;
    for (uint64_t i = 0; i < args->count; i++)
        model_run(args->first + i, args->steps);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    Args args = {setting("MAGGIE_TEST_SEED", 1) * 1000, setting("MAGGIE_TEST_COUNT", 60), 2500};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(random_programs_agree_with_the_model, &args),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
