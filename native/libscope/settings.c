/*
 * Defaults, the search for scope.yml, and the order in which the sources of settings are asked.
 */
#include "settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK (256u * 1024u) /* only pages that are written are backed */
#define FILE_MOST (64u * 1024u)
#define COMPLAINTS_MOST 4096u

const char scope_event_watch_words[] = "file console net fs dns http metric syslog";
const char scope_metric_watch_words[] = "fs net http dns process statsd";

const char *scope_settings_keep(struct scope_configuration *in, const char *text, size_t length) {
    if (length == 0 || length >= in->size - in->used)
        return "";
    char *copy = (char *)in + in->used;
    memcpy(copy, text, length);
    copy[length] = 0;
    in->used += length + 1;
    return copy;
}

void scope_settings_complain(struct scope_configuration *in, const char *format, ...) {
    if (!in->complaint_text) {
        if (COMPLAINTS_MOST >= in->size - in->used)
            return;
        in->complaint_text = (char *)in + in->used;
        in->complaints = in->complaint_text;
        in->used += COMPLAINTS_MOST;
    }
    size_t room = COMPLAINTS_MOST - in->complaint_length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(in->complaint_text + in->complaint_length, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length + 2 > room) {
        in->complaint_text[in->complaint_length] = 0;
        return;
    }
    in->complaint_length += (size_t)length;
    in->complaint_text[in->complaint_length++] = '\n';
    in->complaint_text[in->complaint_length] = 0;
}

static bool name_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

const char *scope_settings_expand(struct scope_configuration *in, const char *value) {
    if (!strchr(value, '$'))
        return scope_settings_keep(in, value, strlen(value));
    char out[4096];
    size_t length = 0;
    for (const char *at = value; *at && length + 1 < sizeof out;) {
        if (at[0] == '\\' && at[1] == '$') {
            out[length++] = '$';
            at += 2;
            while (name_character(*at) && length + 1 < sizeof out)
                out[length++] = *at++;
            continue;
        }
        char name[256];
        size_t name_length = 0;
        if (*at == '$')
            while (name_character(at[1 + name_length]) && name_length + 1 < sizeof name) {
                name[name_length] = at[1 + name_length];
                name_length++;
            }
        name[name_length] = 0;
        const char *found = name_length ? getenv(name) : NULL;
        if (!found) {
            out[length++] = *at++;
            continue;
        }
        size_t found_length = strnlen(found, sizeof out - 1 - length);
        memcpy(out + length, found, found_length);
        length += found_length;
        at += 1 + name_length;
    }
    return scope_settings_keep(in, out, length);
}

void scope_settings_tag(struct scope_configuration *in, const char *name, size_t name_length, const char *value,
                        const char *where) {
    char out[1024];
    int length = snprintf(out, sizeof out, "%.*s=%s", (int)name_length, name, scope_settings_expand(in, value));
    if (length < 0 || (size_t)length >= sizeof out) {
        scope_settings_complain(in, "%s: a tag longer than %zu bytes is left out", where, sizeof out - 1);
        return;
    }
    uint32_t index = 0;
    while (index < in->tag_count && strncmp(in->tags[index], out, name_length + 1) != 0)
        index++;
    if (index == SCOPE_TAGS) {
        scope_settings_complain(in, "%s: more than %d tags; the rest is left out", where, SCOPE_TAGS);
        return;
    }
    in->tags[index] = scope_settings_keep(in, out, (size_t)length);
    if (index == in->tag_count)
        in->tags[++in->tag_count] = NULL;
}

bool scope_settings_address(struct scope_configuration *in, struct scope_destination *to, const char *text) {
    struct scope_destination found = *to;
    found.given = true;
    if (strncmp(text, "udp://", 6) == 0 || strncmp(text, "tcp://", 6) == 0) {
        const char *host = text + 6, *colon = strrchr(host, ':');
        if (!colon || colon == host || !colon[1])
            return false;
        size_t length = (size_t)(colon - host);
        if (host[0] == '[' && host[length - 1] == ']') {
            host++;
            length -= 2;
        }
        found.type = text[0] == 'u' ? SCOPE_TO_UDP : SCOPE_TO_TCP;
        found.host = scope_settings_keep(in, host, length);
        found.port = scope_settings_keep(in, colon + 1, strlen(colon + 1));
    } else if (strncmp(text, "unix://", 7) == 0 && text[7]) {
        found.type = SCOPE_TO_UNIX;
        found.path = scope_settings_keep(in, text + 7, strlen(text + 7));
    } else if (strncmp(text, "file://", 7) == 0 && text[7]) {
        found.type = SCOPE_TO_FILE;
        found.path = scope_settings_keep(in, text + 7, strlen(text + 7));
    } else if (strncmp(text, "edge", 4) == 0) {
        found.type = SCOPE_TO_EDGE;
    } else {
        return false;
    }
    *to = found;
    return true;
}

struct scope_configuration *scope_settings_new(void) {
    struct scope_configuration *in =
        mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (in == MAP_FAILED)
        return NULL;
    in->size = BLOCK;
    in->used = sizeof *in;
    in->metric_enable = in->event_enable = in->enhance_fs = in->allow_binary = in->config_event = true;
    in->cribl_enable = true;
    in->statsd_max_length = 512;
    in->verbosity = 4;
    in->max_events_per_second = 10000;
    in->summary_period = 10;
    in->exit_wait = 300;
    in->log_level = SCOPE_LOG_WARNING;
    in->statsd_prefix = in->auth_token = in->complaints = in->file = "";
    in->payload_dir = in->command_dir = "/tmp";
    for (int i = 0; i < SCOPE_METRIC_WATCHES; i++)
        in->metric_watch[i] = true;
    for (int i = 0; i < SCOPE_WATCHES; i++)
        in->watch[i] = (struct scope_watch){i <= SCOPE_WATCH_HTTP, ".*", ".*", ".*"};
    in->watch[SCOPE_WATCH_FILE].name = "(\\/logs?\\/)|(\\.log$)|(\\.log[.\\d])";
    in->watch[SCOPE_WATCH_CONSOLE].name = "(stdout)|(stderr)";
    in->watch[SCOPE_WATCH_METRIC].field = "^[^h]+";
    const struct scope_destination blank = {.tls_validate = true, .tls_ca = "", .host = "127.0.0.1", .port = "", .path = ""};
    in->metric = in->event = in->log = in->cribl = blank;
    in->metric.type = SCOPE_TO_UDP;
    in->metric.port = "8125";
    in->event.type = SCOPE_TO_TCP;
    in->event.port = "9109";
    in->log.type = SCOPE_TO_FILE;
    in->log.path = "/tmp/scope.log";
    in->cribl.type = SCOPE_TO_EDGE;
    in->cribl.port = "10090";
    return in;
}

void scope_settings_free(struct scope_configuration *in) {
    if (in)
        munmap(in, in->size);
}

/** Opens, reads and takes one file. False: it can't be read, go on searching. */
static bool read_file(struct scope_configuration *in, const char *path, const struct scope_identity *who) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return false;
    struct stat about;
    bool taken = false;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode)) {
        char *text = mmap(NULL, FILE_MOST + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (text != MAP_FAILED) {
            size_t length = 0;
            for (ssize_t got; length <= FILE_MOST && (got = read(file, text + length, FILE_MOST + 1 - length)) > 0;)
                length += (size_t)got;
            in->file = scope_settings_keep(in, path, strlen(path));
            if (length > FILE_MOST)
                scope_settings_complain(in, "%s: larger than %u bytes, so it was not read", path, FILE_MOST);
            else
                scope_settings_read_yaml(in, text, length, path, who);
            munmap(text, FILE_MOST + 1);
            taken = true;
        }
    }
    close(file);
    return taken;
}

static void find_file(struct scope_configuration *in, const struct scope_identity *who) {
    const char *given = getenv("SCOPE_CONF_PATH");
    if (given && *given) {
        if (read_file(in, given, who))
            return;
        scope_settings_complain(in, "SCOPE_CONF_PATH: %s can't be read, so the usual places were searched", given);
    }
    const struct { const char *variable, *rest; } places[] = {
        {"SCOPE_HOME", "/conf/scope.yml"}, {"SCOPE_HOME", "/scope.yml"}, {NULL, "/etc/scope/scope.yml"},
        {"HOME", "/conf/scope.yml"},       {"HOME", "/scope.yml"},       {NULL, "./conf/scope.yml"},
        {NULL, "./scope.yml"}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *start = places[i].variable ? getenv(places[i].variable) : "";
        char path[4096];
        if (!start || (places[i].variable && !*start) ||
            (size_t)snprintf(path, sizeof path, "%s%s", start, places[i].rest) >= sizeof path)
            continue;
        if (read_file(in, path, who))
            return;
    }
}

static void keep_place(struct scope_configuration *in, uint32_t *count, const char *base, const char *rest) {
    char path[256];
    int length = snprintf(path, sizeof path, "%s%s", base, rest);
    if (length > 0 && (size_t)length < sizeof path) {
        in->edge_places[*count] = scope_settings_keep(in, path, (size_t)length);
        in->edge_places[++*count] = NULL;
    }
}

/** Ours first, then where AppScope's users have theirs. */
static void find_edge(struct scope_configuration *in) {
    const char *given = getenv("SCOPE_EDGE_SOCKET"), *base;
    uint32_t count = 0;
    if (given && *given) {
        keep_place(in, &count, given, "");
    } else {
        keep_place(in, &count, "/run/scopeline/edge.sock", "");
        if ((base = getenv("XDG_RUNTIME_DIR")) && *base)
            keep_place(in, &count, base, "/scopeline/edge.sock");
        keep_place(in, &count, "/var/run/appscope/appscope.sock", "");
        if ((base = getenv("CRIBL_HOME")) && *base)
            keep_place(in, &count, base, "/state/appscope.sock");
        keep_place(in, &count, "/opt/cribl/state/appscope.sock", "");
    }
    in->metric.edge_places = in->event.edge_places = in->log.edge_places = in->cribl.edge_places = in->edge_places;
}

struct scope_configuration *scope_settings_load(char *const environment[], const struct scope_identity *who) {
    struct scope_configuration *in = scope_settings_new();
    if (!in)
        return NULL;
    find_file(in, who);
    scope_settings_read_environment(in, environment);
    find_edge(in);
    const char *pod = getenv("CRIBL_K8S_POD"), *no_breaker = getenv("SCOPE_CRIBL_NO_BREAKER");
    in->pod = pod ? scope_settings_keep(in, pod, strlen(pod)) : NULL;
    in->no_breaker = no_breaker && strcmp(no_breaker, "true") == 0;
    size_t prefix = strlen(in->statsd_prefix);
    if (prefix && in->statsd_prefix[prefix - 1] != '.') {
        char dotted[512];
        int length = snprintf(dotted, sizeof dotted, "%.500s.", in->statsd_prefix);
        in->statsd_prefix = scope_settings_keep(in, dotted, (size_t)length);
    }
    return in;
}
