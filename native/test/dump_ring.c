/*
 * A library to preload that does nothing but capture: it arms the hooks on a ring that is a file,
 * SCOPE_RING_DIRECTORY/<pid>.ring, for print_ring to read afterwards. It shows what capture alone does to a
 * program, and lets tests look at records without a report.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../capture/capture.h"

#define RING_BYTES (SCOPE_HEADER_BYTES + 16 * (size_t)SCOPE_SLOT_BYTES)
/** High, as the library's own descriptors are: programs close low ones that they do not know. */
#define OWN_FD 1000

static const char *directory;
static bool has_own;

static bool is_own(int fd) {
    return has_own && fd == OWN_FD;
}

static bool watches(const char *path) {
    return strstr(path, ".log") != NULL;
}

/* With system calls and not with libc's functions, which are our own hooks. */
static void *open_ring(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.ring", directory, (int)syscall(SYS_getpid));
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return NULL;
    void *ring = ftruncate(fd, (off_t)RING_BYTES) == 0 ? mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (syscall(SYS_dup3, fd, OWN_FD, O_CLOEXEC) == OWN_FD) has_own = true;
    syscall(SYS_close, fd);
    return ring == MAP_FAILED ? NULL : ring;
}

static void in_child(void) {
    void *ring = open_ring();
    if (ring) scope_capture_after_fork(ring, RING_BYTES);
}

static void at_exit(void) {
    scope_capture_finish();
}

static const struct scope_lifecycle lifecycle = {.after_fork_child = in_child, .before_exit = at_exit};

static bool wanted(const char *name) {
    const char *list = getenv("SCOPE_RING_WANTS");
    return !list || strstr(list, name);
}

__attribute__((constructor)) static void start(void) {
    directory = getenv("SCOPE_RING_DIRECTORY");
    void *ring = directory ? open_ring() : NULL;
    if (!ring) return;
    struct scope_settings settings = {
        .fs_events = wanted("fs"), .net_events = wanted("net"), .http = wanted("http"), .dns_events = wanted("dns"),
        .console_out = wanted("stdout"), .console_err = wanted("stderr"), .log_files = wanted("log"), .tls = wanted("tls"),
        .durations = wanted("durations"), .metrics = true, .watches_file = watches, .is_own_descriptor = is_own,
    };
    scope_capture_set_lifecycle(&lifecycle);
    scope_capture_start(&settings, ring, RING_BYTES);
}

__attribute__((destructor)) static void end(void) {
    scope_capture_finish();
}
