/* SPDX-License-Identifier: Apache-2.0 */
/* crashes.c - the report of a crash: a line of the log, and a message to a process that collects
 * such reports, if one is registered as #crashLogger.
 *
 * A report never waits, and costs a bounded time: at most REPORTS_PER_SECOND are made, what exceeds
 * that is counted and told with the next line; long reasons are cut.
 *
 * Threads: the owner of the process that ends. */
#include <inttypes.h>
#include <string.h>

#include "actor_int.h"
#include "strbuf.h"

#define REPORTS_PER_SECOND 200u
/* A collector that does not keep up gets no more; and no reason that is larger than that. */
#define COLLECTOR_MESSAGES 1000u
#define REASON_WORDS 8192u

static size_t reason_text(ActorCtx *cx, Process *p, char *out, size_t n)
{
    const ActorConfig *config = &cx->node->config;
    Value reason = p->exit_reason;
    const char *bytes = "an object";
    size_t len = 9;
    if (value_is_symbol(reason)) {
        SymtabName name = symtab_name(config->symtab, value_as_symbol(reason));
        bytes = name.bytes;
        len = name.len;
    } else if (value_is_string(reason)) {
        StrView view = str_view(reason);
        bytes = (const char *)view.data;
        len = view.bytes;
    } else if (config->describe) {
        return config->describe(config->ctx, p, reason, out, n);
    }
    len = len < n ? len : n;
    memcpy(out, bytes, len);
    return len;
}

/* Main processes are the embedder's to report; who was asked to end, itself or by a link, has not
 * crashed. */
static bool is_crash(const ActorNode *node, const Process *p)
{
    Value reason = p->exit_reason;
    return reason != node->sym_normal && reason != node->sym_shutdown &&
           reason != node->sym_killed && !(p->flags & (PROCESS_F_MAIN | PROCESS_F_ASKED)) &&
           !(p->modes & PROCESS_MODE_QUIET) && process_exit_origin(p) == VALUE_NIL;
}

/* May another report be made in this second? */
static bool within_rate(ActorNode *node)
{
    uint64_t second = env_now_ns(node->config.env) / UINT64_C(1000000000);
    uint64_t seen = atom_load_rlx(&node->crash_second); /* relaxed: counts only, like all here */
    if (seen != second && atom_cas(&node->crash_second, &seen, second))
        atom_store_rlx(&node->crash_count, 0u);
    if (atom_add_rlx(&node->crash_count, 1u) < REPORTS_PER_SECOND)
        return true;
    atom_add_rlx(&node->crash_dropped, UINT64_C(1));
    return false;
}

/* One line, whatever the reason holds. */
static void write_line(ActorCtx *cx, Process *p)
{
    ActorNode *node = cx->node;
    char pid[PROCESS_PID_TEXT], parent[PROCESS_PID_TEXT] = "none", text[512];
    Value name;
    SymtabName known = {"", 0, 0, 0};
    process_pid_text(p->pid, pid);
    if (value_is_pid(p->parent))
        process_pid_text(p->parent, parent);
    if (process_names(p, &name, 1))
        known = symtab_name(node->config.symtab, value_as_symbol(name));
    size_t len = reason_text(cx, p, text, sizeof text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            text[i] = ' ';
    /* acq_rel; only the number matters: who takes it reports it, nobody else does */
    uint64_t dropped = atom_xchg(&node->crash_dropped, UINT64_C(0));
    if (dropped)
        env_log(node->config.env, LOG_LEVEL_ERROR, "%" PRIu64 " more crashes were not reported",
                dropped);
    env_log(node->config.env, LOG_LEVEL_ERROR, "process crashed pid=%s%s%.*s parent=%s reason=%.*s",
            pid, known.len ? " name=" : "", known.len < 64 ? (int)known.len : 64, known.bytes,
            parent, (int)len, text);
}

/* #crashReport with an Array of process, parent and reason: both objects fill the words in front of
 * the copied reason. */
_Static_assert(SIGNAL_END_EXTRA == 8, "a MailboxMessage and an Array of three");
static void tell_collector(ActorCtx *cx, Process *p)
{
    ActorNode *node = cx->node;
    Value to = process_named(node, node->sym_crash_logger);
    Process *collector = to == p->pid ? NULL : process_of_pid(node, to);
    int32_t ignored = 0;
    /* relaxed: a statistic */
    if (!collector || atom_load_rlx(&collector->nmessages) >= COLLECTOR_MESSAGES)
        return;
    Fragment *f = report_take(cx, p, false, &ignored);
    Value reason = value_is_ptr(p->exit_reason) ? node->sym_error : p->exit_reason;
    if (f && f->words > REASON_WORDS) {
        fragment_free(&cx->heap, f);
        f = NULL;
    } else if (f) {
        reason = f->body[1] == VALUE_NONE ? obj_of(f->root)->words[0] : f->body[1];
    }
    if (!f &&
        signal_new(cx, NULL, VALUE_NIL, SIGNAL_MESSAGE, SIGNAL_END_EXTRA, &f, NULL) != STATUS_OK)
        return;
    Object *message = (Object *)f->body, *report = (Object *)(f->body + 1 + MESSAGE_SLOTS);
    message->header = obj_header(CLASS_MAILBOX_MESSAGE, MESSAGE_SLOTS, OBJ_SLOTS, 0);
    message->words[MESSAGE_SENDER] = p->pid;
    message->words[MESSAGE_SELECTOR] = node->sym_crash_report;
    message->words[MESSAGE_PAYLOAD] = value_ptr(report);
    report->header = obj_header(CLASS_ARRAY, 3, OBJ_SLOTS, 0);
    report->words[0] = p->pid;
    report->words[1] = p->parent;
    report->words[2] = reason;
    f->root = value_ptr(message);
    f->extra = 0;
    f->kind = SIGNAL_MESSAGE;
    signal_to(cx, to, f);
}

void crash_report(ActorCtx *cx, Process *p)
{
    ActorNode *node = cx->node;
    /* relaxed: a switch */
    if (!is_crash(node, p) || atom_load_rlx(&node->crash_quiet) || !within_rate(node))
        return;
    tell_collector(cx, p);
    write_line(cx, p);
}

void actor_set_crash_reports(ActorNode *node, bool on)
{
    atom_store_rlx(&node->crash_quiet, (uint8_t)!on); /* relaxed: a switch */
}

bool actor_crash_reports(const ActorNode *node) { return !atom_load_rlx(&node->crash_quiet); }
