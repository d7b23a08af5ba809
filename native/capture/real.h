/*
 * The originals behind the hooks: real_write() is the function that the program would have called.
 * Each pointer begins at a stub that looks the original up and calls it, so a hook may be called
 * before any constructor has run and never has to ask whether it may go on.
 */
#ifndef SCOPE_REAL_H
#define SCOPE_REAL_H

#include <dirent.h>
#include <netdb.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define HOOK(when, result, name, parameters, arguments) extern result(*real_##name) parameters;
#include "hooks.def"
#undef HOOK

/** Looks up the originals marked AT_START. */
void scope_real_start(void);

/**
 * Begins a hook: defines hook_NAME and exports it under the name of the function. The exported name is
 * made by the assembler, so that it never meets the prototypes, macros and redirections of libc's headers.
 */
#define SCOPE_HOOK(result, name, ...)                                                   \
    __asm__(".globl " #name "\n\t.type " #name ", %function\n\t.set " #name ", hook_" #name); \
    result hook_##name(__VA_ARGS__);                                                    \
    result hook_##name(__VA_ARGS__)

#endif
