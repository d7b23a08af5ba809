/* Chooses destinations and deals the lines out. */
#include "outputs.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "start_message.h"

#define GREETING_MOST (64u * 1024u)

/*
 * AppScope's cribl.enable, mended: said to be true it sends everything to the edge; said to be false it
 * leaves the edge alone; unsaid, what has a destination of its own goes there and the rest to the edge.
 */
void scope_outputs_route(struct scope_routes *to, const struct scope_configuration *in) {
    bool all = in->cribl_enable && (in->cribl_enable_given || in->cribl.given);
    bool none = in->cribl_enable_given && !in->cribl_enable;
    const struct scope_destination *edge = &in->cribl;
    to->events = !in->event_enable ? NULL : all || (!none && !in->event.given) ? edge : &in->event;
    to->metrics = !in->metric_enable ? NULL : all || (!none && !in->metric.given) ? edge : &in->metric;
    to->as_json = to->metrics == edge || in->metric_format == SCOPE_AS_NDJSON;
}

bool scope_outputs_reachable(const struct scope_configuration *in) {
    struct scope_routes routes;
    scope_outputs_route(&routes, in);
    return (routes.events && scope_connection_reachable(routes.events)) ||
           (routes.metrics && scope_connection_reachable(routes.metrics));
}

static bool is_console(const struct scope_destination *to) {
    return to && to->type == SCOPE_TO_FILE && (strcmp(to->path, "stdout") == 0 || strcmp(to->path, "stderr") == 0);
}

bool scope_outputs_use_console(const struct scope_configuration *in) {
    struct scope_routes routes;
    scope_outputs_route(&routes, in);
    return is_console(routes.events) || is_console(routes.metrics);
}

static bool same(const struct scope_destination *a, const struct scope_destination *b) {
    return a == b || (a->type == SCOPE_TO_EDGE && b->type == SCOPE_TO_EDGE);
}

bool scope_outputs_new(struct scope_outputs *out, const struct scope_configuration *in, const struct scope_facts *facts) {
    struct scope_routes routes;
    memset(out, 0, sizeof *out);
    scope_outputs_route(&routes, in);
    if (routes.events) {
        if (!scope_connection_new(&out->connections[0], routes.events))
            return false;
        out->events = &out->connections[out->count++];
        /* Whoever takes the lines of an edge expects to be told who they come from. */
        if (in->config_event || routes.events == &in->cribl) {
            static struct scope_writing greeting;
            greeting.bytes = mmap(NULL, GREETING_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            greeting.size = greeting.bytes == MAP_FAILED ? 0 : GREETING_MOST;
            greeting.length = 0;
            if (greeting.size && scope_start_message(&greeting, in, facts)) {
                out->events->greeting = greeting.bytes;
                out->events->greeting_length = greeting.length;
            }
        }
    }
    if (routes.metrics && routes.events && same(routes.metrics, routes.events)) {
        out->metrics = out->events;
    } else if (routes.metrics) {
        if (!scope_connection_new(&out->connections[out->count], routes.metrics))
            return false;
        out->metrics = &out->connections[out->count++];
        if (routes.as_json && routes.metrics->type != SCOPE_TO_UDP && out->events && out->events->greeting) {
            out->metrics->greeting = out->events->greeting;
            out->metrics->greeting_length = out->events->greeting_length;
        }
    }
    return true;
}

void scope_outputs_emit(void *outputs, enum scope_output kind, const char *line, size_t length) {
    struct scope_outputs *out = outputs;
    struct scope_connection *to = kind == SCOPE_OUT_EVENT ? out->events : out->metrics;
    if (to)
        scope_connection_add(to, line, length);
}

void scope_outputs_push(struct scope_outputs *out, uint64_t now) {
    for (int i = 0; i < out->count; i++)
        scope_connection_push(&out->connections[i], now);
}

uint64_t scope_outputs_dropped(const struct scope_outputs *out) {
    uint64_t dropped = 0;
    for (int i = 0; i < out->count; i++)
        dropped += out->connections[i].dropped_lines;
    return dropped;
}

bool scope_outputs_pending(const struct scope_outputs *out) {
    for (int i = 0; i < out->count; i++)
        if (scope_connection_pending(&out->connections[i]))
            return true;
    return false;
}

uint64_t scope_outputs_next(const struct scope_outputs *out, uint64_t now) {
    uint64_t soonest = UINT64_MAX;
    for (int i = 0; i < out->count; i++) {
        uint64_t at = scope_connection_next(&out->connections[i], now);
        if (at < soonest)
            soonest = at;
    }
    return soonest;
}

bool scope_outputs_finish(struct scope_outputs *out, uint64_t until) {
    /* Whoever is not there now gets one more try; waiting for it is not the program's business. */
    for (int i = 0; i < out->count; i++)
        out->connections[i].retry_ns = 0;
    for (;;) {
        struct timespec clock;
        clock_gettime(CLOCK_MONOTONIC, &clock);
        uint64_t now = (uint64_t)clock.tv_sec * 1000000000u + (uint64_t)clock.tv_nsec;
        scope_outputs_push(out, now);
        struct scope_connection *waits = NULL;
        for (int i = 0; i < out->count && !waits; i++)
            if (scope_connection_pending(&out->connections[i]) && out->connections[i].state != SCOPE_CLOSED)
                waits = &out->connections[i];
        if (!waits)
            return !scope_outputs_pending(out);
        if (now >= until)
            return false;
        scope_connection_wait(waits, until);
    }
}
