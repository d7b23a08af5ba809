/*
 * What a hook tells after bytes have moved or a descriptor has come or gone. The common case, a file
 * whose text nobody wants, is inline: a table look-up and a few additions.
 */
#ifndef SCOPE_IO_H
#define SCOPE_IO_H

#include <sys/types.h>

#include "record.h"

/** A read or write that has returned. */
struct scope_moved {
    int fd;
    scope_op op;
    bool out;
    /** MSG_PEEK, or bytes that are counted elsewhere. */
    bool uncounted;
    uint64_t began;
    ssize_t result;
    const struct iovec *parts;
    size_t part_count;
    /** Peer of a datagram, in network byte order; 0 if unknown. */
    uint16_t peer_port;
};

/** Everything that is no plain file without errors. Keeps errno. */
void scope_moved_slow(const struct scope_moved *moved);

static inline void scope_file_moved(struct scope_channel *channel, bool out, uint64_t began, uint64_t bytes, uint64_t operations) {
    scope_count(out ? SCOPE_COUNT_FS_WRITE_BYTES : SCOPE_COUNT_FS_READ_BYTES, bytes);
    scope_count(out ? SCOPE_COUNT_FS_WRITE_OPS : SCOPE_COUNT_FS_READ_OPS, operations);
    scope_total(out ? &channel->write_bytes : &channel->read_bytes, bytes);
    scope_total(out ? &channel->write_ops : &channel->read_ops, operations);
    if (SCOPE_UNLIKELY(began)) {
        uint64_t took = scope_now() - began;
        scope_count(SCOPE_COUNT_FS_NS, took);
        scope_total(&channel->io_ns, took);
    }
}

static inline void scope_moved_buffer(int fd, scope_op op, bool out, uint64_t began, ssize_t result, const void *buffer) {
    struct scope_channel *channel = scope_channel_find(fd);
    if (SCOPE_LIKELY(channel && channel->kind == SCOPE_PLAIN_FILE && result >= 0 && !(out && channel->watched))) {
        scope_file_moved(channel, out, began, (uint64_t)result, 1);
    } else if (channel != &scope_other) {
        struct iovec part = {(void *)(uintptr_t)buffer, result > 0 ? (size_t)result : 0};
        scope_moved_slow(&(struct scope_moved){.fd = fd, .op = op, .out = out, .began = began, .result = result, .parts = &part, .part_count = 1});
    }
}

static inline void scope_moved_parts(int fd, scope_op op, bool out, uint64_t began, ssize_t result, const struct iovec *parts, int count) {
    scope_moved_slow(&(struct scope_moved){
        .fd = fd, .op = op, .out = out, .began = began, .result = result, .parts = parts, .part_count = count > 0 ? (size_t)count : 0,
    });
}

/** Bytes that moved on a socket (transfer.c). */
void scope_socket_moved(struct scope_channel *channel, const struct scope_moved *moved);

/**
 * After an opening that returned `fd` or failed with errno. `path` is only read where the kernel has
 * read it. Keeps errno.
 */
void scope_opened(scope_op op, int fd, const char *path, int flags, uint32_t mode);
/** A descriptor of no interest came to be. */
void scope_opened_other(int fd);
/** Before a descriptor is closed, while its number is surely ours; tells what it led to, for scope_closed(). */
struct scope_channel *scope_closing(int fd);
/** After it. `error` is 0 or why it failed; a descriptor is gone also after an error, but for EBADF. */
void scope_closed(struct scope_channel *channel, int fd, scope_op op, int error);
/** After a duplicate was made: `copy` leads where `fd` leads. */
void scope_duplicated(int fd, int copy, scope_op op);
/** Records that a channel lost its last descriptor, and frees it. */
void scope_channel_end(struct scope_channel *channel, int fd, scope_op op);
/** The process ends: records the close of what it opened and did not close. */
void scope_channels_end(void);
/** May the library's own descriptor be meant? Then the program is told that it is not open. */
bool scope_is_own(int fd);

/** After a stat, a seek or the like: counts it, or its failure. */
void scope_asked(enum scope_counter counter, scope_op op, const char *path, bool failed);
/** Could the kernel have read the path, if a call failed with this error? */
bool scope_path_was_read(int error);

#endif
