/* The streams of stdio, as far as others must know of them. */
#ifndef SCOPE_HOOK_STDIO_H
#define SCOPE_HOOK_STDIO_H

/** Records what still waits in the buffers of stdout and stderr: the process ends and libc will write it. */
void scope_streams_end(void);
/** A fork has happened (from hooks that pthread_atfork does not see). */
void scope_forked(void);

#endif
