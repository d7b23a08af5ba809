/* A hash table with a list by age through it. */
#include "channels.h"

#include <sys/socket.h>

#include "dns.h"

#define FIRST_BUCKETS 64u

static struct scope_channel **bucket(struct scope_channels *channels, uint64_t id)
{
    uint64_t hash = id * 0x9e3779b97f4a7c15u;
    return &channels->buckets[hash >> 32 & (channels->bucket_count - 1)];
}

static void unlink_age(struct scope_channels *channels, struct scope_channel *channel)
{
    if (channel->newer != NULL) channel->newer->older = channel->older;
    else channels->newest = channel->older;
    if (channel->older != NULL) channel->older->newer = channel->newer;
    else channels->oldest = channel->newer;
}

static void link_newest(struct scope_channels *channels, struct scope_channel *channel)
{
    channel->newer = NULL;
    channel->older = channels->newest;
    if (channels->newest != NULL) channels->newest->newer = channel;
    else channels->oldest = channel;
    channels->newest = channel;
}

struct scope_channel *scope_channels_find(struct scope_channels *channels, uint64_t id)
{
    if (channels->newest != NULL && channels->newest->id == id) return channels->newest;
    if (channels->bucket_count == 0) return NULL;
    struct scope_channel *channel = *bucket(channels, id);
    while (channel != NULL && channel->id != id) channel = channel->next;
    if (channel != NULL) {
        unlink_age(channels, channel);
        link_newest(channels, channel);
    }
    return channel;
}

static bool grow(struct scope_channels *channels)
{
    uint32_t count = channels->bucket_count == 0 ? FIRST_BUCKETS : channels->bucket_count * 2;
    struct scope_channel **buckets = scope_memory_take(channels->memory, count * sizeof *buckets);
    if (buckets == NULL) return channels->bucket_count != 0;
    scope_memory_give(channels->memory, channels->buckets);
    channels->buckets = buckets;
    channels->bucket_count = count;
    for (struct scope_channel *channel = channels->oldest; channel != NULL; channel = channel->newer) {
        struct scope_channel **place = bucket(channels, channel->id);
        channel->next = *place;
        *place = channel;
    }
    return true;
}

void scope_channels_forget(struct scope_channels *channels)
{
    if (channels->oldest == NULL) return;
    channels->forgotten++;
    if (channels->forgetting != NULL) channels->forgetting(channels->context, channels->oldest);
    scope_channels_remove(channels, channels->oldest);
}

struct scope_channel *scope_channels_get(struct scope_channels *channels, uint64_t id)
{
    struct scope_channel *channel = scope_channels_find(channels, id);
    if (channel != NULL) return channel;
    if (channels->count >= channels->bucket_count && !grow(channels)) return NULL;
    while ((channel = scope_memory_take(channels->memory, sizeof *channel)) == NULL) {
        if (channels->oldest == NULL) return NULL;
        scope_channels_forget(channels);
    }
    channel->id = id;
    channel->fd = -1;
    struct scope_channel **place = bucket(channels, id);
    channel->next = *place;
    *place = channel;
    link_newest(channels, channel);
    channels->count++;
    return channel;
}

void scope_channel_drop_http(struct scope_channels *channels, struct scope_channel *channel)
{
    if (channel->http == NULL) return;
    scope_http1_clear(channel->http, channels->memory);
    scope_memory_give(channels->memory, channel->http);
    channel->http = NULL;
}

void scope_channels_remove(struct scope_channels *channels, struct scope_channel *channel)
{
    struct scope_channel **place = bucket(channels, channel->id);
    while (*place != channel) place = &(*place)->next;
    *place = channel->next;
    unlink_age(channels, channel);
    channels->count--;
    scope_channel_drop_http(channels, channel);
    if (channel->text != NULL) {
        scope_gather_free(channel->text, channels->memory);
        scope_memory_give(channels->memory, channel->text);
        channels->with_text--;
    }
    scope_memory_give(channels->memory, channel->dns);
    scope_memory_give(channels->memory, channel->file);
    scope_memory_give(channels->memory, channel->connection);
    scope_memory_give(channels->memory, channel);
}

void scope_channels_clear(struct scope_channels *channels)
{
    while (channels->oldest != NULL) scope_channels_remove(channels, channels->oldest);
    scope_memory_give(channels->memory, channels->buckets);
    channels->buckets = NULL;
    channels->bucket_count = 0;
}

struct scope_http1 *scope_channel_http(struct scope_channels *channels, struct scope_channel *channel)
{
    if (channel->http == NULL) channel->http = scope_memory_take(channels->memory, sizeof *channel->http);
    return channel->http;
}

struct scope_dns_stream *scope_channel_dns(struct scope_channels *channels, struct scope_channel *channel)
{
    if (channel->dns == NULL) channel->dns = scope_memory_take(channels->memory, sizeof *channel->dns);
    return channel->dns;
}

struct scope_text_buffer *scope_channel_text(struct scope_channels *channels, struct scope_channel *channel)
{
    if (channel->text == NULL) {
        channel->text = scope_memory_take(channels->memory, sizeof *channel->text);
        if (channel->text != NULL) channels->with_text++;
    }
    return channel->text;
}

bool scope_channel_set_file(struct scope_channels *channels, struct scope_channel *channel, const char *path,
                            size_t length)
{
    scope_memory_give(channels->memory, channel->file);
    channel->file = scope_memory_take(channels->memory, sizeof *channel->file + length + 1);
    if (channel->file == NULL) return false;
    channel->file->path_length = (uint16_t)length;
    memcpy(channel->file->path, path, length);
    return true;
}

bool scope_channel_set_connection(struct scope_channels *channels, struct scope_channel *channel,
                                  const struct scope_net_open *open)
{
    struct scope_connection *connection = channel->connection;
    if (connection == NULL) connection = scope_memory_take(channels->memory, sizeof *connection);
    if (connection == NULL) return false;
    channel->connection = connection;
    connection->open = *open;
    connection->local_length = connection->remote_length = 0;
    const struct scope_address *local = &open->local, *remote = &open->remote;
    if (local->family == AF_INET || local->family == AF_INET6)
        connection->local_length =
            (uint8_t)scope_ip_text(local->ip, local->family == AF_INET6, connection->local).length;
    if (remote->family == AF_INET || remote->family == AF_INET6)
        connection->remote_length =
            (uint8_t)scope_ip_text(remote->ip, remote->family == AF_INET6, connection->remote).length;
    return true;
}
