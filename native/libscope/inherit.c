/*
 * Completes the environment of programs that this one starts. LD_PRELOAD that is missing is put back, and
 * one without us gets us at its end; set to nothing it stays, that is how to start a program unscoped.
 */
#include "inherit.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define VARIABLES 96
#define PRELOAD "LD_PRELOAD="
#define PRELOAD_LENGTH (sizeof PRELOAD - 1)

static char library[PATH_MAX];
static char preload[PATH_MAX + sizeof PRELOAD];
static char *variables[VARIABLES]; /* SCOPE_* of this process, "NAME=value" */
static int variable_count;
static bool preloaded; /* by LD_PRELOAD, not by /etc/ld.so.preload, whose programs need no help */

/** Is the library in a list that is separated by spaces and colons? Any path to a file of its name counts. */
static bool lists_us(const char *list) {
    const char *slash = strrchr(library, '/'), *name = slash ? slash + 1 : library;
    size_t length = strlen(name);
    for (const char *at = list; *at;) {
        at += strspn(at, ": ");
        size_t here = strcspn(at, ": ");
        if (here >= length && memcmp(at + here - length, name, length) == 0 && (here == length || at[here - length - 1] == '/'))
            return true;
        at += here;
    }
    return false;
}

void scope_inherit_from(char *const environment[]) {
    Dl_info about;
    static const char here = 0;
    if (!dladdr(&here, &about) || !about.dli_fname || strlen(about.dli_fname) >= sizeof library)
        return;
    strcpy(library, about.dli_fname);
    variable_count = 0;
    for (; environment && *environment; environment++) {
        if (strncmp(*environment, PRELOAD, PRELOAD_LENGTH) == 0 && lists_us(*environment + PRELOAD_LENGTH)) {
            preloaded = true;
            snprintf(preload, sizeof preload, PRELOAD "%s", library);
        } else if (strncmp(*environment, "SCOPE_", 6) == 0 && variable_count < VARIABLES) {
            /* A copy: the program may overwrite its environment, as servers do to show a title. */
            char *copy = strdup(*environment);
            if (copy)
                variables[variable_count++] = copy;
        }
    }
}

/** Memory of the calling thread for one environment; grows, and stays with the thread. */
static void *room(size_t size) {
    static __thread struct { void *memory; size_t size; } kept __attribute__((tls_model("initial-exec")));
    if (kept.size < size) {
        size = (size + 4095) & ~(size_t)4095;
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return NULL;
        if (kept.memory)
            munmap(kept.memory, kept.size);
        kept.memory = memory;
        kept.size = size;
    }
    return kept.memory;
}

static bool has(char *const environment[], const char *variable) {
    size_t name = strcspn(variable, "=") + 1;
    for (; *environment; environment++)
        if (strncmp(*environment, variable, name) == 0)
            return true;
    return false;
}

char *const *scope_inherit(char *const environment[]) {
    static char *const empty[] = {NULL};
    if (!preloaded)
        return environment;
    char *const *given = environment ? environment : empty;
    size_t count = 0;
    const char *others = NULL;
    for (; given[count]; count++)
        if (strncmp(given[count], PRELOAD, PRELOAD_LENGTH) == 0)
            others = given[count] + PRELOAD_LENGTH;
    if (others && (!*others || lists_us(others)))
        return environment;
    size_t joined = others ? sizeof preload + 1 + strlen(others) : 0;
    char **made = room((count + (size_t)variable_count + 2) * sizeof *made + joined);
    if (!made)
        return environment;
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(given[i], PRELOAD, PRELOAD_LENGTH) != 0)
            made[at++] = given[i];
    for (int i = 0; i < variable_count; i++)
        if (!has(given, variables[i]))
            made[at++] = variables[i];
    char *text = (char *)(made + count + (size_t)variable_count + 2);
    if (others)
        snprintf(text, joined, PRELOAD "%s:%s", others, library);
    made[at++] = others ? text : preload;
    made[at] = NULL;
    return made;
}
