/* Counts the bytes of every block in a word before it, so that the sum can be held under a ceiling. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

struct block {
    size_t size;
    size_t padding; /* keeps what follows aligned to 16 */
};

void *scope_memory_resize(struct scope_memory *memory, void *bytes, size_t size)
{
    struct block *old = bytes != NULL ? (struct block *)bytes - 1 : NULL;
    size_t before = old != NULL ? old->size : 0;
    size_t whole = size + sizeof(struct block);
    if (whole < size || (whole > before && whole - before > memory->limit - memory->used)) {
        memory->refused++;
        return NULL;
    }
    struct block *block = realloc(old, whole);
    if (block == NULL) {
        memory->refused++;
        return NULL;
    }
    block->size = whole;
    memory->used += whole - before;
    return block + 1;
}

void *scope_memory_take(struct scope_memory *memory, size_t size)
{
    void *bytes = scope_memory_resize(memory, NULL, size);
    if (bytes != NULL) memset(bytes, 0, size);
    return bytes;
}

void scope_memory_give(struct scope_memory *memory, void *bytes)
{
    if (bytes == NULL) return;
    struct block *block = (struct block *)bytes - 1;
    memory->used -= block->size;
    free(block);
}
