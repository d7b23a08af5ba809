/* Which lines go where: the connections that the configuration asks for, and the report's lines dealt out to them. */
#ifndef SCOPE_OUTPUTS_H
#define SCOPE_OUTPUTS_H

#include "../report/report.h"
#include "connection.h"
#include "process.h"

struct scope_outputs {
    /** One if events and metrics share it. */
    struct scope_connection connections[2];
    int count;
    struct scope_connection *events, *metrics; /* NULL: not sent */
    struct scope_writing *greeting;
};

/** Where events and metrics go; NULL: nowhere. Metrics are NDJSON if `as_json`. */
struct scope_routes {
    const struct scope_destination *events, *metrics;
    bool as_json;
};
void scope_outputs_route(struct scope_routes *, const struct scope_configuration *);
/** Is there anyone to send to? False only if all goes to an edge that is not there. */
bool scope_outputs_reachable(const struct scope_configuration *);
/** Do stdout or stderr belong to the ways out? */
bool scope_outputs_use_console(const struct scope_configuration *);

bool scope_outputs_new(struct scope_outputs *, const struct scope_configuration *, const struct scope_facts *);
/** For scope_report_new(). */
void scope_outputs_emit(void *outputs, enum scope_output, const char *line, size_t length);
void scope_outputs_push(struct scope_outputs *, uint64_t now_ns);
/** Lines that found no room, since the start. */
uint64_t scope_outputs_dropped(const struct scope_outputs *);
bool scope_outputs_pending(const struct scope_outputs *);
uint64_t scope_outputs_next(const struct scope_outputs *, uint64_t now_ns);
/** Pushes until nothing is pending, or until_ns; true: all is out. */
bool scope_outputs_finish(struct scope_outputs *, uint64_t until_ns);

#endif
