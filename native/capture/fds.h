/*
 * What each descriptor of the program is. A descriptor leads to a channel: what was opened, with the
 * totals that its close event tells. Duplicates share their channel, as they share the file, until the
 * last of them is closed. Nothing here locks; memory of channels is reused but never given back, so a
 * thread that races with a close meets a wrong channel at worst, never a wild pointer.
 */
#ifndef SCOPE_FDS_H
#define SCOPE_FDS_H

#include "guard.h"

/** Descriptors at or above this number are forwarded, never recorded. */
#define SCOPE_FDS (1u << 20)
#define SCOPE_FDS_A_PAGE 1024u

enum scope_channel_kind {
    /** A pipe, an eventfd, stdin: of no interest. */
    SCOPE_OTHER,
    SCOPE_PLAIN_FILE,
    /** stdout or stderr, unless it is a socket. */
    SCOPE_STANDARD,
    SCOPE_SOCKET
};

/** What is known of the bytes on a channel, which decides how many of them a record carries. */
enum scope_content {
    SCOPE_UNDECIDED,
    /** Nothing that a report reads: only counted. */
    SCOPE_OPAQUE,
    SCOPE_HTTP1,
    SCOPE_HTTP2,
    /** DNS or StatsD: whole messages. */
    SCOPE_MESSAGES
};

struct scope_channel {
    uint64_t id;
    /** Descriptors that lead here. */
    uint32_t references;
    uint8_t kind;      /* enum scope_channel_kind */
    uint8_t stream;    /* 1 stdout, 2 stderr, of a console */
    uint8_t net_class; /* enum scope_net_class */
    uint8_t is_datagram;
    uint8_t content[2]; /* enum scope_content: as sent, and as TLS plaintext */
    uint8_t tries;      /* calls that have not decided the content */
    bool watched;       /* text written to it is recorded */
    bool announced;     /* its opening has been recorded, so its close will be */
    bool inherited;     /* opened before the hooks: where and by whom is not known */
    bool is_server;
    bool listening;
    bool connecting;    /* a connect without an answer yet */
    bool ended_by_peer;
    bool ended_here;    /* shutdown */
    bool head_open[2];  /* an HTTP head has begun and not ended: received, sent */
    uint16_t family;
    uint16_t type;
    /** The generation in which it was added to a gauge; later ones must not take it off. */
    uint32_t gauge_generation;
    /** The generation in which the connection was recorded: the report of a forked child must be told again. */
    uint32_t told_generation;
    /** Bytes in the stream's buffer that have been recorded already, and which stream it is. */
    uint32_t buffered_seen;
    void *buffered_stream;
    /** Several threads write to the stream: what its buffer holds is recorded already. */
    bool buffer_shared;
    uint64_t opened_ns;
    /* totals; of a socket: received and sent */
    uint64_t read_bytes, read_ops, write_bytes, write_ops, io_ns;
    struct scope_address local, remote;
    /** Its place in the pool plus one, and that of the next free one. */
    uint32_t number, next_free;
} __attribute__((aligned(64)));

extern struct scope_channel **scope_fd_pages[SCOPE_FDS / SCOPE_FDS_A_PAGE];
/** All descriptors of kind SCOPE_OTHER lead here. */
extern struct scope_channel scope_other;

/** The channel of a descriptor, or NULL if nothing is known of it. */
static inline struct scope_channel *scope_channel_find(int fd) {
    if (SCOPE_UNLIKELY((unsigned)fd >= SCOPE_FDS)) return NULL;
    struct scope_channel **page = __atomic_load_n(&scope_fd_pages[(unsigned)fd / SCOPE_FDS_A_PAGE], __ATOMIC_ACQUIRE);
    return SCOPE_LIKELY(page != NULL) ? __atomic_load_n(&page[(unsigned)fd % SCOPE_FDS_A_PAGE], __ATOMIC_ACQUIRE) : NULL;
}

/** Finds out what a descriptor is that the hooks did not see opened. Never NULL. Keeps errno. */
struct scope_channel *scope_channel_adopt(int fd);

/** The channel of a descriptor; never NULL. The first use of an unknown one costs system calls. */
static inline struct scope_channel *scope_channel_of(int fd) {
    struct scope_channel *channel = scope_channel_find(fd);
    return SCOPE_LIKELY(channel != NULL) ? channel : scope_channel_adopt(fd);
}

/** A new channel with one reference and an id of its own; &scope_other if there is no memory. */
struct scope_channel *scope_channel_new(enum scope_channel_kind kind);
/** Lets a descriptor lead to the channel, whose reference it takes. Whatever it led to before is left and returned. */
struct scope_channel *scope_channel_put(int fd, struct scope_channel *channel);
/** One more descriptor will lead to it. */
struct scope_channel *scope_channel_share(struct scope_channel *channel);
/** One descriptor less. True if it was the last: the caller records the close and calls scope_channel_free. */
bool scope_channel_leave(struct scope_channel *channel);
void scope_channel_free(struct scope_channel *channel);
/** Looks at the descriptors that were there before the hooks, so that a sandbox later does not hide what they are. */
void scope_channels_start(void);

/** Adds to a total that other threads may add to at the same time; without a locked instruction while there are none. */
extern const char *scope_single_threaded;
static inline void scope_total(uint64_t *total, uint64_t amount) {
    if (SCOPE_LIKELY(*scope_single_threaded)) *total += amount;
    else __atomic_fetch_add(total, amount, __ATOMIC_RELAXED);
}

#endif
