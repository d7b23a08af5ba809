/* HTTP messages as events, and as what their targets' metrics are summed from. */
#include "state.h"

static void add_names(struct scope_fields *fields, struct scope_slice host, struct scope_slice user_agent,
                      struct scope_slice client_ip, struct scope_slice x_appscope)
{
    if (host.length != 0) scope_add_text(fields, "http_host", host, 1);
    if (user_agent.length != 0) scope_add_text(fields, "http_user_agent", user_agent, 5);
    if (client_ip.length != 0) scope_add_text(fields, "http_client_ip", client_ip, 5);
    if (x_appscope.length != 0) scope_add_text(fields, "x-appscope", x_appscope, 5);
}

static bool is_taken(const struct scope_fields *fields, struct scope_slice name)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (scope_slice_equal(fields->list[i].name, name)) return true;
    return false;
}

/** Headers that the user asks for, under their names as sent; the first of a name counts. */
static void add_wanted_headers(struct scope_report *report, struct scope_fields *fields, struct scope_slice headers)
{
    const struct scope_report_settings *settings = &report->settings;
    struct scope_http1_header header;
    if (settings->wants_header == NULL) return;
    while (fields->count < SCOPE_FIELDS_MAX - 16 && scope_http1_next_header(&headers, &header)) {
        scope_line_begin(&report->scratch);
        scope_line_slice(&report->scratch, header.line);
        scope_line_bytes(&report->scratch, "", 1);
        if (report->scratch.spoilt || !settings->wants_header(settings->context, report->scratch.at)) continue;
        if (is_taken(fields, header.name)) continue;
        scope_fields_add(fields, header.name, SCOPE_TEXT, 5)->text = header.value;
    }
}

static struct scope_slice scheme(const struct scope_channel *channel)
{
    return channel->layer == SCOPE_LAYER_TLS ? SCOPE_LITERAL("https") : SCOPE_LITERAL("http");
}

static struct scope_slice flavor(const struct scope_http1_head *head)
{
    static const char flavors[] = "1.01.11.21.31.41.51.61.71.81.9";
    return (struct scope_slice){flavors + head->minor * 3, 3};
}

static void request(void *context, const struct scope_http1_head *head, bool is_client, uint64_t time_ns)
{
    const struct scope_http_place *place = context;
    struct scope_report *report = place->report;
    (void)is_client;
    if (!report->settings.event_http) return;
    struct scope_fields fields = {.count = 0};
    scope_add_text(&fields, "http_method", head->method, 1);
    scope_add_text(&fields, "http_target", head->target, 4);
    scope_add_text(&fields, "http_flavor", flavor(head), 5);
    scope_add_text(&fields, "http_scheme", scheme(place->channel), 5);
    add_names(&fields, head->host, head->user_agent, head->client_ip, head->x_appscope);
    if (head->content_length >= 0) scope_add_whole(&fields, "http_request_content_length", head->content_length, 5);
    add_wanted_headers(report, &fields, head->headers);
    scope_add_connection(report, &fields, place->channel);
    scope_send_event(report, SCOPE_ABOUT_HTTP, "http.req", place->channel->id, time_ns, &fields);
}

static void sum(struct scope_report *report, const struct scope_http1_head *head,
                const struct scope_http1_request *asked, bool is_client, uint64_t duration_ns)
{
    if (!report->settings.metric_http) return;
    struct scope_exchange exchange = {
        .target = asked != NULL ? asked->target : SCOPE_LITERAL(""),
        .code = (uint16_t)head->status,
        .is_client = is_client,
        .is_timed = asked != NULL,
        .duration_ns = duration_ns,
        .request_bytes = asked != NULL ? asked->content_length : -1,
        .response_bytes = head->content_length,
    };
    scope_targets_add(&report->targets, &exchange);
}

static void response(void *context, const struct scope_http1_head *head, const struct scope_http1_request *asked,
                     bool is_client, uint64_t time_ns)
{
    const struct scope_http_place *place = context;
    struct scope_report *report = place->report;
    uint64_t duration = asked != NULL && asked->started_ns < time_ns ? time_ns - asked->started_ns : 0;
    sum(report, head, asked, is_client, duration);
    if (!report->settings.event_http) return;
    struct scope_fields fields = {.count = 0};
    if (asked != NULL) {
        scope_add_text(&fields, "http_method", asked->method, 1);
        scope_add_text(&fields, "http_target", asked->target, 4);
    }
    scope_add_text(&fields, "http_scheme", scheme(place->channel), 5);
    scope_add_text(&fields, "http_flavor", flavor(head), 5);
    scope_add_whole(&fields, "http_status_code", head->status, 1);
    scope_add_text(&fields, "http_status_text", head->reason, 5);
    if (asked != NULL && is_client) scope_add_thousandths(&fields, "http_client_duration", duration / 1000, 8);
    if (asked != NULL && !is_client) scope_add_thousandths(&fields, "http_server_duration", duration / 1000, 8);
    if (asked != NULL) add_names(&fields, asked->host, asked->user_agent, asked->client_ip, asked->x_appscope);
    if (head->content_length >= 0) scope_add_whole(&fields, "http_response_content_length", head->content_length, 5);
    add_wanted_headers(report, &fields, head->headers);
    scope_add_connection(report, &fields, place->channel);
    scope_send_event(report, SCOPE_ABOUT_HTTP, "http.resp", place->channel->id, time_ns, &fields);
}

const struct scope_http1_sink *scope_http_sink(struct scope_http1_sink *sink, struct scope_report *report,
                                               struct scope_channel *channel, struct scope_http_place *place)
{
    *place = (struct scope_http_place){report, channel};
    *sink = (struct scope_http1_sink){place, request, response, &report->memory, &report->losses.lost_messages};
    return sink;
}
