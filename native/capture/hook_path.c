/* Hooks that ask about files or change what is around them: stat and its kin, names, modes, lengths. */
#include <errno.h>
#include <fcntl.h>

#include "io.h"
#include "real.h"

#define ASKING_PATH(name, parameters, path, ...)                                                        \
    SCOPE_HOOK(int, name, parameters) {                                                                 \
        int result = real_##name(__VA_ARGS__);                                                          \
        if (scope_capturing()) scope_asked(SCOPE_COUNT_FS_STAT, SCOPE_OP(name), path, result != 0);     \
        return result;                                                                                  \
    }
#define P(...) __VA_ARGS__
ASKING_PATH(stat, P(const char *path, struct stat *result_), path, path, result_)
ASKING_PATH(stat64, P(const char *path, struct stat64 *result_), path, path, result_)
ASKING_PATH(lstat, P(const char *path, struct stat *result_), path, path, result_)
ASKING_PATH(lstat64, P(const char *path, struct stat64 *result_), path, path, result_)
ASKING_PATH(fstat, P(int fd, struct stat *result_), NULL, fd, result_)
ASKING_PATH(fstat64, P(int fd, struct stat64 *result_), NULL, fd, result_)
ASKING_PATH(fstatat, P(int directory, const char *path, struct stat *result_, int flags), path, directory, path, result_, flags)
ASKING_PATH(fstatat64, P(int directory, const char *path, struct stat64 *result_, int flags), path, directory, path, result_, flags)
ASKING_PATH(__xstat, P(int version, const char *path, struct stat *result_), path, version, path, result_)
ASKING_PATH(__xstat64, P(int version, const char *path, struct stat64 *result_), path, version, path, result_)
ASKING_PATH(__lxstat, P(int version, const char *path, struct stat *result_), path, version, path, result_)
ASKING_PATH(__lxstat64, P(int version, const char *path, struct stat64 *result_), path, version, path, result_)
ASKING_PATH(__fxstat, P(int version, int fd, struct stat *result_), NULL, version, fd, result_)
ASKING_PATH(__fxstat64, P(int version, int fd, struct stat64 *result_), NULL, version, fd, result_)
ASKING_PATH(__fxstatat, P(int version, int directory, const char *path, struct stat *result_, int flags), path, version, directory, path, result_, flags)
ASKING_PATH(__fxstatat64, P(int version, int directory, const char *path, struct stat64 *result_, int flags), path, version, directory, path, result_, flags)
ASKING_PATH(statx, P(int directory, const char *path, int flags, unsigned mask, struct statx *result_), path, directory, path, flags, mask, result_)
ASKING_PATH(statfs, P(const char *path, struct statfs *result_), path, path, result_)
ASKING_PATH(statfs64, P(const char *path, struct statfs64 *result_), path, path, result_)
ASKING_PATH(fstatfs, P(int fd, struct statfs *result_), NULL, fd, result_)
ASKING_PATH(fstatfs64, P(int fd, struct statfs64 *result_), NULL, fd, result_)
ASKING_PATH(statvfs, P(const char *path, struct statvfs *result_), path, path, result_)
ASKING_PATH(statvfs64, P(const char *path, struct statvfs64 *result_), path, path, result_)
ASKING_PATH(fstatvfs, P(int fd, struct statvfs *result_), NULL, fd, result_)
ASKING_PATH(fstatvfs64, P(int fd, struct statvfs64 *result_), NULL, fd, result_)
ASKING_PATH(access, P(const char *path, int mode), path, path, mode)
ASKING_PATH(faccessat, P(int directory, const char *path, int mode, int flags), path, directory, path, mode, flags)

static void changed(enum scope_kind kind, scope_op op, const char *path, const char *second, int result) {
    if (result != 0 || !scope_wants.fs_events || !scope_capturing()) return;
    int saved = errno;
    scope_record_path(kind, 0, op, 0, path, second);
    errno = saved;
}

#define CHANGING(kind, name, parameters, path, second, ...)          \
    SCOPE_HOOK(int, name, parameters) {                              \
        int result = real_##name(__VA_ARGS__);                       \
        changed(kind, SCOPE_OP(name), path, second, result);         \
        return result;                                               \
    }
CHANGING(SCOPE_FILE_DELETE, unlink, P(const char *path), path, NULL, path)
CHANGING(SCOPE_FILE_DELETE, unlinkat, P(int directory, const char *path, int flags), path, NULL, directory, path, flags)
CHANGING(SCOPE_FILE_DELETE, remove, P(const char *path), path, NULL, path)
CHANGING(SCOPE_FILE_CHANGE, rmdir, P(const char *path), path, NULL, path)
CHANGING(SCOPE_FILE_CHANGE, mkdir, P(const char *path, mode_t mode), path, NULL, path, mode)
CHANGING(SCOPE_FILE_CHANGE, mkdirat, P(int directory, const char *path, mode_t mode), path, NULL, directory, path, mode)
CHANGING(SCOPE_FILE_CHANGE, rename, P(const char *from, const char *to), from, to, from, to)
CHANGING(SCOPE_FILE_CHANGE, renameat, P(int from_directory, const char *from, int to_directory, const char *to), from, to, from_directory, from, to_directory, to)
CHANGING(SCOPE_FILE_CHANGE, renameat2, P(int from_directory, const char *from, int to_directory, const char *to, unsigned flags), from, to, from_directory, from, to_directory, to, flags)
CHANGING(SCOPE_FILE_CHANGE, link, P(const char *from, const char *to), from, to, from, to)
CHANGING(SCOPE_FILE_CHANGE, linkat, P(int from_directory, const char *from, int to_directory, const char *to, int flags), from, to, from_directory, from, to_directory, to, flags)
CHANGING(SCOPE_FILE_CHANGE, symlink, P(const char *from, const char *to), from, to, from, to)
CHANGING(SCOPE_FILE_CHANGE, symlinkat, P(const char *from, int directory, const char *to), from, to, from, directory, to)
CHANGING(SCOPE_FILE_CHANGE, chmod, P(const char *path, mode_t mode), path, NULL, path, mode)
CHANGING(SCOPE_FILE_CHANGE, fchmodat, P(int directory, const char *path, mode_t mode, int flags), path, NULL, directory, path, mode, flags)
CHANGING(SCOPE_FILE_CHANGE, chown, P(const char *path, uid_t user, gid_t group), path, NULL, path, user, group)
CHANGING(SCOPE_FILE_CHANGE, lchown, P(const char *path, uid_t user, gid_t group), path, NULL, path, user, group)
CHANGING(SCOPE_FILE_CHANGE, fchownat, P(int directory, const char *path, uid_t user, gid_t group, int flags), path, NULL, directory, path, user, group, flags)
CHANGING(SCOPE_FILE_CHANGE, truncate, P(const char *path, off_t length), path, NULL, path, length)
CHANGING(SCOPE_FILE_CHANGE, truncate64, P(const char *path, off64_t length), path, NULL, path, length)
