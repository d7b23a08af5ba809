/* The reporter's thread, its start and its end; see reporter.h. */
#include "reporter.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../capture/capture.h"
#include "descriptor.h"
#include "drain.h"
#include "log.h"
#include "outputs.h"
#include "watch.h"

#define MS 1000000u
/** A program younger than this is left alone as long as it has something to do. */
#define YOUNG_NS (50 * MS)
/** While records come it looks every so often; after so many looks that found nothing it sleeps. */
#define NAP_NS (20 * MS)
#define EMPTY_ROUNDS 3
#define LONGEST_NS (3600 * UINT64_C(1000000000))
#define IDLE_NS (1000 * MS)
#define STACK (256u * 1024u)

enum request { NONE = 0, FLUSH = 1 };

bool scope_reporter_settled;

static struct scope_reporter_setup with;
static struct {
    uint32_t started; /* atomic: a thread was asked for */
    /* Futexes between the program's threads and ours. */
    uint32_t asked, answered; /* counts of flushes */
    bool complete;            /* of the last answer */
    pid_t pid;
} state;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** Waits while *word is `value`, at most so long. */
static void futex_wait(uint32_t *word, uint32_t value, uint64_t ns) {
    struct timespec wait = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT, value, &wait, NULL, 0);
}

static void futex_wake(uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- the thread ---- */

struct run {
    struct scope_report *report;
    struct scope_outputs outputs;
    uint64_t period_began_ns, next_period_ns, last_activity_ns, next_idle_ns, dropped_told;
};

static bool stat_file(void *context, const char *path, uint32_t *mode, uint32_t *uid, uint32_t *gid) {
    (void)context;
    struct stat about;
    if (*path != '/' || stat(path, &about) != 0)
        return false;
    *mode = about.st_mode;
    *uid = about.st_uid;
    *gid = about.st_gid;
    return true;
}

static void take(void *context, const struct scope_record *record, size_t available) {
    scope_report_record(context, record, available);
}

static bool begin(struct run *run) {
    const struct scope_configuration *in = with.configuration;
    scope_facts_find(with.facts);
    if (!scope_outputs_new(&run->outputs, in, with.facts))
        return false;
    struct scope_routes routes;
    scope_outputs_route(&routes, in);
    struct scope_facts *facts = with.facts;
    struct scope_report_settings settings = {
        .host = facts->host, .proc = facts->proc, .cmd = facts->cmd,
        .username = *facts->user ? facts->user : NULL, .groupname = *facts->group ? facts->group : NULL,
        .cgroup = facts->cgroup, .pid = facts->pid, .uid = facts->uid, .gid = facts->gid,
        .verbosity = (int)in->verbosity, .enhance_fs = in->enhance_fs, .allow_binary = in->allow_binary,
        .max_events_per_second = in->max_events_per_second, .statsd_prefix = in->statsd_prefix,
        .statsd_max_length = in->statsd_max_length, .metrics_as_json = routes.as_json, .tags = in->tags,
        .op_names = scope_op_names, .op_count = scope_op_count, .stat_file = stat_file};
    scope_watch_fill(&settings, in);
    run->report = scope_report_new(&settings, scope_outputs_emit, &run->outputs);
    if (!run->report)
        return false;
    scope_report_set_clock(run->report, with.ring->realtime_offset_ns);
    run->period_began_ns = with.ring->start_ns;
    run->next_period_ns = with.ring->start_ns + in->summary_period * UINT64_C(1000000000);
    return true;
}

/** The clock may have been set, or the machine have slept. */
static void set_clock(struct run *run) {
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t offset = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec - (int64_t)now_ns();
    scope_report_set_clock(run->report, offset);
}

static void end_period(struct run *run, uint64_t now) {
    uint64_t counters[SCOPE_COUNTERS];
    struct scope_process_sample sample;
    scope_drain_counters(with.ring, counters);
    scope_process_sample_take(&sample);
    scope_report_period(run->report, counters, &sample, now, now - run->period_began_ns);
    run->period_began_ns = now;
    uint64_t period = with.configuration->summary_period * UINT64_C(1000000000);
    run->next_period_ns = now + (period ? period : 1000000000u);
    set_clock(run);
}

/** One round. Returns how much there was to read; `fullest` as in scope_drain(). */
static size_t work(struct run *run, size_t *fullest) {
    size_t taken = scope_drain(with.ring, take, run->report, fullest);
    uint64_t now = now_ns(), dropped = scope_drain_dropped(with.ring) + scope_outputs_dropped(&run->outputs);
    if (dropped != run->dropped_told) {
        scope_report_dropped(run->report, dropped, now);
        run->dropped_told = dropped;
    }
    if (taken) {
        run->last_activity_ns = now;
        if (run->next_idle_ns == UINT64_MAX || run->next_idle_ns == 0)
            run->next_idle_ns = now + IDLE_NS;
    }
    if (now >= run->next_idle_ns) {
        scope_report_idle(run->report, now);
        /* Text waits for 2 s, halves of messages for longer; after that nothing is left to tidy. */
        run->next_idle_ns = now - run->last_activity_ns > 3 * (uint64_t)IDLE_NS ? UINT64_MAX : now + IDLE_NS;
    }
    if (now >= run->next_period_ns)
        end_period(run, now);
    scope_outputs_push(&run->outputs, now);
    scope_log_write();
    return taken;
}

static void answer(struct run *run, uint32_t asked) {
    size_t fullest;
    uint64_t until = now_ns() + with.configuration->exit_wait * (uint64_t)MS;
    work(run, &fullest);
    uint64_t now = now_ns();
    scope_report_flush(run->report, now);
    end_period(run, now);
    state.complete = scope_outputs_finish(&run->outputs, until);
    scope_log_write();
    __atomic_store_n(&state.answered, asked, __ATOMIC_RELEASE);
    futex_wake(&state.answered);
}

/** Sleeps until `until`, or someone asks, or as `how` says. */
static void sleep_until(enum scope_sleep how, uint64_t now, uint64_t until, uint32_t asked) {
    uint32_t *sleeping = &with.ring->sleeping;
    if (until <= now)
        return;
    __atomic_store_n(sleeping, how, __ATOMIC_SEQ_CST);
    if ((how == SCOPE_NAPS || !scope_drain_waiting(with.ring)) && __atomic_load_n(&state.asked, __ATOMIC_SEQ_CST) == asked)
        futex_wait(sleeping, how, until - now < LONGEST_NS ? until - now : LONGEST_NS);
    __atomic_store_n(sleeping, SCOPE_AWAKE, __ATOMIC_RELAXED);
}

/**
 * libc ends the process with its last thread, by exit(), and counts threads for that: ours must not
 * count, or a program whose threads have all ended would go on for ever.
 */
static unsigned *thread_count;

static void leave_count(void) {
    if (thread_count && __atomic_load_n(thread_count, __ATOMIC_RELAXED) > 1)
        __atomic_fetch_sub(thread_count, 1, __ATOMIC_RELAXED);
}

/** Threads that end past libc are not counted at all; then we are what is left. */
static void end_if_alone(struct run *run) {
    int status;
    if (!scope_process_is_over(&status))
        return;
    answer(run, __atomic_load_n(&state.asked, __ATOMIC_RELAXED));
    syscall(SYS_exit, status); /* of this thread; the process ends with the status of its last one */
}

static void *reporter(void *unused) {
    (void)unused;
    static struct run run;
    memset(&run, 0, sizeof run);
    scope_capture_disown_thread();
    leave_count();
    prctl(PR_SET_NAME, "scopeline");
    scope_descriptor_separate(scope_outputs_use_console(with.configuration));
    if (!begin(&run)) {
        scope_log(SCOPE_LOG_ERROR, "there is no memory for reporting; nothing is sent");
        scope_log_write();
        scope_capture_stop();
        return NULL;
    }
    uint32_t answered = 0;
    for (int empty = 0;;) {
        size_t fullest = 0;
        empty = work(&run, &fullest) ? 0 : empty + 1;
        uint32_t asked = __atomic_load_n(&state.asked, __ATOMIC_ACQUIRE);
        if (asked != answered) {
            answer(&run, asked);
            answered = asked;
            continue;
        }
        uint64_t now = now_ns(), until = run.next_period_ns;
        uint64_t send = scope_outputs_next(&run.outputs, now);
        if (send < until)
            until = send;
        if (run.next_idle_ns && run.next_idle_ns < until)
            until = run.next_idle_ns;
        if (empty == EMPTY_ROUNDS || (empty > EMPTY_ROUNDS && now - run.last_activity_ns > MS * 1000u))
            end_if_alone(&run);
        if (empty >= EMPTY_ROUNDS)
            sleep_until(SCOPE_SLEEPS, now, until, asked);
        else if (fullest < SCOPE_SLOT_DATA / 2)
            sleep_until(SCOPE_NAPS, now, until < now + NAP_NS ? until : now + NAP_NS, asked);
    }
    return NULL;
}

/* ---- its start ---- */

void scope_reporter_prepare(const struct scope_reporter_setup *setup) {
    with = *setup;
    memset(&state, 0, sizeof state);
    if (!thread_count)
        thread_count = dlsym(RTLD_DEFAULT, "__nptl_nthreads");
    state.pid = getpid();
    scope_reporter_settled = false;
    /* Whoever publishes a record while this is set calls scope_reporter_chance(). */
    __atomic_store_n(&with.ring->sleeping, SCOPE_SLEEPS, __ATOMIC_SEQ_CST);
}

static bool start_thread(void) {
    if (__atomic_exchange_n(&state.started, 1, __ATOMIC_ACQ_REL))
        return true;
    __atomic_store_n(&scope_reporter_settled, true, __ATOMIC_RELEASE);
    __atomic_store_n(&with.ring->sleeping, SCOPE_AWAKE, __ATOMIC_SEQ_CST);
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&all);
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    scope_capture_hide();
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, reporter, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    scope_capture_show();
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        /* No thread may be made here: nothing will ever be read, so stop recording. */
        scope_capture_stop();
        return false;
    }
    return true;
}

/**
 * Starting a thread takes locks of libc that the calling thread may hold if a signal handler has
 * interrupted it. While a handler runs its signal is blocked, so a blocked signal means: rather later.
 */
static bool may_be_in_handler(void) {
    sigset_t mask;
    if (pthread_sigmask(SIG_BLOCK, NULL, &mask) != 0)
        return true;
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&mask, number) == 1)
            return true;
    return false;
}

void scope_reporter_woken(void) {
    if (!with.ring || !__atomic_load_n(&state.started, __ATOMIC_ACQUIRE)) {
        scope_reporter_chance(false);
        return;
    }
    int saved = errno;
    futex_wake(&with.ring->sleeping);
    errno = saved;
}

void scope_reporter_chance(bool about_to_wait) {
    if (!with.ring || __atomic_load_n(&scope_reporter_settled, __ATOMIC_ACQUIRE))
        return;
    uint64_t age = now_ns() - with.ring->start_ns;
    bool listens = false;
    if (!about_to_wait && age < YOUNG_NS) {
        uint64_t counters[SCOPE_COUNTERS];
        scope_drain_counters(with.ring, counters);
        listens = counters[SCOPE_COUNT_LISTENING] != 0;
    }
    int saved = errno;
    if ((about_to_wait || listens || age >= YOUNG_NS) && state.pid == getpid() && (age > 2000 * (uint64_t)MS || !may_be_in_handler()))
        start_thread();
    else
        __atomic_store_n(&with.ring->sleeping, SCOPE_SLEEPS, __ATOMIC_SEQ_CST);
    errno = saved;
}

void scope_reporter_now_or_never(void) {
    if (with.ring && state.pid == getpid() && !__atomic_load_n(&scope_reporter_settled, __ATOMIC_ACQUIRE) && !may_be_in_handler())
        start_thread();
}

/* ---- its end ---- */

void scope_reporter_flush_blind(void) {
    if (!with.ring || !__atomic_load_n(&state.started, __ATOMIC_ACQUIRE))
        return;
    uint32_t wanted = __atomic_add_fetch(&state.asked, 1, __ATOMIC_SEQ_CST);
    /* No clock either: some tens of milliseconds, in which the reporter comes by at least once. */
    for (uint32_t turn = 0; turn < 1000000 && (int32_t)(__atomic_load_n(&state.answered, __ATOMIC_ACQUIRE) - wanted) < 0; turn++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        __asm__ volatile("yield");
#endif
    }
}

bool scope_reporter_flush(void) {
    if (!with.ring || state.pid != getpid())
        return false;
    bool running = __atomic_load_n(&state.started, __ATOMIC_ACQUIRE);
    if (!running && (!scope_drain_waiting(with.ring) || !scope_outputs_reachable(with.configuration) || may_be_in_handler()))
        return false;
    int saved = errno;
    uint32_t wanted = __atomic_add_fetch(&state.asked, 1, __ATOMIC_SEQ_CST);
    if (!running && !start_thread()) {
        errno = saved;
        return false;
    }
    if (__atomic_exchange_n(&with.ring->sleeping, SCOPE_AWAKE, __ATOMIC_SEQ_CST))
        futex_wake(&with.ring->sleeping);
    uint64_t until = now_ns() + with.configuration->exit_wait * (uint64_t)MS;
    uint32_t answered;
    while ((int32_t)((answered = __atomic_load_n(&state.answered, __ATOMIC_ACQUIRE)) - wanted) < 0) {
        uint64_t now = now_ns();
        if (now >= until)
            break;
        futex_wait(&state.answered, answered, until - now);
    }
    errno = saved;
    return (int32_t)(answered - wanted) >= 0 && state.complete;
}
