// What debuggees share.

#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// A function that a test may put a breakpoint on.
#define STOP_HERE __attribute__((noinline, noclone))

// Lets any process attach, where the Yama module would let only parents.
__attribute__((constructor)) static void be_attachable(void)
{
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}

// Tells the test, which reads our output, that a state is reached.
__attribute__((unused)) static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

// Ends with a message if a condition does not hold.
#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition);     \
            _exit(99);                                                              \
        }                                                                           \
    } while (0)

// Waits until our input ends.
__attribute__((unused)) static void wait_for_end_of_input(void)
{
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
}

__attribute__((unused)) static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}
