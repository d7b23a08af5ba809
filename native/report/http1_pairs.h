/* The requests of a connection that wait for their responses, oldest first. */
#ifndef SCOPE_HTTP1_PAIRS_H
#define SCOPE_HTTP1_PAIRS_H

#include "http1.h"

void scope_http1_push(struct scope_http1 *, const struct scope_http1_head *, uint64_t started_ns, struct scope_memory *);
/** The request that the next response answers; NULL if it is not known. */
struct scope_http1_request *scope_http1_oldest(struct scope_http1 *);
/** Ends the oldest one's wait. What oldest() gave stays readable until the next push. */
void scope_http1_pop(struct scope_http1 *);
/** Requests were lost. Those that wait came before and are still answered first; later ones may not be matched. */
void scope_http1_requests_lost(struct scope_http1 *);
/** Responses were lost: only the newest request can still be matched. */
void scope_http1_keep_newest(struct scope_http1 *);
void scope_http1_free_pairs(struct scope_http1 *, struct scope_memory *);

#endif
