/* Any records: every line that comes out is one line of valid JSON in valid UTF-8, or of StatsD; memory stays under its ceiling. */
#include <stdlib.h>
#include <string.h>

#include "json_check.h"
#include "report.h"

static void emit(void *context, enum scope_output output, const char *line, size_t length)
{
    (void)context;
    if (length < 2 || memchr(line, '\n', length) != line + length - 1) abort();
    if (output == SCOPE_OUT_EVENT || line[0] == '{') {
        if (!is_json(line, length - 1)) abort();
    }
}

static bool stat_file(void *context, const char *path, uint32_t *mode, uint32_t *uid, uint32_t *gid)
{
    (void)context;
    *mode = 0777, *uid = 1, *gid = 1;
    return strlen(path) % 2 == 0;
}

static bool wants(void *context, const char *sourcetype, const char *source, const char *field, const char *value)
{
    (void)context, (void)sourcetype;
    return (strlen(source) + (field != NULL ? strlen(field) : 0) + (value != NULL ? strlen(value) : 0)) % 7 != 0;
}

static bool wants_header(void *context, const char *line)
{
    (void)context;
    return strlen(line) % 2 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ops[] = {"open", "stat", "read"};
    static const char *const tags[] = {"a=b", "pid=\xff", NULL};
    if (size < 1) return 0;
    uint8_t flags = data[0];
    struct scope_report_settings settings = {
        .host = "h\"", .proc = "p", .cmd = "c\xc3", .verbosity = flags & 1 ? 9 : 4, .enhance_fs = true, .allow_binary = (flags & 2) != 0,
        .max_events_per_second = flags & 4 ? 5 : 0, .memory_limit = flags & 8 ? 20000 : 0, .event_fs = true, .event_net = true, .event_http = true,
        .event_dns = true, .event_console = true, .event_file = true, .event_metric = true, .event_process = true, .metric_fs = true,
        .metric_net = true, .metric_http = true, .metric_dns = true, .metric_process = true, .metric_statsd = true,
        .metrics_as_json = (flags & 16) != 0, .tags = flags & 32 ? tags : NULL, .op_names = ops, .op_count = 3,
        .wants = flags & 64 ? wants : NULL, .wants_header = wants_header, .stat_file = stat_file};
    struct scope_report *report = scope_report_new(&settings, emit, NULL);
    uint64_t counters[SCOPE_COUNTERS] = {0}, now = 1;
    data++, size--;
    while (size >= sizeof(struct scope_record)) {
        struct scope_record header;
        memcpy(&header, data, sizeof header);
        /* Sizes and kinds that are mostly right, few channels, time that moves on. */
        size_t record_size = header.size & 0x80000000 ? header.size : sizeof header + header.size % 1024;
        size_t there = record_size < size ? record_size : size;
        struct scope_record *copy = malloc(there);
        memcpy(copy, data, there);
        copy->size = (uint32_t)record_size;
        copy->padding &= 15;
        copy->channel &= 7;
        now += copy->time_ns & 0xFFFFFFFF;
        copy->time_ns = now;
        if (copy->kind > 100) counters[copy->kind % SCOPE_COUNTERS] += copy->tid;
        scope_report_record(report, copy, there);
        if (copy->kind > 60000) {
            struct scope_process_sample sample = {(int64_t)now, 1, 2, 3, -1, 5};
            scope_report_period(report, counters, &sample, now, 1000);
            scope_report_idle(report, now);
            scope_report_dropped(report, copy->channel, now);
        }
        free(copy);
        data += there, size -= there;
    }
    scope_report_free(report);
    return 0;
}
