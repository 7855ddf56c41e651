// Executes instructions of every shape that a debugger has to treat in its own way, in several
// threads, and checks what each did. A timer interrupts all the time; its handler checks that it
// never sees an address that is not the program's own code. Arguments: threads, rounds, and
// microseconds between interruptions, or 0 for none.

#include "testee.h"

#include <sys/time.h>
#include <ucontext.h>

extern char __executable_start, etext;
volatile unsigned long interrupts;
volatile unsigned long strays;

// Counts, by its own instructions, in rax; each labelled instruction is a place for a breakpoint.
unsigned long all_shapes(unsigned long number, unsigned char *buffer);
asm(".pushsection .text\n"
    ".globl all_shapes\n"
    ".type all_shapes, @function\n"
    "all_shapes:\n"
    "at_push: push %rbp\n"
    "at_move: mov %rsp, %rbp\n"
    "push %rbx\n"
    "push %rsi\n"
    "at_load: mov constant(%rip), %rax\n"      // rax = 1000
    "at_lea: lea constant(%rip), %rbx\n"
    "at_add: add (%rbx), %rax\n"                // 2000
    "at_compare: cmpq $1000, constant(%rip)\n"
    "at_taken: je 1f\n"
    "add $100000, %rax\n"
    "1: cmpq $1001, constant(%rip)\n"
    "at_passed: je 2f\n"
    "inc %rax\n"                                // 2001
    "2:\n"
    "at_jump: jmp 3f\n"
    "add $100000, %rax\n"
    "3: mov $4, %rcx\n"
    "4: inc %rax\n"
    "at_loop: loop 4b\n"                        // 2005
    "at_no_count: jrcxz 5f\n"
    "add $100000, %rax\n"
    "5:\n"
    "at_call: call double_it\n"                 // 4010
    "at_indirect: call *pointer(%rip)\n"        // 8020
    "lea double_it(%rip), %rbx\n"
    "at_register: call *%rbx\n"                 // 16040
    "push %rbx\n"
    "at_stack: call *(%rsp)\n"                  // 32080
    "pop %rbx\n"
    "stc\n"
    "at_pushf: pushf\n"
    "clc\n"
    "mov (%rsp), %rbx\n"
    "at_popf: popf\n"
    "adc $0, %rax\n"                            // 32081
    "shr $8, %rbx\n"
    "and $1, %rbx\n"
    "add %rbx, %rax\n"                          // + the trap flag, which must not be there
    "mov %rdi, %rbx\n"
    "lea source(%rip), %rsi\n"
    "mov (%rsp), %rdi\n"
    "mov $16, %rcx\n"
    "at_repeat: rep movsb\n"
    "mov %rbx, %rdi\n"
    "at_sse: movdqa aligned(%rip), %xmm1\n"
    "movq %xmm1, %rbx\n"
    "add %rbx, %rax\n"                          // 32088
    "pop %rsi\n"
    "pop %rbx\n"
    "pop %rbp\n"
    "at_return: ret\n"
    ".size all_shapes, . - all_shapes\n"
    ".type double_it, @function\n"
    "double_it:\n"
    "at_double: add %rax, %rax\n"
    "ret\n"
    ".size double_it, . - double_it\n"
    ".popsection\n"
    ".pushsection .rodata\n"
    ".balign 16\n"
    "aligned: .quad 7, 8\n"
    "constant: .quad 1000\n"
    "source: .ascii \"0123456789abcdef\"\n"
    ".popsection\n"
    ".pushsection .data.rel\n"
    ".balign 8\n"
    "pointer: .quad double_it\n"
    ".popsection\n");

static unsigned long rounds;

static void interrupted(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    unsigned long pc = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    // The program's code, or a library's, which lies elsewhere altogether.
    unsigned long end = ((unsigned long)&etext + 0xfff) & ~0xfffUL;
    if (pc >= (unsigned long)&etext && pc < end)
        strays++;
    interrupts++;
}

static void *run(void *argument)
{
    unsigned char buffer[16];
    for (unsigned long round = 0; round < rounds; round++) {
        memset(buffer, 0, sizeof buffer);
        CHECK(all_shapes(round, buffer) == 32088);
        CHECK(memcmp(buffer, "0123456789abcdef", 16) == 0);
    }
    return argument;
}

int main(int count, char **arguments)
{
    CHECK(count == 4);
    unsigned long threads = strtoul(arguments[1], NULL, 0);
    rounds = strtoul(arguments[2], NULL, 0);
    struct sigaction action = { .sa_sigaction = interrupted, .sa_flags = SA_SIGINFO | SA_RESTART };
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    long between = atol(arguments[3]);
    struct itimerval often = { { 0, between }, { 0, between } };
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    pthread_t ids[threads];
    for (unsigned long index = 0; index < threads; index++)
        CHECK(pthread_create(&ids[index], NULL, run, NULL) == 0);
    say("ready");
    for (unsigned long index = 0; index < threads; index++)
        CHECK(pthread_join(ids[index], NULL) == 0);
    struct itimerval never = { { 0, 0 }, { 0, 0 } };
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(strays == 0);
    return 0;
}
