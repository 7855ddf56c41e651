// Threads that hold known values in all of their x87, SSE, AVX, AVX-512 and mask registers, as far
// as the CPU has them, while they wait for the end of our input; then they look whether the values
// are still there. Argument: how many threads besides the first, which carries values as well.

#include "testee.h"

#include <cpuid.h>

#define THREADS_MAX 200

// What one thread holds. The assembly below knows the offsets.
struct image {
    unsigned char vectors[32][64];
    unsigned long masks[8];
    unsigned char stack[8][16];
    unsigned mxcsr;
    unsigned padding[15];
} __attribute__((aligned(64)));

// Read by tests: what threads load, and what they have in the end.
struct image before[THREADS_MAX], after[THREADS_MAX];
volatile int tids[THREADS_MAX];
// 1 SSE, 2 AVX, 3 AVX-512.
volatile int level;
volatile int may_end, loaded;
static unsigned long threads;

// Loads the first image, waits until the futex in the third argument is not 0, stores into the
// second. Everything between `NAME_loaded` and `NAME_ended` leaves the registers alone.
#define CARRY(name, load, store)                                                    \
    void carry_##name(struct image *from, struct image *to, volatile int *futex);   \
    asm(".pushsection .text\n"                                                      \
        ".globl carry_" #name ", " #name "_loaded, " #name "_ended\n"               \
        ".type carry_" #name ", @function\n"                                        \
        "carry_" #name ":\n"                                                        \
        "push %rbx; push %r12; push %r13\n"                                         \
        "mov %rdi, %rbx; mov %rsi, %r12; mov %rdx, %r13\n"                          \
        "fninit\n"                                                                  \
        ".irp n, 7, 6, 5, 4, 3, 2, 1, 0\n fldt 2112+16*\\n(%rbx)\n .endr\n"         \
        "ldmxcsr 2240(%rbx)\n" load                                                 \
        #name "_loaded: lock incl loaded(%rip)\n"                                   \
        "1: cmpl $0, (%r13); jne 2f\n"                                              \
        "mov $202, %eax; mov %r13, %rdi; xor %esi, %esi; xor %edx, %edx\n"          \
        "xor %r10d, %r10d; syscall; jmp 1b\n"                                       \
        "2:\n" store                                                                \
        "stmxcsr 2240(%r12)\n"                                                      \
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n fstpt 2112+16*\\n(%r12)\n .endr\n"        \
        #name "_ended: nop\n"                                                       \
        "fninit; movl $0x1f80, 2244(%r12); ldmxcsr 2244(%r12)\n"                    \
        "pop %r13; pop %r12; pop %rbx; ret\n"                                       \
        ".size carry_" #name ", . - carry_" #name "\n.popsection\n")

#define LOW "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15"
#define HIGH "16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31"

CARRY(sse, ".irp n, " LOW "\n movaps 64*\\n(%rbx), %xmm\\n\n .endr\n",
      ".irp n, " LOW "\n movaps %xmm\\n, 64*\\n(%r12)\n .endr\n");
CARRY(avx, ".irp n, " LOW "\n vmovaps 64*\\n(%rbx), %ymm\\n\n .endr\n",
      ".irp n, " LOW "\n vmovaps %ymm\\n, 64*\\n(%r12)\n .endr\nvzeroupper\n");
CARRY(avx512,
      ".irp n, " LOW ", " HIGH "\n vmovaps 64*\\n(%rbx), %zmm\\n\n .endr\n"
      ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n kmovq 2048+8*\\n(%rbx), %k\\n\n .endr\n",
      ".irp n, " LOW ", " HIGH "\n vmovaps %zmm\\n, 64*\\n(%r12)\n .endr\n"
      ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n kmovq %k\\n, 2048+8*\\n(%r12)\n .endr\nvzeroupper\n");

static void fill(struct image *image, unsigned long index)
{
    size_t len = level == 3 ? 64 : level == 2 ? 32 : 16;
    for (size_t n = 0; n < (level == 3 ? 32 : 16); n++)
        for (size_t byte = 0; byte < len; byte++)
            image->vectors[n][byte] = (unsigned char)(index * 31 + n * 7 + byte * 3 + 1);
    for (unsigned long n = 0; n < 8; n++) {
        if (level == 3)
            image->masks[n] = index << 32 | (n + 1);
        long double value = (long double)index + (long double)n + 0.5L;
        memcpy(image->stack[n], &value, 10);
    }
    // The rounding mode, and flags that stick.
    image->mxcsr = 0x1f80 | (index % 4) << 13 | index % 32;
}

static void *carry(void *argument)
{
    unsigned long index = (unsigned long)argument;
    tids[index] = (int)syscall(SYS_gettid);
    if (level == 3)
        carry_avx512(&before[index], &after[index], &may_end);
    else if (level == 2)
        carry_avx(&before[index], &after[index], &may_end);
    else
        carry_sse(&before[index], &after[index], &may_end);
    return NULL;
}

// Waits, in a thread that carries nothing, first for the others and then for our input's end.
static void *watch(void *nothing)
{
    (void)nothing;
    struct timespec moment = { 0, 1000000L };
    while (loaded != (int)threads + 1)
        nanosleep(&moment, NULL);
    say("ready");
    wait_for_end_of_input();
    may_end = 1;
    syscall(SYS_futex, &may_end, FUTEX_WAKE, 1000);
    return NULL;
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    threads = strtoul(arguments[1], NULL, 0);
    CHECK(threads < THREADS_MAX);
    __builtin_cpu_init();
    level = __builtin_cpu_supports("avx512bw") ? 3 : __builtin_cpu_supports("avx") ? 2 : 1;
    for (unsigned long index = 0; index <= threads; index++)
        fill(&before[index], index);
    pthread_t ids[THREADS_MAX], watcher;
    for (unsigned long index = 1; index <= threads; index++)
        CHECK(pthread_create(&ids[index], NULL, carry, (void *)index) == 0);
    CHECK(pthread_create(&watcher, NULL, watch, NULL) == 0);
    carry((void *)0);
    for (unsigned long index = 1; index <= threads; index++)
        CHECK(pthread_join(ids[index], NULL) == 0);
    unsigned long changed = 0;
    for (unsigned long index = 0; index <= threads; index++) {
        after[index].padding[0] = 0; // The assembly used it.
        changed += memcmp(&before[index], &after[index], sizeof before[index]) != 0;
    }
    printf("changed %lu\n", changed);
    return changed != 0;
}
