/* Events leave here: filtered, limited, encoded. Nothing else writes an event's line. */
#include <stdio.h>

#include "state.h"

static const char *const sourcetypes[SCOPE_SOURCETYPES] = {
    [SCOPE_ABOUT_FS] = "fs",           [SCOPE_ABOUT_NET] = "net",         [SCOPE_ABOUT_HTTP] = "http",
    [SCOPE_ABOUT_DNS] = "dns",         [SCOPE_ABOUT_CONSOLE] = "console", [SCOPE_ABOUT_FILE] = "file",
    [SCOPE_ABOUT_METRIC] = "metric", [SCOPE_ABOUT_PROCESS] = "process",
};

bool scope_wants_events(const struct scope_report *report, enum scope_sourcetype about)
{
    const struct scope_report_settings *settings = &report->settings;
    switch (about) {
    case SCOPE_ABOUT_FS: return settings->event_fs;
    case SCOPE_ABOUT_NET: return settings->event_net;
    case SCOPE_ABOUT_HTTP: return settings->event_http;
    case SCOPE_ABOUT_DNS: return settings->event_dns;
    case SCOPE_ABOUT_CONSOLE: return settings->event_console;
    case SCOPE_ABOUT_FILE: return settings->event_file;
    case SCOPE_ABOUT_METRIC: return settings->event_metric;
    case SCOPE_ABOUT_PROCESS: return settings->event_process;
    case SCOPE_SOURCETYPES: break;
    }
    return false;
}

uint64_t scope_realtime(const struct scope_report *report, uint64_t time_ns)
{
    return time_ns + (uint64_t)report->clock_offset;
}

static void emit(struct scope_report *report)
{
    if (report->line.spoilt) report->losses.long_lines++;
    else report->emit(report->emit_context, SCOPE_OUT_EVENT, report->line.at, report->line.length);
}

void scope_send_notice(struct scope_report *report, enum scope_sourcetype about, const char *text, uint64_t time_ns)
{
    bool any = false;
    for (int i = 0; i < SCOPE_SOURCETYPES && !any; i++) any = scope_wants_events(report, (enum scope_sourcetype)i);
    if (!any) return;
    struct scope_json_event event = {
        .sourcetype = scope_slice_of(sourcetypes[about]),
        .source = SCOPE_LITERAL("notice"),
        .realtime_ns = scope_realtime(report, time_ns),
        .notice = scope_slice_of(text),
    };
    scope_json_event(&report->line, &report->identity, &event);
    emit(report);
}

static void tell_limited(struct scope_report *report, uint64_t dropped)
{
    char text[160];
    if (dropped == 0) return;
    /* The first sentence is what receivers of AppScope's events look for. */
    snprintf(text, sizeof text, "Truncated metrics. Your rate exceeded %u metrics per second. Dropped: %llu.",
             report->limit.per_second, (unsigned long long)dropped);
    scope_send_notice(report, report->limited, text, report->newest_ns);
}

void scope_flush_limit(struct scope_report *report, bool now)
{
    uint64_t ended = scope_limit_enter(&report->limit, scope_realtime(report, report->newest_ns));
    tell_limited(report, now ? ended + scope_limit_end(&report->limit) : ended);
}

/** The text with a NUL behind it; valid until the next call. */
static const char *terminated(struct scope_report *report, struct scope_slice text)
{
    scope_line_begin(&report->scratch);
    scope_line_slice(&report->scratch, text);
    scope_line_bytes(&report->scratch, "", 1);
    return report->scratch.spoilt ? "" : report->scratch.at;
}

static const char *value_text(struct scope_report *report, const struct scope_field *field)
{
    if (field->kind == SCOPE_TEXT) return terminated(report, field->text);
    scope_line_begin(&report->scratch);
    if (field->kind == SCOPE_WHOLE) scope_line_signed(&report->scratch, field->number);
    else scope_line_thousandths(&report->scratch, field->number);
    scope_line_bytes(&report->scratch, "", 1);
    return report->scratch.spoilt ? "" : report->scratch.at;
}

static bool any_value_matches(struct scope_report *report, const char *sourcetype, const char *source,
                              const struct scope_fields *fields)
{
    const struct scope_report_settings *settings = &report->settings;
    for (unsigned i = 0; i < fields->count; i++) {
        const struct scope_field *field = &fields->list[i];
        if (field->kind == SCOPE_LIST) {
            for (uint16_t j = 0; j < field->count; j++)
                if (settings->wants(settings->context, sourcetype, source, NULL, terminated(report, field->list[j])))
                    return true;
        } else if (settings->wants(settings->context, sourcetype, source, NULL, value_text(report, field))) {
            return true;
        }
    }
    return false;
}

static bool passes(struct scope_report *report, enum scope_sourcetype about, const char *source,
                   struct scope_fields *fields)
{
    const struct scope_report_settings *settings = &report->settings;
    const char *sourcetype = sourcetypes[about];
    uint8_t unfiltered = settings->unfiltered[about];
    if (settings->wants == NULL || (unfiltered & SCOPE_ANY) == SCOPE_ANY) return true;
    if (!(unfiltered & SCOPE_ANY_NAME) && !settings->wants(settings->context, sourcetype, source, NULL, NULL))
        return false;
    if (!(unfiltered & SCOPE_ANY_VALUE) && !any_value_matches(report, sourcetype, source, fields)) return false;
    if (unfiltered & SCOPE_ANY_FIELD) return true;
    unsigned kept = 0;
    for (unsigned i = 0; i < fields->count; i++)
        if (settings->wants(settings->context, sourcetype, source, terminated(report, fields->list[i].name), NULL))
            fields->list[kept++] = fields->list[i];
    fields->count = kept;
    return kept != 0;
}

void scope_send_event(struct scope_report *report, enum scope_sourcetype about, const char *source, uint64_t channel,
                      uint64_t time_ns, struct scope_fields *fields)
{
    if (!scope_wants_events(report, about) || !passes(report, about, source, fields)) return;
    if (about != SCOPE_ABOUT_CONSOLE && about != SCOPE_ABOUT_FILE) {
        scope_flush_limit(report, false);
        if (!scope_limit_pass(&report->limit)) {
            report->limited = about;
            return;
        }
    }
    struct scope_json_event event = {
        .sourcetype = scope_slice_of(sourcetypes[about]),
        .source = scope_slice_of(source),
        .channel = channel,
        .realtime_ns = scope_realtime(report, time_ns),
        .fields = fields,
    };
    scope_json_event(&report->line, &report->identity, &event);
    emit(report);
}
