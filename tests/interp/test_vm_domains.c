/* SPDX-License-Identifier: Apache-2.0 */
/* test_vm_domains.c - domains: equal ones are one, they only get narrower, their number is limited,
 * and threads that make them at the same time agree. */
#include "vmkit.h"

#include <pthread.h>

static Domain *narrow(VmKit *k, Domain *from, const uint32_t *names, size_t n, uint32_t rights)
{
    Domain *d = NULL;
    assert_ok(domain_narrow(k->vm, from, names, n, rights, &d));
    return d;
}

static void equal_domains_are_one_in_any_order_of_names(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.bare = true});
    Domain *root = k.vm->root_domain;
    uint32_t up[] = {5, 9, 700}, down[] = {700, 5, 9, 5, 700};
    Domain *d = narrow(&k, root, up, 3, AUTH_ALL);
    assert_ptr_equal(narrow(&k, root, down, 5, AUTH_ALL), d);
    assert_int_equal(d->nhidden, 3);
    Domain *half = narrow(&k, root, up, 2, AUTH_ALL);
    assert_ptr_equal(narrow(&k, half, up + 2, 1, UINT32_MAX), d);
    assert_ptr_not_equal(narrow(&k, root, up, 3, AUTH_OUTPUT), d);
    assert_int_equal(k.vm->ndomains, 3);
    assert_true(domain_hides(d, 5) && domain_hides(d, 9) && domain_hides(d, 700));
    assert_false(domain_hides(d, 6) || domain_hides(d, 1) || domain_hides(d, 701));
    vmkit_close(&k);
}

static void what_takes_nothing_away_is_the_same_domain(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.bare = true});
    uint32_t name = 5;
    Domain *root = k.vm->root_domain;
    assert_ptr_equal(narrow(&k, root, NULL, 0, AUTH_ALL), root);
    Domain *d = narrow(&k, root, &name, 1, AUTH_OUTPUT);
    assert_ptr_equal(narrow(&k, d, &name, 1, AUTH_OUTPUT | AUTH_CLOCK), d);
    assert_ptr_equal(narrow(&k, d, NULL, 0, AUTH_ALL), d);
    vmkit_close(&k);
}

static void rights_are_never_regained(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.bare = true});
    Domain *d = narrow(&k, k.vm->root_domain, NULL, 0, AUTH_OUTPUT | AUTH_CLOCK);
    assert_int_equal(narrow(&k, d, NULL, 0, AUTH_CLOCK | AUTH_NETWORK)->rights, AUTH_CLOCK);
    assert_int_equal(narrow(&k, d, NULL, 0, AUTH_NETWORK)->rights, AUTH_NONE);
    vmkit_close(&k);
}

static void names_and_domains_are_limited(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.bare = true});
    static const uint32_t none;
    uint32_t names[DOMAIN_NAMES_MAX + 1];
    Domain *d, *root = k.vm->root_domain;
    for (uint32_t i = 0; i <= DOMAIN_NAMES_MAX; i++)
        names[i] = 3 * i + 1;
    assert_int_equal(domain_narrow(k.vm, root, names, DOMAIN_NAMES_MAX + 1, AUTH_ALL, &d),
                     STATUS_LIMIT);
    Domain *full = narrow(&k, root, names, DOMAIN_NAMES_MAX, AUTH_ALL);
    assert_int_equal(domain_narrow(k.vm, full, &none, 1, AUTH_ALL, &d), STATUS_LIMIT);
    assert_ptr_equal(narrow(&k, full, names, 7, AUTH_ALL), full);
    while (k.vm->ndomains < DOMAINS_MAX)
        narrow(&k, root, &(uint32_t){k.vm->ndomains + 10}, 1, AUTH_ALL);
    assert_int_equal(domain_narrow(k.vm, root, &none, 1, AUTH_ALL, &d), STATUS_LIMIT);
    assert_ptr_equal(narrow(&k, root, names, DOMAIN_NAMES_MAX, AUTH_ALL), full);
    vmkit_close(&k);
}

#define MAKERS 4
#define MAKES 500

typedef struct Maker {
    VmKit *k;
    Domain *made[MAKES];
} Maker;

static void *make_domains(void *arg)
{
    Maker *m = arg;
    for (uint32_t i = 0; i < MAKES; i++)
        m->made[i] = narrow(m->k, m->k->vm->root_domain, &(uint32_t){i % 100 + 1}, 1, AUTH_ALL);
    return NULL;
}

static void threads_agree_on_domains(void **state)
{
    (void)state;
    VmKit k;
    vmkit_open(&k, &(VmKitOptions){.bare = true});
    Maker makers[MAKERS];
    pthread_t threads[MAKERS];
    for (int i = 0; i < MAKERS; i++) {
        makers[i].k = &k;
        assert_int_equal(pthread_create(&threads[i], NULL, make_domains, &makers[i]), 0);
    }
    for (int i = 0; i < MAKERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(k.vm->ndomains, 100);
    for (int i = 1; i < MAKERS; i++)
        assert_memory_equal(makers[i].made, makers[0].made, sizeof makers[0].made);
    vmkit_close(&k);
}

TESTKIT_MAIN(cmocka_unit_test(equal_domains_are_one_in_any_order_of_names),
             cmocka_unit_test(what_takes_nothing_away_is_the_same_domain),
             cmocka_unit_test(rights_are_never_regained),
             cmocka_unit_test(names_and_domains_are_limited),
             cmocka_unit_test(threads_agree_on_domains))
