/* Hooks of name look-ups, timed. A numeric address or no name at all is no look-up. They allocate and lock as their originals do. */
#include <arpa/inet.h>
#include <errno.h>

#include "real.h"
#include "record.h"

static bool is_question(const char *name, const struct addrinfo *hints) {
    unsigned char address[16];
    if (!name || !*name || !scope_capturing()) return false;
    if (hints && hints->ai_flags & AI_NUMERICHOST) return false;
    return inet_pton(AF_INET, name, address) != 1 && inet_pton(AF_INET6, name, address) != 1;
}

static uint64_t asked(const char *name) {
    int saved = errno;
    if (scope_wants.dns_events) scope_record_dns(SCOPE_DNS_REQUEST, name, 0, 0);
    errno = saved;
    return scope_now();
}

static void answered(const char *name, uint64_t began, int error) {
    int saved = errno;
    uint64_t took = scope_now() - began;
    if (!scope_capturing()) return;
    scope_count(SCOPE_COUNT_DNS_REQ, 1);
    scope_count(SCOPE_COUNT_DNS_NS, took);
    if (error) scope_count(SCOPE_COUNT_NET_ERROR_DNS, 1);
    if (scope_wants.dns_events) scope_record_dns(SCOPE_DNS_RESPONSE, name, took, error);
    errno = saved;
}

#define LOOKING_UP(type, name_of, name, hints, error, arguments, ...)   \
    SCOPE_HOOK(type, name_of, __VA_ARGS__) {                            \
        if (!is_question(name, hints)) return real_##name_of arguments; \
        uint64_t began = asked(name);                                   \
        type found = real_##name_of arguments;                          \
        answered(name, began, error);                                   \
        return found;                                                   \
    }
LOOKING_UP(int, getaddrinfo, name, hints, found, (name, service, hints, result),
           const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
LOOKING_UP(struct hostent *, gethostbyname, name, NULL, found ? 0 : h_errno, (name), const char *name)
LOOKING_UP(struct hostent *, gethostbyname2, name, NULL, found ? 0 : h_errno, (name, family), const char *name, int family)
LOOKING_UP(int, gethostbyname_r, name, NULL, *result ? 0 : *error, (name, entry, buffer, room, result, error),
           const char *name, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error)
LOOKING_UP(int, gethostbyname2_r, name, NULL, *result ? 0 : *error, (name, family, entry, buffer, room, result, error),
           const char *name, int family, struct hostent *entry, char *buffer, size_t room, struct hostent **result, int *error)
