/* Records of bytes that were moved: what protocol they are of, and who reads them. */
#include <sys/socket.h>

#include "state.h"
#include "statsd.h"

#define PORT_DNS 53
#define PORT_STATSD 8125

struct captured {
    struct scope_report *report;
    uint64_t time_ns;
};

static void captured_metric(void *context, const struct scope_statsd_sample *sample)
{
    const struct captured *captured = context;
    struct scope_fields fields = {.count = 0};
    struct scope_metric metric = sample->metric;
    for (unsigned i = 0; i < sample->tag_count; i++) {
        struct scope_slice tag = sample->tags[i];
        const char *colon = memchr(tag.at, ':', tag.length);
        size_t key = colon != NULL ? (size_t)(colon - tag.at) : tag.length;
        struct scope_field *field = scope_fields_add(&fields, (struct scope_slice){tag.at, key}, SCOPE_TEXT, 0);
        field->text = colon != NULL ? (struct scope_slice){colon + 1, tag.length - key - 1} : (struct scope_slice){"", 0};
    }
    metric.captured = fields.count;
    scope_add_process(captured->report, &fields);
    scope_send_metric(captured->report, &metric, &fields, captured->time_ns);
}

static bool is_port(const struct scope_channel *channel, uint16_t port)
{
    const struct scope_connection *connection = channel->connection;
    return connection != NULL && (connection->open.remote.port == port || connection->open.local.port == port);
}

/** Capture sends datagrams of DNS and StatsD only; where no port is known the bytes decide. */
static void datagram(struct scope_report *report, const struct scope_channel *channel, struct scope_slice bytes,
                     uint64_t time_ns)
{
    if (bytes.length == 0) return;
    if (!is_port(channel, PORT_STATSD) && scope_dns_parse(bytes.at, bytes.length, &report->dns)) {
        scope_dns_packet(report, channel, time_ns);
        return;
    }
    if (is_port(channel, PORT_DNS) || !report->settings.metric_statsd) return;
    struct captured captured = {report, time_ns};
    scope_statsd_parse(bytes, captured_metric, &captured);
}

/** DNS over TCP: messages with their lengths in front. After a gap or a message too large it is given up. */
static void dns_stream(struct scope_report *report, struct scope_channel *channel, unsigned direction,
                       struct scope_http1_piece piece)
{
    struct scope_dns_stream *dns = scope_channel_dns(&report->channels, channel);
    if (dns == NULL) return;
    char *held = dns->held[direction];
    size_t length = dns->length[direction], place = 0;
    if (piece.gap != 0 || length + piece.head.length > SCOPE_DNS_STREAM_MAX) {
        channel->is_opaque = true;
        return;
    }
    memcpy(held + length, piece.head.at, piece.head.length);
    length += piece.head.length;
    while (length - place >= 2) {
        size_t size = (size_t)(unsigned char)held[place] << 8 | (unsigned char)held[place + 1];
        if (length - place - 2 < size) break;
        if (scope_dns_parse(held + place + 2, size, &report->dns)) scope_dns_packet(report, channel, piece.time_ns);
        place += 2 + size;
    }
    memmove(held, held + place, length - place);
    dns->length[direction] = (uint16_t)(length - place);
}

static void tell_protocol(struct scope_report *report, struct scope_channel *channel, const char *protocol,
                          uint64_t time_ns)
{
    struct scope_fields fields = {.count = 0};
    if (!report->settings.event_net) return;
    scope_add_text(&fields, "proc", scope_slice_of(report->settings.proc), 4);
    scope_add_whole(&fields, "pid", report->settings.pid, 4);
    scope_add_whole(&fields, "fd", channel->fd, 7);
    scope_add_text(&fields, "host", scope_slice_of(report->settings.host), 4);
    scope_add_text(&fields, "protocol", scope_slice_of(protocol), 8);
    scope_send_event(report, SCOPE_ABOUT_NET, "net.app", channel->id, time_ns, &fields);
}

static void stream(struct scope_report *report, struct scope_channel *channel, enum scope_http1_direction direction,
                   struct scope_http1_piece piece)
{
    if (channel->is_opaque || channel->is_http2) return;
    if (is_port(channel, PORT_DNS)) {
        dns_stream(report, channel, direction, piece);
        return;
    }
    if (!report->settings.event_http && !report->settings.metric_http && !report->settings.event_net) return;
    struct scope_http1 *http = scope_channel_http(&report->channels, channel);
    if (http == NULL) return;
    if (channel->losses_seen != report->sequence_gaps) {
        scope_http1_gap(http, &report->memory);
        channel->losses_seen = report->sequence_gaps;
    }
    struct scope_http_place place;
    struct scope_http1_sink sink;
    bool was_http = channel->is_http;
    /* Told before the first request is. */
    if (!was_http) {
        enum scope_http1_start looks = scope_http1_looks(piece.head.at, piece.head.length);
        if (looks == SCOPE_HTTP1_REQUEST || looks == SCOPE_HTTP1_RESPONSE) {
            channel->is_http = true;
            tell_protocol(report, channel, "HTTP", piece.time_ns);
        }
    }
    switch (scope_http1_feed(http, direction, piece, scope_http_sink(&sink, report, channel, &place))) {
    case SCOPE_HTTP1_IS:
        if (!channel->is_http) {
            channel->is_http = true;
            tell_protocol(report, channel, "HTTP", piece.time_ns);
        }
        break;
    case SCOPE_HTTP1_IS_NOT:
        channel->is_opaque = true;
        scope_channel_drop_http(&report->channels, channel);
        break;
    case SCOPE_HTTP1_IS_HTTP2:
        channel->is_http2 = true;
        tell_protocol(report, channel, "HTTP2", piece.time_ns);
        scope_channel_drop_http(&report->channels, channel);
        break;
    case SCOPE_HTTP1_UNDECIDED:
        break;
    }
}

bool scope_take_data(struct scope_report *report, struct scope_payload payload)
{
    struct scope_data data;
    struct scope_slice head, tail;
    if (!scope_payload_take(&payload, &data, sizeof data) || !scope_payload_bytes(&payload, data.head_length, &head) ||
        !scope_payload_bytes(&payload, data.tail_length, &tail))
        return false;
    if (data.length < (uint64_t)data.head_length + data.tail_length) return false;
    if (data.source < SCOPE_NETWORK_IN || data.source > SCOPE_TLS_OUT) return false;
    struct scope_channel *channel = scope_channels_get(&report->channels, payload.record->channel);
    if (channel == NULL) return true;
    if (channel->fd < 0) channel->fd = data.fd;
    if (data.is_datagram) {
        datagram(report, channel, head, payload.record->time_ns);
        return true;
    }
    bool is_tls = data.source >= SCOPE_TLS_IN;
    if (is_tls && channel->layer != SCOPE_LAYER_TLS) {
        scope_channel_drop_http(&report->channels, channel);
        channel->layer = SCOPE_LAYER_TLS;
        channel->is_opaque = channel->is_http = channel->is_http2 = false;
    }
    if (!is_tls && channel->layer == SCOPE_LAYER_TLS) return true;
    bool is_in = data.source == SCOPE_NETWORK_IN || data.source == SCOPE_TLS_IN;
    struct scope_http1_piece piece = {head, data.length - data.head_length - data.tail_length, tail,
                                      payload.record->time_ns};
    stream(report, channel, is_in ? SCOPE_HTTP1_IN : SCOPE_HTTP1_OUT, piece);
    return true;
}
