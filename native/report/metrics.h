/* What the parts of a period's report share. */
#ifndef SCOPE_METRICS_H
#define SCOPE_METRICS_H

#include "fields.h"
#include "report.h"

struct scope_period {
    struct scope_report *report;
    const uint64_t *counters;
    uint64_t now_ns, period_ns;
};

void scope_send_value(struct scope_period *, struct scope_slice name, enum scope_metric_type, uint8_t kind,
                      int64_t value, struct scope_fields *);
/** metrics_http.c: the period's HTTP targets, which are empty then. */
void scope_tell_targets(struct scope_period *);

#endif
