/* Hooks that open, close, flush, move and read streams. They may allocate and lock as their originals do. */
#include "hook_stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "stream.h"

static int flags_of(const char *mode) {
    int flags = strchr(mode, '+') ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
    if (*mode == 'w') flags |= O_CREAT | O_TRUNC;
    if (*mode == 'a') flags |= O_CREAT | O_APPEND;
    return flags;
}

#define OPENING(name)                                                                                                  \
    SCOPE_HOOK(FILE *, name, const char *path, const char *mode) {                                                     \
        FILE *stream = real_##name(path, mode);                                                                        \
        if (scope_capturing()) scope_opened(SCOPE_OP(name), stream ? fileno(stream) : -1, path, flags_of(mode), 0666); \
        return stream;                                                                                                 \
    }
OPENING(fopen)
OPENING(fopen64)

/* Without a path only the mode of what is open changes. */
#define REOPENING(name)                                                                                    \
    SCOPE_HOOK(FILE *, name, const char *path, const char *mode, FILE *stream) {                           \
        if (!path || !scope_capturing()) return real_##name(path, mode, stream);                           \
        scope_stream_catch_up(stream);                                                                     \
        int fd = stream->_fileno;                                                                          \
        struct scope_channel *old = scope_closing(fd);                                                     \
        FILE *result = real_##name(path, mode, stream);                                                    \
        int saved = errno;                                                                                 \
        if (old) scope_closed(old, fd, SCOPE_OP(name), 0);                                                 \
        errno = saved;                                                                                     \
        scope_opened(SCOPE_OP(name), result ? fileno(result) : -1, path, flags_of(mode), 0666);            \
        return result;                                                                                     \
    }
REOPENING(freopen)
REOPENING(freopen64)

SCOPE_HOOK(int, fclose, FILE *stream) {
    if (!stream || !scope_capturing()) return real_fclose(stream);
    scope_stream_catch_up(stream);
    int fd = stream->_fileno;
    struct scope_channel *channel = scope_closing(fd);
    int result = real_fclose(stream);
    if (channel) {
        channel->buffered_stream = NULL;
        scope_closed(channel, fd, SCOPE_OP(fclose), result ? errno : 0);
    }
    return result;
}

SCOPE_HOOK(int, fcloseall, void) {
    scope_stream_catch_up(NULL);
    return real_fcloseall();
}

SCOPE_HOOK(int, fflush, FILE *stream) {
    scope_stream_catch_up(stream);
    return real_fflush(stream);
}

SCOPE_HOOK(int, fflush_unlocked, FILE *stream) {
    scope_stream_catch_up(stream);
    return real_fflush_unlocked(stream);
}

static void sought(scope_op op, const FILE *stream, bool failed) {
    if (stream->_fileno > 2 && scope_capturing()) scope_asked(SCOPE_COUNT_FS_SEEK, op, NULL, failed);
}

#define SEEKING(type, name, arguments, ...)              \
    SCOPE_HOOK(type, name, __VA_ARGS__) {                \
        scope_stream_catch_up(stream);                   \
        type result = real_##name arguments;             \
        sought(SCOPE_OP(name), stream, result < 0);      \
        return result;                                   \
    }
SEEKING(int, fseek, (stream, offset, from), FILE *stream, long offset, int from)
SEEKING(int, fseeko, (stream, offset, from), FILE *stream, off_t offset, int from)
SEEKING(int, fseeko64, (stream, offset, from), FILE *stream, off64_t offset, int from)
SEEKING(int, fsetpos, (stream, position), FILE *stream, const fpos_t *position)
SEEKING(int, fsetpos64, (stream, position), FILE *stream, const fpos64_t *position)

#define TELLING(type, name, arguments, ...)              \
    SCOPE_HOOK(type, name, __VA_ARGS__) {                \
        type result = real_##name arguments;             \
        sought(SCOPE_OP(name), stream, result < 0);      \
        return result;                                   \
    }
TELLING(long, ftell, (stream), FILE *stream)
TELLING(off_t, ftello, (stream), FILE *stream)
TELLING(off64_t, ftello64, (stream), FILE *stream)
TELLING(int, fgetpos, (stream, position), FILE *stream, fpos_t *position)
TELLING(int, fgetpos64, (stream, position), FILE *stream, fpos64_t *position)

SCOPE_HOOK(void, rewind, FILE *stream) {
    scope_stream_catch_up(stream);
    real_rewind(stream);
    sought(SCOPE_OP(rewind), stream, false);
}

/* A read that gave nothing is the end of the file unless the stream says otherwise. */
static void got(FILE *stream, scope_op op, uint64_t began, size_t bytes, const void *buffer) {
    ssize_t result = bytes || !ferror_unlocked(stream) ? (ssize_t)bytes : -1;
    scope_moved_buffer(stream->_fileno, op, false, began, result, buffer);
}

#define READING(type, name, arguments, bytes, buffer, ...)                 \
    SCOPE_HOOK(type, name, __VA_ARGS__) {                                  \
        if (!scope_capturing()) return real_##name arguments;              \
        uint64_t began = scope_began();                                    \
        type result = real_##name arguments;                               \
        got(stream, SCOPE_OP(name), began, (size_t)(bytes), buffer);       \
        return result;                                                     \
    }
READING(size_t, fread, (buffer, size, count, stream), result * size, buffer, void *buffer, size_t size, size_t count, FILE *stream)
READING(size_t, fread_unlocked, (buffer, size, count, stream), result * size, buffer, void *buffer, size_t size, size_t count, FILE *stream)
READING(size_t, __fread_chk, (buffer, room, size, count, stream), result * size, buffer, void *buffer, size_t room, size_t size, size_t count, FILE *stream)
READING(size_t, __fread_unlocked_chk, (buffer, room, size, count, stream), result * size, buffer, void *buffer, size_t room, size_t size, size_t count, FILE *stream)
READING(char *, fgets, (buffer, size, stream), result ? strlen(result) : 0, buffer, char *buffer, int size, FILE *stream)
READING(char *, fgets_unlocked, (buffer, size, stream), result ? strlen(result) : 0, buffer, char *buffer, int size, FILE *stream)
READING(char *, __fgets_chk, (buffer, room, size, stream), result ? strlen(result) : 0, buffer, char *buffer, size_t room, int size, FILE *stream)
READING(char *, __fgets_unlocked_chk, (buffer, room, size, stream), result ? strlen(result) : 0, buffer, char *buffer, size_t room, int size, FILE *stream)
READING(ssize_t, getline, (line, room, stream), result > 0 ? result : 0, *line, char **line, size_t *room, FILE *stream)
READING(ssize_t, getdelim, (line, room, delimiter, stream), result > 0 ? result : 0, *line, char **line, size_t *room, int delimiter, FILE *stream)
READING(ssize_t, __getdelim, (line, room, delimiter, stream), result > 0 ? result : 0, *line, char **line, size_t *room, int delimiter, FILE *stream)

static const char *byte_of(int character) {
    static const char zero = 0;
    (void)character;
    return &zero;
}

/* Wide characters are counted by what they take in the file only roughly: one byte each. */
READING(int, fgetc, (stream), result != EOF, byte_of(result), FILE *stream)
READING(int, getc, (stream), result != EOF, byte_of(result), FILE *stream)
READING(int, _IO_getc, (stream), result != EOF, byte_of(result), FILE *stream)
READING(wint_t, fgetwc, (stream), result != WEOF, byte_of(0), FILE *stream)
READING(wchar_t *, fgetws, (buffer, size, stream), result ? wcslen(result) : 0, NULL, wchar_t *buffer, int size, FILE *stream)
READING(wchar_t *, __fgetws_chk, (buffer, room, size, stream), result ? wcslen(result) : 0, NULL, wchar_t *buffer, size_t room, int size, FILE *stream)
