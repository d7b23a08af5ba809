/*
 * The reporter: a thread of ours that reads the ring, has the report made of it and sends the lines. It
 * begins when the program first has time for it, sleeps when there is nothing to do, and can be asked to
 * bring everything out before the program ends.
 */
#ifndef SCOPE_REPORTER_H
#define SCOPE_REPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../wire/scope_record.h"
#include "process.h"
#include "settings.h"

/** What the reporter works with. All of it must stay. */
struct scope_reporter_setup {
    const struct scope_configuration *configuration;
    struct scope_facts *facts;
    struct scope_ring_header *ring;
};

/** Before the hooks are armed, and again in a forked child with its new ring: no thread runs yet. */
void scope_reporter_prepare(const struct scope_reporter_setup *);
/** Is the thread there, or beyond starting? Then a chance is not worth calling. */
extern bool scope_reporter_settled;
/**
 * A moment at which the program's thread could start the reporter. `about_to_wait`: it has nothing to
 * do now. Keeps errno.
 */
void scope_reporter_chance(bool about_to_wait);
/** A record was published while nobody looked: wakes the reporter, or gives it a chance to begin. Keeps errno. */
void scope_reporter_woken(void);
/** The program is about to give up rights that starting a thread may need. */
void scope_reporter_now_or_never(void);
/**
 * Has everything brought out that is in the ring, and waits for it, but not beyond the configured time.
 * False: it did not get done.
 */
bool scope_reporter_flush(void);

/** The same for a program in a sandbox: makes no system call, so it can't wake the reporter, and waits only shortly. */
void scope_reporter_flush_blind(void);

#endif
