// Steps itself by the trap flag, and checks that its handler sees each instruction of a sequence
// once and in its place. Argument: how often.

#include "testee.h"

#include <ucontext.h>

#define TRAPS 10

extern const greg_t traced_at[TRAPS];
unsigned long traced(unsigned long number);

// Adds 2, and the trap flag as the program sees it.
//
// A trap comes behind the first instruction that begins with the flag set, and behind each until
// one has begun without it.
asm(".text\n"
    ".globl traced, traced_0\n"
    ".type traced, @function\n"
    "traced: pushfq\n"
    "        orq $0x100, (%rsp)\n"
    "        popfq\n"
    "        nop\n"
    "traced_0: nop\n"
    "traced_1: leaq 1(%rdi), %rax\n"
    "traced_2: addq $1, %rax\n"
    "traced_3: pushfq\n"
    "traced_4: movl (%rsp), %ecx\n"
    "traced_5: andl $0x100, %ecx\n"
    "traced_6: addq %rcx, %rax\n"
    "traced_7: andq $-0x101, (%rsp)\n"
    "traced_8: popfq\n"
    "traced_9: ret\n"
    ".size traced, . - traced\n"
    ".section .data.rel.ro, \"aw\"\n"
    ".balign 8\n"
    "traced_at: .quad traced_0, traced_1, traced_2, traced_3, traced_4\n"
    "           .quad traced_5, traced_6, traced_7, traced_8, traced_9\n"
    ".text\n");

volatile unsigned long seen;
volatile unsigned long wrong;

static void see(int number, siginfo_t *info, void *context)
{
    (void)number;
    greg_t at = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    if (seen >= TRAPS || at != traced_at[seen] || info->si_code != TRAP_TRACE)
        wrong++;
    seen++;
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    struct sigaction action = { .sa_sigaction = see, .sa_flags = SA_SIGINFO };
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    for (unsigned long round = strtoul(arguments[1], NULL, 0); round > 0; round--) {
        seen = 0;
        CHECK(traced(round) == round + 2 + 0x100);
        CHECK(seen == TRAPS && wrong == 0);
    }
    return 0;
}
