/*
 * Bytes on sockets: what is on a channel is decided from the first of them, once, and from then on
 * each call leaves as many bytes in a record as the report needs of that kind, which is mostly none.
 */
#include "transfer.h"

#include <errno.h>
#include <string.h>

#include "socket.h"

#define DNS_PORT 53
#define STATSD_PORT 8125
/** Calls that may go by on a channel whose beginning we have not seen before it counts as opaque. */
#define MOST_TRIES 8
/** Bytes kept of the end of a large buffer, where a chunked body ends, and of the start of one within a body. */
#define EDGE 256u

static uint32_t head_limit(void) {
    return scope_wants.data_head ? scope_wants.data_head : 4096;
}

static const char *const methods[] = {
    "GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE ",
    "PROPFIND ", "PROPPATCH ", "MKCOL ", "COPY ", "MOVE ", "LOCK ", "UNLOCK ", "REPORT ", "SEARCH ", "PURGE ", "HTTP/1.",
};
static const char preface[] = "PRI * HTTP/2.0";

static bool begins(const unsigned char *bytes, size_t length, const char *word, bool *partly) {
    size_t word_length = strlen(word);
    if (length >= word_length) return memcmp(bytes, word, word_length) == 0;
    if (memcmp(bytes, word, length) == 0) *partly = true;
    return false;
}

static bool begins_http1(const unsigned char *bytes, size_t length, bool *partly) {
    if (bytes[0] < 'C' || bytes[0] > 'U') return false;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (begins(bytes, length, methods[i], partly)) return true;
    return false;
}

/* name:value|type, as far as a few bytes can tell */
static bool looks_like_statsd(const unsigned char *bytes, size_t length) {
    const unsigned char *colon = memchr(bytes, ':', length < 256 ? length : 256);
    if (!colon || colon == bytes || colon + 2 >= bytes + length) return false;
    if (!strchr("+-.0123456789", colon[1])) return false;
    const unsigned char *bar = memchr(colon, '|', (size_t)(bytes + length - colon));
    return bar && bar + 1 < bytes + length && strchr("cgmshd", bar[1]) && bar[1];
}

/* Datagrams: by port, or by looks. */
static enum scope_content decide_datagram(const struct scope_channel *channel, uint16_t peer_port, const unsigned char *bytes, size_t length) {
    uint16_t remote = channel->remote.port ? channel->remote.port : peer_port, local = channel->local.port;
    if (scope_wants.dns_events && (remote == DNS_PORT || local == DNS_PORT)) return SCOPE_MESSAGES;
    if (scope_wants.metrics && (remote == STATSD_PORT || local == STATSD_PORT || looks_like_statsd(bytes, length))) return SCOPE_MESSAGES;
    return SCOPE_UNDECIDED;
}

static enum scope_content decide_stream(const struct scope_channel *channel, const unsigned char *bytes, size_t length) {
    bool partly = false;
    if (channel->remote.port == DNS_PORT || channel->local.port == DNS_PORT) return scope_wants.dns_events ? SCOPE_MESSAGES : SCOPE_OPAQUE;
    if (!scope_wants.http) return SCOPE_OPAQUE;
    if (begins(bytes, length, preface, &partly)) return SCOPE_HTTP2;
    if (begins_http1(bytes, length, &partly)) return SCOPE_HTTP1;
    if (partly || begins(bytes, length, "PROXY ", &partly) || channel->inherited) return SCOPE_UNDECIDED;
    return SCOPE_OPAQUE;
}

static enum scope_content decide(struct scope_channel *channel, bool tls, uint16_t peer_port, const unsigned char *bytes, size_t length) {
    enum scope_content content = channel->is_datagram && !tls ? decide_datagram(channel, peer_port, bytes, length)
                                                              : decide_stream(channel, bytes, length);
    if (content == SCOPE_UNDECIDED && ++channel->tries >= MOST_TRIES) content = SCOPE_OPAQUE;
    channel->content[tls] = (uint8_t)content;
    return content;
}

static bool ends_head(const unsigned char *bytes, size_t length, size_t *after) {
    const unsigned char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (end) *after = (size_t)(end - bytes) + 4;
    return end != NULL;
}

/*
 * A small buffer is kept whole, so that heads which begin within it are found. Of a large one: the head
 * if there is one, or the start, and the end.
 */
static void measure_http1(struct scope_channel *channel, bool out, const struct iovec *parts, size_t part_count,
                          uint64_t length, uint32_t *head, uint32_t *tail) {
    uint32_t limit = head_limit();
    const unsigned char *bytes = parts[0].iov_base;
    size_t first = parts[0].iov_len < length ? parts[0].iov_len : (size_t)length;
    size_t looked_at = first < limit ? first : limit, after = 0;
    bool partly = false;

    if (first && begins_http1(bytes, first, &partly)) channel->head_open[out] = true;
    bool was_open = channel->head_open[out];
    if (was_open && ends_head(bytes, looked_at, &after)) channel->head_open[out] = false;

    if (length <= limit) *head = (uint32_t)length;
    else if (length <= limit + EDGE || part_count > 1) *head = limit;
    else if (!was_open) *head = EDGE;
    else if (after && after + EDGE < limit) *head = (uint32_t)after + EDGE;
    else *head = limit;
    *tail = length - *head < EDGE ? (uint32_t)(length - *head) : EDGE;
}

/* An answer after which something else than HTTP/1 is spoken: a WebSocket, HTTP/2. */
static bool changes_protocol(const struct iovec *parts) {
    const char *bytes = parts->iov_base;
    return parts->iov_len > 12 && memcmp(bytes, "HTTP/1.1 101", 12) == 0;
}

void scope_content_moved(struct scope_channel *channel, int fd, bool tls, bool out, const struct iovec *parts, size_t part_count,
                         uint64_t length, uint16_t peer_port) {
    enum scope_content content = channel->content[tls];
    uint32_t head = 0, tail = 0;

    while (part_count && parts->iov_len == 0) parts++, part_count--;
    uint64_t there = 0;
    for (size_t i = 0; i < part_count && there < length; i++) there += parts[i].iov_len;
    if (there < length) part_count = 0; /* a cut datagram */
    if (content == SCOPE_UNDECIDED && part_count) {
        size_t first = parts->iov_len < length ? parts->iov_len : (size_t)length;
        content = decide(channel, tls, peer_port, parts->iov_base, first);
    }
    if (content == SCOPE_OPAQUE) return;
    if (content == SCOPE_UNDECIDED && (channel->is_datagram || channel->inherited)) return;
    if (part_count) {
        if (content == SCOPE_HTTP1) measure_http1(channel, out, parts, part_count, length, &head, &tail);
        else head = length < head_limit() ? (uint32_t)length : head_limit();
    }
    enum scope_data_source source = tls ? (out ? SCOPE_TLS_OUT : SCOPE_TLS_IN) : (out ? SCOPE_NETWORK_OUT : SCOPE_NETWORK_IN);
    scope_record_data(channel, fd, source, parts, part_count, length, head, tail);
    if (content == SCOPE_HTTP1 && head > 12 && changes_protocol(parts)) channel->content[tls] = SCOPE_UNDECIDED;
}

static void failed(struct scope_channel *channel, const struct scope_moved *moved, int error) {
    if (error == EAGAIN || error == EINTR || error == EINPROGRESS) return;
    if (channel->connecting) {
        channel->connecting = false;
        scope_socket_failed(channel, moved->op, error, true);
        return;
    }
    if (error == ECONNRESET || error == EPIPE) channel->ended_by_peer = !channel->ended_here;
    scope_socket_failed(channel, moved->op, error, false);
}

void scope_socket_moved(struct scope_channel *channel, const struct scope_moved *moved) {
    scope_thread.last_socket = moved->fd;
    if (moved->result < 0) {
        failed(channel, moved, errno);
        return;
    }
    if (moved->result == 0) {
        if (!moved->out && !channel->is_datagram && !channel->ended_here && moved->part_count) channel->ended_by_peer = true;
        if (!channel->is_datagram) return;
    }
    if (SCOPE_UNLIKELY(channel->told_generation != __atomic_load_n(&scope_armed.generation, __ATOMIC_RELAXED))) scope_socket_tell(channel, moved->fd);
    if (moved->uncounted) return;
    uint64_t bytes = (uint64_t)moved->result;
    unsigned class = channel->net_class;
    scope_count((moved->out ? SCOPE_COUNT_NET_TX_BYTES : SCOPE_COUNT_NET_RX_BYTES) + class, bytes);
    scope_count((moved->out ? SCOPE_COUNT_NET_TX_OPS : SCOPE_COUNT_NET_RX_OPS) + class, 1);
    scope_total(moved->out ? &channel->write_bytes : &channel->read_bytes, bytes);
    scope_total(moved->out ? &channel->write_ops : &channel->read_ops, 1);
    if (channel->content[0] != SCOPE_OPAQUE && bytes)
        scope_content_moved(channel, moved->fd, false, moved->out, moved->parts, moved->part_count, bytes, moved->peer_port);
}
