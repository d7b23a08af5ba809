/* One DNS message (RFC 1035): its question, its result, and the addresses in its answers. */
#ifndef SCOPE_DNS_H
#define SCOPE_DNS_H

#include "slice.h"

/** A name as text with its longest escapes, and a NUL. */
#define SCOPE_DNS_NAME_MAX 1024
#define SCOPE_DNS_ADDRESSES 16

struct scope_dns_address {
    uint8_t ip[16];
    bool is_v6;
};

struct scope_dns_message {
    uint16_t id;
    bool is_response, truncated;
    uint8_t opcode, rcode;
    uint16_t type;
    char name[SCOPE_DNS_NAME_MAX];
    uint16_t name_length;
    uint16_t address_count;
    struct scope_dns_address addresses[SCOPE_DNS_ADDRESSES];
};

/** False: not a message with exactly one question. A response that is cut later keeps what was read. */
bool scope_dns_parse(const char *at, size_t length, struct scope_dns_message *);

/** The name of a query type or response code, into `space` if it has only a number. */
struct scope_slice scope_dns_type_name(uint16_t type, char space[16]);
struct scope_slice scope_dns_rcode_name(uint8_t rcode, char space[16]);

/** What an address is written as; `text` has room for 46 bytes. */
struct scope_slice scope_ip_text(const uint8_t *ip, bool is_v6, char *text);

#endif
