/* Hooks of TLS libraries: what the program reads and writes in the clear. */
#include <errno.h>

#include "real.h"
#include "tls_caller.h"
#include "tls_session.h"
#include "transfer.h"

#define READ false
#define WRITE true

static int told_by_openssl(const struct scope_tls_caller *caller, void *tls) {
    int (*get)(const void *) = (int (*)(const void *))caller->functions[SCOPE_TLS_SSL_get_fd];
    int saved = errno, fd = get ? get(tls) : -1;
    errno = saved;
    return fd;
}

/* A descriptor where the program has set no pointer of its own. */
static int told_by_gnutls(const struct scope_tls_caller *caller, void *tls, bool out) {
    void (*get)(void *, void **, void **) = (void (*)(void *, void **, void **))caller->functions[SCOPE_TLS_gnutls_transport_get_ptr2];
    void *in_pointer = NULL, *out_pointer = NULL;
    if (!get) return -1;
    get(tls, &in_pointer, &out_pointer);
    uintptr_t pointer = (uintptr_t)(out ? out_pointer : in_pointer);
    return pointer < SCOPE_FDS ? (int)pointer : -1;
}

static void moved(void *tls, bool out, int told, const void *buffer, size_t length) {
    if (!length || !scope_wants.tls || !scope_capturing()) return;
    int saved = errno, fd;
    struct scope_channel *channel = scope_tls_session(tls, scope_thread.last_socket, told, &fd);
    if (channel && channel->content[1] != SCOPE_OPAQUE) {
        struct iovec part = {(void *)(uintptr_t)buffer, length};
        channel->content[0] = SCOPE_OPAQUE;
        scope_content_moved(channel, fd, true, out, &part, 1, length, 0);
    }
    errno = saved;
}

/* A call and what lay around it. A library may come back to us with the same session: then the outer call tells. */
struct call {
    const struct scope_tls_caller *caller;
    const void *outer_session, *outer_caller;
    bool is_inner;
    struct scope_tls_caller room;
};

static void enter(struct call *call, void *tls, const void *return_address) {
    struct scope_thread *thread = &scope_thread;
    call->outer_session = thread->tls_session;
    call->outer_caller = thread->tls_caller;
    call->caller = scope_tls_caller(return_address, &call->room);
    if (call->caller->is_ours && call->outer_caller) call->caller = call->outer_caller;
    call->is_inner = call->outer_session == tls;
    thread->tls_session = tls;
    thread->tls_caller = call->caller;
    if (!call->is_inner) thread->last_socket = -1;
}

static void leave(const struct call *call) {
    scope_thread.tls_session = call->outer_session;
    scope_thread.tls_caller = call->outer_caller;
}

#define ORIGINAL(name, call) ((__typeof__(real_##name))(call).caller->functions[SCOPE_TLS_##name])

#define CALLING(type, name, out, told, bytes, ...)                                          \
    do {                                                                                    \
        struct call call;                                                                   \
        enter(&call, tls, __builtin_return_address(0));                                     \
        type result = ORIGINAL(name, call) ? ORIGINAL(name, call)(tls, __VA_ARGS__) : -1;   \
        leave(&call);                                                                       \
        if (result > 0 && buffer && !call.is_inner) moved(tls, out, told, buffer, bytes);   \
        return result;                                                                      \
    } while (0)

#define OPENSSL told_by_openssl(call.caller, tls)
#define GNUTLS(out) told_by_gnutls(call.caller, tls, out)

SCOPE_HOOK(int, SSL_read, void *tls, void *buffer, int count) { CALLING(int, SSL_read, READ, OPENSSL, (size_t)result, buffer, count); }
SCOPE_HOOK(int, SSL_write, void *tls, const void *buffer, int count) { CALLING(int, SSL_write, WRITE, OPENSSL, (size_t)result, buffer, count); }
SCOPE_HOOK(int, SSL_read_ex, void *tls, void *buffer, size_t count, size_t *read) {
    CALLING(int, SSL_read_ex, READ, OPENSSL, *read, buffer, count, read);
}
SCOPE_HOOK(int, SSL_write_ex, void *tls, const void *buffer, size_t count, size_t *written) {
    CALLING(int, SSL_write_ex, WRITE, OPENSSL, *written, buffer, count, written);
}
SCOPE_HOOK(ssize_t, gnutls_record_recv, void *tls, void *buffer, size_t count) {
    CALLING(ssize_t, gnutls_record_recv, READ, GNUTLS(READ), (size_t)result, buffer, count);
}
SCOPE_HOOK(ssize_t, gnutls_record_recv_seq, void *tls, void *buffer, size_t count, unsigned char *sequence) {
    CALLING(ssize_t, gnutls_record_recv_seq, READ, GNUTLS(READ), (size_t)result, buffer, count, sequence);
}
/* A send that could not go out at once is asked for again without a buffer. */
SCOPE_HOOK(ssize_t, gnutls_record_send, void *tls, const void *buffer, size_t count) {
    CALLING(ssize_t, gnutls_record_send, WRITE, GNUTLS(WRITE), (size_t)result, buffer, count);
}
SCOPE_HOOK(ssize_t, gnutls_record_send2, void *tls, const void *buffer, size_t count, size_t padding, unsigned flags) {
    CALLING(ssize_t, gnutls_record_send2, WRITE, GNUTLS(WRITE), (size_t)result, buffer, count, padding, flags);
}

#define FREEING(name)                                              \
    SCOPE_HOOK(void, name, void *tls) {                            \
        struct call call;                                          \
        enter(&call, tls, __builtin_return_address(0));            \
        if (tls) scope_tls_session_end(tls);                       \
        if (ORIGINAL(name, call)) ORIGINAL(name, call)(tls);       \
        leave(&call);                                              \
    }
FREEING(SSL_free)
FREEING(gnutls_deinit)
