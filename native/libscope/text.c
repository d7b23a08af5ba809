/* Bounded text, and JSON strings made of any bytes. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void scope_text_add(struct scope_writing *to, const char *format, ...) {
    if (to->length >= to->size)
        return;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to->bytes + to->length, to->size - to->length, format, arguments);
    va_end(arguments);
    if (length > 0)
        to->length += (size_t)length;
    if (to->length > to->size)
        to->length = to->size;
}

static void put(struct scope_writing *to, const char *bytes, size_t length) {
    if (length > to->size - to->length)
        length = to->size - to->length;
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

/** Bytes of the UTF-8 character at `at`; 0 if it is none. */
static size_t character(const unsigned char *at) {
    if (at[0] < 0x80)
        return 1;
    size_t length = at[0] >= 0xf0 && at[0] <= 0xf4 ? 4 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] >= 0x90))
        return 0;
    return length;
}

void scope_text_json(struct scope_writing *to, const char *text) {
    put(to, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t length = character(at);
        if (length == 0) {
            put(to, "\xef\xbf\xbd", 3);
            at++;
        } else if (*at == '"' || *at == '\\') {
            char pair[2] = {'\\', (char)*at++};
            put(to, pair, 2);
        } else if (*at < 0x20) {
            scope_text_add(to, "\\u%04x", *at++);
        } else {
            put(to, (const char *)at, length);
            at += length;
        }
    }
    put(to, "\"", 1);
}
