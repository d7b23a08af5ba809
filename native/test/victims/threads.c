/* Threads and signals: interrupted calls, cancelled ones, jumps out of handlers, many writers at once. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static int ends[2];
static sigjmp_buf back;
static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    int saved = errno;
    signals++;
    if (write(2, "", 0) != 0) _exit(1);
    errno = saved;
}

static void jump(int number) {
    (void)number;
    siglongjmp(back, 1);
}

static void handle(int number, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

static void alarm_in(int milliseconds, int every) {
    struct itimerval timer = {.it_value.tv_usec = milliseconds * 1000, .it_interval.tv_usec = every * 1000};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void interrupted(void) {
    char byte;
    handle(SIGALRM, count_signal, 0);
    alarm_in(20, 0);
    ssize_t result = read(ends[0], &byte, 1);
    printf("interrupted %zd %d\n", result, errno == EINTR);
    handle(SIGALRM, jump, 0);
    if (sigsetjmp(back, 1) == 0) {
        alarm_in(20, 0);
        result = read(ends[0], &byte, 1);
        printf("not reached\n");
    }
    printf("jumped out\n");
}

static void *blocked(void *unused) {
    char byte;
    while (read(ends[0], &byte, 1) >= 0) continue;
    return unused;
}

static void cancelled(void) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, blocked, NULL);
    usleep(20000);
    printf("cancel %d\n", pthread_cancel(thread));
    pthread_join(thread, &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
}

static void *busy(void *number) {
    char path[64], buffer[64];
    long wrong = 0;
    snprintf(path, sizeof path, "thread-%ld.txt", (long)number);
    for (int i = 0; i < 400; i++) {
        int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
        if (write(fd, "something", 9) != 9) wrong++;
        if (pread(fd, buffer, sizeof buffer, 0) != 9) wrong++;
        int copy = dup(fd);
        close(fd);
        if (lseek(copy, 0, SEEK_END) != 9) wrong++;
        if (close(copy)) wrong++;
        FILE *stream = fopen(path, "a");
        fprintf(stream, "%d and more\n", i);
        if (fclose(stream)) wrong++;
    }
    unlink(path);
    return (void *)wrong;
}

/* Jumps out of whatever a write is doing, some times, and then writes what must be seen. */
static void jumped_about(void) {
    static volatile int jumps;
    static volatile long written;
    int fd = open("/dev/null", O_WRONLY);
    handle(SIGALRM, jump, 0);
    struct itimerval often = {{0, 50}, {0, 50}};
    setitimer(ITIMER_REAL, &often, NULL);
    if (sigsetjmp(back, 1)) jumps++;
    while (jumps < 20) {
        int made = open("/dev/null", O_WRONLY);
        written += write(fd, "x", 1);
        close(made);
    }
    alarm_in(0, 0);
    for (int i = 3; i < 200; i++) if (i != ends[0] && i != ends[1]) close(i);
    fd = open("jumped.txt", O_CREAT | O_WRONLY, 0600);
    printf("after the jumps %d\n", write(fd, "x", 1) == 1);
    close(fd);
}

int main(void) {
    if (pipe(ends)) return 1;
    puts("before there are threads");
    jumped_about();
    interrupted();
    cancelled();
    handle(SIGALRM, count_signal, SA_RESTART);
    alarm_in(1, 1);
    pthread_t threads[24];
    long wrong = 0;
    for (long i = 0; i < 24; i++) pthread_create(&threads[i], NULL, busy, (void *)i);
    for (int i = 0; i < 24; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += (long)result;
    }
    alarm_in(0, 0);
    printf("%ld wrong, signals came %d\n", wrong, signals > 0);
    for (int round = 0; round < 300; round++) {
        pthread_t thread;
        pthread_create(&thread, NULL, blocked, NULL);
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    printf("threads come and go\n");
    printf("errno %d\n", errno == 0 || errno == EINTR);
    return 0;
}
