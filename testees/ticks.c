// Calls a function once for each line of its input, and says so; other threads sleep meanwhile.
// Argument: how many of them there are.

#include "testee.h"

volatile unsigned long ticks;

STOP_HERE void tick(void)
{
    ticks++;
}

static void *sleep_on(void *argument)
{
    for (;;)
        pause();
    return argument;
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    for (unsigned long left = strtoul(arguments[1], NULL, 0); left > 0; left--) {
        pthread_t id;
        CHECK(pthread_create(&id, NULL, sleep_on, NULL) == 0);
    }
    say("ready");
    for (int byte; (byte = getchar()) != EOF;)
        if (byte == '\n') {
            tick();
            printf("ticked %lu\n", ticks);
            fflush(stdout);
        }
    return 0;
}
