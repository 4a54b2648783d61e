/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - the one list of status codes: what a fallible function answers.
 * Results travel through out parameters; a Status must be looked at (MUST_CHECK).
 * Threads: constants and pure functions only. */
#ifndef MAGGIE_STATUS_H
#define MAGGIE_STATUS_H

/* Put on functions whose answer must not be dropped. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* X(code, name, text): `name` is stable and may be matched by tools; `text` is for people. */
#define STATUS_LIST(X)                                                                             \
    X(STATUS_OK, "ok", "no error")                                                                 \
    X(STATUS_NO_MEMORY, "noMemory", "out of memory")                                               \
    X(STATUS_LIMIT, "limit", "a configured limit was exceeded")                                    \
    X(STATUS_SYMBOL_LIMIT, "symbolLimit", "the symbol table is full")                              \
    X(STATUS_HEAP_LIMIT, "heapLimit", "the heap limit of the process was exceeded")                \
    X(STATUS_STACK_LIMIT, "stackLimit", "the stack limit of the process was exceeded")             \
    X(STATUS_PROCESS_LIMIT, "processLimit", "too many processes")                                  \
    X(STATUS_HEAP_FULL, "heapFull", "the heap needs a collection first")                           \
    X(STATUS_COPY_TOO_BIG, "copyTooBig", "the value is too big to be copied to another process")   \
    X(STATUS_COPY_LONG, "copyLong", "the value is too big to be copied at once")                   \
    X(STATUS_TOO_BIG, "tooBig", "the object or number would be too big")                           \
    X(STATUS_TOO_DEEP, "tooDeep", "nested too deeply")                                             \
    X(STATUS_BAD_ARGUMENT, "badArgument", "an argument has the wrong kind or value")               \
    X(STATUS_OUT_OF_RANGE, "outOfRange", "an index or number is out of range")                     \
    X(STATUS_BAD_UTF8, "badUtf8", "the bytes are not valid UTF-8")                                 \
    X(STATUS_SYNTAX, "syntax", "the source text is not valid")                                     \
    X(STATUS_BAD_CODE, "badCode", "the bytecode is not valid")                                     \
    X(STATUS_BAD_IMAGE, "badImage", "the image is damaged or of another version")                  \
    X(STATUS_FROZEN, "frozen", "the object is immutable")                                          \
    X(STATUS_NOT_SENDABLE, "notSendable", "the value cannot leave its process")                    \
    X(STATUS_NOT_FOUND, "notFound", "not found")                                                   \
    X(STATUS_EXISTS, "exists", "exists already")                                                   \
    X(STATUS_NO_PROCESS, "noproc", "there is no such process")                                     \
    X(STATUS_CLOSED, "closed", "closed")                                                           \
    X(STATUS_BUSY, "busy", "busy")                                                                 \
    X(STATUS_TIMEOUT, "timeout", "timed out")                                                      \
    X(STATUS_CANCELLED, "cancelled", "cancelled")                                                  \
    X(STATUS_DENIED, "denied", "the process lacks the authority")                                  \
    X(STATUS_END, "end", "end of input")                                                           \
    X(STATUS_IO, "io", "input or output failed")                                                   \
    X(STATUS_SYSTEM, "system", "the operating system refused")                                     \
    X(STATUS_UNSUPPORTED, "unsupported", "not supported here")                                     \
    X(STATUS_INTERNAL, "internal", "an internal invariant does not hold")

typedef enum Status {
#define STATUS_ENUM(code, name, text) code,
    STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
        STATUS_COUNT
} Status;

/* Answers the text for people; never NULL, also for a number outside the list. */
const char *status_text(Status status);

/* Answers the stable name (a symbol's spelling); never NULL. */
const char *status_name(Status status);

/* Leaves the calling function with the status of `expr` unless it is STATUS_OK. */
#define STATUS_FORWARD(expr)                                                                       \
    do {                                                                                           \
        Status status_forward_ = (expr);                                                           \
        if (status_forward_ != STATUS_OK)                                                          \
            return status_forward_;                                                                \
    } while (0)

#endif
