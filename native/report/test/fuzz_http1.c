/* Any bytes, cut into calls with gaps in both directions, must be told without harm and leave no memory behind. */
#include <stdlib.h>

#include "http1.h"

static void check(struct scope_slice slice)
{
    /* Reads every byte, so that a slice that points outside is noticed. */
    volatile char sum = 0;
    for (size_t i = 0; i < slice.length; i++) sum = (char)(sum + slice.at[i]);
}

static void head(const struct scope_http1_head *head)
{
    struct scope_slice rest = head->headers;
    struct scope_http1_header header;
    check(head->method), check(head->target), check(head->reason), check(head->host), check(head->user_agent);
    while (scope_http1_next_header(&rest, &header)) check(header.line), check(header.name), check(header.value);
}

static void request(void *context, const struct scope_http1_head *at, bool is_client, uint64_t time_ns)
{
    (void)context, (void)is_client, (void)time_ns;
    head(at);
}

static void response(void *context, const struct scope_http1_head *at, const struct scope_http1_request *asked, bool is_client, uint64_t time_ns)
{
    (void)context, (void)is_client, (void)time_ns;
    head(at);
    if (asked != NULL) check(asked->method), check(asked->target), check(asked->host), check(asked->user_agent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t lost;
    struct scope_memory memory = {.limit = 300000};
    struct scope_http1_sink sink = {NULL, request, response, &memory, &lost};
    struct scope_http1 http = {0};
    uint64_t time_ns = 1;
    /* Each call: flags, a length, a length of the tail, a gap; then their bytes. */
    while (size >= 4) {
        uint8_t flags = data[0];
        size_t first = data[1] * (flags & 2 ? 16u : 1u), tail = flags & 4 ? data[2] : 0;
        uint64_t gap = flags & 8 ? (uint64_t)data[3] << (flags >> 4) * 4 : 0;
        data += 4, size -= 4;
        if (first > size) first = size;
        if (tail > size - first) tail = size - first;
        char *copy = malloc(first + tail + 1);
        memcpy(copy, data, first + tail);
        struct scope_http1_piece piece = {{copy, first}, gap, {copy + first, tail}, time_ns++};
        if (flags == 0xFF) scope_http1_gap(&http, &memory);
        enum scope_http1_verdict verdict = scope_http1_feed(&http, flags & 1, piece, &sink);
        free(copy);
        if (verdict >= SCOPE_HTTP1_IS_NOT) scope_http1_clear(&http, &memory);
        data += first + tail, size -= first + tail;
    }
    scope_http1_clear(&http, &memory);
    if (memory.used != 0) abort();
    return 0;
}
