// Executes itself once, from its first thread or, with the argument "thread", from another one.
// Ends with the status 5 if the second program saw what the first one meant it to see.

#include "testee.h"

STOP_HERE void second(void)
{
    asm volatile("" ::: "memory");
}

static char **own_arguments;

static void *execute(void *argument)
{
    (void)argument;
    char *again[] = { own_arguments[0], "again", NULL };
    execv(own_arguments[0], again);
    _exit(98);
}

int main(int count, char **arguments)
{
    CHECK(count > 1);
    own_arguments = arguments;
    if (strcmp(arguments[1], "again") == 0) {
        second();
        return 5;
    }
    if (strcmp(arguments[1], "thread") == 0) {
        pthread_t id;
        pthread_create(&id, NULL, execute, NULL);
        pthread_join(id, NULL);
    }
    if (strcmp(arguments[1], "alone") == 0) {
        pthread_t id;
        pthread_create(&id, NULL, execute, NULL);
        pthread_exit(NULL);
    }
    execute(NULL);
}
