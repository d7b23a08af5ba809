/* Bytes that belong to somebody else: a piece of a record, of a header, of a literal. */
#ifndef SCOPE_SLICE_H
#define SCOPE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct scope_slice {
    const char *at;
    size_t length;
};

#define SCOPE_LITERAL(text) ((struct scope_slice){(text), sizeof(text) - 1})

static inline struct scope_slice scope_slice_of(const char *text)
{
    return (struct scope_slice){text != NULL ? text : "", text != NULL ? strlen(text) : 0};
}

static inline bool scope_slice_equal(struct scope_slice a, struct scope_slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

static inline struct scope_slice scope_slice_cut(struct scope_slice slice, size_t most)
{
    return (struct scope_slice){slice.at, slice.length < most ? slice.length : most};
}

/** ASCII only, whatever the program's locale says. */
static inline char scope_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

/** `lower` is written in lower case. */
static inline bool scope_slice_is(struct scope_slice slice, const char *lower, size_t length)
{
    if (slice.length != length) return false;
    for (size_t i = 0; i < length; i++)
        if (scope_lower(slice.at[i]) != lower[i]) return false;
    return true;
}

static inline uint64_t scope_hash(const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash ^ (hash >> 29);
}

#endif
