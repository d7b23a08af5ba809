/* Hooks that open, close and duplicate descriptors. Async-signal-safe as their originals are. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>

#include "io.h"
#include "real.h"

#define OPENING(name, path, flags, mode, ...)                    \
    do {                                                         \
        int fd = real_##name(__VA_ARGS__);                       \
        if (scope_capturing()) scope_opened(SCOPE_OP(name), fd, path, flags, mode); \
        return fd;                                               \
    } while (0)

/* The mode is garbage where the flags make no file; open() ignores it then, and so do we. */
static uint32_t mode_of(int flags, mode_t mode) {
    return flags & (O_CREAT | O_TMPFILE) ? mode : 0;
}

SCOPE_HOOK(int, open, const char *path, int flags, mode_t mode) { OPENING(open, path, flags, mode_of(flags, mode), path, flags, mode); }
SCOPE_HOOK(int, open64, const char *path, int flags, mode_t mode) { OPENING(open64, path, flags, mode_of(flags, mode), path, flags, mode); }
SCOPE_HOOK(int, openat, int directory, const char *path, int flags, mode_t mode) {
    OPENING(openat, path, flags, mode_of(flags, mode), directory, path, flags, mode);
}
SCOPE_HOOK(int, openat64, int directory, const char *path, int flags, mode_t mode) {
    OPENING(openat64, path, flags, mode_of(flags, mode), directory, path, flags, mode);
}
SCOPE_HOOK(int, __open_2, const char *path, int flags) { OPENING(__open_2, path, flags, 0, path, flags); }
SCOPE_HOOK(int, __open64_2, const char *path, int flags) { OPENING(__open64_2, path, flags, 0, path, flags); }
SCOPE_HOOK(int, __openat_2, int directory, const char *path, int flags) { OPENING(__openat_2, path, flags, 0, directory, path, flags); }
SCOPE_HOOK(int, __openat64_2, int directory, const char *path, int flags) { OPENING(__openat64_2, path, flags, 0, directory, path, flags); }
SCOPE_HOOK(int, creat, const char *path, mode_t mode) { OPENING(creat, path, O_CREAT | O_WRONLY | O_TRUNC, mode, path, mode); }
SCOPE_HOOK(int, creat64, const char *path, mode_t mode) { OPENING(creat64, path, O_CREAT | O_WRONLY | O_TRUNC, mode, path, mode); }
SCOPE_HOOK(int, mkstemp, char *template) { OPENING(mkstemp, template, O_CREAT | O_EXCL | O_RDWR, 0600, template); }
SCOPE_HOOK(int, mkstemp64, char *template) { OPENING(mkstemp64, template, O_CREAT | O_EXCL | O_RDWR, 0600, template); }
SCOPE_HOOK(int, mkostemp, char *template, int flags) { OPENING(mkostemp, template, O_CREAT | O_EXCL | O_RDWR | flags, 0600, template, flags); }
SCOPE_HOOK(int, mkostemp64, char *template, int flags) { OPENING(mkostemp64, template, O_CREAT | O_EXCL | O_RDWR | flags, 0600, template, flags); }
SCOPE_HOOK(int, mkstemps, char *template, int suffix) { OPENING(mkstemps, template, O_CREAT | O_EXCL | O_RDWR, 0600, template, suffix); }
SCOPE_HOOK(int, mkostemps, char *template, int suffix, int flags) {
    OPENING(mkostemps, template, O_CREAT | O_EXCL | O_RDWR | flags, 0600, template, suffix, flags);
}

SCOPE_HOOK(DIR *, opendir, const char *path) {
    DIR *directory = real_opendir(path);
    if (scope_capturing()) scope_opened(SCOPE_OP(opendir), directory ? dirfd(directory) : -1, path, O_RDONLY | O_DIRECTORY, 0);
    return directory;
}

SCOPE_HOOK(int, closedir, DIR *directory) {
    if (!directory || !scope_capturing()) return real_closedir(directory);
    int fd = dirfd(directory);
    struct scope_channel *channel = scope_closing(fd);
    int result = real_closedir(directory);
    scope_closed(channel, fd, SCOPE_OP(closedir), result ? errno : 0);
    return result;
}

#define READING_DIRECTORY(name, type)                                                            \
    SCOPE_HOOK(struct type *, name, DIR *directory) {                                            \
        if (!directory || !scope_capturing()) return real_##name(directory);                     \
        uint64_t began = scope_began();                                                          \
        struct type *entry = real_##name(directory);                                             \
        if (entry) scope_moved_buffer(dirfd(directory), SCOPE_OP(name), false, began, entry->d_reclen, entry); \
        return entry;                                                                            \
    }
READING_DIRECTORY(readdir, dirent)
READING_DIRECTORY(readdir64, dirent64)

SCOPE_HOOK(int, close, int fd) {
    if (!scope_capturing()) return real_close(fd);
    if (SCOPE_UNLIKELY(scope_is_own(fd))) {
        errno = EBADF;
        return -1;
    }
    struct scope_channel *channel = scope_closing(fd);
    int result = real_close(fd);
    if (channel || result) scope_closed(channel, fd, SCOPE_OP(close), result ? errno : 0);
    return result;
}

/* Descriptors of ours that lie within a range are few and not far up; beyond this nobody looks for them. */
#define OWN_LIMIT 65536u

static void range_closed(unsigned first, unsigned last, scope_op op) {
    if (last >= SCOPE_FDS) last = SCOPE_FDS - 1;
    for (unsigned fd = first; fd <= last; fd++) {
        if (!scope_fd_pages[fd / SCOPE_FDS_A_PAGE]) {
            fd |= SCOPE_FDS_A_PAGE - 1;
            continue;
        }
        struct scope_channel *channel = scope_closing((int)fd);
        if (channel) scope_closed(channel, (int)fd, op, 0);
    }
}

SCOPE_HOOK(int, close_range, unsigned first, unsigned last, int flags) {
    if (!scope_capturing() || first > last || flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) return real_close_range(first, last, flags);
    if (flags & CLOSE_RANGE_CLOEXEC) return real_close_range(first, last, flags);
    int result = 0;
    unsigned from = first;
    for (unsigned fd = first; scope_wants.is_own_descriptor && fd <= last && fd < OWN_LIMIT; fd++) {
        if (!scope_is_own((int)fd)) continue;
        if (fd > from) result |= real_close_range(from, fd - 1, flags);
        from = fd + 1;
    }
    if (from <= last && from >= first) result |= real_close_range(from, last, flags);
    if (!result) range_closed(first, last, SCOPE_OP(close_range));
    return result;
}

SCOPE_HOOK(void, closefrom, int first) {
    if (!scope_capturing() || !scope_wants.is_own_descriptor) {
        real_closefrom(first);
        return;
    }
    if (hook_close_range(first < 0 ? 0 : (unsigned)first, UINT32_MAX, 0) == 0) return;
    /* A kernel without close_range: the original finds other means, and takes ours along. */
    real_closefrom(first);
}

SCOPE_HOOK(int, dup, int fd) {
    int copy = real_dup(fd);
    if (copy >= 0 && scope_capturing()) scope_duplicated(fd, copy, SCOPE_OP(dup));
    return copy;
}

SCOPE_HOOK(int, dup2, int fd, int other) {
    int copy = real_dup2(fd, other);
    if (copy >= 0 && scope_capturing()) scope_duplicated(fd, copy, SCOPE_OP(dup2));
    return copy;
}

SCOPE_HOOK(int, dup3, int fd, int other, int flags) {
    int copy = real_dup3(fd, other, flags);
    if (copy >= 0 && scope_capturing()) scope_duplicated(fd, copy, SCOPE_OP(dup3));
    return copy;
}

#define CONTROLLING(name)                                                                         \
    SCOPE_HOOK(int, name, int fd, int command, void *argument) {                                  \
        int result = real_##name(fd, command, argument);                                          \
        if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && result >= 0 && scope_capturing()) \
            scope_duplicated(fd, result, SCOPE_OP(name));                                         \
        return result;                                                                            \
    }
CONTROLLING(fcntl)
CONTROLLING(fcntl64)

#define MAKING_OTHER(name, parameters, ...)                 \
    SCOPE_HOOK(int, name, parameters) {                     \
        int fd = real_##name(__VA_ARGS__);                  \
        if (scope_capturing()) scope_opened_other(fd);      \
        return fd;                                          \
    }
#define TWO(first, second) first, second
MAKING_OTHER(eventfd, TWO(unsigned count, int flags), count, flags)
MAKING_OTHER(epoll_create, int size, size)
MAKING_OTHER(epoll_create1, int flags, flags)
MAKING_OTHER(timerfd_create, TWO(int clock, int flags), clock, flags)
MAKING_OTHER(memfd_create, TWO(const char *name, unsigned flags), name, flags)

static int piped(int result, const int ends[2]) {
    if (result == 0 && scope_capturing()) {
        scope_opened_other(ends[0]);
        scope_opened_other(ends[1]);
    }
    return result;
}

SCOPE_HOOK(int, pipe, int ends[2]) { return piped(real_pipe(ends), ends); }
SCOPE_HOOK(int, pipe2, int ends[2], int flags) { return piped(real_pipe2(ends, flags), ends); }
