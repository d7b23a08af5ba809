/* Events and metrics as lines of JSON, in AppScope's envelopes. */
#ifndef SCOPE_ENCODE_JSON_H
#define SCOPE_ENCODE_JSON_H

#include "fields.h"
#include "line.h"

/** The parts of every event's line that do not change, written once. */
struct scope_json_identity {
    struct scope_line envelope; /* up to the channel's number */
    struct scope_line process;  /* from host up to data */
    struct scope_line untagged; /* the same without the user's tags, as notices have it */
};

struct scope_json_event {
    struct scope_slice sourcetype, source;
    uint64_t channel;
    uint64_t realtime_ns;
    /** NULL: `notice` is the data. */
    const struct scope_fields *fields;
    struct scope_slice notice;
};

/** `id` is host-proc-(last 32 bytes of cmd). False: no memory. */
bool scope_json_identify(struct scope_json_identity *, const char *host, const char *proc, const char *cmd,
                         uint32_t pid, const struct scope_field *tags, unsigned tag_count);
void scope_json_forget(struct scope_json_identity *);

void scope_json_event(struct scope_line *, const struct scope_json_identity *, const struct scope_json_event *);
void scope_json_metric(struct scope_line *, const struct scope_metric *, const struct scope_fields *,
                       uint64_t realtime_ns);
/** counter, gauge, … */
struct scope_slice scope_metric_type_name(enum scope_metric_type);

#endif
