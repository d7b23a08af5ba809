/*
 * Follows the framing of HTTP/1 (RFC 9112 §6) through calls of which only the first and last bytes may
 * be known. Where a gap hides where a message ends it says so and waits for one that begins a call.
 */
#include "http1.h"

#include "http1_chunks.h"
#include "http1_pairs.h"

/** What a call hands down to the steps of the parser. */
struct feeding {
    struct scope_http1 *http;
    struct scope_http1_side *side;
    enum scope_http1_direction direction;
    const struct scope_http1_sink *sink;
    uint64_t time_ns;
    enum scope_http1_verdict verdict;
};

static void drop_held(struct scope_http1_side *side, struct scope_memory *memory)
{
    scope_memory_give(memory, side->held);
    side->held = NULL;
    side->held_length = side->held_capacity = side->scanned = 0;
}

static void lose(struct feeding *feeding)
{
    drop_held(feeding->side, feeding->sink->memory);
    feeding->side->state = SCOPE_HTTP1_LOST;
    (*feeding->sink->lost)++;
    if (feeding->http->requests == 1 + feeding->direction) scope_http1_requests_lost(feeding->http);
}

/** Bytes up to and with the empty line that ends a head; 0 if it is not there, `from` then is where to go on. */
static size_t head_end(const char *at, size_t length, size_t *from)
{
    size_t place = *from;
    while (place < length) {
        const char *newline = memchr(at + place, '\n', length - place);
        if (newline == NULL) {
            *from = length;
            return 0;
        }
        size_t next = (size_t)(newline - at) + 1;
        if (next < length && at[next] == '\n') return next + 1;
        if (next + 1 < length && at[next] == '\r' && at[next + 1] == '\n') return next + 2;
        if (next + 1 >= length && (next == length || at[next] == '\r')) {
            *from = next - 1;
            return 0;
        }
        place = next;
    }
    *from = place;
    return 0;
}

static void body_by_headers(struct feeding *feeding, const struct scope_http1_head *head, enum scope_http1_state without_length)
{
    struct scope_http1_side *side = feeding->side;
    side->remaining = 0;
    if (head->chunked) {
        side->state = SCOPE_HTTP1_CHUNK_SIZE;
        side->digits = 0;
        side->in_extension = false;
    } else if (head->coded) {
        side->state = SCOPE_HTTP1_UNTIL_CLOSE;
    } else if (head->bad_length) {
        lose(feeding);
    } else if (head->content_length > 0) {
        side->state = SCOPE_HTTP1_BODY;
        side->remaining = (uint64_t)head->content_length;
    } else {
        side->state = head->content_length == 0 ? SCOPE_HTTP1_START : without_length;
    }
}

static void take_request(struct feeding *feeding, const struct scope_http1_head *head)
{
    body_by_headers(feeding, head, SCOPE_HTTP1_START);
    feeding->side->may_lack_body = head->expects_continue;
    scope_http1_push(feeding->http, head, feeding->side->started_ns, feeding->sink->memory);
    feeding->sink->request(feeding->sink->context, head, feeding->direction == SCOPE_HTTP1_OUT, feeding->time_ns);
}

static void take_response(struct feeding *feeding, const struct scope_http1_head *head)
{
    struct scope_http1_request *request = scope_http1_oldest(feeding->http);
    if (head->status < 200 && head->status != 101) {
        feeding->side->state = SCOPE_HTTP1_START;
        return;
    }
    bool tunnel = head->status == 101 || (request != NULL && request->is_connect && head->status < 300);
    bool no_body = head->status == 204 || head->status == 304 || (request != NULL && request->is_head);
    feeding->side->may_lack_body = request == NULL;
    if (no_body) feeding->side->state = SCOPE_HTTP1_START;
    else body_by_headers(feeding, head, SCOPE_HTTP1_UNTIL_CLOSE);
    if (tunnel) {
        for (int i = 0; i < 2; i++) {
            drop_held(&feeding->http->sides[i], feeding->sink->memory);
            feeding->http->sides[i].state = SCOPE_HTTP1_TUNNEL;
        }
    }
    scope_http1_pop(feeding->http);
    feeding->sink->response(feeding->sink->context, head, request, feeding->direction == SCOPE_HTTP1_IN,
                            feeding->time_ns);
}

/** A head is complete, or cut behind its last whole line. */
static void take_head(struct feeding *feeding, const char *at, size_t length)
{
    struct scope_http1_head head;
    bool undecided = feeding->http->requests == 0;
    uint8_t requests = 1 + (uint8_t)feeding->direction;
    bool is_http = scope_http1_parse_head(at, length, &head);
    if (is_http && head.is_response) requests = 2 - (uint8_t)feeding->direction;
    if (undecided && is_http) feeding->http->requests = requests;
    if (!is_http || feeding->http->requests != requests) {
        if (scope_http1_looks(at, length) == SCOPE_HTTP2_PREFACE) feeding->verdict = SCOPE_HTTP1_IS_HTTP2;
        else if (undecided) feeding->verdict = SCOPE_HTTP1_IS_NOT;
        else lose(feeding);
        return;
    }
    feeding->verdict = SCOPE_HTTP1_IS;
    if (head.is_response) take_response(feeding, &head);
    else take_request(feeding, &head);
}

static void check_start(struct feeding *feeding, const char *at, size_t length)
{
    switch (scope_http1_looks(at, length)) {
    case SCOPE_HTTP1_NOT:
        if (feeding->http->requests == 0) feeding->verdict = SCOPE_HTTP1_IS_NOT;
        else lose(feeding);
        break;
    case SCOPE_HTTP2_PREFACE:
        feeding->verdict = SCOPE_HTTP1_IS_HTTP2;
        break;
    default:
        break;
    }
}

static bool hold(struct feeding *feeding, const char *at, size_t length)
{
    struct scope_http1_side *side = feeding->side;
    size_t needed = side->held_length + length;
    if (needed > side->held_capacity) {
        size_t capacity = needed < 1024 ? 1024 : needed * 2;
        if (capacity > SCOPE_HTTP1_HEAD_MAX) capacity = SCOPE_HTTP1_HEAD_MAX;
        char *held = scope_memory_resize(feeding->sink->memory, side->held, capacity);
        if (held == NULL) return false;
        side->held = held;
        side->held_capacity = (uint32_t)capacity;
    }
    memcpy(side->held + side->held_length, at, length);
    side->held_length = (uint32_t)needed;
    return true;
}

/** Where the last whole line ends. */
static size_t whole_lines(const char *at, size_t length)
{
    while (length > 0 && at[length - 1] != '\n') length--;
    return length;
}

/** What is known of a head whose middle is missing is told; whether its body can be followed shows later. */
static void cut_head(struct feeding *feeding, const char *at, size_t length)
{
    take_head(feeding, at, whole_lines(at, length));
}

/** A head that is larger than what is kept of one: told, but not followed. */
static void give_head_up(struct feeding *feeding, const char *at, size_t length)
{
    cut_head(feeding, at, length);
    bool is_over = feeding->side->state == SCOPE_HTTP1_TUNNEL || feeding->side->state == SCOPE_HTTP1_LOST;
    if (feeding->verdict == SCOPE_HTTP1_IS && !is_over) lose(feeding);
}

static size_t eat_head(struct feeding *feeding, const char *at, size_t length)
{
    struct scope_http1_side *side = feeding->side;
    if (side->held_length == 0) {
        size_t from = 0;
        size_t end = head_end(at, length, &from);
        if (end == 0) {
            check_start(feeding, at, length);
            if (feeding->verdict >= SCOPE_HTTP1_IS_NOT || side->state != SCOPE_HTTP1_HEAD) return length;
            if (length >= SCOPE_HTTP1_HEAD_MAX) give_head_up(feeding, at, SCOPE_HTTP1_HEAD_MAX);
            else if (!hold(feeding, at, length)) lose(feeding);
            else side->scanned = (uint32_t)from;
            return length;
        }
        take_head(feeding, at, end);
        return end;
    }
    size_t before = side->held_length;
    size_t room = SCOPE_HTTP1_HEAD_MAX - before;
    if (!hold(feeding, at, length < room ? length : room)) {
        lose(feeding);
        return length;
    }
    size_t from = side->scanned;
    size_t end = head_end(side->held, side->held_length, &from);
    side->scanned = (uint32_t)from;
    if (end != 0) {
        char *held = side->held;
        side->held = NULL;
        side->held_length = side->held_capacity = side->scanned = 0;
        take_head(feeding, held, end);
        scope_memory_give(feeding->sink->memory, held);
        return end - before;
    }
    check_start(feeding, side->held, side->held_length);
    if (feeding->verdict >= SCOPE_HTTP1_IS_NOT || side->state != SCOPE_HTTP1_HEAD) return length;
    if (length >= room) {
        char *held = side->held;
        size_t held_length = side->held_length;
        side->held = NULL;
        side->held_length = side->held_capacity = side->scanned = 0;
        give_head_up(feeding, held, held_length);
        scope_memory_give(feeding->sink->memory, held);
    }
    return length;
}

/**
 * After a loss: where, behind a head that is not followed, the next message begins. Only there, since
 * within a body anything may look like a message.
 */
static size_t find_next_head(struct feeding *feeding, const char *at, size_t length)
{
    bool responses = feeding->http->requests == 2 - feeding->direction;
    enum scope_http1_start wanted = responses ? SCOPE_HTTP1_RESPONSE : SCOPE_HTTP1_REQUEST;
    size_t from = 0, end;
    while ((end = head_end(at + from, length - from, &(size_t){0})) != 0) {
        from += end;
        if (scope_http1_looks(at + from, length - from) != wanted) continue;
        if (responses) scope_http1_keep_newest(feeding->http);
        feeding->side->state = SCOPE_HTTP1_START;
        return from;
    }
    return length;
}

/** One step; the bytes it used up. */
static size_t eat(struct feeding *feeding, const char *at, size_t length)
{
    struct scope_http1_side *side = feeding->side;
    size_t used, from = 0;
    bool is_bad = false;
    switch ((enum scope_http1_state)side->state) {
    case SCOPE_HTTP1_START:
        if (feeding->http->requests != 0 && (*at == '\r' || *at == '\n')) return 1;
        side->state = SCOPE_HTTP1_HEAD;
        side->started_ns = feeding->time_ns;
        return 0;
    case SCOPE_HTTP1_HEAD:
        return eat_head(feeding, at, length);
    case SCOPE_HTTP1_HEAD_CUT:
        used = head_end(at, length, &from);
        if (used == 0) {
            lose(feeding);
            return length;
        }
        side->state = side->remaining != 0 ? SCOPE_HTTP1_BODY : SCOPE_HTTP1_START;
        return used;
    case SCOPE_HTTP1_BODY:
    case SCOPE_HTTP1_CHUNK_DATA:
        side->may_lack_body = false;
        used = side->remaining < length ? (size_t)side->remaining : length;
        side->remaining -= used;
        if (side->remaining == 0) side->state = side->state == SCOPE_HTTP1_BODY ? SCOPE_HTTP1_START : SCOPE_HTTP1_CHUNK_END;
        return used;
    case SCOPE_HTTP1_CHUNK_SIZE:
        used = scope_chunk_size(side, at, length, &is_bad);
        if (is_bad) lose(feeding);
        return used;
    case SCOPE_HTTP1_CHUNK_END:
        if (*at == '\r') return 1;
        if (*at != '\n') {
            lose(feeding);
            return length;
        }
        side->state = SCOPE_HTTP1_CHUNK_SIZE;
        side->digits = 0;
        side->in_extension = false;
        return 1;
    case SCOPE_HTTP1_TRAILERS:
        return scope_chunk_trailers(side, at, length);
    case SCOPE_HTTP1_CHUNKS_LOST:
        return scope_chunk_find_last(side, at, length);
    case SCOPE_HTTP1_LOST:
        return feeding->http->requests != 0 ? find_next_head(feeding, at, length) : length;
    case SCOPE_HTTP1_UNTIL_CLOSE:
    case SCOPE_HTTP1_TUNNEL:
        return length;
    }
    return length;
}

static void eat_all(struct feeding *feeding, struct scope_slice bytes)
{
    while (bytes.length > 0 && feeding->verdict < SCOPE_HTTP1_IS_NOT) {
        size_t used = eat(feeding, bytes.at, bytes.length);
        bytes.at += used;
        bytes.length -= used;
    }
}

/** Bytes that were moved but are not known. */
static void skip(struct feeding *feeding, uint64_t length)
{
    struct scope_http1_side *side = feeding->side;
    switch ((enum scope_http1_state)side->state) {
    case SCOPE_HTTP1_HEAD: {
        char *held = side->held;
        size_t held_length = side->held_length;
        side->held = NULL;
        side->held_length = side->held_capacity = side->scanned = 0;
        if (held != NULL) cut_head(feeding, held, held_length);
        else lose(feeding);
        scope_memory_give(feeding->sink->memory, held);
        if (feeding->verdict != SCOPE_HTTP1_IS) break;
        if (side->state == SCOPE_HTTP1_START || side->state == SCOPE_HTTP1_BODY) side->state = SCOPE_HTTP1_HEAD_CUT;
        else if (side->state == SCOPE_HTTP1_CHUNK_SIZE) side->state = SCOPE_HTTP1_CHUNKS_LOST;
        else if (side->state == SCOPE_HTTP1_UNTIL_CLOSE && feeding->http->requests == 2 - feeding->direction) side->state = SCOPE_HTTP1_LOST;
        break;
    }
    case SCOPE_HTTP1_BODY:
    case SCOPE_HTTP1_CHUNK_DATA:
        side->may_lack_body = false;
        if (length <= side->remaining) {
            side->remaining -= length;
            if (side->remaining == 0) side->state = side->state == SCOPE_HTTP1_BODY ? SCOPE_HTTP1_START : SCOPE_HTTP1_CHUNK_END;
        } else if (side->state == SCOPE_HTTP1_BODY) {
            lose(feeding);
        } else {
            side->state = SCOPE_HTTP1_CHUNKS_LOST;
        }
        break;
    case SCOPE_HTTP1_CHUNK_SIZE:
    case SCOPE_HTTP1_CHUNK_END:
    case SCOPE_HTTP1_TRAILERS:
        side->state = SCOPE_HTTP1_CHUNKS_LOST;
        break;
    case SCOPE_HTTP1_START:
    case SCOPE_HTTP1_HEAD_CUT:
        if (feeding->http->requests == 0) feeding->verdict = SCOPE_HTTP1_IS_NOT;
        else lose(feeding);
        break;
    case SCOPE_HTTP1_CHUNKS_LOST:
    case SCOPE_HTTP1_UNTIL_CLOSE:
    case SCOPE_HTTP1_TUNNEL:
    case SCOPE_HTTP1_LOST:
        break;
    }
}

/** A call that begins with a message ends a wait, and a body that never came. */
static void resynchronise(struct feeding *feeding, struct scope_slice head)
{
    struct scope_http1_side *side = feeding->side;
    bool responses = feeding->http->requests == 2 - feeding->direction;
    bool waits = side->state == SCOPE_HTTP1_LOST || side->state == SCOPE_HTTP1_CHUNKS_LOST || side->state == SCOPE_HTTP1_HEAD_CUT;
    bool absent = side->state == SCOPE_HTTP1_BODY && side->may_lack_body;
    if (!waits && !absent) return;
    enum scope_http1_start looks = scope_http1_looks(head.at, head.length);
    if (looks != (responses ? SCOPE_HTTP1_RESPONSE : SCOPE_HTTP1_REQUEST)) return;
    if (side->state == SCOPE_HTTP1_LOST && responses) scope_http1_keep_newest(feeding->http);
    side->state = SCOPE_HTTP1_START;
}

enum scope_http1_verdict scope_http1_feed(struct scope_http1 *http, enum scope_http1_direction direction,
                                          struct scope_http1_piece piece, const struct scope_http1_sink *sink)
{
    struct feeding feeding = {
        .http = http,
        .side = &http->sides[direction],
        .direction = direction,
        .sink = sink,
        .time_ns = piece.time_ns,
        .verdict = http->requests != 0 ? SCOPE_HTTP1_IS : SCOPE_HTTP1_UNDECIDED,
    };
    if (http->requests != 0) resynchronise(&feeding, piece.head);
    else if (feeding.side->state == SCOPE_HTTP1_LOST) feeding.side->state = SCOPE_HTTP1_START;
    eat_all(&feeding, piece.head);
    if (piece.gap != 0 && feeding.verdict < SCOPE_HTTP1_IS_NOT) skip(&feeding, piece.gap);
    eat_all(&feeding, piece.tail);
    return feeding.verdict;
}

void scope_http1_gap(struct scope_http1 *http, struct scope_memory *memory)
{
    scope_http1_requests_lost(http);
    for (int i = 0; i < 2; i++) {
        if (http->sides[i].state == SCOPE_HTTP1_TUNNEL) continue;
        drop_held(&http->sides[i], memory);
        if (http->requests != 0) http->sides[i].state = SCOPE_HTTP1_LOST;
        else http->sides[i].state = SCOPE_HTTP1_START;
    }
}

void scope_http1_clear(struct scope_http1 *http, struct scope_memory *memory)
{
    for (int i = 0; i < 2; i++) drop_held(&http->sides[i], memory);
    scope_http1_free_pairs(http, memory);
    *http = (struct scope_http1){0};
}
