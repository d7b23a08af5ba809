/* The consumer's side of the ring: records of all threads, in the order of their times, given to whoever reports them. */
#ifndef SCOPE_DRAIN_H
#define SCOPE_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../wire/scope_record.h"

/** Memory for a ring, all zero; as large as the limits of the process allow. NULL: none. */
void *scope_ring_map(size_t *size);
void scope_ring_unmap(void *ring, size_t size);

typedef void scope_take(void *context, const struct scope_record *, size_t available);
/** Takes what is there now and gives the space back. Returns bytes taken; `fullest`: most bytes that waited in a slot. */
size_t scope_drain(struct scope_ring_header *, scope_take *, void *context, size_t *fullest);
/** Is there anything to take? */
bool scope_drain_waiting(const struct scope_ring_header *);
/** Sums of all threads since the start. */
void scope_drain_counters(const struct scope_ring_header *, uint64_t counters[SCOPE_COUNTERS]);
/** Records that found no room, since the start. */
uint64_t scope_drain_dropped(const struct scope_ring_header *);

#endif
