/* A ring that grows with the depth of the pipelining; its places keep their memory for the next request. */
#include "http1_pairs.h"

/** What of a request is repeated in its response's event; longer texts are cut. */
#define TARGET_MAX 8192u
#define TEXT_MAX 1024u

static bool grow(struct scope_http1 *http, struct scope_memory *memory)
{
    uint32_t capacity = http->capacity == 0 ? 1 : http->capacity * 2;
    if (capacity > SCOPE_HTTP1_WAITING_MAX) return false;
    struct scope_http1_request *waiting = scope_memory_take(memory, capacity * sizeof *waiting);
    if (waiting == NULL) return false;
    for (uint32_t i = 0; i < http->capacity; i++) waiting[i] = http->waiting[(http->first + i) & (http->capacity - 1)];
    scope_memory_give(memory, http->waiting);
    http->waiting = waiting;
    http->capacity = capacity;
    http->first = 0;
    return true;
}

static struct scope_slice keep(char **to, struct scope_slice from)
{
    struct scope_slice kept = {*to, from.length};
    if (from.length != 0) memcpy(*to, from.at, from.length);
    *to += from.length;
    return kept;
}

void scope_http1_push(struct scope_http1 *http, const struct scope_http1_head *head, uint64_t started_ns,
                      struct scope_memory *memory)
{
    if (http->is_unpaired) return;
    if (http->count != 0) http->is_pipelined = true;
    if (http->uncounted != 0 || (http->count == http->capacity && !grow(http, memory))) {
        http->uncounted++;
        return;
    }
    struct scope_http1_request *request = &http->waiting[(http->first + http->count) & (http->capacity - 1)];
    struct scope_slice target = scope_slice_cut(head->target, TARGET_MAX);
    struct scope_slice host = scope_slice_cut(head->host, TEXT_MAX);
    struct scope_slice user_agent = scope_slice_cut(head->user_agent, TEXT_MAX);
    struct scope_slice client_ip = scope_slice_cut(head->client_ip, TEXT_MAX);
    struct scope_slice x_appscope = scope_slice_cut(head->x_appscope, TEXT_MAX);
    size_t needed = head->method.length + target.length + host.length + user_agent.length + client_ip.length +
                    x_appscope.length;
    if (request->capacity < needed) {
        char *text = scope_memory_resize(memory, request->text, needed);
        if (text == NULL) {
            http->uncounted++;
            return;
        }
        request->text = text;
        request->capacity = needed;
    }
    char *to = request->text;
    request->method = keep(&to, head->method);
    request->target = keep(&to, target);
    request->host = keep(&to, host);
    request->user_agent = keep(&to, user_agent);
    request->client_ip = keep(&to, client_ip);
    request->x_appscope = keep(&to, x_appscope);
    request->started_ns = started_ns;
    request->is_head = scope_slice_equal(head->method, SCOPE_LITERAL("HEAD"));
    request->is_connect = scope_slice_equal(head->method, SCOPE_LITERAL("CONNECT"));
    request->content_length = head->content_length;
    http->count++;
}

struct scope_http1_request *scope_http1_oldest(struct scope_http1 *http)
{
    return http->count != 0 ? &http->waiting[http->first] : NULL;
}

void scope_http1_pop(struct scope_http1 *http)
{
    if (http->count != 0) {
        http->first = (http->first + 1) & (http->capacity - 1);
        http->count--;
    } else if (http->uncounted != 0) {
        http->uncounted--;
    }
}

void scope_http1_requests_lost(struct scope_http1 *http)
{
    if (http->is_pipelined) http->is_unpaired = true;
}

void scope_http1_keep_newest(struct scope_http1 *http)
{
    if (http->uncounted != 0) {
        http->count = 0;
        http->uncounted = 1;
    } else if (http->count > 1) {
        http->first = (http->first + http->count - 1) & (http->capacity - 1);
        http->count = 1;
    }
}

void scope_http1_free_pairs(struct scope_http1 *http, struct scope_memory *memory)
{
    for (uint32_t i = 0; i < http->capacity; i++) scope_memory_give(memory, http->waiting[i].text);
    scope_memory_give(memory, http->waiting);
    http->waiting = NULL;
    http->first = http->count = http->capacity = http->uncounted = 0;
}
