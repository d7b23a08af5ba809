/* Hooks of sockets: making, connecting, and moving messages. Async-signal-safe as their originals are. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "io.h"
#include "real.h"
#include "socket.h"

SCOPE_HOOK(int, socket, int domain, int type, int protocol) {
    int fd = real_socket(domain, type, protocol);
    if (scope_capturing()) {
        if (fd >= 0) scope_socket_made(fd, domain, type);
        else scope_count(SCOPE_COUNT_NET_ERROR_CONNECTION, 1);
    }
    return fd;
}

SCOPE_HOOK(int, socketpair, int domain, int type, int protocol, int ends[2]) {
    int result = real_socketpair(domain, type, protocol, ends);
    if (result == 0 && scope_capturing()) {
        scope_socket_made(ends[0], domain, type);
        scope_socket_made(ends[1], domain, type);
    }
    return result;
}

SCOPE_HOOK(int, bind, int fd, const struct sockaddr *address, socklen_t length) {
    int result = real_bind(fd, address, length);
    if (!scope_capturing()) return result;
    if (result == 0) scope_socket_bound(fd, address, length);
    else scope_count(SCOPE_COUNT_NET_ERROR_CONNECTION, 1);
    return result;
}

SCOPE_HOOK(int, connect, int fd, const struct sockaddr *address, socklen_t length) {
    int result = real_connect(fd, address, length);
    if (scope_capturing()) scope_socket_connected(fd, SCOPE_OP(connect), address, length, result ? errno : 0);
    return result;
}

SCOPE_HOOK(int, listen, int fd, int backlog) {
    int result = real_listen(fd, backlog);
    if (result == 0 && scope_capturing()) scope_socket_listening(fd);
    return result;
}

static int accepted(int listener, int fd, scope_op op, const struct sockaddr *address, const socklen_t *length) {
    if (!scope_capturing()) return fd;
    if (fd >= 0) {
        scope_socket_accepted(listener, fd, address, address && length ? *length : 0);
    } else if (errno != EAGAIN && errno != EINTR) {
        int saved = errno;
        scope_socket_failed(scope_channel_of(listener), op, saved, true);
        errno = saved;
    }
    return fd;
}

SCOPE_HOOK(int, accept, int fd, struct sockaddr *address, socklen_t *length) {
    return accepted(fd, real_accept(fd, address, length), SCOPE_OP(accept), address, length);
}

SCOPE_HOOK(int, accept4, int fd, struct sockaddr *address, socklen_t *length, int flags) {
    return accepted(fd, real_accept4(fd, address, length, flags), SCOPE_OP(accept4), address, length);
}

/* The connection lives until it is closed; shutting down one direction ends nothing. */
SCOPE_HOOK(int, shutdown, int fd, int how) {
    int result = real_shutdown(fd, how);
    if (result == 0 && how != SHUT_RD && scope_capturing()) {
        struct scope_channel *channel = scope_channel_find(fd);
        if (channel && channel->kind == SCOPE_SOCKET && !channel->ended_by_peer) channel->ended_here = true;
    }
    return result;
}

static uint16_t port_of(const struct sockaddr *address, socklen_t length) {
    if (!address || length < sizeof(struct sockaddr_in)) return 0;
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return 0;
    return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
}

static void moved(int fd, scope_op op, bool out, int flags, ssize_t result, const struct iovec *parts, size_t count,
                  const struct sockaddr *address, socklen_t length) {
    scope_moved_slow(&(struct scope_moved){
        .fd = fd, .op = op, .out = out, .uncounted = !out && flags & (MSG_PEEK | MSG_ERRQUEUE), .result = result, .parts = parts,
        .part_count = count, .peer_port = result >= 0 ? port_of(address, length) : 0,
    });
}

#define MOVING(name, out, flags, address, length, ...)                                             \
    do {                                                                                           \
        ssize_t result = real_##name(__VA_ARGS__);                                                 \
        if (!scope_capturing()) return result;                                                     \
        struct iovec part = {(void *)(uintptr_t)buffer, result > 0 ? (size_t)result : 0};          \
        /* With MSG_TRUNC there may be more bytes than came to the buffer, or none in it at all. */    \
        size_t parts = (flags) & MSG_TRUNC ? 0 : 1;                                                \
        moved(fd, SCOPE_OP(name), out, flags, result, &part, parts, address, length);              \
        return result;                                                                             \
    } while (0)

SCOPE_HOOK(ssize_t, send, int fd, const void *buffer, size_t count, int flags) { MOVING(send, true, flags, NULL, 0, fd, buffer, count, flags); }
SCOPE_HOOK(ssize_t, sendto, int fd, const void *buffer, size_t count, int flags, const struct sockaddr *address, socklen_t length) {
    MOVING(sendto, true, flags, address, length, fd, buffer, count, flags, address, length);
}
SCOPE_HOOK(ssize_t, recv, int fd, void *buffer, size_t count, int flags) { MOVING(recv, false, flags, NULL, 0, fd, buffer, count, flags); }
SCOPE_HOOK(ssize_t, __recv_chk, int fd, void *buffer, size_t count, size_t room, int flags) {
    MOVING(__recv_chk, false, flags, NULL, 0, fd, buffer, count, room, flags);
}
SCOPE_HOOK(ssize_t, recvfrom, int fd, void *buffer, size_t count, int flags, struct sockaddr *address, socklen_t *length) {
    MOVING(recvfrom, false, flags, address, address && length ? *length : 0, fd, buffer, count, flags, address, length);
}
SCOPE_HOOK(ssize_t, __recvfrom_chk, int fd, void *buffer, size_t count, size_t room, int flags, struct sockaddr *address, socklen_t *length) {
    MOVING(__recvfrom_chk, false, flags, address, address && length ? *length : 0, fd, buffer, count, room, flags, address, length);
}

static void message_moved(int fd, scope_op op, bool out, int flags, ssize_t result, const struct msghdr *message) {
    if (result < 0) moved(fd, op, out, flags, result, NULL, 0, NULL, 0);
    else moved(fd, op, out, flags, result, message->msg_iov, flags & MSG_TRUNC ? 0 : message->msg_iovlen, message->msg_name, message->msg_namelen);
}

SCOPE_HOOK(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags) {
    ssize_t result = real_sendmsg(fd, message, flags);
    if (scope_capturing()) message_moved(fd, SCOPE_OP(sendmsg), true, flags, result, message);
    return result;
}

SCOPE_HOOK(int, sendmmsg, int fd, struct mmsghdr *messages, unsigned count, int flags) {
    int result = real_sendmmsg(fd, messages, count, flags);
    if (!scope_capturing()) return result;
    if (result < 0) moved(fd, SCOPE_OP(sendmmsg), true, flags, -1, NULL, 0, NULL, 0);
    for (int i = 0; i < result; i++) message_moved(fd, SCOPE_OP(sendmmsg), true, flags, messages[i].msg_len, &messages[i].msg_hdr);
    return result;
}

/* Descriptors that came along are files or sockets of someone else. */
static void descriptors_received(const struct msghdr *message) {
    int saved = errno;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
        const int *fds = (const int *)(const void *)CMSG_DATA(control);
        size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
        for (size_t i = 0; i < count; i++) {
            struct scope_channel *old = scope_closing(fds[i]);
            if (scope_channel_leave(old)) scope_channel_end(old, fds[i], SCOPE_OP(close));
            struct scope_channel *channel = scope_channel_adopt(fds[i]);
            if (channel->kind != SCOPE_PLAIN_FILE) continue;
            scope_count(SCOPE_COUNT_FS_OPEN, 1);
            channel->inherited = false;
            channel->announced = scope_wants.fs_events;
            channel->told_generation = __atomic_load_n(&scope_armed.generation, __ATOMIC_RELAXED);
            if (channel->announced) scope_record_file_open(channel, fds[i], SCOPE_OP(recvmsg), "Received_File_Descriptor", 0, 0);
        }
    }
    errno = saved;
}

static void received(int fd, scope_op op, int flags, ssize_t result, const struct msghdr *message) {
    message_moved(fd, op, false, flags, result, message);
    if (result >= 0 && message->msg_control && message->msg_controllen >= sizeof(struct cmsghdr)) descriptors_received(message);
}

SCOPE_HOOK(ssize_t, recvmsg, int fd, struct msghdr *message, int flags) {
    ssize_t result = real_recvmsg(fd, message, flags);
    if (scope_capturing()) received(fd, SCOPE_OP(recvmsg), flags, result, message);
    return result;
}

SCOPE_HOOK(int, recvmmsg, int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
    int result = real_recvmmsg(fd, messages, count, flags, timeout);
    if (!scope_capturing()) return result;
    if (result < 0) moved(fd, SCOPE_OP(recvmmsg), false, flags, -1, NULL, 0, NULL, 0);
    for (int i = 0; i < result; i++) received(fd, SCOPE_OP(recvmmsg), flags, messages[i].msg_len, &messages[i].msg_hdr);
    return result;
}
