/* Text that grows in a bounded buffer, and JSON strings in it that are valid whatever bytes they are made of. */
#ifndef SCOPE_TEXT_H
#define SCOPE_TEXT_H

#include <stddef.h>

struct scope_writing {
    char *bytes;
    size_t length, size; /* what does not fit is cut */
};

void scope_text_add(struct scope_writing *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void scope_text_json(struct scope_writing *, const char *);

#endif
