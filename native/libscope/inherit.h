/* What a program that this one starts inherits of us: the preload and the SCOPE_* variables, also through an emptied environment. */
#ifndef SCOPE_INHERIT_H
#define SCOPE_INHERIT_H

/** Remembers what this process was given. `environment` must stay. */
void scope_inherit_from(char *const environment[]);
/**
 * The environment for a new program: `environment` itself if nothing is missing in it. Else a copy that
 * is good until the same thread asks again. May run in a vfork child and in a signal handler.
 */
char *const *scope_inherit(char *const environment[]);

#endif
