// Threads that count, each in a place of its own, until the input ends. SIGUSR1 is counted, too.
// Arguments: how many of them there are, and how many more that do nothing.

#include "testee.h"

#include <sched.h>

#define COUNTERS_MAX 128

volatile unsigned long counters[COUNTERS_MAX];
volatile unsigned long signals;

STOP_HERE void count_one(unsigned long index)
{
    counters[index]++; // BREAK: count
}

static void count_signal(int signal)
{
    signals += signal == SIGUSR1;
}

static void *count_on(void *argument)
{
    for (;;)
        count_one((unsigned long)argument);
    return argument;
}

static void *idle(void *argument)
{
    for (;;)
        pause();
    return argument;
}

int main(int count, char **arguments)
{
    CHECK(count == 2 || count == 3);
    signal(SIGUSR1, count_signal);
    unsigned long threads = strtoul(arguments[1], NULL, 0);
    CHECK(threads <= COUNTERS_MAX);
    for (unsigned long index = 0; index < threads; index++) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, count_on, (void *)index) == 0);
    }
    for (unsigned long more = count > 2 ? strtoul(arguments[2], NULL, 0) : 0; more > 0; more--) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, idle, NULL) == 0);
    }
    // From here on each is what it stays: a thread begins with its signals blocked.
    for (unsigned long index = 0; index < threads; index++)
        while (counters[index] == 0)
            sched_yield();
    say("ready");
    wait_for_end_of_input();
    return 0;
}
