/* The library's own log: what it could not do, for whoever wonders where the events are. Never the program's output. */
#ifndef SCOPE_LOG_H
#define SCOPE_LOG_H

#include "settings.h"

/** Notes a line; it is written by scope_log_write(). Allocates nothing; only one thread at a time may call it. */
void scope_log(enum scope_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Which lines are kept from now on, and where they go (only files). */
void scope_log_open(const struct scope_configuration *);
/** Appends what was noted to the file; opens it only then. On the reporter's thread alone. */
void scope_log_write(void);
/** In a forked child: nothing noted, nothing open. */
void scope_log_forget(void);

#endif
