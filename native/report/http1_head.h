/* The head of one HTTP/1 message: its first line and the headers that matter to events and to framing. */
#ifndef SCOPE_HTTP1_HEAD_H
#define SCOPE_HTTP1_HEAD_H

#include "slice.h"

struct scope_http1_head {
    bool is_response;
    int minor; /* of HTTP/1.x */
    int status;
    struct scope_slice method, target, reason;
    struct scope_slice host, user_agent, client_ip, x_appscope;
    /** The lines after the first one. */
    struct scope_slice headers;
    int64_t content_length; /* -1: none */
    bool chunked;           /* the last transfer coding */
    bool coded;             /* there is a Transfer-Encoding */
    bool bad_length;        /* Content-Length headers that contradict each other or are no numbers */
    bool expects_continue;
    bool close;             /* Connection: close */
};

enum scope_http1_start {
    SCOPE_HTTP1_NOT,
    SCOPE_HTTP1_MAYBE, /* too short to say */
    SCOPE_HTTP1_REQUEST,
    SCOPE_HTTP1_RESPONSE,
    SCOPE_HTTP2_PREFACE
};

/** What a message that starts with these bytes may be, by its first line as far as it is there. */
enum scope_http1_start scope_http1_looks(const char *at, size_t length);

/** Parses a whole head, its empty last line included. False: not HTTP/1. */
bool scope_http1_parse_head(const char *at, size_t length, struct scope_http1_head *);

/**
 * Steps through header lines: false at the end. `line` is the whole line without its end, `name`
 * and `value` its trimmed parts; a folded line belongs to the value before it.
 */
struct scope_http1_header {
    struct scope_slice line, name, value;
};
bool scope_http1_next_header(struct scope_slice *rest, struct scope_http1_header *);

#endif
