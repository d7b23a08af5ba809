/* Metrics as StatsD lines with DogStatsD's tags. */
#ifndef SCOPE_ENCODE_STATSD_H
#define SCOPE_ENCODE_STATSD_H

#include "fields.h"
#include "line.h"

struct scope_statsd_form {
    struct scope_slice prefix;
    size_t max_length; /* newline included */
    int verbosity;
};

/** False: even without tags the line would be too long. Tags that do not fit are left out, later ones may. */
bool scope_statsd_metric(struct scope_line *, const struct scope_statsd_form *, const struct scope_metric *,
                         const struct scope_fields *);

#endif
