/* Reads `name:value[:value…]|type[|@rate][|#tags][|…]` lines; numbers by hand, since the C library's depend on the locale. */
#include "statsd.h"

struct number {
    char *digits;  /* in JSON's form */
    size_t length;
    double value;
    bool is_signed;
};

static double times_power_of_ten(double value, int exponent)
{
    double power = 1, base = 10;
    for (int i = exponent < 0 ? -exponent : exponent; i > 0; i >>= 1, base *= base)
        if (i & 1) power *= base;
    return exponent < 0 ? value / power : value * power;
}

/** Reads a decimal number and writes it as JSON has it (no plus, no leading zeros, a digit at each side of the point). */
static bool read_number(struct scope_slice text, char digits[48], struct number *number)
{
    size_t i = 0, to = 0;
    bool negative = false, any = false;
    double value = 0;
    int exponent = 0;
    if (text.length == 0 || text.length > 40) return false;
    number->is_signed = text.at[0] == '+' || text.at[0] == '-';
    if (number->is_signed) {
        negative = text.at[0] == '-';
        if (negative) digits[to++] = '-';
        i = 1;
    }
    size_t first = i;
    for (; i < text.length && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
        if (to > (negative ? 1u : 0u) || text.at[i] != '0') digits[to++] = text.at[i];
        value = value * 10 + (text.at[i] - '0');
    }
    any = i > first;
    if (to == (negative ? 1u : 0u)) digits[to++] = '0';
    if (i < text.length && text.at[i] == '.') {
        size_t point = to;
        digits[to++] = '.';
        for (i++; i < text.length && text.at[i] >= '0' && text.at[i] <= '9'; i++, exponent--) {
            digits[to++] = text.at[i];
            value = value * 10 + (text.at[i] - '0');
            any = true;
        }
        if (to == point + 1) to = point;
    }
    if (!any) return false;
    if (i < text.length && (text.at[i] == 'e' || text.at[i] == 'E')) {
        bool minus = false;
        int size = 0;
        digits[to++] = 'e';
        if (++i < text.length && (text.at[i] == '+' || text.at[i] == '-')) {
            minus = text.at[i++] == '-';
            if (minus) digits[to++] = '-';
        }
        size_t begin = i;
        for (; i < text.length && text.at[i] >= '0' && text.at[i] <= '9' && i - begin < 3; i++) {
            size = size * 10 + (text.at[i] - '0');
            digits[to++] = text.at[i];
        }
        if (i == begin || size > 300) return false;
        exponent += minus ? -size : size;
    }
    if (i != text.length) return false;
    number->digits = digits;
    number->length = to;
    number->value = times_power_of_ten(negative ? -value : value, exponent);
    return true;
}

/** Splits off what is before `mark`; the rest loses the mark. False: nothing is left. */
static bool split(struct scope_slice *rest, char mark, struct scope_slice *part)
{
    if (rest->at == NULL) return false;
    const char *found = rest->length != 0 ? memchr(rest->at, mark, rest->length) : NULL;
    if (found == NULL) {
        *part = *rest;
        *rest = (struct scope_slice){NULL, 0};
        return true;
    }
    *part = (struct scope_slice){rest->at, (size_t)(found - rest->at)};
    *rest = (struct scope_slice){found + 1, rest->length - part->length - 1};
    return true;
}

static bool read_type(struct scope_slice text, enum scope_metric_type *type)
{
    if (text.length == 2 && memcmp(text.at, "ms", 2) == 0) {
        *type = SCOPE_TIMER;
        return true;
    }
    if (text.length != 1) return false;
    switch (text.at[0]) {
    case 'c': *type = SCOPE_COUNTER; return true;
    case 'g': *type = SCOPE_GAUGE; return true;
    case 'h': *type = SCOPE_HISTOGRAM; return true;
    case 's': *type = SCOPE_SET; return true;
    case 'd': *type = SCOPE_DISTRIBUTION; return true;
    default: return false;
    }
}

/** A counter is worth its value divided by its rate: exact to a thousandth, as counts are whole or nearly so. */
static bool scale(struct scope_statsd_sample *sample, double value, double rate)
{
    double scaled = value / rate * 1000;
    if (!(scaled < 9e18 && scaled > -9e18)) return false;
    sample->metric.value.kind = SCOPE_THOUSANDTHS;
    sample->metric.value.number = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    return true;
}

static bool read_value(struct scope_statsd_sample *sample, struct scope_slice value, double rate)
{
    struct scope_metric *metric = &sample->metric;
    struct number number;
    metric->value.kind = SCOPE_TEXT;
    metric->relative = false;
    if (metric->type == SCOPE_SET) {
        metric->value.text = value;
        return value.length != 0;
    }
    if (!read_number(value, sample->digits, &number)) return false;
    metric->value.text = (struct scope_slice){number.digits, number.length};
    metric->relative = metric->type == SCOPE_GAUGE && number.is_signed;
    return metric->type != SCOPE_COUNTER || rate == 1 || scale(sample, number.value, rate);
}

static bool read_sections(struct scope_slice rest, struct scope_statsd_sample *sample, double *rate)
{
    struct scope_slice section, tag;
    while (split(&rest, '|', &section)) {
        if (section.length == 0) continue;
        struct scope_slice body = {section.at + 1, section.length - 1};
        if (section.at[0] == '@') {
            struct number number;
            if (!read_number(body, sample->rate_digits, &number) || !(number.value > 0 && number.value <= 1)) return false;
            *rate = number.value;
            if (number.value != 1) sample->metric.rate = (struct scope_slice){number.digits, number.length};
        } else if (section.at[0] == '#') {
            while (split(&body, ',', &tag))
                if (tag.length != 0 && sample->tag_count < SCOPE_STATSD_TAGS) sample->tags[sample->tag_count++] = tag;
        }
    }
    return true;
}

static unsigned read_line(struct scope_slice line, void (*tell)(void *, const struct scope_statsd_sample *), void *context)
{
    struct scope_statsd_sample sample;
    struct scope_slice values, value, type, before;
    double rate = 1;
    unsigned told = 0;
    sample.tag_count = 0;
    sample.metric.rate = (struct scope_slice){NULL, 0};
    if (!split(&line, ':', &sample.metric.name) || sample.metric.name.length == 0) return 0;
    if (memchr(sample.metric.name.at, '|', sample.metric.name.length) != NULL) return 0;
    if (!split(&line, '|', &values) || !split(&line, '|', &type) || !read_type(type, &sample.metric.type)) return 0;
    if (line.at != NULL && !read_sections(line, &sample, &rate)) return 0;
    before = sample.metric.rate;
    while (split(&values, ':', &value)) {
        if (!read_value(&sample, value, rate)) continue;
        bool keeps_rate = sample.metric.type == SCOPE_TIMER || sample.metric.type == SCOPE_HISTOGRAM ||
                          sample.metric.type == SCOPE_DISTRIBUTION;
        sample.metric.rate = keeps_rate ? before : (struct scope_slice){NULL, 0};
        tell(context, &sample);
        told++;
    }
    return told;
}

struct scope_statsd_totals scope_statsd_parse(struct scope_slice datagram,
                                              void (*sample)(void *context, const struct scope_statsd_sample *),
                                              void *context)
{
    struct scope_statsd_totals totals = {0, 0};
    struct scope_slice line;
    while (split(&datagram, '\n', &line)) {
        if (line.length > 0 && line.at[line.length - 1] == '\r') line.length--;
        if (line.length == 0) continue;
        if (line.length > 3 && (memcmp(line.at, "_e{", 3) == 0 || memcmp(line.at, "_sc", 3) == 0)) continue;
        unsigned told = read_line(line, sample, context);
        totals.samples += told;
        totals.bad_lines += told == 0;
    }
    return totals;
}
