/* Arming and disarming the hooks, and what a fork does to them. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "hook_stdio.h"
#include "io.h"
#include "real.h"

__thread struct scope_thread scope_thread __attribute__((tls_model("initial-exec"))) = {.generation = UINT32_MAX, .last_socket = -1};
struct scope_armed scope_armed;
struct scope_settings scope_wants;
const struct scope_lifecycle *scope_lifecycle;
bool scope_sandboxed;

/** Outside the page that forks wipe: generations are never used twice. */
static uint32_t generations;
static bool follows_forks;

bool scope_enter(void) {
    struct scope_thread *thread = &scope_thread;
    uint32_t armed = __atomic_load_n(&scope_armed.generation, __ATOMIC_ACQUIRE);

    if (!armed || thread->hidden) return false;
    if (thread->slot_generation != armed) scope_ring_claim(armed);
    thread->generation = armed;
    return true;
}

static void forked(void) {
    const struct scope_lifecycle *lifecycle = scope_lifecycle;

    scope_armed.generation = 0; /* also where the kernel could not be asked to do it */
    scope_thread.busy = 0;
    scope_thread.generation = UINT32_MAX;
    if (!lifecycle || !lifecycle->after_fork_child) return;
    int saved = errno;
    scope_capture_hide();
    lifecycle->after_fork_child();
    scope_capture_show();
    errno = saved;
}

void scope_forked(void) {
    forked();
}

static int arm(void *ring, size_t ring_size) {
    if (scope_armed.generation) return -EBUSY;
    if (!scope_ring_open(ring, ring_size, &generations)) return -EINVAL;
    madvise(&scope_armed, sizeof scope_armed, MADV_WIPEONFORK);
    __atomic_store_n(&scope_armed.generation, generations, __ATOMIC_RELEASE);
    return 0;
}

int scope_capture_start(const struct scope_settings *settings, void *ring, size_t ring_size) {
    if (scope_armed.generation) return -EBUSY;
    int saved = errno;
    scope_real_start();
    scope_wants = *settings;
    int result = arm(ring, ring_size);
    if (result == 0) {
        scope_channels_start();
        if (!follows_forks) follows_forks = pthread_atfork(NULL, NULL, forked) == 0;
    }
    errno = saved;
    return result;
}

void scope_capture_stop(void) {
    __atomic_store_n(&scope_armed.generation, 0, __ATOMIC_RELEASE);
}

bool scope_capture_armed(void) {
    return __atomic_load_n(&scope_armed.generation, __ATOMIC_RELAXED) != 0;
}

int scope_capture_after_fork(void *ring, size_t ring_size) {
    int saved = errno;
    int result = arm(ring, ring_size);
    errno = saved;
    return result;
}

void scope_capture_hide(void) {
    scope_thread.hidden++;
    scope_thread.generation = UINT32_MAX;
}

void scope_capture_show(void) {
    if (scope_thread.hidden) scope_thread.hidden--;
}

void scope_capture_disown_thread(void) {
    scope_capture_hide();
}

/* Its records are the library's: they are made also while the thread is hidden in a call-out. */
static bool enter_hidden(uint32_t *hidden) {
    *hidden = scope_thread.hidden;
    scope_thread.hidden = 0;
    if (scope_capturing()) return true;
    scope_thread.hidden = *hidden;
    return false;
}

static void leave_hidden(uint32_t hidden) {
    scope_thread.hidden = hidden;
    if (hidden) scope_thread.generation = UINT32_MAX;
}

void scope_capture_finish(void) {
    uint32_t hidden;
    int saved = errno;
    if (enter_hidden(&hidden)) {
        scope_streams_end();
        scope_channels_end();
        leave_hidden(hidden);
        scope_ring_leave();
    }
    errno = saved;
}

void scope_capture_process_start(const char *arguments) {
    uint32_t hidden;
    if (!enter_hidden(&hidden)) return;
    scope_record_process(SCOPE_PROCESS_START, 0, arguments);
    leave_hidden(hidden);
}

void scope_capture_process_exit(int status) {
    uint32_t hidden;
    if (!enter_hidden(&hidden)) return;
    scope_record_process(SCOPE_PROCESS_EXIT, status, NULL);
    leave_hidden(hidden);
}

int scope_own_close(int fd) {
    return real_close(fd);
}

long scope_own_write(int fd, const void *bytes, size_t length) {
    return real_write(fd, bytes, length);
}

void scope_capture_set_lifecycle(const struct scope_lifecycle *lifecycle) {
    scope_lifecycle = lifecycle;
}
