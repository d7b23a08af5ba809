/* The DNS parser by itself: names, compression, hostile bytes. */
#include "check.h"
#include "dns.h"

#include <stdlib.h>

static struct scope_dns_message message;

static bool parse(const char *bytes, size_t length)
{
    char *copy = malloc(length != 0 ? length : 1);
    memcpy(copy, bytes, length);
    memset(&message, 0, sizeof message);
    bool parsed = scope_dns_parse(copy, length, &message);
    free(copy);
    return parsed;
}
#define PARSE(bytes) parse(bytes, sizeof(bytes) - 1)
#define QUERY "\0\1\1\0\0\1\0\0\0\0\0\0"
#define ANSWER(count) "\0\1\x81\x83\0\1\0" count "\0\0\0\0"

int main(void)
{
    CASE("a question gives name and type, in any characters", {
        CHECK(PARSE(QUERY "\4_sip\4_tcp\2eu\0\0\x21\0\1"));
        CHECK_TEXT(message.name, "_sip._tcp.eu");
        CHECK(message.type == 33 && !message.is_response);
        CHECK(PARSE(QUERY "\3a.b\4c \\d\0\0\1\0\1"));
        CHECK_TEXT(message.name, "a\\.b.c\\032\\\\d");
        CHECK(PARSE(QUERY "\0\0\2\0\1"));
        CHECK_TEXT(message.name, ".");
    });
    CASE("an answer gives its result, even without addresses or with records cut off", {
        CHECK(PARSE(ANSWER("\0") "\1a\0\0\1\0\1"));
        CHECK(message.is_response && message.rcode == 3);
        CHECK(PARSE(ANSWER("\2") "\1a\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4\xc0\x0c\0\1\0"));
        CHECK(message.address_count == 1 && message.addresses[0].ip[3] == 4);
    });
    CASE("addresses are only of class IN and of their types' lengths", {
        CHECK(PARSE(ANSWER("\3") "\1a\0\0\1\0\1" "\xc0\x0c\0\1\0\1\0\0\0\0\0\3\1\2\3" "\xc0\x0c\0\1\0\3\0\0\0\0\0\4\1\2\3\4" "\xc0\x0c\0\x1c\0\1\0\0\0\0\0\4\1\2\3\4"));
        CHECK(message.address_count == 0);
    });
    CASE("more addresses than are kept do no harm", {
        char bytes[1024] = ANSWER("\x40") "\1a\0\0\1\0\1";
        size_t length = 12 + 7;
        for (int i = 0; i < 40; i++, length += 16) memcpy(bytes + length, "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4", 16);
        CHECK(parse(bytes, length));
        CHECK(message.address_count == SCOPE_DNS_ADDRESSES);
    });
    CASE("names that point at themselves, forwards or beyond the end are refused", {
        CHECK(!PARSE(QUERY "\xc0\x0c\0\1\0\1"));
        CHECK(!PARSE(QUERY "\1a\xc0\x0c\0\1\0\1"));
        CHECK(!PARSE(QUERY "\1a\xc0\x20\0\1\0\1"));
        CHECK(!PARSE(QUERY "\1a\xff\xff\0\1\0\1"));
        CHECK(!PARSE(QUERY "\1a\xc0"));
        CHECK(!PARSE(QUERY "\x40" "a\0\0\1\0\1"));
        CHECK(!PARSE(QUERY "\x10" "abc"));
        CHECK(!PARSE(QUERY "\1a"));
    });
    CASE("names of more than 255 bytes are refused", {
        char bytes[600] = QUERY;
        for (int i = 0; i < 5; i++) {
            bytes[12 + i * 64] = 63;
            memset(bytes + 13 + i * 64, 7, 63); /* each byte needs four characters */
        }
        memcpy(bytes + 12 + 3 * 64, "\x3d", 1);
        bytes[12 + 3 * 64 + 62] = 0;
        CHECK(parse(bytes, 12 + 3 * 64 + 62 + 5));
        CHECK(message.name_length == 4 * (3 * 63 + 61) + 3);
        bytes[12 + 3 * 64] = 63;
        bytes[12 + 4 * 64] = 0;
        CHECK(!parse(bytes, sizeof bytes));
    });
    CASE("every cut of a message is refused or understood, never read beyond", {
        static const char whole[] = ANSWER("\1") "\1a\2bc\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4";
        for (size_t length = 0; length < sizeof whole; length++) parse(whole, length);
        CHECK(!parse(whole, 11));
    });
    CASE("what is no DNS is refused", {
        CHECK(!PARSE("GET / HTTP/1.1\r\n\r\n"));
        CHECK(!PARSE("page.views:1|c|#a:b,c:d"));
        CHECK(!PARSE("\0\1\1\0\0\2\0\0\0\0\0\0\1a\0\0\1\0\1"));
        CHECK(!PARSE("\0\1\x39\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"));
        CHECK(!PARSE(""));
    });
    CASE("types and results have names, or numbers", {
        char space[16];
        CHECK(scope_slice_equal(scope_dns_type_name(65, space), SCOPE_LITERAL("HTTPS")));
        CHECK(scope_slice_equal(scope_dns_type_name(65535, space), SCOPE_LITERAL("TYPE65535")));
        CHECK(scope_slice_equal(scope_dns_rcode_name(3, space), SCOPE_LITERAL("NXDOMAIN")));
        CHECK(scope_slice_equal(scope_dns_rcode_name(15, space), SCOPE_LITERAL("RCODE15")));
    });
    return tell_end();
}
