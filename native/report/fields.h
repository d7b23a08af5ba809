/*
 * What an event or a metric says, before it is a line of JSON or StatsD: fields with names and values
 * that point into a record or into the report's own state.
 */
#ifndef SCOPE_FIELDS_H
#define SCOPE_FIELDS_H

#include "slice.h"

enum scope_field_kind { SCOPE_TEXT, SCOPE_WHOLE, SCOPE_THOUSANDTHS, SCOPE_LIST };

struct scope_field {
    struct scope_slice name;
    uint8_t kind;
    /** StatsD leaves the field out below this verbosity; SCOPE_EVENTS_ONLY: always. */
    uint8_t detail;
    /** Length of a list. */
    uint16_t count;
    union {
        struct scope_slice text;
        int64_t number;
        const struct scope_slice *list;
    };
};

#define SCOPE_EVENTS_ONLY 10
/** Known fields of the richest event, plus as many custom headers or captured tags as fit. */
#define SCOPE_FIELDS_MAX 64

struct scope_fields {
    unsigned count;
    struct scope_field list[SCOPE_FIELDS_MAX];
};

static inline struct scope_field *scope_fields_add(struct scope_fields *fields, struct scope_slice name, uint8_t kind,
                                                   uint8_t detail)
{
    /* A full list overwrites its last field: nothing that matters is that far behind. */
    struct scope_field *field = &fields->list[fields->count < SCOPE_FIELDS_MAX ? fields->count++ : SCOPE_FIELDS_MAX - 1];
    field->name = name;
    field->kind = kind;
    field->detail = detail;
    field->count = 0;
    return field;
}

#define scope_add_text(fields, name, value, detail) \
    (scope_fields_add((fields), SCOPE_LITERAL(name), SCOPE_TEXT, (detail))->text = (value))
#define scope_add_whole(fields, name, value, detail) \
    (scope_fields_add((fields), SCOPE_LITERAL(name), SCOPE_WHOLE, (detail))->number = (int64_t)(value))
#define scope_add_thousandths(fields, name, value, detail) \
    (scope_fields_add((fields), SCOPE_LITERAL(name), SCOPE_THOUSANDTHS, (detail))->number = (int64_t)(value))

enum scope_metric_type { SCOPE_COUNTER, SCOPE_GAUGE, SCOPE_TIMER, SCOPE_HISTOGRAM, SCOPE_SET, SCOPE_DISTRIBUTION };

struct scope_metric {
    struct scope_slice name;
    enum scope_metric_type type;
    /** SCOPE_TEXT: a number's own digits in JSON's form, or the member of a set. */
    struct scope_field value;
    /** A gauge's value is a change. */
    bool relative;
    /** Digits of the sample rate of a captured timer or histogram; empty: 1. */
    struct scope_slice rate;
    /** How many of the first fields the program itself sent: no tag of the user's replaces them. */
    unsigned captured;
};

#endif
