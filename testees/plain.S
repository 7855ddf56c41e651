// A program without a C library: a few instructions at known labels, then exit(7).

    .intel_syntax noprefix
    .text
    .globl _start, first, second, leaf, done
    .type _start, @function
    .type leaf, @function
_start:
    xor edi, edi
first:
    mov rbx, 3
second:
    call leaf
    add rdi, rax
    dec rbx
    jnz second
    inc rdi
done:
    mov eax, 60
    syscall
    .size _start, . - _start
leaf:
    .cfi_startproc
    mov eax, 2
    ret
    .cfi_endproc
    .size leaf, . - leaf
    .section .note.GNU-stack, "", @progbits
