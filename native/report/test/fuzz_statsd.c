/* Any bytes as StatsD: each sample must be written as one line of StatsD and one of JSON whose number is JSON's. */
#include <stdlib.h>

#include "encode_json.h"
#include "encode_statsd.h"
#include "statsd.h"

static struct scope_line line = {.limit = 1 << 20};

static bool is_json_number(struct scope_slice text)
{
    size_t i = 0;
#define DIGITS(least)                                                        \
    do {                                                                     \
        size_t from = i;                                                     \
        while (i < text.length && text.at[i] >= '0' && text.at[i] <= '9') i++; \
        if (i - from < (least)) return false;                                \
    } while (0)
    if (i < text.length && text.at[i] == '-') i++;
    if (i + 1 < text.length && text.at[i] == '0' && text.at[i + 1] >= '0' && text.at[i + 1] <= '9') return false;
    DIGITS(1);
    if (i < text.length && text.at[i] == '.') {
        i++;
        DIGITS(1);
    }
    if (i < text.length && text.at[i] == 'e') {
        i++;
        if (i < text.length && text.at[i] == '-') i++;
        DIGITS(1);
    }
    return i == text.length;
}

static void sample(void *context, const struct scope_statsd_sample *sample)
{
    (void)context;
    struct scope_fields fields = {.count = 0};
    for (unsigned i = 0; i < sample->tag_count; i++) scope_fields_add(&fields, sample->tags[i], SCOPE_TEXT, 0)->text = sample->tags[i];
    const struct scope_metric *metric = &sample->metric;
    if (metric->type != SCOPE_SET && metric->value.kind == SCOPE_TEXT && !is_json_number(metric->value.text)) abort();
    if (metric->rate.length != 0 && !is_json_number(metric->rate)) abort();
    struct scope_statsd_form form = {SCOPE_LITERAL(""), 512, 9};
    if (scope_statsd_metric(&line, &form, metric, &fields)) {
        if (line.length > 512 || memchr(line.at, '\n', line.length) != line.at + line.length - 1) abort();
    }
    scope_json_metric(&line, metric, &fields, 1);
    if (!line.spoilt && memchr(line.at, '\n', line.length) != line.at + line.length - 1) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scope_statsd_parse((struct scope_slice){(const char *)data, size}, sample, NULL);
    return 0;
}
