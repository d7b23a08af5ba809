/*
 * Lines for the library's own log, kept in a small buffer until the reporter has time to write them.
 * A file that belongs to someone else, or a link, is never written to: the log's usual place is /tmp.
 */
#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "descriptor.h"

#define WAITING_MOST 8192u

static char waiting[WAITING_MOST];
static size_t length;
static uint32_t level_kept = SCOPE_LOG_NONE;
static const struct scope_destination *to;
static int file = -1;

void scope_log_open(const struct scope_configuration *in) {
    level_kept = in->log_level;
    to = &in->log;
}

void scope_log_forget(void) {
    length = 0;
    file = -1;
}

void scope_log(enum scope_log_level level, const char *format, ...) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if ((uint32_t)level < level_kept || level >= SCOPE_LOG_NONE)
        return;
    struct timespec now;
    struct tm date;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    char line[1024];
    int head = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ scope[%d] %s: ", date.tm_year + 1900,
                        date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec, now.tv_nsec / 1000000,
                        (int)getpid(), names[level]);
    va_list arguments;
    va_start(arguments, format);
    int body = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, arguments);
    va_end(arguments);
    if (body < 0)
        return;
    size_t whole = strnlen(line, sizeof line - 2);
    line[whole++] = '\n';
    if (length + whole > sizeof waiting)
        return;
    memcpy(waiting + length, line, whole);
    length += whole;
}

static int open_log(const char *path) {
    int opened = scope_descriptor_keep(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
    struct stat about;
    if (opened >= 0 && (fstat(opened, &about) != 0 || !S_ISREG(about.st_mode) || about.st_uid != geteuid())) {
        scope_descriptor_close(opened);
        return -1;
    }
    return opened;
}

void scope_log_write(void) {
    if (length == 0 || !to)
        return;
    if (to->type == SCOPE_TO_FILE && *to->path) {
        if (!scope_descriptor_ours(file))
            file = open_log(to->path);
        if (file >= 0 && write(file, waiting, length) < 0)
            file = -1;
    }
    length = 0;
}
