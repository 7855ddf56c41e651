// A program without a C library, in which every instruction is known. It does a little of what is
// hard to step over, checks that it came out right, and ends with the status 0.

        .section .rodata
source: .ascii  "0123456789abcdef"

        .bss
target: .skip   16
        .globl  scratch
scratch: .skip  8

        .text
        .globl  _start, ordinary, routine, repeated, flags, system, finish, wrong, end_of_code
_start:
        xor     %ebp, %ebp
ordinary:
        mov     $5, %eax
        add     $7, %eax
        lea     scratch(%rip), %rbx
        mov     %rax, (%rbx)
        push    %rax
        pop     %rcx
        cmp     $12, %rcx
        jne     wrong
        call    routine
        cmp     $13, %rax
        jne     wrong
repeated:
        lea     source(%rip), %rsi
        lea     target(%rip), %rdi
        mov     $16, %ecx
        rep movsb
        cmpb    $'f', target+15(%rip)
        jne     wrong
flags:
        pushfq
        pop     %rax
        test    $0x100, %eax            // The trap flag must not be seen.
        jnz     wrong
        pushfq
        popfq
system:
        mov     $39, %eax               // getpid
        syscall
        test    %eax, %eax
        jle     wrong
finish:
        xor     %edi, %edi
        mov     $231, %eax              // exit_group
        syscall
wrong:
        mov     $1, %edi
        mov     $231, %eax
        syscall
routine:
        inc     %rax
        ret
end_of_code:
        nop
