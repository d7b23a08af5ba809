/* The life of sockets: addresses, gauges, and the records of connections. */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "io.h"
#include "real.h"

static uint32_t generation(void) {
    return __atomic_load_n(&scope_armed.generation, __ATOMIC_RELAXED);
}

static enum scope_net_class class_of(int family, int type) {
    bool stream = type == SOCK_STREAM, datagram = type == SOCK_DGRAM;
    if (family == AF_INET || family == AF_INET6) {
        if (stream) return SCOPE_NET_INET_TCP;
        if (datagram) return SCOPE_NET_INET_UDP;
    } else if (family == AF_UNIX) {
        if (stream || type == SOCK_SEQPACKET) return SCOPE_NET_UNIX_TCP;
        if (datagram) return SCOPE_NET_UNIX_UDP;
    }
    return SCOPE_NET_OTHER;
}

static enum scope_counter gauge_of(const struct scope_channel *channel) {
    if (channel->net_class == SCOPE_NET_INET_TCP) return SCOPE_COUNT_OPEN_TCP;
    if (channel->net_class == SCOPE_NET_INET_UDP) return SCOPE_COUNT_OPEN_UDP;
    return SCOPE_COUNT_OPEN_OTHER;
}

static bool wants_addresses(void) {
    return (scope_wants.net_events || scope_wants.http || scope_wants.dns_events) && !scope_sandboxed;
}

static bool wants_records(void) {
    return scope_wants.net_events || scope_wants.http;
}

static void set_address(struct scope_address *to, const struct sockaddr *from, socklen_t length) {
    if (!from || length < sizeof from->sa_family) return;
    if (from->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)from;
        *to = (struct scope_address){.family = AF_INET, .port = ntohs(address->sin_port)};
        memcpy(to->ip, &address->sin_addr, 4);
    } else if (from->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)(const void *)from;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&address->sin6_addr);
        *to = (struct scope_address){.family = mapped ? AF_INET : AF_INET6, .port = ntohs(address->sin6_port)};
        if (mapped) memcpy(to->ip, (const char *)&address->sin6_addr + 12, 4);
        else memcpy(to->ip, &address->sin6_addr, 16);
    } else if (from->sa_family == AF_UNIX) {
        *to = (struct scope_address){.family = AF_UNIX};
    }
}

union any_address {
    struct sockaddr any;
    struct sockaddr_in6 inet6;
    struct sockaddr_un local;
};

static void look_up_local(struct scope_channel *channel, int fd) {
    union any_address address;
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) == 0) set_address(&channel->local, &address.any, length);
    struct stat64 found;
    if (channel->family == AF_UNIX && real_fstat64(fd, &found) == 0) channel->local.inode = found.st_ino;
}

static bool look_up_remote(struct scope_channel *channel, int fd) {
    union any_address address;
    socklen_t length = sizeof address;
    if (getpeername(fd, &address.any, &length) != 0) return false;
    set_address(&channel->remote, &address.any, length);
    return true;
}

static struct scope_channel *new_socket(int family, int type) {
    struct scope_channel *channel = scope_channel_new(SCOPE_SOCKET);
    if (channel == &scope_other) return channel;
    channel->family = (uint16_t)family;
    channel->type = (uint16_t)(type & 0xf);
    channel->net_class = (uint8_t)class_of(family, channel->type);
    channel->is_datagram = channel->type == SOCK_DGRAM;
    return channel;
}

static void put(int fd, struct scope_channel *channel) {
    struct scope_channel *old = scope_channel_put(fd, channel);
    if (scope_channel_leave(old)) scope_channel_end(old, fd, SCOPE_OP(close));
}

static void gauge(struct scope_channel *channel) {
    channel->gauge_generation = generation();
    scope_count(gauge_of(channel), 1);
}

void scope_socket_made(int fd, int domain, int type) {
    int saved = errno;
    struct scope_channel *channel = new_socket(domain, type);
    if (channel != &scope_other) {
        gauge(channel);
        if (channel->is_datagram) channel->told_generation = generation();
    }
    put(fd, channel);
    errno = saved;
}

struct scope_channel *scope_socket_adopt(int fd) {
    int family = 0, type = 0, listening = 0;
    socklen_t length = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) != 0) return NULL;
    length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return NULL;
    struct scope_channel *channel = new_socket(family, type);
    if (channel == &scope_other) return channel;
    length = sizeof listening;
    channel->listening = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
    look_up_local(channel, fd);
    if (!channel->listening && look_up_remote(channel, fd)) channel->announced = true;
    return channel;
}

void scope_socket_bound(int fd, const struct sockaddr *address, socklen_t length) {
    int saved = errno;
    struct scope_channel *channel = scope_channel_of(fd);
    if (channel->kind == SCOPE_SOCKET) set_address(&channel->local, address, length);
    errno = saved;
}

void scope_socket_listening(int fd) {
    int saved = errno;
    struct scope_channel *channel = scope_channel_of(fd);
    if (channel->kind == SCOPE_SOCKET && !channel->listening) {
        channel->listening = true;
        channel->is_server = true;
        if (channel->gauge_generation == generation()) scope_count(SCOPE_COUNT_LISTENING, 1);
        if (wants_addresses()) look_up_local(channel, fd);
        if (wants_records()) scope_record_net_open(SCOPE_NET_LISTEN, channel, fd);
    }
    errno = saved;
}

static void established(struct scope_channel *channel, int fd) {
    channel->connecting = false;
    channel->announced = true;
    channel->told_generation = generation();
    channel->opened_ns = scope_now();
    scope_count(SCOPE_COUNT_NET_OPEN, 1);
    if (wants_addresses()) look_up_local(channel, fd);
    if (wants_records()) scope_record_net_open(SCOPE_NET_OPEN, channel, fd);
}

void scope_socket_connected(int fd, scope_op op, const struct sockaddr *address, socklen_t length, int error) {
    int saved = errno;
    struct scope_channel *channel = scope_channel_of(fd);
    if (channel->kind == SCOPE_SOCKET) {
        if (error == 0 || error == EINPROGRESS) set_address(&channel->remote, address, length);
        if (channel->is_datagram) {
            if (error) scope_socket_failed(channel, op, error, true);
        } else if (error == 0) {
            if (!channel->announced) established(channel, fd);
        } else if (error == EINPROGRESS || error == EALREADY || error == EINTR) {
            channel->connecting = true;
        } else if (error == EISCONN) {
            if (channel->connecting) established(channel, fd);
        } else {
            channel->connecting = false;
            scope_socket_failed(channel, op, error, true);
        }
    }
    errno = saved;
}

void scope_socket_accepted(int listener, int fd, const struct sockaddr *address, socklen_t length) {
    int saved = errno;
    struct scope_channel *from = scope_channel_of(listener);
    struct scope_channel *channel = from->kind == SCOPE_SOCKET ? new_socket(from->family, from->type) : scope_socket_adopt(fd);
    if (channel && channel != &scope_other) {
        channel->is_server = true;
        gauge(channel);
        set_address(&channel->remote, address, length);
        if (!channel->remote.family && wants_addresses()) look_up_remote(channel, fd);
        established(channel, fd);
    }
    put(fd, channel ? channel : &scope_other);
    errno = saved;
}

void scope_socket_failed(struct scope_channel *channel, scope_op op, int error, bool is_connection) {
    scope_count(is_connection ? SCOPE_COUNT_NET_ERROR_CONNECTION : SCOPE_COUNT_NET_ERROR_RX_TX, 1);
    if (scope_wants.net_events) scope_record_net_error(channel, op, error, is_connection);
}

void scope_socket_tell(struct scope_channel *channel, int fd) {
    if (channel->connecting || (!channel->announced && !channel->listening)) {
        if (channel->type == SOCK_STREAM && wants_addresses() && !channel->remote.family) look_up_remote(channel, fd);
        established(channel, fd);
        return;
    }
    channel->told_generation = generation();
    if (wants_records()) scope_record_net_open(SCOPE_NET_OPEN, channel, fd);
}

void scope_socket_ended(struct scope_channel *channel, int fd) {
    if (channel->gauge_generation == generation()) {
        scope_count(gauge_of(channel), (uint64_t)-1);
        if (channel->listening) scope_count(SCOPE_COUNT_LISTENING, (uint64_t)-1);
    }
    if (!channel->announced || channel->is_datagram) return;
    scope_count(SCOPE_COUNT_NET_CLOSE, 1);
    scope_count(SCOPE_COUNT_NET_LIFE_NS, scope_now() - channel->opened_ns);
    if (scope_wants.net_events || scope_wants.http) scope_record_net_close(channel, fd);
}
