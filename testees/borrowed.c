// Notices whether it has been made to do something for somebody else and was not put back as it
// was. Its first argument says what it does:
//   registers  computes with every register, until its variable `limit` is reached
//   blocked    blocks all signals, and waits for the end of its input
//   strict     enters seccomp's strict mode, and waits for the end of its input
//   errno, trap, kill
//              does not let itself make getpid(2), by a seccomp filter that says so, ends it by
//              SIGSYS or at once, and waits for the end of its input

#include "testee.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

volatile unsigned long turns;
volatile unsigned long limit = -1UL;
volatile unsigned long refusals;

// Gives every register a value, waits a little, and counts in `turns` how often they all had kept
// it. The red zone keeps one as well. Returns 0 if one had not.
int keep_registers(void);
asm(".text\n"
    ".globl keep_registers\n"
    ".type keep_registers, @function\n"
    "keep_registers:\n"
    "    push %rbx\n    push %rbp\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
    "1:  mov $0x1111111111111111, %rax\n    mov %rax, -8(%rsp)\n    mov %rax, -128(%rsp)\n"
    "    mov $0x0202020202020202, %rbx\n    mov $0x0303030303030303, %rdx\n"
    "    mov $0x0404040404040404, %rsi\n    mov $0x0505050505050505, %rdi\n"
    "    mov $0x0606060606060606, %rbp\n    mov $0x0808080808080808, %r8\n"
    "    mov $0x0909090909090909, %r9\n    mov $0x1010101010101010, %r10\n"
    "    mov $0x1212121212121212, %r11\n    mov $0x1313131313131313, %r12\n"
    "    mov $0x1414141414141414, %r13\n    mov $0x1515151515151515, %r14\n"
    "    mov $0x1616161616161616, %r15\n"
    "    movq %rbx, %xmm0\n    movq %rdx, %xmm1\n    movq %rsi, %xmm7\n    movq %rdi, %xmm15\n"
    "    fninit\n    fldpi\n"
    "    mov $20000, %ecx\n"
    "2:  pause\n    dec %ecx\n    jnz 2b\n"
    "    mov $0x1111111111111111, %rcx\n"
    "    cmp %rcx, %rax\n    jne 9f\n    cmp %rcx, -8(%rsp)\n    jne 9f\n"
    "    cmp %rcx, -128(%rsp)\n    jne 9f\n"
    "    mov $0x0202020202020202, %rcx\n    cmp %rcx, %rbx\n    jne 9f\n"
    "    movq %xmm0, %rax\n    cmp %rcx, %rax\n    jne 9f\n"
    "    mov $0x0303030303030303, %rcx\n    cmp %rcx, %rdx\n    jne 9f\n"
    "    movq %xmm1, %rax\n    cmp %rcx, %rax\n    jne 9f\n"
    "    mov $0x0404040404040404, %rcx\n    cmp %rcx, %rsi\n    jne 9f\n"
    "    movq %xmm7, %rax\n    cmp %rcx, %rax\n    jne 9f\n"
    "    mov $0x0505050505050505, %rcx\n    cmp %rcx, %rdi\n    jne 9f\n"
    "    movq %xmm15, %rax\n    cmp %rcx, %rax\n    jne 9f\n"
    "    mov $0x0606060606060606, %rcx\n    cmp %rcx, %rbp\n    jne 9f\n"
    "    mov $0x0808080808080808, %rcx\n    cmp %rcx, %r8\n    jne 9f\n"
    "    mov $0x0909090909090909, %rcx\n    cmp %rcx, %r9\n    jne 9f\n"
    "    mov $0x1010101010101010, %rcx\n    cmp %rcx, %r10\n    jne 9f\n"
    "    mov $0x1212121212121212, %rcx\n    cmp %rcx, %r11\n    jne 9f\n"
    "    mov $0x1313131313131313, %rcx\n    cmp %rcx, %r12\n    jne 9f\n"
    "    mov $0x1414141414141414, %rcx\n    cmp %rcx, %r13\n    jne 9f\n"
    "    mov $0x1515151515151515, %rcx\n    cmp %rcx, %r14\n    jne 9f\n"
    "    mov $0x1616161616161616, %rcx\n    cmp %rcx, %r15\n    jne 9f\n"
    "    fldpi\n    fcomip %st(1), %st\n    jne 9f\n    fstp %st(0)\n"
    "    incq turns(%rip)\n"
    "    mov turns(%rip), %rax\n    cmp limit(%rip), %rax\n    jb 1b\n"
    "    mov $1, %eax\n    jmp 10f\n"
    "9:  xor %eax, %eax\n"
    "10: pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbp\n    pop %rbx\n    ret\n"
    ".size keep_registers, .-keep_registers\n");

static void refuse(int number)
{
    (void)number;
    refusals++;
}

static void filter(unsigned action)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { sizeof program / sizeof *program, program };
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    const char *way = arguments[1];
    signal(SIGSYS, refuse);
    if (strcmp(way, "registers") == 0) {
        say("ready");
        return keep_registers() ? 0 : 1;
    }
    if (strcmp(way, "blocked") == 0) {
        sigset_t all;
        sigfillset(&all);
        CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    }
    if (strcmp(way, "errno") == 0)
        filter(SECCOMP_RET_ERRNO | EXDEV);
    if (strcmp(way, "trap") == 0)
        filter(SECCOMP_RET_TRAP);
    if (strcmp(way, "kill") == 0)
        filter(SECCOMP_RET_KILL_PROCESS);
    say("ready");
    if (strcmp(way, "strict") == 0)
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
    // In strict mode exit_group(2), and with it exit(3), is none of those that are left.
    syscall(SYS_exit, (int)refusals);
}
