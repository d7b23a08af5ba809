/* Keeps the library's descriptors and the program's apart; see descriptor.h for how. */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLOSE_RANGE_UNSHARE_FLAG 2u
#define KEPT_MOST 8
#define HIGH_FROM 1000

/** Only used while the table is shared with the program. */
static struct {
    atomic_int number; /* fd + 1, 0: free */
    dev_t device;
    ino_t inode;
} kept[KEPT_MOST];
static atomic_bool separate;

void scope_descriptor_separate(bool keep_output) {
    /* The range reaches the end, so the kernel copies only what lies before it: nothing of the program's is held open. */
    unsigned first = keep_output ? 3 : 0;
    bool done = syscall(SYS_close_range, first, ~0u, CLOSE_RANGE_UNSHARE_FLAG) == 0;
    atomic_store(&separate, done);
    if (!done)
        return;
    /* What libc would write to stderr must not end up in a receiver's stream. */
    if (keep_output)
        syscall(SYS_close, 0);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = nothing; fd >= 0 && fd < 2 && !keep_output;)
        fd = dup(nothing);
}

void scope_descriptor_forget(void) {
    bool was_separate = atomic_exchange(&separate, false);
    for (int i = 0; i < KEPT_MOST; i++) {
        int number = atomic_exchange(&kept[i].number, 0);
        if (number > 0 && !was_separate)
            syscall(SYS_close, number - 1);
    }
}

int scope_descriptor_keep(int fd) {
    if (fd < 0 || atomic_load(&separate))
        return fd;
    struct rlimit limit;
    int from = HIGH_FROM;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < HIGH_FROM + 64)
        from = limit.rlim_cur > 64 ? (int)limit.rlim_cur - 16 : (int)limit.rlim_cur / 2;
    int high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, from);
    if (high >= 0) {
        syscall(SYS_close, fd);
        fd = high;
    }
    struct stat about;
    for (int i = 0; i < KEPT_MOST && fstat(fd, &about) == 0; i++)
        if (atomic_load(&kept[i].number) == 0) {
            kept[i].device = about.st_dev;
            kept[i].inode = about.st_ino;
            atomic_store(&kept[i].number, fd + 1);
            return fd;
        }
    syscall(SYS_close, fd);
    errno = EMFILE;
    return -1;
}

bool scope_descriptor_ours(int fd) {
    if (fd < 0 || atomic_load(&separate))
        return fd >= 0;
    for (int i = 0; i < KEPT_MOST; i++)
        if (atomic_load(&kept[i].number) == fd + 1) {
            struct stat about;
            if (fstat(fd, &about) == 0 && about.st_dev == kept[i].device && about.st_ino == kept[i].inode)
                return true;
            atomic_store(&kept[i].number, 0);
            return false;
        }
    return false;
}

void scope_descriptor_close(int fd) {
    if (!scope_descriptor_ours(fd))
        return;
    for (int i = 0; i < KEPT_MOST; i++)
        if (atomic_load(&kept[i].number) == fd + 1)
            atomic_store(&kept[i].number, 0);
    syscall(SYS_close, fd);
}

bool scope_descriptor_is_own(int fd) {
    if (fd < 0 || atomic_load(&separate))
        return false;
    for (int i = 0; i < KEPT_MOST; i++)
        if (atomic_load(&kept[i].number) == fd + 1)
            return true;
    return false;
}
