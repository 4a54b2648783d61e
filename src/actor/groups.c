/* SPDX-License-Identifier: Apache-2.0 */
/* groups.c - process groups; see groups.h.
 *
 * All groups of a node are in one table under one lock, which is held for a few steps (for as many
 * as a group has watchers, when one joins or leaves). A membership is a hold of its process, and so
 * is a watch.
 *
 * Threads: ActorNode.group_lock guards groups, lists of members and of watches; it is a lock of
 * level 0 (lock.h): messages are sent under it. */
#include "groups.h"

#include <string.h>

#include "actor_int.h"
#include "hash.h"

#define GROUP_BUCKETS 1024u

typedef struct Group Group;

typedef struct GroupBond {
    ProcessHold hold; /* first: see bond_of */
    Group *group;
    Value pid;
    uint32_t at; /* place in Group.members; of a watch: in Group.watches */
} GroupBond;

typedef struct GroupSet {
    uint32_t n, cap;
    GroupBond **at;
} GroupSet;

struct Group {
    Group *next; /* in its bucket */
    Value name;
    GroupSet members, watches;
};

struct Groups {
    Group *buckets[GROUP_BUCKETS];
};

static GroupBond *bond_of(ProcessHold *hold) { return (GroupBond *)(void *)hold; }

static Group **place_of(struct Groups *groups, Value name)
{
    Group **link = &groups->buckets[hash_mix64(name) & (GROUP_BUCKETS - 1)];
    while (*link && (*link)->name != name)
        link = &(*link)->next;
    return link;
}

/* ---- under the lock ------------------------------------------------------------------------- */

static bool set_add(const Env *env, GroupSet *set, GroupBond *bond)
{
    if (set->n == set->cap) {
        uint32_t cap = set->cap ? set->cap * 2 : 4;
        size_t size = sizeof(GroupBond *);
        GroupBond **at = env_realloc(env, set->at, set->cap * size, cap * size);
        if (!at)
            return false;
        set->at = at;
        set->cap = cap;
    }
    bond->at = set->n;
    set->at[set->n++] = bond;
    return true;
}

static void set_remove(GroupSet *set, const GroupBond *bond)
{
    GroupBond *last = set->at[--set->n];
    set->at[bond->at] = last;
    last->at = bond->at;
}

/* The group of that name, made when it is missing; NULL: no memory. */
static Group *group_need(ActorNode *node, Value name)
{
    const Env *env = node->config.env;
    if (!node->groups)
        node->groups = env_calloc(env, sizeof *node->groups);
    if (!node->groups)
        return NULL;
    Group **link = place_of(node->groups, name);
    if (!*link && (*link = env_calloc(env, sizeof **link)))
        (*link)->name = name;
    return *link;
}

static void group_free_unused(ActorNode *node, Group *g)
{
    const Env *env = node->config.env;
    if (g->members.n > 0 || g->watches.n > 0)
        return;
    Group **link = place_of(node->groups, g->name);
    *link = g->next;
    env_free(env, g->members.at, g->members.cap * sizeof(GroupBond *));
    env_free(env, g->watches.at, g->watches.cap * sizeof(GroupBond *));
    env_free(env, g, sizeof *g);
}

/* What cannot be told for lack of memory is logged: nothing is lost silently. */
static void group_tell(ActorCtx *cx, const Group *g, Value member, Value selector)
{
    for (uint32_t i = 0; i < g->watches.n; i++) {
        Fragment *f;
        Status status =
            signal_new(cx, NULL, g->name, SIGNAL_MESSAGE, SIGNAL_MESSAGE_EXTRA, &f, NULL);
        if (status == STATUS_OK)
            status = process_send_fragment(cx, member, g->watches.at[i]->pid, selector, f);
        if (status == STATUS_NO_MEMORY)
            env_log(cx->node->config.env, LOG_LEVEL_ERROR,
                    "a message about a process group was lost: out of memory");
    }
}

/* ---- bonds ---------------------------------------------------------------------------------- */

static void member_free(ActorCtx *cx, GroupBond *bond)
{
    ActorNode *node = cx->node;
    lock_acquire(&node->group_lock);
    set_remove(&bond->group->members, bond);
    group_tell(cx, bond->group, bond->pid, node->sym_left);
    group_free_unused(node, bond->group);
    lock_release(&node->group_lock);
    env_free(node->config.env, bond, sizeof *bond);
}

static void watch_free(ActorCtx *cx, GroupBond *bond)
{
    ActorNode *node = cx->node;
    lock_acquire(&node->group_lock);
    set_remove(&bond->group->watches, bond);
    group_free_unused(node, bond->group);
    lock_release(&node->group_lock);
    env_free(node->config.env, bond, sizeof *bond);
}

static void member_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    (void)p;
    member_free(cx, bond_of(hold));
}

static void watch_ended(ActorCtx *cx, Process *p, ProcessHold *hold)
{
    (void)p;
    watch_free(cx, bond_of(hold));
}

static const ProcessHoldType member_type = {member_ended, NULL};
static const ProcessHoldType watch_type = {watch_ended, NULL};

/* p's bond of a type with a group, or NULL. Linear in p's holds. */
static GroupBond *bond_find(const Process *p, Value name, const ProcessHoldType *type)
{
    for (ProcessHold *hold = p->ext ? p->ext->holds : NULL; hold; hold = hold->next)
        if (hold->type == type && bond_of(hold)->group->name == name)
            return bond_of(hold);
    return NULL;
}

static Status bond_make(ActorCtx *cx, Process *p, Value name, const ProcessHoldType *type)
{
    ActorNode *node = cx->node;
    GroupBond *bond = env_calloc(node->config.env, sizeof *bond);
    if (!bond)
        return STATUS_NO_MEMORY;
    bond->hold.type = type;
    bond->pid = p->pid;
    Status status = process_hold_add(cx, p, &bond->hold);
    if (status != STATUS_OK) {
        env_free(node->config.env, bond, sizeof *bond);
        return status;
    }
    lock_acquire(&node->group_lock);
    Group *g = group_need(node, name);
    bond->group = g;
    bool added =
        g && set_add(node->config.env, type == &member_type ? &g->members : &g->watches, bond);
    if (added && type == &member_type)
        group_tell(cx, g, p->pid, node->sym_joined);
    if (!added && g)
        group_free_unused(node, g);
    lock_release(&node->group_lock);
    if (added)
        return STATUS_OK;
    process_hold_remove(p, &bond->hold);
    env_free(node->config.env, bond, sizeof *bond);
    return STATUS_NO_MEMORY;
}

Status group_join(ActorCtx *cx, Process *p, Value name, bool *done)
{
    *done = !group_has(p, name);
    return *done ? bond_make(cx, p, name, &member_type) : STATUS_OK;
}

bool group_leave(ActorCtx *cx, Process *p, Value name)
{
    GroupBond *bond = bond_find(p, name, &member_type);
    if (!bond)
        return false;
    process_hold_remove(p, &bond->hold);
    member_free(cx, bond);
    return true;
}

bool group_has(const Process *p, Value name) { return bond_find(p, name, &member_type) != NULL; }

Status group_watch(ActorCtx *cx, Process *p, Value name)
{
    return bond_find(p, name, &watch_type) ? STATUS_OK : bond_make(cx, p, name, &watch_type);
}

bool group_unwatch(ActorCtx *cx, Process *p, Value name)
{
    GroupBond *bond = bond_find(p, name, &watch_type);
    if (!bond)
        return false;
    process_hold_remove(p, &bond->hold);
    watch_free(cx, bond);
    return true;
}

/* ---- lists ---------------------------------------------------------------------------------- */

uint32_t group_members(ActorNode *node, Value name, Value *pids, uint32_t n)
{
    lock_acquire(&node->group_lock);
    const Group *g = node->groups ? *place_of(node->groups, name) : NULL;
    uint32_t count = g ? g->members.n : 0;
    for (uint32_t i = 0; i < count && i < n; i++)
        pids[i] = g->members.at[i]->pid;
    lock_release(&node->group_lock);
    return count;
}

uint32_t group_list(ActorNode *node, uint32_t *cursor, Value *names, uint32_t n)
{
    uint32_t found = 0;
    lock_acquire(&node->group_lock);
    /* a bucket at a time: what is in one is listed whole, or as far as there is room */
    while (node->groups && *cursor < GROUP_BUCKETS && (found == 0 || found + 16 < n)) {
        for (const Group *g = node->groups->buckets[*cursor]; g && found < n; g = g->next)
            if (g->members.n > 0)
                names[found++] = g->name;
        ++*cursor;
    }
    if (!node->groups || *cursor >= GROUP_BUCKETS)
        *cursor = UINT32_MAX;
    lock_release(&node->group_lock);
    return found;
}

void groups_close(ActorNode *node)
{
    env_free(node->config.env, node->groups, sizeof *node->groups);
    node->groups = NULL;
}
