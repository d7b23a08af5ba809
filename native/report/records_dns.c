/* Lookups, as the resolver's functions tell them and as packets show them. */
#include "metrics.h"
#include "state.h"

/** What getaddrinfo's numbers are called (POSIX names, glibc's values, which musl shares). */
static struct scope_slice lookup_error(int32_t error)
{
    switch (error) {
    case -1: return SCOPE_LITERAL("EAI_BADFLAGS");
    case -2: return SCOPE_LITERAL("EAI_NONAME");
    case -3: return SCOPE_LITERAL("EAI_AGAIN");
    case -4: return SCOPE_LITERAL("EAI_FAIL");
    case -5: return SCOPE_LITERAL("EAI_NODATA");
    case -6: return SCOPE_LITERAL("EAI_FAMILY");
    case -7: return SCOPE_LITERAL("EAI_SOCKTYPE");
    case -8: return SCOPE_LITERAL("EAI_SERVICE");
    case -10: return SCOPE_LITERAL("EAI_MEMORY");
    case -11: return SCOPE_LITERAL("EAI_SYSTEM");
    case -12: return SCOPE_LITERAL("EAI_OVERFLOW");
    default: return (struct scope_slice){NULL, 0};
    }
}

static void tell_each(struct scope_report *report, struct scope_slice domain, bool is_response, uint64_t duration_ns,
                      uint64_t time_ns)
{
    struct scope_fields fields = {.count = 0};
    struct scope_period moment = {report, NULL, time_ns, 0};
    scope_add_process(report, &fields);
    scope_add_text(&fields, "domain", domain, 5);
    if (is_response) {
        scope_add_text(&fields, "unit", SCOPE_LITERAL("millisecond"), 1);
        scope_send_value(&moment, SCOPE_LITERAL("dns.duration"), SCOPE_TIMER, SCOPE_THOUSANDTHS,
                         (int64_t)(duration_ns / 1000), &fields);
    } else {
        scope_add_text(&fields, "unit", SCOPE_LITERAL("request"), 1);
        scope_send_value(&moment, SCOPE_LITERAL("dns.req"), SCOPE_COUNTER, SCOPE_WHOLE, 1, &fields);
    }
}

bool scope_take_dns(struct scope_report *report, struct scope_payload payload)
{
    struct scope_dns dns;
    struct scope_slice name;
    if (!scope_payload_take(&payload, &dns, sizeof dns) || !scope_payload_bytes(&payload, dns.name_length, &name))
        return false;
    bool is_response = payload.record->kind == SCOPE_DNS_RESPONSE;
    if (scope_tells_each(report, report->settings.metric_dns, 6)) {
        tell_each(report, name, is_response, dns.duration_ns, payload.record->time_ns);
        if (is_response) report->told[SCOPE_COUNT_DNS_NS] += dns.duration_ns;
        else report->told[SCOPE_COUNT_DNS_REQ]++;
    }
    struct scope_fields fields = {.count = 0};
    scope_add_text(&fields, "domain", name, 5);
    if (is_response) {
        scope_add_thousandths(&fields, "duration", dns.duration_ns / 1000, 8);
        struct scope_slice error = lookup_error(dns.error);
        if (error.length != 0) scope_add_text(&fields, "error", error, 5);
        else if (dns.error != 0) scope_add_whole(&fields, "error", dns.error, 5);
    }
    scope_send_event(report, SCOPE_ABOUT_DNS, is_response ? "dns.resp" : "dns.req", payload.record->channel,
                     payload.record->time_ns, &fields);
    return true;
}

static void remember_question(struct scope_report *report, const struct scope_channel *channel, uint16_t id,
                              uint64_t time_ns)
{
    report->questions[report->next_question] = (struct scope_dns_question){channel->id, time_ns, id};
    report->next_question = (report->next_question + 1) % SCOPE_DNS_WAITING;
}

/** How long the answer took; 0 if the question was not seen. */
static uint64_t answered(struct scope_report *report, const struct scope_channel *channel, uint16_t id, uint64_t time_ns)
{
    for (unsigned i = 0; i < SCOPE_DNS_WAITING; i++) {
        struct scope_dns_question *question = &report->questions[i];
        if (question->time_ns == 0 || question->id != id || question->channel != channel->id) continue;
        uint64_t duration = time_ns > question->time_ns ? time_ns - question->time_ns : 0;
        question->time_ns = 0;
        return duration;
    }
    return 0;
}

static void remember_names(struct scope_report *report, const struct scope_dns_message *message)
{
    if (report->names == NULL) report->names = scope_memory_take(&report->memory, SCOPE_NAMES * sizeof *report->names);
    if (report->names == NULL || message->name_length > sizeof report->names->name) return;
    for (uint16_t i = 0; i < message->address_count; i++) {
        const struct scope_dns_address *address = &message->addresses[i];
        struct scope_known_name *known =
            &report->names[scope_hash(address->ip, address->is_v6 ? 16 : 4) % SCOPE_NAMES];
        known->address = *address;
        known->length = (uint8_t)message->name_length;
        memcpy(known->name, message->name, message->name_length);
    }
}

void scope_dns_packet(struct scope_report *report, const struct scope_channel *channel, uint64_t time_ns)
{
    const struct scope_dns_message *message = &report->dns;
    struct scope_slice name = {message->name, message->name_length};
    char type[16], rcode[16], text[SCOPE_DNS_ADDRESSES][46];
    struct scope_slice addresses[SCOPE_DNS_ADDRESSES];
    struct scope_fields fields = {.count = 0};
    bool each = scope_tells_each(report, report->settings.metric_dns, 6);
    scope_add_text(&fields, "domain", name, 5);
    if (!message->is_response) {
        remember_question(report, channel, message->id, time_ns);
        if (each) tell_each(report, name, false, 0, time_ns);
        else report->packet_requests++;
        scope_add_text(&fields, "query_type", scope_dns_type_name(message->type, type), 5);
        scope_send_event(report, SCOPE_ABOUT_DNS, "dns.req", channel->id, time_ns, &fields);
        return;
    }
    uint64_t duration = answered(report, channel, message->id, time_ns);
    remember_names(report, message);
    if (each && duration != 0) tell_each(report, name, true, duration, time_ns);
    scope_add_thousandths(&fields, "duration", duration / 1000, 8);
    if (message->address_count != 0) {
        for (uint16_t i = 0; i < message->address_count; i++)
            addresses[i] = scope_ip_text(message->addresses[i].ip, message->addresses[i].is_v6, text[i]);
        struct scope_field *list = scope_fields_add(&fields, SCOPE_LITERAL("addrs"), SCOPE_LIST, SCOPE_EVENTS_ONLY);
        list->list = addresses;
        list->count = message->address_count;
    }
    scope_add_text(&fields, "query_type", scope_dns_type_name(message->type, type), 5);
    scope_add_text(&fields, "rcode", scope_dns_rcode_name(message->rcode, rcode), 5);
    scope_send_event(report, SCOPE_ABOUT_DNS, "dns.resp", channel->id, time_ns, &fields);
}
