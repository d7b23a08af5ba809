/* Which socket lies under a TLS session. */
#ifndef SCOPE_TLS_SESSION_H
#define SCOPE_TLS_SESSION_H

#include "fds.h"

/**
 * The channel of a session and its descriptor. `seen` is the socket that moved bytes during the call, or
 * -1; `told` what the TLS library says, or -1. A session whose bytes pass through memory gets a channel of
 * its own, without a descriptor (-1).
 */
struct scope_channel *scope_tls_session(void *session, int seen, int told, int *fd);
/** The session is no more. */
void scope_tls_session_end(void *session);

#endif
