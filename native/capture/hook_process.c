/*
 * Hooks of a process's turning points: exec, spawn, exit, and the sandboxes that it enters. The
 * environment that a new program gets is the library's to decide (struct scope_lifecycle); without it
 * everything is passed on as it is. Usable in a vfork child: nothing here allocates or locks.
 */
#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "hook_stdio.h"
#include "io.h"
#include "real.h"

/* Shows the environment of an exec to the library, which may give another. */
static char *const *ask_environment(char *const environment[], bool goes_on) {
    const struct scope_lifecycle *lifecycle = scope_lifecycle;
    char *const *result = environment;
    if (!lifecycle || !lifecycle->before_exec) return environment;
    int saved = errno;
    scope_capture_hide();
    (goes_on && lifecycle->before_spawn ? lifecycle->before_spawn : lifecycle->before_exec)(environment, &result);
    scope_capture_show();
    errno = saved;
    return result;
}

static char *const *environment_for(char *const environment[]) {
    return ask_environment(environment, false);
}

static int failed(int result) {
    const struct scope_lifecycle *lifecycle = scope_lifecycle;
    if (!lifecycle || !lifecycle->exec_failed) return result;
    int saved = errno;
    scope_capture_hide();
    lifecycle->exec_failed();
    scope_capture_show();
    errno = saved;
    return result;
}

/* What the program has written to its streams and not flushed is lost in an exec: it is not recorded. */
static void executing(const char *path) {
    if (!path || !scope_capturing()) return;
    int saved = errno;
    scope_record_process(SCOPE_PROCESS_EXEC, 0, path);
    errno = saved;
}

/* A path that the kernel might not be able to read must not be read here: it is checked the way the kernel would. */
static const char *readable(const char *path) {
    return path && real_access(path, F_OK) != 0 && errno == EFAULT ? NULL : path;
}

static int execute(const char *path, char *const arguments[], char *const environment[]) {
    int saved = errno;
    const char *shown = scope_sandboxed ? NULL : readable(path);
    errno = saved;
    executing(shown);
    return failed(real_execve(path, arguments, environment_for(environment)));
}

static int execute_found(const char *file, char *const arguments[], char *const environment[]) {
    executing(file);
    return failed(real_execvpe(file, arguments, environment_for(environment)));
}

SCOPE_HOOK(int, execve, const char *path, char *const arguments[], char *const environment[]) { return execute(path, arguments, environment); }
SCOPE_HOOK(int, execv, const char *path, char *const arguments[]) { return execute(path, arguments, environ); }
SCOPE_HOOK(int, execvp, const char *file, char *const arguments[]) { return execute_found(file, arguments, environ); }
SCOPE_HOOK(int, execvpe, const char *file, char *const arguments[], char *const environment[]) {
    return execute_found(file, arguments, environment);
}
SCOPE_HOOK(int, fexecve, int fd, char *const arguments[], char *const environment[]) {
    return failed(real_fexecve(fd, arguments, environment_for(environment)));
}
SCOPE_HOOK(int, execveat, int directory, const char *path, char *const arguments[], char *const environment[], int flags) {
    return failed(real_execveat(directory, path, arguments, environment_for(environment), flags));
}

/* The arguments of execl and its kin, as an array on the caller's stack; `list` ends behind their NULL. */
#define LISTED(array, first, list)                                            \
    size_t count = 1;                                                         \
    va_list counted;                                                          \
    va_copy(counted, list);                                                   \
    if (first) while (va_arg(counted, char *)) count++;                       \
    va_end(counted);                                                          \
    char **array = alloca((count + 1) * sizeof *array);                       \
    array[0] = (char *)(uintptr_t)(first);                                    \
    for (size_t i = 1; i <= count && array[i - 1]; i++) array[i] = va_arg(list, char *)

SCOPE_HOOK(int, execl, const char *path, const char *argument, ...) {
    va_list list;
    va_start(list, argument);
    LISTED(arguments, argument, list);
    va_end(list);
    return execute(path, arguments, environ);
}

SCOPE_HOOK(int, execlp, const char *file, const char *argument, ...) {
    va_list list;
    va_start(list, argument);
    LISTED(arguments, argument, list);
    va_end(list);
    return execute_found(file, arguments, environ);
}

SCOPE_HOOK(int, execle, const char *path, const char *argument, ...) {
    va_list list;
    va_start(list, argument);
    LISTED(arguments, argument, list);
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return execute(path, arguments, environment);
}

#define SPAWNING(name)                                                                                                  \
    SCOPE_HOOK(int, name, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                      \
               const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {               \
        int result = real_##name(pid, path, actions, attributes, arguments, ask_environment(environment, true));        \
        failed(0); /* this process goes on, whatever became of the other */                                             \
        return result;                                                                                                  \
    }
SPAWNING(posix_spawn)
SPAWNING(posix_spawnp)

SCOPE_HOOK(pid_t, _Fork, void) {
    pid_t pid = real__Fork();
    if (pid == 0) scope_forked();
    return pid;
}

/* No library destructor runs after these. Text in streams is lost with them, so it is not recorded. */
static void ending(void) {
    const struct scope_lifecycle *lifecycle = scope_lifecycle;
    if (!lifecycle || !lifecycle->before_exit || scope_thread.hidden) return;
    scope_capture_hide();
    lifecycle->before_exit();
    scope_capture_show();
}

#define ENDING(name)                      \
    SCOPE_HOOK(void, name, int status) {  \
        ending();                         \
        real_##name(status);              \
        __builtin_unreachable();          \
    }
ENDING(_exit)
ENDING(_Exit)
ENDING(quick_exit)

/*
 * Before it is put on, since after it we may not do what finding out would need. A thread in strict mode
 * may not even read the clock, nor may one that has asked for signals when the time stamp counter is
 * read: nothing of it is recorded from then on.
 */
static void sandboxing(bool strict) {
    const struct scope_lifecycle *lifecycle = scope_lifecycle;
    if (lifecycle && lifecycle->before_sandbox && !scope_sandboxed && !scope_thread.hidden) {
        scope_capture_hide();
        lifecycle->before_sandbox();
        scope_capture_show();
    }
    scope_sandboxed = true;
    if (strict) scope_capture_hide();
}

bool scope_capture_sandboxed(void) {
    return scope_sandboxed;
}

static void sandboxed(bool strict, bool refused) {
    if (strict && refused) scope_capture_show();
}

SCOPE_HOOK(int, prctl, int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    bool strict = (option == PR_SET_SECCOMP && a == SECCOMP_MODE_STRICT) || (option == PR_SET_TSC && a == PR_TSC_SIGSEGV);
    if (option == PR_SET_SECCOMP || strict) sandboxing(strict);
    int result = real_prctl(option, a, b, c, d);
    sandboxed(strict, result != 0);
    return result;
}

/* The few system calls that programs make past libc and that change what a descriptor is. */
SCOPE_HOOK(long, syscall, long number, long a, long b, long c, long d, long e, long f) {
    if (number == SYS_seccomp) {
        bool strict = a == SECCOMP_SET_MODE_STRICT;
        sandboxing(strict);
        long result = real_syscall(number, a, b, c, d, e, f);
        sandboxed(strict, result != 0);
        return result;
    }
    if (number == SYS_close && scope_capturing()) {
        if (scope_is_own((int)a)) {
            errno = EBADF;
            return -1;
        }
        struct scope_channel *channel = scope_closing((int)a);
        long result = real_syscall(number, a, b, c, d, e, f);
        if (channel) scope_closed(channel, (int)a, SCOPE_OP(syscall), 0);
        return result;
    }
    return real_syscall(number, a, b, c, d, e, f);
}
