/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_authority.c - every primitive that touches the outside world asks the domain of its
 * process (D20): called without the right it signals RestrictedAuthority and does nothing.
 * Threads: the VM's own. */
#include "vmkit.h"

/* "receiver selector: nil with: nil" with a receiver of the primitive's class. */
static void send_text(const PrimEntry *e, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "%s ",
                                 strcmp(e->cls, "Class") == 0     ? "Object"
                                 : strcmp(e->cls, "Object") == 0  ? "Object new"
                                 : strcmp(e->cls, "Process") == 0 ? "Process current"
                                 : strcmp(e->cls, "CancellationContext") == 0
                                     ? "CancellationContext withCancel"
                                 : strcmp(e->cls, "TraceSession") == 0 ? "TraceSession basicNew"
                                                                       : "");
    if (at == 1) {
        const char *side = strstr(e->cls, " class");
        assert_non_null(side); /* a class not known above: say how to make a receiver */
        at = (size_t)snprintf(out, size, "%.*s ", (int)(side - e->cls), e->cls);
    }
    for (const char *s = e->selector; *s && at + 8 < size; s++) {
        out[at++] = *s;
        if (*s == ':')
            at += (size_t)snprintf(out + at, size - at, " nil ");
    }
    out[at] = 0;
}

typedef struct Call {
    uint32_t job;
    const PrimEntry *entry;
} Call;

static const char *right_name(uint32_t bit)
{
    static const char *const names[] = {"fileRead",    "fileWrite",  "output",  "input",
                                        "environment", "osProcess",  "network", "node",
                                        "code",        "reflection", "clock"};
    return names[__builtin_ctz(bit)];
}

static void no_right_no_effect(void **state)
{
    (void)state;
    VmKit k;
    Call calls[VMKIT_JOBS];
    uint32_t n = 0;
    vmkit_open(&k, NULL);
    for (const PrimEntry *e = prim_all(); e->cls; e++) {
        for (uint32_t bit = 1; bit & AUTH_ALL; bit <<= 1) {
            char send[300], script[1000];
            if (!(e->authority & bit))
                continue;
            send_text(e, send, sizeof send);
            /* in a fork, since domains are inherited */
            snprintf(script, sizeof script,
                     "[[%s. #done] on: RestrictedAuthority do: [:e | e messageText]] fork wait",
                     send);
            calls[n].entry = e;
            calls[n++].job = vmkit_spawn_in(&k, script, vmkit_domain(&k, AUTH_ALL & ~bit));
            vmkit_run(&k);
            const char *text = vmkit_result(&k, calls[n - 1].job);
            if (!strstr(text, right_name(bit)))
                fprintf(stderr, "%s: %s\n", send, text);
            assert_non_null(strstr(text, right_name(bit)));
        }
    }
    assert_true(n > 40);
    assert_int_equal(k.out.len, 0);
    assert_false(k.vm->exit_requested);
    vmkit_close(&k);
}

/* Nothing but the receiver's class decides which primitive runs, so detours meet the same check. */
static void there_is_no_way_around(void **state)
{
    (void)state;
    static const char *const detours[] = {
        "System perform: #pid",
        "System perform: #pid withArguments: #()",
        "System class == nil. [System pid] value",
        "(Array with: System) first pid",
        "[[System pid] fork wait. System pid] ensure: [nil]",
        "Mine pid",
        "Mine viaSuper",
        ("[System pid] on: Error do: [:e | e class == RestrictedAuthority ifTrue: [e retryUsing: "
         "[System pid]]]"),
    };
    VmKit k;
    vmkit_open(&k, NULL);
    vmkit_load(&k, "Mine subclass: System\n  classMethod: viaSuper [ ^super pid ]\n");
    Domain *d = vmkit_domain(&k, AUTH_ALL & ~(uint32_t)AUTH_ENV);
    for (size_t i = 0; i < sizeof detours / sizeof *detours; i++) {
        uint32_t job = vmkit_spawn_in(&k, detours[i], d);
        vmkit_run(&k);
        assert_non_null(strstr(vmkit_reason(&k, job), "RestrictedAuthority"));
    }
    vmkit_expect(&k, "System pid > 0", "true");
    vmkit_close(&k);
}

static void a_child_holds_no_more_than_its_parent(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.simulated = true, .seed = 1});
    Domain *d = vmkit_domain(&k, AUTH_ALL & ~(uint32_t)AUTH_CLOCK);
    uint32_t job = vmkit_spawn_in(
        &k, "[[[System epochSeconds] on: RestrictedAuthority do: [:e | #no]] fork wait] fork wait",
        d);
    /* a message does not carry rights either: the block runs with those of its process */
    uint32_t free_job = vmkit_spawn(&k, "[[System epochSeconds > 0] fork wait] fork wait");
    vmkit_run(&k);
    assert_string_equal(vmkit_result(&k, job), "no");
    assert_string_equal(vmkit_result(&k, free_job), "true");
    vmkit_close(&k);
}

TESTKIT_MAIN(cmocka_unit_test(no_right_no_effect), cmocka_unit_test(there_is_no_way_around),
             cmocka_unit_test(a_child_holds_no_more_than_its_parent))
