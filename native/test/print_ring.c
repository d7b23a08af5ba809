/* Prints the records of ring files as JSON lines, and then the counters that are not 0: print_ring FILE.ring ... */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../capture/capture.h"

static void text(const char *name, const void *bytes, size_t length) {
    const unsigned char *from = bytes;
    printf(",\"%s\":\"", name);
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '"' || from[i] == '\\') printf("\\%c", from[i]);
        else if (from[i] < 0x20 || from[i] >= 0x7f) printf("\\u%04x", from[i]);
        else putchar(from[i]);
    }
    putchar('"');
}

static void address(const char *name, const struct scope_address *shown) {
    char ip[INET6_ADDRSTRLEN] = "";
    if (shown->family == AF_INET || shown->family == AF_INET6) inet_ntop(shown->family, shown->ip, ip, sizeof ip);
    printf(",\"%s\":\"%s:%u\"", name, shown->family == AF_UNIX ? "unix" : ip, shown->port);
}

static const char *op(scope_op number) {
    return number < scope_op_count ? scope_op_names[number] : "?";
}

static void connection(const struct scope_net_open *body) {
    printf(",\"fd\":%d,\"type\":%u,\"is_server\":%u", body->fd, body->type, body->is_server);
    address("local", &body->local);
    address("remote", &body->remote);
}

static void body(const struct scope_record *record) {
    const void *at = record + 1;
    switch (record->kind) {
    case SCOPE_FILE_OPEN: {
        const struct scope_file_open *open = at;
        printf("\"file_open\",\"op\":\"%s\",\"fd\":%d,\"flags\":%d", op(open->op), open->fd, open->flags);
        text("path", open + 1, open->path_length);
        break;
    }
    case SCOPE_FILE_CLOSE: {
        const struct scope_file_close *close = at;
        printf("\"file_close\",\"op\":\"%s\",\"fd\":%d,\"read_bytes\":%lu,\"read_ops\":%lu,\"write_bytes\":%lu,\"write_ops\":%lu,\"io_ns\":%lu",
               op(close->op), close->fd, close->read_bytes, close->read_ops, close->write_bytes, close->write_ops, close->io_ns);
        break;
    }
    case SCOPE_FILE_DELETE: case SCOPE_FILE_CHANGE: case SCOPE_FILE_ERROR: {
        const struct scope_path_op *path = at;
        printf("\"%s\",\"op\":\"%s\",\"error\":%d",
               record->kind == SCOPE_FILE_DELETE ? "file_delete" : record->kind == SCOPE_FILE_CHANGE ? "file_change" : "file_error", op(path->op), path->error);
        text("path", path + 1, path->path_length);
        break;
    }
    case SCOPE_NET_OPEN: case SCOPE_NET_LISTEN:
        printf(record->kind == SCOPE_NET_OPEN ? "\"net_open\"" : "\"net_listen\"");
        connection(at);
        break;
    case SCOPE_NET_CLOSE: {
        const struct scope_net_close *close = at;
        printf("\"net_close\"");
        connection(&close->connection);
        printf(",\"received_bytes\":%lu,\"received_ops\":%lu,\"sent_bytes\":%lu,\"sent_ops\":%lu,\"by_remote\":%u",
               close->received_bytes, close->received_ops, close->sent_bytes, close->sent_ops, close->by_remote);
        break;
    }
    case SCOPE_NET_ERROR: {
        const struct scope_net_error *error = at;
        printf("\"net_error\",\"op\":\"%s\",\"error\":%d,\"is_connection\":%u", op(error->op), error->error, error->is_connection);
        break;
    }
    case SCOPE_DATA: {
        const struct scope_data *data = at;
        static const char *const sources[] = {"?", "network_in", "network_out", "tls_in", "tls_out"};
        printf("\"data\",\"fd\":%d,\"from\":\"%s\",\"length\":%lu,\"datagram\":%u", data->fd, sources[data->source], data->length, data->is_datagram);
        text("head", data + 1, data->head_length);
        text("tail", (const char *)(data + 1) + data->head_length, data->tail_length);
        break;
    }
    case SCOPE_DNS_REQUEST: case SCOPE_DNS_RESPONSE: {
        const struct scope_dns *dns = at;
        printf("\"%s\",\"error\":%d", record->kind == SCOPE_DNS_REQUEST ? "dns_request" : "dns_response", dns->error);
        text("name", dns + 1, dns->name_length);
        break;
    }
    case SCOPE_CONSOLE: case SCOPE_LOG_TEXT: {
        const struct scope_text *written = at;
        printf("\"%s\",\"fd\":%d,\"length\":%u", record->kind == SCOPE_CONSOLE ? "console" : "log_text", written->fd, written->length);
        text("text", written + 1, written->kept_length);
        break;
    }
    case SCOPE_PROCESS_START: case SCOPE_PROCESS_EXEC: case SCOPE_PROCESS_EXIT: {
        const struct scope_process *process = at;
        printf("\"%s\",\"pid\":%u", record->kind == SCOPE_PROCESS_EXEC ? "process_exec" : record->kind == SCOPE_PROCESS_EXIT ? "process_exit" : "process_start", process->pid);
        text("text", process + 1, process->text_length);
        break;
    }
    default:
        printf("\"%u\"", record->kind);
    }
}

static void print_slot(unsigned pid, const struct scope_slot *slot) {
    const unsigned char *data = (const unsigned char *)slot + SCOPE_SLOT_HEADER;
    uint32_t expected = 0;
    for (uint64_t at = slot->tail; at < slot->head;) {
        const struct scope_record *record = (const void *)(data + at % SCOPE_SLOT_DATA);
        if (record->size < 8 || record->size % 8) exit(2);
        if (record->kind != SCOPE_PAD) {
            if (record->sequence < expected || (record->sequence != expected && !slot->dropped_records)) exit(3);
            expected = record->sequence + 1;
            printf("{\"pid\":%u,\"tid\":%u,\"time\":%lu,\"channel\":%lu,\"kind\":", pid, record->tid, record->time_ns, record->channel);
            body(record);
            printf("}\n");
        }
        at += record->size;
    }
    printf("{\"pid\":%u,\"tid\":%u,\"kind\":\"counters\",\"state\":%u,\"dropped\":%lu,\"counters\":{", pid, slot->tid, slot->state, slot->dropped_records);
    const char *comma = "";
    for (unsigned i = 0; i < SCOPE_COUNTERS; i++) {
        if (!slot->counters[i]) continue;
        printf("%s\"%u\":%ld", comma, i, (long)slot->counters[i]);
        comma = ",";
    }
    printf("}}\n");
}

int main(int count, char **files) {
    for (int i = 1; i < count; i++) {
        struct stat found;
        int fd = open(files[i], O_RDONLY);
        if (fd < 0 || fstat(fd, &found) != 0) return 1;
        const unsigned char *ring = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (ring == MAP_FAILED) return 1;
        const struct scope_ring_header *header = (const void *)ring;
        for (uint32_t slot = 0; slot < header->slot_count; slot++) {
            const struct scope_slot *shown = (const void *)(ring + SCOPE_HEADER_BYTES + (size_t)slot * SCOPE_SLOT_BYTES);
            if (shown->state != SCOPE_SLOT_FREE) print_slot(header->pid, shown);
        }
        close(fd);
    }
    return 0;
}
