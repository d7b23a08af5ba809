/*
 * Writing to a FILE, as its hooks see it. Libc hands the buffer to the kernel without passing our
 * write(), so bytes count when they go into the stream. Programs also put characters into the buffer
 * by inlined code (putc_unlocked, and putchar in many tools); those are found in the buffer, before
 * the next call that might flush it.
 */
#ifndef SCOPE_STREAM_H
#define SCOPE_STREAM_H

#include "io.h"
#include "real.h"

struct scope_stream_write {
    struct scope_channel *channel;
    FILE *stream;
    uint64_t began;
    /** Bytes that waited in the buffer before. */
    size_t waiting;
};

/**
 * Will `length` more bytes of console text certainly stay in the stream's buffer? Then nothing needs to be
 * done now: they are found there later, together with what else comes, and make one record.
 */
bool scope_stream_keeps(FILE *stream, size_t length);
/** Before a write. False: only forward. */
bool scope_stream_before(struct scope_stream_write *write, FILE *stream);
/** After it: `count` bytes went into the stream, or -1; `text` are these bytes, or NULL if only the buffer can tell. */
void scope_stream_after(const struct scope_stream_write *write, scope_op op, ssize_t count, const void *text);
/** Are the bytes of the last write still in the buffer, whole? */
bool scope_stream_holds(const struct scope_stream_write *write, size_t count);
/** Does anyone want the text of this stream, and not only its length? */
bool scope_stream_watched(const struct scope_stream_write *write);
/** One character, which may stay in the buffer unrecorded until something happens there. */
void scope_stream_after_character(const struct scope_stream_write *write, scope_op op, int character);
/** Takes note of what inlined code has put into the buffer; before a flush. NULL: of all streams. */
void scope_stream_catch_up(FILE *stream);

#endif
