/* What a process is (for the start message and every event) and what it uses (for the metrics of a period). */
#ifndef SCOPE_PROCESS_H
#define SCOPE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "../report/report.h"

/** Version of the library, as the start message tells it. */
#define SCOPE_LIBRARY_VERSION "scopeline-" SCOPE_VERSION

struct scope_facts {
    uint32_t pid, parent_pid, uid, gid;
    /** Empty if unknown. */
    char host[256], proc[256], cmd[4096], user[64], group[64], cgroup[512], machine_id[33], uuid[37];
};

/** Remembers name and arguments; the rest is asked for later. Cheap, for the constructor. */
void scope_facts_name(struct scope_facts *, const char *program, int argc, char *const *argv);
/** Everything else. Reads files; never asks the system's name services, whose modules may open anything. */
void scope_facts_find(struct scope_facts *);
/** Name of a user in /etc/passwd; "" if it is not there. `room` includes the final NUL. */
void scope_name_of_user(uint32_t uid, char *name, size_t room);
/** What the process uses now; what can't be told is -1. */
void scope_process_sample_take(struct scope_process_sample *);

/** Has every other thread of the process ended? Only told by /proc. `status`: the first thread's. */
bool scope_process_is_over(int *status);

#endif
