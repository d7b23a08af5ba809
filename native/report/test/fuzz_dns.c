/* Any bytes as a DNS message: names stay within their room and are texts. */
#include <stdlib.h>

#include "dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scope_dns_message message;
    char space[16], text[46];
    if (!scope_dns_parse((const char *)data, size, &message)) return 0;
    if (message.name_length >= sizeof message.name || strlen(message.name) != message.name_length) abort();
    for (size_t i = 0; i < message.name_length; i++)
        if (message.name[i] <= ' ' || message.name[i] > '~') abort();
    if (message.address_count > SCOPE_DNS_ADDRESSES) abort();
    for (int i = 0; i < message.address_count; i++)
        if (scope_ip_text(message.addresses[i].ip, message.addresses[i].is_v6, text).length == 0) abort();
    scope_dns_type_name(message.type, space);
    scope_dns_rcode_name(message.rcode, space);
    return 0;
}
