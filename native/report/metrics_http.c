/* The metrics of HTTP: one set a target, counts by status code. */
#include "metrics.h"
#include "state.h"

static void describe(struct scope_period *period, const struct scope_target *target, uint16_t code, uint64_t operations,
                     struct scope_slice unit, struct scope_fields *fields)
{
    fields->count = 0;
    scope_add_text(fields, "http_target", ((struct scope_slice){target->text, target->length}), 4);
    if (code != 0) scope_add_whole(fields, "http_status_code", code, 1);
    if (operations != 0) scope_add_whole(fields, "numops", operations, 8);
    scope_add_process(period->report, fields);
    scope_add_text(fields, "unit", unit, 1);
    scope_add_text(fields, "summary", SCOPE_LITERAL("true"), 1);
}

static void tell_time(struct scope_period *period, const struct scope_target *target, struct scope_slice name,
                      const struct scope_sum *sum)
{
    struct scope_fields fields;
    if (sum->count == 0) return;
    describe(period, target, 0, sum->count, SCOPE_LITERAL("millisecond"), &fields);
    int64_t mean = (int64_t)(sum->total / sum->count / 1000);
    scope_send_value(period, name, SCOPE_TIMER, SCOPE_THOUSANDTHS, mean, &fields);
}

static void tell_bytes(struct scope_period *period, const struct scope_target *target, struct scope_slice name,
                       const struct scope_sum *sum)
{
    struct scope_fields fields;
    if (sum->total == 0) return;
    describe(period, target, 0, sum->count, SCOPE_LITERAL("byte"), &fields);
    scope_send_value(period, name, SCOPE_COUNTER, SCOPE_WHOLE, (int64_t)sum->total, &fields);
}

void scope_tell_targets(struct scope_period *period)
{
    struct scope_targets *targets = &period->report->targets;
    struct scope_fields fields;
    for (const struct scope_target *target = targets->first; target != NULL; target = target->after) {
        for (uint16_t i = 0; i < target->code_count; i++) {
            describe(period, target, target->codes[i].code, 0, SCOPE_LITERAL("request"), &fields);
            scope_send_value(period, SCOPE_LITERAL("http.req"), SCOPE_COUNTER, SCOPE_WHOLE,
                             (int64_t)target->codes[i].count, &fields);
        }
        tell_time(period, target, SCOPE_LITERAL("http.duration.server"), &target->server_ns);
        tell_time(period, target, SCOPE_LITERAL("http.duration.client"), &target->client_ns);
        tell_bytes(period, target, SCOPE_LITERAL("http.req.content_length"), &target->request_bytes);
        tell_bytes(period, target, SCOPE_LITERAL("http.resp.content_length"), &target->response_bytes);
    }
    scope_targets_clear(targets);
}
