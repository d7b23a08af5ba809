/*
 * vfork, which C cannot wrap: its child returns into the caller's frame, so the return address must
 * not lie on the stack that both share. While the child lives in the parent's memory its closes and
 * duplicates must not touch the parent's table, so the thread is hidden until the parent goes on.
 */
#if defined(__x86_64__)

#define HIDDEN 0
#define GENERATION 4
#define SYS_vfork 58
#define MOST_ERRNO 4095

    .text
    .globl hook_vfork
    .hidden hook_vfork
    .type hook_vfork, @function
    .globl vfork
    .type vfork, @function
    .set vfork, hook_vfork
hook_vfork:
    .cfi_startproc
    endbr64
    popq %rdi
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdi
    movq scope_thread@gottpoff(%rip), %rsi
    incl %fs:HIDDEN(%rsi)
    movl $-1, %fs:GENERATION(%rsi)
    movl $SYS_vfork, %eax
    syscall
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rip, 0
    testq %rax, %rax
    jz 1f
    decl %fs:HIDDEN(%rsi)
    cmpq $-MOST_ERRNO, %rax
    jae 2f
1:  ret
2:  negl %eax
    pushq %rax
    .cfi_adjust_cfa_offset 8
    call __errno_location@PLT
    popq %rcx
    .cfi_adjust_cfa_offset -8
    movl %ecx, (%rax)
    movl $-1, %eax
    ret
    .cfi_endproc
    .size hook_vfork, .-hook_vfork

#else
#error "vfork.S: write this architecture's vfork"
#endif

    .section .note.GNU-stack, "", @progbits
