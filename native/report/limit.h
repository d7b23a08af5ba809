/* At most so many events in each second of the wall clock; the rest is counted, so that a notice can tell. */
#ifndef SCOPE_LIMIT_H
#define SCOPE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct scope_limit {
    uint32_t per_second; /* 0: none */
    uint32_t passed;
    uint64_t second;
    uint64_t dropped; /* in this second */
    uint64_t dropped_ever;
};

/** Whether an event at this time may pass. The second that it falls into must have been entered. */
bool scope_limit_pass(struct scope_limit *);
/** Enters the second of this time (ns since the epoch); how many events the one that ends has lost. Never goes back. */
uint64_t scope_limit_enter(struct scope_limit *, uint64_t realtime_ns);
/** As if the second ended now. */
uint64_t scope_limit_end(struct scope_limit *);

#endif
