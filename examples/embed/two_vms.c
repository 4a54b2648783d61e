/* SPDX-License-Identifier: Apache-2.0 */
/* two_vms.c - two Maggie machines in one OS process, run at the same time by two threads.
 *
 *     cc two_vms.c $(pkg-config --cflags --libs libmaggie) -o two_vms
 *
 * Each defines a class of the same name with another meaning, sets a global of the same name,
 * starts processes that exchange messages and items of channels, and handles an exception; neither
 * sees anything of the other. Exit status 0 when all answers are right. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <maggie.h>

typedef struct Side {
    const char *name;
    int factor;
    int wrong; /* answers that were not as expected */
} Side;

static void expect(Side *side, Maggie *m, const char *text, const char *wanted)
{
    MaggieResult *r;
    MaggieStatus status = maggie_evaluate(m, text, 60000, &r);
    if (status != MAGGIE_OK || strcmp(maggie_result_text(r), wanted) != 0) {
        side->wrong++;
        printf("%s: %s\n  wanted %s, got %s (%s)\n", side->name, text, wanted,
               maggie_result_text(r), maggie_status_text(status));
    }
    maggie_result_free(r);
}

static void *run_side(void *arg)
{
    Side *side = arg;
    Maggie *m;
    char text[320], wanted[32];
    MaggieOptions options = {.schedulers = 2};
    MaggieStatus status = maggie_create(&options, &m);
    if (status != MAGGIE_OK) {
        printf("%s: %s\n", side->name, maggie_status_text(status));
        side->wrong++;
        return NULL;
    }
    snprintf(text, sizeof text, "Scale subclass: Object\n  classMethod: of: n [ ^n * %d ]\n",
             side->factor);
    if (maggie_load_text(m, "scale.mag", text, strlen(text)) != MAGGIE_OK)
        side->wrong++;
    snprintf(text, sizeof text, "Compiler setGlobal: #Factor to: %d", side->factor);
    snprintf(wanted, sizeof wanted, "%d", side->factor);
    expect(side, m, text, wanted);
    for (int round = 1; round <= 20; round++) {
        snprintf(text, sizeof text, "Scale of: %d", round);
        snprintf(wanted, sizeof wanted, "%d", round * side->factor);
        expect(side, m, text, wanted);
        /* a hundred processes, each answers by a message */
        snprintf(text, sizeof text,
                 "| me | me := Process current. "
                 "(1 to: 100) do: [:i | [me send: (Scale of: i)] fork]. "
                 "(1 to: 100) inject: 0 into: [:sum :each | sum + Process receive payload]");
        snprintf(wanted, sizeof wanted, "%d", 5050 * side->factor);
        expect(side, m, text, wanted);
        /* the same over a channel, with a time limit on each answer */
        snprintf(text, sizeof text,
                 "| ch | ch := Channel new. "
                 "(1 to: 100) do: [:i | [ch send: (Scale of: i)] fork]. "
                 "(1 to: 100) inject: 0 into: [:sum :each | sum + (Channel select: "
                 "{ch -> [:n | n]. Channel after: 60000 do: [-1]})]");
        expect(side, m, text, wanted);
        expect(side, m, "[1 / 0] on: ZeroDivide do: [:e | e return: e messageText]",
               "'division by zero'");
        snprintf(wanted, sizeof wanted, "%d", side->factor);
        expect(side, m, "Factor", wanted);
    }
    if (maggie_destroy(m) != MAGGIE_OK)
        side->wrong++;
    return NULL;
}

int main(void)
{
    Side sides[2] = {{"first", 2, 0}, {"second", 3, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, run_side, &sides[i]) != 0)
            return 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    int wrong = sides[0].wrong + sides[1].wrong;
    printf(wrong ? "%d answers were wrong\n" : "two machines, no interference\n", wrong);
    return wrong ? 1 : 0;
}
