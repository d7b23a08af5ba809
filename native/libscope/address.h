/* From a destination to an open, connecting or opened descriptor. */
#ifndef SCOPE_ADDRESS_H
#define SCOPE_ADDRESS_H

#include <stdbool.h>

#include "settings.h"

/** Begins to open. -1 with errno if it failed; `connecting` tells that it is still under way. Never blocks, but for names to resolve. */
int scope_address_open(const struct scope_destination *, bool *connecting);
/** False only for the edge, when none of its sockets exists. */
bool scope_address_exists(const struct scope_destination *);

#endif
