/* Writing records into the calling thread's slot of the ring; see wire/scope_record.h for the bytes. */
#ifndef SCOPE_RING_H
#define SCOPE_RING_H

#include "guard.h"

/** Writes the ring's header. False: `size` has no room for a slot. */
bool scope_ring_open(void *ring, size_t size, uint32_t *generation);
/** Claims a slot for the thread; without one its counters go nowhere and its records are dropped. */
void scope_ring_claim(uint32_t generation);
/** The thread's slot may be given to another one when the consumer has read it. */
void scope_ring_leave(void);

/**
 * Begins a record with room for `body` bytes after its header and returns that room, or NULL if it is
 * dropped (no space, no slot, or within another record). Between this and scope_record_end() nothing may
 * block, call out or return. Only after scope_capturing().
 */
void *scope_record_begin(uint16_t kind, uint64_t channel, uint64_t time_ns, size_t body);
/** Publishes the record. */
void scope_record_end(void);
/** Forgets the record that the thread was making. */
void scope_record_give_up(void);

#endif
