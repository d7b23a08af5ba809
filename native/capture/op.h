/* The number of each hooked function, as records carry it: SCOPE_OP(write). */
#ifndef SCOPE_OP_H
#define SCOPE_OP_H

#define SCOPE_OP(name) SCOPE_OP_##name

enum scope_op_number {
#define HOOK(when, result, name, parameters, arguments) SCOPE_OP_##name,
#include "hooks.def"
#undef HOOK
    SCOPE_OPS
};

#endif
