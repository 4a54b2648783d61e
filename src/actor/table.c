/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - the process table of a node: slabs of slots, pids, free slots.
 *
 * A free slot's pid is the one its next process will have, and its mailbox is CLOSED; so looking up
 * any pid that was ever given out finds the process, or a slot with another pid.
 *
 * Free slots are cached in each context; batches of SLOT_BATCH go to and come from a list under the
 * node's lock. Slots made for the first time come in batches too.
 *
 * Threads: lookups by any inside an epoch section; the cache of a context by its owner. */
#include "actor_int.h"
#include "mailbound.h"

#include <stdio.h>
#include <string.h>

static void node_lock(ActorCtx *cx)
{
    cx->locked++;
    lock_acquire(&cx->node->lock);
}

/* ---- counting ------------------------------------------------------------------------------- */

static void context_list(ActorCtx *cx)
{
    ActorNode *node = cx->node;
    node_lock(cx);
    cx->prev = NULL;
    cx->next = node->contexts;
    if (cx->next)
        cx->next->prev = cx;
    node->contexts = cx;
    cx->listed = true;
    lock_release(&node->lock);
}

void actor_count(ActorCtx *cx, int change)
{
    if (!cx->listed)
        context_list(cx);
    /* relaxed: a statistic with one writer */
    atom_bump_owned(&cx->live, (int64_t)change);
}

uint32_t actor_process_count(ActorNode *node)
{
    lock_acquire(&node->lock);
    int64_t sum = node->closed_live;
    for (ActorCtx *cx = node->contexts; cx; cx = cx->next)
        sum += atom_load_rlx(&cx->live); /* relaxed: a snapshot */
    lock_release(&node->lock);
    return sum > 0 ? (uint32_t)sum : 0;
}

void actor_table_info(const ActorNode *node, ActorTableInfo *info)
{
    info->limit = node->config.max_processes;
    info->reserved = node->config.reserved;
    info->bytes = atom_load_rlx(&node->nslabs) * POOL_SLAB_SIZE; /* relaxed: a snapshot */
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* Under the lock. */
static bool table_add_slab(ActorNode *node)
{
    if (node->nslabs == node->nslabs_max)
        return false;
    Process *slab = pool_slab(node->config.pools);
    if (!slab)
        return false;
    /* release: pairs with the acquire in slot_at and table_each */
    atom_store_rel(&node->slabs[node->nslabs], slab);
    atom_store_rel(&node->nslabs, node->nslabs + 1);
    return true;
}

/* Under the lock: a slot that has never been used, or SLOT_NONE. */
static uint32_t table_make_slot(ActorNode *node)
{
    if (node->nmade == node->config.max_processes)
        return SLOT_NONE;
    if (node->fresh == node->nslabs && !table_add_slab(node))
        return SLOT_NONE;
    uint32_t index = node->fresh << SLOT_BITS | node->fresh_slot;
    if (++node->fresh_slot == SLOTS_PER_SLAB) {
        node->fresh++;
        node->fresh_slot = 0;
    }
    node->nmade++;
    Process *p = slot_at(node, index);
    atom_store_rlx(&p->mbox_tail, MBOX_CLOSED); /* relaxed: published with the pid */
    /* release: pairs with the acquire in process_of_pid */
    atom_store_rel(&p->pid, value_pid(index, 0));
    return index;
}

/* Under the lock: slots that no context has. */
static uint32_t slots_left(const ActorNode *node)
{
    return node->nfree + (node->config.max_processes - node->nmade);
}

/* Under the lock. While slots are scarce each that becomes free goes back to the node at once, so
 * that what was taken out of the reserve comes back to it. */
static void note_scarcity(ActorNode *node)
{
    bool scarce =
        node->config.reserved > 0 && slots_left(node) < node->config.reserved + SLOT_BATCH;
    atom_store_rlx(&node->scarce, (uint32_t)scarce); /* relaxed: a hint for slot_put */
}

/* How many slots may be taken now: of the reserve only one, by who may. */
static uint32_t slots_allowed(const ActorNode *node, bool reserve)
{
    uint32_t left = slots_left(node), reserved = node->config.reserved;
    /* what contexts have in their caches is lost to others: of a small table that may be little */
    uint32_t most = node->config.max_processes / (2 * SLOT_BATCH);
    most = most < 1 ? 1 : most < SLOT_BATCH ? most : SLOT_BATCH;
    if (left > reserved)
        return left - reserved < most ? left - reserved : most;
#ifdef MAGGIE_MUTANT_TABLE_NO_RESERVE
    reserve = true;
#endif
    return reserve && left > 0 ? 1 : 0;
}

/* Fills the cache of cx; false when the table is full or memory is out. */
static bool slots_refill(ActorCtx *cx, bool reserve)
{
    ActorNode *node = cx->node;
    node_lock(cx);
    uint32_t most = slots_allowed(node, reserve);
    while (cx->nfree < most && node->free_head != SLOT_NONE) {
        cx->free_slots[cx->nfree++] = node->free_head;
        node->free_head = slot_at(node, node->free_head)->next_free;
        node->nfree--;
    }
    while (cx->nfree < most) {
        uint32_t index = table_make_slot(node);
        if (index == SLOT_NONE)
            break;
        cx->free_slots[cx->nfree++] = index;
    }
    note_scarcity(node);
    lock_release(&node->lock);
    return cx->nfree > 0;
}

/* Gives the oldest `n` cached slots to the node. */
static void slots_return(ActorCtx *cx, uint32_t n)
{
    ActorNode *node = cx->node;
    node_lock(cx);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t index = cx->free_slots[i];
        slot_at(node, index)->next_free = node->free_head;
        node->free_head = index;
    }
    node->nfree += n;
    note_scarcity(node);
    lock_release(&node->lock);
    cx->nfree -= n;
    memmove(cx->free_slots, cx->free_slots + n, cx->nfree * sizeof *cx->free_slots);
}

static void slot_put(ActorCtx *cx, Process *p)
{
    if (cx->nfree == sizeof cx->free_slots / sizeof *cx->free_slots)
        slots_return(cx, SLOT_BATCH);
    cx->free_slots[cx->nfree++] = value_pid_index(p->pid);
    /* relaxed: a context that does not know yet keeps the slots it has */
    if (__builtin_expect(atom_load_rlx(&cx->node->scarce) != 0, 0))
        slots_return(cx, cx->nfree);
}

/* After the grace period: nobody looks at the slot under its old pid any more. */
static void slot_epoch_done(EpochEntry *entry, void *arg)
{
    Process *p = (Process *)(void *)((char *)entry - offsetof(Process, epoch));
    ((ActorCtx *)arg)->ndeferred--;
    slot_put(arg, p);
}

void slot_release(ActorCtx *cx, Process *p)
{
    ActorNode *node = cx->node;
    uint32_t generation = value_pid_generation(p->pid) + 1;
    /* relaxed: state of a dead slot; tools that look get one or the other */
    atom_store_rlx(&p->state, (uint8_t)PROCESS_FREE);
    if (generation > GENERATION_MAX) {
        /* M13: its pids are used up. release: as below */
        atom_store_rel(&p->pid, VALUE_NONE);
        node_lock(cx);
        node->nretired++;
        lock_release(&node->lock);
        return;
    }
    /* release: whoever finds the new pid (nobody has been given it yet) finds a closed mailbox. The
     * old pid must be gone before the slot is deferred: sections that begin after that must not
     * find the slot by it. */
    atom_store_rel(&p->pid, value_pid(value_pid_index(p->pid), generation));
#ifdef MAGGIE_MUTANT_SLOT_EARLY
    slot_put(cx, p);
    return;
#endif
    cx->ndeferred++;
    epoch_defer(cx->epoch, &p->epoch, slot_epoch_done, cx);
}

/* ---- spawning ------------------------------------------------------------------------------- */

/* May children of this process have the last slots? */
static bool may_use_reserve(ActorNode *node, Value parent)
{
    const Process *p = process_of_pid(node, parent);
    return !value_is_pid(parent) || (p && (process_modes(p) & PROCESS_MODE_TRAPS) != 0);
}

Status process_new(ActorCtx *cx, Value parent, Process **out)
{
    if (__builtin_expect(cx->nfree == 0, 0) && !slots_refill(cx, may_use_reserve(cx->node, parent)))
        return STATUS_PROCESS_LIMIT;
    ActorNode *node = cx->node;
    uint32_t index = cx->free_slots[--cx->nfree];
    Process *p = slot_at(node, index);
    uint32_t trace_id = index ^ value_pid_generation(p->pid) << VALUE_PID_INDEX_BITS;
    memset(&p->heap, 0, sizeof p->heap);
    p->code = NULL;
    task_init(&p->task, node->config.run, TASK_PRIO_NORMAL, trace_id);
    p->exit_reason = node->sym_normal;
    p->exit_result = VALUE_NIL;
    p->pc = NULL;
    p->window = p->live = 0;
    p->serial = 0;
    p->pending = NULL;
    p->pending_base = p->pending_argc = 0;
    p->resume.a = p->resume.b = p->resume.c = 0;
    p->resume.root = VALUE_NIL;
    p->domain = NULL;
    p->bound = NULL;
    p->ext = NULL;
    atom_store_rlx(&p->wait, (uint8_t)PROCESS_WAIT_NOTHING); /* relaxed: shown only */
    p->flags = 0;
    atom_store_rlx(&p->modes, (uint8_t)0); /* relaxed: shown only */
    p->priority = TASK_PRIO_NORMAL;
    /* relaxed: process_gone_reason of one who asks too late may look at any time */
    atom_store_rlx(&p->parent, parent);
    atom_store_rlx(&p->timer_fired, (uint8_t)0); /* relaxed: no timer runs */
    timer_init(&p->timer, NULL, NULL);
    mailbox_open(p);
    *out = p;
    uint64_t limit = cx->fork_limit ? cx->fork_limit : node->config.mail_limit;
    if (limit == 0)
        return STATUS_OK;
    unsigned policy = cx->fork_limit ? cx->fork_policy : node->config.mail_policy;
    Status status = mail_limit(cx, p, limit, (MailPolicy)policy, VALUE_NIL);
    if (status != STATUS_OK)
        process_abandon(cx, p);
    return status;
}

void process_abandon(ActorCtx *cx, Process *p)
{
    Fragment *none = mailbox_close(p);
    assert(!none);
    (void)none;
    int32_t all = INT32_MAX;
    (void)mail_close(cx, p, &all);
    slot_put(cx, p); /* nobody has seen the pid: it can be the next process's */
}

uint32_t process_salt(const Process *p)
{
    return value_pid_index(p->pid) * 2654435761u ^ value_pid_generation(p->pid);
}

/* ---- pids ----------------------------------------------------------------------------------- */

Process *process_of_pid(ActorNode *node, Value pid)
{
    uint32_t index = value_pid_index(pid);
    /* relaxed: a pid that somebody was given came with the slab's publication */
    if (!value_is_pid(pid) || index >> SLOT_BITS >= atom_load_rlx(&node->nslabs) ||
        (index & ((1u << SLOT_BITS) - 1)) >= SLOTS_PER_SLAB)
        return NULL;
    Process *p = slot_at(node, index);
#ifdef MAGGIE_MUTANT_PID_GENERATION
    return p;
#endif
    /* acquire: pairs with the release in slot_release: a pid that is not there any more is not
     * found by sections that began after the process ended */
    return atom_load_acq(&p->pid) == pid ? p : NULL;
}

bool process_is_alive(ActorNode *node, Value pid)
{
    Process *p = process_of_pid(node, pid);
    /* acquire: who has received a report of p's end reads EXITING or later, because the state was
     * stored before the report was pushed */
    return p && atom_load_acq(&p->state) == PROCESS_LIVE;
}

size_t process_pid_text(Value pid, char out[PROCESS_PID_TEXT])
{
    int n = snprintf(out, PROCESS_PID_TEXT, "<0.%u.%u>", value_pid_index(pid),
                     value_pid_generation(pid));
    return n > 0 ? (size_t)n : 0;
}

/* ---- walking -------------------------------------------------------------------------------- */

void table_each(ActorNode *node, void (*fn)(void *arg, Process *p), void *arg)
{
    uint32_t nslabs = atom_load_acq(&node->nslabs); /* acquire: pairs with table_add_slab */
    for (uint32_t s = 0; s < nslabs; s++) {
        uint32_t n = s == node->fresh ? node->fresh_slot : SLOTS_PER_SLAB;
        for (uint32_t i = 0; i < n; i++)
            fn(arg, slot_at(node, s << SLOT_BITS | i));
    }
}

typedef struct EachLive {
    void (*fn)(void *ctx, Process *p);
    void *ctx;
} EachLive;

static void each_live(void *arg, Process *p)
{
    const EachLive *each = arg;
    uint8_t state = atom_load_acq(&p->state); /* acquire: pairs with process_start */
    if (state == PROCESS_LIVE || state == PROCESS_EXITING)
        each->fn(each->ctx, p);
}

void actor_each_process(ActorNode *node, void (*fn)(void *ctx, Process *p), void *ctx)
{
    EachLive each = {fn, ctx};
    table_each(node, each_live, &each);
}

uint32_t actor_list_pids(ActorNode *node, uint32_t *cursor, uint32_t span, Value *pids, uint32_t n)
{
    uint32_t found = 0;
    uint32_t at = *cursor;
    uint32_t nslabs = atom_load_acq(&node->nslabs); /* acquire: pairs with table_add_slab */
    while (found < n && span-- > 0 && at >> SLOT_BITS < nslabs) {
        if ((at & ((1u << SLOT_BITS) - 1)) >= SLOTS_PER_SLAB) {
            at = ((at >> SLOT_BITS) + 1) << SLOT_BITS;
            continue;
        }
        Process *p = slot_at(node, at++);
        /* acquire: the pid that belongs to the state or a later one */
        if (atom_load_acq(&p->state) == PROCESS_LIVE)
            pids[found++] = atom_load_acq(&p->pid);
    }
    *cursor = at >> SLOT_BITS < nslabs ? at : UINT32_MAX;
    return found;
}

/* ---- the node ------------------------------------------------------------------------------- */

static Status node_intern(ActorNode *node, const char *text, Value *out)
{
    uint32_t id;
    STATUS_FORWARD(symtab_intern(node->config.symtab, text, strlen(text), &id));
    *out = value_symbol(id);
    return STATUS_OK;
}

static Status node_symbols(ActorNode *node)
{
    STATUS_FORWARD(node_intern(node, "normal", &node->sym_normal));
    STATUS_FORWARD(node_intern(node, "shutdown", &node->sym_shutdown));
    STATUS_FORWARD(node_intern(node, "killed", &node->sym_killed));
    STATUS_FORWARD(node_intern(node, "noproc", &node->sym_noproc));
    STATUS_FORWARD(node_intern(node, "noMemory", &node->sym_no_memory));
    STATUS_FORWARD(node_intern(node, "exit", &node->sym_exit));
    STATUS_FORWARD(node_intern(node, "crashLogger", &node->sym_crash_logger));
    STATUS_FORWARD(node_intern(node, "crashReport", &node->sym_crash_report));
    STATUS_FORWARD(node_intern(node, "joined", &node->sym_joined));
    STATUS_FORWARD(node_intern(node, "left", &node->sym_left));
    STATUS_FORWARD(node_intern(node, "messagesDropped", &node->sym_dropped));
    STATUS_FORWARD(node_intern(node, "mailboxLimit", &node->sym_mailbox_limit));
    STATUS_FORWARD(node_intern(node, "processDown:", &node->sym_down));
    STATUS_FORWARD(node_intern(node, "_interrupt", &node->sym_interrupt));
    return node_intern(node, "error", &node->sym_error);
}

static void node_free(ActorNode *node)
{
    const Env *env = node->config.env;
    env_free(env, node->slabs, node->nslabs_max * sizeof *node->slabs);
    env_free(env, node, sizeof *node);
}

Status actor_node_create(const ActorConfig *config, ActorNode **out)
{
    ActorNode *node = env_calloc(config->env, sizeof *node);
    if (!node)
        return STATUS_NO_MEMORY;
    node->config = *config;
    if (node->config.max_processes == 0)
        node->config.max_processes = ACTOR_PROCESSES_DEFAULT;
    node->free_head = SLOT_NONE;
    node->crash_quiet = config->no_crash_reports;
    node->nslabs_max = (node->config.max_processes + SLOTS_PER_SLAB - 1) / SLOTS_PER_SLAB;
    node->slabs = NULL;
    Status status = STATUS_LIMIT;
    if (node->nslabs_max > 1u << (VALUE_PID_INDEX_BITS - SLOT_BITS))
        goto fail;
    status = STATUS_NO_MEMORY;
    node->slabs = env_calloc(config->env, node->nslabs_max * sizeof *node->slabs);
    if (!node->slabs)
        goto fail;
    status = node_symbols(node);
    if (status != STATUS_OK)
        goto fail;
    actor_open_digging(node);
    *out = node;
    return STATUS_OK;
fail:
    node_free(node);
    return status;
}

void actor_ctx_trim(ActorCtx *cx)
{
    if (cx->nfree > 0)
        slots_return(cx, cx->nfree);
}

void actor_ctx_close(ActorCtx *cx)
{
    if (cx->ndeferred)
        epoch_barrier(cx->epoch);
    ActorNode *node = cx->node;
    if (!node)
        return;
    actor_ctx_trim(cx);
    if (cx->listed) {
        node_lock(cx);
        node->closed_live += cx->live;
        if (cx->next)
            cx->next->prev = cx->prev;
        if (cx->prev)
            cx->prev->next = cx->next;
        else
            node->contexts = cx->next;
        lock_release(&node->lock);
        cx->listed = false;
    }
}

/* First all mailboxes are closed: what holds do when their processes are discarded must not make
 * anything ready any more. */
static void shut_process(void *arg, Process *p)
{
    (void)arg;
    if (!value_is_pid(p->pid) || p->mbox_tail == MBOX_CLOSED)
        return;
    mailbox_shut(p);
    if (atom_load_rlx(&p->state) == PROCESS_FREE) /* made, never started */
        atom_store_rlx(&p->state, (uint8_t)PROCESS_LIVE);
}

static void destroy_process(void *arg, Process *p)
{
    if (atom_load_rlx(&p->state) != PROCESS_FREE)
        process_discard(arg, p);
}

void actor_node_destroy(ActorNode *node, ActorCtx *cx)
{
    assert(cx->node == node);
    node->config.heap_env->buried_hook = NULL; /* no task can run any more */
    table_each(node, shut_process, cx);
    table_each(node, destroy_process, cx);
    groups_close(node);
    alarms_destroy(node, cx);
    actor_close_digging(cx);
    actor_ctx_close(cx);
    assert(!node->contexts);
    cx->node = NULL;
    node_free(node);
}
