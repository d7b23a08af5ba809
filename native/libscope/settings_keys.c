/*
 * The keys of scope.yml and the variables that override them, one row each, and how a value of each
 * kind is read. scope.yml and the environment both come through here.
 */
#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum kind { BOOLEAN, NUMBER, WORD, TEXT, ADDRESS };

struct key {
    const char *path;     /* in the file; NULL: only a variable */
    const char *variable; /* NULL: only in the file */
    enum kind kind;
    size_t offset;
    const char *words; /* of a WORD */
    uint32_t most;     /* of a NUMBER */
};

#define AT(member) offsetof(struct scope_configuration, member)
#define DESTINATION(at, prefix, field)                                                                              \
    {at ".type", NULL, WORD, AT(field.type), "udp tcp unix file edge", 0},                                          \
        {at ".host", NULL, TEXT, AT(field.host), NULL, 0}, {at ".port", NULL, TEXT, AT(field.port), NULL, 0},      \
        {at ".path", NULL, TEXT, AT(field.path), NULL, 0},                                                          \
        {at ".buffering", NULL, WORD, AT(field.buffering), "line full", 0},                                         \
        {at ".buffer", NULL, WORD, AT(field.buffering), "line full", 0},                                            \
        {at ".tls.enable", prefix "_TLS_ENABLE", BOOLEAN, AT(field.tls), NULL, 0},                                  \
        {at ".tls.validateserver", prefix "_TLS_VALIDATE_SERVER", BOOLEAN, AT(field.tls_validate), NULL, 0},        \
        {at ".tls.cacertpath", prefix "_TLS_CA_CERT_PATH", TEXT, AT(field.tls_ca), NULL, 0}
#define METRIC_WATCH(variable, which) {NULL, variable, BOOLEAN, AT(metric_watch[which]), NULL, 0}
#define EVENT_WATCH(variable, which)                                                                                 \
    {NULL, variable, BOOLEAN, AT(watch[which].on), NULL, 0},                                                         \
        {NULL, variable "_NAME", TEXT, AT(watch[which].name), NULL, 0},                                              \
        {NULL, variable "_FIELD", TEXT, AT(watch[which].field), NULL, 0},                                            \
        {NULL, variable "_VALUE", TEXT, AT(watch[which].value), NULL, 0}

static const struct key keys[] = {
    {"metric.enable", "SCOPE_METRIC_ENABLE", BOOLEAN, AT(metric_enable), NULL, 0},
    {"metric.format.type", "SCOPE_METRIC_FORMAT", WORD, AT(metric_format), "statsd ndjson", 0},
    {"metric.format.statsdprefix", "SCOPE_STATSD_PREFIX", TEXT, AT(statsd_prefix), NULL, 0},
    {"metric.format.statsdmaxlen", "SCOPE_STATSD_MAXLEN", NUMBER, AT(statsd_max_length), NULL, 65507},
    {"metric.format.verbosity", "SCOPE_METRIC_VERBOSITY", NUMBER, AT(verbosity), NULL, 9},
    DESTINATION("metric.transport", "SCOPE_METRIC", metric),
    {NULL, "SCOPE_METRIC_DEST", ADDRESS, AT(metric), NULL, 0},
    METRIC_WATCH("SCOPE_METRIC_FS", SCOPE_METRIC_FS),
    METRIC_WATCH("SCOPE_METRIC_NET", SCOPE_METRIC_NET),
    METRIC_WATCH("SCOPE_METRIC_HTTP", SCOPE_METRIC_HTTP),
    METRIC_WATCH("SCOPE_METRIC_DNS", SCOPE_METRIC_DNS),
    METRIC_WATCH("SCOPE_METRIC_PROC", SCOPE_METRIC_PROCESS),
    METRIC_WATCH("SCOPE_METRIC_STATSD", SCOPE_METRIC_STATSD),
    {"event.enable", "SCOPE_EVENT_ENABLE", BOOLEAN, AT(event_enable), NULL, 0},
    {"event.format.type", "SCOPE_EVENT_FORMAT", WORD, 0, "ndjson", 0},
    {"event.format.maxeventpersec", "SCOPE_EVENT_MAXEPS", NUMBER, AT(max_events_per_second), NULL, UINT32_MAX},
    {"event.format.enhancefs", "SCOPE_ENHANCE_FS", BOOLEAN, AT(enhance_fs), NULL, 0},
    DESTINATION("event.transport", "SCOPE_EVENT", event),
    {NULL, "SCOPE_EVENT_DEST", ADDRESS, AT(event), NULL, 0},
    EVENT_WATCH("SCOPE_EVENT_LOGFILE", SCOPE_WATCH_FILE),
    EVENT_WATCH("SCOPE_EVENT_CONSOLE", SCOPE_WATCH_CONSOLE),
    EVENT_WATCH("SCOPE_EVENT_NET", SCOPE_WATCH_NET),
    EVENT_WATCH("SCOPE_EVENT_FS", SCOPE_WATCH_FS),
    EVENT_WATCH("SCOPE_EVENT_DNS", SCOPE_WATCH_DNS),
    EVENT_WATCH("SCOPE_EVENT_HTTP", SCOPE_WATCH_HTTP),
    EVENT_WATCH("SCOPE_EVENT_METRIC", SCOPE_WATCH_METRIC),
    EVENT_WATCH("SCOPE_EVENT_SYSLOG", SCOPE_WATCH_SYSLOG),
    {NULL, "SCOPE_ALLOW_BINARY_CONSOLE", BOOLEAN, AT(allow_binary), NULL, 0},
    {"payload.enable", "SCOPE_PAYLOAD_ENABLE", BOOLEAN, AT(payload_enable), NULL, 0},
    {"payload.dir", "SCOPE_PAYLOAD_DIR", TEXT, AT(payload_dir), NULL, 0},
    {"libscope.configevent", "SCOPE_CONFIG_EVENT", BOOLEAN, AT(config_event), NULL, 0},
    {"libscope.summaryperiod", "SCOPE_SUMMARY_PERIOD", NUMBER, AT(summary_period), NULL, 86400},
    {"libscope.commanddir", "SCOPE_CMD_DIR", TEXT, AT(command_dir), NULL, 0},
    {"libscope.exitwait", "SCOPE_EXIT_WAIT", NUMBER, AT(exit_wait), NULL, 60000},
    {"libscope.log.level", "SCOPE_LOG_LEVEL", WORD, AT(log_level), "debug info warning error none", 0},
    DESTINATION("libscope.log.transport", "SCOPE_LOG", log),
    {NULL, "SCOPE_LOG_DEST", ADDRESS, AT(log), NULL, 0},
    {"libscope.snapshot.coredump", "SCOPE_SNAPSHOT_COREDUMP", BOOLEAN, AT(coredump), NULL, 0},
    {"libscope.snapshot.backtrace", "SCOPE_SNAPSHOT_BACKTRACE", BOOLEAN, AT(backtrace), NULL, 0},
    {"cribl.enable", "SCOPE_CRIBL_ENABLE", BOOLEAN, AT(cribl_enable), NULL, 0},
    {"cribl.authtoken", "SCOPE_CRIBL_AUTHTOKEN", TEXT, AT(auth_token), NULL, 0},
    DESTINATION("cribl.transport", "SCOPE_CRIBL", cribl),
    {NULL, "SCOPE_CRIBL", ADDRESS, AT(cribl), NULL, 0},
    {NULL, "SCOPE_CRIBL_CLOUD", ADDRESS, AT(cribl), NULL, 0},
};
#define KEYS (sizeof keys / sizeof keys[0])

/** Variables that mean something to the library, the command line tool or AppScope, but set no key. */
static const char other_variables[] =
    "SCOPE_HOME SCOPE_CONF_PATH SCOPE_RULES SCOPE_EXECVE SCOPE_EXEC_PATH SCOPE_LIB_PATH SCOPE_EDGE_SOCKET "
    "SCOPE_CRIBL_NO_BREAKER SCOPE_PAYLOAD_TO_DISK SCOPE_PAYLOAD_HEADER SCOPE_QUEUE_LENGTH "
    "SCOPE_CONNECT_TIMEOUT_SECS SCOPE_PERF_PRESERVE SCOPE_NO_SIGNAL SCOPE_HTTP_SERIALIZE_ENABLE "
    "SCOPE_ALLOW_CONSTRUCT_DBG SCOPE_PID SCOPE_HOST_WORKDIR_PATH SCOPE_APP_TYPE SCOPE_EXEC_TYPE SCOPE_SWITCH "
    "SCOPE_SETUP_DONE SCOPE_START_NOPROFILE SCOPE_START_FORCE_PROFILE";

int scope_settings_word(const char *words, const char *word, size_t length) {
    for (int index = 0; *words; index++) {
        size_t here = strcspn(words, " ");
        if (here == length && memcmp(words, word, length) == 0)
            return index;
        words += here + (words[here] == ' ');
    }
    return -1;
}

static void set(struct scope_configuration *to, const struct key *key, const char *raw, const char *where) {
    const char *value = scope_settings_expand(to, raw);
    void *field = (char *)to + key->offset;
    bool good = true;
    switch (key->kind) {
    case BOOLEAN:
        if (strcmp(value, "true") == 0)
            *(bool *)field = true;
        else if (strcmp(value, "false") == 0)
            *(bool *)field = false;
        else
            good = false;
        if (good && key->offset == AT(cribl_enable))
            to->cribl_enable_given = true;
        if (!good)
            scope_settings_complain(to, "%s: \"%s\" is neither true nor false", where, value);
        break;
    case NUMBER: {
        char *end;
        errno = 0;
        unsigned long long number = strtoull(value, &end, 10);
        good = *value >= '0' && *value <= '9' && *end == 0 && errno == 0;
        if (!good)
            scope_settings_complain(to, "%s: \"%s\" is no whole number", where, value);
        else
            *(uint32_t *)field = number > key->most ? key->most : (uint32_t)number;
        break;
    }
    case WORD: {
        int index = scope_settings_word(key->words, value, strlen(value));
        if (index < 0)
            scope_settings_complain(to, "%s: \"%s\" is none of: %s", where, value, key->words);
        else if (key->offset != 0)
            *(uint32_t *)field = (uint32_t)index;
        break;
    }
    case TEXT:
        *(const char **)field = value;
        break;
    case ADDRESS:
        if (!scope_settings_address(to, field, value))
            scope_settings_complain(to,
                                    "%s: \"%s\" is no address; write tcp://host:port, udp://host:port, unix:///path, "
                                    "unix://@name, file:///path, file://stdout or edge",
                                    where, value);
        break;
    }
}

/** A part of a destination was set: the user has spoken about it. */
static void mark_given(struct scope_configuration *to, const char *path) {
    struct { const char *prefix; struct scope_destination *destination; } const all[] = {
        {"metric.transport.", &to->metric}, {"event.transport.", &to->event},
        {"libscope.log.transport.", &to->log}, {"cribl.transport.", &to->cribl}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strncmp(path, all[i].prefix, strlen(all[i].prefix)) == 0)
            all[i].destination->given = true;
}

bool scope_settings_set(struct scope_configuration *to, const char *path, const char *value, const char *where) {
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].path && strcmp(keys[i].path, path) == 0) {
            set(to, &keys[i], value, where);
            mark_given(to, path);
            return true;
        }
    return false;
}

bool scope_settings_knows(const char *path) {
    size_t length = strlen(path);
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].path && strncmp(keys[i].path, path, length) == 0 &&
            (keys[i].path[length] == '.' || keys[i].path[length] == 0))
            return true;
    return false;
}

void scope_settings_read_environment(struct scope_configuration *to, char *const environment[]) {
    if (!environment)
        return;
    for (; *environment; environment++) {
        const char *variable = *environment;
        if (strncmp(variable, "SCOPE_", 6) != 0)
            continue;
        const char *equals = strchr(variable, '=');
        if (!equals)
            continue;
        size_t length = (size_t)(equals - variable);
        char name[64];
        if (strncmp(variable, "SCOPE_TAG_", 10) == 0 && length > 10) {
            scope_settings_tag(to, variable + 10, length - 10, equals + 1, "SCOPE_TAG_");
            continue;
        }
        if (length >= sizeof name)
            continue;
        memcpy(name, variable, length);
        name[length] = 0;
        if (strcmp(name, "SCOPE_EVENT_HTTP_HEADER") == 0) {
            if (to->header_count < SCOPE_HEADER_PATTERNS)
                to->headers[to->header_count++] = scope_settings_expand(to, equals + 1);
            continue;
        }
        bool known = false;
        for (size_t i = 0; i < KEYS && !known; i++)
            if (keys[i].variable && strcmp(keys[i].variable, name) == 0) {
                set(to, &keys[i], equals + 1, name);
                known = true;
            }
        if (!known && scope_settings_word(other_variables, name, length) < 0 && strncmp(name, "SCOPE_CLI_", 10) != 0 &&
            strncmp(name, "SCOPE_GO_", 9) != 0)
            scope_settings_complain(to, "%s: no setting has this name", name);
    }
}
