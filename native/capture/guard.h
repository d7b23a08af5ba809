/*
 * Whether what a thread does now is to be recorded, decided by one comparison. It is not while the
 * hooks are disarmed, in the library's own threads and call-outs, in the child of a vfork (whose memory
 * is the parent's), and in a forked child that nobody has armed: the word that arms is wiped by the
 * kernel in every fork, however made, so two processes can never write into one ring.
 */
#ifndef SCOPE_GUARD_H
#define SCOPE_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "capture.h"

#define SCOPE_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SCOPE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/** What a thread keeps for itself. vfork.S knows the first two members. */
struct scope_thread {
    /** Reasons not to record: hide() without show(), a vfork child. */
    uint32_t hidden;
    /** Equals scope_armed.generation if the thread may record; anything else sends it to scope_enter(). */
    uint32_t generation;
    /** The generation that the slot was claimed in. */
    uint32_t slot_generation;
    /** A record is being made: a signal handler that interrupts it must not begin another. */
    uint32_t busy;
    uint64_t *counters;
    /** NULL: all slots were taken. */
    struct scope_slot *slot;
    unsigned char *data;
    /** Where the next record goes, and the consumer's place when it was last looked at. */
    uint64_t head, tail;
    /** The socket that the thread read or wrote last: within a TLS call, the one that lies under it. */
    int32_t last_socket;
    /** The TLS call that the thread is in: its session, and what its caller reaches (tls_caller.h). */
    const void *tls_session;
    const void *tls_caller;
};
extern __thread struct scope_thread scope_thread __attribute__((tls_model("initial-exec")));

/** A page of its own, for the kernel to wipe in children. */
struct scope_armed {
    /** Never 0 while armed. */
    uint32_t generation;
    uint8_t rest[4092];
} __attribute__((aligned(4096)));
extern struct scope_armed scope_armed;

/** The settings while armed. */
extern struct scope_settings scope_wants;
extern const struct scope_lifecycle *scope_lifecycle;

/**
 * The program has put itself, or a thread of it, into a sandbox: no system call from hooks any more but
 * those that the program makes itself.
 */
extern bool scope_sandboxed;

/** The uncommon part of scope_capturing(): claims a slot if the thread may record. */
bool scope_enter(void);

/** Ask first in every hook; if false, only forward. */
static inline bool scope_capturing(void) {
    return SCOPE_LIKELY(scope_thread.generation == __atomic_load_n(&scope_armed.generation, __ATOMIC_RELAXED)) ||
           scope_enter();
}

/**
 * Adds to a running total of this thread. Only after scope_capturing(). Counting costs less than asking
 * whether metrics are wanted.
 */
static inline void scope_count(enum scope_counter counter, uint64_t amount) {
    scope_thread.counters[counter] += amount;
}

/** CLOCK_MONOTONIC, ns; no system call where the kernel has a vDSO. */
static inline uint64_t scope_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** The time before an operation whose duration is asked for; 0 if it is not. */
static inline uint64_t scope_began(void) {
    return SCOPE_UNLIKELY(scope_wants.durations) ? scope_now() : 0;
}

#endif
