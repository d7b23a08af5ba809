/*
 * HTTP requests by what they were for, summed over a period. The number of targets and of status codes
 * is bounded; what does not fit is summed under no target, no code.
 */
#ifndef SCOPE_TARGETS_H
#define SCOPE_TARGETS_H

#include "memory.h"
#include "slice.h"

#define SCOPE_TARGETS_MAX 1024u
#define SCOPE_TARGET_CODES 64u
#define SCOPE_TARGET_BYTES 1024u
/** Stands for the targets that did not fit. */
#define SCOPE_TARGET_OTHERS "(others)"

struct scope_sum {
    uint64_t total, count;
};

struct scope_target {
    struct scope_target *next;  /* of the same bucket */
    struct scope_target *after; /* in the order of arrival */
    uint64_t hash;
    struct scope_sum server_ns, client_ns, request_bytes, response_bytes;
    struct {
        uint16_t code; /* 0: the rest */
        uint64_t count;
    } *codes;
    uint16_t code_count, code_capacity;
    uint16_t length;
    char text[];
};

struct scope_targets {
    struct scope_memory *memory;
    struct scope_target **buckets;
    struct scope_target *first, *last, *others;
    uint32_t count;
};

struct scope_exchange {
    struct scope_slice target; /* with its query */
    uint16_t code;
    bool is_client, is_timed;
    uint64_t duration_ns;
    int64_t request_bytes, response_bytes; /* -1: not known */
};

void scope_targets_add(struct scope_targets *, const struct scope_exchange *);
void scope_targets_clear(struct scope_targets *);

#endif
