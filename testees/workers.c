// As many threads as its first argument says wait at the end of a few calls; the first one works,
// over and over, at the end of as many.

#include "testee.h"

struct job {
    int number;
    double weight;
    const char *name;
    int parts[8];
};

volatile unsigned long jobs;
static pthread_barrier_t ready;

STOP_HERE int finish_job(struct job *job, int depth)
{
    int sum = depth;
    for (int part = 0; part < 8; part++)
        sum += job->parts[part];
    job->number++; // BREAK: work
    jobs++;
    return sum;
}

STOP_HERE int descend(struct job *job, int depth)
{
    volatile char room[600];
    room[depth % 600] = (char)depth;
    int before = job->number;
    int result = depth > 0 ? descend(job, depth - 1) : finish_job(job, depth);
    return result + (before != job->number) + room[depth % 600];
}

STOP_HERE int wait_for_ever(int depth)
{
    volatile char room[400];
    room[depth] = (char)depth;
    if (depth > 0)
        return wait_for_ever(depth - 1) + room[depth];
    pthread_barrier_wait(&ready);
    volatile int is_over = 0;
    while (!is_over)
        pause();
    return depth;
}

static void *worker(void *number)
{
    return (void *)(long)wait_for_ever(8 + (int)(long)number % 4);
}

int main(int count, char **arguments)
{
    long threads = count > 1 ? strtol(arguments[1], NULL, 0) : 3;
    struct job job = { 1, 2.5, "first", { 1, 2, 3, 4, 5, 6, 7, 8 } };
    pthread_barrier_init(&ready, NULL, (unsigned)threads + 1);
    for (long number = 0; number < threads; number++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, (void *)number) != 0)
            return 1;
    }
    pthread_barrier_wait(&ready);
    puts("ready");
    fflush(stdout);
    long total = 0;
    for (;;) {
        total += descend(&job, 12);
        usleep(1000);
        if (total < 0)
            break;
    }
    return 0;
}
