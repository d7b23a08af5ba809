/* Hooks that move bytes between memory and a descriptor, and between two descriptors. Async-signal-safe. */
#include <errno.h>

#include "io.h"
#include "real.h"

#define READ false
#define WRITE true

#define MOVING(name, out, fd, buffer, ...)                                  \
    do {                                                                    \
        if (!scope_capturing()) return real_##name(__VA_ARGS__);            \
        uint64_t began = scope_began();                                     \
        ssize_t result = real_##name(__VA_ARGS__);                          \
        scope_moved_buffer(fd, SCOPE_OP(name), out, began, result, buffer); \
        return result;                                                      \
    } while (0)

#define MOVING_PARTS(name, out, fd, parts, count, ...)                            \
    do {                                                                          \
        if (!scope_capturing()) return real_##name(__VA_ARGS__);                  \
        uint64_t began = scope_began();                                           \
        ssize_t result = real_##name(__VA_ARGS__);                                \
        scope_moved_parts(fd, SCOPE_OP(name), out, began, result, parts, count);  \
        return result;                                                            \
    } while (0)

SCOPE_HOOK(ssize_t, read, int fd, void *buffer, size_t count) { MOVING(read, READ, fd, buffer, fd, buffer, count); }
SCOPE_HOOK(ssize_t, __read_chk, int fd, void *buffer, size_t count, size_t room) { MOVING(__read_chk, READ, fd, buffer, fd, buffer, count, room); }
SCOPE_HOOK(ssize_t, pread, int fd, void *buffer, size_t count, off_t offset) { MOVING(pread, READ, fd, buffer, fd, buffer, count, offset); }
SCOPE_HOOK(ssize_t, pread64, int fd, void *buffer, size_t count, off64_t offset) { MOVING(pread64, READ, fd, buffer, fd, buffer, count, offset); }
SCOPE_HOOK(ssize_t, __pread_chk, int fd, void *buffer, size_t count, off_t offset, size_t room) {
    MOVING(__pread_chk, READ, fd, buffer, fd, buffer, count, offset, room);
}
SCOPE_HOOK(ssize_t, __pread64_chk, int fd, void *buffer, size_t count, off64_t offset, size_t room) {
    MOVING(__pread64_chk, READ, fd, buffer, fd, buffer, count, offset, room);
}
SCOPE_HOOK(ssize_t, readv, int fd, const struct iovec *parts, int count) { MOVING_PARTS(readv, READ, fd, parts, count, fd, parts, count); }
SCOPE_HOOK(ssize_t, preadv, int fd, const struct iovec *parts, int count, off_t offset) {
    MOVING_PARTS(preadv, READ, fd, parts, count, fd, parts, count, offset);
}
SCOPE_HOOK(ssize_t, preadv64, int fd, const struct iovec *parts, int count, off64_t offset) {
    MOVING_PARTS(preadv64, READ, fd, parts, count, fd, parts, count, offset);
}
SCOPE_HOOK(ssize_t, preadv2, int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    MOVING_PARTS(preadv2, READ, fd, parts, count, fd, parts, count, offset, flags);
}
SCOPE_HOOK(ssize_t, preadv64v2, int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    MOVING_PARTS(preadv64v2, READ, fd, parts, count, fd, parts, count, offset, flags);
}

SCOPE_HOOK(ssize_t, write, int fd, const void *buffer, size_t count) { MOVING(write, WRITE, fd, buffer, fd, buffer, count); }
SCOPE_HOOK(ssize_t, pwrite, int fd, const void *buffer, size_t count, off_t offset) { MOVING(pwrite, WRITE, fd, buffer, fd, buffer, count, offset); }
SCOPE_HOOK(ssize_t, pwrite64, int fd, const void *buffer, size_t count, off64_t offset) {
    MOVING(pwrite64, WRITE, fd, buffer, fd, buffer, count, offset);
}
SCOPE_HOOK(ssize_t, writev, int fd, const struct iovec *parts, int count) { MOVING_PARTS(writev, WRITE, fd, parts, count, fd, parts, count); }
SCOPE_HOOK(ssize_t, pwritev, int fd, const struct iovec *parts, int count, off_t offset) {
    MOVING_PARTS(pwritev, WRITE, fd, parts, count, fd, parts, count, offset);
}
SCOPE_HOOK(ssize_t, pwritev64, int fd, const struct iovec *parts, int count, off64_t offset) {
    MOVING_PARTS(pwritev64, WRITE, fd, parts, count, fd, parts, count, offset);
}
SCOPE_HOOK(ssize_t, pwritev2, int fd, const struct iovec *parts, int count, off_t offset, int flags) {
    MOVING_PARTS(pwritev2, WRITE, fd, parts, count, fd, parts, count, offset, flags);
}
SCOPE_HOOK(ssize_t, pwritev64v2, int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
    MOVING_PARTS(pwritev64v2, WRITE, fd, parts, count, fd, parts, count, offset, flags);
}

/* Bytes that never come to the program's memory: counted at both ends, without contents. */
#define BETWEEN(name, in, out, ...)                                                        \
    do {                                                                                   \
        if (!scope_capturing()) return real_##name(__VA_ARGS__);                           \
        uint64_t began = scope_began();                                                    \
        ssize_t result = real_##name(__VA_ARGS__);                                         \
        if (result >= 0) scope_moved_parts(in, SCOPE_OP(name), READ, began, result, NULL, 0); \
        scope_moved_parts(out, SCOPE_OP(name), WRITE, began, result, NULL, 0);             \
        return result;                                                                     \
    } while (0)

SCOPE_HOOK(ssize_t, sendfile, int out, int in, off_t *offset, size_t count) { BETWEEN(sendfile, in, out, out, in, offset, count); }
SCOPE_HOOK(ssize_t, sendfile64, int out, int in, off64_t *offset, size_t count) { BETWEEN(sendfile64, in, out, out, in, offset, count); }
SCOPE_HOOK(ssize_t, splice, int in, off64_t *in_offset, int out, off64_t *out_offset, size_t count, unsigned flags) {
    BETWEEN(splice, in, out, in, in_offset, out, out_offset, count, flags);
}
SCOPE_HOOK(ssize_t, copy_file_range, int in, off64_t *in_offset, int out, off64_t *out_offset, size_t count, unsigned flags) {
    BETWEEN(copy_file_range, in, out, in, in_offset, out, out_offset, count, flags);
}

#define SEEKING(name, type)                                                             \
    SCOPE_HOOK(type, name, int fd, type offset, int from) {                             \
        type result = real_##name(fd, offset, from);                                    \
        if (scope_capturing()) scope_asked(SCOPE_COUNT_FS_SEEK, SCOPE_OP(name), NULL, result < 0 && errno != ESPIPE); \
        return result;                                                                  \
    }
SEEKING(lseek, off_t)
SEEKING(lseek64, off64_t)
