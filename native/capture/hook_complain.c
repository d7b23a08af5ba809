/*
 * Hooks of the functions that complain on stderr by themselves: perror, error, warn, err. What they
 * write passes no other hook, so their text is put together here as they do it. Some of them end the
 * process: the text is recorded before they run. They may allocate and lock as their originals do.
 */
#include <errno.h>
#include <error.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define COMPLAINT_MAX 2048

/* Adds to a text that ends at `room` whatever comes. */
static size_t put(char *text, size_t room, size_t at, const char *format, const char *value) {
    int length = snprintf(text + at, room - at, format, value);
    if (length < 0) return at;
    return at + (size_t)length < room ? at + (size_t)length : room - 1;
}

/* `who: message: reason` and a newline; who and reason may be missing. */
static void complain(scope_op op, const char *who, const char *format, va_list *values, int number) {
    struct scope_stream_write write;
    int saved = errno;
    if (!scope_stream_before(&write, stderr) || !scope_stream_watched(&write)) return;
    char text[COMPLAINT_MAX], name[128];
    size_t at = 0;
    if (who) at = put(text, sizeof text, at, "%s: ", who);
    if (format) {
        int length = vsnprintf(text + at, sizeof text - at, format, *values);
        if (length > 0) at = at + (size_t)length < sizeof text ? at + (size_t)length : sizeof text - 1;
    }
    if (number) at = put(text, sizeof text, at, at && format ? ": %s" : "%s", strerror_r(number, name, sizeof name));
    if (at > sizeof text - 2) at = sizeof text - 2;
    text[at++] = '\n';
    scope_stream_after(&write, op, (ssize_t)at, text);
    errno = saved;
}

SCOPE_HOOK(void, perror, const char *text) {
    complain(SCOPE_OP(perror), text && *text ? text : NULL, NULL, NULL, errno);
    real_perror(text);
}

#define SHOWN(op, who, number)                       \
    do {                                             \
        va_list shown;                               \
        va_copy(shown, values);                      \
        complain(op, who, format, &shown, number);   \
        va_end(shown);                               \
    } while (0)

SCOPE_HOOK(void, vwarn, const char *format, va_list values) {
    SHOWN(SCOPE_OP(vwarn), program_invocation_short_name, errno);
    real_vwarn(format, values);
}
SCOPE_HOOK(void, vwarnx, const char *format, va_list values) {
    SHOWN(SCOPE_OP(vwarnx), program_invocation_short_name, 0);
    real_vwarnx(format, values);
}
SCOPE_HOOK(void, verr, int status, const char *format, va_list values) {
    SHOWN(SCOPE_OP(verr), program_invocation_short_name, errno);
    real_verr(status, format, values);
}
SCOPE_HOOK(void, verrx, int status, const char *format, va_list values) {
    SHOWN(SCOPE_OP(verrx), program_invocation_short_name, 0);
    real_verrx(status, format, values);
}

#define VARIADIC(call)        \
    va_list values;           \
    va_start(values, format); \
    call;                     \
    va_end(values)

SCOPE_HOOK(void, warn, const char *format, ...) { VARIADIC(hook_vwarn(format, values)); }
SCOPE_HOOK(void, warnx, const char *format, ...) { VARIADIC(hook_vwarnx(format, values)); }
SCOPE_HOOK(void, err, int status, const char *format, ...) { VARIADIC(hook_verr(status, format, values)); }
SCOPE_HOOK(void, errx, int status, const char *format, ...) { VARIADIC(hook_verrx(status, format, values)); }

/* There is no form of error() that takes a list: it is given the finished text, or as much as fits. */
SCOPE_HOOK(void, error, int status, int number, const char *format, ...) {
    char text[COMPLAINT_MAX];
    char *longer = NULL;
    const char *message = text;
    int saved = errno;
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(text, sizeof text, format, values);
    if (length >= (int)sizeof text && vasprintf(&longer, format, again) >= 0) message = longer;
    va_end(again);
    va_end(values);
    scope_stream_catch_up(stdout); /* error() flushes it */
    if (!error_print_progname) {
        va_start(values, format);
        complain(SCOPE_OP(error), program_invocation_name, format, &values, number);
        va_end(values);
    }
    errno = saved;
    real_error(status, number, "%s", message);
    free(longer);
}
