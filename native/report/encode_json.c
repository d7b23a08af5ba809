/* Writes fields as JSON. Everything that comes from the program goes through scope_line_json. */
#include "encode_json.h"

static void value(struct scope_line *line, const struct scope_field *field)
{
    switch ((enum scope_field_kind)field->kind) {
    case SCOPE_TEXT:
        scope_line_json(line, field->text);
        break;
    case SCOPE_WHOLE:
        scope_line_signed(line, field->number);
        break;
    case SCOPE_THOUSANDTHS:
        scope_line_thousandths(line, field->number);
        break;
    case SCOPE_LIST:
        scope_line_literal(line, "[");
        for (uint16_t i = 0; i < field->count; i++) {
            if (i != 0) scope_line_literal(line, ",");
            scope_line_json(line, field->list[i]);
        }
        scope_line_literal(line, "]");
        break;
    }
}

static void member(struct scope_line *line, const struct scope_field *field)
{
    scope_line_json(line, field->name);
    scope_line_literal(line, ":");
    value(line, field);
}

static bool is_reserved(struct scope_slice name)
{
    static const char *const names[] = {"sourcetype", "_time", "source", "host", "proc", "cmd", "pid", "data"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (scope_slice_equal(name, scope_slice_of(names[i]))) return true;
    return false;
}

static void process(struct scope_line *line, const char *host, const char *proc, const char *cmd, uint32_t pid)
{
    scope_line_literal(line, ",\"host\":");
    scope_line_json(line, scope_slice_of(host));
    scope_line_literal(line, ",\"proc\":");
    scope_line_json(line, scope_slice_of(proc));
    scope_line_literal(line, ",\"cmd\":");
    scope_line_json(line, scope_slice_of(cmd));
    scope_line_literal(line, ",\"pid\":");
    scope_line_unsigned(line, pid);
}

/** Goes back over the bytes of a character, so that a cut does not fall into it. */
static struct scope_slice tail_of(struct scope_slice text, size_t most)
{
    if (text.length <= most) return text;
    text.at += text.length - most;
    text.length = most;
    while (text.length > 0 && ((unsigned char)*text.at & 0xC0) == 0x80) text.at++, text.length--;
    return text;
}

bool scope_json_identify(struct scope_json_identity *identity, const char *host, const char *proc, const char *cmd,
                         uint32_t pid, const struct scope_field *tags, unsigned tag_count)
{
    struct scope_line *envelope = &identity->envelope, id;
    scope_line_init(envelope, 1u << 20);
    scope_line_init(&identity->process, 1u << 20);
    scope_line_init(&identity->untagged, 1u << 20);
    scope_line_init(&id, 1u << 20);
    scope_line_slice(&id, scope_slice_of(host));
    scope_line_literal(&id, "-");
    scope_line_slice(&id, scope_slice_of(proc));
    scope_line_literal(&id, "-");
    scope_line_slice(&id, tail_of(scope_slice_of(cmd), 32));
    scope_line_literal(envelope, "{\"type\":\"evt\",\"id\":");
    scope_line_json(envelope, (struct scope_slice){id.at, id.length});
    scope_line_literal(envelope, ",\"_channel\":\"");
    process(&identity->untagged, host, proc, cmd, pid);
    scope_line_literal(&identity->untagged, ",\"data\":");
    process(&identity->process, host, proc, cmd, pid);
    for (unsigned i = 0; i < tag_count; i++) {
        if (is_reserved(tags[i].name)) continue;
        scope_line_literal(&identity->process, ",");
        member(&identity->process, &tags[i]);
    }
    scope_line_literal(&identity->process, ",\"data\":");
    bool whole = !id.spoilt && !envelope->spoilt && !identity->process.spoilt && !identity->untagged.spoilt;
    scope_line_free(&id);
    return whole;
}

void scope_json_forget(struct scope_json_identity *identity)
{
    scope_line_free(&identity->envelope);
    scope_line_free(&identity->process);
    scope_line_free(&identity->untagged);
}

static void whole_line(struct scope_line *line, const struct scope_line *part)
{
    scope_line_bytes(line, part->at, part->length);
}

void scope_json_event(struct scope_line *line, const struct scope_json_identity *identity,
                      const struct scope_json_event *event)
{
    scope_line_begin(line);
    whole_line(line, &identity->envelope);
    if (event->channel != 0) scope_line_unsigned(line, event->channel);
    else scope_line_literal(line, "none");
    scope_line_literal(line, "\",\"body\":{\"sourcetype\":\"");
    scope_line_slice(line, event->sourcetype);
    scope_line_literal(line, "\",\"_time\":");
    scope_line_seconds(line, event->realtime_ns);
    scope_line_literal(line, ",\"source\":");
    scope_line_json(line, event->source);
    if (event->fields != NULL) {
        whole_line(line, &identity->process);
        scope_line_literal(line, "{");
        for (unsigned i = 0; i < event->fields->count; i++) {
            if (i != 0) scope_line_literal(line, ",");
            member(line, &event->fields->list[i]);
        }
        scope_line_literal(line, "}}}\n");
    } else {
        whole_line(line, &identity->untagged);
        scope_line_json(line, event->notice);
        scope_line_literal(line, "}}\n");
    }
}

struct scope_slice scope_metric_type_name(enum scope_metric_type type)
{
    switch (type) {
    case SCOPE_COUNTER: return SCOPE_LITERAL("counter");
    case SCOPE_GAUGE: return SCOPE_LITERAL("gauge");
    case SCOPE_TIMER: return SCOPE_LITERAL("timer");
    case SCOPE_HISTOGRAM: return SCOPE_LITERAL("histogram");
    case SCOPE_SET: return SCOPE_LITERAL("set");
    case SCOPE_DISTRIBUTION: return SCOPE_LITERAL("distribution");
    }
    return SCOPE_LITERAL("counter");
}

void scope_json_metric(struct scope_line *line, const struct scope_metric *metric, const struct scope_fields *fields,
                       uint64_t realtime_ns)
{
    scope_line_begin(line);
    scope_line_literal(line, "{\"type\":\"metric\",\"body\":{\"_metric\":");
    scope_line_json(line, metric->name);
    scope_line_literal(line, ",\"_metric_type\":\"");
    scope_line_slice(line, scope_metric_type_name(metric->type));
    scope_line_literal(line, "\",\"_value\":");
    if (metric->value.kind == SCOPE_TEXT && metric->type != SCOPE_SET) scope_line_slice(line, metric->value.text);
    else value(line, &metric->value);
    if (metric->relative) scope_line_literal(line, ",\"_relative\":true");
    if (metric->rate.length != 0) {
        scope_line_literal(line, ",\"_rate\":");
        scope_line_slice(line, metric->rate);
    }
    for (unsigned i = 0; i < fields->count; i++) {
        scope_line_literal(line, ",");
        member(line, &fields->list[i]);
    }
    scope_line_literal(line, ",\"_time\":");
    scope_line_seconds(line, realtime_ns);
    scope_line_literal(line, "}}\n");
}
