/*
 * The line being written: grows up to a limit; once something did not fit, the line is spoilt and
 * must not be sent. Numbers are written without the C library, whose decimal point is the program's.
 */
#ifndef SCOPE_LINE_H
#define SCOPE_LINE_H

#include "slice.h"

struct scope_line {
    char *at;
    size_t length;
    size_t capacity;
    size_t limit;
    bool spoilt;
};

void scope_line_init(struct scope_line *, size_t limit);
void scope_line_free(struct scope_line *);

static inline void scope_line_begin(struct scope_line *line)
{
    line->length = 0;
    line->spoilt = false;
}

/** Makes room; false if the limit is in the way. */
bool scope_line_grow(struct scope_line *, size_t more);

static inline void scope_line_bytes(struct scope_line *line, const void *bytes, size_t length)
{
    if (line->capacity - line->length < length && !scope_line_grow(line, length)) return;
    if (length != 0) memcpy(line->at + line->length, bytes, length);
    line->length += length;
}

#define scope_line_literal(line, text) scope_line_bytes((line), (text), sizeof(text) - 1)

static inline void scope_line_slice(struct scope_line *line, struct scope_slice slice)
{
    scope_line_bytes(line, slice.at, slice.length);
}

void scope_line_unsigned(struct scope_line *, uint64_t);
void scope_line_signed(struct scope_line *, int64_t);
/** A number of thousandths as a decimal, without zeros at its end. */
void scope_line_thousandths(struct scope_line *, int64_t);
/** The same, rounded to exactly two decimals (StatsD's way); whole if there is no fraction. */
void scope_line_hundredths(struct scope_line *, int64_t thousandths);
/** Nanoseconds since the epoch as seconds with six decimals. */
void scope_line_seconds(struct scope_line *, uint64_t ns);
/** A JSON string with its quotes: always valid UTF-8, U+FFFD for each byte that is none. */
void scope_line_json(struct scope_line *, struct scope_slice);

/** Bytes of the UTF-8 character at `at`; 0 if it is none; negative if `length` ends inside of it. */
int scope_utf8_character(const char *at, size_t length);

#endif
