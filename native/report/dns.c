/* Reads DNS messages from hostile bytes; names may be compressed, never in a circle. */
#include "dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

struct reader {
    const uint8_t *at;
    size_t length, place;
};

static bool u16(struct reader *reader, uint16_t *value)
{
    if (reader->length - reader->place < 2) return false;
    *value = (uint16_t)(reader->at[reader->place] << 8 | reader->at[reader->place + 1]);
    reader->place += 2;
    return true;
}

/** Puts a byte of a label as text: dots and backslashes within a label, and what is not printable, are escaped as in a zone file. */
static size_t put(char *to, uint8_t byte)
{
    if (byte == '.' || byte == '\\') {
        to[0] = '\\';
        to[1] = (char)byte;
        return 2;
    }
    if (byte > ' ' && byte < 0x7F) {
        to[0] = (char)byte;
        return 1;
    }
    to[0] = '\\';
    to[1] = (char)('0' + byte / 100);
    to[2] = (char)('0' + byte / 10 % 10);
    to[3] = (char)('0' + byte % 10);
    return 4;
}

/**
 * Reads the name at the reader's place and goes behind it. Pointers must go backwards, so that it
 * ends; a name has at most 255 bytes. `text` may be NULL.
 */
static bool name(struct reader *reader, char *text, uint16_t *text_length)
{
    size_t place = reader->place, end = 0, wire = 0, length = 0, earliest = reader->place;
    while (true) {
        if (place >= reader->length) return false;
        uint8_t size = reader->at[place];
        if (size >= 0xC0) {
            if (place + 1 >= reader->length) return false;
            size_t target = (size_t)(size & 0x3F) << 8 | reader->at[place + 1];
            if (end == 0) end = place + 2;
            if (target >= earliest) return false;
            earliest = place = target;
            continue;
        }
        if (size > 63) return false;
        place++;
        if (size == 0) break;
        wire += size + 1u;
        if (wire > 254 || reader->length - place < size) return false;
        if (text != NULL) {
            if (length != 0) text[length++] = '.';
            for (uint8_t i = 0; i < size; i++) length += put(text + length, reader->at[place + i]);
        }
        place += size;
    }
    reader->place = end != 0 ? end : place;
    if (text != NULL) {
        if (length == 0) text[length++] = '.';
        text[length] = 0;
        *text_length = (uint16_t)length;
    }
    return true;
}

static void answers(struct reader *reader, unsigned count, struct scope_dns_message *message)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t type, class, high, low, size;
        if (!name(reader, NULL, NULL) || !u16(reader, &type) || !u16(reader, &class) || !u16(reader, &high) ||
            !u16(reader, &low) || !u16(reader, &size) || reader->length - reader->place < size)
            return;
        bool is_v6 = type == 28 && size == 16;
        if (class == 1 && ((type == 1 && size == 4) || is_v6) && message->address_count < SCOPE_DNS_ADDRESSES) {
            struct scope_dns_address *address = &message->addresses[message->address_count++];
            memcpy(address->ip, reader->at + reader->place, size);
            address->is_v6 = is_v6;
        }
        reader->place += size;
    }
}

bool scope_dns_parse(const char *at, size_t length, struct scope_dns_message *message)
{
    struct reader reader = {(const uint8_t *)at, length, 0};
    uint16_t flags, questions, answer_count, authorities, additional, class;
    message->address_count = 0;
    if (!u16(&reader, &message->id) || !u16(&reader, &flags) || !u16(&reader, &questions) ||
        !u16(&reader, &answer_count) || !u16(&reader, &authorities) || !u16(&reader, &additional))
        return false;
    message->is_response = (flags & 0x8000) != 0;
    message->opcode = (uint8_t)(flags >> 11 & 15);
    message->truncated = (flags & 0x0200) != 0;
    message->rcode = (uint8_t)(flags & 15);
    /* The bit that must be zero, operations that do not exist: whatever this is, it is no DNS. */
    if (questions != 1 || (flags & 0x0040) != 0 || message->opcode > 6 || message->opcode == 3) return false;
    if (!message->is_response && (message->rcode != 0 || answer_count > 1)) return false;
    if (!name(&reader, message->name, &message->name_length)) return false;
    if (!u16(&reader, &message->type) || !u16(&reader, &class)) return false;
    if (message->is_response) answers(&reader, answer_count, message);
    return true;
}

static struct scope_slice numbered(const char *prefix, unsigned number, char space[16])
{
    int length = snprintf(space, 16, "%s%u", prefix, number);
    return (struct scope_slice){space, (size_t)length};
}

struct scope_slice scope_dns_type_name(uint16_t type, char space[16])
{
    static const struct {
        uint16_t type;
        const char *name;
    } names[] = {{1, "A"},       {2, "NS"},      {5, "CNAME"},   {6, "SOA"},    {12, "PTR"},   {13, "HINFO"},
                 {15, "MX"},     {16, "TXT"},    {28, "AAAA"},   {29, "LOC"},   {33, "SRV"},   {35, "NAPTR"},
                 {39, "DNAME"},  {41, "OPT"},    {43, "DS"},     {44, "SSHFP"}, {46, "RRSIG"}, {47, "NSEC"},
                 {48, "DNSKEY"}, {50, "NSEC3"},  {52, "TLSA"},   {64, "SVCB"},  {65, "HTTPS"}, {99, "SPF"},
                 {250, "TSIG"},  {251, "IXFR"},  {252, "AXFR"},  {255, "ANY"},  {256, "URI"},  {257, "CAA"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == type) return scope_slice_of(names[i].name);
    return numbered("TYPE", type, space);
}

struct scope_slice scope_dns_rcode_name(uint8_t rcode, char space[16])
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
                                        "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE"};
    if (rcode < sizeof names / sizeof names[0]) return scope_slice_of(names[rcode]);
    return numbered("RCODE", rcode, space);
}

struct scope_slice scope_ip_text(const uint8_t *ip, bool is_v6, char *text)
{
    if (inet_ntop(is_v6 ? AF_INET6 : AF_INET, ip, text, 46) == NULL) text[0] = 0;
    return scope_slice_of(text);
}
