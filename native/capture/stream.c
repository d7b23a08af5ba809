/* The buffers of streams: what has been recorded of them and what has not. Relies on glibc's public struct _IO_FILE. */
#include "stream.h"

#include <errno.h>

#include "hook_stdio.h"

static size_t waiting(const FILE *stream) {
    return stream->_IO_write_ptr > stream->_IO_write_base ? (size_t)(stream->_IO_write_ptr - stream->_IO_write_base) : 0;
}

static void moved(struct scope_channel *channel, FILE *stream, scope_op op, uint64_t began, ssize_t count, const void *text, size_t length) {
    struct iovec part = {(void *)(uintptr_t)text, length};
    (void)channel;
    scope_moved_slow(&(struct scope_moved){
        .fd = stream->_fileno, .op = op, .out = true, .began = began, .result = count, .parts = &part, .part_count = text ? 1 : 0,
    });
}

static void catch_up(struct scope_channel *channel, FILE *stream) {
    if (!channel->buffered_stream) channel->buffered_stream = stream;
    if (channel->buffered_stream != stream) return; /* a second stream on one descriptor: its inlined bytes stay unseen */
    size_t there = waiting(stream), seen = channel->buffered_seen;
    if (there > seen) moved(channel, stream, SCOPE_OP(fputc), 0, (ssize_t)(there - seen), stream->_IO_write_base + seen, there - seen);
    channel->buffered_seen = (uint32_t)there;
}

/* With several threads another one may be between its two halves: the buffer then tells nothing for certain. */
static bool buffer_is_ours(void) {
    return *scope_single_threaded;
}

/* From then on each write is recorded as it is made. What came before is taken from the buffer, once, if nobody writes now. */
static void settle(struct scope_channel *channel, FILE *stream) {
    if (buffer_is_ours()) {
        catch_up(channel, stream);
    } else if (!channel->buffer_shared && ftrylockfile(stream) == 0) {
        if (!channel->buffer_shared) {
            channel->buffer_shared = true;
            catch_up(channel, stream);
        }
        funlockfile(stream);
    }
}

bool scope_stream_keeps(FILE *stream, size_t length) {
    if (stream->_IO_write_ptr >= stream->_IO_write_end || (size_t)(stream->_IO_write_end - stream->_IO_write_ptr) <= length) return false;
    if (!buffer_is_ours()) return false;
    const struct scope_channel *channel = scope_channel_find(stream->_fileno);
    return channel && channel->kind == SCOPE_STANDARD && channel->buffered_stream == stream;
}

bool scope_stream_before(struct scope_stream_write *write, FILE *stream) {
    if (!scope_capturing()) return false;
    struct scope_channel *channel = scope_channel_of(stream->_fileno);
    if (channel->kind == SCOPE_OTHER) return false;
    *write = (struct scope_stream_write){.channel = channel, .stream = stream, .began = scope_began()};
    settle(channel, stream);
    write->waiting = waiting(stream);
    return true;
}

bool scope_stream_holds(const struct scope_stream_write *write, size_t count) {
    return buffer_is_ours() && waiting(write->stream) == write->waiting + count;
}

bool scope_stream_watched(const struct scope_stream_write *write) {
    return write->channel->watched || write->channel->kind == SCOPE_SOCKET;
}

void scope_stream_after(const struct scope_stream_write *write, scope_op op, ssize_t count, const void *text) {
    FILE *stream = write->stream;
    if (!text && count > 0 && scope_stream_watched(write) && scope_stream_holds(write, (size_t)count)) text = stream->_IO_write_ptr - count;
    moved(write->channel, stream, op, write->began, count, text, count > 0 ? (size_t)count : 0);
    write->channel->buffered_seen = (uint32_t)waiting(stream);
}

void scope_stream_after_character(const struct scope_stream_write *write, scope_op op, int character) {
    char byte = (char)character;
    if (write->channel->kind == SCOPE_STANDARD && scope_stream_holds(write, 1) && write->channel->buffered_stream == write->stream) return;
    moved(write->channel, write->stream, op, write->began, 1, &byte, 1);
    write->channel->buffered_seen = (uint32_t)waiting(write->stream);
}

/* Descriptors above are not looked at: streams lie low. */
#define STREAMS_LOOKED_AT 256

void scope_stream_catch_up(FILE *stream) {
    if (!scope_capturing()) return;
    if (stream) {
        struct scope_channel *channel = scope_channel_of(stream->_fileno);
        if (channel->kind != SCOPE_OTHER) settle(channel, stream);
        return;
    }
    for (int fd = 0; fd < STREAMS_LOOKED_AT; fd++) {
        struct scope_channel *channel = scope_channel_find(fd);
        if (!channel || channel->kind == SCOPE_OTHER || !channel->buffered_stream) continue;
        FILE *found = channel->buffered_stream;
        if (found->_fileno == fd) settle(channel, found);
    }
}

void scope_streams_end(void) {
    scope_stream_catch_up(stdout);
    scope_stream_catch_up(stderr);
    scope_stream_catch_up(NULL);
}
