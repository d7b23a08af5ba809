/* Chunk sizes, trailers, and the search for the end of chunks that a gap has hidden. */
#include "http1_chunks.h"

size_t scope_chunk_size(struct scope_http1_side *side, const char *at, size_t length, bool *is_bad)
{
    side->may_lack_body = false;
    for (size_t i = 0; i < length; i++) {
        char byte = scope_lower(at[i]);
        if (byte == '\n') {
            if (side->digits == 0) {
                *is_bad = true;
                return length;
            }
            side->state = side->remaining != 0 ? SCOPE_HTTP1_CHUNK_DATA : SCOPE_HTTP1_TRAILERS;
            side->line_empty = true;
            return i + 1;
        }
        if (side->in_extension) continue;
        int digit = byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
        if (digit >= 0 && side->digits < 15) {
            side->remaining = side->remaining * 16 + (uint64_t)digit;
            side->digits++;
        } else if (digit < 0 && side->digits > 0 && (byte == ';' || byte == '\r' || byte == ' ' || byte == '\t')) {
            side->in_extension = true;
        } else {
            *is_bad = true;
            return length;
        }
    }
    return length;
}

size_t scope_chunk_trailers(struct scope_http1_side *side, const char *at, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (at[i] == '\n') {
            if (side->line_empty) {
                side->state = SCOPE_HTTP1_START;
                return i + 1;
            }
            side->line_empty = true;
        } else if (at[i] != '\r') {
            side->line_empty = false;
        }
    }
    return length;
}

/** The end of a message whose last chunk's line ends at `begin`, if only another message or nothing follows; else 0. */
static size_t try_last_chunk(struct scope_http1_side *side, const char *at, size_t length, size_t begin)
{
    side->line_empty = true;
    side->state = SCOPE_HTTP1_TRAILERS;
    size_t end = begin + scope_chunk_trailers(side, at + begin, length - begin);
    if (side->state == SCOPE_HTTP1_START) {
        enum scope_http1_start next = scope_http1_looks(at + end, length - end);
        if (end == length || next == SCOPE_HTTP1_REQUEST || next == SCOPE_HTTP1_RESPONSE) return end;
    }
    side->state = SCOPE_HTTP1_CHUNKS_LOST;
    return 0;
}

size_t scope_chunk_find_last(struct scope_http1_side *side, const char *at, size_t length)
{
    static const char last[] = "\r\n0\r\n";
    if (length >= 3 && memcmp(at, last + 2, 3) == 0) {
        size_t end = try_last_chunk(side, at, length, 3);
        if (end != 0) return end;
    }
    /* Bytes that are made to look like ends again and again must not cost more than bytes do. */
    int tries = 32;
    for (size_t i = 0; i + sizeof last - 1 <= length && tries > 0; i++) {
        const char *candidate = memchr(at + i, '\r', length - i - (sizeof last - 2));
        if (candidate == NULL) break;
        i = (size_t)(candidate - at);
        if (memcmp(candidate, last, sizeof last - 1) != 0) continue;
        tries--;
        size_t end = try_last_chunk(side, at, length, i + sizeof last - 1);
        if (end != 0) return end;
    }
    return length;
}
