/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - registered names of processes.
 *
 * A name is a symbol; the word that the symbol table keeps with it is the pid that has the name, or
 * 0. Registering is a compare-and-swap of that word, so looking up takes no lock. The process keeps
 * a list of its names (SIGNAL_NAME signals, sent by whoever registered it) and gives them back at
 * its end. A word may name a process that has just died, so who looks it up asks whether it lives.
 *
 * Threads: what is said at the function; inside a section. */
#include "actor_int.h"

static uint64_t *word_of(const ActorNode *node, Value name)
{
    return symtab_word(node->config.symtab, value_as_symbol(name));
}

/* Takes the name away from pid; false when another holds it, or nobody. */
static bool name_release(ActorNode *node, Value name, Value pid)
{
    uint64_t expected = pid;
    /* acq_rel: who registers it next comes after all that was done under the name */
    return atom_cas(word_of(node, name), &expected, UINT64_C(0));
}

/* Any thread. */
static bool name_claim(ActorNode *node, Value name, Value pid)
{
    uint64_t *word = word_of(node, name);
    uint64_t found = 0;
    while (!atom_cas(word, &found, pid)) { /* acq_rel: as above */
        if (found == pid)
            return true;
        if (LINK_MUTANT(node, NAME_STOLEN))
            continue;
        if (found != 0 && process_is_alive(node, found))
            return false;
    }
    return true;
}

/* The owner's entry for a name. */
static Fragment **entry_of(ProcessExt *ext, Value name)
{
    Fragment **link = &ext->names;
    while (*link && (*link)->body[0] != name)
        link = &(*link)->next;
    return link;
}

static bool name_keep(ActorCtx *cx, Process *p, Fragment *f)
{
    ProcessExt *ext;
    if (process_ext(cx, p, &ext) != STATUS_OK)
        return false;
    Fragment **link = entry_of(ext, f->body[0]);
    Fragment *old = *link;
    if (old) { /* lost and registered again: it is the most recent now */
        *link = old->next;
        fragment_free(&cx->heap, old);
    }
    f->next = ext->names;
    ext->names = f;
    return true;
}

Status process_register(ActorCtx *cx, Value pid, Value name, bool *done)
{
    ActorNode *node = cx->node;
    *done = false;
    if (!process_is_alive(node, pid))
        return STATUS_OK;
    if (process_named(node, name) == pid) {
        *done = true;
        return STATUS_OK;
    }
    Fragment *f;
    STATUS_FORWARD(signal_new(cx, NULL, VALUE_NIL, SIGNAL_NAME, 2, &f, NULL));
    f->body[0] = name;
    f->body[1] = pid;
    if (!name_claim(node, name, pid)) {
        fragment_free(&cx->heap, f);
        return STATUS_OK;
    }
    *done = signal_to(cx, pid, f); /* refused: names_refuse gives the name back */
    return STATUS_OK;
}

void names_receive(ActorCtx *cx, Process *p, Fragment *f)
{
    if (name_keep(cx, p, f))
        return;
    names_refuse(cx, f);
    signal_out_of_memory(cx, p);
}

void names_refuse(ActorCtx *cx, Fragment *f)
{
    (void)name_release(cx->node, f->body[0], f->body[1]);
    fragment_free(&cx->heap, f);
}

Value process_named(ActorNode *node, Value name)
{
    /* acquire: pairs with name_claim, what the process did before it was registered is seen */
    Value pid = atom_load_acq(word_of(node, name));
    return pid != 0 && process_is_alive(node, pid) ? pid : VALUE_NIL;
}

bool process_release_name(ActorCtx *cx, Value pid, Value name)
{
    return name_release(cx->node, name, pid);
}

void process_unregister(ActorCtx *cx, Process *p, Value name)
{
    ProcessExt *ext = p->ext;
    bool released = false;
    /* Names that were taken away by others meanwhile are forgotten on the way. */
    for (Fragment **link = ext ? &ext->names : NULL; link && *link && !released;) {
        Fragment *f = *link;
        if (name != VALUE_NIL && f->body[0] != name) {
            link = &f->next;
            continue;
        }
        released = name_release(cx->node, f->body[0], p->pid);
        *link = f->next;
        fragment_free(&cx->heap, f);
    }
}

uint32_t process_names(const Process *p, Value *names, uint32_t n)
{
    uint32_t found = 0;
    for (const Fragment *f = p->ext ? p->ext->names : NULL; f && found < n; f = f->next)
        names[found++] = f->body[0];
    return found;
}

uint32_t actor_list_names(ActorNode *node, uint32_t *cursor, uint32_t span, Value *names,
                          Value *pids, uint32_t n)
{
    uint32_t found = 0, at = *cursor ? *cursor : 1;
    uint32_t end = symtab_count(node->config.symtab);
    for (; found < n && span > 0 && at <= end; at++, span--) {
        Value pid = process_named(node, value_symbol(at));
        if (pid == VALUE_NIL)
            continue;
        names[found] = value_symbol(at);
        pids[found++] = pid;
    }
    *cursor = at <= end ? at : UINT32_MAX;
    return found;
}

bool names_end(ActorCtx *cx, Process *p, int32_t *left)
{
    ProcessExt *ext = p->ext;
    if (LINK_MUTANT(cx->node, NAME_KEPT))
        return true;
    while (ext && ext->names) {
        if (*left <= 0)
            return false;
        --*left;
        Fragment *f = ext->names;
        ext->names = f->next;
        names_refuse(cx, f);
    }
    return true;
}
