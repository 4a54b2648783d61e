/* SPDX-License-Identifier: Apache-2.0 */
/* info.h - the form in which a process tells of itself: an Array of INFO_SLOTS with a ByteArray of
 * INFO_TEXT_BYTES in its first slot. stdlib/ProcessInfo.mag makes and reads it, with indices one
 * higher. */
#ifndef MAGGIE_INFO_H
#define MAGGIE_INFO_H

#include "inspect.h"
#include "interp_int.h"
#include "links.h"

#define INFO_PC_BITS 24
#define INFO_FRAMES_MAX 64u
#define INFO_BONDS_MAX 64u /* links or monitors told */
#define INFO_NAMES_MAX 16u
#define INFO_OBJECTS_MAX 8u
#define INFO_ASKED_MAX 16u
#define INFO_LABEL_AT 192u /* in the text; what is waited for stands in front of it */
#define INFO_TEXT_BYTES (INFO_LABEL_AT + 64u)

enum {
    INFO_TEXT,
    INFO_WAIT,       /* ProcessWait */
    INFO_WAIT_BYTES, /* of the text */
    INFO_WAIT_NUMBER,
    INFO_BLOCKER, /* see info_blocker; nil also when an exit may end the wait as an exception */
    INFO_LABEL_BYTES,
    INFO_HEAP_BYTES,
    INFO_MESSAGES,
    INFO_REDUCTIONS,
    INFO_PRIORITY,
    INFO_TRAPS,
    INFO_PARENT,
    INFO_CALLEE, /* the primitive it waits in, or the method about to be entered, as a frame */
    INFO_NFRAMES,
    INFO_MORE_FRAMES, /* the stack is deeper */
    INFO_NLINKS,      /* how many there are; no more than INFO_BONDS_MAX are told */
    INFO_NWATCHING,
    INFO_NWATCHED,
    INFO_NNAMES,
    INFO_MAIL_LIMIT, /* or nil */
    INFO_MAIL_DROPPED,
    INFO_MAIL_REFUSED,
    INFO_FRAMES, /* innermost first: number of the code << INFO_PC_BITS | instruction */
    INFO_LINKS = INFO_FRAMES + INFO_FRAMES_MAX,
    INFO_WATCHING = INFO_LINKS + INFO_BONDS_MAX,
    INFO_WATCHED = INFO_WATCHING + INFO_BONDS_MAX,
    INFO_NAMES = INFO_WATCHED + INFO_BONDS_MAX,
    /* Handles of counted code, the callee's first: as long as somebody has the form, the numbers of
     * its frames mean this code. */
    INFO_CODES = INFO_NAMES + INFO_NAMES_MAX,
    /* What it waits for, if only those can end the wait who have handles: number, counts in all. */
    INFO_NOBJECTS = INFO_CODES + 1 + INFO_FRAMES_MAX,
    INFO_OBJECTS,
    /* Filled in by who asks: numbers of such objects. The answer: how many counts of each are its
     * own; or nil, it has too many handles. */
    INFO_NASKED = INFO_OBJECTS + 2 * INFO_OBJECTS_MAX,
    INFO_ASKED,
    INFO_SLOTS = INFO_ASKED + INFO_ASKED_MAX
};

_Static_assert(INFO_NOBJECTS == 359 && INFO_NASKED == 376, "as ProcessInfo.mag reads it");
_Static_assert(INFO_SLOTS == 393 && INFO_FRAMES == 22, "as ProcessInfo.mag reads it");
_Static_assert(1 + INFO_FRAMES_MAX <= INSPECT_HOLDS_MAX, "there is room to hold them");

/* ActorConfig.info */
int32_t info_fill(void *ctx, ActorCtx *cx, Process *p, Fragment *form);
bool info_form_is_valid(Value form);
/* The process that p waits for: that must end, release a lock, receive, reply, settle a promise
 * before p's wait can end by itself, as far as is known; or VALUE_NIL. By the owner of p, or when
 * nothing runs. */
Value info_blocker(const Process *p);

#endif
