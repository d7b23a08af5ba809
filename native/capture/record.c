/* Fills records, one function a kind. */
#include "record.h"

#include <errno.h>
#include <string.h>

#include "real.h"

#define PATH_MAX_KEPT 4096u

static uint16_t path_length(const char *path) {
    return path ? (uint16_t)strnlen(path, PATH_MAX_KEPT) : 0;
}

void scope_record_file_open(struct scope_channel *channel, int fd, scope_op op, const char *path, int flags, uint32_t mode) {
    uint16_t length = path_length(path);
    struct scope_file_open *body = scope_record_begin(SCOPE_FILE_OPEN, channel->id, channel->opened_ns, sizeof *body + length);
    if (!body) return;
    *body = (struct scope_file_open){.fd = fd, .flags = flags, .mode = mode, .op = op, .path_length = length};
    memcpy(body + 1, path, length);
    scope_record_end();
}

void scope_record_file_close(const struct scope_channel *channel, int fd, scope_op op) {
    struct scope_file_close *body = scope_record_begin(SCOPE_FILE_CLOSE, channel->id, scope_now(), sizeof *body);
    if (!body) return;
    *body = (struct scope_file_close){
        .fd = fd, .op = op, .read_bytes = channel->read_bytes, .read_ops = channel->read_ops,
        .write_bytes = channel->write_bytes, .write_ops = channel->write_ops, .io_ns = channel->io_ns,
        .opened_ns = channel->opened_ns,
    };
    scope_record_end();
}

void scope_record_path(enum scope_kind kind, uint64_t channel, scope_op op, int error, const char *path, const char *second) {
    uint16_t first_length = path_length(path), second_length = path_length(second);
    uint16_t length = (uint16_t)(first_length + (second ? 1 + second_length : 0));
    struct scope_path_op *body = scope_record_begin((uint16_t)kind, channel, scope_now(), sizeof *body + length);
    if (!body) return;
    *body = (struct scope_path_op){.error = error, .op = op, .path_length = length};
    char *text = (char *)(body + 1);
    if (first_length) memcpy(text, path, first_length);
    if (second) {
        text[first_length] = '\0';
        memcpy(text + first_length + 1, second, second_length);
    }
    scope_record_end();
}

static struct scope_net_open connection(const struct scope_channel *channel, int fd) {
    return (struct scope_net_open){
        .fd = fd, .type = channel->type, .is_server = channel->is_server, .local = channel->local, .remote = channel->remote,
    };
}

void scope_record_net_open(enum scope_kind kind, const struct scope_channel *channel, int fd) {
    struct scope_net_open *body = scope_record_begin((uint16_t)kind, channel->id, scope_now(), sizeof *body);
    if (!body) return;
    *body = connection(channel, fd);
    scope_record_end();
}

void scope_record_net_close(const struct scope_channel *channel, int fd) {
    struct scope_net_close *body = scope_record_begin(SCOPE_NET_CLOSE, channel->id, scope_now(), sizeof *body);
    if (!body) return;
    *body = (struct scope_net_close){
        .connection = connection(channel, fd), .received_bytes = channel->read_bytes, .received_ops = channel->read_ops,
        .sent_bytes = channel->write_bytes, .sent_ops = channel->write_ops, .opened_ns = channel->opened_ns,
        .by_remote = channel->ended_by_peer,
    };
    scope_record_end();
}

void scope_record_net_error(const struct scope_channel *channel, scope_op op, int error, bool is_connection) {
    struct scope_net_error *body = scope_record_begin(SCOPE_NET_ERROR, channel->id, scope_now(), sizeof *body);
    if (!body) return;
    *body = (struct scope_net_error){.error = error, .op = op, .is_connection = is_connection};
    scope_record_end();
}

/* Copies `count` bytes from `skip` on of what lies in the parts. */
static void gather(unsigned char *to, const struct iovec *parts, size_t part_count, uint64_t skip, uint64_t count) {
    for (size_t i = 0; i < part_count && count; i++) {
        uint64_t length = parts[i].iov_len;
        if (skip >= length) {
            skip -= length;
            continue;
        }
        uint64_t taken = length - skip < count ? length - skip : count;
        memcpy(to, (const unsigned char *)parts[i].iov_base + skip, taken);
        to += taken;
        count -= taken;
        skip = 0;
    }
}

void scope_record_data(const struct scope_channel *channel, int fd, enum scope_data_source source, const struct iovec *parts,
                       size_t part_count, uint64_t length, uint32_t head, uint32_t tail) {
    struct scope_data *body = scope_record_begin(SCOPE_DATA, channel->id, scope_now(), sizeof *body + head + tail);
    if (!body) return;
    *body = (struct scope_data){
        .fd = fd, .source = (uint8_t)source, .is_datagram = channel->is_datagram, .length = length, .head_length = head, .tail_length = tail,
    };
    unsigned char *bytes = (unsigned char *)(body + 1);
    gather(bytes, parts, part_count, 0, head);
    gather(bytes + head, parts, part_count, length - tail, tail);
    scope_record_end();
}

void scope_record_text(const struct scope_channel *channel, int fd, const struct iovec *parts, size_t part_count, uint64_t length) {
    bool console = channel->kind == SCOPE_STANDARD;
    uint64_t now = scope_now();

    if (!part_count) return; /* moved by the kernel alone: sendfile and its like */
    for (uint64_t done = 0; done < length;) {
        uint32_t kept = length - done < SCOPE_TEXT_MAX ? (uint32_t)(length - done) : SCOPE_TEXT_MAX;
        struct scope_text *body = scope_record_begin(console ? SCOPE_CONSOLE : SCOPE_LOG_TEXT, channel->id, now, sizeof *body + kept);
        if (!body) return;
        *body = (struct scope_text){.fd = console ? channel->stream : fd, .length = kept, .kept_length = kept};
        gather((unsigned char *)(body + 1), parts, part_count, done, kept);
        scope_record_end();
        done += kept;
    }
}

void scope_record_dns(enum scope_kind kind, const char *name, uint64_t duration_ns, int error) {
    uint16_t length = (uint16_t)strnlen(name, 1024);
    struct scope_dns *body = scope_record_begin((uint16_t)kind, 0, scope_now(), sizeof *body + length);
    if (!body) return;
    *body = (struct scope_dns){.duration_ns = duration_ns, .error = error, .name_length = length};
    memcpy(body + 1, name, length);
    scope_record_end();
}

void scope_record_process(enum scope_kind kind, int status, const char *text) {
    uint32_t length = text ? (uint32_t)strnlen(text, SCOPE_TEXT_MAX) : 0;
    struct scope_process *body = scope_record_begin((uint16_t)kind, 0, scope_now(), sizeof *body + length);
    if (!body) return;
    *body = (struct scope_process){.pid = (uint32_t)getpid(), .parent_pid = (uint32_t)getppid(), .status = status, .text_length = length};
    if (length) memcpy(body + 1, text, length);
    scope_record_end();
}
