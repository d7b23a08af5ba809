/*
 * The StatsD that the program itself sends: datagrams of lines, in the etsy form and DogStatsD's.
 * Values keep the digits they were sent with.
 */
#ifndef SCOPE_STATSD_H
#define SCOPE_STATSD_H

#include "fields.h"

#define SCOPE_STATSD_TAGS 32

struct scope_statsd_sample {
    struct scope_metric metric;
    /** "key" or "key:value" each, as sent. */
    struct scope_slice tags[SCOPE_STATSD_TAGS];
    unsigned tag_count;
    /** Where the metric's digits are, if they had to be written anew. */
    char digits[48], rate_digits[48];
};

struct scope_statsd_totals {
    unsigned samples, bad_lines;
};

/** Tells every sample of a datagram. Events and service checks (_e, _sc) are passed over. */
struct scope_statsd_totals scope_statsd_parse(struct scope_slice datagram,
                                              void (*sample)(void *context, const struct scope_statsd_sample *),
                                              void *context);

#endif
