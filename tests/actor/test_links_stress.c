/* SPDX-License-Identifier: Apache-2.0 */
/* test_links_stress.c - a crowd that links, monitors, ends and is ended at random, and auditors who
 * keep the books of the signal layer:
 *
 *   every monitor brings exactly one DOWN, or was demonitored in time and brings none
 *   every link that was not taken back brings exactly one exit, one that was, none
 *   every name is free in the end, no group has a member, every process that was started has ended
 *
 * Plays with threads, and with several seeds in the simulator. */
#include "actorkit.h"
#include "groups.h"

enum { AUDITORS = 4, OPEN = 48, PLACES = 64, NAMES = 16 };

typedef struct Auditor {
    Rng rng;
    uint32_t spawns; /* left */
    uint32_t made, downs, taken_back, exits;
    Value refs[OPEN];   /* monitors that are to bring a DOWN */
    Value linked[OPEN]; /* links that are to bring an exit */
} Auditor;

typedef struct Crowd {
    Kit kit;
    Auditor auditors[AUDITORS];
    Value places[PLACES]; /* pids to pick from; atomic */
    Value names[NAMES], group;
    uint64_t seed;
    uint64_t started; /* atomic */
} Crowd;

static Crowd *crowd_of(ActorCtx *cx) { return (Crowd *)cx->node->config.ctx; }

static Value pick(Crowd *c, Rng *rng) { return atom_load_acq(&c->places[rng_below(rng, PLACES)]); }

/* ---- the crowd: resume.a counts steps, resume.b is the state of the generator ---------------- */

static void act(ActorCtx *cx, Process *p, Crowd *c, Rng *rng)
{
    Value other = pick(c, rng), third = pick(c, rng);
    bool done;
    if (!value_is_pid(other) || !value_is_pid(third))
        return;
    switch (rng_below(rng, 9)) {
    case 0:
    case 1: assert_ok(process_link(cx, p, other)); break;
    case 2: assert_ok(process_unlink(cx, p, other)); break;
    case 3: assert_ok(process_monitor(cx, p, other, process_new_reference(cx))); break;
    case 4: assert_ok(process_register(cx, other, c->names[rng_below(rng, NAMES)], &done)); break;
    case 5: assert_ok(group_join(cx, p, c->group, &done)); break;
    case 6: assert_ok(process_request(cx, other, REQUEST_LINK, third, VALUE_NIL)); break;
    case 7: process_set_mode(p, PROCESS_MODE_TRAPS, rng_below(rng, 2) != 0); break;
    default: {
        Status status =
            process_send_exit(cx, p, other, cx->node->sym_error, rng_below(rng, 4) == 0);
        assert_true(status == STATUS_OK || status == STATUS_NO_PROCESS);
    }
    }
}

static KitNext live(ActorCtx *cx, Process *p)
{
    Crowd *c = crowd_of(cx);
    Rng rng = {.state = p->resume.b};
    for (int i = 0; i < 3 && p->resume.a > 0; i++, p->resume.a--)
        act(cx, p, c, &rng);
    p->resume.b = rng.state;
    if (p->resume.a > 0)
        return KIT_YIELD;
    process_set_end(p, rng_below(&rng, 2) ? cx->node->sym_normal : cx->node->sym_noproc, VALUE_NIL);
    return KIT_EXIT;
}

static Value spawn(ActorCtx *cx, Process *p, Crowd *c, Rng *rng)
{
    Process *child;
    assert_ok(process_new(cx, p->pid, &child));
    assert_ok(heap_init(&child->heap, &cx->heap, 16, process_salt(child)));
    KitBody body = live;
    memcpy(&child->code, &body, sizeof body);
    child->resume.a = 1 + rng_below(rng, 40);
    child->resume.b = rng_next(rng);
    Value pid = child->pid;
    process_start(cx, child, false);
    atom_add_rlx(&c->started, UINT64_C(1));
    atom_store_rel(&c->places[rng_below(rng, PLACES)], pid);
    return pid;
}

/* ---- auditors: resume.a is the number ------------------------------------------------------- */

/* The place of a value in a book, or NULL. */
static Value *entry(Value *book, Value value)
{
    for (int i = 0; i < OPEN; i++)
        if (book[i] == value)
            return &book[i];
    return NULL;
}

static void read_mail(ActorCtx *cx, Process *p, Auditor *a)
{
    Value message;
    while ((message = process_take_message(p)) != VALUE_NONE) {
        const Value *words = obj_of(message)->words;
        bool down = obj_class(obj_of(message)) == CLASS_DOWN_MESSAGE;
        Value *open =
            down ? entry(a->refs, words[END_REFERENCE]) : entry(a->linked, words[MESSAGE_SENDER]);
        if (down || obj_class(obj_of(message)) == CLASS_EXIT_MESSAGE) {
            /* nobody sends an auditor an exit but over a link */
            assert_non_null(open);
            *open = VALUE_NONE;
            a->downs += down;
            a->exits += !down;
        }
        while (p->heap.fragments) {
            Fragment *f = p->heap.fragments;
            p->heap.fragments = f->next;
            f->handles = VALUE_NONE; /* adopted fragments keep books there */
            fragment_free(&cx->heap, f);
        }
    }
}

static void audit_step(ActorCtx *cx, Process *p, Crowd *c, Auditor *a)
{
    Value other = rng_below(&a->rng, 2) ? pick(c, &a->rng) : spawn(cx, p, c, &a->rng);
    a->spawns--;
    Value *ref = entry(a->refs, VALUE_NONE), *link = entry(a->linked, VALUE_NONE);
    if (!value_is_pid(other))
        return;
    if (ref && rng_below(&a->rng, 2)) {
        *ref = process_new_reference(cx);
        a->made++;
        assert_ok(process_monitor(cx, p, other, *ref));
    }
    Value *linked = entry(a->linked, other);
    if (!linked && link && rng_below(&a->rng, 2)) {
        *link = other;
        assert_ok(process_link(cx, p, other));
    } else if (linked && rng_below(&a->rng, 2)) {
        /* its exit may be in the mailbox already: that one counts */
        assert_ok(process_unlink(cx, p, other));
        read_mail(cx, p, a);
        linked = entry(a->linked, other);
        if (linked)
            *linked = VALUE_NONE;
    }
    ref = &a->refs[rng_below(&a->rng, OPEN)];
    if (*ref != VALUE_NONE && process_demonitor(cx, p, *ref)) {
        *ref = VALUE_NONE;
        a->taken_back++;
    }
}

static KitNext audit(ActorCtx *cx, Process *p)
{
    Crowd *c = crowd_of(cx);
    Auditor *a = &c->auditors[p->resume.a];
    read_mail(cx, p, a);
    for (int i = 0; i < 4 && a->spawns > 0; i++)
        audit_step(cx, p, c, a);
    if (a->spawns > 0)
        return KIT_YIELD;
    for (int i = 0; i < OPEN; i++)
        if (a->refs[i] != VALUE_NONE || a->linked[i] != VALUE_NONE) {
            p->wait = PROCESS_WAIT_RECEIVE;
            return KIT_PARK; /* something is still to come */
        }
    process_set_end(p, cx->node->sym_normal, value_int(1));
    return KIT_EXIT;
}

static void play_crowd(uint32_t schedulers, uint64_t seed, uint32_t spawns)
{
    Crowd *c = calloc(1, sizeof *c);
    kit_open(&c->kit, schedulers, seed, 0);
    actor_set_crash_reports(c->kit.node, false);
    char text[16];
    for (int i = 0; i < NAMES; i++) {
        snprintf(text, sizeof text, "name%d", i);
        c->names[i] = kit_symbol(&c->kit, text);
    }
    c->group = kit_symbol(&c->kit, "crowd");
    for (uint64_t i = 0; i < AUDITORS; i++) {
        Process *p = kit_make(&c->kit, c->kit.cx, VALUE_NIL, audit);
        p->resume.a = i;
        p->flags |= PROCESS_F_MAIN;
        process_set_mode(p, PROCESS_MODE_TRAPS, true);
        rng_init(&c->auditors[i].rng, (seed + 1) * 1000 + i);
        c->auditors[i].spawns = spawns;
        process_start(c->kit.cx, p, false);
    }
    kit_run(&c->kit);
    uint32_t made = 0, exits = 0;
    for (int i = 0; i < AUDITORS; i++) {
        const Auditor *a = &c->auditors[i];
        assert_int_equal(a->made, a->downs + a->taken_back);
        made += a->made;
        exits += a->exits;
    }
    assert_true(made > spawns && exits > spawns / 4);
    assert_int_equal(c->kit.mains_ended, AUDITORS);
    assert_int_equal(actor_process_count(c->kit.node), 0);
    assert_int_equal(group_members(c->kit.node, c->group, NULL, 0), 0);
    for (int i = 0; i < NAMES; i++)
        assert_int_equal(*symtab_word(c->kit.symtab, value_as_symbol(c->names[i])), 0);
    kit_close(&c->kit);
    free(c);
}

static void the_books_balance_with_threads(void **state)
{
    (void)state;
    play_crowd(4, 0, TESTKIT_SCALE(20000));
}

static void the_books_balance_in_the_simulator(void **state)
{
    (void)state;
    const char *text = getenv("MAGGIE_TEST_SEED");
    uint64_t first = text ? strtoull(text, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + 10; seed++)
        play_crowd(3, seed, TESTKIT_SCALE(2000));
}

TESTKIT_MAIN(cmocka_unit_test(the_books_balance_with_threads),
             cmocka_unit_test(the_books_balance_in_the_simulator))
