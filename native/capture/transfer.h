/* What a record keeps of the bytes that move on a socket, in the clear or within TLS. */
#ifndef SCOPE_TRANSFER_H
#define SCOPE_TRANSFER_H

#include "io.h"

/**
 * `length` bytes in `parts` moved on the channel; without parts their contents are not known. `tls`: they
 * are the plaintext of what moves. `peer_port` matters for datagrams only.
 */
void scope_content_moved(struct scope_channel *channel, int fd, bool tls, bool out, const struct iovec *parts, size_t part_count,
                         uint64_t length, uint16_t peer_port);

#endif
