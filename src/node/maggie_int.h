/* SPDX-License-Identifier: Apache-2.0 */
/* maggie_int.h - insides of libmaggie. */
#ifndef MAGGIE_INT_H
#define MAGGIE_INT_H

#include <pthread.h>

#include "arena.h"
#include "env_sim.h"
#include "loader.h"
#include "maggie.h"

struct MaggieResult {
    MaggieStatus status;
    const char *text;
    size_t text_len;
    const char *trace;
    MaggieValue value;
    LangArena arena; /* owns everything above */
};

/* Something that is waited for: the end of a process, or one evaluation of a session. */
typedef struct Job {
    struct Job *next;
    int64_t id;
    Value pid;
    bool done;
    bool released; /* freed when done */
    bool session;  /* the process outlives it */
    MaggieResult *result;
} Job;

struct Maggie {
    Vm *vm;
    Env env;
    EnvSim sim;
    MaggieOptions options;
    char **argv;
    pthread_mutex_t lock; /* guards what follows; taken by hooks on scheduler threads */
    pthread_cond_t changed;
    Job *jobs;
    int64_t next_id;
    unsigned waiting; /* threads in a wait: while 0, the machine is held (never idle) */
    bool idle;        /* nothing can run; valid while waiting */
    bool stopped;
    bool started;
    uint32_t library_codes; /* code with smaller numbers is the library's */
    char *idle_text;        /* who waits for what, of the last time it fell idle */
    Code **scripts;         /* loaded, not started */
    size_t nscripts, next_script;
};

struct MaggieSession {
    Maggie *m;
    Value pid;
};

/* ---- maggie_values.c ---- */
/* Returns new; NULL when memory is out. */
MaggieResult *result_new(MaggieStatus status, const char *text, size_t len);
/* How a process ended, from its exit reason and result. In the process's slice. */
MaggieResult *result_of_end(Vm *vm, Value reason, Value value);
/* What Compiler _deliver: got: {kind. value. text}. */
MaggieResult *result_of_delivery(Vm *vm, Value delivery);
/* Frozen values in one new region with one count (NULL when all are immediates). */
Status values_freeze(Vm *vm, HeapCtx *cx, const MaggieValue *values, size_t n, Value *out,
                     Region **region) MUST_CHECK;
/* An Array of frozen values. */
Status values_freeze_array(Vm *vm, HeapCtx *cx, const MaggieValue *values, size_t n, Value *out,
                           Region **region) MUST_CHECK;

MaggieStatus maggie_status_of(Status status);

#endif
