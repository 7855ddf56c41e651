/* Ways out of a line that are neither the next one nor the caller: jumps out of functions, a
 * signal's handler; and lines that take long. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static jmp_buf outer, inner;
static volatile char *page;
static atomic_int others_run = 1;
static volatile unsigned long turns;

static void on_fault(int number)
{
    (void)number;
    mprotect((void *)page, 4096, PROT_READ | PROT_WRITE); // BREAK: handler
} // BREAK: handler end

static void jump(jmp_buf to, int how)
{
    if (how > 0) // BREAK: jump begin
        longjmp(to, how); // BREAK: jump
    puts("no jump");
}

static int deep_jump(int depth)
{
    if (setjmp(inner) == 0) // BREAK: inner setjmp
        jump(inner, 2);
    int below = depth > 0 ? deep_jump(depth - 1) : 0; // BREAK: deeper
    if (depth == 3) // BREAK: depth
        jump(outer, 1); // BREAK: out
    return below + 1; // BREAK: after
}

static unsigned long spin(unsigned long count)
{
    unsigned long sum = 0; // BREAK: sum
    for (unsigned long i = 0; i < count; i++) sum += i ^ sum; // BREAK: spin
    return sum; // BREAK: spun
}

static void *other(void *unused)
{
    (void)unused;
    while (others_run)
        turns += spin(3) != 0;
    return NULL;
}

static int descend(int depth)
{
    if (depth == 0) // BREAK: begin
        return 0; // BREAK: bottom
    int below = descend(depth - 1); // BREAK: recursion
    return below + 1; // BREAK: ascent
}

int main(void)
{
    pthread_t threads[2];
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, on_fault);
    *page = 1; // BREAK: fault
    int sum = *page; // BREAK: after fault
    if (setjmp(outer) == 0) // BREAK: outer setjmp
        sum += deep_jump(3); // BREAK: deep
    sum += descend(5); // BREAK: descend
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, other, NULL);
    sum += spin(50000000) == 0; // BREAK: long
    sum += spin(9) == 0; // BREAK: crowded
    sum += (int)(turns & 1);
    others_run = 0; // BREAK: end of others
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    exit(sum > 99); // BREAK: exit
}
