/* Says whether bytes are one JSON value in UTF-8, by RFC 8259 and RFC 3629; shares no code with what it checks. */
#ifndef SCOPE_TEST_JSON_CHECK_H
#define SCOPE_TEST_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct json_reader {
    const unsigned char *at, *end;
};

static inline bool json_utf8(struct json_reader *reader)
{
    unsigned value = *reader->at++, more = value < 0xE0 ? 1 : value < 0xF0 ? 2 : 3;
    if (value < 0xC2 || value > 0xF4) return false;
    unsigned code = value & (0x3F >> more);
    for (unsigned i = 0; i < more; i++) {
        if (reader->at == reader->end || (*reader->at & 0xC0) != 0x80) return false;
        code = code << 6 | (*reader->at++ & 0x3F);
    }
    static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
    return code >= least[more] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

static inline bool json_string(struct json_reader *reader)
{
    reader->at++;
    while (reader->at < reader->end) {
        if (*reader->at == '"') {
            reader->at++;
            return true;
        }
        if (*reader->at < ' ') return false;
        if (*reader->at >= 0x80) {
            if (!json_utf8(reader)) return false;
        } else if (*reader->at++ == '\\') {
            if (reader->at == reader->end || strchr("\"\\/bfnrtu", *reader->at) == NULL || *reader->at == 0) return false;
            if (*reader->at++ == 'u') {
                for (int i = 0; i < 4; i++, reader->at++)
                    if (reader->at == reader->end || strchr("0123456789abcdefABCDEF", *reader->at) == NULL || *reader->at == 0) return false;
            }
        }
    }
    return false;
}

static inline bool json_digits(struct json_reader *reader)
{
    const unsigned char *from = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') reader->at++;
    return reader->at > from;
}

static inline bool json_number(struct json_reader *reader)
{
    if (*reader->at == '-') reader->at++;
    const unsigned char *from = reader->at;
    if (!json_digits(reader) || (*from == '0' && reader->at - from > 1)) return false;
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        if (!json_digits(reader)) return false;
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '-' || *reader->at == '+')) reader->at++;
        return json_digits(reader);
    }
    return true;
}

static inline bool json_value(struct json_reader *reader, int depth)
{
    if (reader->at == reader->end || depth > 8) return false;
    if (*reader->at == '"') return json_string(reader);
    if ((size_t)(reader->end - reader->at) >= 4 && memcmp(reader->at, "true", 4) == 0) {
        reader->at += 4;
        return true;
    }
    if (*reader->at != '{' && *reader->at != '[') return json_number(reader);
    unsigned char close = *reader->at++ == '{' ? '}' : ']';
    if (reader->at < reader->end && *reader->at == close) {
        reader->at++;
        return true;
    }
    while (true) {
        if (close == '}') {
            if (reader->at == reader->end || *reader->at != '"' || !json_string(reader)) return false;
            if (reader->at == reader->end || *reader->at++ != ':') return false;
        }
        if (!json_value(reader, depth + 1) || reader->at == reader->end) return false;
        unsigned char next = *reader->at++;
        if (next == close) return true;
        if (next != ',') return false;
    }
}

static inline bool is_json(const char *text, size_t length)
{
    struct json_reader reader = {(const unsigned char *)text, (const unsigned char *)text + length};
    return json_value(&reader, 0) && reader.at == reader.end;
}

#endif
