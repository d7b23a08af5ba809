/* What comes of opens, closes, duplicates, reads and writes that are not the plain case of io.h. */
#include "io.h"

#include <errno.h>

#include "real.h"
#include "socket.h"

static bool is_error(int error) {
    return error != EAGAIN && error != EINTR;
}

bool scope_path_was_read(int error) {
    switch (error) {
    case ENOENT: case EACCES: case ENOTDIR: case EISDIR: case EEXIST: case ELOOP: case EROFS:
    case ENOSPC: case ETXTBSY: case ENXIO: case ENOTEMPTY: case EBUSY: case EXDEV:
        return true;
    default:
        return false; /* EFAULT above all; sandboxes answer EPERM or ENOSYS without looking */
    }
}

static uint32_t generation(void) {
    return __atomic_load_n(&scope_armed.generation, __ATOMIC_RELAXED);
}

/*
 * Text of a file that the parent opened before it forked: whoever reads this process's records has not
 * heard of the file. Its opening is recorded again, with flags -1, under the name that the kernel has for it.
 */
static void tell_again(struct scope_channel *channel, int fd) {
    char link[32], path[4096];
    channel->told_generation = generation();
    if (scope_sandboxed) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = '\0';
    scope_record_file_open(channel, fd, SCOPE_OP(open), path, -1, 0);
}

void scope_moved_slow(const struct scope_moved *moved) {
    int saved = errno;
    struct scope_channel *channel = scope_channel_of(moved->fd);

    switch ((enum scope_channel_kind)channel->kind) {
    case SCOPE_SOCKET:
        scope_socket_moved(channel, moved);
        break;
    case SCOPE_PLAIN_FILE:
        if (moved->result >= 0) {
            scope_file_moved(channel, moved->out, moved->began, (uint64_t)moved->result, 1);
            if (moved->out && channel->watched && moved->result > 0) {
                if (SCOPE_UNLIKELY(channel->told_generation != generation())) tell_again(channel, moved->fd);
                scope_record_text(channel, moved->fd, moved->parts, moved->part_count, (uint64_t)moved->result);
            }
        } else if (is_error(saved)) {
            scope_count(SCOPE_COUNT_FS_ERROR_READ_WRITE, 1);
            if (scope_wants.fs_events) scope_record_path(SCOPE_FILE_ERROR, channel->id, moved->op, saved, NULL, NULL);
        }
        break;
    case SCOPE_STANDARD:
        if (moved->out && channel->watched && moved->result > 0)
            scope_record_text(channel, moved->fd, moved->parts, moved->part_count, (uint64_t)moved->result);
        break;
    case SCOPE_OTHER:
        break;
    }
    errno = saved;
}

bool scope_is_own(int fd) {
    return fd >= 0 && scope_wants.is_own_descriptor && scope_wants.is_own_descriptor(fd);
}

/* A number that we thought taken is given out again: its close went by unseen, inside libc or by a raw system call. */
static void replaced(struct scope_channel *old, int fd) {
    if (scope_channel_leave(old)) scope_channel_end(old, fd, SCOPE_OP(close));
}

void scope_opened(scope_op op, int fd, const char *path, int flags, uint32_t mode) {
    int saved = errno;
    if (fd >= 0) {
        struct scope_channel *channel = scope_channel_new(SCOPE_PLAIN_FILE);
        scope_count(SCOPE_COUNT_FS_OPEN, 1);
        if (channel != &scope_other) {
            channel->watched = scope_wants.log_files && scope_wants.watches_file && scope_wants.watches_file(path);
            channel->announced = scope_wants.fs_events || channel->watched;
            channel->told_generation = generation();
            if (channel->announced) scope_record_file_open(channel, fd, op, path, flags, mode);
        }
        replaced(scope_channel_put(fd, channel), fd);
    } else if (is_error(saved)) {
        scope_count(SCOPE_COUNT_FS_ERROR_OPEN_CLOSE, 1);
        if (scope_wants.fs_events) scope_record_path(SCOPE_FILE_ERROR, 0, op, saved, scope_path_was_read(saved) ? path : NULL, NULL);
    }
    errno = saved;
}

void scope_opened_other(int fd) {
    if (fd < 0) return;
    int saved = errno;
    replaced(scope_channel_put(fd, &scope_other), fd);
    errno = saved;
}

struct scope_channel *scope_closing(int fd) {
    return scope_channel_find(fd) ? scope_channel_put(fd, NULL) : NULL;
}

void scope_channel_end(struct scope_channel *channel, int fd, scope_op op) {
    if (channel->kind == SCOPE_PLAIN_FILE && channel->announced && channel->told_generation == generation())
        scope_record_file_close(channel, fd, op);
    if (channel->kind == SCOPE_SOCKET) scope_socket_ended(channel, fd);
    scope_channel_free(channel);
}

void scope_channels_end(void) {
    uint32_t now = generation();
    for (unsigned fd = 0; fd < SCOPE_FDS; fd++) {
        if (!scope_fd_pages[fd / SCOPE_FDS_A_PAGE]) {
            fd |= SCOPE_FDS_A_PAGE - 1;
            continue;
        }
        struct scope_channel *channel = scope_channel_find((int)fd);
        if (!channel || !channel->announced || channel->told_generation != now) continue;
        channel->announced = false; /* told, also for its duplicates */
        if (channel->kind == SCOPE_PLAIN_FILE) scope_record_file_close(channel, (int)fd, SCOPE_OP(_exit));
        if (channel->kind == SCOPE_SOCKET && !channel->is_datagram) scope_record_net_close(channel, (int)fd);
    }
}

void scope_closed(struct scope_channel *channel, int fd, scope_op op, int error) {
    int saved = errno;
    if (channel && channel->kind == SCOPE_PLAIN_FILE) {
        if (error) scope_count(SCOPE_COUNT_FS_ERROR_OPEN_CLOSE, 1);
        else scope_count(SCOPE_COUNT_FS_CLOSE, 1);
    } else if (!channel && error) {
        scope_count(SCOPE_COUNT_FS_ERROR_OPEN_CLOSE, 1);
    }
    if (scope_channel_leave(channel)) scope_channel_end(channel, fd, op);
    errno = saved;
}

void scope_duplicated(int fd, int copy, scope_op op) {
    if (fd == copy) return;
    int saved = errno;
    struct scope_channel *channel = scope_channel_of(fd);
    struct scope_channel *old = scope_channel_put(copy, scope_channel_share(channel));
    if (scope_channel_leave(old)) scope_channel_end(old, copy, op);
    errno = saved;
}

void scope_asked(enum scope_counter counter, scope_op op, const char *path, bool failed) {
    if (SCOPE_LIKELY(!failed)) {
        scope_count(counter, 1);
        return;
    }
    int saved = errno;
    scope_count(counter == SCOPE_COUNT_FS_STAT ? SCOPE_COUNT_FS_ERROR_STAT : SCOPE_COUNT_FS_ERROR_READ_WRITE, 1);
    if (scope_wants.fs_events) scope_record_path(SCOPE_FILE_ERROR, 0, op, saved, path && scope_path_was_read(saved) ? path : NULL, NULL);
    errno = saved;
}
