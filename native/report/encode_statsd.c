/*
 * StatsD has no escapes, so the bytes that would end a value, a tag or a line are replaced, and so is
 * what is no UTF-8; `args` is percent-encoded, as AppScope does.
 */
#include "encode_statsd.h"

static void percent_encoded(struct scope_line *line, struct scope_slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                     byte == '-' || byte == '.' || byte == '_' || byte == '~';
        char written[3] = {'%', hex[byte >> 4], hex[byte & 15]};
        if (plain) scope_line_bytes(line, &byte, 1);
        else scope_line_bytes(line, written, 3);
    }
}

static void safe(struct scope_line *line, struct scope_slice text, const char *unsafe)
{
    size_t i = 0;
    while (i < text.length && !line->spoilt) {
        unsigned char byte = (unsigned char)text.at[i];
        int size = scope_utf8_character(text.at + i, text.length - i);
        if (size <= 0 || byte < ' ' || byte == 0x7F || strchr(unsafe, byte) != NULL) {
            scope_line_literal(line, "_");
            i++;
        } else {
            scope_line_bytes(line, text.at + i, (size_t)size);
            i += (size_t)size;
        }
    }
}

static void number(struct scope_line *line, const struct scope_field *field)
{
    if (field->kind == SCOPE_TEXT) scope_line_slice(line, field->text);
    else if (field->kind == SCOPE_THOUSANDTHS) scope_line_hundredths(line, field->number);
    else scope_line_signed(line, field->number);
}

static void head(struct scope_line *line, const struct scope_statsd_form *form, const struct scope_metric *metric)
{
    static const char *const types[] = {[SCOPE_COUNTER] = "|c",   [SCOPE_GAUGE] = "|g", [SCOPE_TIMER] = "|ms",
                                        [SCOPE_HISTOGRAM] = "|h", [SCOPE_SET] = "|s",   [SCOPE_DISTRIBUTION] = "|d"};
    scope_line_slice(line, form->prefix);
    safe(line, metric->name, ":|@#");
    scope_line_literal(line, ":");
    if (metric->type == SCOPE_SET) {
        safe(line, metric->value.text, "|:");
    } else {
        bool is_negative = metric->value.kind == SCOPE_TEXT ? metric->value.text.length != 0 && *metric->value.text.at == '-'
                                                           : metric->value.number < 0;
        if (metric->relative && !is_negative) scope_line_literal(line, "+");
        number(line, &metric->value);
    }
    scope_line_slice(line, scope_slice_of(types[metric->type]));
    if (metric->rate.length != 0) {
        scope_line_literal(line, "|@");
        scope_line_slice(line, metric->rate);
    }
}

bool scope_statsd_metric(struct scope_line *line, const struct scope_statsd_form *form,
                         const struct scope_metric *metric, const struct scope_fields *fields)
{
    scope_line_begin(line);
    head(line, form, metric);
    if (line->length + 1 > form->max_length) return false;
    bool any = false;
    for (unsigned i = 0; i < fields->count; i++) {
        const struct scope_field *field = &fields->list[i];
        if (field->detail > form->verbosity || field->kind == SCOPE_LIST) continue;
        size_t before = line->length;
        if (any) scope_line_literal(line, ",");
        else scope_line_literal(line, "|#");
        safe(line, field->name, ":|,#");
        /* A captured tag may have no value. */
        if (field->kind != SCOPE_TEXT || field->text.length != 0) {
            scope_line_literal(line, ":");
            if (field->kind != SCOPE_TEXT) number(line, field);
            else if (scope_slice_equal(field->name, SCOPE_LITERAL("args"))) percent_encoded(line, field->text);
            else safe(line, field->text, "|,");
        }
        if (line->length + 1 > form->max_length) line->length = before;
        else any = true;
    }
    scope_line_literal(line, "\n");
    return !line->spoilt;
}
