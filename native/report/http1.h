/*
 * One HTTP/1 connection as seen from one of its ends: finds the messages in both directions, whose
 * bodies it only counts, and pairs each response with its request.
 */
#ifndef SCOPE_HTTP1_H
#define SCOPE_HTTP1_H

#include "http1_head.h"
#include "memory.h"

/** Bytes of one head that are kept when it comes in pieces. */
#define SCOPE_HTTP1_HEAD_MAX (64u * 1024u)
/** Requests of one connection that can wait for their responses; later ones are only counted. */
#define SCOPE_HTTP1_WAITING_MAX 1024u

enum scope_http1_direction { SCOPE_HTTP1_IN, SCOPE_HTTP1_OUT };

/** What a response takes over from its request. */
struct scope_http1_request {
    uint64_t started_ns;
    int64_t content_length; /* -1: none was named */
    bool is_head, is_connect;
    struct scope_slice method, target, host, user_agent, client_ip, x_appscope;
    char *text; /* where the slices point to */
    size_t capacity;
};

struct scope_http1_sink {
    void *context;
    void (*request)(void *context, const struct scope_http1_head *, bool is_client, uint64_t time_ns);
    /** `request`: NULL if it was not seen. Interim responses (1xx) are not told. */
    void (*response)(void *context, const struct scope_http1_head *, const struct scope_http1_request *request,
                     bool is_client, uint64_t time_ns);
    struct scope_memory *memory;
    /** Counts messages that could not be followed. */
    uint64_t *lost;
};

struct scope_http1_side {
    uint8_t state;
    bool may_lack_body; /* a head stands where the body was expected, if it looks so */
    bool line_empty;  /* of a trailer */
    bool in_extension; /* of a chunk's size */
    uint8_t digits;
    uint64_t remaining;
    uint64_t started_ns;
    char *held;
    uint32_t held_length, scanned;
    uint32_t held_capacity;
};

struct scope_http1 {
    struct scope_http1_side sides[2];
    /** 1 + the direction in which requests go; 0: not decided. */
    uint8_t requests;
    struct scope_http1_request *waiting; /* ring */
    uint32_t first, count, capacity;
    uint32_t uncounted; /* requests behind the ring of which nothing is known */
    bool is_pipelined;  /* requests have been sent before the last one was answered */
    bool is_unpaired;   /* and some of them were lost: nobody knows any more which response is whose */
};

enum scope_http1_verdict { SCOPE_HTTP1_UNDECIDED, SCOPE_HTTP1_IS, SCOPE_HTTP1_IS_NOT, SCOPE_HTTP1_IS_HTTP2 };

/** Bytes of one call: the first ones, a number of unknown ones, the last ones. */
struct scope_http1_piece {
    struct scope_slice head;
    uint64_t gap;
    struct scope_slice tail;
    uint64_t time_ns;
};

/** After IS_NOT or IS_HTTP2 the connection has to be cleared and fed no more. */
enum scope_http1_verdict scope_http1_feed(struct scope_http1 *, enum scope_http1_direction, struct scope_http1_piece,
                                          const struct scope_http1_sink *);
/** Something of this connection was lost: wait for the beginning of a message. */
void scope_http1_gap(struct scope_http1 *, struct scope_memory *);
/** Gives all memory back and forgets everything. */
void scope_http1_clear(struct scope_http1 *, struct scope_memory *);

#endif
