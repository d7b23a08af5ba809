/* Seconds are fixed windows: simple to explain, and the notice names a whole second's loss. */
#include "limit.h"

bool scope_limit_pass(struct scope_limit *limit)
{
    if (limit->per_second == 0 || limit->passed < limit->per_second) {
        limit->passed++;
        return true;
    }
    limit->dropped++;
    limit->dropped_ever++;
    return false;
}

uint64_t scope_limit_end(struct scope_limit *limit)
{
    uint64_t dropped = limit->dropped;
    limit->dropped = 0;
    return dropped;
}

uint64_t scope_limit_enter(struct scope_limit *limit, uint64_t realtime_ns)
{
    uint64_t second = realtime_ns / 1000000000u;
    if (second <= limit->second) return 0;
    limit->second = second;
    limit->passed = 0;
    return scope_limit_end(limit);
}
