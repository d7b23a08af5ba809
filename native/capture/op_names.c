/* The names behind scope_op, for whoever reads records: also outside the program, so it needs nothing else. */
#include "capture.h"

const char *const scope_op_names[] = {
#define HOOK(when, result, name, parameters, arguments) #name,
#include "hooks.def"
#undef HOOK
};
const uint32_t scope_op_count = sizeof scope_op_names / sizeof scope_op_names[0];
