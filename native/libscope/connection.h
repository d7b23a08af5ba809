/*
 * One way out: a bounded buffer of whole lines and the socket or file that they go to. It opens by
 * itself, waits longer after each failure, never blocks, and drops and counts new lines when full.
 */
#ifndef SCOPE_CONNECTION_H
#define SCOPE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings.h"

struct scope_connection {
    const struct scope_destination *to;
    enum { SCOPE_CLOSED, SCOPE_CONNECTING, SCOPE_OPEN } state;
    int fd;
    bool datagrams, output; /* output: the program's own stdout or stderr */
    bool refused;           /* can never work */
    /** Lines that wait: bytes[sent..end). Bytes before `sent` are kept while their line is not out as a whole. */
    char *bytes;
    size_t sent, end;
    /** First line of each connection; NULL: none. Belongs to the caller. */
    const char *greeting;
    size_t greeting_length, greeting_sent;
    uint64_t retry_ns, since_ns, pause_ns, warned_ns;
    uint64_t dropped_lines, attempts;
    int last_error;
    const char *failed_at;
};

/** Makes an empty one; false: no memory. `to` must stay. */
bool scope_connection_new(struct scope_connection *, const struct scope_destination *to);
/** Takes a line, newline included, or drops it. */
void scope_connection_add(struct scope_connection *, const char *line, size_t length);
/** Opens if it is time to, and sends what can be sent without waiting. */
void scope_connection_push(struct scope_connection *, uint64_t now_ns);
/** Is there something that a later push could send? */
bool scope_connection_pending(const struct scope_connection *);
/** Waits until the socket can take more or until_ns; for the end of the program only. */
void scope_connection_wait(struct scope_connection *, uint64_t until_ns);
/** When to push again for what is pending; UINT64_MAX: nothing to do. */
uint64_t scope_connection_next(const struct scope_connection *, uint64_t now_ns);
/** Would opening it now have a chance? False only for an edge whose socket is not there. */
bool scope_connection_reachable(const struct scope_destination *);

#endif
