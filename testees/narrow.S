// A 32-bit program that waits for the end of its input.

        .bss
byte:   .skip   1

        .text
        .globl  _start
_start:
        mov     $4, %eax                // write
        mov     $1, %ebx
        mov     $ready, %ecx
        mov     $6, %edx
        int     $0x80
again:
        mov     $3, %eax                // read
        xor     %ebx, %ebx
        mov     $byte, %ecx
        mov     $1, %edx
        int     $0x80
        test    %eax, %eax
        jg      again
        mov     $1, %eax                // exit
        xor     %ebx, %ebx
        int     $0x80

        .section .rodata
ready:  .ascii  "ready\n"
