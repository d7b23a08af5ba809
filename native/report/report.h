/*
 * Turns records (native/wire) into the events and metrics that users know, as text lines. Pure: no
 * I/O, no threads, no clock, no globals; everything it keeps is bounded. The bytes of a record may
 * be hostile.
 */
#ifndef SCOPE_REPORT_H
#define SCOPE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../wire/scope_record.h"

/** What an event is about; the order of scope_report_settings.unfiltered. */
enum scope_sourcetype {
    SCOPE_ABOUT_FS,
    SCOPE_ABOUT_NET,
    SCOPE_ABOUT_HTTP,
    SCOPE_ABOUT_DNS,
    SCOPE_ABOUT_CONSOLE,
    SCOPE_ABOUT_FILE,
    SCOPE_ABOUT_METRIC,
    SCOPE_ABOUT_PROCESS,
    SCOPE_SOURCETYPES
};

/** Bits of scope_report_settings.unfiltered: filters that a source type does not have. */
enum scope_unfiltered {
    SCOPE_ANY_NAME = 1,
    SCOPE_ANY_FIELD = 2,
    SCOPE_ANY_VALUE = 4,
    SCOPE_ANY = 7
};

/**
 * Decided before the report is made and constant from then on. The texts are copied, the functions
 * and their context are not. A zeroed field means off, none, or the default that is named.
 */
struct scope_report_settings {
    /** host, proc and cmd in every event; NULL is written as an empty text. `id` is made of them. */
    const char *host, *proc, *cmd;
    /** Left out of proc.start if NULL. */
    const char *username, *groupname;
    /** proc_cgroup of fs events, as in /proc/self/cgroup. */
    const char *cgroup;
    uint32_t pid, uid, gid;

    /** 0 to 9: what a metric is split by, and which are told per operation instead of per period. */
    int verbosity;
    /** fs.open and fs.close tell the file's mode and owner, asked through stat_file. */
    bool enhance_fs;
    /** Console text with bytes that are no text passes too; else one short notice stands for it. */
    bool allow_binary;
    /** Events of all kinds but console and file; what exceeds it is dropped and counted. 0: no limit. */
    uint32_t max_events_per_second;
    /** Put before each StatsD name; with its dot. */
    const char *statsd_prefix;
    /** Bytes of a StatsD line, newline included. 0: 512. */
    uint32_t statsd_max_length;
    /** Bytes of state (open channels, unfinished headers, pending text). 0: 8 MiB. */
    size_t memory_limit;

    bool event_fs, event_net, event_http, event_dns, event_console, event_file, event_metric;
    /** proc.start, proc.exec and proc.exit as events of source type "process"; AppScope has none. */
    bool event_process;
    bool metric_fs, metric_net, metric_http, metric_dns, metric_process, metric_statsd;
    /** Metrics as NDJSON instead of StatsD. */
    bool metrics_as_json;

    /** "key=value", NULL-terminated; NULL: none. */
    const char *const *tags;
    /** Names of functions by scope_op (capture's scope_op_names). */
    const char *const *op_names;
    size_t op_count;

    /**
     * The watch filters. All three questions are one function, told apart by what is NULL:
     * field and value NULL: may events of this source (name filter) pass; value NULL: may this field
     * stay; field NULL: does this value match (one that does lets the event pass).
     * NULL: everything passes. `unfiltered` spares the questions whose answer is always yes.
     */
    bool (*wants)(void *context, const char *sourcetype, const char *source, const char *field, const char *value);
    uint8_t unfiltered[SCOPE_SOURCETYPES];
    /** Whether a header line ("Name: value") is to be a field of its event. NULL: none are. */
    bool (*wants_header)(void *context, const char *line);
    /** Asked off the program's threads, at fs.open. May be NULL. */
    bool (*stat_file)(void *context, const char *path, uint32_t *mode, uint32_t *uid, uint32_t *gid);
    void *context;
};

enum scope_output { SCOPE_OUT_EVENT, SCOPE_OUT_METRIC };

/** Takes one whole line, newline included; the bytes are only valid during the call. */
typedef void scope_emit(void *context, enum scope_output, const char *line, size_t length);

/** What the process uses now. A negative field is unknown and is left out. */
struct scope_process_sample {
    /** User and system time since the process began. */
    int64_t cpu_us;
    /** VmSize and VmRSS. */
    int64_t virtual_kib, resident_kib;
    int64_t threads, descriptors, children;
};

/** What the report itself lost, since it was made. */
struct scope_report_losses {
    uint64_t bad_records;        /* sizes or lengths that do not fit */
    uint64_t limited_events;     /* over max_events_per_second */
    uint64_t forgotten_channels; /* pushed out by newer ones */
    uint64_t lost_messages;      /* HTTP heads too large, cut or not understood */
    uint64_t refused_memory;     /* times that memory_limit said no */
    uint64_t long_lines;         /* lines too long to be sent */
};

struct scope_report;

/** NULL: no memory. */
struct scope_report *scope_report_new(const struct scope_report_settings *, scope_emit *, void *emit_context);

/**
 * Reports one record. `available`: bytes that may be read from it; they must not change during the
 * call (copy them first out of memory that another process can write). Give the records of different
 * threads in the order of their times as far as they are there: an answer that comes before its
 * request cannot be matched with it.
 */
void scope_report_record(struct scope_report *, const struct scope_record *, size_t available);

/**
 * Metrics of a period that ends at now_ns (CLOCK_MONOTONIC). `counters` are the totals of all slots
 * since the start; the report keeps what it has told. `sample` may be NULL.
 */
void scope_report_period(struct scope_report *, const uint64_t counters[SCOPE_COUNTERS],
                         const struct scope_process_sample *sample, uint64_t now_ns, uint64_t period_ns);

/** Sends console and file text that has waited 2 s, and notices that are due. Call it about once a second. */
void scope_report_idle(struct scope_report *, uint64_t now_ns);

/** Sends all text and notices that wait, e.g. before the process ends. */
void scope_report_flush(struct scope_report *, uint64_t now_ns);

/** Records that were lost before they came here, since the start: becomes a notice and the metric scope.dropped. */
void scope_report_dropped(struct scope_report *, uint64_t total, uint64_t now_ns);

/** What must be added to CLOCK_MONOTONIC to give CLOCK_REALTIME, ns. */
void scope_report_set_clock(struct scope_report *, int64_t realtime_offset_ns);

struct scope_report_losses scope_report_losses(const struct scope_report *);

/** Sends what waits (see flush) and ends. NULL is fine. */
void scope_report_free(struct scope_report *);

#endif
