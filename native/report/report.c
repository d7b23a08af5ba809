/* A report's life, and the door for records: checks that a record is whole, then hands it to its family. */
#include <stdio.h>
#include <stdlib.h>

#include "metrics.h"
#include "state.h"

#define DEFAULT_MEMORY (8u << 20)
#define DEFAULT_STATSD_LENGTH 512u
/** Longest line of an event. Text of 32 KiB and a head of 64 KiB fit even if each byte needs six. */
#define LINE_MAX_BYTES (1u << 20)

static const char *copied(const char *text, bool *failed)
{
    char *copy = strdup(text != NULL ? text : "");
    if (copy == NULL) *failed = true;
    return copy;
}

/** The texts whose copies the report owns. */
static void each_text(struct scope_report_settings *settings, const char **list[8])
{
    list[0] = &settings->host;
    list[1] = &settings->proc;
    list[2] = &settings->cmd;
    list[3] = &settings->username;
    list[4] = &settings->groupname;
    list[5] = &settings->cgroup;
    list[6] = &settings->statsd_prefix;
    list[7] = NULL;
}

static bool copy_tags(struct scope_report *report)
{
    const char *const *tags = report->settings.tags;
    unsigned count = 0;
    while (tags != NULL && tags[count] != NULL) count++;
    report->settings.tags = NULL;
    if (count == 0) return true;
    report->tags = calloc(count, sizeof *report->tags);
    if (report->tags == NULL) return false;
    for (unsigned i = 0; i < count; i++) {
        const char *equals = strchr(tags[i], '=');
        if (equals == NULL || equals == tags[i]) continue;
        char *copy = strdup(tags[i]);
        if (copy == NULL) return false;
        struct scope_field *field = &report->tags[report->tag_count++];
        size_t name = (size_t)(equals - tags[i]);
        field->kind = SCOPE_TEXT;
        field->name = (struct scope_slice){copy, name};
        field->text = (struct scope_slice){copy + name + 1, strlen(copy) - name - 1};
    }
    return true;
}

struct scope_report *scope_report_new(const struct scope_report_settings *settings, scope_emit *emit, void *emit_context)
{
    const char **texts[8];
    bool failed = false;
    struct scope_report *report = calloc(1, sizeof *report);
    if (report == NULL) return NULL;
    report->settings = *settings;
    report->emit = emit;
    report->emit_context = emit_context;
    each_text(&report->settings, texts);
    for (int i = 0; texts[i] != NULL; i++) *texts[i] = copied(*texts[i], &failed);
    report->memory.limit = settings->memory_limit != 0 ? settings->memory_limit : DEFAULT_MEMORY;
    report->channels.memory = report->targets.memory = &report->memory;
    report->channels.forgetting = scope_forget_text;
    report->channels.context = report;
    report->limit.per_second = settings->max_events_per_second;
    scope_line_init(&report->line, LINE_MAX_BYTES);
    scope_line_init(&report->scratch, LINE_MAX_BYTES);
    if (failed || !copy_tags(report)) {
        scope_report_free(report);
        return NULL;
    }
    settings = &report->settings;
    report->statsd.prefix = scope_slice_of(settings->statsd_prefix);
    report->statsd.max_length = settings->statsd_max_length != 0 ? settings->statsd_max_length : DEFAULT_STATSD_LENGTH;
    report->statsd.verbosity = settings->verbosity;
    if (!scope_json_identify(&report->identity, settings->host, settings->proc, settings->cmd, settings->pid,
                             report->tags, report->tag_count)) {
        scope_report_free(report);
        return NULL;
    }
    return report;
}

void scope_report_free(struct scope_report *report)
{
    const char **texts[8];
    if (report == NULL) return;
    if (report->identity.envelope.length != 0) scope_report_flush(report, report->newest_ns);
    scope_channels_clear(&report->channels);
    scope_targets_clear(&report->targets);
    scope_memory_give(&report->memory, report->names);
    scope_json_forget(&report->identity);
    scope_line_free(&report->line);
    scope_line_free(&report->scratch);
    for (unsigned i = 0; i < report->tag_count; i++) free((char *)report->tags[i].name.at);
    free(report->tags);
    each_text(&report->settings, texts);
    for (int i = 0; texts[i] != NULL; i++) free((char *)*texts[i]);
    free(report);
}

void scope_report_set_clock(struct scope_report *report, int64_t realtime_offset_ns)
{
    report->clock_offset = realtime_offset_ns;
}

struct scope_report_losses scope_report_losses(const struct scope_report *report)
{
    struct scope_report_losses losses = report->losses;
    losses.limited_events = report->limit.dropped_ever;
    losses.forgotten_channels = report->channels.forgotten;
    losses.refused_memory = report->memory.refused;
    return losses;
}

bool scope_payload_take(struct scope_payload *payload, void *to, size_t size)
{
    if (payload->length < size) return false;
    memcpy(to, payload->at, size);
    payload->at += size;
    payload->length -= size;
    return true;
}

bool scope_payload_bytes(struct scope_payload *payload, size_t length, struct scope_slice *bytes)
{
    if (payload->length < length) return false;
    *bytes = (struct scope_slice){payload->at, length};
    payload->at += length;
    payload->length -= length;
    return true;
}

struct scope_slice scope_op_name(const struct scope_report *report, scope_op op)
{
    if (report->settings.op_names == NULL || op >= report->settings.op_count) return SCOPE_LITERAL("");
    return scope_slice_of(report->settings.op_names[op]);
}

/** Whether records of this thread are missing before this one. */
static void watch_sequence(struct scope_report *report, const struct scope_record *record)
{
    unsigned place = record->tid % SCOPE_THREADS;
    if (report->threads[place].tid == record->tid && record->tid != 0 &&
        report->threads[place].sequence + 1 != record->sequence)
        report->sequence_gaps++;
    report->threads[place].tid = record->tid;
    report->threads[place].sequence = record->sequence;
}

static bool dispatch(struct scope_report *report, struct scope_payload payload)
{
    switch ((enum scope_kind)payload.record->kind) {
    case SCOPE_PAD:
        return true;
    case SCOPE_FILE_OPEN:
    case SCOPE_FILE_CLOSE:
    case SCOPE_FILE_DELETE:
    case SCOPE_FILE_CHANGE:
    case SCOPE_FILE_ERROR:
        return scope_take_file(report, payload);
    case SCOPE_NET_OPEN:
    case SCOPE_NET_CLOSE:
    case SCOPE_NET_LISTEN:
    case SCOPE_NET_ERROR:
        return scope_take_net(report, payload);
    case SCOPE_DATA:
        return scope_take_data(report, payload);
    case SCOPE_DNS_REQUEST:
    case SCOPE_DNS_RESPONSE:
        return scope_take_dns(report, payload);
    case SCOPE_CONSOLE:
    case SCOPE_LOG_TEXT:
        return scope_take_text(report, payload);
    case SCOPE_PROCESS_START:
    case SCOPE_PROCESS_EXEC:
    case SCOPE_PROCESS_EXIT:
        return scope_take_process(report, payload);
    }
    return false;
}

void scope_report_record(struct scope_report *report, const struct scope_record *at, size_t available)
{
    struct scope_record record;
    if (available < sizeof record) {
        report->losses.bad_records++;
        return;
    }
    memcpy(&record, at, sizeof record);
    if (record.size < sizeof record || record.size > available || record.padding > 7 ||
        record.padding > record.size - sizeof record) {
        report->losses.bad_records++;
        return;
    }
    if (record.kind == SCOPE_PAD) return;
    if (record.time_ns > report->newest_ns) report->newest_ns = record.time_ns;
    watch_sequence(report, &record);
    /* An eighth is kept free, so that a busy channel's needs are met by an idle one's loss. */
    while (report->memory.used > report->memory.limit - report->memory.limit / 8 && report->channels.oldest != NULL)
        scope_channels_forget(&report->channels);
    struct scope_payload payload = {&record, (const char *)at + sizeof record,
                                    record.size - sizeof record - record.padding};
    if (!dispatch(report, payload)) report->losses.bad_records++;
}

void scope_report_idle(struct scope_report *report, uint64_t now_ns)
{
    if (now_ns > report->newest_ns) report->newest_ns = now_ns;
    scope_flush_texts(report, now_ns > SCOPE_TEXT_WAIT_NS ? now_ns - SCOPE_TEXT_WAIT_NS : 0);
    scope_flush_limit(report, false);
}

void scope_report_flush(struct scope_report *report, uint64_t now_ns)
{
    if (now_ns > report->newest_ns) report->newest_ns = now_ns;
    scope_flush_texts(report, UINT64_MAX);
    scope_flush_limit(report, true);
}

void scope_report_dropped(struct scope_report *report, uint64_t total, uint64_t now_ns)
{
    if (total <= report->told_dropped) return;
    uint64_t dropped = total - report->told_dropped;
    report->told_dropped = total;
    char text[96];
    snprintf(text, sizeof text, "Records were lost because the program was faster than its reporter: %llu.",
             (unsigned long long)dropped);
    scope_send_notice(report, SCOPE_ABOUT_METRIC, text, now_ns);
    if (!report->settings.metric_process) return;
    struct scope_period moment = {report, NULL, now_ns, 0};
    struct scope_fields fields = {.count = 0};
    scope_add_process(report, &fields);
    scope_add_text(&fields, "unit", SCOPE_LITERAL("record"), 1);
    scope_send_value(&moment, SCOPE_LITERAL("scope.dropped"), SCOPE_COUNTER, SCOPE_WHOLE, (int64_t)dropped, &fields);
}
