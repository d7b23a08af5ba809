/*
 * Walks the tree that libyaml makes of scope.yml (JSON is YAML too) and hands each value to the table
 * of keys. Lists have their own readers here. What is unknown is complained about with its line.
 */
#include "settings.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <yaml.h>

#define PATH_MOST 128
#define DEPTH_MOST 16

struct reading {
    struct scope_configuration *to;
    yaml_document_t *document;
    const char *file;
    const struct scope_identity *who;
    int depth;
};

static const char *scalar(const yaml_node_t *node) {
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/** "watch:" with nothing behind it. */
static bool is_nothing(const yaml_node_t *node) {
    const char *text = scalar(node);
    return !node || (text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                     (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0));
}

static const char *place(const struct reading *in, const yaml_node_t *node, const char *path, char out[512]) {
    snprintf(out, 512, "%.300s line %zu: %s", in->file, node->start_mark.line + 1, path);
    return out;
}

static void unknown(const struct reading *in, const yaml_node_t *node, const char *path) {
    char where[512];
    scope_settings_complain(in->to, "%s: there is no such setting", place(in, node, path, where));
}

static void wrong_shape(const struct reading *in, const yaml_node_t *node, const char *path, const char *wanted) {
    char where[512];
    scope_settings_complain(in->to, "%s: should be %s", place(in, node, path, where), wanted);
}

/** Calls `each` for the pairs of a mapping whose keys are texts. */
typedef void pair_reader(struct reading *, const char *path, const yaml_node_t *key, const yaml_node_t *value, void *context);
static void pairs(struct reading *in, const yaml_node_t *node, const char *path, pair_reader *each, void *context) {
    if (node->type != YAML_MAPPING_NODE) {
        wrong_shape(in, node, path, "a map of keys to values");
        return;
    }
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(in->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(in->document, pair->value);
        if (scalar(key) && value)
            each(in, path, key, value, context);
    }
}

/** Calls `each` for the items of a list; nothing at all counts as an empty list. */
typedef void item_reader(struct reading *, const char *path, const yaml_node_t *item);
static void items(struct reading *in, const yaml_node_t *node, const char *path, item_reader *each) {
    if (is_nothing(node))
        return;
    if (node->type != YAML_SEQUENCE_NODE) {
        wrong_shape(in, node, path, "a list");
        return;
    }
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
        const yaml_node_t *value = yaml_document_get_node(in->document, *item);
        if (value)
            each(in, path, value);
    }
}

static const yaml_node_t *member(const struct reading *in, const yaml_node_t *node, const char *name) {
    if (node->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        const char *key = scalar(yaml_document_get_node(in->document, pair->key));
        if (key && strcmp(key, name) == 0)
            return yaml_document_get_node(in->document, pair->value);
    }
    return NULL;
}

static int watch_type(const struct reading *in, const yaml_node_t *item, const char *path, const char *words) {
    const char *type = scalar(member(in, item, "type"));
    int index = type ? scope_settings_word(words, type, strlen(type)) : -1;
    if (index < 0) {
        char where[512];
        scope_settings_complain(in->to, "%s: type is none of: %s", place(in, item, path, where), words);
    }
    return index;
}

static void metric_watch(struct reading *in, const char *path, const yaml_node_t *item) {
    int index = watch_type(in, item, path, scope_metric_watch_words);
    if (index >= 0)
        in->to->metric_watch[index] = true;
}

static void header_pattern(struct reading *in, const char *path, const yaml_node_t *item) {
    const char *text = scalar(item);
    if (!text)
        wrong_shape(in, item, path, "a list of patterns");
    else if (in->to->header_count < SCOPE_HEADER_PATTERNS)
        in->to->headers[in->to->header_count++] = scope_settings_expand(in->to, text);
}

static void watch_member(struct reading *in, const char *path, const yaml_node_t *key, const yaml_node_t *value, void *context) {
    struct scope_watch *watch = context;
    const char *name = scalar(key), *text = scalar(value);
    if (strcmp(name, "type") == 0)
        return;
    if (strcmp(name, "headers") == 0) {
        in->to->header_count = 0;
        items(in, value, "event.watch.headers", header_pattern);
    } else if (strcmp(name, "name") == 0 && text) {
        watch->name = scope_settings_expand(in->to, text);
    } else if (strcmp(name, "field") == 0 && text) {
        watch->field = scope_settings_expand(in->to, text);
    } else if (strcmp(name, "value") == 0 && text) {
        watch->value = scope_settings_expand(in->to, text);
    } else if (strcmp(name, "allowbinary") == 0 && text) {
        in->to->allow_binary = strcmp(text, "true") == 0;
    } else {
        char full[PATH_MOST];
        snprintf(full, sizeof full, "%s.%.60s", path, name);
        unknown(in, key, full);
    }
}

static void event_watch(struct reading *in, const char *path, const yaml_node_t *item) {
    int index = watch_type(in, item, path, scope_event_watch_words);
    if (index < 0)
        return;
    in->to->watch[index].on = true;
    pairs(in, item, path, watch_member, &in->to->watch[index]);
}

static void tag(struct reading *in, const char *path, const yaml_node_t *key, const yaml_node_t *value, void *context) {
    (void)context;
    char where[512];
    place(in, key, path, where);
    if (scalar(value))
        scope_settings_tag(in->to, scalar(key), strlen(scalar(key)), scalar(value), where);
    else
        wrong_shape(in, value, path, "a map of names to texts");
}

/** Basename of the program of one of the ancestors? */
static bool has_ancestor(const char *name) {
    long pid = getppid();
    for (int steps = 0; pid > 0 && steps < 64; steps++) {
        char path[64], text[4096];
        snprintf(path, sizeof path, "/proc/%ld/exe", pid);
        ssize_t length = readlink(path, text, sizeof text - 1);
        if (length > 0) {
            text[length] = 0;
            const char *slash = strrchr(text, '/');
            if (strcmp(slash ? slash + 1 : text, name) == 0)
                return true;
        }
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        FILE *stat = fopen(path, "re");
        if (!stat)
            return false;
        size_t got = fread(text, 1, sizeof text - 1, stat);
        fclose(stat);
        text[got] = 0;
        const char *end = strrchr(text, ')');
        if (!end || sscanf(end + 1, " %*c %ld", &pid) != 1)
            return false;
    }
    return false;
}

struct filter { bool any, all; };

static void filter_member(struct reading *in, const char *path, const yaml_node_t *key, const yaml_node_t *value, void *context) {
    struct filter *filter = context;
    const char *name = scalar(key), *raw = scalar(value);
    bool matches = false;
    if (!raw) {
        wrong_shape(in, value, path, "a text");
        filter->all = false;
        return;
    }
    const char *text = scope_settings_expand(in->to, raw);
    if (strcmp(name, "procname") == 0) {
        matches = in->who->procname && strcmp(in->who->procname, text) == 0;
    } else if (strcmp(name, "arg") == 0) {
        matches = in->who->command && strstr(in->who->command, text);
    } else if (strcmp(name, "hostname") == 0) {
        char host[256] = "";
        gethostname(host, sizeof host - 1);
        matches = strcasecmp(host, text) == 0;
    } else if (strcmp(name, "username") == 0) {
        char user[64];
        scope_name_of_user((uint32_t)getuid(), user, sizeof user);
        matches = *user && strcmp(user, text) == 0;
    } else if (strcmp(name, "env") == 0) {
        size_t length = strcspn(text, "=");
        char variable[256];
        if (length < sizeof variable) {
            memcpy(variable, text, length);
            variable[length] = 0;
            const char *found = getenv(variable);
            matches = found && (text[length] == 0 || strcmp(found, text + length + 1) == 0);
        }
    } else if (strcmp(name, "ancestor") == 0) {
        matches = has_ancestor(text);
    } else {
        unknown(in, key, name);
    }
    filter->any = true;
    filter->all = filter->all && matches;
}

static void setting(struct reading *in, const char *path, const yaml_node_t *key, const yaml_node_t *value, void *context);

static void custom(struct reading *in, const char *path, const yaml_node_t *key, const yaml_node_t *value, void *context) {
    (void)context;
    const yaml_node_t *filter_node = member(in, value, "filter"), *config = member(in, value, "config");
    if (!filter_node || !config) {
        wrong_shape(in, key, path, "a map with filter and config");
        return;
    }
    struct filter filter = {false, true};
    pairs(in, filter_node, "custom.filter", filter_member, &filter);
    if (filter.any && filter.all && !is_nothing(config))
        pairs(in, config, "", setting, NULL);
}

static void setting(struct reading *in, const char *path, const yaml_node_t *key, const yaml_node_t *value, void *context) {
    (void)context;
    char full[PATH_MOST];
    if ((size_t)snprintf(full, sizeof full, "%s%s%s", path, *path ? "." : "", scalar(key)) >= sizeof full ||
        in->depth >= DEPTH_MOST) {
        unknown(in, key, path);
        return;
    }
    in->depth++;
    if (strcmp(full, "metric.watch") == 0) {
        memset(in->to->metric_watch, 0, sizeof in->to->metric_watch);
        items(in, value, full, metric_watch);
    } else if (strcmp(full, "event.watch") == 0) {
        for (int i = 0; i < SCOPE_WATCHES; i++)
            in->to->watch[i].on = false;
        items(in, value, full, event_watch);
    } else if (strcmp(full, "tags") == 0) {
        if (!is_nothing(value))
            pairs(in, value, full, tag, NULL);
    } else if (strcmp(full, "custom") == 0) {
        if (!is_nothing(value))
            pairs(in, value, full, custom, NULL);
    } else if (strcmp(full, "protocol") == 0) {
        if (!is_nothing(value) && !(value->type == YAML_SEQUENCE_NODE &&
                                    value->data.sequence.items.start == value->data.sequence.items.top)) {
            char where[512];
            scope_settings_complain(in->to, "%s: own protocols are not detected yet", place(in, key, full, where));
        }
    } else if (!scope_settings_knows(full)) {
        unknown(in, key, full);
    } else if (value->type == YAML_MAPPING_NODE) {
        pairs(in, value, full, setting, NULL);
    } else if (value->type == YAML_SCALAR_NODE) {
        char where[512];
        if (!is_nothing(value) && !scope_settings_set(in->to, full, scalar(value), place(in, value, full, where)))
            wrong_shape(in, value, full, "a map of keys to values");
    } else {
        wrong_shape(in, value, full, "one value");
    }
    in->depth--;
}

void scope_settings_read_yaml(struct scope_configuration *to, const char *text, size_t length, const char *where,
                              const struct scope_identity *who) {
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (!yaml_parser_load(&parser, &document)) {
        scope_settings_complain(to, "%s line %zu: %s, so the file was not taken", where, parser.problem_mark.line + 1,
                                parser.problem ? parser.problem : "no memory");
    } else {
        struct reading reading = {to, &document, where, who, 0};
        const yaml_node_t *root = yaml_document_get_root_node(&document);
        if (root && !is_nothing(root))
            pairs(&reading, root, "", setting, NULL);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
}
