// Threads that call one function again and again; each counts its own calls. Arguments: how many
// threads, how many calls each makes (0: until the input ends).

#include "testee.h"

#include <stdatomic.h>

#define THREADS_MAX 4096

volatile unsigned long counts[THREADS_MAX];
volatile int tids[THREADS_MAX];
atomic_ulong total;
static atomic_int has_ended;
static unsigned long rounds;
static pthread_barrier_t barrier;

STOP_HERE void hit(unsigned long index)
{
    counts[index]++;
}

STOP_HERE void all_started(void)
{
    asm volatile("" ::: "memory");
}

STOP_HERE void all_ended(void)
{
    asm volatile("" ::: "memory");
}

static void *run(void *argument)
{
    unsigned long index = (unsigned long)argument;
    tids[index] = (int)syscall(SYS_gettid);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (unsigned long round = 0; rounds ? round < rounds : !has_ended; round++) {
        hit(index);
        total++;
        // Many threads without an end leave some of the machine to others.
        struct timespec moment = { 0, 1000000L };
        if (rounds == 0 && round % 20 == 19)
            nanosleep(&moment, NULL);
    }
    return NULL;
}

int main(int count, char **arguments)
{
    CHECK(count == 3);
    unsigned long threads = strtoul(arguments[1], NULL, 0);
    rounds = strtoul(arguments[2], NULL, 0);
    CHECK(threads <= THREADS_MAX);
    pthread_t ids[THREADS_MAX];
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (unsigned long index = 0; index < threads; index++)
        CHECK(pthread_create(&ids[index], NULL, run, (void *)index) == 0);
    pthread_barrier_wait(&barrier);
    all_started();
    pthread_barrier_wait(&barrier);
    if (rounds == 0) {
        say("ready");
        wait_for_end_of_input();
        has_ended = 1;
    }
    for (unsigned long index = 0; index < threads; index++)
        pthread_join(ids[index], NULL);
    all_ended();
    unsigned long counted = 0;
    for (unsigned long index = 0; index < threads; index++)
        counted += counts[index];
    return counted == total ? 0 : 1;
}
