/* Memory with a ceiling: whatever the report keeps about a program comes from here, and "no" is an ordinary answer. */
#ifndef SCOPE_MEMORY_H
#define SCOPE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct scope_memory {
    size_t used;
    size_t limit;
    uint64_t refused;
};

/** Zeroed bytes, or NULL if the ceiling is reached. */
void *scope_memory_take(struct scope_memory *, size_t);
/** As realloc; what is added is not zeroed. NULL leaves the old bytes alone. */
void *scope_memory_resize(struct scope_memory *, void *, size_t);
void scope_memory_give(struct scope_memory *, void *);

#endif
