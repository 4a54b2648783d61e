/* SPDX-License-Identifier: Apache-2.0 */
/* prims_link.c - links, monitors, trapping exits, names of processes.
 *
 * What the receiver is asked to do it does itself: at once when it is the running process, else by
 * a request that it handles when it next looks at its signals.
 * Threads: the owner of the running process, inside its scheduler's epoch section. */
#include "links.h"
#include "prim_wait.h"
#include "prims.h"

static PrimStatus not_a_process(PrimCall *c)
{
    return prim_error(c, "the receiver is not a process");
}

static PrimStatus answer(PrimCall *c, Status status, Value value)
{
    prim_charge(c, 4);
    return status == STATUS_OK ? prim_ok(c, value) : prim_status(c, status, 0);
}

static bool is_me(PrimCall *c) { return c->args[0] == c->process->pid; }

/* ---- links ---------------------------------------------------------------------------------- */

static PrimStatus change_link(PrimCall *c, bool link)
{
    ActorCtx *cx = prim_actor(c);
    Value other = c->args[1];
    if (!value_is_pid(c->args[0]))
        return not_a_process(c);
    if (!value_is_pid(other))
        return prim_type_error(c, 1, "Process");
    Status status;
    if (!is_me(c))
        status =
            process_request(cx, c->args[0], link ? REQUEST_LINK : REQUEST_UNLINK, other, VALUE_NIL);
    else
        status = link ? process_link(cx, c->process, other) : process_unlink(cx, c->process, other);
    return answer(c, status, VALUE_TRUE);
}

PrimStatus prim_process_link(PrimCall *c) { return change_link(c, true); }

PrimStatus prim_process_unlink(PrimCall *c) { return change_link(c, false); }

PrimStatus prim_process_is_linked(PrimCall *c)
{
    return prim_ok(c, value_bool(process_is_linked(c->process, c->args[1])));
}

/* ---- monitors ------------------------------------------------------------------------------- */

PrimStatus prim_process_monitor(PrimCall *c)
{
    ActorCtx *cx = prim_actor(c);
    if (!value_is_pid(c->args[0]))
        return not_a_process(c);
    if (!value_is_pid(c->args[1]))
        return prim_type_error(c, 1, "Process");
    Value reference = process_new_reference(cx);
    Status status = is_me(c)
                        ? process_monitor(cx, c->process, c->args[1], reference)
                        : process_request(cx, c->args[0], REQUEST_MONITOR, c->args[1], reference);
    return answer(c, status, reference);
}

PrimStatus prim_process_demonitor(PrimCall *c)
{
    ActorCtx *cx = prim_actor(c);
    if (!value_is_pid(c->args[0]))
        return not_a_process(c);
    if (!value_is_int(c->args[1]))
        return prim_type_error(c, 1, "SmallInteger");
    if (is_me(c))
        return answer(c, STATUS_OK, value_bool(process_demonitor(cx, c->process, c->args[1])));
    return answer(c, process_request(cx, c->args[0], REQUEST_DEMONITOR, VALUE_NIL, c->args[1]),
                  VALUE_TRUE);
}

/* ---- exits ---------------------------------------------------------------------------------- */

static PrimStatus set_mode(PrimCall *c, uint8_t mode, ProcessRequest request)
{
    ActorCtx *cx = prim_actor(c);
    ProcessExt *ext;
    if (!value_is_pid(c->args[0]))
        return not_a_process(c);
    if (!value_is_bool(c->args[1]))
        return prim_type_error(c, 1, "Boolean");
    if (!is_me(c))
        return answer(c, process_request(cx, c->args[0], request, c->args[1], VALUE_NIL),
                      VALUE_TRUE);
    Status status = process_ext(cx, c->process, &ext);
    if (status == STATUS_OK)
        process_set_mode(c->process, mode, c->args[1] == VALUE_TRUE);
    return answer(c, status, VALUE_TRUE);
}

PrimStatus prim_process_set_traps(PrimCall *c)
{
    return set_mode(c, PROCESS_MODE_TRAPS, REQUEST_TRAP);
}

PrimStatus prim_process_set_raises(PrimCall *c)
{
    return set_mode(c, PROCESS_MODE_RAISES, REQUEST_RAISE);
}

static PrimStatus mode_of(PrimCall *c, uint8_t mode)
{
    const Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    return prim_ok(c, value_bool(p && (process_modes(p) & mode) != 0));
}

PrimStatus prim_process_traps(PrimCall *c) { return mode_of(c, PROCESS_MODE_TRAPS); }

PrimStatus prim_process_raises(PrimCall *c) { return mode_of(c, PROCESS_MODE_RAISES); }

PrimStatus prim_process_exit_by(PrimCall *c)
{
    ProcessExt *ext;
    process_set_end(c->process, c->args[1], VALUE_NIL);
    c->process->flags |= PROCESS_F_ASKED; /* it wanted to end: no crash */
    /* without memory for it the origin is not told */
    if (process_ext(prim_actor(c), c->process, &ext) == STATUS_OK && value_is_pid(c->args[2]))
        ext->exit_origin = c->args[2];
    return PRIM_EXIT;
}

PrimStatus prim_system_crash_reports(PrimCall *c)
{
    return prim_ok(c, value_bool(actor_crash_reports(prim_actor(c)->node)));
}

PrimStatus prim_system_set_crash_reports(PrimCall *c)
{
    if (!value_is_bool(c->args[1]))
        return prim_type_error(c, 1, "Boolean");
    actor_set_crash_reports(prim_actor(c)->node, c->args[1] == VALUE_TRUE);
    return prim_self(c);
}

/* ---- names ---------------------------------------------------------------------------------- */

PrimStatus prim_process_register(PrimCall *c)
{
    if (!value_is_pid(c->args[0]))
        return not_a_process(c);
    if (!value_is_symbol(c->args[1]))
        return prim_type_error(c, 1, "Symbol");
    bool done;
    Status status = process_register(prim_actor(c), c->args[0], c->args[1], &done);
    return answer(c, status, value_bool(done));
}

PrimStatus prim_process_named(PrimCall *c)
{
    if (!value_is_symbol(c->args[1]))
        return prim_type_error(c, 1, "Symbol");
    return prim_ok(c, process_named(prim_actor(c)->node, c->args[1]));
}

/* _unregister: aSymbolOrNil */
PrimStatus prim_process_unregister(PrimCall *c)
{
    ActorCtx *cx = prim_actor(c);
    Value name = c->args[1];
    if (!value_is_pid(c->args[0]))
        return not_a_process(c);
    if (name != VALUE_NIL && !value_is_symbol(name))
        return prim_type_error(c, 1, "Symbol");
    if (!is_me(c) && name != VALUE_NIL) /* at once; its owner finds out when it looks */
        return answer(c, STATUS_OK, value_bool(process_release_name(cx, c->args[0], name)));
    if (!is_me(c))
        return answer(c, process_request(cx, c->args[0], REQUEST_UNREGISTER, name, VALUE_NIL),
                      VALUE_TRUE);
    if (!prim_fetch(c))
        return PRIM_YIELD; /* what others have registered for it is on its list */
    bool had = name == VALUE_NIL || process_named(cx->node, name) == c->args[0];
    process_unregister(cx, c->process, name);
    return answer(c, STATUS_OK, value_bool(had));
}

#define NAMES_OWN 256

/* Names of the running process, most recent first; those it has lost are left out. */
PrimStatus prim_process_own_names(PrimCall *c)
{
    Value names[NAMES_OWN];
    if (!prim_fetch(c))
        return PRIM_YIELD;
    const Process *p = c->process;
    uint32_t n = process_names(p, names, NAMES_OWN), kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (process_named(prim_actor(c)->node, names[i]) == p->pid)
            names[kept++] = names[i];
    PrimStatus st;
    Object *list = prim_new_slots(c, CLASS_ARRAY, kept, &st);
    if (!list)
        return st;
    memcpy(list->words, names, kept * sizeof *names);
    prim_charge(c, n / 16 + 1);
    return prim_ok(c, value_ptr(list));
}

#define NAMES_PIECE 64
#define NAMES_SPAN 4096

/* An Array: next position or nil, then names and processes by turns. */
PrimStatus prim_process_names(PrimCall *c)
{
    Value names[NAMES_PIECE], pids[NAMES_PIECE];
    if (!value_is_int(c->args[1]) || value_as_int(c->args[1]) < 0 ||
        value_as_int(c->args[1]) >= UINT32_MAX)
        return prim_type_error(c, 1, "SmallInteger");
    PrimStatus st;
    Object *list = prim_new_slots(c, CLASS_ARRAY, 2 * NAMES_PIECE + 1, &st);
    if (!list)
        return st;
    uint32_t cursor = (uint32_t)value_as_int(c->args[1]);
    uint32_t n =
        actor_list_names(prim_actor(c)->node, &cursor, NAMES_SPAN, names, pids, NAMES_PIECE);
    prim_charge(c, NAMES_SPAN / 16);
    list->words[0] = cursor == UINT32_MAX ? VALUE_NIL : value_int(cursor);
    for (uint32_t i = 0; i < n; i++) {
        list->words[1 + 2 * i] = names[i];
        list->words[2 + 2 * i] = pids[i];
    }
    return prim_ok(c, value_ptr(list));
}
