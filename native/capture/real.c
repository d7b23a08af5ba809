/* Finds the originals: the next definition after ours in the order in which the loader searches. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>

/* What a program gets that calls a function which only we define: its libc is older than the function. */
static long missing(void) {
    errno = ENOSYS;
    return -1;
}

static void *find(const char *name) {
    int saved = errno;
    void *found = dlsym(RTLD_NEXT, name);
    errno = saved;
    return found ? found : (void *)missing;
}

#define AT_START(name)
#define BY_CALLER(name)
#define HOOK(when, result, name, parameters, arguments) static result first_##name parameters;
#include "hooks.def"
#undef HOOK
#define HOOK(when, result, name, parameters, arguments) result(*real_##name) parameters = first_##name;
#include "hooks.def"
#undef HOOK

/* A variadic stub cannot pass its arguments on; hooks of such functions call the v-form or a fixed one. */
#define HOOK(when, result, name, parameters, arguments)                                   \
    static result first_##name parameters {                                               \
        __atomic_store_n((void **)(void *)&real_##name, find(#name), __ATOMIC_RELAXED);   \
        return real_##name arguments;                                                     \
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include "hooks.def"
#pragma GCC diagnostic pop
#undef HOOK
#undef AT_START
#undef BY_CALLER

void scope_real_start(void) {
#define AT_START(name) __atomic_store_n((void **)(void *)&real_##name, find(#name), __ATOMIC_RELAXED);
#define AT_CALL(name)
#define BY_CALLER(name)
#define HOOK(when, result, name, parameters, arguments) when(name)
#include "hooks.def"
#undef HOOK
}
