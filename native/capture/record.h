/* One function for each kind of record that capture writes; each keeps errno and never blocks. */
#ifndef SCOPE_RECORD_WRITERS_H
#define SCOPE_RECORD_WRITERS_H

#include <sys/uio.h>

#include "fds.h"
#include "op.h"
#include "ring.h"

/** Bytes of text in one record; more becomes several records. */
#define SCOPE_TEXT_MAX 32768u

void scope_record_file_open(struct scope_channel *channel, int fd, scope_op op, const char *path, int flags, uint32_t mode);
void scope_record_file_close(const struct scope_channel *channel, int fd, scope_op op);
/** `kind` is SCOPE_FILE_DELETE, _CHANGE or _ERROR; `second` may be NULL. */
void scope_record_path(enum scope_kind kind, uint64_t channel, scope_op op, int error, const char *path, const char *second);
/** SCOPE_NET_OPEN or SCOPE_NET_LISTEN. */
void scope_record_net_open(enum scope_kind kind, const struct scope_channel *channel, int fd);
void scope_record_net_close(const struct scope_channel *channel, int fd);
void scope_record_net_error(const struct scope_channel *channel, scope_op op, int error, bool is_connection);
/** The first `head` and the last `tail` of `length` bytes that lie in `parts`; parts may be NULL if head and tail are 0. */
void scope_record_data(const struct scope_channel *channel, int fd, enum scope_data_source source, const struct iovec *parts,
                       size_t part_count, uint64_t length, uint32_t head, uint32_t tail);
/** SCOPE_CONSOLE or SCOPE_LOG_TEXT, as the channel is one or the other; `length` bytes that lie in `parts`. */
void scope_record_text(const struct scope_channel *channel, int fd, const struct iovec *parts, size_t part_count, uint64_t length);
void scope_record_dns(enum scope_kind kind, const char *name, uint64_t duration_ns, int error);
void scope_record_process(enum scope_kind kind, int status, const char *text);

#endif
