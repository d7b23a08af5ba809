/* Records about files: fs.open, fs.close, fs.delete, fs.change, and their metrics where each is told. */
#include "metrics.h"
#include "state.h"

/** AppScope's file events are about files that the program opened itself, not its three standard streams. */
#define FIRST_OWN_DESCRIPTOR 3

static void add_process_first(struct scope_report *report, struct scope_fields *fields)
{
    scope_add_text(fields, "proc", scope_slice_of(report->settings.proc), 4);
    scope_add_whole(fields, "pid", report->settings.pid, 4);
    scope_add_text(fields, "host", scope_slice_of(report->settings.host), 4);
}

static void add_file(struct scope_report *report, struct scope_fields *fields, const struct scope_file *file)
{
    add_process_first(report, fields);
    scope_add_text(fields, "file", ((struct scope_slice){file->path, file->path_length}), 5);
    scope_add_whole(fields, "proc_uid", report->settings.uid, 4);
    scope_add_whole(fields, "proc_gid", report->settings.gid, 4);
    scope_add_text(fields, "proc_cgroup", scope_slice_of(report->settings.cgroup), 4);
    if (!file->has_owner) return;
    uint32_t mode = file->mode & 07777;
    scope_add_whole(fields, "file_perms", (mode >> 9) * 1000 + (mode >> 6 & 7) * 100 + (mode >> 3 & 7) * 10 + (mode & 7), 5);
    scope_add_whole(fields, "file_owner", file->uid, 5);
    scope_add_whole(fields, "file_group", file->gid, 5);
}

/** One operation as a metric of its own; the period then tells only the others. */
static void tell_each(struct scope_report *report, const struct scope_payload *payload, struct scope_slice name,
                      const char *class, unsigned counter, int32_t fd, scope_op op, struct scope_slice path)
{
    struct scope_fields fields = {.count = 0};
    struct scope_period moment = {report, NULL, payload->record->time_ns, 0};
    scope_add_process(report, &fields);
    if (class != NULL) scope_add_text(&fields, "class", scope_slice_of(class), 2);
    if (fd >= 0) scope_add_whole(&fields, "fd", fd, 7);
    scope_add_text(&fields, "op", scope_op_name(report, op), 3);
    scope_add_text(&fields, "file", path, 5);
    scope_add_text(&fields, "unit", SCOPE_LITERAL("operation"), 1);
    scope_send_value(&moment, name, SCOPE_COUNTER, SCOPE_WHOLE, 1, &fields);
    report->told[counter]++;
}

static bool file_open(struct scope_report *report, struct scope_payload payload)
{
    struct scope_file_open open;
    struct scope_slice path;
    if (!scope_payload_take(&payload, &open, sizeof open) || !scope_payload_bytes(&payload, open.path_length, &path))
        return false;
    struct scope_channel *channel = scope_channels_get(&report->channels, payload.record->channel);
    if (channel == NULL || !scope_channel_set_file(&report->channels, channel, path.at, path.length)) return true;
    channel->fd = open.fd;
    struct scope_file *file = channel->file;
    const struct scope_report_settings *settings = &report->settings;
    if (settings->event_fs && settings->enhance_fs && settings->stat_file != NULL)
        file->has_owner = settings->stat_file(settings->context, file->path, &file->mode, &file->uid, &file->gid);
    if (scope_tells_each(report, settings->metric_fs, 6))
        tell_each(report, &payload, SCOPE_LITERAL("fs.open"), NULL, SCOPE_COUNT_FS_OPEN, open.fd, open.op, path);
    if (open.fd < FIRST_OWN_DESCRIPTOR || !settings->event_fs) return true;
    struct scope_fields fields = {.count = 0};
    add_file(report, &fields, file);
    scope_add_text(&fields, "op", scope_op_name(report, open.op), 3);
    scope_send_event(report, SCOPE_ABOUT_FS, "fs.open", channel->id, payload.record->time_ns, &fields);
    return true;
}

static bool file_close(struct scope_report *report, struct scope_payload payload)
{
    struct scope_file_close close;
    if (!scope_payload_take(&payload, &close, sizeof close)) return false;
    struct scope_channel *channel = scope_channels_find(&report->channels, payload.record->channel);
    if (channel == NULL) return true;
    scope_forget_text(report, channel);
    const struct scope_file *file = channel->file;
    if (file != NULL && scope_tells_each(report, report->settings.metric_fs, 6))
        tell_each(report, &payload, SCOPE_LITERAL("fs.close"), NULL, SCOPE_COUNT_FS_CLOSE, close.fd, close.op,
                  (struct scope_slice){file->path, file->path_length});
    if (file != NULL && close.fd >= FIRST_OWN_DESCRIPTOR && report->settings.event_fs) {
        struct scope_fields fields = {.count = 0};
        uint64_t operations = close.read_ops + close.write_ops;
        add_file(report, &fields, file);
        scope_add_whole(&fields, "file_read_bytes", close.read_bytes, 5);
        scope_add_whole(&fields, "file_read_ops", close.read_ops, 5);
        scope_add_whole(&fields, "file_write_bytes", close.write_bytes, 5);
        scope_add_whole(&fields, "file_write_ops", close.write_ops, 5);
        /* A thousandth of a microsecond is a nanosecond. */
        scope_add_thousandths(&fields, "duration", operations != 0 ? close.io_ns / operations : 0, 8);
        scope_add_text(&fields, "op", scope_op_name(report, close.op), 3);
        scope_send_event(report, SCOPE_ABOUT_FS, "fs.close", channel->id, payload.record->time_ns, &fields);
    }
    scope_channels_remove(&report->channels, channel);
    return true;
}

/** An error's class, by the kind of function that it came from. */
static const char *error_class(struct scope_slice op, unsigned *counter)
{
    static const char *const open_close[] = {"open", "creat", "close"};
    static const char *const stat[] = {"stat", "access"};
    char name[64];
    struct scope_slice cut = scope_slice_cut(op, sizeof name - 1);
    memcpy(name, cut.at, cut.length);
    name[cut.length] = 0;
    *counter = SCOPE_COUNT_FS_ERROR_STAT;
    for (size_t i = 0; i < sizeof stat / sizeof stat[0]; i++)
        if (strstr(name, stat[i]) != NULL) return "stat";
    *counter = SCOPE_COUNT_FS_ERROR_OPEN_CLOSE;
    for (size_t i = 0; i < sizeof open_close / sizeof open_close[0]; i++)
        if (strstr(name, open_close[i]) != NULL) return "open_close";
    *counter = SCOPE_COUNT_FS_ERROR_READ_WRITE;
    return "read_write";
}

static bool path_operation(struct scope_report *report, struct scope_payload payload)
{
    struct scope_path_op path_op;
    struct scope_slice path;
    if (!scope_payload_take(&payload, &path_op, sizeof path_op)) return false;
    if (!scope_payload_bytes(&payload, path_op.path_length, &path)) return false;
    struct scope_slice op = scope_op_name(report, path_op.op);
    if (payload.record->kind == SCOPE_FILE_ERROR) {
        unsigned counter;
        const char *class = error_class(op, &counter);
        if (scope_tells_each(report, report->settings.metric_fs, 5))
            tell_each(report, &payload, SCOPE_LITERAL("fs.error"), class, counter, -1, path_op.op, path);
        return true;
    }
    if (path_op.error != 0 || !report->settings.event_fs) return true;
    const char *split = path.length != 0 ? memchr(path.at, 0, path.length) : NULL;
    struct scope_slice second = {NULL, 0};
    if (split != NULL) {
        second = (struct scope_slice){split + 1, path.length - (size_t)(split + 1 - path.at)};
        path.length = (size_t)(split - path.at);
    }
    struct scope_fields fields = {.count = 0};
    add_process_first(report, &fields);
    scope_add_text(&fields, "op", op, 3);
    scope_add_text(&fields, "file", path, 5);
    if (second.length != 0) scope_add_text(&fields, "file_to", second, 5);
    scope_add_text(&fields, "unit", SCOPE_LITERAL("operation"), 1);
    scope_send_event(report, SCOPE_ABOUT_FS, payload.record->kind == SCOPE_FILE_DELETE ? "fs.delete" : "fs.change",
                     payload.record->channel, payload.record->time_ns, &fields);
    return true;
}

bool scope_take_file(struct scope_report *report, struct scope_payload payload)
{
    switch (payload.record->kind) {
    case SCOPE_FILE_OPEN: return file_open(report, payload);
    case SCOPE_FILE_CLOSE: return file_close(report, payload);
    default: return path_operation(report, payload);
    }
}
