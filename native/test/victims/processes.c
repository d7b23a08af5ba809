/* Processes: forks of all kinds, exec in all forms, and what a child's doings do to its parent. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void waited(const char *what, pid_t pid) {
    int status = 0;
    pid_t got = waitpid(pid, &status, 0);
    printf("%s: %d, exit %d, signal %d\n", what, got == pid, WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    fflush(stdout);
}

static void forks(void) {
    printf("before the fork, unflushed; ");
    pid_t pid = fork();
    if (pid == 0) {
        printf("in the child\n");
        exit(3);
    }
    waited("fork", pid);
    if ((pid = fork()) == 0) _exit(4);
    waited("_exit", pid);
    if ((pid = fork()) == 0) _Exit(5);
    waited("_Exit", pid);
    if ((pid = _Fork()) == 0) {
        int fd = open("/dev/null", O_WRONLY);
        _exit(write(fd, "x", 1) == 1 ? 6 : 60);
    }
    waited("_Fork", pid);
    if ((pid = fork()) == 0) abort();
    waited("abort", pid);
    if ((pid = fork()) == 0) raise(SIGKILL);
    waited("SIGKILL", pid);
    if ((pid = fork()) == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) exit(9);
        int status;
        waitpid(grandchild, &status, 0);
        exit(WEXITSTATUS(status) + 1);
    }
    waited("grandchild", pid);
}

static void vforks(void) {
    int ends[2];
    char text[64] = {0};
    volatile int told = 0;
    if (pipe(ends)) exit(1);
    int file = open("/dev/null", O_RDWR);
    pid_t pid = vfork();
    if (pid == 0) {
        told = 1;
        dup2(ends[1], 1);
        close(ends[0]);
        close(file);
        execl("/bin/echo", "echo", "from a vfork child", NULL);
        _exit(1);
    }
    waited("vfork", pid);
    printf("child told %d, file is open %d\n", told, write(file, "x", 1) == 1);
    printf("%zd ", read(ends[0], text, sizeof text));
    printf("%s", text);
    if ((pid = vfork()) == 0) {
        execl("/no/such/program", "x", NULL);
        _exit(errno == ENOENT ? 11 : 12);
    }
    waited("vfork without a program", pid);
    if ((pid = vfork()) == 0) _exit(13);
    waited("vfork and exit", pid);
    close(file);
}

static void execs(void) {
    const char *volatile bad = (const char *)8;
    char *const environment[] = {"ONLY=this", NULL}, *const empty[] = {NULL};
    char *const arguments[] = {"sh", "-c", "echo ${ONLY-unset} ${HOME+home}", NULL};
    pid_t pid;
    fflush(stdout);
    if ((pid = fork()) == 0) execve("/bin/sh", arguments, environment);
    waited("execve", pid);
    if ((pid = fork()) == 0) execve("/bin/sh", arguments, empty);
    waited("execve, empty environment", pid);
    if ((pid = fork()) == 0) execvpe("sh", arguments, environment);
    waited("execvpe", pid);
    if ((pid = fork()) == 0) execv("/bin/sh", arguments);
    waited("execv", pid);
    if ((pid = fork()) == 0) execlp("sh", "sh", "-c", "exit $0", "21", NULL);
    waited("execlp", pid);
    if ((pid = fork()) == 0) execle("/bin/sh", "sh", "-c", "test \"$ONLY\" = this", NULL, environment);
    waited("execle", pid);
    if ((pid = fork()) == 0) fexecve(open("/bin/sh", O_RDONLY), arguments, environment);
    waited("fexecve", pid);
    if ((pid = fork()) == 0) {
        execve(bad, arguments, environment);
        _exit(errno == EFAULT ? 22 : 23);
    }
    waited("execve, bad address", pid);
    printf("execv missing %d %d\n", execv("/no/such/program", arguments), errno == ENOENT);
    printf("spawn %d\n", posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environment));
    waited("posix_spawn", pid);
    printf("spawnp %d\n", posix_spawnp(&pid, "sh", NULL, NULL, arguments, empty));
    waited("posix_spawnp", pid);
    printf("spawn missing %d\n", posix_spawn(&pid, "/no/such/program", NULL, NULL, arguments, environment) == ENOENT);
    fflush(stdout);
    printf("system %d\n", WEXITSTATUS(system("exit 31")));
}

static void logs(void) {
    int file = open("shared.log", O_CREAT | O_WRONLY | O_APPEND, 0600);
    pid_t pid = fork();
    if (pid == 0) _exit(write(file, "from the child\n", 15) == 15 ? 41 : 42);
    waited("log", pid);
    close(file);
}

int main(void) {
    logs();
    forks();
    vforks();
    execs();
    return 0;
}
