/* What is known of each open descriptor of the program, by its channel; the least recently used give way. */
#ifndef SCOPE_CHANNELS_H
#define SCOPE_CHANNELS_H

#include "../wire/scope_record.h"
#include "http1.h"
#include "text.h"

struct scope_file {
    uint32_t mode, uid, gid;
    bool has_owner;
    uint16_t path_length;
    char path[]; /* with a NUL */
};

struct scope_connection {
    struct scope_net_open open;
    char local[46], remote[46];
    uint8_t local_length, remote_length;
};

/** Where the bytes of a channel's HTTP come from; once TLS is seen, what goes over the wire is not looked at. */
enum scope_layer { SCOPE_LAYER_WIRE, SCOPE_LAYER_TLS };

/** DNS over TCP: bytes of each direction that are no whole message yet, their length in front. */
#define SCOPE_DNS_STREAM_MAX 4096u
struct scope_dns_stream {
    uint16_t length[2];
    char held[2][SCOPE_DNS_STREAM_MAX];
};

struct scope_channel {
    uint64_t id;
    struct scope_channel *next; /* of the same bucket */
    struct scope_channel *newer, *older;
    int32_t fd;
    uint32_t losses_seen; /* of the report, when its HTTP was last known to be in step */
    uint8_t layer;
    bool is_http, is_http2, is_opaque, is_console;
    struct scope_file *file;
    struct scope_connection *connection;
    struct scope_http1 *http;
    struct scope_dns_stream *dns;
    struct scope_text_buffer *text;
};

struct scope_channels {
    struct scope_memory *memory;
    struct scope_channel **buckets;
    uint32_t bucket_count, count;
    struct scope_channel *newest, *oldest;
    uint32_t with_text; /* channels that have a text buffer */
    uint64_t forgotten;
    /** Called before a channel gives way, so that its text is not lost. */
    void (*forgetting)(void *context, struct scope_channel *);
    void *context;
};

struct scope_channel *scope_channels_find(struct scope_channels *, uint64_t id);
/** Finds or makes. NULL: no memory, even after the oldest ones gave way. */
struct scope_channel *scope_channels_get(struct scope_channels *, uint64_t id);
void scope_channels_remove(struct scope_channels *, struct scope_channel *);
/** Lets the oldest give way, if there is one. */
void scope_channels_forget(struct scope_channels *);
void scope_channels_clear(struct scope_channels *);

/** Parts that are made when needed; NULL: no memory. */
struct scope_http1 *scope_channel_http(struct scope_channels *, struct scope_channel *);
struct scope_dns_stream *scope_channel_dns(struct scope_channels *, struct scope_channel *);
struct scope_text_buffer *scope_channel_text(struct scope_channels *, struct scope_channel *);
bool scope_channel_set_file(struct scope_channels *, struct scope_channel *, const char *path, size_t length);
bool scope_channel_set_connection(struct scope_channels *, struct scope_channel *, const struct scope_net_open *);
void scope_channel_drop_http(struct scope_channels *, struct scope_channel *);

#endif
