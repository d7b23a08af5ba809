/*
 * Reads the ring. Each round takes what had been published when it began, merged by time, so that an
 * answer never overtakes its request however the threads share the work.
 */
#include "drain.h"

#include <sys/mman.h>

void *scope_ring_map(size_t *size) {
    /* Private memory: a child made by other means than fork() writes into a copy, never into this ring. */
    for (uint32_t slots = SCOPE_SLOTS; slots > 0; slots /= 4) {
        *size = SCOPE_HEADER_BYTES + (size_t)slots * SCOPE_SLOT_BYTES;
        void *ring = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (ring != MAP_FAILED) {
            madvise(ring, *size, MADV_NOHUGEPAGE);
            return ring;
        }
    }
    return NULL;
}

void scope_ring_unmap(void *ring, size_t size) {
    munmap(ring, size);
}

static struct scope_slot *slot_at(const struct scope_ring_header *ring, uint32_t index) {
    return (struct scope_slot *)(void *)((char *)(uintptr_t)ring + SCOPE_HEADER_BYTES + (size_t)index * SCOPE_SLOT_BYTES);
}

/** Slots are claimed from the first on, so the first that never was ends the search; the pages behind stay untouched. */
static bool never_claimed(const struct scope_slot *slot) {
    return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == SCOPE_SLOT_FREE && slot->tid == 0 &&
           __atomic_load_n(&slot->head, __ATOMIC_RELAXED) == 0;
}

struct lane {
    struct scope_slot *slot;
    uint64_t at, end;
    bool ended;
};

/** The next whole record; NULL: none. What can't be a record ends the lane. */
static const struct scope_record *next(struct lane *lane) {
    while (lane->at < lane->end) {
        const struct scope_record *record =
            (const void *)((const char *)lane->slot + SCOPE_SLOT_HEADER + (lane->at & (SCOPE_SLOT_DATA - 1)));
        uint64_t left = lane->end - lane->at, to_wrap = SCOPE_SLOT_DATA - (lane->at & (SCOPE_SLOT_DATA - 1));
        if (record->size % 8 != 0 || record->size < 8 || record->size > left || record->size > to_wrap) {
            lane->at = lane->end;
            return NULL;
        }
        if (record->kind != SCOPE_PAD && record->size >= sizeof *record)
            return record;
        lane->at += record->size;
    }
    return NULL;
}

size_t scope_drain(struct scope_ring_header *ring, scope_take *take, void *context, size_t *fullest) {
    struct lane lanes[SCOPE_SLOTS];
    uint32_t count = 0;
    size_t taken = 0;
    *fullest = 0;
    for (uint32_t i = 0; i < ring->slot_count && i < SCOPE_SLOTS; i++) {
        struct scope_slot *slot = slot_at(ring, i);
        if (never_claimed(slot))
            break;
        struct lane *lane = &lanes[count];
        /* The state first: what an ended thread wrote is then all there. */
        lane->ended = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) == SCOPE_SLOT_ENDED;
        lane->end = __atomic_load_n(&slot->head, __ATOMIC_ACQUIRE);
        lane->at = slot->tail;
        lane->slot = slot;
        if (lane->end - lane->at > SCOPE_SLOT_DATA)
            lane->at = lane->end;
        if (lane->at == lane->end) {
            __atomic_store_n(&slot->tail, lane->end, __ATOMIC_RELEASE);
            if (lane->ended)
                __atomic_store_n(&slot->state, SCOPE_SLOT_FREE, __ATOMIC_RELEASE);
            continue;
        }
        size_t waiting = (size_t)(lane->end - lane->at);
        taken += waiting;
        if (waiting > *fullest)
            *fullest = waiting;
        count++;
    }
    while (count > 0) {
        /* The lane with the oldest record goes on until another one's is older. */
        uint32_t oldest = 0;
        uint64_t first = UINT64_MAX, second = UINT64_MAX;
        for (uint32_t i = 0; i < count; i++) {
            const struct scope_record *record = next(&lanes[i]);
            uint64_t time = record ? record->time_ns : 0;
            if (time < first || i == 0) {
                second = first;
                first = time;
                oldest = i;
            } else if (time < second) {
                second = time;
            }
        }
        struct lane *lane = &lanes[oldest];
        const struct scope_record *record;
        uint64_t given_back = lane->at;
        while ((record = next(lane)) && record->time_ns <= second) {
            size_t available = (size_t)(lane->end - lane->at);
            take(context, record, record->size < available ? record->size : available);
            lane->at += record->size;
            if (lane->at - given_back > SCOPE_SLOT_DATA / 8) {
                __atomic_store_n(&lane->slot->tail, lane->at, __ATOMIC_RELEASE);
                given_back = lane->at;
            }
        }
        __atomic_store_n(&lane->slot->tail, lane->at, __ATOMIC_RELEASE);
        if (!record) {
            if (lane->ended)
                __atomic_store_n(&lane->slot->state, SCOPE_SLOT_FREE, __ATOMIC_RELEASE);
            lanes[oldest] = lanes[--count];
        }
    }
    return taken;
}

bool scope_drain_waiting(const struct scope_ring_header *ring) {
    for (uint32_t i = 0; i < ring->slot_count && i < SCOPE_SLOTS; i++) {
        const struct scope_slot *slot = slot_at(ring, i);
        if (never_claimed(slot))
            return false;
        if (__atomic_load_n(&slot->head, __ATOMIC_SEQ_CST) != slot->tail)
            return true;
    }
    return false;
}

void scope_drain_counters(const struct scope_ring_header *ring, uint64_t counters[SCOPE_COUNTERS]) {
    for (int c = 0; c < SCOPE_COUNTERS; c++)
        counters[c] = 0;
    for (uint32_t i = 0; i < ring->slot_count && i < SCOPE_SLOTS; i++) {
        const struct scope_slot *slot = slot_at(ring, i);
        if (never_claimed(slot))
            return;
        for (int c = 0; c < SCOPE_COUNTERS; c++)
            counters[c] += __atomic_load_n(&slot->counters[c], __ATOMIC_RELAXED);
    }
}

uint64_t scope_drain_dropped(const struct scope_ring_header *ring) {
    uint64_t dropped = __atomic_load_n(&ring->dropped_without_slot, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < ring->slot_count && i < SCOPE_SLOTS; i++) {
        const struct scope_slot *slot = slot_at(ring, i);
        if (never_claimed(slot))
            break;
        dropped += __atomic_load_n(&slot->dropped_records, __ATOMIC_RELAXED);
    }
    return dropped;
}
