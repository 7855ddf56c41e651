// Notices whether it has been made to do something for somebody else and was not put back as it
// was; and has functions to call. Its first argument says what it does:
//   threads N  waits for the end of its input, as N threads do for its first one
//   raises     has a thread that sends itself SIGUSR1 when provoked, and waits for the end of its
//              input
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
#include <poll.h>
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

// To be called.

long add(long one, long other)
{
    return one + other;
}

unsigned long length(const char *text)
{
    return strlen(text);
}

// Every argument has a place of its own in the result.
long eight(long a, long b, long c, long d, long e, long f, long g, long h)
{
    return a + 10 * (b + 10 * (c + 10 * (d + 10 * (e + 10 * (f + 10 * (g + 10 * h))))));
}

// What a function is promised: an aligned stack, upward string instructions, an empty x87.
long promises(void)
{
    unsigned long flags;
    unsigned short environment[14];
    asm volatile("pushfq\n pop %0" : "=r"(flags));
    asm volatile("fnstenv %0\n fldenv %0" : "+m"(environment));
    int is_aligned = ((unsigned long)__builtin_frame_address(0) & 15) == 0;
    return is_aligned && (flags & 0x500) == 0 && environment[4] == 0xffff;
}

// Leaves nothing in the registers that a function may change, and most others.
double spoils(double number, int times)
{
    (void)number;
    asm volatile("pcmpeqb %%xmm1, %%xmm1\n movdqa %%xmm1, %%xmm7\n movdqa %%xmm1, %%xmm15\n"
        "std\n fld1\n fld1\n cld\n xor %%r8d, %%r8d\n xor %%r11d, %%r11d\n"
        ::: "xmm1", "xmm7", "xmm15", "r8", "r11", "st");
    return 0.5 * times;
}

void *allocates(unsigned long size)
{
    char *bytes = malloc(size);
    memset(bytes, 'x', size);
    return bytes;
}

void frees(void *bytes)
{
    free(bytes);
}

long crashes(void)
{
    return *(volatile long *)0x123456789000;
}

long divides(long by)
{
    return 100 / by;
}

void aborts(void)
{
    abort();
}

volatile unsigned long rounds;

void spins(void)
{
    for (;;)
        rounds++;
}

STOP_HERE void breakpoint(void)
{
    asm volatile("" ::: "memory");
}

long breaks(void)
{
    breakpoint();
    return 5;
}

void exits(int status)
{
    exit(status);
}

void exits_thread(void)
{
    pthread_exit(NULL);
}

long sleeps(long milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    return nanosleep(&time, NULL);
}

volatile long is_set;

// Returns when another thread has set the variable.
long waits_for_others(void)
{
    is_set = 1;
    while (is_set != 2)
        syscall(SYS_sched_yield);
    return 7;
}

static void *make_nothing(void *argument)
{
    return argument;
}

// Makes a thread, which runs when the others do.
long makes_thread(void)
{
    pthread_t id;
    return pthread_create(&id, NULL, make_nothing, NULL) == 0 && pthread_detach(id) == 0;
}

long makes_process(void)
{
    return system("exit 3");
}

void becomes(const char *program)
{
    execl(program, program, NULL);
}

// Blocks everything, and does not come back.
void blocks_and_spins(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    spins();
}

long blocks_usr1(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    return sigprocmask(SIG_BLOCK, &set, NULL);
}

void raises(int number)
{
    raise(number);
}

static void refuse(int number)
{
    (void)number;
    refusals++;
}

STOP_HERE void wait_in_its_way_again(void)
{
    asm volatile("" ::: "memory");
}

static void *wait_in_its_way(void *argument)
{
    long number = (long)argument;
    for (;;) {
        wait_in_its_way_again();
        struct timespec time = { 0, 20000000 };
        static volatile int word;
        errno = 0;
        switch (number % 5) {
        case 0: CHECK(nanosleep(&time, NULL) == 0); break;
        case 1: CHECK(poll(NULL, 0, 20) == 0); break;
        case 2:
            syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
            CHECK(errno == ETIMEDOUT);
            break;
        case 3: CHECK(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) == -1); break;
        case 4:
            if (is_set == 1)
                is_set = 2;
            break;
        }
    }
    return NULL;
}

static void handle(int number)
{
    (void)number;
}

static volatile unsigned is_provoked;

static void *raise_if_provoked(void *argument)
{
    for (;;) {
        while (!is_provoked)
            continue;
        is_provoked = 0;
        CHECK(raise(SIGUSR1) == 0);
    }
    return argument;
}

// Has the other thread send itself a signal, and ends so many turns later: by returning, or by a
// fault.
unsigned long provokes(unsigned long delay, unsigned long faults)
{
    is_provoked = 1;
    while (delay-- > 0)
        asm volatile("pause");
    return faults ? *(volatile unsigned long *)8 : 7;
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
    CHECK(count >= 2);
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
    if (strcmp(way, "threads") == 0)
        for (long number = 0; number < atol(arguments[2]); number++) {
            pthread_t id;
            CHECK(pthread_create(&id, NULL, wait_in_its_way, (void *)number) == 0);
        }
    if (strcmp(way, "raises") == 0) {
        pthread_t id;
        signal(SIGUSR1, handle);
        CHECK(pthread_create(&id, NULL, raise_if_provoked, NULL) == 0);
    }
    say("ready");
    if (strcmp(way, "strict") == 0)
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
    // In strict mode exit_group(2), and with it exit(3), is none of those that are left.
    if (strcmp(way, "strict") != 0)
        _exit(refusals);
    syscall(SYS_exit, 0);
}
