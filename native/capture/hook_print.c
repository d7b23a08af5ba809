/* Hooks that write to streams, and dprintf. They may allocate and lock as their originals do. */
#include <errno.h>
#include <string.h>

#include "stream.h"

/* Longest formatted text that is shown when the stream's buffer no longer holds it; the stack may be small. */
#define FORMATTED_MAX 2048

#define WRITING(type, name, stream, most, arguments, bytes, text, ...)         \
    SCOPE_HOOK(type, name, __VA_ARGS__) {                                      \
        struct scope_stream_write write;                                       \
        if (scope_stream_keeps(stream, most) || !scope_stream_before(&write, stream)) return real_##name arguments; \
        type result = real_##name arguments;                                   \
        scope_stream_after(&write, SCOPE_OP(name), bytes, text);               \
        return result;                                                         \
    }

static ssize_t written(size_t result, size_t size, size_t count) {
    return result == 0 && size && count ? -1 : (ssize_t)(result * size);
}

WRITING(size_t, fwrite, stream, size * count, (buffer, size, count, stream), written(result, size, count), buffer, const void *buffer, size_t size, size_t count, FILE *stream)
WRITING(size_t, fwrite_unlocked, stream, size * count, (buffer, size, count, stream), written(result, size, count), buffer, const void *buffer, size_t size, size_t count, FILE *stream)
WRITING(int, fputs, stream, strlen(text), (text, stream), result < 0 ? -1 : (ssize_t)strlen(text), text, const char *text, FILE *stream)
WRITING(int, fputs_unlocked, stream, strlen(text), (text, stream), result < 0 ? -1 : (ssize_t)strlen(text), text, const char *text, FILE *stream)

SCOPE_HOOK(int, puts, const char *text) {
    struct scope_stream_write write;
    if (scope_stream_keeps(stdout, strlen(text) + 1) || !scope_stream_before(&write, stdout)) return real_puts(text);
    int result = real_puts(text);
    if (result < 0) {
        scope_stream_after(&write, SCOPE_OP(puts), -1, NULL);
        return result;
    }
    size_t length = strlen(text);
    if (scope_stream_holds(&write, length + 1)) {
        scope_stream_after(&write, SCOPE_OP(puts), (ssize_t)length + 1, NULL);
    } else {
        scope_stream_after(&write, SCOPE_OP(puts), (ssize_t)length, text);
        if (scope_stream_watched(&write)) scope_stream_after(&write, SCOPE_OP(puts), 1, "\n");
    }
    return result;
}

#define PUTTING(name, stream, arguments, ...)                                                \
    SCOPE_HOOK(int, name, __VA_ARGS__) {                                                     \
        struct scope_stream_write write;                                                     \
        if (scope_stream_keeps(stream, 1) || !scope_stream_before(&write, stream)) return real_##name arguments; \
        int result = real_##name arguments;                                                  \
        if (result == EOF) scope_stream_after(&write, SCOPE_OP(name), -1, NULL);             \
        else scope_stream_after_character(&write, SCOPE_OP(name), character);                \
        return result;                                                                       \
    }

PUTTING(fputc, stream, (character, stream), int character, FILE *stream)
PUTTING(fputc_unlocked, stream, (character, stream), int character, FILE *stream)
PUTTING(putc, stream, (character, stream), int character, FILE *stream)
PUTTING(_IO_putc, stream, (character, stream), int character, FILE *stream)
PUTTING(putchar, stdout, (character), int character)
PUTTING(__overflow, stream, (stream, character), FILE *stream, int character)

/* What wide text became in the stream's encoding. */
static size_t narrowed(char *to, size_t room, const wchar_t *text) {
    mbstate_t state = {0};
    size_t length = wcsnrtombs(to, &text, wcslen(text), room, &state);
    return length == (size_t)-1 ? 0 : length;
}

SCOPE_HOOK(int, fputws, const wchar_t *text, FILE *stream) {
    struct scope_stream_write write;
    char narrow[FORMATTED_MAX];
    if (!scope_stream_before(&write, stream)) return real_fputws(text, stream);
    int result = real_fputws(text, stream);
    int saved = errno;
    size_t length = result < 0 ? 0 : narrowed(narrow, sizeof narrow, text);
    scope_stream_after(&write, SCOPE_OP(fputws), result < 0 ? -1 : (ssize_t)length, narrow);
    errno = saved;
    return result;
}

#define PUTTING_WIDE(name)                                                                            \
    SCOPE_HOOK(wint_t, name, wchar_t character, FILE *stream) {                                       \
        struct scope_stream_write write;                                                              \
        char narrow[16];                                                                              \
        if (!scope_stream_before(&write, stream)) return real_##name(character, stream);              \
        wint_t result = real_##name(character, stream);                                               \
        int saved = errno;                                                                            \
        const wchar_t text[] = {character, 0};                                                        \
        size_t length = result == WEOF ? 0 : narrowed(narrow, sizeof narrow, text);                   \
        scope_stream_after(&write, SCOPE_OP(name), result == WEOF ? -1 : (ssize_t)length, narrow);    \
        errno = saved;                                                                                \
        return result;                                                                                \
    }
PUTTING_WIDE(fputwc)
PUTTING_WIDE(putwc)

/*
 * Formats once more what has left the buffer already, if anyone wants to see it. Of its own, so that
 * the stack is only used where this is needed.
 */
static __attribute__((noinline)) void printed_and_flushed(const struct scope_stream_write *write, scope_op op, const char *format, va_list again, int count) {
    char text[FORMATTED_MAX];
    int length = vsnprintf(text, sizeof text, format, again);
    if (length < 0 || length != count) length = 0;
    if (length >= (int)sizeof text) length = sizeof text - 1;
    scope_stream_after(write, op, length, text);
}

static void printed(const struct scope_stream_write *write, scope_op op, const char *format, va_list again, int count) {
    int saved = errno;
    if (count > 0 && scope_stream_watched(write) && !scope_stream_holds(write, (size_t)count)) printed_and_flushed(write, op, format, again, count);
    else scope_stream_after(write, op, count, NULL);
    errno = saved;
}

#define PRINTING(name, stream, real, ...)                                        \
    do {                                                                         \
        struct scope_stream_write write;                                         \
        if (!scope_stream_before(&write, stream)) return real(__VA_ARGS__, values); \
        va_list again;                                                           \
        va_copy(again, values);                                                  \
        int result = real(__VA_ARGS__, values);                                  \
        printed(&write, SCOPE_OP(name), format, again, result);                  \
        va_end(again);                                                           \
        return result;                                                           \
    } while (0)

SCOPE_HOOK(int, vfprintf, FILE *stream, const char *format, va_list values) { PRINTING(vfprintf, stream, real_vfprintf, stream, format); }
SCOPE_HOOK(int, vprintf, const char *format, va_list values) { PRINTING(vprintf, stdout, real_vprintf, format); }
SCOPE_HOOK(int, __vfprintf_chk, FILE *stream, int flag, const char *format, va_list values) {
    PRINTING(__vfprintf_chk, stream, real___vfprintf_chk, stream, flag, format);
}
SCOPE_HOOK(int, __vprintf_chk, int flag, const char *format, va_list values) { PRINTING(__vprintf_chk, stdout, real___vprintf_chk, flag, format); }

#define VARIADIC(call)            \
    va_list values;               \
    va_start(values, format);     \
    int result = call;            \
    va_end(values);               \
    return result

SCOPE_HOOK(int, printf, const char *format, ...) { VARIADIC(hook_vprintf(format, values)); }
SCOPE_HOOK(int, fprintf, FILE *stream, const char *format, ...) { VARIADIC(hook_vfprintf(stream, format, values)); }
SCOPE_HOOK(int, __printf_chk, int flag, const char *format, ...) { VARIADIC(hook___vprintf_chk(flag, format, values)); }
SCOPE_HOOK(int, __fprintf_chk, FILE *stream, int flag, const char *format, ...) { VARIADIC(hook___vfprintf_chk(stream, flag, format, values)); }

static void printed_to(int fd, scope_op op, uint64_t began, const char *format, va_list again, int count) {
    char text[FORMATTED_MAX];
    int saved = errno, length = count;
    struct scope_channel *channel = scope_channel_of(fd);
    if (count > 0 && (channel->watched || channel->kind == SCOPE_SOCKET)) length = vsnprintf(text, sizeof text, format, again);
    struct iovec part = {text, length > 0 && length < (int)sizeof text ? (size_t)length : sizeof text - 1};
    if (channel->watched && count > (int)part.iov_len) count = (int)part.iov_len;
    errno = saved;
    scope_moved_slow(&(struct scope_moved){.fd = fd, .op = op, .out = true, .began = began, .result = count, .parts = &part, .part_count = 1});
}

#define PRINTING_TO(name, real, ...)                                             \
    do {                                                                         \
        if (!scope_capturing()) return real(__VA_ARGS__, values);                \
        uint64_t began = scope_began();                                          \
        va_list again;                                                           \
        va_copy(again, values);                                                  \
        int result = real(__VA_ARGS__, values);                                  \
        printed_to(fd, SCOPE_OP(name), began, format, again, result);            \
        va_end(again);                                                           \
        return result;                                                           \
    } while (0)

SCOPE_HOOK(int, vdprintf, int fd, const char *format, va_list values) { PRINTING_TO(vdprintf, real_vdprintf, fd, format); }
SCOPE_HOOK(int, __vdprintf_chk, int fd, int flag, const char *format, va_list values) { PRINTING_TO(__vdprintf_chk, real___vdprintf_chk, fd, flag, format); }
SCOPE_HOOK(int, dprintf, int fd, const char *format, ...) { VARIADIC(hook_vdprintf(fd, format, values)); }
SCOPE_HOOK(int, __dprintf_chk, int fd, int flag, const char *format, ...) { VARIADIC(hook___vdprintf_chk(fd, flag, format, values)); }
