/* SPDX-License-Identifier: Apache-2.0 */
/* results.c - how other processes ended (D5): asking, reporting, remembering.
 *
 * A process that ends reports to its forker (unless it ended normally with nil) and to everybody
 * who asked by a SIGNAL_WAIT. The WAIT signal itself is kept until then, so that an answer is
 * possible without memory (M10); only a result that is an object needs some.
 *
 * Reports are remembered in a hash table of the receiver's extension: `wait` may be sent any number
 * of times, at any time. A process that forks and never waits would collect them for ever; so when
 * the table has grown past a limit, entries whose pid does not occur in the process's memory any
 * more are dropped, and the limit becomes twice what is left. "Occurs" is decided by looking at
 * every word of the heap and of the queued messages: a word that looks like the pid keeps the
 * entry, so garbage may keep an entry for a while, but what can still be asked for is never
 * dropped. (A pid kept only elsewhere, in a global or by another process, does not count: whoever
 * gets it back later is a stranger.)
 *
 * Threads: the owner. */
#include "actor_int.h"

#include <string.h>

#include "hash.h"

#define RESULTS_MIN 16
#define RESULTS_LIMIT_FIRST 4096
/* An entry per so many bytes of heap is worth a scan of all of it: 24 words looked at per entry. */
#define RESULTS_HEAP_SHARE 192

/* ---- the table ------------------------------------------------------------------------------ */

static uint32_t result_slot(Value pid, uint32_t cap)
{
    return (uint32_t)hash_mix64(pid) & (cap - 1);
}

static ProcessResult *results_find(const ProcessExt *ext, Value pid)
{
    if (ext->nresults == 0)
        return NULL;
    uint32_t i = result_slot(pid, ext->results_cap);
    /* ends: at most three quarters are used */
    while (ext->results[i].pid != VALUE_NIL) {
        if (ext->results[i].pid == pid)
            return &ext->results[i];
        i = (i + 1) & (ext->results_cap - 1);
    }
    return NULL;
}

/* The entry of a pid that is not in the table, which has room. */
static ProcessResult *results_place(ProcessExt *ext, Value pid)
{
    uint32_t i = result_slot(pid, ext->results_cap);
    while (ext->results[i].pid != VALUE_NIL)
        i = (i + 1) & (ext->results_cap - 1);
    ext->results[i].pid = pid;
    ext->nresults++;
    return &ext->results[i];
}

void results_free(const Env *env, ProcessExt *ext)
{
    env_free(env, ext->results, ext->results_cap * sizeof *ext->results);
    ext->results = NULL;
    ext->results_cap = ext->nresults = 0;
}

static bool results_resize(const Env *env, ProcessExt *ext, uint32_t cap)
{
    ProcessResult *table = env_alloc(env, cap * sizeof *table);
    if (!table)
        return false;
    for (uint32_t i = 0; i < cap; i++)
        table[i] = (ProcessResult){VALUE_NIL, VALUE_NIL, VALUE_NIL, VALUE_NIL};
    ProcessExt old = *ext;
    ext->results = table;
    ext->results_cap = cap;
    ext->nresults = 0;
    for (uint32_t i = 0; i < old.results_cap; i++)
        if (old.results[i].pid != VALUE_NIL)
            *results_place(ext, old.results[i].pid) = old.results[i];
    results_free(env, &old);
    return true;
}

static bool results_make_room(const Env *env, ProcessExt *ext)
{
    if ((uint64_t)(ext->nresults + 1) * 4 <= (uint64_t)ext->results_cap * 3)
        return true;
    if (ext->results_cap >= UINT32_C(1) << 30)
        return false;
    return results_resize(env, ext, ext->results_cap ? ext->results_cap * 2 : RESULTS_MIN);
}

/* Removes the entry at i and closes the gap, so that no search ends too early. */
static void results_remove(ProcessExt *ext, uint32_t i)
{
    uint32_t mask = ext->results_cap - 1;
    ext->nresults--;
    for (uint32_t j = (i + 1) & mask; ext->results[j].pid != VALUE_NIL; j = (j + 1) & mask) {
        uint32_t home = result_slot(ext->results[j].pid, ext->results_cap);
        /* j's entry may move to the gap unless its home lies behind the gap (cyclically) */
        if (((j - home) & mask) >= ((j - i) & mask)) {
            ext->results[i] = ext->results[j];
            i = j;
        }
    }
    ext->results[i] = (ProcessResult){VALUE_NIL, VALUE_NIL, VALUE_NIL, VALUE_NIL};
}

const ProcessResult *process_result_entry(const Process *p, Value pid)
{
    return p->ext ? results_find(p->ext, pid) : NULL;
}

bool process_result(const Process *p, Value pid, Value *reason, Value *result)
{
    const ProcessResult *entry = process_result_entry(p, pid);
    if (!entry)
        return false;
    *reason = entry->reason;
    *result = entry->result;
    return true;
}

void process_forget_result(Process *p, Value pid)
{
    ProcessResult *entry = p->ext ? results_find(p->ext, pid) : NULL;
    if (entry)
        results_remove(p->ext, (uint32_t)(entry - p->ext->results));
}

/* ---- dropping what nobody can ask for ------------------------------------------------------- */

void process_prune_results(Process *p, bool (*is_live)(void *arg, Value pid), void *arg)
{
    ProcessExt *ext = p->ext;
    if (!ext)
        return;
    /* Removing shifts later entries into the gap, so that position is looked at again. An entry
     * that wrapped around may be asked about twice, never not at all. */
    for (uint32_t i = 0; i < ext->results_cap;) {
        Value pid = ext->results[i].pid;
        if (pid != VALUE_NIL && !is_live(arg, pid))
            results_remove(ext, i);
        else
            i++;
    }
}

/* Which entries' pids were seen while the memory is scanned. */
typedef struct PidScan {
    const ProcessExt *ext;
    uint8_t *seen; /* by slot */
    size_t words;  /* looked at */
} PidScan;

static void scan_words(void *arg, const Value *first, size_t n)
{
    PidScan *scan = arg;
    scan->words += n;
    for (size_t i = 0; i < n; i++) {
        if (!value_is_pid(first[i]))
            continue;
        ProcessResult *entry = results_find(scan->ext, first[i]);
        if (entry)
            scan->seen[entry - scan->ext->results] = 1;
    }
}

static bool scan_saw(void *arg, Value pid)
{
    /* The table of the scan is a copy: removals from the real one do not move its slots. */
    const PidScan *scan = arg;
    const ProcessResult *entry = results_find(scan->ext, pid);
    return entry && scan->seen[entry - scan->ext->results];
}

static void scan_process(Process *p, PidScan *scan)
{
    heap_each_run(&p->heap, scan_words, scan);
    for (Fragment *f = p->msg_first; f; f = f->next)
        scan_words(scan, f->body, f->words);
    for (Fragment *f = p->mbox_walk; f; f = f == p->mbox_walk_last ? NULL : atom_load_acq(&f->next))
        scan_words(scan, f->body, f->words);
    if (p->ext)
        scan_words(scan, &p->ext->dictionary, 2);
}

static size_t results_prune_unreachable(const Env *env, Process *p)
{
    ProcessExt *ext = p->ext;
    ProcessExt copy = *ext;
    size_t bytes = ext->results_cap * sizeof *ext->results;
    PidScan scan = {.ext = &copy, .seen = env_calloc(env, ext->results_cap)};
    copy.results = env_alloc(env, bytes);
    if (scan.seen && copy.results) {
        memcpy(copy.results, ext->results, bytes);
        scan_process(p, &scan);
        process_prune_results(p, scan_saw, &scan);
    }
    ext->results_refer = false;
    for (uint32_t i = 0; i < ext->results_cap; i++)
        if (value_is_ptr(ext->results[i].reason) || value_is_ptr(ext->results[i].result))
            ext->results_refer = true;
    env_free(env, copy.results, bytes);
    env_free(env, scan.seen, copy.results_cap);
    uint32_t limit =
        ext->nresults > RESULTS_LIMIT_FIRST / 2 ? ext->nresults * 2 : RESULTS_LIMIT_FIRST;
    ext->results_limit = limit;
    return scan.words;
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* Is the table long enough for a scan of all that the process has? */
static bool results_worth_a_scan(const Process *p)
{
    uint32_t limit = p->ext->results_limit ? p->ext->results_limit : RESULTS_LIMIT_FIRST;
    return p->ext->nresults > limit && p->ext->nresults > heap_bytes(&p->heap) / RESULTS_HEAP_SHARE;
}

size_t results_receive(ActorCtx *cx, Process *p, Fragment *f)
{
    const Env *env = cx->node->config.env;
    Value pid = f->body[0], reason = f->body[1];
    ProcessExt *ext;
    ProcessResult *entry = p->ext ? results_find(p->ext, pid) : NULL;
    if (entry && (entry->reason != cx->node->sym_noproc || reason == cx->node->sym_noproc)) {
        fragment_free(&cx->heap, f); /* told twice: as the forker and as one who asked */
        return 0;
    }
    if (!entry) {
        /* Without memory the report is lost, as if the asker were a stranger. */
        if (process_ext(cx, p, &ext) != STATUS_OK || !results_make_room(env, ext)) {
            fragment_free(&cx->heap, f);
            return 0;
        }
        entry = results_place(ext, pid);
    }
    entry->origin = f->body[2];
    if (reason != VALUE_NONE) {
        entry->reason = reason;
        entry->result = f->root;
        if (value_is_ptr(f->root))
            entry->result = heap_adopt(&p->heap, f);
        else
            fragment_free(&cx->heap, f);
    } else {
        Object *both = obj_of(heap_adopt(&p->heap, f));
        entry->reason = both->words[0];
        entry->result = both->words[1];
    }
    ext = p->ext;
    ext->results_refer |= value_is_ptr(entry->reason) || value_is_ptr(entry->result);
    if (results_worth_a_scan(p))
        return results_prune_unreachable(env, p);
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------- */

Status process_request_result(ActorCtx *cx, Process *p, Value pid, bool *gone)
{
    Process *other = process_of_pid(cx->node, pid);
    *gone = !other;
    if (!other)
        return STATUS_OK;
    Fragment *f;
    STATUS_FORWARD(signal_new(cx, NULL, VALUE_NIL, SIGNAL_WAIT, SIGNAL_RESULT_EXTRA, &f, NULL));
    f->body[0] = p->pid;
    f->body[1] = pid;
    /* When it is just closing, the refusal comes as a report with #noproc. */
    process_push(cx, other, f, false);
    return STATUS_OK;
}

Value process_gone_reason(ActorCtx *cx, Process *p, Value pid)
{
    ActorNode *node = cx->node;
    uint32_t index = value_pid_index(pid);
    uint32_t next = value_pid_generation(pid) + 1;
    Process *slot = next <= GENERATION_MAX ? process_of_pid(node, value_pid(index, next)) : NULL;
    /* A free slot, found under its next pid, remembers how its last process ended. */
    if (!slot || atom_load_acq(&slot->state) != PROCESS_FREE)
        return VALUE_NIL;
    /* relaxed: the acquire of the pid has seen them; a slot being taken just now gives one or the
     * other of two answers that are both right for somebody who asks too late */
    bool mine = atom_load_rlx(&slot->parent) == p->pid;
    bool abnormal = atom_load_rlx(&slot->abnormal) != 0;
    return mine && !abnormal ? node->sym_normal : node->sym_noproc;
}

/* ---- reporting ------------------------------------------------------------------------------ */

/* The report of p's end: result as it is, or nil when it cannot leave; NULL without memory. */
static Fragment *report_new(ActorCtx *cx, Process *p)
{
    Fragment *f;
    Value reason = p->exit_reason, culprit;
    if (!value_is_ptr(reason)) {
        if (signal_new(cx, &p->heap, p->exit_result, SIGNAL_RESULT, SIGNAL_END_EXTRA, &f,
                       &culprit) != STATUS_OK &&
            signal_new(cx, NULL, VALUE_NIL, SIGNAL_RESULT, SIGNAL_END_EXTRA, &f, &culprit) !=
                STATUS_OK)
            return NULL;
        f->body[1] = reason;
    } else {
        /* One copy for both, from an Array that never was in the heap: the process may be ending
         * because that is full. */
        struct {
            uint64_t header;
            Value words[2];
        } both = {obj_header(CLASS_ARRAY, 2, OBJ_SLOTS, 0), {reason, p->exit_result}};
        Value root = value_ptr(&both);
        Status status =
            signal_new(cx, &p->heap, root, SIGNAL_RESULT, SIGNAL_END_EXTRA, &f, &culprit);
        if (status != STATUS_OK) {
            both.words[1] = VALUE_NIL;
            status = signal_new(cx, &p->heap, root, SIGNAL_RESULT, SIGNAL_END_EXTRA, &f, &culprit);
        }
        if (status != STATUS_OK) {
            p->exit_reason = cx->node->sym_error; /* a reason that cannot leave */
            return report_new(cx, p);
        }
        f->body[1] = VALUE_NONE;
    }
    f->body[0] = p->pid;
    f->body[2] = process_exit_origin(p);
    process_map_home_tokens(f->body + f->extra, f->body + f->words, HOME_TOKEN_DEAD);
    return f;
}

/* A section of its own: an end that runs on no scheduler is in none. */
static void report_push(ActorCtx *cx, Value to, Fragment *f)
{
    epoch_begin(cx->epoch);
    Process *receiver = process_of_pid(cx->node, to);
    if (receiver)
        process_push(cx, receiver, f, false);
    else
        fragment_free(&cx->heap, f);
    epoch_end(cx->epoch);
}

Fragment *report_take(ActorCtx *cx, Process *p, bool last, int32_t *left)
{
    if (!value_is_ptr(p->exit_reason) && !value_is_ptr(p->exit_result))
        return NULL;
    Fragment *f = (Fragment *)(uintptr_t)p->resume.c;
    if (!f && !(f = report_new(cx, p)))
        return NULL;
    Fragment *copy = f;
    if (!last && fragment_duplicate(f, &cx->heap, &copy) != STATUS_OK)
        copy = NULL;
    p->resume.c = last ? 0 : (uint64_t)(uintptr_t)f;
    uint32_t cost = f->words / 32;
    *left -= cost < SCHED_REDUCTIONS ? (int32_t)cost : SCHED_REDUCTIONS;
    return copy;
}

void results_drop_report(ActorCtx *cx, Process *p)
{
    if (p->resume.c && atom_load_rlx(&p->state) >= PROCESS_EXITING) /* relaxed: own */
        fragment_free(&cx->heap, (Fragment *)(uintptr_t)p->resume.c);
    p->resume.c = 0;
}

static void answer(ActorCtx *cx, Process *p, Fragment *wait, bool last, int32_t *left)
{
    Value waiter = wait->body[0];
    Fragment *f = report_take(cx, p, last, left);
    if (f) {
        fragment_free(&cx->heap, wait);
        report_push(cx, waiter, f);
        return;
    }
    /* The signal is its own answer; without memory for objects, without them. */
    wait->kind = SIGNAL_RESULT;
    wait->body[0] = p->pid;
    wait->body[1] = value_is_ptr(p->exit_reason) ? cx->node->sym_error : p->exit_reason;
    wait->body[2] = process_exit_origin(p);
    wait->root = value_is_ptr(p->exit_result) ? VALUE_NIL : p->exit_result;
    report_push(cx, waiter, wait);
}

void results_answer(ActorCtx *cx, Process *p, Fragment *wait, int32_t *left)
{
    answer(cx, p, wait, false, left);
}

/* A forker that is alive and did not ask is told all but a normal end with nil. */
static bool report_to_parent(ActorCtx *cx, const Process *p)
{
    if (p->modes & PROCESS_MODE_PARENT_WAITS)
        return false;
    if (p->exit_reason == cx->node->sym_normal && p->exit_result == VALUE_NIL)
        return false;
    epoch_begin(cx->epoch); /* as in report_push */
    bool alive = process_is_alive(cx->node, p->parent);
    epoch_end(cx->epoch);
    return alive;
}

bool results_report(ActorCtx *cx, Process *p, int32_t *left)
{
    bool parent = report_to_parent(cx, p);
    Fragment *w = p->ext ? p->ext->waiters : NULL;
    while (w) {
        if (*left <= 0)
            return false;
        --*left;
        p->ext->waiters = w->next;
        answer(cx, p, w, !w->next && !parent, left);
        w = p->ext->waiters;
    }
    if (!parent)
        return true;
    Fragment *f = report_take(cx, p, true, left);
    if (!f) {
        if (signal_new(cx, NULL, VALUE_NIL, SIGNAL_RESULT, SIGNAL_RESULT_EXTRA, &f, NULL) !=
            STATUS_OK)
            return true; /* without memory for it the forker gets what a stranger would */
        f->body[0] = p->pid;
        f->body[1] = value_is_ptr(p->exit_reason) ? cx->node->sym_error : p->exit_reason;
        f->body[2] = process_exit_origin(p);
        f->root = value_is_ptr(p->exit_result) ? VALUE_NIL : p->exit_result;
    }
    report_push(cx, p->parent, f);
    return true;
}
