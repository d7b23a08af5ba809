/* The first line of a connection: who the process is and how it is configured, in AppScope's layout. */
#ifndef SCOPE_START_MESSAGE_H
#define SCOPE_START_MESSAGE_H

#include "process.h"
#include "settings.h"
#include "text.h"

/** Appends the message and its newline. False: it did not fit. */
bool scope_start_message(struct scope_writing *, const struct scope_configuration *, const struct scope_facts *);

#endif
