/* A hash table that is emptied after each period. */
#include "targets.h"

#define BUCKETS 256u

static struct scope_target *add(struct scope_targets *targets, struct scope_slice text, uint64_t hash)
{
    if (targets->buckets == NULL) targets->buckets = scope_memory_take(targets->memory, BUCKETS * sizeof *targets->buckets);
    if (targets->buckets == NULL) return NULL;
    struct scope_target *target = scope_memory_take(targets->memory, sizeof *target + text.length);
    if (target == NULL) return NULL;
    target->hash = hash;
    target->length = (uint16_t)text.length;
    memcpy(target->text, text.at, text.length);
    target->next = targets->buckets[hash & (BUCKETS - 1)];
    targets->buckets[hash & (BUCKETS - 1)] = target;
    if (targets->last != NULL) targets->last->after = target;
    else targets->first = target;
    targets->last = target;
    targets->count++;
    return target;
}

static struct scope_target *find(struct scope_targets *targets, struct scope_slice text)
{
    uint64_t hash = scope_hash(text.at, text.length);
    if (targets->buckets != NULL) {
        struct scope_target *target = targets->buckets[hash & (BUCKETS - 1)];
        for (; target != NULL; target = target->next)
            if (target->hash == hash && scope_slice_equal((struct scope_slice){target->text, target->length}, text))
                return target;
    }
    struct scope_target *target = targets->count < SCOPE_TARGETS_MAX ? add(targets, text, hash) : NULL;
    if (target != NULL) return target;
    if (targets->others == NULL) {
        struct scope_slice others = SCOPE_LITERAL(SCOPE_TARGET_OTHERS);
        targets->others = add(targets, others, scope_hash(others.at, others.length));
    }
    return targets->others;
}

static void count_code(struct scope_targets *targets, struct scope_target *target, uint16_t code)
{
    for (uint16_t i = 0; i < target->code_count; i++) {
        if (target->codes[i].code != code) continue;
        target->codes[i].count++;
        return;
    }
    if (target->code_count == target->code_capacity) {
        uint16_t capacity = target->code_capacity == 0 ? 2 : target->code_capacity * 2;
        void *codes = NULL;
        if (capacity <= SCOPE_TARGET_CODES)
            codes = scope_memory_resize(targets->memory, target->codes, capacity * sizeof *target->codes);
        if (codes == NULL) {
            /* The last place becomes the rest's. */
            if (target->code_count == 0) return;
            target->codes[target->code_count - 1].code = 0;
            target->codes[target->code_count - 1].count++;
            return;
        }
        target->codes = codes;
        target->code_capacity = capacity;
    }
    target->codes[target->code_count].code = code;
    target->codes[target->code_count++].count = 1;
}

static void sum(struct scope_sum *sum, uint64_t value)
{
    sum->total += value;
    sum->count++;
}

void scope_targets_add(struct scope_targets *targets, const struct scope_exchange *exchange)
{
    struct scope_slice text = exchange->target;
    const char *query = text.length != 0 ? memchr(text.at, '?', text.length) : NULL;
    if (query != NULL) text.length = (size_t)(query - text.at);
    struct scope_target *target = find(targets, scope_slice_cut(text, SCOPE_TARGET_BYTES));
    if (target == NULL) return;
    count_code(targets, target, exchange->code);
    if (exchange->is_timed) sum(exchange->is_client ? &target->client_ns : &target->server_ns, exchange->duration_ns);
    if (exchange->request_bytes >= 0) sum(&target->request_bytes, (uint64_t)exchange->request_bytes);
    if (exchange->response_bytes >= 0) sum(&target->response_bytes, (uint64_t)exchange->response_bytes);
}

void scope_targets_clear(struct scope_targets *targets)
{
    for (struct scope_target *target = targets->first, *after; target != NULL; target = after) {
        after = target->after;
        scope_memory_give(targets->memory, target->codes);
        scope_memory_give(targets->memory, target);
    }
    scope_memory_give(targets->memory, targets->buckets);
    *targets = (struct scope_targets){.memory = targets->memory};
}
