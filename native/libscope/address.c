/*
 * Opens what a destination names: sockets by number, by name or by path, files, the program's own
 * output, and the edge wherever its socket is found.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"

bool scope_address_exists(const struct scope_destination *to) {
    if (to->type != SCOPE_TO_EDGE)
        return true;
    for (const char *const *path = to->edge_places; path && *path; path++)
        if (**path == '@' || access(*path, W_OK) == 0)
            return true;
    return false;
}

static int finish_connect(int fd, const struct sockaddr *address, socklen_t length, bool *connecting) {
    if (fd < 0)
        return -1;
    if (connect(fd, address, length) == 0)
        return fd;
    if (errno == EINPROGRESS) {
        *connecting = true;
        return fd;
    }
    int saved = errno;
    scope_descriptor_close(fd);
    errno = saved;
    return -1;
}

static int open_unix(const char *path, bool *connecting) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = 0;
    else
        length++;
    int fd = scope_descriptor_keep(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return finish_connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length), connecting);
}

static int open_inet(const struct scope_destination *to, bool *connecting) {
    int type = to->type == SCOPE_TO_TCP ? SOCK_STREAM : SOCK_DGRAM;
    struct addrinfo hints = {.ai_socktype = type, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found = NULL;
    const char *host = strcmp(to->host, "localhost") == 0 ? "127.0.0.1" : to->host;
    if (getaddrinfo(host, to->port, &hints, &found) != 0) {
        hints.ai_flags = AI_ADDRCONFIG;
        if (getaddrinfo(host, to->port, &hints, &found) != 0) {
            errno = EADDRNOTAVAIL;
            return -1;
        }
    }
    int fd = -1;
    for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = scope_descriptor_keep(socket(at->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (fd >= 0 && type == SOCK_STREAM) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        }
        fd = finish_connect(fd, at->ai_addr, at->ai_addrlen, connecting);
    }
    int saved = errno;
    freeaddrinfo(found);
    errno = saved;
    return fd;
}

int scope_address_open(const struct scope_destination *to, bool *connecting) {
    *connecting = false;
    switch ((enum scope_destination_type)to->type) {
    case SCOPE_TO_UDP:
    case SCOPE_TO_TCP:
        return open_inet(to, connecting);
    case SCOPE_TO_UNIX:
        return open_unix(to->path, connecting);
    case SCOPE_TO_FILE:
        if (strcmp(to->path, "stdout") == 0)
            return STDOUT_FILENO;
        if (strcmp(to->path, "stderr") == 0)
            return STDERR_FILENO;
        return scope_descriptor_keep(open(to->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600));
    case SCOPE_TO_EDGE:
        break;
    }
    int fd = -1;
    errno = ENOENT;
    for (const char *const *path = to->edge_places; fd < 0 && path && *path; path++)
        fd = open_unix(*path, connecting);
    return fd;
}
