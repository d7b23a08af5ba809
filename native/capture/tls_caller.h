/* The TLS functions that an object of the process reaches. */
#ifndef SCOPE_TLS_CALLER_H
#define SCOPE_TLS_CALLER_H

#include <stdbool.h>
#include <stdint.h>

enum scope_tls_function {
    SCOPE_TLS_SSL_read,
    SCOPE_TLS_SSL_write,
    SCOPE_TLS_SSL_read_ex,
    SCOPE_TLS_SSL_write_ex,
    SCOPE_TLS_SSL_free,
    SCOPE_TLS_SSL_get_fd,
    SCOPE_TLS_gnutls_record_recv,
    SCOPE_TLS_gnutls_record_send,
    SCOPE_TLS_gnutls_record_send2,
    SCOPE_TLS_gnutls_record_recv_seq,
    SCOPE_TLS_gnutls_deinit,
    SCOPE_TLS_gnutls_transport_get_ptr2,
    SCOPE_TLS_FUNCTIONS
};

/** An object that calls TLS functions: where its code lies, and what it reaches; NULL: nothing of that name. */
struct scope_tls_caller {
    uintptr_t begin, end;
    /** It is our own object: one of the library's functions has jumped to another. */
    bool is_ours;
    void *functions[SCOPE_TLS_FUNCTIONS];
};

/** The object that a call came from. `room` is used where there is no more room to remember it. Keeps errno. */
const struct scope_tls_caller *scope_tls_caller(const void *return_address, struct scope_tls_caller *room);

#endif
