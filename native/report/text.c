/* Gathers writes into messages; a character that is cut by the size limit goes to the next message whole. */
#include "text.h"

#include "line.h"

#define JUDGED 256u

bool scope_is_binary(struct scope_slice text)
{
    size_t length = text.length < JUDGED ? text.length : JUDGED;
    for (size_t i = 0; i < length;) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte >= 0x80) {
            int size = scope_utf8_character(text.at + i, length - i);
            if (size < 0) return false; /* cut at the end: the rest may make it whole */
            if (size == 0) {
                /* Or at the beginning: a write may begin within a character. */
                if (i < 3 && byte < 0xC0) {
                    i++;
                    continue;
                }
                return true;
            }
            i += (size_t)size;
            continue;
        }
        bool is_text = (byte >= ' ' && byte < 0x7F) || (byte >= '\t' && byte <= '\r') || byte == 0x1B;
        if (!is_text) return true;
        i++;
    }
    return false;
}

/** Bytes at the end that begin a character without ending it. */
static uint32_t unfinished(const char *bytes, uint32_t length)
{
    for (uint32_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char byte = (unsigned char)bytes[length - back];
        if (byte < 0x80) return 0;
        if (byte >= 0xC0) return scope_utf8_character(bytes + length - back, back) < 0 ? back : 0;
    }
    return 0;
}

static void tell_whole_characters(struct scope_text_buffer *text, scope_gather_tell *tell, void *context)
{
    uint32_t rest = unfinished(text->bytes, text->length);
    if (rest == text->length) rest = 0;
    tell(context, &(struct scope_text_event){{text->bytes, text->length - rest}, text->first_ns, text->missing});
    memmove(text->bytes, text->bytes + text->length - rest, rest);
    text->length = rest;
    text->missing = 0;
}

void scope_gather_flush(struct scope_text_buffer *text, scope_gather_tell *tell, void *context)
{
    if (text->length == 0) return;
    tell(context, &(struct scope_text_event){{text->bytes, text->length}, text->first_ns, text->missing});
    text->length = 0;
    text->missing = 0;
}

static bool reserve(struct scope_text_buffer *text, size_t needed, struct scope_memory *memory)
{
    if (needed <= text->capacity) return true;
    size_t capacity = needed <= 512 ? 512 : needed <= 4096 ? 4096 : needed < SCOPE_TEXT_MAX ? SCOPE_TEXT_MAX : needed;
    char *bytes = scope_memory_resize(memory, text->bytes, capacity);
    if (bytes == NULL) return false;
    text->bytes = bytes;
    text->capacity = (uint32_t)capacity;
    return true;
}

void scope_gather_add(struct scope_text_buffer *text, struct scope_text_write write, struct scope_memory *memory,
                    scope_gather_tell *tell, void *context)
{
    if (write.binary_matters && scope_is_binary(write.bytes)) {
        scope_gather_flush(text, tell, context);
        if (!text->binary)
            tell(context, &(struct scope_text_event){SCOPE_LITERAL("-- binary data ignored --"), write.time_ns, 0});
        text->binary = true;
        return;
    }
    text->binary = false;
    if (write.bytes.length == 0) {
        text->missing += write.length;
        return;
    }
    if (text->length + write.bytes.length > SCOPE_TEXT_MAX && text->length != 0) {
        tell_whole_characters(text, tell, context);
        text->first_ns = write.time_ns;
    }
    if (!reserve(text, text->length + write.bytes.length, memory)) {
        scope_gather_flush(text, tell, context);
        tell(context, &(struct scope_text_event){write.bytes, write.time_ns, write.length - write.bytes.length});
        return;
    }
    if (text->length == 0) text->first_ns = write.time_ns;
    memcpy(text->bytes + text->length, write.bytes.at, write.bytes.length);
    text->length += (uint32_t)write.bytes.length;
    text->missing += write.length - write.bytes.length;
    if (text->length >= SCOPE_TEXT_MAX) tell_whole_characters(text, tell, context);
}

void scope_gather_free(struct scope_text_buffer *text, struct scope_memory *memory)
{
    scope_memory_give(memory, text->bytes);
    *text = (struct scope_text_buffer){0};
}
