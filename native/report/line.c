/* Numbers and texts as bytes of a line. */
#include "line.h"

#include <stdlib.h>

void scope_line_init(struct scope_line *line, size_t limit)
{
    *line = (struct scope_line){.limit = limit};
}

void scope_line_free(struct scope_line *line)
{
    free(line->at);
    *line = (struct scope_line){.limit = line->limit};
}

bool scope_line_grow(struct scope_line *line, size_t more)
{
    size_t needed = line->length + more;
    if (line->spoilt || needed < more || needed > line->limit) {
        line->spoilt = true;
        return false;
    }
    size_t capacity = line->capacity < 4096 ? 4096 : line->capacity;
    while (capacity < needed) capacity *= 2;
    if (capacity > line->limit) capacity = line->limit;
    char *at = realloc(line->at, capacity);
    if (at == NULL) {
        line->spoilt = true;
        return false;
    }
    line->at = at;
    line->capacity = capacity;
    return true;
}

void scope_line_unsigned(struct scope_line *line, uint64_t value)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    scope_line_bytes(line, digits + i, sizeof digits - i);
}

void scope_line_signed(struct scope_line *line, int64_t value)
{
    if (value < 0) scope_line_literal(line, "-");
    scope_line_unsigned(line, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/** Writes the sign and gives the size without it. */
static uint64_t magnitude(struct scope_line *line, int64_t value)
{
    if (value < 0) scope_line_literal(line, "-");
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void scope_line_thousandths(struct scope_line *line, int64_t value)
{
    uint64_t size = magnitude(line, value);
    scope_line_unsigned(line, size / 1000);
    unsigned rest = (unsigned)(size % 1000);
    if (rest == 0) return;
    char decimals[4] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10), (char)('0' + rest % 10)};
    scope_line_bytes(line, decimals, rest % 10 != 0 ? 4 : rest % 100 != 0 ? 3 : 2);
}

void scope_line_hundredths(struct scope_line *line, int64_t thousandths)
{
    uint64_t size = magnitude(line, thousandths);
    if (size % 1000 == 0) {
        scope_line_unsigned(line, size / 1000);
        return;
    }
    uint64_t hundredths = size / 10 + (size % 10 >= 5);
    scope_line_unsigned(line, hundredths / 100);
    char decimals[3] = {'.', (char)('0' + hundredths / 10 % 10), (char)('0' + hundredths % 10)};
    scope_line_bytes(line, decimals, 3);
}

void scope_line_seconds(struct scope_line *line, uint64_t ns)
{
    scope_line_unsigned(line, ns / 1000000000u);
    uint32_t rest = (uint32_t)(ns % 1000000000u / 1000u);
    char decimals[7] = ".000000";
    for (int i = 6; i > 0; i--, rest /= 10) decimals[i] = (char)('0' + rest % 10);
    scope_line_bytes(line, decimals, sizeof decimals);
}

int scope_utf8_character(const char *at, size_t length)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (byte[0] < 0x80) return 1;
    int size;
    unsigned char low = 0x80, high = 0xBF; /* of the second byte: no overlong forms, no surrogates, no more than U+10FFFF */
    if (byte[0] >= 0xC2 && byte[0] <= 0xDF) {
        size = 2;
    } else if (byte[0] >= 0xE0 && byte[0] <= 0xEF) {
        size = 3;
        if (byte[0] == 0xE0) low = 0xA0;
        if (byte[0] == 0xED) high = 0x9F;
    } else if (byte[0] >= 0xF0 && byte[0] <= 0xF4) {
        size = 4;
        if (byte[0] == 0xF0) low = 0x90;
        if (byte[0] == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    for (int i = 1; i < size; i++) {
        if ((size_t)i >= length) return -size;
        if (byte[i] < low || byte[i] > high) return 0;
        low = 0x80;
        high = 0xBF;
    }
    return size;
}

/** 0: written as it is. 1: begins a character of several bytes. Else what follows the backslash. */
static const char escapes[256] = {
    [0] = 'u', [1] = 'u', [2] = 'u', [3] = 'u', [4] = 'u', [5] = 'u', [6] = 'u', [7] = 'u',
    ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [11] = 'u', ['\f'] = 'f', ['\r'] = 'r', [14] = 'u', [15] = 'u',
    [16] = 'u', [17] = 'u', [18] = 'u', [19] = 'u', [20] = 'u', [21] = 'u', [22] = 'u', [23] = 'u',
    [24] = 'u', [25] = 'u', [26] = 'u', [27] = 'u', [28] = 'u', [29] = 'u', [30] = 'u', [31] = 'u',
    ['"'] = '"', ['\\'] = '\\', [128 ... 255] = 1,
};

void scope_line_json(struct scope_line *line, struct scope_slice text)
{
    static const char hex[] = "0123456789abcdef";
    scope_line_literal(line, "\"");
    size_t i = 0;
    while (i < text.length) {
        size_t plain = i;
        while (plain < text.length && escapes[(unsigned char)text.at[plain]] == 0) plain++;
        scope_line_bytes(line, text.at + i, plain - i);
        i = plain;
        if (i == text.length) break;
        char escape = escapes[(unsigned char)text.at[i]];
        if (escape == 1) {
            int size = scope_utf8_character(text.at + i, text.length - i);
            if (size > 0) {
                scope_line_bytes(line, text.at + i, (size_t)size);
                i += (size_t)size;
            } else {
                scope_line_literal(line, "\xEF\xBF\xBD");
                i++;
            }
        } else if (escape == 'u') {
            unsigned char byte = (unsigned char)text.at[i++];
            char written[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
            scope_line_bytes(line, written, sizeof written);
        } else {
            char written[2] = {'\\', escape};
            scope_line_bytes(line, written, sizeof written);
            i++;
        }
        if (line->spoilt) return;
    }
    scope_line_literal(line, "\"");
}
