/* Compiles the patterns of event.watch and answers the report's and capture's questions with them. */
#include "watch.h"

#include <string.h>

#include "log.h"
#include "pattern.h"

static struct { struct scope_pattern name, field, value; } watches[SCOPE_WATCHES];
static struct scope_pattern headers[SCOPE_HEADER_PATTERNS];
static uint32_t header_count;

static void compile(struct scope_pattern *to, const char *text, const char *what) {
    char why[160];
    if (!scope_pattern_compile(to, text, why))
        scope_log(SCOPE_LOG_WARNING, "event.watch %s: \"%s\" is no regular expression (%s), so it matches nothing", what, text, why);
}

void scope_watch_compile(const struct scope_configuration *in) {
    for (int i = 0; i < SCOPE_WATCHES; i++) {
        if (!in->watch[i].on)
            continue;
        compile(&watches[i].name, in->watch[i].name, "name");
        compile(&watches[i].field, in->watch[i].field, "field");
        compile(&watches[i].value, in->watch[i].value, "value");
    }
    header_count = in->header_count;
    for (uint32_t i = 0; i < header_count; i++)
        compile(&headers[i], in->headers[i], "headers");
}

bool scope_watch_file(const char *path) {
    return scope_pattern_matches(&watches[SCOPE_WATCH_FILE].name, path, strlen(path));
}

bool scope_watch_stream(const char *name) {
    return scope_pattern_matches(&watches[SCOPE_WATCH_CONSOLE].name, name, strlen(name));
}

static bool wants(void *context, const char *sourcetype, const char *source, const char *field, const char *value) {
    (void)context;
    int index = scope_settings_word(scope_event_watch_words, sourcetype, strlen(sourcetype));
    if (index < 0)
        return true;
    if (!field && !value)
        return scope_pattern_matches(&watches[index].name, source, strlen(source));
    if (!value)
        return scope_pattern_matches(&watches[index].field, field, strlen(field));
    return scope_pattern_matches(&watches[index].value, value, strlen(value));
}

static bool wants_header(void *context, const char *line) {
    (void)context;
    for (uint32_t i = 0; i < header_count; i++)
        if (scope_pattern_matches(&headers[i], line, strlen(line)))
            return true;
    return false;
}

void scope_watch_fill(struct scope_report_settings *to, const struct scope_configuration *in) {
    static const int about[SCOPE_WATCHES] = {
        [SCOPE_WATCH_FILE] = SCOPE_ABOUT_FILE, [SCOPE_WATCH_CONSOLE] = SCOPE_ABOUT_CONSOLE, [SCOPE_WATCH_NET] = SCOPE_ABOUT_NET,
        [SCOPE_WATCH_FS] = SCOPE_ABOUT_FS,     [SCOPE_WATCH_DNS] = SCOPE_ABOUT_DNS,         [SCOPE_WATCH_HTTP] = SCOPE_ABOUT_HTTP,
        [SCOPE_WATCH_METRIC] = SCOPE_ABOUT_METRIC, [SCOPE_WATCH_SYSLOG] = SCOPE_ABOUT_PROCESS};
    to->wants = wants;
    to->wants_header = header_count ? wants_header : NULL;
    for (int i = 0; i < SCOPE_SOURCETYPES; i++)
        to->unfiltered[i] = SCOPE_ANY;
    for (int i = 0; i < SCOPE_WATCHES; i++) {
        if (!in->watch[i].on || i == SCOPE_WATCH_SYSLOG)
            continue;
        /* Capture has asked for names of files already; names of streams are either of two. */
        bool any_name = i == SCOPE_WATCH_FILE || watches[i].name.kind == SCOPE_MATCH_ALL ||
                        (i == SCOPE_WATCH_CONSOLE && strcmp(in->watch[i].name, "(stdout)|(stderr)") == 0);
        to->unfiltered[about[i]] = (uint8_t)((any_name ? SCOPE_ANY_NAME : 0) |
                                             (watches[i].field.kind == SCOPE_MATCH_ALL ? SCOPE_ANY_FIELD : 0) |
                                             (watches[i].value.kind == SCOPE_MATCH_ALL ? SCOPE_ANY_VALUE : 0));
    }
    bool events = in->event_enable, metrics = in->metric_enable;
    to->event_fs = events && in->watch[SCOPE_WATCH_FS].on;
    to->event_net = events && in->watch[SCOPE_WATCH_NET].on;
    to->event_http = events && in->watch[SCOPE_WATCH_HTTP].on;
    to->event_dns = events && in->watch[SCOPE_WATCH_DNS].on;
    to->event_console = events && in->watch[SCOPE_WATCH_CONSOLE].on;
    to->event_file = events && in->watch[SCOPE_WATCH_FILE].on;
    to->event_metric = events && in->watch[SCOPE_WATCH_METRIC].on;
    to->metric_fs = metrics && in->metric_watch[SCOPE_METRIC_FS];
    to->metric_net = metrics && in->metric_watch[SCOPE_METRIC_NET];
    to->metric_http = metrics && in->metric_watch[SCOPE_METRIC_HTTP];
    to->metric_dns = metrics && in->metric_watch[SCOPE_METRIC_DNS];
    to->metric_process = metrics && in->metric_watch[SCOPE_METRIC_PROCESS];
    to->metric_statsd = metrics && in->metric_watch[SCOPE_METRIC_STATSD];
}
