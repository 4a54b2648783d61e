/* SPDX-License-Identifier: Apache-2.0 */
/* groups.h - process groups: sets of processes under a name, left by their members at their end.
 *
 * A group exists while it has a member or somebody monitors it. A member that ends has left before
 * anybody hears of the end (links.h). Who monitors a group gets a message for each process that
 * joins (#joined) or leaves (#left), its sender the member, its payload the group's name.
 *
 * Threads: the owner of the process given, inside a section; the lists by any process. */
#ifndef MAGGIE_GROUPS_H
#define MAGGIE_GROUPS_H

#include "process.h"

/* *done: it was no member before. */
MUST_CHECK Status group_join(ActorCtx *cx, Process *p, Value name, bool *done);
/* False: it was no member. */
bool group_leave(ActorCtx *cx, Process *p, Value name);
bool group_has(const Process *p, Value name);

/* Monitors; once is enough. */
MUST_CHECK Status group_watch(ActorCtx *cx, Process *p, Value name);
bool group_unwatch(ActorCtx *cx, Process *p, Value name);

/* Members now, in no order: writes at most n pids, answers how many there are. */
uint32_t group_members(ActorNode *node, Value name, Value *pids, uint32_t n);
/* Names of groups that have members, from place *cursor on (0 at first, UINT32_MAX at the end), at
 * most n; answers how many. A group that comes or goes meanwhile may be missed. */
uint32_t group_list(ActorNode *node, uint32_t *cursor, Value *names, uint32_t n);

#endif
