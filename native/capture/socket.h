/* What becomes of sockets: made, bound, connected, accepted, ended. All keep errno. */
#ifndef SCOPE_SOCKET_H
#define SCOPE_SOCKET_H

#include <sys/socket.h>

#include "fds.h"
#include "op.h"

void scope_socket_made(int fd, int domain, int type);
/** A channel for a descriptor that is a socket, with what the kernel knows of it; NULL if it is none. */
struct scope_channel *scope_socket_adopt(int fd);
void scope_socket_bound(int fd, const struct sockaddr *address, socklen_t length);
void scope_socket_listening(int fd);
/** `error`: errno of a connect that failed or goes on (EINPROGRESS), else 0. */
void scope_socket_connected(int fd, scope_op op, const struct sockaddr *address, socklen_t length, int error);
/** `address` is what accept gave, or NULL. */
void scope_socket_accepted(int listener, int fd, const struct sockaddr *address, socklen_t length);
void scope_socket_failed(struct scope_channel *channel, scope_op op, int error, bool is_connection);
/** The first bytes of a connection in this process: if nobody has told of it yet, now is the time. */
void scope_socket_tell(struct scope_channel *channel, int fd);
/** The last descriptor is closed. */
void scope_socket_ended(struct scope_channel *channel, int fd);

#endif
