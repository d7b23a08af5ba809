/*
 * The library's beginning and end in a process: decides whether to look at it at all, arms the hooks, and
 * follows it through forks, execs and its end. The beginning is paid by every program, so it only does
 * what later would be too late.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../capture/capture.h"
#include "descriptor.h"
#include "drain.h"
#include "inherit.h"
#include "log.h"
#include "outputs.h"
#include "reporter.h"
#include "watch.h"

void scope_waiters_find(void);

/*
 * Programs that are left alone when the library is loaded into everything (ld.so.preload): what the
 * system's start and its desktops hang on. SCOPE_RULES=false, which `scope run` sets, looks at them too.
 */
static const char *const denied[] = {"init",     "systemd",         "systemd-*",     "(sd-*",    "dbus-*",  "agetty",
                                     "login",    "polkitd",         "snapd",         "snap",     "udevd",   "abrt*",
                                     "gdm*",     "gnome-*",         "gsd-*",         "gvfs*",    "Xorg",    "Xwayland",
                                     "pipewire*", "pulseaudio",     "NetworkManager", "wpa_supplicant", "scope-crash"};

static struct scope_configuration *configuration;
static struct scope_facts facts;
static struct scope_ring_header *ring;
static size_t ring_size;

static bool is_denied(const char *name) {
    const char *rules = getenv("SCOPE_RULES");
    if (rules && strcmp(rules, "false") == 0)
        return false;
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++)
        if (fnmatch(denied[i], name, 0) == 0)
            return true;
    return false;
}

static bool map_ring(void) {
    ring = scope_ring_map(&ring_size);
    return ring != NULL;
}

/** Once the ring has its header. */
static void begin_reporting(void) {
    const struct scope_reporter_setup setup = {configuration, &facts, ring};
    scope_reporter_prepare(&setup);
    scope_capture_process_start(facts.cmd);
}

static void before_spawn(char *const environment[], char *const **result) {
    *result = scope_inherit(environment);
}

static void before_exec(char *const environment[], char *const **result) {
    before_spawn(environment, result);
    if (!scope_capture_sandboxed())
        scope_reporter_flush();
}

static void after_fork_child(void) {
    struct scope_ring_header *old = ring;
    size_t old_size = ring_size;
    scope_log_forget();
    scope_descriptor_forget();
    scope_reporter_settled = true;
    if (!map_ring())
        return; /* the child is not looked at */
    if (scope_capture_after_fork(ring, ring_size) != 0) {
        scope_ring_unmap(ring, ring_size);
        ring = NULL;
        return;
    }
    if (old)
        scope_ring_unmap(old, old_size);
    begin_reporting();
}

static void before_exit(void) {
    if (scope_capture_sandboxed()) {
        scope_reporter_flush_blind();
        return;
    }
    scope_capture_process_exit(0);
    scope_reporter_flush();
}

static const struct scope_lifecycle lifecycle = {
    .before_exec = before_exec,
    .before_spawn = before_spawn,
    .after_fork_child = after_fork_child,
    .before_exit = before_exit,
    .before_sandbox = scope_reporter_now_or_never,
    .woken = scope_reporter_woken,
};

/** Complaints about the configuration, as lines of the log. */
static void log_complaints(void) {
    for (const char *at = configuration->complaints; *at;) {
        size_t length = strcspn(at, "\n");
        scope_log(SCOPE_LOG_WARNING, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static struct scope_settings wanted(void) {
    struct scope_report_settings report = {0};
    scope_watch_fill(&report, configuration);
    /* From some verbosity on metrics are told per operation, for which records are needed. */
    bool detailed = configuration->metric_enable && configuration->verbosity >= 5;
    struct scope_settings settings = {
        .fs_events = report.event_fs || (detailed && report.metric_fs),
        .net_events = report.event_net || (detailed && report.metric_net),
        .http = report.event_http || report.metric_http,
        .dns_events = report.event_dns || (detailed && report.metric_dns),
        .console_out = report.event_console && scope_watch_stream("stdout"),
        .console_err = report.event_console && scope_watch_stream("stderr"),
        .log_files = report.event_file,
        .tls = report.event_http || report.metric_http,
        .durations = report.event_fs || report.metric_fs,
        .metrics = configuration->metric_enable,
        .watches_file = scope_watch_file,
        .is_own_descriptor = scope_descriptor_is_own,
    };
    return settings;
}

__attribute__((constructor)) static void start(int argc, char **argv, char **environment) {
    if (configuration)
        return;
    int saved = errno;
    /* So that waiting never finds half a reporter. */
    scope_reporter_settled = true;
    if (is_denied(program_invocation_short_name)) {
        errno = saved;
        return;
    }
    scope_facts_name(&facts, program_invocation_short_name, argc, argv);
    const struct scope_identity who = {facts.proc, facts.cmd};
    configuration = scope_settings_load(environment, &who);
    scope_inherit_from(environment);
    scope_capture_set_lifecycle(&lifecycle);
    if (!configuration || !(configuration->event_enable || configuration->metric_enable)) {
        errno = saved;
        return;
    }
    scope_log_open(configuration);
    log_complaints();
    scope_watch_compile(configuration);
    const struct scope_settings settings = wanted();
    if (map_ring()) {
        scope_waiters_find();
        if (scope_capture_start(&settings, ring, ring_size) == 0)
            begin_reporting();
    }
    errno = saved;
}

/** exit() and the return from main come here, after what the program itself registered for its end. */
__attribute__((destructor)) static void end(void) {
    if (!configuration || !ring)
        return;
    if (scope_capture_sandboxed()) {
        scope_reporter_flush_blind();
        return;
    }
    int saved = errno;
    scope_capture_process_exit(0);
    scope_capture_finish();
    scope_capture_hide();
    scope_reporter_flush();
    scope_capture_show();
    errno = saved;
}
