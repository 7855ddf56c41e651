// Threads are born and die all the time, until the input ends. Each new one is made by a thread
// that is about to die.

#include "testee.h"

#include <stdatomic.h>

#define CHAINS 8

atomic_ulong births;
static atomic_int has_ended;
static atomic_int chains;

STOP_HERE void born(void)
{
    births++;
}

static void *live(void *argument)
{
    born();
    // Some two hundred births a second altogether.
    struct timespec moment = { 0, 40 * 1000000L };
    nanosleep(&moment, NULL);
    if (has_ended) {
        chains--;
        return NULL;
    }
    pthread_t next;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    CHECK(pthread_create(&next, &detached, live, argument) == 0);
    return NULL;
}

int main(void)
{
    chains = CHAINS;
    for (int chain = 0; chain < CHAINS; chain++) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, live, NULL) == 0);
        pthread_detach(id);
    }
    while (births < 4 * CHAINS)
        sched_yield();
    say("ready");
    wait_for_end_of_input();
    has_ended = 1;
    while (chains > 0)
        sched_yield();
    return 0;
}
