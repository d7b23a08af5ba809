/* Text that was written to the console or to a log, as events of source type console and file. */
#include <stdio.h>

#include "state.h"

struct teller {
    struct scope_report *report;
    const struct scope_channel *channel;
};

static void tell(void *context, const struct scope_text_event *event)
{
    const struct teller *teller = context;
    const struct scope_channel *channel = teller->channel;
    struct scope_fields fields = {.count = 0};
    char unnamed[24];
    const char *source = channel->is_console ? (channel->fd == 2 ? "stderr" : "stdout") : unnamed;
    if (!channel->is_console) {
        if (channel->file != NULL) source = channel->file->path;
        else snprintf(unnamed, sizeof unnamed, "fd %d", channel->fd);
    }
    scope_add_text(&fields, "message", event->message, 1);
    if (event->missing != 0) scope_add_whole(&fields, "missing_bytes", event->missing, 1);
    scope_send_event(teller->report, channel->is_console ? SCOPE_ABOUT_CONSOLE : SCOPE_ABOUT_FILE, source, channel->id,
                     event->time_ns, &fields);
}

void scope_forget_text(void *report, struct scope_channel *channel)
{
    struct teller teller = {report, channel};
    if (channel->text != NULL) scope_gather_flush(channel->text, tell, &teller);
}

void scope_flush_texts(struct scope_report *report, uint64_t before_ns)
{
    uint32_t left = report->channels.with_text;
    for (struct scope_channel *channel = report->channels.newest; channel != NULL && left != 0; channel = channel->older) {
        if (channel->text == NULL) continue;
        left--;
        if (channel->text->length != 0 && channel->text->first_ns <= before_ns) scope_forget_text(report, channel);
    }
}

bool scope_take_text(struct scope_report *report, struct scope_payload payload)
{
    struct scope_text written;
    struct scope_slice bytes;
    if (!scope_payload_take(&payload, &written, sizeof written)) return false;
    if (!scope_payload_bytes(&payload, written.kept_length, &bytes) || written.length < written.kept_length) return false;
    bool is_console = payload.record->kind == SCOPE_CONSOLE;
    if (!scope_wants_events(report, is_console ? SCOPE_ABOUT_CONSOLE : SCOPE_ABOUT_FILE)) return true;
    struct scope_channel *channel = scope_channels_get(&report->channels, payload.record->channel);
    if (channel == NULL) return true;
    /* Standard output and error may be one channel, e.g. a terminal: their texts are told apart. */
    if (channel->text != NULL && (channel->is_console != is_console || channel->fd != written.fd))
        scope_forget_text(report, channel);
    channel->is_console = is_console;
    channel->fd = written.fd;
    struct scope_text_buffer *text = scope_channel_text(&report->channels, channel);
    if (text == NULL) return true;
    struct teller teller = {report, channel};
    struct scope_text_write write = {bytes, written.length, payload.record->time_ns,
                                     is_console && !report->settings.allow_binary};
    scope_gather_add(text, write, &report->memory, tell, &teller);
    return true;
}
