// Ways out of functions: returns, tail calls, long jumps, a signal handler on a stack of its own,
// the vDSO, functions without prologue, and an exit that never returns. Of the vDSO's functions
// those are called that do not read a clock: between two ticks they would have to be read at once,
// which a thread that is stepped never does.

#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noinline))

static jmp_buf back;
static char handler_stack[64 * 1024];
volatile long sink;

APART static long leaf(long value) { return value * 3 + 1; }

APART static long deep(int depth, long value) {
    char text[40];
    snprintf(text, sizeof text, "%d %ld", depth, value);
    if (depth == 0)
        return leaf(value) + (long)strlen(text);
    return deep(depth - 1, leaf(value) & 0xff) + text[0];
}

APART static long last(long value) {
    sink += value;
    return leaf(value + 1);
}

APART static long passed_on(long value) { return last(value + 2); }

APART static void leap(int depth) {
    if (depth > 0)
        leap(depth - 1);
    else if (sink)
        longjmp(back, 7);
    sink++;
}

static void on_signal(int number) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    sink += deep(0, number) + (now.tv_nsec & 1);
}

APART static int compared(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

APART static double with_many(double a, double b, long c, long d, long e, long f, long g, long h) {
    char *memory = malloc((size_t)(c + d));
    memset(memory, 1, (size_t)(c + d));
    double result = a * b + e + f + g + h + memory[c];
    free(memory);
    return result;
}

__attribute__((noreturn)) APART static void ends(int status) {
    fputs("", stdout);
    exit(status);
}

APART __attribute__((noreturn)) static void ends_well(void) {
    sink++;
    ends(0);
}

int main(void) {
    stack_t own = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    sigaltstack(&own, 0);
    struct sigaction on_own = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &on_own, 0);
    struct sigaction on_same = {.sa_handler = on_signal};
    sigaction(SIGUSR2, &on_same, 0);
    sink = deep(2, 3);
    sink += passed_on(4);
    raise(SIGUSR1);
    raise(SIGUSR2);
    if (setjmp(back) == 0)
        leap(4);
    int values[] = {5, 2, 9, 1, 7, 3};
    qsort(values, 6, sizeof *values, compared);
    sink += (long)time(0) & 1;
    sink += (long)with_many(1.5, 2, 30, 4, 5, 6, 7, 8);
    ends_well();
}
