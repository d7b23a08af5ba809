/* Reads the head of an HTTP/1 message as RFC 9112 has it; names are compared whole and without case. */
#include "http1_head.h"

/** The characters of a token (RFC 9110 §5.6.2). */
static const bool token[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true, ['#'] = true, ['$'] = true,
    ['%'] = true,         ['&'] = true,         ['\''] = true,       ['*'] = true, ['+'] = true, ['-'] = true,
    ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true, ['|'] = true, ['~'] = true,
};

static inline bool is_token(char byte)
{
    return token[(unsigned char)byte];
}

static struct scope_slice trimmed_end(struct scope_slice slice)
{
    while (slice.length > 0) {
        char last = slice.at[slice.length - 1];
        if (last != ' ' && last != '\t' && last != '\r' && last != '\n') break;
        slice.length--;
    }
    return slice;
}

static struct scope_slice trimmed(struct scope_slice slice)
{
    while (slice.length > 0 && (slice.at[0] == ' ' || slice.at[0] == '\t')) slice.at++, slice.length--;
    return trimmed_end(slice);
}

/** Methods longer than this are not taken for HTTP (the longest registered one has 17 letters). */
#define METHOD_MAX 32

enum scope_http1_start scope_http1_looks(const char *at, size_t length)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t shared = length < sizeof preface - 1 ? length : sizeof preface - 1;
    if (length == 0) return SCOPE_HTTP1_MAYBE;
    if (memcmp(at, preface, shared) == 0) {
        return shared >= 16 ? SCOPE_HTTP2_PREFACE : SCOPE_HTTP1_MAYBE;
    }
    shared = length < 7 ? length : 7;
    if (memcmp(at, "HTTP/1.", shared) == 0) return shared == 7 ? SCOPE_HTTP1_RESPONSE : SCOPE_HTTP1_MAYBE;
    size_t i = 0;
    while (i < length && i <= METHOD_MAX && at[i] >= 'A' && at[i] <= 'z' && is_token(at[i])) i++;
    if (i == length) return SCOPE_HTTP1_MAYBE;
    if (i == 0 || i > METHOD_MAX || at[i] != ' ') return SCOPE_HTTP1_NOT;
    const char *end = memchr(at + i, '\n', length - i);
    if (end == NULL) return SCOPE_HTTP1_MAYBE;
    struct scope_slice line = trimmed((struct scope_slice){at, (size_t)(end - at)});
    bool is_http = line.length >= i + 11 && memcmp(line.at + line.length - 9, " HTTP/1.", 8) == 0;
    return is_http ? SCOPE_HTTP1_REQUEST : SCOPE_HTTP1_NOT;
}

static bool first_line(struct scope_slice line, struct scope_http1_head *head)
{
    if (line.length >= 12 && memcmp(line.at, "HTTP/1.", 7) == 0) {
        const char *digits = line.at + 9;
        if (line.at[7] < '0' || line.at[7] > '9' || line.at[8] != ' ') return false;
        for (int i = 0; i < 3; i++)
            if (digits[i] < '0' || digits[i] > '9') return false;
        if (line.length > 12 && line.at[12] != ' ') return false;
        head->is_response = true;
        head->minor = line.at[7] - '0';
        head->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
        if (line.length > 13) head->reason = trimmed((struct scope_slice){line.at + 13, line.length - 13});
        return head->status >= 100;
    }
    size_t method = 0;
    while (method < line.length && method <= METHOD_MAX && is_token(line.at[method])) method++;
    if (method == 0 || method > METHOD_MAX || method == line.length || line.at[method] != ' ') return false;
    if (line.length < method + 11) return false;
    const char *version = line.at + line.length - 9;
    if (memcmp(version, " HTTP/1.", 8) != 0 || version[8] < '0' || version[8] > '9') return false;
    head->method = (struct scope_slice){line.at, method};
    head->target = trimmed((struct scope_slice){line.at + method + 1, (size_t)(version - line.at) - method - 1});
    head->minor = version[8] - '0';
    return head->target.length > 0;
}

bool scope_http1_next_header(struct scope_slice *rest, struct scope_http1_header *header)
{
    while (rest->length > 0) {
        const char *end = memchr(rest->at, '\n', rest->length);
        size_t whole = end != NULL ? (size_t)(end - rest->at) + 1 : rest->length;
        while (whole < rest->length && (rest->at[whole] == ' ' || rest->at[whole] == '\t')) {
            end = memchr(rest->at + whole, '\n', rest->length - whole);
            whole = end != NULL ? (size_t)(end - rest->at) + 1 : rest->length;
        }
        struct scope_slice line = {rest->at, whole};
        rest->at += whole;
        rest->length -= whole;
        while (line.length > 0 && (line.at[line.length - 1] == '\n' || line.at[line.length - 1] == '\r')) line.length--;
        if (line.length == 0) return false;
        size_t colon = 0;
        while (colon < line.length && is_token(line.at[colon])) colon++;
        if (colon == 0 || colon == line.length || line.at[colon] != ':') continue;
        header->line = line;
        header->name = (struct scope_slice){line.at, colon};
        header->value = trimmed((struct scope_slice){line.at + colon + 1, line.length - colon - 1});
        return true;
    }
    return false;
}

/** A list of equal numbers is one number, since proxies join repeated headers so. -1: not a number. */
static int64_t content_length(struct scope_slice value)
{
    int64_t agreed = -1;
    while (true) {
        const char *comma = memchr(value.at, ',', value.length);
        size_t part_length = comma != NULL ? (size_t)(comma - value.at) : value.length;
        struct scope_slice part = trimmed((struct scope_slice){value.at, part_length});
        if (part.length == 0 || part.length > 18) return -1;
        int64_t number = 0;
        for (size_t i = 0; i < part.length; i++) {
            if (part.at[i] < '0' || part.at[i] > '9') return -1;
            number = number * 10 + (part.at[i] - '0');
        }
        if (agreed >= 0 && number != agreed) return -1;
        agreed = number;
        if (comma == NULL) return agreed;
        value = (struct scope_slice){comma + 1, value.length - part_length - 1};
    }
}

/** Whether a comma-separated list has this (lower case) as its last word, or anywhere. */
static bool lists(struct scope_slice value, const char *word, size_t length, bool last)
{
    while (true) {
        const char *comma = memchr(value.at, ',', value.length);
        size_t part_length = comma != NULL ? (size_t)(comma - value.at) : value.length;
        bool here = scope_slice_is(trimmed((struct scope_slice){value.at, part_length}), word, length);
        if (here && (!last || comma == NULL)) return true;
        if (comma == NULL) return false;
        value = (struct scope_slice){comma + 1, value.length - part_length - 1};
    }
}

#define NAMED(header, text) scope_slice_is((header).name, (text), sizeof(text) - 1)
#define LISTS(header, text, last) lists((header).value, (text), sizeof(text) - 1, (last))

static void read_header(struct scope_http1_header header, struct scope_http1_head *head)
{
    switch (header.name.length) {
    case 4:
        if (NAMED(header, "host") && head->host.length == 0) head->host = header.value;
        break;
    case 6:
        if (NAMED(header, "expect")) head->expects_continue = LISTS(header, "100-continue", false);
        break;
    case 10:
        if (NAMED(header, "user-agent")) head->user_agent = header.value;
        else if (NAMED(header, "x-appscope")) head->x_appscope = header.value;
        else if (NAMED(header, "connection")) head->close |= LISTS(header, "close", false);
        break;
    case 14:
        if (NAMED(header, "content-length")) {
            int64_t length = content_length(header.value);
            if (length < 0 || (head->content_length >= 0 && head->content_length != length)) head->bad_length = true;
            else head->content_length = length;
        }
        break;
    case 15:
        if (NAMED(header, "x-forwarded-for") && head->client_ip.length == 0) head->client_ip = header.value;
        break;
    case 17:
        if (NAMED(header, "transfer-encoding")) {
            head->coded = true;
            head->chunked = LISTS(header, "chunked", true);
        }
        break;
    default:
        break;
    }
}

bool scope_http1_parse_head(const char *at, size_t length, struct scope_http1_head *head)
{
    *head = (struct scope_http1_head){.content_length = -1};
    const char *end = memchr(at, '\n', length);
    if (end == NULL) return false;
    if (!first_line(trimmed_end((struct scope_slice){at, (size_t)(end - at)}), head)) return false;
    head->headers = (struct scope_slice){end + 1, length - (size_t)(end + 1 - at)};
    struct scope_slice rest = head->headers;
    struct scope_http1_header header;
    while (scope_http1_next_header(&rest, &header)) read_header(header, head);
    if (head->coded) head->content_length = -1;
    return true;
}
