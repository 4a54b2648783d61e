/* SPDX-License-Identifier: Apache-2.0 */
/* link_mutants.h - mistakes of the signal layer, built on purpose for tests that must see them.
 *
 * With MAGGIE_LINK_MUTANTS defined, a node makes the mistake that ActorConfig.link_mutant names;
 * without it all of this is nothing. See tests/mutants/meson.build. */
#ifndef MAGGIE_LINK_MUTANTS_H
#define MAGGIE_LINK_MUTANTS_H

#define LINK_MUTANT_LIST(X)                                                                        \
    X(DOWN_DROPPED)         /* a watcher is not told */                                            \
    X(DOWN_DOUBLE)          /* a watcher is told twice */                                          \
    X(DOWN_AFTER_DEMONITOR) /* a down on the way arrives after demonitor */                        \
    X(DOWN_AFTER_RESULT)    /* wait returns before the down is there */                            \
    X(DOWN_RESULT_LOST)     /* the down does not carry the result */                               \
    X(DEMONITOR_LOST)       /* the watched process keeps its entry */                              \
    X(PAIR_SWAPPED)         /* two signals are handled in the wrong order */                       \
    X(WAKEUP_LOST)          /* the exit of a linked process does not wake who waits */             \
    X(EXIT_UNLINKED)        /* an exit reaches who is not linked */                                \
    X(EXIT_DOUBLE)          /* an exit is delivered twice */                                       \
    X(EXIT_LAST_WINS)       /* a later exit replaces the first reason */                           \
    X(LINK_ONE_SIDE)        /* the other end makes no entry */                                     \
    X(LINK_TAKEN_BACK)      /* a LINK that crosses our UNLINK makes a link at our end */           \
    X(RELINK_FORGOTTEN)     /* to link again does not end the unlinking */                         \
    X(UNLINK_NO_ACK)        /* UNLINK is not acknowledged */                                       \
    X(UNLINK_ONE_SIDE)      /* UNLINK does not remove the entry */                                 \
    X(ACK_OF_OTHER)         /* an old acknowledgement ends a new unlinking, or a link */           \
    X(NORMAL_KILLS)         /* a normal end goes along links */                                    \
    X(NORMAL_NOT_TOLD)      /* a trapper is not told of normal ends */                             \
    X(TRAP_IGNORED)         /* a linked process ends though it traps */                            \
    X(KILL_TRAPPED)         /* kill becomes a message */                                           \
    X(KILL_REASON)          /* those linked with a killed process see another reason */            \
    X(ORIGIN_LOST)          /* who was ended by a link does not know by whom */                    \
    X(REASON_LOST)          /* a link passes on another reason */                                  \
    X(NOPROC_MISSING)       /* a link or monitor with the dead is silent */                        \
    X(REQUEST_LOST)         /* what another process asks for is not done */                        \
    X(NAME_KEPT)            /* a name is not given back at the end */                              \
    X(NAME_LATE)            /* a name is given back after others are told of the end */            \
    X(NAME_STOLEN)          /* a name of a live process is given away */

enum {
    LINK_MUTANT_NONE,
#define LINK_MUTANT_ENUM(name) LINK_MUTANT_##name,
    LINK_MUTANT_LIST(LINK_MUTANT_ENUM)
#undef LINK_MUTANT_ENUM
        LINK_MUTANT_END
};

#ifdef MAGGIE_LINK_MUTANTS
#include <stdlib.h>
#include <string.h>
/* The number of a mutant's name; an unknown one ends the program. */
static inline unsigned link_mutant_number(const char *name)
{
    static const char *const names[] = {"",
#define LINK_MUTANT_NAME(name) #name,
                                        LINK_MUTANT_LIST(LINK_MUTANT_NAME)
#undef LINK_MUTANT_NAME
    };
    for (unsigned i = 0; name && i < LINK_MUTANT_END; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    if (name)
        abort();
    return LINK_MUTANT_NONE;
}
#define LINK_MUTANT(node, name) ((node)->config.link_mutant == LINK_MUTANT_##name)
#else
#define LINK_MUTANT(node, name) ((void)(node), false)
#endif

#endif
