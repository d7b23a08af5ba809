/* The buffer of a way out, its sending, and its life from closed to open and back. */
#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "descriptor.h"
#include "log.h"

#define BUFFER (1024u * 1024u) /* only pages that were written are backed */
#define CONNECT_NS 5000000000u
#define PAUSE_FIRST_NS 250000000u
#define PAUSE_MOST_NS 60000000000u
#define WARN_EVERY_NS 60000000000u

bool scope_connection_new(struct scope_connection *at, const struct scope_destination *to) {
    memset(at, 0, sizeof *at);
    at->to = to;
    at->fd = -1;
    at->datagrams = to->type == SCOPE_TO_UDP;
    at->output = to->type == SCOPE_TO_FILE && (strcmp(to->path, "stdout") == 0 || strcmp(to->path, "stderr") == 0);
    if (to->tls && to->type == SCOPE_TO_TCP) {
        at->refused = true;
        scope_log(SCOPE_LOG_WARNING, "tcp://%s:%s: TLS to a receiver is not there yet, and sending without it would tell everyone; nothing is sent",
                  to->host, to->port);
    }
    at->bytes = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at->bytes == MAP_FAILED) {
        at->bytes = NULL;
        return false;
    }
    madvise(at->bytes, BUFFER, MADV_DONTFORK);
    return true;
}

/** Where the line begins that byte `at` belongs to. */
static size_t line_start(const struct scope_connection *in, size_t at) {
    const char *newline = at ? memrchr(in->bytes, '\n', at) : NULL;
    return newline ? (size_t)(newline - in->bytes) + 1 : 0;
}

static void make_room(struct scope_connection *in) {
    size_t from = line_start(in, in->sent);
    memmove(in->bytes, in->bytes + from, in->end - from);
    in->sent -= from;
    in->end -= from;
}

void scope_connection_add(struct scope_connection *in, const char *line, size_t length) {
    if (in->refused)
        return;
    if (in->end + length > BUFFER && in->sent > 0)
        make_room(in);
    if (in->end + length > BUFFER) {
        in->dropped_lines++;
        return;
    }
    memcpy(in->bytes + in->end, line, length);
    in->end += length;
}

bool scope_connection_pending(const struct scope_connection *in) {
    return !in->refused && in->sent < in->end;
}

static const char *name_of(const struct scope_destination *to) {
    static const char *const names[] = {"udp", "tcp", "unix", "file", "edge"};
    return names[to->type];
}

static void failed(struct scope_connection *in, int error, const char *doing, uint64_t now) {
    if (!in->output)
        scope_descriptor_close(in->fd);
    in->fd = -1;
    in->state = SCOPE_CLOSED;
    in->last_error = error;
    in->failed_at = doing;
    in->attempts++;
    in->sent = line_start(in, in->sent);
    in->greeting_sent = 0;
    /* The pause doubles; the second half of it is spread, so that a host's programs do not all come at once. */
    in->pause_ns = in->pause_ns ? in->pause_ns * 2 : PAUSE_FIRST_NS;
    if (in->pause_ns > PAUSE_MOST_NS)
        in->pause_ns = PAUSE_MOST_NS;
    uint64_t spread = (now ^ (uint64_t)getpid() * 2654435761u) % (in->pause_ns / 2);
    in->retry_ns = now + in->pause_ns / 2 + spread;
    /* An edge that is not there is nothing unusual. */
    bool silent = in->to->type == SCOPE_TO_EDGE && !in->to->given && (error == ENOENT || error == ECONNREFUSED);
    if (!silent && (in->warned_ns == 0 || now - in->warned_ns > WARN_EVERY_NS)) {
        in->warned_ns = now;
        scope_log(SCOPE_LOG_WARNING, "%s %s%s%s%s: %s failed: %s (%llu attempts, %llu lines dropped so far)", name_of(in->to),
                  in->to->type <= SCOPE_TO_TCP ? in->to->host : "", in->to->type <= SCOPE_TO_TCP ? ":" : "",
                  in->to->type <= SCOPE_TO_TCP ? in->to->port : "", in->to->path, doing, strerrordesc_np(error),
                  (unsigned long long)in->attempts, (unsigned long long)in->dropped_lines);
    }
}

static void opened(struct scope_connection *in) {
    in->state = SCOPE_OPEN;
    in->greeting_sent = 0;
}

static void advance(struct scope_connection *in, uint64_t now) {
    if (in->state != SCOPE_CLOSED && !in->output && !scope_descriptor_ours(in->fd)) {
        in->fd = -1;
        failed(in, EBADF, "keeping it open", now);
        return;
    }
    if (in->state == SCOPE_CLOSED && now >= in->retry_ns) {
        bool connecting;
        in->fd = scope_address_open(in->to, &connecting);
        in->since_ns = now;
        if (in->fd < 0)
            failed(in, errno, "opening", now);
        else if (connecting)
            in->state = SCOPE_CONNECTING;
        else
            opened(in);
    }
    if (in->state == SCOPE_CONNECTING) {
        struct pollfd look = {.fd = in->fd, .events = POLLOUT};
        int error = 0;
        socklen_t size = sizeof error;
        if (poll(&look, 1, 0) == 1) {
            if (getsockopt(in->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
                error = errno;
            if (error)
                failed(in, error, "connecting", now);
            else
                opened(in);
        } else if (now - in->since_ns > CONNECT_NS) {
            failed(in, ETIMEDOUT, "connecting", now);
        }
    }
}

/** Sends a piece; bytes that went, 0 if it would have to wait, -1 with errno. */
static ssize_t send_some(struct scope_connection *in, const char *bytes, size_t length) {
    ssize_t went;
    if (in->to->type == SCOPE_TO_FILE) {
        if (in->output) {
            /* The program's own file: its flags are not ours to change, so never more than a pipe surely takes. */
            struct pollfd look = {.fd = in->fd, .events = POLLOUT};
            if (poll(&look, 1, 0) != 1)
                return 0;
            if (length > 4096)
                length = 4096;
        }
        do
            went = write(in->fd, bytes, length);
        while (went < 0 && errno == EINTR);
    } else {
        do
            went = send(in->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (went < 0 && errno == EINTR);
    }
    if (went < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
        return 0;
    return went;
}

/** One line a datagram. One that nobody takes, or that is too large, is lost as datagrams are. */
static void send_datagrams(struct scope_connection *in) {
    while (in->sent < in->end) {
        const char *line = in->bytes + in->sent;
        const char *newline = memchr(line, '\n', in->end - in->sent);
        size_t length = newline ? (size_t)(newline - line) + 1 : in->end - in->sent;
        ssize_t went = send_some(in, line, length);
        if (went == 0)
            return;
        if (went < 0 && errno == ECONNREFUSED) /* of the one before; this one did not go */
            went = send_some(in, line, length);
        if (went < 0)
            in->dropped_lines++;
        in->sent += length;
    }
}

void scope_connection_push(struct scope_connection *in, uint64_t now) {
    if (in->refused)
        return;
    advance(in, now);
    if (in->state != SCOPE_OPEN)
        return;
    while (in->greeting && in->greeting_sent < in->greeting_length) {
        ssize_t went = send_some(in, in->greeting + in->greeting_sent, in->greeting_length - in->greeting_sent);
        if (in->datagrams)
            went = (ssize_t)in->greeting_length;
        if (went < 0)
            failed(in, errno, "sending", now);
        if (went <= 0)
            return;
        in->greeting_sent += (size_t)went;
    }
    if (in->datagrams) {
        send_datagrams(in);
    } else {
        while (in->sent < in->end) {
            ssize_t went = send_some(in, in->bytes + in->sent, in->end - in->sent);
            if (went < 0) {
                failed(in, errno, "sending", now);
                return;
            }
            if (went == 0)
                break;
            in->sent += (size_t)went;
        }
    }
    if (in->sent == in->end) {
        in->sent = in->end = 0;
        in->pause_ns = 0;
        in->since_ns = now;
    }
}

void scope_connection_wait(struct scope_connection *in, uint64_t until_ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t at = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (at >= until_ns)
        return;
    uint64_t left = until_ns - at;
    struct pollfd look = {.fd = in->fd, .events = POLLOUT};
    poll(&look, 1, (int)(left / 1000000) + 1);
}

uint64_t scope_connection_next(const struct scope_connection *in, uint64_t now) {
    if (in->refused || (in->state == SCOPE_OPEN && !scope_connection_pending(in) && (!in->greeting || in->greeting_sent == in->greeting_length)))
        return UINT64_MAX;
    if (in->state == SCOPE_CLOSED)
        return in->retry_ns;
    /* Still connecting, or the receiver is slow: look again, less and less often. */
    uint64_t waited = now > in->since_ns ? now - in->since_ns : 0;
    uint64_t pause = waited / 4;
    return now + (pause < 2000000 ? 2000000 : pause > 200000000 ? 200000000 : pause);
}

bool scope_connection_reachable(const struct scope_destination *to) {
    return !(to->tls && to->type == SCOPE_TO_TCP) && scope_address_exists(to);
}
