/* The life of the process: the metric proc.start, and events that AppScope does not have. */
#include "metrics.h"
#include "state.h"

static void tell_start(struct scope_report *report, struct scope_slice arguments, uint64_t time_ns)
{
    const struct scope_report_settings *settings = &report->settings;
    struct scope_fields fields = {.count = 0};
    struct scope_period moment = {report, NULL, time_ns, 0};
    scope_add_text(&fields, "proc", scope_slice_of(settings->proc), 4);
    scope_add_whole(&fields, "pid", settings->pid, 4);
    scope_add_whole(&fields, "gid", settings->gid, 4);
    if (settings->groupname[0] != 0) scope_add_text(&fields, "groupname", scope_slice_of(settings->groupname), 4);
    scope_add_whole(&fields, "uid", settings->uid, 4);
    if (settings->username[0] != 0) scope_add_text(&fields, "username", scope_slice_of(settings->username), 4);
    scope_add_text(&fields, "host", scope_slice_of(settings->host), 4);
    scope_add_text(&fields, "args", arguments.length != 0 ? arguments : scope_slice_of(settings->cmd), 7);
    scope_add_text(&fields, "unit", SCOPE_LITERAL("process"), 1);
    scope_send_value(&moment, SCOPE_LITERAL("proc.start"), SCOPE_COUNTER, SCOPE_WHOLE, 1, &fields);
}

bool scope_take_process(struct scope_report *report, struct scope_payload payload)
{
    struct scope_process process;
    struct scope_slice text;
    uint64_t time_ns = payload.record->time_ns;
    if (!scope_payload_take(&payload, &process, sizeof process)) return false;
    if (!scope_payload_bytes(&payload, process.text_length, &text)) return false;
    struct scope_fields fields = {.count = 0};
    scope_add_whole(&fields, "process_id", process.pid, 4);
    scope_add_whole(&fields, "parent_id", process.parent_pid, 4);
    switch (payload.record->kind) {
    case SCOPE_PROCESS_START:
        if (report->settings.metric_process) tell_start(report, text, time_ns);
        scope_add_text(&fields, "args", text, 7);
        scope_send_event(report, SCOPE_ABOUT_PROCESS, "proc.start", 0, time_ns, &fields);
        break;
    case SCOPE_PROCESS_EXEC:
        scope_add_text(&fields, "file", text, 5);
        scope_send_event(report, SCOPE_ABOUT_PROCESS, "proc.exec", 0, time_ns, &fields);
        break;
    default:
        scope_add_whole(&fields, "status", process.status, 4);
        scope_send_event(report, SCOPE_ABOUT_PROCESS, "proc.exit", 0, time_ns, &fields);
        break;
    }
    return true;
}
