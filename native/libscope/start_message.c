/* Writes the process-start message. A token goes where receivers look for it, and nowhere else. */
#include "start_message.h"

#include <string.h>

static const char *truth(bool value) {
    return value ? "\"true\"" : "\"false\"";
}

static void pair(struct scope_writing *to, const char *before, const char *name, const char *value) {
    scope_text_add(to, "%s\"%s\":", before, name);
    scope_text_json(to, value);
}

static void transport(struct scope_writing *to, const struct scope_destination *at) {
    static const char *const types[] = {"udp", "tcp", "unix", "file", "edge"};
    scope_text_add(to, "\"transport\":{\"type\":\"%s\"", types[at->type]);
    if (at->type <= SCOPE_TO_TCP) {
        pair(to, ",", "host", at->host);
        pair(to, ",", "port", at->port);
        scope_text_add(to, ",\"tls\":{\"enable\":%s,\"validateserver\":%s", truth(at->tls), truth(at->tls_validate));
        pair(to, ",", "cacertpath", at->tls_ca);
        scope_text_add(to, "}");
    } else if (at->type != SCOPE_TO_EDGE) {
        pair(to, ",", "path", at->path);
        if (at->type == SCOPE_TO_FILE)
            scope_text_add(to, ",\"buffering\":\"%s\"", at->buffering ? "full" : "line");
    }
    scope_text_add(to, "}");
}

static void word(struct scope_writing *to, const char *words, int index) {
    while (index-- > 0)
        words += strcspn(words, " ") + 1;
    scope_text_add(to, "\"%.*s\"", (int)strcspn(words, " "), words);
}

static void event_watches(struct scope_writing *to, const struct scope_configuration *in) {
    const char *before = "";
    for (int i = 0; i < SCOPE_WATCHES; i++) {
        if (!in->watch[i].on)
            continue;
        scope_text_add(to, "%s{\"type\":", before);
        word(to, scope_event_watch_words, i);
        pair(to, ",", "name", in->watch[i].name);
        pair(to, ",", "field", in->watch[i].field);
        pair(to, ",", "value", in->watch[i].value);
        if (i == SCOPE_WATCH_CONSOLE)
            scope_text_add(to, ",\"allowbinary\":%s", truth(in->allow_binary));
        if (i == SCOPE_WATCH_HTTP) {
            scope_text_add(to, ",\"headers\":[");
            for (uint32_t h = 0; h < in->header_count; h++) {
                scope_text_add(to, h ? "," : "");
                scope_text_json(to, in->headers[h]);
            }
            scope_text_add(to, "]");
        }
        scope_text_add(to, "}");
        before = ",";
    }
}

static void configuration(struct scope_writing *to, const struct scope_configuration *in) {
    static const char *const levels[] = {"debug", "info", "warning", "error", "none"};
    scope_text_add(to, "{\"metric\":{\"enable\":%s,", truth(in->metric_enable));
    transport(to, &in->metric);
    scope_text_add(to, ",\"format\":{\"type\":\"%s\"", in->metric_format == SCOPE_AS_NDJSON ? "ndjson" : "statsd");
    pair(to, ",", "statsdprefix", in->statsd_prefix);
    scope_text_add(to, ",\"statsdmaxlen\":%u,\"verbosity\":%u},\"watch\":[", in->statsd_max_length, in->verbosity);
    const char *before = "";
    for (int i = 0; i < SCOPE_METRIC_WATCHES; i++)
        if (in->metric_watch[i]) {
            scope_text_add(to, "%s{\"type\":", before);
            word(to, scope_metric_watch_words, i);
            scope_text_add(to, "}");
            before = ",";
        }
    scope_text_add(to, "]},\"libscope\":{\"log\":{\"level\":\"%s\",", levels[in->log_level]);
    transport(to, &in->log);
    scope_text_add(to, "},\"snapshot\":{\"coredump\":%s,\"backtrace\":%s},\"configevent\":%s,\"summaryperiod\":%u",
                   truth(in->coredump), truth(in->backtrace), truth(in->config_event), in->summary_period);
    pair(to, ",", "commanddir", in->command_dir);
    scope_text_add(to, "},\"event\":{\"enable\":%s,", truth(in->event_enable));
    transport(to, &in->event);
    scope_text_add(to, ",\"format\":{\"type\":\"ndjson\",\"maxeventpersec\":%u,\"enhancefs\":%s},\"watch\":[",
                   in->max_events_per_second, truth(in->enhance_fs));
    event_watches(to, in);
    scope_text_add(to, "]},\"payload\":{\"enable\":%s", truth(in->payload_enable));
    pair(to, ",", "dir", in->payload_dir);
    scope_text_add(to, "},\"tags\":{");
    for (uint32_t i = 0; i < in->tag_count; i++) {
        char name[1024];
        size_t length = strcspn(in->tags[i], "=");
        memcpy(name, in->tags[i], length);
        name[length] = 0;
        scope_text_add(to, i ? "," : "");
        scope_text_json(to, name);
        scope_text_add(to, ":");
        scope_text_json(to, in->tags[i] + length + 1);
    }
    scope_text_add(to, "},\"protocol\":[],\"cribl\":{\"enable\":%s,", truth(in->cribl_enable));
    transport(to, &in->cribl);
    scope_text_add(to, "}}");
}

bool scope_start_message(struct scope_writing *to, const struct scope_configuration *in, const struct scope_facts *facts) {
    scope_text_add(to, "{");
    if (*in->auth_token) {
        pair(to, "", "authToken", in->auth_token);
        scope_text_add(to, ",");
    }
    scope_text_add(to, "\"format\":\"ndjson\"");
    if (in->no_breaker)
        scope_text_add(to, ",\"breaker\":\"Cribl - Do Not Break Ruleset\"");
    scope_text_add(to, ",\"info\":{\"process\":{\"libscopever\":\"%s\",\"pid\":%u,\"ppid\":%u,\"gid\":%u",
                   SCOPE_LIBRARY_VERSION, facts->pid, facts->parent_pid, facts->gid);
    if (*facts->group)
        pair(to, ",", "groupname", facts->group);
    scope_text_add(to, ",\"uid\":%u", facts->uid);
    if (*facts->user)
        pair(to, ",", "username", facts->user);
    pair(to, ",", "hostname", facts->host);
    pair(to, ",", "procname", facts->proc);
    if (*facts->cmd)
        pair(to, ",", "cmd", facts->cmd);
    size_t length = strlen(facts->cmd);
    char id[sizeof facts->host + sizeof facts->proc + 40];
    struct scope_writing text = {id, 0, sizeof id};
    scope_text_add(&text, "%s-%s-%s", facts->host, facts->proc, facts->cmd + (length > 32 ? length - 32 : 0));
    pair(to, ",", "id", id);
    pair(to, ",", "cgroup", facts->cgroup);
    pair(to, ",", "machine_id", facts->machine_id);
    pair(to, ",", "uuid", facts->uuid);
    scope_text_add(to, "},\"configuration\":{\"current\":");
    configuration(to, in);
    scope_text_add(to, "},\"environment\":{");
    if (in->pod)
        pair(to, "", "CRIBL_K8S_POD", in->pod);
    scope_text_add(to, "}}}\n");
    return to->length < to->size;
}
