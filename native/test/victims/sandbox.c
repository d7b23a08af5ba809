/* Sandboxes: "strict" may only read, write and exit; "filter" is killed by anything but what it does itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int filter(void) {
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog all = {sizeof program / sizeof *program, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all);
}

int main(int count, char **arguments) {
    char buffer[8];
    int is_strict = count > 1 && strcmp(arguments[1], "strict") == 0;
    int ends[2];
    if (pipe(ends)) return 1;
    if (is_strict ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) : filter()) return 2;
    for (int i = 0; i < 100; i++) {
        if (write(ends[1], "abc", 3) != 3 || read(ends[0], buffer, sizeof buffer) != 3) return 3;
        if (is_strict) continue;
        int fd = open("/dev/null", O_WRONLY);
        if (fd < 0 || write(fd, "x", 1) != 1 || close(fd)) return 4;
    }
    if (write(1, "done\n", 5) != 5) return 5;
    syscall(is_strict ? SYS_exit : SYS_exit_group, 17);
    return 6;
}
