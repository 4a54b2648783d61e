/* SPDX-License-Identifier: Apache-2.0 */
/* prims_info.c - looking into processes from outside, without stopping them: what is read here are
 * words that their owners publish; the answer was true at a moment during the call.
 * Threads: the owner of the asking process, inside its scheduler's epoch section. */
#include "process.h"

#include "atomics.h"
#include "prim_wait.h"
#include "prims.h"

#include <string.h>

enum { STATUS_GONE, STATUS_SELF, STATUS_RUNNABLE, STATUS_WAITING, STATUS_ENDING };

/* acquire: pairs with the release of process_park, so that what it waits for is seen */
static bool is_parked(const Process *p)
{
    return (atom_load_acq(&p->mbox_tail) & MBOX_PARKED) != 0;
}

static int status_of(PrimCall *c, const Process *p)
{
    if (!p)
        return STATUS_GONE;
    if (p == c->process)
        return STATUS_SELF;
    if (atom_load_acq(&p->state) != PROCESS_LIVE) /* acquire: as process_is_alive */
        return STATUS_ENDING;
    return is_parked(p) ? STATUS_WAITING : STATUS_RUNNABLE;
}

PrimStatus prim_process_status(PrimCall *c)
{
    const Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    return prim_ok(c, value_int(status_of(c, p)));
}

PrimStatus prim_process_wait_name(PrimCall *c)
{
    const Process *p = process_of_pid(prim_actor(c)->node, c->args[0]);
    if (status_of(c, p) != STATUS_WAITING)
        return prim_ok(c, VALUE_NIL);
    /* relaxed: published by the park that is_parked has seen */
    const char *name = process_wait_name(atom_load_rlx(&p->wait));
    return prim_answer_string(c, name, strlen(name));
}
