/*
 * Hooks of TLS libraries: what the program reads and writes in the clear. A process may have several
 * copies of such a library, each with its own state, so the original is the one that the calling
 * object would have reached without us: found through its own dependencies, and remembered per object.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "real.h"
#include "transfer.h"

enum tls_function {
    TLS_SSL_read, TLS_SSL_write, TLS_SSL_read_ex, TLS_SSL_write_ex, TLS_SSL_get_fd,
    TLS_gnutls_record_recv, TLS_gnutls_record_send, TLS_gnutls_record_send2, TLS_gnutls_record_recv_seq, TLS_gnutls_transport_get_int2,
    TLS_FUNCTIONS
};
static const char *const names[TLS_FUNCTIONS] = {
    "SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex", "SSL_get_fd",
    "gnutls_record_recv", "gnutls_record_send", "gnutls_record_send2", "gnutls_record_recv_seq", "gnutls_transport_get_int2",
};

/** An object that calls TLS functions: where its code lies, and what it reaches. */
struct caller {
    uintptr_t begin, end;
    void *functions[TLS_FUNCTIONS];
};
#define CALLERS 32
static struct caller callers[CALLERS];
/** Entries that are complete. */
static uint32_t caller_count;
static uint32_t adding;

struct search {
    uintptr_t address;
    struct caller *found;
    const char *name;
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data) {
    struct search *search = data;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + part->p_vaddr;
        if (part->p_type != PT_LOAD || search->address - begin >= part->p_memsz) continue;
        search->found->begin = begin;
        search->found->end = begin + part->p_memsz;
        search->name = info->dlpi_name;
        return 1;
    }
    return 0;
}

/* Fills an entry. Allocates, as far as the loader does; TLS functions do so too. */
static void resolve(struct caller *caller, uintptr_t address) {
    struct search search = {.address = address, .found = caller};
    dl_iterate_phdr(look_at_object, &search);
    void *object = search.name && *search.name ? dlopen(search.name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    for (int i = 0; i < TLS_FUNCTIONS; i++) {
        void *function = object ? dlsym(object, names[i]) : NULL;
        /* The program itself, or an object that relies on others to have loaded the library. */
        if (!function) function = dlsym(RTLD_NEXT, names[i]);
        caller->functions[i] = function;
    }
    if (object) dlclose(object);
}

/* `room` is used where the table is full or being added to. */
static const struct caller *find_caller(const void *return_address, struct caller *room) {
    uintptr_t address = (uintptr_t)return_address;
    uint32_t count = __atomic_load_n(&caller_count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count; i++)
        if (address - callers[i].begin < callers[i].end - callers[i].begin) return &callers[i];

    int saved = errno;
    *room = (struct caller){0};
    scope_capture_hide();
    resolve(room, address);
    scope_capture_show();
    errno = saved;
    uint32_t idle = 0;
    if (room->end && __atomic_compare_exchange_n(&adding, &idle, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        count = caller_count;
        if (count < CALLERS) {
            callers[count] = *room;
            __atomic_store_n(&caller_count, count + 1, __ATOMIC_RELEASE);
        }
        __atomic_store_n(&adding, 0, __ATOMIC_RELEASE);
    }
    return room;
}

/* The descriptor under a TLS session, or -1: it may lie on memory, or on something of the program's own. */
static int descriptor_of(const struct caller *caller, void *tls, bool out, bool gnutls) {
    int saved = errno, fd = -1;
    if (gnutls) {
        int in_fd = -1, out_fd = -1;
        void (*get)(void *, int *, int *) = (void (*)(void *, int *, int *))caller->functions[TLS_gnutls_transport_get_int2];
        if (get) get(tls, &in_fd, &out_fd);
        fd = out ? out_fd : in_fd;
    } else {
        int (*get)(const void *) = (int (*)(const void *))caller->functions[TLS_SSL_get_fd];
        if (get) fd = get(tls);
    }
    errno = saved;
    return fd;
}

static void moved(const struct caller *caller, void *tls, bool out, bool gnutls, const void *buffer, size_t length) {
    if (!length || !scope_wants.tls || !scope_capturing()) return;
    int fd = descriptor_of(caller, tls, out, gnutls);
    if (fd < 0) return;
    int saved = errno;
    struct scope_channel *channel = scope_channel_of(fd);
    if (channel->kind == SCOPE_SOCKET && channel->content[1] != SCOPE_OPAQUE) {
        struct iovec part = {(void *)(uintptr_t)buffer, length};
        channel->content[0] = SCOPE_OPAQUE;
        scope_content_moved(channel, fd, true, out, &part, 1, length, 0);
    }
    errno = saved;
}

#define ORIGINAL(name)                                                         \
    struct caller room;                                                        \
    const struct caller *caller = find_caller(__builtin_return_address(0), &room); \
    __typeof__(real_##name) original = (__typeof__(real_##name))caller->functions[TLS_##name]; \
    if (!original) return -1

SCOPE_HOOK(int, SSL_read, void *tls, void *buffer, int count) {
    ORIGINAL(SSL_read);
    int result = original(tls, buffer, count);
    if (result > 0) moved(caller, tls, false, false, buffer, (size_t)result);
    return result;
}

SCOPE_HOOK(int, SSL_write, void *tls, const void *buffer, int count) {
    ORIGINAL(SSL_write);
    int result = original(tls, buffer, count);
    if (result > 0) moved(caller, tls, true, false, buffer, (size_t)result);
    return result;
}

SCOPE_HOOK(int, SSL_read_ex, void *tls, void *buffer, size_t count, size_t *read) {
    ORIGINAL(SSL_read_ex);
    int result = original(tls, buffer, count, read);
    if (result > 0) moved(caller, tls, false, false, buffer, *read);
    return result;
}

SCOPE_HOOK(int, SSL_write_ex, void *tls, const void *buffer, size_t count, size_t *written) {
    ORIGINAL(SSL_write_ex);
    int result = original(tls, buffer, count, written);
    if (result > 0) moved(caller, tls, true, false, buffer, *written);
    return result;
}

SCOPE_HOOK(ssize_t, gnutls_record_recv, void *tls, void *buffer, size_t count) {
    ORIGINAL(gnutls_record_recv);
    ssize_t result = original(tls, buffer, count);
    if (result > 0) moved(caller, tls, false, true, buffer, (size_t)result);
    return result;
}

SCOPE_HOOK(ssize_t, gnutls_record_recv_seq, void *tls, void *buffer, size_t count, unsigned char *sequence) {
    ORIGINAL(gnutls_record_recv_seq);
    ssize_t result = original(tls, buffer, count, sequence);
    if (result > 0) moved(caller, tls, false, true, buffer, (size_t)result);
    return result;
}

/* A send that could not go out at once is asked for again without a buffer. */
SCOPE_HOOK(ssize_t, gnutls_record_send, void *tls, const void *buffer, size_t count) {
    ORIGINAL(gnutls_record_send);
    ssize_t result = original(tls, buffer, count);
    if (result > 0 && buffer) moved(caller, tls, true, true, buffer, (size_t)result);
    return result;
}

SCOPE_HOOK(ssize_t, gnutls_record_send2, void *tls, const void *buffer, size_t count, size_t padding, unsigned flags) {
    ORIGINAL(gnutls_record_send2);
    ssize_t result = original(tls, buffer, count, padding, flags);
    if (result > 0 && buffer) moved(caller, tls, true, true, buffer, (size_t)result);
    return result;
}
