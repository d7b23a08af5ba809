/*
 * Text that a program writes to its console or to a log, gathered so that an event holds more than a
 * line's fragment: until 32 KiB, 2 s, or the end.
 */
#ifndef SCOPE_TEXT_H
#define SCOPE_TEXT_H

#include "memory.h"
#include "slice.h"

#define SCOPE_TEXT_MAX 32768u
#define SCOPE_TEXT_WAIT_NS 2000000000u

struct scope_text_buffer {
    char *bytes;
    uint32_t length, capacity;
    uint64_t first_ns;
    /** Bytes that capture cut off. */
    uint64_t missing;
    /** Binary has been noticed and not been followed by text yet. */
    bool binary;
};

struct scope_text_event {
    struct scope_slice message;
    uint64_t time_ns, missing;
};

typedef void scope_gather_tell(void *context, const struct scope_text_event *);

struct scope_text_write {
    struct scope_slice bytes;
    uint64_t length; /* of what the program wrote; >= bytes.length */
    uint64_t time_ns;
    bool binary_matters;
};

void scope_gather_add(struct scope_text_buffer *, struct scope_text_write, struct scope_memory *, scope_gather_tell *,
                    void *context);
/** Tells what has been gathered, if anything. */
void scope_gather_flush(struct scope_text_buffer *, scope_gather_tell *, void *context);
void scope_gather_free(struct scope_text_buffer *, struct scope_memory *);
/** Judged by the first 256 bytes: printable, white space, ESC or UTF-8 is text. */
bool scope_is_binary(struct scope_slice);

#endif
