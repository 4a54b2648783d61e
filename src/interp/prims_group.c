/* SPDX-License-Identifier: Apache-2.0 */
/* prims_group.c - process groups.
 * Threads: the owner of the running process, inside its scheduler's epoch section. */
#include "groups.h"
#include "links.h"
#include "prim_wait.h"
#include "prims.h"

/* The library has made Symbols of names. */
#define CHECK_NAME(c)                                                                              \
    do {                                                                                           \
        if (!value_is_symbol((c)->args[1]))                                                        \
            return prim_type_error(c, 1, "Symbol");                                                \
    } while (0)

static PrimStatus answer(PrimCall *c, Status status, bool value)
{
    prim_charge(c, 8);
    return status == STATUS_OK ? prim_ok(c, value_bool(value)) : prim_status(c, status, 0);
}

PrimStatus prim_group_join(PrimCall *c)
{
    CHECK_NAME(c);
    bool done;
    Status status = group_join(prim_actor(c), c->process, c->args[1], &done);
    return answer(c, status, status == STATUS_OK && done);
}

PrimStatus prim_group_leave(PrimCall *c)
{
    CHECK_NAME(c);
    return answer(c, STATUS_OK, group_leave(prim_actor(c), c->process, c->args[1]));
}

static PrimStatus request(PrimCall *c, ProcessRequest what)
{
    CHECK_NAME(c);
    if (!value_is_pid(c->args[2]))
        return prim_type_error(c, 2, "Process");
    Status status = process_request(prim_actor(c), c->args[2], what, c->args[1], VALUE_NIL);
    return answer(c, status, true);
}

PrimStatus prim_group_join_other(PrimCall *c) { return request(c, REQUEST_JOIN); }

PrimStatus prim_group_leave_other(PrimCall *c) { return request(c, REQUEST_LEAVE); }

PrimStatus prim_group_watch(PrimCall *c)
{
    CHECK_NAME(c);
    return answer(c, group_watch(prim_actor(c), c->process, c->args[1]), true);
}

PrimStatus prim_group_unwatch(PrimCall *c)
{
    CHECK_NAME(c);
    return answer(c, STATUS_OK, group_unwatch(prim_actor(c), c->process, c->args[1]));
}

PrimStatus prim_group_size(PrimCall *c)
{
    CHECK_NAME(c);
    return prim_ok(c, value_int(group_members(prim_actor(c)->node, c->args[1], NULL, 0)));
}

/* An Array; nil behind members that have left meanwhile. */
PrimStatus prim_group_members(PrimCall *c)
{
    CHECK_NAME(c);
    ActorNode *node = prim_actor(c)->node;
    uint32_t n = group_members(node, c->args[1], NULL, 0);
    PrimStatus st;
    Object *list = prim_new_slots(c, CLASS_ARRAY, n, &st);
    if (!list)
        return st;
    (void)group_members(node, c->args[1], obj_slots(list), n);
    prim_charge(c, n / 16 + 4);
    return prim_ok(c, value_ptr(list));
}

#define LIST_PIECE 250

/* An Array: next place or nil, then names. */
PrimStatus prim_group_list(PrimCall *c)
{
    Value names[LIST_PIECE];
    if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) < 0 ||
        value_as_int(c->args[1]) >= UINT32_MAX)
        return prim_type_error(c, 1, "SmallInteger");
    PrimStatus st;
    Object *list = prim_new_slots(c, CLASS_ARRAY, LIST_PIECE + 1, &st);
    if (!list)
        return st;
    uint32_t cursor = (uint32_t)value_as_int(c->args[1]);
    uint32_t n = group_list(prim_actor(c)->node, &cursor, names, LIST_PIECE);
    prim_charge(c, 64);
    list->words[0] = cursor == UINT32_MAX ? VALUE_NIL : value_int(cursor);
    memcpy(list->words + 1, names, n * sizeof *names);
    return prim_ok(c, value_ptr(list));
}
