/* Where a direction of an HTTP/1 connection is, and the parsing of chunked bodies (RFC 9112 §7.1). */
#ifndef SCOPE_HTTP1_CHUNKS_H
#define SCOPE_HTTP1_CHUNKS_H

#include "http1.h"

enum scope_http1_state {
    SCOPE_HTTP1_START,        /* between messages */
    SCOPE_HTTP1_HEAD,         /* in a head; what came so far may be in `held` */
    SCOPE_HTTP1_HEAD_CUT,     /* in a head whose middle is not known: its end is looked for, `remaining` is kept */
    SCOPE_HTTP1_BODY,         /* `remaining` bytes are left */
    SCOPE_HTTP1_CHUNK_SIZE,
    SCOPE_HTTP1_CHUNK_DATA,   /* `remaining` bytes of this chunk are left */
    SCOPE_HTTP1_CHUNK_END,    /* the line end behind a chunk's data */
    SCOPE_HTTP1_TRAILERS,
    SCOPE_HTTP1_CHUNKS_LOST,  /* somewhere in a chunked body */
    SCOPE_HTTP1_UNTIL_CLOSE,
    SCOPE_HTTP1_TUNNEL,       /* upgraded or CONNECTed: no HTTP/1 any more */
    SCOPE_HTTP1_LOST          /* until a call begins with a message */
};

/** These use up bytes of a side in the state of their name, change it, and say how many they were. */
size_t scope_chunk_size(struct scope_http1_side *, const char *at, size_t length, bool *is_bad);
size_t scope_chunk_trailers(struct scope_http1_side *, const char *at, size_t length);
/** In a body whose chunks are not known: looks for a last chunk, its trailers and, behind them, the end of the bytes or another message. */
size_t scope_chunk_find_last(struct scope_http1_side *, const char *at, size_t length);

#endif
