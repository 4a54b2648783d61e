/* SPDX-License-Identifier: Apache-2.0 */
/* fork.c - a new process on a copy of a block.
 * Threads: the owner of the forking process, inside its scheduler's epoch section. */
#include "interp_int.h"
#include "links.h"

/* Block and argument as one graph, so that what they share stays shared. Never in any heap: the
 * copier reads it like an Array of the forker's. */
typedef struct ForkPair {
    uint64_t header;
    Value words[2];
} ForkPair;

Status interp_fork_copy(ActorCtx *cx, Heap *source, Value block, unsigned argc, Value arg,
                        uint32_t salt, ForkCopy *copy)
{
    const Code *code = closure_code(obj_of(block));
    bool pair = argc > 0 && value_is_ptr(arg);
    ForkPair both = {obj_header(CLASS_ARRAY, 2, OBJ_SLOTS, 0), {block, arg}};
    Value root = pair ? value_ptr(&both) : block;
    Heap *heap = &copy->heap;
    STATUS_FORWARD(
        heap_init_with_copy(heap, &cx->heap, source, root, interp_base_words(code), salt, &root));
    cx->copied_words = (size_t)(heap->hi - heap->hp);
    process_map_home_tokens(heap->hp, heap->hi, HOME_TOKEN_FORK);
    copy->block = pair ? obj_of(root)->words[0] : root;
    copy->arg = pair ? obj_of(root)->words[1] : arg;
    return STATUS_OK;
}

/* The child has its slot and *copy its memory. */
static void fork_fit(VmLocal *l, Process *child, const ForkCopy *copy, unsigned argc,
                     Domain *domain, TaskPrio priority)
{
    child->heap = copy->heap;
    interp_setup_block(child, copy->block, argc, copy->arg);
#ifdef MAGGIE_MUTANT_FORK_ROOT_DOMAIN
    domain = l->vm->root_domain;
#endif
    (void)l;
    child->domain = domain;
    child->priority = (uint8_t)priority;
}

Status interp_make_child(VmLocal *l, Process *p, Value block, unsigned argc, Value arg,
                         Domain *domain, TaskPrio priority, Process **out)
{
    ActorCtx *cx = &l->actor;
    Process *child;
    ForkCopy copy;
    Status status = process_new(cx, p->pid, &child);
    if (status != STATUS_OK)
        return status;
    if (away_take_fork(l, p, block, argc, arg, &copy, &status))
        copy.heap.salt = process_salt(child);
    else
        status = interp_fork_copy(cx, &p->heap, block, argc, arg, process_salt(child), &copy);
    if (status != STATUS_OK) {
        process_abandon(cx, child);
        if (status == STATUS_COPY_LONG)
            cx->heap.wish =
                (CopyWish){.root = block, .arg = arg, .kind = COPY_HEAP, .extra = (uint8_t)argc};
        return status;
    }
    fork_fit(l, child, &copy, argc, domain, priority);
    *out = child;
    return STATUS_OK;
}

void interp_drop_child(VmLocal *l, Process *child)
{
    assert(!child->ext);
    heap_destroy(&child->heap, &l->actor.heap);
    process_abandon(&l->actor, child);
}

Status interp_fork(VmLocal *l, Process *p, Value block, unsigned argc, Value arg, Domain *domain,
                   TaskPrio priority, Value *pid)
{
    Process *child;
    STATUS_FORWARD(interp_make_child(l, p, block, argc, arg, domain, priority, &child));
    *pid = child->pid;
    process_start(&l->actor, child, false);
    return STATUS_OK;
}

/* Links, monitors and modes that a process has before it runs. */
static Status fork_bonds(ActorCtx *cx, Process *p, Process *child, unsigned bonds, Value reference,
                         Value watched)
{
    ProcessExt *ext;
    STATUS_FORWARD(process_ext(cx, child, &ext));
    process_set_mode(child, PROCESS_MODE_QUIET, (bonds & FORK_QUIET) != 0);
    if (bonds & FORK_WATCHING) {
        STATUS_FORWARD(process_monitor(cx, child, watched, process_new_reference(cx)));
    }
    if (bonds & FORK_MONITOR) {
        STATUS_FORWARD(process_monitor_child(cx, p, child, reference));
    }
    if (bonds & FORK_LINK) {
        Status status = process_link_child(cx, p, child);
        if (status != STATUS_OK && bonds & FORK_MONITOR) {
            (void)process_demonitor(cx, p, reference);
        }
        return status;
    }
    return STATUS_OK;
}

Status interp_fork_bound(VmLocal *l, Process *p, Value block, unsigned argc, Value arg,
                         unsigned bonds, Value watched, Value *pid, Value *reference)
{
    ActorCtx *cx = &l->actor;
    Process *child;
    STATUS_FORWARD(
        interp_make_child(l, p, block, argc, arg, p->domain, (TaskPrio)p->priority, &child));
    *pid = child->pid;
    *reference = process_new_reference(cx);
    Status status = fork_bonds(cx, p, child, bonds, *reference, watched);
    if (status != STATUS_OK) {
        process_discard_new(cx, child);
        return status;
    }
    process_start(cx, child, false);
    return STATUS_OK;
}
