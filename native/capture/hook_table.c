/* Every hook with its wrapper and the place of its original, as patching of a running program needs them. */
#include "capture.h"
#include "real.h"

#define HOOK(when, result, name, parameters, arguments) extern result hook_##name parameters;
#include "hooks.def"
#undef HOOK

const struct scope_hook scope_hooks[] = {
#define HOOK(when, result, name, parameters, arguments) {#name, (void *)hook_##name, (void **)(void *)&real_##name},
#include "hooks.def"
#undef HOOK
    {0}
};
