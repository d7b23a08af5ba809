/*
 * Hooks of longjmp. A signal handler may have interrupted the making of a record and now never
 * returns to it: the record is given up, or the thread would make no other.
 */
#include "real.h"
#include "ring.h"

#define JUMPING(name)                                                  \
    SCOPE_HOOK(void, name, struct __jmp_buf_tag place[1], int value) { \
        if (scope_thread.busy) scope_record_give_up();                 \
        real_##name(place, value);                                     \
        __builtin_unreachable();                                       \
    }
JUMPING(longjmp)
JUMPING(_longjmp)
JUMPING(siglongjmp)
JUMPING(__longjmp_chk)
