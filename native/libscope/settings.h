/*
 * Everything that a user can set, as it is once defaults, scope.yml and SCOPE_* variables have had
 * their say. One block of memory holds the structure and all its texts, so that a later reading of
 * the file makes a new block and drops the old one.
 */
#ifndef SCOPE_SETTINGS_H
#define SCOPE_SETTINGS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scope_destination_type {
    SCOPE_TO_UDP,
    SCOPE_TO_TCP,
    SCOPE_TO_UNIX,
    SCOPE_TO_FILE,
    SCOPE_TO_EDGE
};

/** Where lines go. Texts are never NULL. */
struct scope_destination {
    uint32_t type; /* enum scope_destination_type */
    uint32_t buffering; /* 0 line, 1 full: accepted; whole lines are written either way */
    bool given; /* by the user, not by default */
    bool tls, tls_validate;
    const char *tls_ca, *host, *port, *path;
    /** Paths that an edge's socket may have, in the order they are tried; NULL-terminated. */
    const char *const *edge_places;
};

enum scope_watch_type {
    SCOPE_WATCH_FILE,
    SCOPE_WATCH_CONSOLE,
    SCOPE_WATCH_NET,
    SCOPE_WATCH_FS,
    SCOPE_WATCH_DNS,
    SCOPE_WATCH_HTTP,
    SCOPE_WATCH_METRIC,
    SCOPE_WATCH_SYSLOG,
    SCOPE_WATCHES
};

/** A row of event.watch: what is looked at, and the patterns that pick from it. */
struct scope_watch {
    bool on;
    const char *name, *field, *value;
};

enum scope_metric_watch {
    SCOPE_METRIC_FS,
    SCOPE_METRIC_NET,
    SCOPE_METRIC_HTTP,
    SCOPE_METRIC_DNS,
    SCOPE_METRIC_PROCESS,
    SCOPE_METRIC_STATSD,
    SCOPE_METRIC_WATCHES
};

enum scope_log_level { SCOPE_LOG_DEBUG, SCOPE_LOG_INFO, SCOPE_LOG_WARNING, SCOPE_LOG_ERROR, SCOPE_LOG_NONE };
enum scope_metric_format { SCOPE_AS_STATSD, SCOPE_AS_NDJSON };

#define SCOPE_TAGS 64
#define SCOPE_HEADER_PATTERNS 16

struct scope_configuration {
    bool metric_enable, event_enable, enhance_fs, allow_binary, payload_enable, config_event, coredump, backtrace;
    bool cribl_enable, cribl_enable_given;
    uint32_t metric_format, statsd_max_length, verbosity, max_events_per_second, summary_period, log_level;
    /** Longest that the end of the program may be held up for what is still to be sent, ms. */
    uint32_t exit_wait;
    const char *statsd_prefix, *payload_dir, *command_dir, *auth_token;
    bool metric_watch[SCOPE_METRIC_WATCHES];
    struct scope_watch watch[SCOPE_WATCHES];
    uint32_t header_count;
    const char *headers[SCOPE_HEADER_PATTERNS];
    struct scope_destination metric, event, log, cribl;
    /** "name=value", NULL-terminated. */
    uint32_t tag_count;
    const char *tags[SCOPE_TAGS + 1];
    /** What could not be taken, one sentence a line; for the log. */
    const char *complaints;
    /** Where the file was found; "" if none. */
    const char *file;
    /* From the environment, which only the program's own threads may read safely. */
    const char *edge_places[6], *pod;
    bool no_breaker;
    /* the memory behind the texts */
    size_t used, size;
    size_t complaint_length;
    char *complaint_text;
};

/** Who the process is, for the filters of `custom`. Texts may be NULL. */
struct scope_identity {
    const char *procname, *command;
};

/** Defaults; NULL if there is no memory. */
struct scope_configuration *scope_settings_new(void);
/** Defaults, then the first readable file, then SCOPE_* of `environment`. NULL if there is no memory. */
struct scope_configuration *scope_settings_load(char *const environment[], const struct scope_identity *);
void scope_settings_free(struct scope_configuration *);

/* ---- for the readers of the file and of the environment ---- */

/** A copy in the block; "" if the block is full. */
const char *scope_settings_keep(struct scope_configuration *, const char *text, size_t length);
/** Notes a sentence for the log; beyond 4 KiB no more are taken. */
void scope_settings_complain(struct scope_configuration *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Sets what `path` names, e.g. "metric.format.verbosity". False: no such key. A bad value is complained about at `where`. */
bool scope_settings_set(struct scope_configuration *, const char *path, const char *value, const char *where);
/** Is `path` a key, or the beginning of one? */
bool scope_settings_knows(const char *path);
/** Adds or replaces a tag. */
void scope_settings_tag(struct scope_configuration *, const char *name, size_t name_length, const char *value, const char *where);
/** Reads an address as the environment gives it: tcp://host:port, file:///path, edge … False: none of these. */
bool scope_settings_address(struct scope_configuration *, struct scope_destination *, const char *text);
/** Replaces $NAME by the environment's value, \$NAME by $NAME. The result is in the block. */
const char *scope_settings_expand(struct scope_configuration *, const char *value);
/** Index of a word in a list of words separated by spaces; -1 if it is not there. */
int scope_settings_word(const char *words, const char *word, size_t length);
extern const char scope_event_watch_words[], scope_metric_watch_words[];
/** Takes a file's text. `where` names it in complaints. */
void scope_settings_read_yaml(struct scope_configuration *, const char *text, size_t length, const char *where, const struct scope_identity *);
void scope_settings_read_environment(struct scope_configuration *, char *const environment[]);

#endif
