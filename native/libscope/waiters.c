/*
 * Calls in which a program waits. Nothing of them is recorded: a program that is about to wait for the
 * first time has a moment to spare, in which the reporter's thread is started. From then on these only
 * forward. Kept apart from capture's hooks, which are there for what the calls do.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "reporter.h"

#define WAITERS(WAITER)                                                                                              \
    WAITER(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left), true)                 \
    WAITER(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *left),   \
           (clock, flags, time, left), true)                                                                         \
    WAITER(int, usleep, (useconds_t time), (time), time > 0)                                                         \
    WAITER(unsigned, sleep, (unsigned seconds), (seconds), seconds > 0)                                              \
    WAITER(int, pause, (void), (), true)                                                                             \
    WAITER(int, poll, (struct pollfd *list, nfds_t count, int time), (list, count, time), time != 0)                 \
    WAITER(int, __poll_chk, (struct pollfd *list, nfds_t count, int time, size_t room), (list, count, time, room),   \
           time != 0)                                                                                                \
    WAITER(int, ppoll, (struct pollfd *list, nfds_t count, const struct timespec *time, const sigset_t *mask),       \
           (list, count, time, mask), !time || time->tv_sec || time->tv_nsec)                                        \
    WAITER(int, select, (int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *time),                   \
           (count, in, out, other, time), !time || time->tv_sec || time->tv_usec)                                    \
    WAITER(int, pselect,                                                                                             \
           (int count, fd_set *in, fd_set *out, fd_set *other, const struct timespec *time, const sigset_t *mask),   \
           (count, in, out, other, time, mask), !time || time->tv_sec || time->tv_nsec)                              \
    WAITER(int, epoll_wait, (int epoll, struct epoll_event *list, int count, int time), (epoll, list, count, time),  \
           time != 0)                                                                                                \
    WAITER(int, epoll_pwait, (int epoll, struct epoll_event *list, int count, int time, const sigset_t *mask),       \
           (epoll, list, count, time, mask), time != 0)                                                              \
    WAITER(int, sigsuspend, (const sigset_t *mask), (mask), true)                                                    \
    WAITER(int, sigwait, (const sigset_t *set, int *number), (set, number), true)                                    \
    WAITER(int, sigwaitinfo, (const sigset_t *set, siginfo_t *about), (set, about), true)                            \
    WAITER(int, sigtimedwait, (const sigset_t *set, siginfo_t *about, const struct timespec *time),                  \
           (set, about, time), !time || time->tv_sec || time->tv_nsec)                                               \
    WAITER(pid_t, wait, (int *status), (status), true)                                                               \
    WAITER(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), !(options & WNOHANG))      \
    WAITER(pid_t, wait4, (pid_t pid, int *status, int options, struct rusage *usage), (pid, status, options, usage), \
           !(options & WNOHANG))                                                                                     \
    WAITER(int, waitid, (idtype_t type, id_t id, siginfo_t *about, int options), (type, id, about, options),         \
           !(options & WNOHANG))                                                                                     \
    WAITER(int, pthread_join, (pthread_t thread, void **result), (thread, result), true)

/* The exported names are made by the assembler, away from libc's prototypes and their attributes. */
#define WAITER(result, name, parameters, arguments, waits)                                                           \
    static result(*next_##name) parameters;                                                                          \
    __asm__(".globl " #name "\n\t.type " #name ", %function\n\t.set " #name ", wait_" #name);                        \
    result wait_##name parameters;                                                                                   \
    result wait_##name parameters {                                                                                  \
        if (__builtin_expect(!scope_reporter_settled, 0) && (waits))                                                 \
            scope_reporter_chance(true);                                                                             \
        if (__builtin_expect(!next_##name, 0))                                                                       \
            next_##name = (result(*) parameters)dlsym(RTLD_NEXT, #name);                                             \
        return next_##name arguments;                                                                                \
    }
WAITERS(WAITER)

void scope_waiters_find(void);
/** Before any handler can need them: dlsym() may not be called in one. */
void scope_waiters_find(void) {
#define FIND(result, name, parameters, arguments, waits) next_##name = (result(*) parameters)dlsym(RTLD_NEXT, #name);
    WAITERS(FIND)
}
