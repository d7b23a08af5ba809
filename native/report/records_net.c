/* Records about connections: net.open, net.close, and their metrics where each is told. */
#include <sys/socket.h>

#include "metrics.h"
#include "state.h"

static struct scope_slice transport(const struct scope_net_open *open)
{
    static const char *const names[2][SOCK_SEQPACKET] = {
        {"IP.TCP", "IP.UDP", "IP.RAW", "IP.RDM", "IP.SEQPACKET"},
        {"Unix.TCP", "Unix.UDP", "Unix.RAW", "Unix.RDM", "Unix.SEQPACKET"},
    };
    bool is_unix = open->local.family == AF_UNIX || open->remote.family == AF_UNIX;
    /* SOCK_STREAM is 1, then DGRAM, RAW, RDM, SEQPACKET. */
    if (open->type < SOCK_STREAM || open->type > SOCK_SEQPACKET) return SCOPE_LITERAL("");
    return scope_slice_of(names[is_unix][open->type - SOCK_STREAM]);
}

static const struct scope_known_name *name_of(const struct scope_report *report, const struct scope_address *address)
{
    if (report->names == NULL || (address->family != AF_INET && address->family != AF_INET6)) return NULL;
    size_t length = address->family == AF_INET6 ? 16 : 4;
    const struct scope_known_name *known = &report->names[scope_hash(address->ip, length) % SCOPE_NAMES];
    bool same = known->length != 0 && known->address.is_v6 == (length == 16) &&
                memcmp(known->address.ip, address->ip, length) == 0;
    return same ? known : NULL;
}

static bool has_http_port(const struct scope_net_open *open)
{
    return open->local.port == 80 || open->local.port == 443 || open->remote.port == 80 || open->remote.port == 443;
}

void scope_add_connection(struct scope_report *report, struct scope_fields *fields, const struct scope_channel *channel)
{
    const struct scope_connection *connection = channel->connection;
    if (connection == NULL) return;
    const struct scope_net_open *open = &connection->open;
    scope_add_text(fields, "net_transport", transport(open), 1);
    if (open->local.family == AF_UNIX || open->remote.family == AF_UNIX) {
        scope_add_whole(fields, "unix_peer_inode", open->remote.inode, 1);
        scope_add_whole(fields, "unix_local_inode", open->local.inode, 1);
        return;
    }
    if (connection->remote_length != 0) {
        scope_add_text(fields, "net_peer_ip", ((struct scope_slice){connection->remote, connection->remote_length}), 1);
        scope_add_whole(fields, "net_peer_port", open->remote.port, 1);
    }
    if (connection->local_length != 0) {
        scope_add_text(fields, "net_host_ip", ((struct scope_slice){connection->local, connection->local_length}), 1);
        scope_add_whole(fields, "net_host_port", open->local.port, 1);
    }
    const struct scope_known_name *known = name_of(report, &open->remote);
    if (known != NULL) scope_add_text(fields, "net_peer_name", ((struct scope_slice){known->name, known->length}), 1);
}

static struct scope_slice protocol_word(const struct scope_net_open *open)
{
    switch (open->type) {
    case SOCK_STREAM: return SCOPE_LITERAL("TCP");
    case SOCK_DGRAM: return SCOPE_LITERAL("UDP");
    case SOCK_RAW: return SCOPE_LITERAL("RAW");
    case SOCK_RDM: return SCOPE_LITERAL("RDM");
    case SOCK_SEQPACKET: return SCOPE_LITERAL("SEQPACKET");
    default: return SCOPE_LITERAL("OTHER");
    }
}

static void describe(struct scope_report *report, const struct scope_net_open *open, struct scope_slice unit,
                     struct scope_fields *fields)
{
    fields->count = 0;
    scope_add_process(report, fields);
    scope_add_whole(fields, "fd", open->fd, 7);
    scope_add_text(fields, "proto", protocol_word(open), 2);
    scope_add_whole(fields, "port", open->local.port, 4);
    scope_add_text(fields, "unit", unit, 1);
}

static void tell_each(struct scope_report *report, const struct scope_net_open *open, uint64_t time_ns,
                      const struct scope_net_close *close)
{
    struct scope_fields fields;
    struct scope_period moment = {report, NULL, time_ns, 0};
    if (!scope_tells_each(report, report->settings.metric_net, 7)) return;
    describe(report, open, SCOPE_LITERAL("connection"), &fields);
    report->told[close != NULL ? SCOPE_COUNT_NET_CLOSE : SCOPE_COUNT_NET_OPEN]++;
    scope_send_value(&moment, close != NULL ? SCOPE_LITERAL("net.close") : SCOPE_LITERAL("net.open"), SCOPE_COUNTER,
                     SCOPE_WHOLE, 1, &fields);
    if (close == NULL || close->opened_ns == 0 || close->opened_ns > time_ns) return;
    uint64_t life = time_ns - close->opened_ns;
    describe(report, open, SCOPE_LITERAL("millisecond"), &fields);
    report->told[SCOPE_COUNT_NET_LIFE_NS] += life;
    scope_send_value(&moment, SCOPE_LITERAL("net.duration"), SCOPE_TIMER, SCOPE_THOUSANDTHS, (int64_t)(life / 1000),
                     &fields);
}

static bool net_open(struct scope_report *report, struct scope_payload payload)
{
    struct scope_net_open open;
    if (!scope_payload_take(&payload, &open, sizeof open)) return false;
    struct scope_channel *channel = scope_channels_get(&report->channels, payload.record->channel);
    if (channel == NULL || !scope_channel_set_connection(&report->channels, channel, &open)) return true;
    channel->fd = open.fd;
    tell_each(report, &open, payload.record->time_ns, NULL);
    if (open.type != SOCK_STREAM || !report->settings.event_net) return true;
    struct scope_fields fields = {.count = 0};
    scope_add_connection(report, &fields, channel);
    if (has_http_port(&open)) scope_add_text(&fields, "net_protocol", SCOPE_LITERAL("http"), 1);
    scope_send_event(report, SCOPE_ABOUT_NET, "net.open", channel->id, payload.record->time_ns, &fields);
    return true;
}

static bool net_close(struct scope_report *report, struct scope_payload payload)
{
    struct scope_net_close close;
    uint64_t time_ns = payload.record->time_ns;
    if (!scope_payload_take(&payload, &close, sizeof close)) return false;
    tell_each(report, &close.connection, time_ns, &close);
    struct scope_channel *channel = scope_channels_get(&report->channels, payload.record->channel);
    if (channel == NULL) return true;
    scope_forget_text(report, channel);
    if (close.connection.type == SOCK_STREAM && report->settings.event_net &&
        scope_channel_set_connection(&report->channels, channel, &close.connection)) {
        struct scope_fields fields = {.count = 0};
        uint64_t life = close.opened_ns != 0 && close.opened_ns < time_ns ? time_ns - close.opened_ns : 0;
        scope_add_connection(report, &fields, channel);
        if (channel->is_http || channel->is_http2 || has_http_port(&close.connection))
            scope_add_text(&fields, "net_protocol", SCOPE_LITERAL("http"), 1);
        scope_add_thousandths(&fields, "duration", life / 1000, 8);
        scope_add_whole(&fields, "net_bytes_sent", close.sent_bytes, 1);
        scope_add_whole(&fields, "net_bytes_recv", close.received_bytes, 1);
        scope_add_text(&fields, "net_close_reason", scope_slice_of(close.by_remote ? "remote" : "local"), 1);
        scope_send_event(report, SCOPE_ABOUT_NET, "net.close", channel->id, time_ns, &fields);
    }
    scope_channels_remove(&report->channels, channel);
    return true;
}

static bool net_error(struct scope_report *report, struct scope_payload payload)
{
    struct scope_net_error error;
    if (!scope_payload_take(&payload, &error, sizeof error)) return false;
    if (!scope_tells_each(report, report->settings.metric_net, 5)) return true;
    struct scope_fields fields = {.count = 0};
    struct scope_period moment = {report, NULL, payload.record->time_ns, 0};
    scope_add_process(report, &fields);
    scope_add_text(&fields, "class", scope_slice_of(error.is_connection ? "connection" : "rx_tx"), 2);
    scope_add_text(&fields, "op", scope_op_name(report, error.op), 3);
    scope_add_text(&fields, "unit", SCOPE_LITERAL("operation"), 1);
    scope_send_value(&moment, SCOPE_LITERAL("net.error"), SCOPE_COUNTER, SCOPE_WHOLE, 1, &fields);
    report->told[error.is_connection ? SCOPE_COUNT_NET_ERROR_CONNECTION : SCOPE_COUNT_NET_ERROR_RX_TX]++;
    return true;
}

bool scope_take_net(struct scope_report *report, struct scope_payload payload)
{
    struct scope_net_open listening;
    switch (payload.record->kind) {
    case SCOPE_NET_OPEN: return net_open(report, payload);
    case SCOPE_NET_CLOSE: return net_close(report, payload);
    case SCOPE_NET_ERROR: return net_error(report, payload);
    default: return scope_payload_take(&payload, &listening, sizeof listening); /* the gauge net.port tells it */
    }
}
