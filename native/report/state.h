/* All that one report keeps, and what its parts (one a family of records) call of each other. */
#ifndef SCOPE_REPORT_STATE_H
#define SCOPE_REPORT_STATE_H

#include "channels.h"
#include "dns.h"
#include "encode_json.h"
#include "encode_statsd.h"
#include "limit.h"
#include "report.h"
#include "targets.h"

#define SCOPE_DNS_WAITING 64u
#define SCOPE_NAMES 64u
#define SCOPE_THREADS 256u

/** A question of which the answer is awaited; `time_ns` 0: the place is free. */
struct scope_dns_question {
    uint64_t channel, time_ns;
    uint16_t id;
};

/** What an address was called in an answer. */
struct scope_known_name {
    struct scope_dns_address address;
    uint8_t length;
    char name[255];
};

struct scope_report {
    struct scope_report_settings settings; /* its texts are copies */
    scope_emit *emit;
    void *emit_context;
    int64_t clock_offset;
    struct scope_memory memory;
    struct scope_channels channels;
    struct scope_targets targets;
    struct scope_limit limit;
    enum scope_sourcetype limited; /* what the last event over the limit was about */
    struct scope_json_identity identity;
    struct scope_statsd_form statsd;
    struct scope_field *tags;
    unsigned tag_count;
    struct scope_line line, scratch;
    struct scope_report_losses losses;
    uint64_t newest_ns;
    /** Counters that metrics have told, and gauges that are not at zero. */
    uint64_t told[SCOPE_COUNTERS];
    bool gauges[SCOPE_COUNTERS];
    int64_t told_cpu_us;
    uint64_t told_dropped;
    /** Requests that were seen in packets, which no counter counts. */
    uint64_t packet_requests;
    struct scope_dns_question questions[SCOPE_DNS_WAITING];
    unsigned next_question;
    struct scope_known_name *names; /* SCOPE_NAMES; made when needed */
    struct {
        uint32_t tid, sequence;
    } threads[SCOPE_THREADS];
    uint32_t sequence_gaps;
    struct scope_dns_message dns; /* too large for a small stack */
};

/* events.c: the one door through which events leave */
bool scope_wants_events(const struct scope_report *, enum scope_sourcetype);
void scope_send_event(struct scope_report *, enum scope_sourcetype, const char *source, uint64_t channel,
                      uint64_t time_ns, struct scope_fields *);
void scope_send_notice(struct scope_report *, enum scope_sourcetype, const char *text, uint64_t time_ns);
void scope_flush_limit(struct scope_report *, bool now);
uint64_t scope_realtime(const struct scope_report *, uint64_t time_ns);

/* metrics.c: the one door through which metrics leave, and the summaries of a period */
void scope_send_metric(struct scope_report *, const struct scope_metric *, struct scope_fields *, uint64_t time_ns);
/** proc, pid and host, which every metric has. */
void scope_add_process(struct scope_report *, struct scope_fields *);
bool scope_tells_each(const struct scope_report *, bool watched, int verbosity);

/* records_*.c: one a family; `payload` is what follows the record's header, without its padding */
struct scope_payload {
    const struct scope_record *record;
    const char *at;
    size_t length;
};
/** Copies the fixed part of a record and goes behind it; false: the record is too short. */
bool scope_payload_take(struct scope_payload *, void *to, size_t size);
/** The next bytes; false: they are not there. */
bool scope_payload_bytes(struct scope_payload *, size_t length, struct scope_slice *);

bool scope_take_file(struct scope_report *, struct scope_payload);
bool scope_take_net(struct scope_report *, struct scope_payload);
bool scope_take_data(struct scope_report *, struct scope_payload);
bool scope_take_dns(struct scope_report *, struct scope_payload);
bool scope_take_text(struct scope_report *, struct scope_payload);
bool scope_take_process(struct scope_report *, struct scope_payload);

/** report->dns holds the message. */
void scope_dns_packet(struct scope_report *, const struct scope_channel *, uint64_t time_ns);
void scope_forget_text(void *report, struct scope_channel *);
/** Sends text that waits since before `before_ns`. */
void scope_flush_texts(struct scope_report *, uint64_t before_ns);
void scope_add_connection(struct scope_report *, struct scope_fields *, const struct scope_channel *);
struct scope_slice scope_op_name(const struct scope_report *, scope_op);

/** The context of the HTTP callbacks. */
struct scope_http_place {
    struct scope_report *report;
    struct scope_channel *channel;
};
/** Fills both and gives the sink back. */
const struct scope_http1_sink *scope_http_sink(struct scope_http1_sink *, struct scope_report *, struct scope_channel *,
                                               struct scope_http_place *);

#endif
