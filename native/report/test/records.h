/* Builds records as capture writes them, for tests, fuzzers and measurements. */
#ifndef SCOPE_TEST_RECORDS_H
#define SCOPE_TEST_RECORDS_H

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "report.h"

static _Alignas(8) unsigned char record_space[SCOPE_RECORD_MAX];
static uint32_t record_sequence;

/** A record with a fixed part and up to two texts behind it. */
static inline const struct scope_record *record(uint16_t kind, uint64_t channel, uint64_t time_ns, const void *fixed,
                                                size_t fixed_size, const void *text, size_t text_size, const void *more,
                                                size_t more_size)
{
    struct scope_record *header = (struct scope_record *)record_space;
    size_t size = sizeof *header + fixed_size + text_size + more_size, padded = (size + 7) & ~(size_t)7;
    unsigned char *to = record_space + sizeof *header;
    *header = (struct scope_record){(uint32_t)padded, kind, (uint16_t)(padded - size), time_ns, channel, 7, record_sequence++};
    if (fixed_size != 0) memcpy(to, fixed, fixed_size);
    if (text_size != 0) memcpy(to + fixed_size, text, text_size);
    if (more_size != 0) memcpy(to + fixed_size + text_size, more, more_size);
    memset(record_space + size, 0, padded - size);
    return header;
}

static inline const struct scope_record *data_record(uint64_t channel, uint64_t time_ns, enum scope_data_source source,
                                                     bool is_datagram, const void *head, size_t head_size, uint64_t gap,
                                                     const void *tail, size_t tail_size)
{
    struct scope_data data = {9, source, is_datagram, 0, head_size + gap + tail_size, (uint32_t)head_size, (uint32_t)tail_size};
    return record(SCOPE_DATA, channel, time_ns, &data, sizeof data, head, head_size, tail, tail_size);
}

static inline struct scope_address ip_address(const char *ip, uint16_t port)
{
    struct scope_address address = {.family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET, .port = port};
    inet_pton(address.family, ip, address.ip);
    return address;
}

static inline const struct scope_record *open_record(uint64_t channel, uint64_t time_ns, int32_t fd, const char *path)
{
    struct scope_file_open open = {fd, 0, 0644, 1, (uint16_t)strlen(path)};
    return record(SCOPE_FILE_OPEN, channel, time_ns, &open, sizeof open, path, strlen(path), NULL, 0);
}

static inline const struct scope_record *connection_record(uint64_t channel, uint64_t time_ns, uint16_t type, bool is_server,
                                                           const char *local, uint16_t local_port, const char *remote,
                                                           uint16_t remote_port)
{
    struct scope_net_open open = {9, type, is_server, ip_address(local, local_port), ip_address(remote, remote_port)};
    return record(SCOPE_NET_OPEN, channel, time_ns, &open, sizeof open, NULL, 0, NULL, 0);
}

static inline const struct scope_record *text_record(uint16_t kind, uint64_t channel, uint64_t time_ns, int32_t fd,
                                                     const void *bytes, size_t size, size_t length)
{
    struct scope_text text = {fd, (uint32_t)length, (uint32_t)size, 0};
    return record(kind, channel, time_ns, &text, sizeof text, bytes, size, NULL, 0);
}

#endif
