/*
 * The library's descriptors, out of the program's sight. The reporter's thread has a table of
 * descriptors of its own, where the kernel allows it: the program then neither sees nor can close
 * ours, its own are never kept open by us, and the numbers it gets are what they would be. Where that
 * is not allowed ours are high numbers of the program's table, and are known by what they refer to.
 */
#ifndef SCOPE_DESCRIPTOR_H
#define SCOPE_DESCRIPTOR_H

#include <stdbool.h>

/** On the reporter's thread, first of all. `keep_output`: stdout and stderr stay reachable. */
void scope_descriptor_separate(bool keep_output);
/** Takes a new descriptor into our care and gives its number, which may be another. -1 stays -1, with errno. */
int scope_descriptor_keep(int fd);
/** Is the descriptor still the one that we opened? */
bool scope_descriptor_ours(int fd);
void scope_descriptor_close(int fd);
/** For capture: may be called anywhere. */
bool scope_descriptor_is_own(int fd);
/** In a forked child: none is ours any more. */
void scope_descriptor_forget(void);

#endif
