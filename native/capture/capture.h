/*
 * What the library asks of capture: arm the hooks on a ring, disarm them, follow a fork, and keep the
 * library's own threads and descriptors out of what is recorded. Nothing here is called by hooks of
 * the program's hot path, and nothing but this header is meant for other rooms.
 */
#ifndef SCOPE_CAPTURE_H
#define SCOPE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../wire/scope_record.h"

/** What is wanted; copied by scope_capture_start() and constant while the hooks are armed. */
struct scope_settings {
    bool fs_events, net_events, http, dns_events, console_out, console_err, log_files, tls;
    /** Two clock readings a file operation; without it file times are 0. */
    bool durations;
    /** Keep the counters of a slot. */
    bool metrics;
    /** Most head bytes of a SCOPE_DATA record; 0 means 4096. */
    uint32_t data_head;
    /** Asked once when a file is opened, never at a read or write. NULL watches none. May allocate; does no I/O. */
    bool (*watches_file)(const char *path);
    /** Is this one of the library's own descriptors? Asked at closing, duplicating and first use only, and
     *  perhaps in a signal handler: no lock, no allocation. NULL: none is. */
    bool (*is_own_descriptor)(int fd);
};

/**
 * Arms the hooks. `ring` is shared memory of `ring_size` bytes, all zero, that outlives the hooks: its
 * header is written here, with as many slots as fit (at most SCOPE_SLOTS). Call it once the library's
 * own descriptors are open. Returns 0, or -EINVAL (no room for a slot), -EBUSY (already armed).
 */
int scope_capture_start(const struct scope_settings *settings, void *ring, size_t ring_size);

/** From now on hooks only forward. The ring stays mapped: a thread may be about to publish a record. */
void scope_capture_stop(void);

/** Has the program put itself into a sandbox? Its threads must then make no system calls of ours. */
bool scope_capture_sandboxed(void);

/** Are the hooks armed in this process? False in a child that no one has called after_fork in. */
bool scope_capture_armed(void);

/**
 * In a forked child, from lifecycle.after_fork_child: arms the hooks again with a new ring and the
 * settings of the parent. The table of descriptors has come along. Until then the child records nothing.
 */
int scope_capture_after_fork(void *ring, size_t ring_size);

/** The calling thread is the library's own: nothing that it does is ever recorded. There is no way back. */
void scope_capture_disown_thread(void);

/** Hides what the calling thread does until the matching show(); they nest. Call-outs below are hidden already. */
void scope_capture_hide(void);
void scope_capture_show(void);

/**
 * Marks the text that still waits in the buffers of stdout and stderr as written, and what is still open as
 * closed, and ends the slot of the calling thread. For whoever ends the process; before the last reading of the ring.
 */
void scope_capture_finish(void);

/** What the library does at turning points, on the program's thread, outside the hot path. NULL: nothing. */
struct scope_lifecycle {
    /**
     * Before any exec, also in a vfork child that shares the parent's memory: no lock that another thread
     * may hold. May give another environment, which must stay valid until the exec has happened or
     * failed. `envp` may be NULL or empty.
     */
    void (*before_exec)(char *const envp[], char *const **new_envp);
    /** As before_exec, for a new program beside this one, which goes on: posix_spawn. NULL: before_exec is asked. */
    void (*before_spawn)(char *const envp[], char *const **new_envp);
    /** After an exec that failed: take back what before_exec did. */
    void (*exec_failed)(void);
    /** In the child, from a pthread_atfork handler (fork, daemon, forkpty) or from the hook of _Fork. */
    void (*after_fork_child)(void);
    /** exit() is not hooked (a destructor sees it); this is for _exit, _Exit, quick_exit. */
    void (*before_exit)(void);
    /** Before a seccomp filter is put on: the last moment for system calls of ours on the program's threads. */
    void (*before_sandbox)(void);
    /**
     * When a record was published, or found no room, while header.sleeping was set (it is cleared then).
     * Perhaps in a signal handler. NULL: whoever sleeps on the futex header.sleeping is woken.
     */
    void (*woken)(void);
};
/** Keeps the pointer: the structure must stay. */
void scope_capture_set_lifecycle(const struct scope_lifecycle *lifecycle);

/** Records SCOPE_PROCESS_START with the given arguments, joined by spaces (cut to fit). */
void scope_capture_process_start(const char *arguments);
/** Records SCOPE_PROCESS_EXIT. */
void scope_capture_process_exit(int status);

/** Names of the functions by scope_op, and how many there are (op_names.c, which needs nothing else). */
extern const char *const scope_op_names[];
extern const uint32_t scope_op_count;

/** A hook as GOT patching needs it: the wrapper to call and where the address of the original is kept. */
struct scope_hook {
    const char *name;
    void *wrapper;
    void **original;
};
extern const struct scope_hook scope_hooks[];

/**
 * The originals, for the library's own I/O on threads of the program, where hide() is not enough.
 * They set errno as usual.
 */
int scope_own_close(int fd);
long scope_own_write(int fd, const void *bytes, size_t length);

#endif
