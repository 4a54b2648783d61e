/* SPDX-License-Identifier: Apache-2.0 */
/* prims_system.c - standard streams, clock, environment, the end of the program.
 * Threads: the owner of the process; input_fill on a dirty thread. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "class.h"
#include "code_life.h"
#include "output.h"
#include "prims.h"
#include "utf8.h"
#include "vm_int.h"

static PrimStatus finish(PrimCall *c, Value answer)
{
    c->resume->a = c->resume->b = c->resume->c = 0;
    c->resume->root = VALUE_NIL;
    return prim_ok(c, answer);
}

/* ---- output --------------------------------------------------------------------------------- */

/* resume.a counts the bytes that have been taken: a long text goes in pieces. */
static PrimStatus write_text(PrimCall *c, OutputStream stream, bool line)
{
    StrView text;
    if (!prim_text(c, c->args[1], &text))
        return prim_type_error(c, 1, "String");
    Output *o = c->vm->output;
    for (;;) {
        size_t left = text.bytes - c->resume->a;
        bool last = left < OUTPUT_BUFFER;
        size_t n = last ? left : OUTPUT_BUFFER;
        int error;
        switch (
            output_put(o, stream, text.data + c->resume->a, n, last && line, c->process, &error)) {
        case OUTPUT_FAILED: return prim_plain_error(c, output_error_text(o, stream, error));
        case OUTPUT_FULL: c->process->wait = PROCESS_WAIT_OUTPUT; return PRIM_PARK;
        case OUTPUT_TAKEN: break;
        }
        prim_charge(c, n / 100 + 1);
        c->resume->a += n;
        if (last)
            return finish(c, c->args[0]);
        if (prim_out_of_time(c))
            return PRIM_YIELD;
    }
}

PrimStatus prim_system_write(PrimCall *c) { return write_text(c, OUTPUT_STDOUT, false); }
PrimStatus prim_system_write_line(PrimCall *c) { return write_text(c, OUTPUT_STDOUT, true); }
PrimStatus prim_system_write_error(PrimCall *c) { return write_text(c, OUTPUT_STDERR, false); }
PrimStatus prim_system_write_error_line(PrimCall *c) { return write_text(c, OUTPUT_STDERR, true); }

/* ---- input ---------------------------------------------------------------------------------- */

/* The Output is the VM's: there is nothing to free when the process dies. */
static void input_forget(void *state) { (void)state; }

static PrimStatus answer_line(PrimCall *c, const InputLine *line)
{
    uint8_t *room;
    Value string;
    Status status = str_new(c->heap, c->cx, c->stack_end, CLASS_STRING, line->bytes, line->chars,
                            &room, &string);
    if (status != STATUS_OK)
        return prim_status(c, status, STR_HANDLE_WORDS + 4 + STR_INLINE_MAX / 8);
    prim_charge(c, line->bytes / 100);
    if (input_take(c->vm->output, line, room))
        return finish(c, string);
    memset(room, ' ', line->bytes); /* another process was faster; nobody will see this String */
    return PRIM_YIELD;
}

PrimStatus prim_system_read_line(PrimCall *c)
{
    InputLine line;
    switch (input_look(c->vm->output, &line)) {
    case INPUT_LINE: return answer_line(c, &line);
    case INPUT_END: return finish(c, VALUE_NIL);
    case INPUT_TOO_LONG: return prim_plain_error(c, "the line of input is too long");
    case INPUT_BAD: return prim_plain_error(c, "the line of input is not valid UTF-8");
    case INPUT_WAIT: break;
    }
    c->dirty_run = input_fill;
    c->dirty_free = input_forget;
    c->dirty_state = c->vm->output;
    return PRIM_DIRTY;
}

/* ---- time ----------------------------------------------------------------------------------- */

PrimStatus prim_system_monotonic(PrimCall *c)
{
    return prim_answer_int64(c, (int64_t)output_uptime_ns(c->vm->output));
}

PrimStatus prim_system_epoch_ns(PrimCall *c)
{
    return prim_answer_int64(c, (int64_t)env_wall_ns(c->vm->env));
}

PrimStatus prim_system_epoch(PrimCall *c)
{
    return prim_answer_int64(c, (int64_t)(env_wall_ns(c->vm->env) / UINT64_C(1000000000)));
}

/* ---- the operating system's process --------------------------------------------------------- */

/* Bytes from outside as a String: what is not UTF-8 becomes U+FFFD. At most FOREIGN_MAX bytes. */
#define FOREIGN_MAX 4096

static PrimStatus foreign_string(PrimCall *c, const char *bytes, size_t n, Value *out)
{
    char text[FOREIGN_MAX * 3];
    size_t len = 0;
    n = n < FOREIGN_MAX ? n : FOREIGN_MAX;
    for (size_t i = 0; i < n;) {
        uint32_t codepoint;
        size_t width = utf8_decode(bytes + i, n - i, &codepoint);
        len += utf8_encode(width ? codepoint : 0xFFFD, text + len);
        i += width ? width : 1;
    }
    PrimStatus st;
    return prim_new_string(c, text, len, out, &st) ? PRIM_OK : st;
}

static PrimStatus answer_foreign(PrimCall *c, const char *text)
{
    Value string;
    PrimStatus st = foreign_string(c, text, strlen(text), &string);
    return st == PRIM_OK ? prim_ok(c, string) : st;
}

/* The pages in memory, second number of the file: an answer from the kernel's own memory. */
PrimStatus prim_system_resident(PrimCall *c)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return prim_error(c, "the operating system does not tell");
    text[n] = '\0';
    const char *space = strchr(text, ' ');
    long long pages = space ? strtoll(space, NULL, 10) : 0;
    prim_charge(c, 200);
    return prim_answer_int64(c, pages * sysconf(_SC_PAGESIZE));
}

/* resume.root holds the Array, resume.a the number of its Strings that are there. */
PrimStatus prim_system_args(PrimCall *c)
{
    PrimStatus st;
    uint32_t n = c->vm->nargs;
    if (c->resume->root == VALUE_NIL) {
        Object *array = prim_new_slots(c, CLASS_ARRAY, n, &st);
        if (!array)
            return st;
        c->resume->root = value_ptr(array);
    }
    for (; c->resume->a < n; c->resume->a++) {
        const char *arg = c->vm->args[c->resume->a];
        Value string;
        st = foreign_string(c, arg, strlen(arg), &string);
        if (st != PRIM_OK)
            return st;
        Object *array = obj_of(c->resume->root);
        (void)heap_store(c->heap, array, obj_slots(array) + c->resume->a, string); /* not frozen */
    }
    return finish(c, c->resume->root);
}

PrimStatus prim_system_env(PrimCall *c)
{
    StrView name;
    char text[256];
    if (!prim_text(c, c->args[1], &name))
        return prim_type_error(c, 1, "String");
    if (name.bytes >= sizeof text || memchr(name.data, '\0', name.bytes))
        return prim_ok(c, VALUE_NIL);
    memcpy(text, name.data, name.bytes);
    text[name.bytes] = '\0';
    const char *value = getenv(text);
    return value ? answer_foreign(c, value) : prim_ok(c, VALUE_NIL);
}

PrimStatus prim_system_hostname(PrimCall *c)
{
    char name[256];
    if (gethostname(name, sizeof name) != 0)
        return prim_error(c, "the operating system does not tell");
    name[sizeof name - 1] = '\0';
    return answer_foreign(c, name);
}

PrimStatus prim_system_pid(PrimCall *c) { return prim_ok(c, value_int(getpid())); }

PrimStatus prim_system_executable(PrimCall *c)
{
    char text[1024];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return answer_foreign(c, text);
}

PrimStatus prim_system_exit(PrimCall *c)
{
    Vm *vm = c->vm;
    Value status = c->args[1];
    /* acq_rel: the first one decides; published to the embedder by the end of the schedulers */
    if (!__atomic_exchange_n(&vm->exit_requested, true, __ATOMIC_ACQ_REL))
        vm->exit_status = value_is_int(status) ? (int)(value_as_int(status) & 0xFF) : 1;
    vm_stop(vm);
    return PRIM_YIELD; /* until the scheduler looks */
}

PrimStatus prim_system_schedulers(PrimCall *c)
{
    return prim_ok(c, value_int(sched_count(c->vm->group)));
}

/* In the order of System>>statistics in the library. */
enum {
    STAT_PROCESSES,
    STAT_POOL_LIVE,
    STAT_POOL_SLABS,
    STAT_BIG,
    STAT_SYMBOLS,
    STAT_SYMBOL_BYTES,
    STAT_CODE_BYTES,
    STAT_CODE_VERSIONS,
    STAT_FROZEN_BYTES,
    STAT_SWITCHES,
    STAT_HANDOVERS,
    STAT_STEALS,
    STAT_SLEEPS,
    STAT_WAKES,
    STAT_TIMERS,
    STAT_BUSY_NS,
    STAT_IDLE_NS,
    STAT_COUNT
};

static void statistics_sum(Vm *vm, uint64_t *sums)
{
    PoolStats pools;
    pool_stats(vm->pools, &pools);
    sums[STAT_PROCESSES] = actor_process_count(vm->actors);
    sums[STAT_POOL_LIVE] = (uint64_t)pools.live_bytes;
    sums[STAT_POOL_SLABS] = pools.slab_bytes;
    sums[STAT_BIG] = pools.big_bytes;
    sums[STAT_SYMBOLS] = symtab_count(vm->symtab);
    sums[STAT_SYMBOL_BYTES] = symtab_bytes(vm->symtab);
    sums[STAT_CODE_BYTES] = vm_code_bytes(vm);
    sums[STAT_CODE_VERSIONS] = atom_load_rlx(&vm->counted_versions); /* relaxed: figures */
    sums[STAT_FROZEN_BYTES] = atom_load_rlx(&vm->heap_env.frozen_bytes);
    for (uint32_t i = 0; i < sched_count(vm->group); i++) {
        SchedStats s;
        sched_stats(vm->group, i, &s);
        sums[STAT_SWITCHES] += s.switches;
        sums[STAT_HANDOVERS] += s.handovers;
        sums[STAT_STEALS] += s.steals;
        sums[STAT_SLEEPS] += s.sleeps;
        sums[STAT_WAKES] += s.wakes;
        sums[STAT_TIMERS] += s.timers;
        sums[STAT_BUSY_NS] += s.busy_ns;
        sums[STAT_IDLE_NS] += s.idle_ns;
    }
}

PrimStatus prim_system_statistics(PrimCall *c)
{
    uint64_t sums[STAT_COUNT] = {0};
    PrimStatus st;
    Object *array = prim_new_slots(c, CLASS_ARRAY, STAT_COUNT, &st);
    if (!array)
        return st;
    statistics_sum(c->vm, sums);
    for (unsigned i = 0; i < STAT_COUNT; i++)
        array->words[i] = value_int((int64_t)(sums[i] & (uint64_t)VALUE_INT_MAX));
    prim_charge(c, 20);
    return prim_ok(c, value_ptr(array));
}

/* ---- memory and limits ---------------------------------------------------------------------- */

static PrimStatus answer_figures(PrimCall *c, const uint64_t *figures, size_t n)
{
    PrimStatus st;
    Object *array = prim_new_slots(c, CLASS_ARRAY, n, &st);
    if (!array)
        return st;
    for (size_t i = 0; i < n; i++)
        array->words[i] = value_int((int64_t)(figures[i] & (uint64_t)VALUE_INT_MAX));
    prim_charge(c, 20);
    return prim_ok(c, value_ptr(array));
}

/* In the order of System>>memory in the library. Nothing is stopped: each figure was true at a
 * moment during the call. */
PrimStatus prim_system_memory(PrimCall *c)
{
    Vm *vm = c->vm;
    PoolStats pools;
    ActorTableInfo table;
    pool_stats(vm->pools, &pools);
    actor_table_info(vm->actors, &table);
    lock_acquire(&vm->memory->lock);
    size_t code = vm->memory->total;
    lock_release(&vm->memory->lock);
    uint64_t live = pools.live_bytes > 0 ? (uint64_t)pools.live_bytes : 0;
    uint64_t mapped = pools.slab_bytes > table.bytes ? pools.slab_bytes - table.bytes : 0;
    /* relaxed: snapshots */
    const uint64_t figures[] = {table.bytes,
                                live,
                                mapped > live ? mapped - live : 0,
                                pools.big_bytes,
                                atom_load_rlx(&vm->heap_env.string_bytes),
                                atom_load_rlx(&vm->heap_env.frozen_bytes),
                                code,
                                symtab_bytes(vm->symtab)};
    return answer_figures(c, figures, sizeof figures / sizeof *figures);
}

/* In the order of System>>limits in the library; 0: none. */
PrimStatus prim_system_limits(PrimCall *c)
{
    Vm *vm = c->vm;
    ActorTableInfo table;
    actor_table_info(vm->actors, &table);
    const uint64_t figures[] = {table.limit, table.reserved, symtab_count_max(vm->symtab),
                                vm->heap_env.default_cap_bytes, vm->heap_env.stack_cap_bytes};
    return answer_figures(c, figures, sizeof figures / sizeof *figures);
}
