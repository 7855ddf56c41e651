// Waits until its input ends. With an argument, in as many threads, each with a name of its own.

#include "testee.h"
#include <sys/prctl.h>

static pthread_barrier_t barrier;
static volatile int has_ended;

static void *wait_for_it(void *argument)
{
    char name[16];
    snprintf(name, sizeof name, "waits %d", (int)(intptr_t)argument);
    CHECK(prctl(PR_SET_NAME, name, 0, 0, 0) == 0);
    pthread_barrier_wait(&barrier);
    while (!has_ended)
        syscall(SYS_futex, &has_ended, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

int main(int count, char **arguments)
{
    int threads = count > 1 ? atoi(arguments[1]) - 1 : 0;
    pthread_t ids[threads + 1];
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (int index = 0; index < threads; index++)
        CHECK(pthread_create(&ids[index], NULL, wait_for_it, (void *)(intptr_t)index) == 0);
    pthread_barrier_wait(&barrier);
    say("ready");
    wait_for_end_of_input();
    has_ended = 1;
    syscall(SYS_futex, &has_ended, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
    for (int index = 0; index < threads; index++)
        pthread_join(ids[index], NULL);
    return 0;
}
