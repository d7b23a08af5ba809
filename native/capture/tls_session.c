/*
 * Which socket lies under a TLS session. The library often does not know: programs give it functions of
 * their own to move bytes with. But those end in our hooks, within the call, so what was seen once is
 * remembered for calls that only take from a buffer.
 */
#include "tls_session.h"

#define SESSIONS 1024u
#define NEIGHBOURS 8u

struct session {
    void *key;
    /** The channel that was seen under it, by descriptor and id: descriptors are given out again. */
    int fd;
    uint64_t id;
    /** Where no socket was ever seen: a channel of its own. */
    struct scope_channel *own;
};
static struct session sessions[SESSIONS];

static struct session *find(void *key, bool add) {
    uint64_t start = ((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u >> 40;
    for (uint32_t i = 0; i < NEIGHBOURS; i++) {
        struct session *session = &sessions[(start + i) % SESSIONS];
        void *there = __atomic_load_n(&session->key, __ATOMIC_ACQUIRE);
        if (there == key) return session;
        if (there || !add) continue;
        if (!__atomic_compare_exchange_n(&session->key, &there, key, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) continue;
        session->fd = -1;
        session->own = NULL;
        return session;
    }
    return NULL;
}

static struct scope_channel *socket_at(int fd) {
    struct scope_channel *channel = fd >= 0 ? scope_channel_of(fd) : NULL;
    return channel && channel->kind == SCOPE_SOCKET ? channel : NULL;
}

struct scope_channel *scope_tls_session(void *session_key, int seen, int told, int *fd) {
    struct scope_channel *channel = socket_at(seen);
    struct session *session;
    *fd = seen;
    if (channel) {
        if ((session = find(session_key, true))) session->fd = seen, session->id = channel->id;
        return channel;
    }
    session = find(session_key, false);
    if (session && (channel = socket_at(session->fd)) && channel->id == session->id) {
        *fd = session->fd;
        return channel;
    }
    *fd = told;
    if ((channel = socket_at(told))) return channel;
    *fd = -1;
    if (!session && !(session = find(session_key, true))) return NULL;
    if (!session->own) {
        channel = scope_channel_new(SCOPE_SOCKET);
        session->own = channel == &scope_other ? NULL : channel;
    }
    return session->own;
}

void scope_tls_session_end(void *session_key) {
    struct session *session = find(session_key, false);
    if (!session) return;
    if (session->own) scope_channel_free(session->own);
    session->own = NULL;
    session->fd = -1;
    /* A hole in the neighbourhood does no harm: a search looks at all of it. */
    __atomic_store_n(&session->key, NULL, __ATOMIC_RELEASE);
}
