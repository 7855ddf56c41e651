// Small functions of x86-64 whose instructions are hard to step, to trap and to execute anywhere
// but in their place, each beside what it computes as C says it. Their labels begin with
// instructions of all kinds; see torture.c.

#pragma once

#include <stdint.h>

// Data that the functions address relative to their own instructions.
uint64_t cell = 0x0123456789abcdef;
uint32_t narrow_cell = 77;
double one = 1.0;
uint64_t divisor = 7;
uint8_t has_avx;
uint64_t wide_cell[2] __attribute__((aligned(16))) = { 0x1111222233334444, 0x5555666677778888 };
uint8_t bytes_to_copy[96];
// What all threads have counted by `count_once`.
uint64_t counted;

#define PIECE(name) uint64_t name(uint64_t);
#define BEGIN(name) ".p2align 4\n.globl " #name "\n.type " #name ", @function\n" #name ":\n"
#define LABEL(name) ".type " #name ", @function\n" #name ":\n"

PIECE(jump_short) PIECE(jump_near) PIECE(jump_all) PIECE(jump_always) PIECE(call_leaf)
PIECE(where_am_i) PIECE(return_now) PIECE(return_more) PIECE(relative) PIECE(indirect)
PIECE(push_flags) PIECE(push_flags_16) PIECE(copy_bytes) PIECE(fill_bytes) PIECE(call_kernel)
PIECE(red_zone) PIECE(count_once) PIECE(loops) PIECE(stack_pointer) PIECE(floating)
PIECE(segment) PIECE(long_ones) PIECE(divide) PIECE(wide_compare) PIECE(marked)

asm(".text\n"
    // Conditional jumps, as first instructions, taken and not.
    BEGIN(jump_short) "cmp $128, %rdi\n call jump_short_first\n ret\n"
    LABEL(jump_short_first) "jb 1f\n lea (%rdi,%rdi,2), %rax\n ret\n 1: lea 5(%rdi), %rax\n ret\n"
    BEGIN(jump_near) "cmp $100, %rdi\n call jump_near_first\n ret\n"
    LABEL(jump_near_first) "jae 1f\n lea 9(%rdi), %rax\n ret\n .skip 200, 0xcc\n"
    "1: lea 2(%rdi,%rdi), %rax\n ret\n"
    BEGIN(jump_all) "and $0x8d5, %rdi\n or $0x202, %rdi\n push %rdi\n popfq\n mov $0, %eax\n"
    ".irp cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g\n call jump_all_\\cc\n .endr\n"
    "ret\n"
    ".irp cc, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g\n"
    "jump_all_\\cc: j\\cc 1f\n lea (,%rax,2), %rax\n ret\n 1: lea 1(,%rax,2), %rax\n ret\n .endr\n"
    BEGIN(jump_always) "jmp 1f\n ud2\n 1: jmp 2f\n .skip 200, 0xcc\n 2: lea 7(%rdi), %rax\n ret\n"
    // Calls and returns: what they push must be the address behind them.
    BEGIN(call_leaf) "call call_leaf_leaf\n add $3, %rax\n ret\n"
    LABEL(call_leaf_leaf) "lea (%rdi,%rdi), %rax\n ret\n"
    BEGIN(where_am_i) "call 1f\n 1: pop %rax\n lea 1b(%rip), %rcx\n sub %rcx, %rax\n"
    "add %rdi, %rax\n ret\n"
    BEGIN(return_now) "mov %rdi, %rax\n call return_now_first\n inc %rax\n ret\n"
    LABEL(return_now_first) "ret\n"
    BEGIN(return_more) "push %rdi\n push %rdi\n call 1f\n lea 4(%rdi), %rax\n ret\n 1: ret $16\n"
    // Operands relative to the instruction, with and without an immediate behind.
    BEGIN(relative) "mov cell(%rip), %rax\n add %rdi, %rax\n cmpl $77, narrow_cell(%rip)\n"
    "je 1f\n ud2\n 1: lea cell(%rip), %rcx\n add (%rcx), %rax\n push cell(%rip)\n pop %rcx\n"
    "xor %rcx, %rax\n imul $3, cell(%rip), %rdx\n add %rdx, %rax\n testb $1, cell(%rip)\n"
    "jne 2f\n ud2\n 2: ret\n"
    BEGIN(indirect) "lea 1f(%rip), %rcx\n jmp *%rcx\n ud2\n 1: call *leaf_pointer(%rip)\n"
    "lea call_leaf_leaf(%rip), %rcx\n push %rcx\n push %rax\n call *8(%rsp)\n pop %rcx\n"
    "add %rcx, %rax\n pop %rcx\n push %rax\n call *%rcx\n pop %rcx\n add %rcx, %rax\n"
    "mov %edi, %ecx\n and $1, %ecx\n"
    "lea table(%rip), %rdx\n jmp *(%rdx,%rcx,8)\n"
    "3: lea 1(%rax,%rdi), %rax\n 4: jmp *return_pointer(%rip)\n ud2\n 5: ret\n"
    ".pushsection .data.rel, \"aw\"\n .p2align 3\n leaf_pointer: .quad call_leaf_leaf\n"
    "table: .quad 3b, 4b\n return_pointer: .quad 5b\n .popsection\n"
    // Flags, the trap flag among them.
    BEGIN(push_flags) "cmp $0x50, %rdi\n call push_flags_first\n and $0x9d5, %eax\n ret\n"
    LABEL(push_flags_first) "pushfq\n pop %rax\n ret\n"
    BEGIN(push_flags_16) "cmp $0x50, %rdi\n mov $0, %eax\n pushfw\n pop %ax\n"
    "and $0x9d5, %eax\n ret\n"
    // String instructions: one instruction, very many steps.
    BEGIN(copy_bytes) "sub $136, %rsp\n mov %rdi, %r8\n lea bytes_to_copy(%rip), %rsi\n"
    "mov %rsp, %rdi\n mov $96, %ecx\n rep movsb\n mov %rsp, %rsi\n mov $96, %ecx\n"
    "xor %edx, %edx\n xor %eax, %eax\n 1: lodsb\n add %rax, %rdx\n loop 1b\n"
    "lea (%rdx,%r8), %rax\n add $136, %rsp\n ret\n"
    BEGIN(fill_bytes) "sub $72, %rsp\n mov %rdi, %r8\n mov %edi, %eax\n and $0x7f, %eax\n"
    "mov %rsp, %rdi\n mov $40, %ecx\n rep stosb\n movb $0xff, (%rdi)\n mov $0xff, %eax\n"
    "mov %rsp, %rdi\n mov $64, %ecx\n repne scasb\n mov %rdi, %rax\n sub %rsp, %rax\n"
    "add %r8, %rax\n add $72, %rsp\n ret\n"
    // A system call that fails at once, lseek(-1), and what it leaves in registers: where it
    // returns to, and the flags. Of those the trap flag is not looked at, which the CPU puts there.
    BEGIN(call_kernel) "push %rdi\n mov $8, %eax\n mov $-1, %edi\n xor %esi, %esi\n"
    "xor %edx, %edx\n cmp %edi, %edi\n call call_kernel_first\n pop %rdi\n"
    "lea call_kernel_behind(%rip), %rdx\n sub %rdx, %rcx\n add %rcx, %rax\n"
    "and $0x8d5, %r11d\n add %r11, %rax\n add %rdi, %rax\n ret\n"
    LABEL(call_kernel_first) "syscall\n call_kernel_behind: ret\n"
    // Nobody writes below the stack pointer (psABI, the red zone).
    BEGIN(red_zone) "mov %rdi, -8(%rsp)\n lea 1(%rdi), %rcx\n mov %rcx, -128(%rsp)\n nop\n"
    "mov -8(%rsp), %rax\n add -128(%rsp), %rax\n ret\n"
    // Executed once, not twice and not never.
    BEGIN(count_once) "lock incq counted(%rip)\n mov %rdi, %rax\n ret\n"
    BEGIN(loops) "mov $10, %ecx\n xor %eax, %eax\n 1: add %rdi, %rax\n loop 1b\n jrcxz 2f\n ud2\n"
    "2: jecxz 3f\n ud2\n 3: mov $3, %ecx\n 4: inc %rax\n test %rcx, %rcx\n loopne 4b\n ret\n"
    BEGIN(stack_pointer) "push %rsp\n pop %rax\n sub %rsp, %rax\n enter $16, $0\n"
    "mov %rdi, -8(%rbp)\n add -8(%rbp), %rax\n leave\n push %rax\n push (%rsp)\n pop %rcx\n"
    "pop %rax\n add %rcx, %rax\n ret\n"
    BEGIN(floating) "cvtsi2sd %rdi, %xmm0\n addsd one(%rip), %xmm0\n cmpb $0, has_avx(%rip)\n"
    "je 1f\n vaddsd one(%rip), %xmm0, %xmm0\n jmp 2f\n 1: addsd one(%rip), %xmm0\n"
    "2: cvttsd2si %xmm0, %rax\n ret\n"
    BEGIN(segment) "mov %fs:0, %rax\n sub %fs:16, %rax\n add %rdi, %rax\n ret\n"
    BEGIN(long_ones) "movabs $0x1122334455667788, %rax\n add %rdi, %rax\n"
    ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n"
    "push $0x12345678\n pop %rcx\n add %rcx, %rax\n lea 1f(%rip), %rcx\n push %rcx\n ret\n"
    "ud2\n 1: ret\n"
    BEGIN(divide) "xor %edx, %edx\n mov %rdi, %rax\n divq divisor(%rip)\n shl $8, %rax\n"
    "add %rdx, %rax\n ret\n"
    BEGIN(wide_compare) "push %rbx\n mov %rdi, %rax\n xor %edx, %edx\n xor %ebx, %ebx\n"
    "xor %ecx, %ecx\n lock cmpxchg16b wide_cell(%rip)\n jne 1f\n ud2\n 1: add %rdx, %rax\n"
    "add %rdi, %rax\n pop %rbx\n ret\n"
    BEGIN(marked) "endbr64\n lea 11(%rdi), %rax\n ret\n");

// The flags of `cmp $right, left`.
static uint64_t compare_flags(uint64_t left, uint64_t right)
{
    uint64_t difference = left - right;
    uint64_t flags = left < right;
    flags |= (uint64_t)!__builtin_parity(difference & 0xff) << 2;
    flags |= (left ^ right ^ difference) & 0x10;
    flags |= (uint64_t)(difference == 0) << 6;
    flags |= (difference >> 63) << 7;
    flags |= (((left ^ right) & (left ^ difference)) >> 63) << 11;
    return flags;
}

static uint64_t model_of_jump_all(uint64_t flags)
{
    int cf = flags & 1, pf = flags >> 2 & 1, zf = flags >> 6 & 1;
    int sf = flags >> 7 & 1, of = flags >> 11 & 1;
    int taken[] = { of, cf, zf, cf | zf, sf, pf, sf != of, zf | (sf != of) };
    uint64_t result = 0;
    for (int index = 0; index < 8; index++)
        result = result << 2 | (taken[index] ? 2 : 1);
    return result;
}

// What piece `index` computes of `x`.
static uint64_t model(int index, uint64_t x)
{
    uint64_t sum = 0, value;
    switch (index) {
    case 0: return x < 128 ? x + 5 : 3 * x;
    case 1: return x < 100 ? x + 9 : 2 * x + 2;
    case 2: return model_of_jump_all(x & 0x8d5);
    case 3: return x + 7;
    case 4: return 2 * x + 3;
    case 5: return x;
    case 6: return x + 1;
    case 7: return x + 4;
    case 8: value = cell + x + cell; return (value ^ cell) + 3 * cell;
    case 9: value = 6 * x; return x & 1 ? value : value + x + 1;
    case 10: case 11: return compare_flags(x, 0x50);
    case 12:
        for (int at = 0; at < 96; at++)
            sum += bytes_to_copy[at];
        return sum + x;
    case 13: return 41 + x;
    case 14: return (uint64_t)-9 + compare_flags(0, 0) + x;
    case 15: return 2 * x + 1;
    case 16: return x;
    case 17: return 10 * x + 3;
    case 18: return 2 * x;
    case 19: return x + 2;
    case 20: return x;
    case 21: return 0x1122334455667788 + x + 0x12345678;
    case 22: return (x / 7 << 8) + x % 7;
    case 23: return wide_cell[0] + wide_cell[1] + x;
    default: return x + 11;
    }
}

static const struct piece {
    const char *name;
    uint64_t (*function)(uint64_t);
} PIECES[] = {
    { "jump_short", jump_short }, { "jump_near", jump_near }, { "jump_all", jump_all },
    { "jump_always", jump_always }, { "call_leaf", call_leaf }, { "where_am_i", where_am_i },
    { "return_now", return_now }, { "return_more", return_more }, { "relative", relative },
    { "indirect", indirect }, { "push_flags", push_flags },
    { "push_flags_16", push_flags_16 }, { "copy_bytes", copy_bytes },
    { "fill_bytes", fill_bytes }, { "call_kernel", call_kernel }, { "red_zone", red_zone },
    { "count_once", count_once }, { "loops", loops }, { "stack_pointer", stack_pointer },
    { "floating", floating }, { "segment", segment }, { "long_ones", long_ones },
    { "divide", divide }, { "wide_compare", wide_compare }, { "marked", marked },
};
#define COUNTING_PIECE 16

static void prepare_pieces(void)
{
    has_avx = __builtin_cpu_supports("avx") != 0;
    for (int at = 0; at < 96; at++)
        bytes_to_copy[at] = at * 37 + 5;
}
