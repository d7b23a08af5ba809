/* Metrics leave here: what a period's counters, the process's use and the HTTP targets come to. */
#include "metrics.h"

#include "state.h"

bool scope_tells_each(const struct scope_report *report, bool watched, int verbosity)
{
    return watched && report->settings.verbosity >= verbosity;
}

void scope_add_process(struct scope_report *report, struct scope_fields *fields)
{
    scope_add_text(fields, "proc", scope_slice_of(report->settings.proc), 4);
    scope_add_whole(fields, "pid", report->settings.pid, 4);
    scope_add_text(fields, "host", scope_slice_of(report->settings.host), 4);
}

static void add_unless_taken(struct scope_fields *fields, const struct scope_field *field)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (scope_slice_equal(fields->list[i].name, field->name)) return;
    if (fields->count < SCOPE_FIELDS_MAX) fields->list[fields->count++] = *field;
}

/** What was captured comes before the user's tags, which come before what we say; the first of a name wins. */
static void add_tags(const struct scope_report *report, struct scope_fields *fields, unsigned captured)
{
    if (report->tag_count == 0 && captured == 0) return;
    struct scope_fields own;
    own.count = fields->count;
    memcpy(own.list, fields->list, own.count * sizeof own.list[0]);
    fields->count = 0;
    for (unsigned i = 0; i < captured; i++) add_unless_taken(fields, &own.list[i]);
    for (unsigned i = 0; i < report->tag_count; i++) add_unless_taken(fields, &report->tags[i]);
    for (unsigned i = captured; i < own.count; i++) add_unless_taken(fields, &own.list[i]);
}

static void send_as_event(struct scope_report *report, const struct scope_metric *metric,
                          const struct scope_fields *fields, uint64_t time_ns)
{
    struct scope_fields event = {.count = 0};
    scope_add_text(&event, "_metric", metric->name, 0);
    scope_add_text(&event, "_metric_type", scope_metric_type_name(metric->type), 0);
    struct scope_field *value = scope_fields_add(&event, SCOPE_LITERAL("_value"), metric->value.kind, 0);
    value->text = metric->value.text;
    if (metric->value.kind != SCOPE_TEXT) value->number = metric->value.number;
    for (unsigned i = 0; i < fields->count && event.count < SCOPE_FIELDS_MAX; i++)
        event.list[event.count++] = fields->list[i];
    char name[256];
    struct scope_slice cut = scope_slice_cut(metric->name, sizeof name - 1);
    memcpy(name, cut.at, cut.length);
    name[cut.length] = 0;
    scope_send_event(report, SCOPE_ABOUT_METRIC, name, 0, time_ns, &event);
}

void scope_send_metric(struct scope_report *report, const struct scope_metric *metric, struct scope_fields *fields,
                       uint64_t time_ns)
{
    add_tags(report, fields, metric->captured);
    bool fits = true;
    if (report->settings.metrics_as_json)
        scope_json_metric(&report->line, metric, fields, scope_realtime(report, time_ns));
    else
        fits = scope_statsd_metric(&report->line, &report->statsd, metric, fields);
    if (!fits || report->line.spoilt) report->losses.long_lines++;
    else report->emit(report->emit_context, SCOPE_OUT_METRIC, report->line.at, report->line.length);
    if (report->settings.event_metric) send_as_event(report, metric, fields, time_ns);
}

void scope_send_value(struct scope_period *period, struct scope_slice name, enum scope_metric_type type, uint8_t kind,
                      int64_t value, struct scope_fields *fields)
{
    struct scope_metric metric = {.name = name, .type = type};
    metric.value.kind = kind;
    metric.value.number = value;
    scope_send_metric(period->report, &metric, fields, period->now_ns);
}

/** What a summary says beside its value; class NULL: none. */
static void describe(struct scope_period *period, struct scope_fields *fields, struct scope_slice unit,
                     const char *class, bool class_first, uint64_t operations)
{
    fields->count = 0;
    scope_add_process(period->report, fields);
    if (class != NULL && class_first) scope_add_text(fields, "class", scope_slice_of(class), 2);
    scope_add_text(fields, "unit", unit, 1);
    if (class != NULL && !class_first) scope_add_text(fields, "class", scope_slice_of(class), 2);
    if (operations != 0) scope_add_whole(fields, "numops", operations, 8);
    scope_add_text(fields, "summary", SCOPE_LITERAL("true"), 1);
}

/** What came to a counter since it was told last. Detail that was told ahead of it makes it wait. */
static uint64_t news(struct scope_period *period, unsigned counter)
{
    uint64_t *told = &period->report->told[counter];
    if (period->counters[counter] <= *told) return 0;
    uint64_t more = period->counters[counter] - *told;
    *told = period->counters[counter];
    return more;
}

struct counted {
    struct scope_slice name, unit;
    unsigned counter;
    int operations; /* the counter of operations, -1: none */
    const char *class;
    bool class_first;
};

static void tell_counters(struct scope_period *period, const struct counted *list, size_t count)
{
    struct scope_fields fields;
    for (size_t i = 0; i < count; i++) {
        uint64_t operations = list[i].operations >= 0 ? news(period, (unsigned)list[i].operations) : 0;
        uint64_t value = news(period, list[i].counter);
        if (value == 0) continue;
        describe(period, &fields, list[i].unit, list[i].class, list[i].class_first, operations);
        scope_send_value(period, list[i].name, SCOPE_COUNTER, SCOPE_WHOLE, (int64_t)value, &fields);
    }
}

/** The mean of a time over operations, in thousandths of the unit that has so many ns. */
static void tell_mean(struct scope_period *period, struct scope_slice name, enum scope_metric_type type,
                      struct scope_slice unit, uint64_t unit_ns, uint64_t total_ns, uint64_t operations)
{
    struct scope_fields fields;
    if (total_ns == 0 || operations == 0) return;
    int64_t mean = (int64_t)((double)total_ns / (double)operations * 1000 / (double)unit_ns + 0.5);
    if (mean == 0) return;
    describe(period, &fields, unit, NULL, false, operations);
    scope_send_value(period, name, type, SCOPE_THOUSANDTHS, mean, &fields);
}

/** A gauge is told while it is not zero, and once when it falls to zero. */
static void tell_gauge(struct scope_period *period, struct scope_slice name, struct scope_slice unit, unsigned counter)
{
    struct scope_fields fields;
    int64_t value = (int64_t)period->counters[counter];
    bool *above_zero = &period->report->gauges[counter];
    if (value <= 0 && !*above_zero) return;
    *above_zero = value > 0;
    describe(period, &fields, unit, NULL, false, 0);
    scope_send_value(period, name, SCOPE_GAUGE, SCOPE_WHOLE, value > 0 ? value : 0, &fields);
}

#define OF_CLASS(metric, counter_of, operations_of, which, class_name)                                             \
    {{metric, sizeof metric - 1}, {"byte", 4}, (counter_of) + (which), (int)(operations_of) + (which), class_name, \
     false}
#define NET_CLASSES(metric, bytes, ops)                                                                             \
    OF_CLASS(metric, bytes, ops, SCOPE_NET_INET_TCP, "inet_tcp"),                                                   \
        OF_CLASS(metric, bytes, ops, SCOPE_NET_INET_UDP, "inet_udp"),                                               \
        OF_CLASS(metric, bytes, ops, SCOPE_NET_UNIX_TCP, "unix_tcp"),                                               \
        OF_CLASS(metric, bytes, ops, SCOPE_NET_UNIX_UDP, "unix_udp"), OF_CLASS(metric, bytes, ops, SCOPE_NET_OTHER, "other")
#define COUNTED(metric, unit_name, counter_of, operations_of, class_name) \
    {{metric, sizeof metric - 1}, {unit_name, sizeof unit_name - 1}, counter_of, operations_of, class_name, true}

static void tell_files(struct scope_period *period)
{
    static const struct counted counted[] = {
        COUNTED("fs.seek", "operation", SCOPE_COUNT_FS_SEEK, -1, NULL),
        COUNTED("fs.stat", "operation", SCOPE_COUNT_FS_STAT, -1, NULL),
        COUNTED("fs.open", "operation", SCOPE_COUNT_FS_OPEN, -1, NULL),
        COUNTED("fs.close", "operation", SCOPE_COUNT_FS_CLOSE, -1, NULL),
        COUNTED("fs.error", "operation", SCOPE_COUNT_FS_ERROR_OPEN_CLOSE, -1, "open_close"),
        COUNTED("fs.error", "operation", SCOPE_COUNT_FS_ERROR_READ_WRITE, -1, "read_write"),
        COUNTED("fs.error", "operation", SCOPE_COUNT_FS_ERROR_STAT, -1, "stat"),
    };
    static const struct counted moved[] = {
        COUNTED("fs.read", "byte", SCOPE_COUNT_FS_READ_BYTES, SCOPE_COUNT_FS_READ_OPS, NULL),
        COUNTED("fs.write", "byte", SCOPE_COUNT_FS_WRITE_BYTES, SCOPE_COUNT_FS_WRITE_OPS, NULL),
    };
    const uint64_t *told = period->report->told;
    uint64_t operations = period->counters[SCOPE_COUNT_FS_READ_OPS] - told[SCOPE_COUNT_FS_READ_OPS] +
                          period->counters[SCOPE_COUNT_FS_WRITE_OPS] - told[SCOPE_COUNT_FS_WRITE_OPS];
    tell_counters(period, moved, sizeof moved / sizeof moved[0]);
    tell_counters(period, counted, sizeof counted / sizeof counted[0]);
    tell_mean(period, SCOPE_LITERAL("fs.duration"), SCOPE_HISTOGRAM, SCOPE_LITERAL("microsecond"), 1000,
              news(period, SCOPE_COUNT_FS_NS), operations);
}

static void tell_connections(struct scope_period *period)
{
    static const struct counted counted[] = {
        NET_CLASSES("net.rx", SCOPE_COUNT_NET_RX_BYTES, SCOPE_COUNT_NET_RX_OPS),
        NET_CLASSES("net.tx", SCOPE_COUNT_NET_TX_BYTES, SCOPE_COUNT_NET_TX_OPS),
        COUNTED("net.open", "connection", SCOPE_COUNT_NET_OPEN, -1, NULL),
    };
    static const struct counted closed[] = {
        COUNTED("net.error", "operation", SCOPE_COUNT_NET_ERROR_CONNECTION, -1, "connection"),
        COUNTED("net.error", "operation", SCOPE_COUNT_NET_ERROR_RX_TX, -1, "rx_tx"),
    };
    struct scope_fields fields;
    tell_counters(period, counted, sizeof counted / sizeof counted[0]);
    tell_gauge(period, SCOPE_LITERAL("net.port"), SCOPE_LITERAL("instance"), SCOPE_COUNT_LISTENING);
    tell_gauge(period, SCOPE_LITERAL("net.tcp"), SCOPE_LITERAL("connection"), SCOPE_COUNT_OPEN_TCP);
    tell_gauge(period, SCOPE_LITERAL("net.udp"), SCOPE_LITERAL("connection"), SCOPE_COUNT_OPEN_UDP);
    tell_gauge(period, SCOPE_LITERAL("net.other"), SCOPE_LITERAL("connection"), SCOPE_COUNT_OPEN_OTHER);
    uint64_t closes = news(period, SCOPE_COUNT_NET_CLOSE);
    if (closes != 0) {
        describe(period, &fields, SCOPE_LITERAL("connection"), NULL, false, 0);
        scope_send_value(period, SCOPE_LITERAL("net.close"), SCOPE_COUNTER, SCOPE_WHOLE, (int64_t)closes, &fields);
    }
    tell_mean(period, SCOPE_LITERAL("net.duration"), SCOPE_TIMER, SCOPE_LITERAL("millisecond"), 1000000,
              news(period, SCOPE_COUNT_NET_LIFE_NS), closes);
    tell_counters(period, closed, sizeof closed / sizeof closed[0]);
}

static void tell_lookups(struct scope_period *period)
{
    static const struct counted errors[] = {
        COUNTED("net.error", "operation", SCOPE_COUNT_NET_ERROR_DNS, -1, "dns"),
    };
    struct scope_fields fields;
    uint64_t requests = news(period, SCOPE_COUNT_DNS_REQ);
    uint64_t in_packets = period->report->packet_requests;
    period->report->packet_requests = 0;
    if (requests + in_packets != 0) {
        describe(period, &fields, SCOPE_LITERAL("request"), NULL, false, 0);
        scope_send_value(period, SCOPE_LITERAL("dns.req"), SCOPE_COUNTER, SCOPE_WHOLE,
                         (int64_t)(requests + in_packets), &fields);
    }
    tell_mean(period, SCOPE_LITERAL("dns.duration"), SCOPE_TIMER, SCOPE_LITERAL("millisecond"), 1000000,
              news(period, SCOPE_COUNT_DNS_NS), requests);
    tell_counters(period, errors, sizeof errors / sizeof errors[0]);
}

static void tell_use(struct scope_period *period, struct scope_slice name, enum scope_metric_type type,
                     struct scope_slice unit, uint8_t kind, int64_t value)
{
    struct scope_fields fields = {.count = 0};
    if (value < 0) return;
    scope_add_process(period->report, &fields);
    scope_add_text(&fields, "unit", unit, 1);
    scope_send_value(period, name, type, kind, value, &fields);
}

static void tell_process(struct scope_period *period, const struct scope_process_sample *sample)
{
    struct scope_slice kibibyte = SCOPE_LITERAL("kibibyte");
    int64_t *told = &period->report->told_cpu_us;
    if (sample->cpu_us >= *told) {
        int64_t used = sample->cpu_us - *told;
        *told = sample->cpu_us;
        tell_use(period, SCOPE_LITERAL("proc.cpu"), SCOPE_COUNTER, SCOPE_LITERAL("microsecond"), SCOPE_WHOLE, used);
        if (period->period_ns != 0) {
            double percent = (double)used * 1000 * 100 * 1000 / (double)period->period_ns;
            tell_use(period, SCOPE_LITERAL("proc.cpu_perc"), SCOPE_GAUGE, SCOPE_LITERAL("percent"), SCOPE_THOUSANDTHS,
                     percent < 1e15 ? (int64_t)(percent + 0.5) : 0);
        }
    }
    tell_use(period, SCOPE_LITERAL("proc.mem"), SCOPE_GAUGE, kibibyte, SCOPE_WHOLE, sample->virtual_kib);
    tell_use(period, SCOPE_LITERAL("proc.rss"), SCOPE_GAUGE, kibibyte, SCOPE_WHOLE, sample->resident_kib);
    tell_use(period, SCOPE_LITERAL("proc.thread"), SCOPE_GAUGE, SCOPE_LITERAL("thread"), SCOPE_WHOLE, sample->threads);
    tell_use(period, SCOPE_LITERAL("proc.fd"), SCOPE_GAUGE, SCOPE_LITERAL("file"), SCOPE_WHOLE, sample->descriptors);
    tell_use(period, SCOPE_LITERAL("proc.child"), SCOPE_GAUGE, SCOPE_LITERAL("process"), SCOPE_WHOLE, sample->children);
}

void scope_report_period(struct scope_report *report, const uint64_t counters[SCOPE_COUNTERS],
                         const struct scope_process_sample *sample, uint64_t now_ns, uint64_t period_ns)
{
    const struct scope_report_settings *settings = &report->settings;
    struct scope_period period = {report, counters, now_ns, period_ns};
    if (now_ns > report->newest_ns) report->newest_ns = now_ns;
    if (settings->metric_process && sample != NULL) tell_process(&period, sample);
    if (settings->metric_fs) tell_files(&period);
    if (settings->metric_dns) tell_lookups(&period);
    if (settings->metric_net) tell_connections(&period);
    if (settings->metric_http) scope_tell_targets(&period);
}
