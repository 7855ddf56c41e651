// Its first thread ends first; another one goes on until the input ends, or at once with an
// argument, and ends the process with the status 6.

#include "testee.h"

volatile unsigned long calls;

STOP_HERE void alone(void)
{
    calls++;
}

static void *live_on(void *argument)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    while (!strstr(line, ") Z ")) {
        FILE *file = fopen(path, "r");
        CHECK(file != NULL);
        CHECK(fgets(line, sizeof line, file) != NULL);
        fclose(file);
    }
    alone();
    if (!argument) {
        say("ready");
        wait_for_end_of_input();
    }
    alone();
    exit(6);
}

int main(int count, char **arguments)
{
    (void)arguments;
    pthread_t id;
    CHECK(pthread_create(&id, NULL, live_on, count > 1 ? &id : NULL) == 0);
    pthread_exit(NULL);
}
