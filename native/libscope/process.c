/* Asks the kernel and a few files about the process. Every answer may be missing: there may be no /proc, no /etc. */
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void scope_facts_name(struct scope_facts *facts, const char *program, int argc, char *const *argv) {
    snprintf(facts->proc, sizeof facts->proc, "%s", program ? program : "");
    size_t length = 0;
    for (int i = 0; i < argc && argv && argv[i] && length + 1 < sizeof facts->cmd; i++) {
        if (i > 0)
            facts->cmd[length++] = ' ';
        size_t room = sizeof facts->cmd - 1 - length, here = strnlen(argv[i], room);
        memcpy(facts->cmd + length, argv[i], here);
        length += here;
    }
    facts->cmd[length] = 0;
}

/** The text of a small file; its length, or -1. */
static ssize_t read_text(const char *path, char *text, size_t room) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    size_t length = 0;
    for (ssize_t got; length + 1 < room && (got = read(file, text + length, room - 1 - length)) > 0;)
        length += (size_t)got;
    close(file);
    text[length] = 0;
    return (ssize_t)length;
}

/** name:x:NUMBER:… in a file of such lines. */
static void find_name(const char *path, uint32_t number, char *name, size_t room) {
    *name = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    char line[1024];
    while (fgets(line, sizeof line, file)) {
        char *second = strchr(line, ':'), *third = second ? strchr(second + 1, ':') : NULL;
        if (!third || strtoul(third + 1, NULL, 10) != number || third[1] < '0' || third[1] > '9')
            continue;
        *second = 0;
        snprintf(name, room, "%s", line);
        break;
    }
    fclose(file);
}

void scope_name_of_user(uint32_t uid, char *name, size_t room) {
    find_name("/etc/passwd", uid, name, room);
}

static void make_uuid(char out[37]) {
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != (ssize_t)sizeof bytes) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t parts[2] = {(uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid(), (uint64_t)now.tv_sec};
        memcpy(bytes, parts, sizeof bytes);
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    char *at = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += sprintf(at, "%02x", bytes[i]);
    }
}

void scope_facts_find(struct scope_facts *facts) {
    facts->pid = (uint32_t)getpid();
    facts->parent_pid = (uint32_t)getppid();
    facts->uid = (uint32_t)getuid();
    facts->gid = (uint32_t)getgid();
    if (gethostname(facts->host, sizeof facts->host - 1) != 0)
        facts->host[0] = 0;
    find_name("/etc/passwd", facts->uid, facts->user, sizeof facts->user);
    find_name("/etc/group", facts->gid, facts->group, sizeof facts->group);
    if (read_text("/proc/self/cgroup", facts->cgroup, sizeof facts->cgroup) > 0) {
        /* The unified hierarchy's line, "0::/path", if there is one; else the first. */
        char *line = strstr(facts->cgroup, "0::");
        if (line && (line == facts->cgroup || line[-1] == '\n'))
            memmove(facts->cgroup, line, strlen(line) + 1);
        facts->cgroup[strcspn(facts->cgroup, "\n")] = 0;
    } else {
        facts->cgroup[0] = 0;
    }
    memset(facts->machine_id, '0', 32);
    facts->machine_id[32] = 0;
    char id[64];
    if (read_text("/etc/machine-id", id, sizeof id) >= 32 && strspn(id, "0123456789abcdef") >= 32)
        memcpy(facts->machine_id, id, 32);
    make_uuid(facts->uuid);
}

/** The number behind a name at the beginning of a line of /proc/self/status. */
static int64_t status_number(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static int64_t count_entries(const char *path) {
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    int64_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int64_t count_words(const char *text) {
    int64_t count = 0;
    for (const char *at = text; *at;) {
        at += strspn(at, " \n");
        size_t word = strcspn(at, " \n");
        count += word > 0;
        at += word;
    }
    return count;
}

void scope_process_sample_take(struct scope_process_sample *sample) {
    struct rusage usage;
    sample->cpu_us = -1;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        sample->cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    char text[8192], path[64];
    bool there = read_text("/proc/self/status", text, sizeof text) > 0;
    sample->virtual_kib = there ? status_number(text, "\nVmSize:") : -1;
    sample->resident_kib = there ? status_number(text, "\nVmRSS:") : -1;
    int64_t threads = there ? status_number(text, "\nThreads:") : -1;
    sample->threads = threads > 1 ? threads - 1 : threads; /* without ours */
    /* The directory is the main thread's table, where ours is not to be seen. */
    sample->descriptors = count_entries("/proc/self/fd");
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    sample->children = read_text(path, text, sizeof text) >= 0 ? count_words(text) : -1;
}

bool scope_process_is_over(int *status) {
    char text[1024];
    if (read_text("/proc/self/stat", text, sizeof text) <= 0)
        return false;
    /* The state is the first thread's, which stays as a zombie as long as another one lives; then 17 fields to the number of threads. */
    const char *end = strrchr(text, ')');
    char kind;
    int threads;
    const char *last = strrchr(text, ' ');
    *status = last ? (atoi(last) >> 8) & 0xff : 0;
    return end && sscanf(end + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d", &kind, &threads) == 2 &&
           kind == 'Z' && threads == 2;
}
