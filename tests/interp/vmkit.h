/* SPDX-License-Identifier: Apache-2.0 */
/* vmkit.h - a whole VM for tests: boots it from the library's sources, under threads or under the
 * simulator, runs texts of Maggie as main processes and keeps what they printed and how they ended.
 *
 * A test opens a kit, spawns scripts, runs until they have ended, looks at the jobs, closes. The
 * same calls work under both drivers, so that a list of programs can be run twice.
 * Threads: the test's own thread; the callbacks of the VM write under `lock`. */
#ifndef VMKIT_H
#define VMKIT_H

#include "testkit.h"

#include "buf.h"
#include "class.h"
#include "env_sim.h"
#include "interp_int.h"
#include "vm_int.h"

#define VMKIT_JOBS 160
#define VMKIT_STDLIB_DEFAULT "stdlib"

typedef struct VmJob {
    Value pid;
    bool ended;
    char reason[256];  /* "normal", "shutdown", "ZeroDivide: division by zero" ... */
    char result[4096]; /* an immediate, String or Array of them as it prints */
} VmJob;

typedef struct VmKit {
    Vm *vm;
    Env real;
    Env env; /* the real world, counting the memory it hands out */
    uint64_t bytes_live;
    EnvSim sim; /* used when `simulated` */
    bool simulated;
    bool started;
    bool quiescent; /* the VM fell silent before the jobs had ended */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Buf out; /* standard output */
    Buf err;
    VmJob jobs[VMKIT_JOBS];
    uint32_t njobs;
    uint32_t nended;
    char notes[4096]; /* diagnostics of the loader */
} VmKit;

typedef struct VmKitOptions {
    uint32_t schedulers; /* 0: two */
    bool simulated;
    uint64_t seed;
    bool bare;   /* no library: only what the test loads itself */
    bool verify; /* heaps are verified after each collection; always in debug builds */
    size_t heap_cap_bytes;
    size_t stack_cap_bytes;
    size_t long_words; /* 0: what MAGGIE_LONG_WORDS says, or the default */
    uint32_t max_processes;
    uint32_t symbols_max;
} VmKitOptions;

/* Ends the test when the library does not load. */
void vmkit_open(VmKit *k, const VmKitOptions *options);
/* Stops, joins and destroys the VM; asserts that all memory came back. */
void vmkit_close(VmKit *k);

/* Loads definitions; asserts that they compile. Also while the VM runs under threads. */
void vmkit_load(VmKit *k, const char *source);
/* Starts a main process that runs a script; answers the job's number. */
uint32_t vmkit_spawn(VmKit *k, const char *script);
/* The same in a domain (NULL: the root domain). */
uint32_t vmkit_spawn_in(VmKit *k, const char *script, Domain *domain);
/* Runs until every job has ended. Asserts that nothing hangs: neither silence before that, nor,
 * under the simulator, more than `vmkit_steps` steps. */
void vmkit_run(VmKit *k);
/* The same, but silence is an answer: true when all jobs ended. */
bool vmkit_run_on(VmKit *k);
/* Under the simulator: at most so many steps. */
void vmkit_steps(VmKit *k, uint64_t steps);

/* Everything in one: asserts how the script ended; `wanted` is compared with its result. */
void vmkit_expect(VmKit *k, const char *script, const char *wanted);

/* A script and the result it must have. */
typedef struct VmProgram {
    const char *what;
    const char *source; /* its last expression is the result */
    const char *wanted;
} VmProgram;
/* Runs programs one after the other in one VM of so many schedulers. */
void vmkit_programs_on_threads(const VmProgram *programs, size_t n, uint32_t schedulers);
/* The same in the simulator, once for each of so many seeds, from MAGGIE_TEST_SEED on (else 1). */
void vmkit_programs_simulated(const VmProgram *programs, size_t n, uint64_t seeds);

/* A result by its job. */
const char *vmkit_result(VmKit *k, uint32_t job);
const char *vmkit_reason(VmKit *k, uint32_t job);
/* A domain of the VM with these rights. */
Domain *vmkit_domain(VmKit *k, uint32_t rights);
/* Sum over schedulers; under threads only after vmkit_stop. */
struct VmCounters vmkit_counters(VmKit *k);
/* Stops and joins the schedulers, so that everything may be looked at. */
void vmkit_stop(VmKit *k);
/* How a value prints in jobs. */
void vmkit_text(const Vm *vm, Value v, char *out, size_t size);

#endif
