// Sleeps once, in the way its first argument names, for as many milliseconds as its second one
// says, and checks that the sleep was whole: not interrupted, and not shorter than asked for.

#include "testee.h"

#include <errno.h>
#include <poll.h>

static int milliseconds = 400;

static int ends[2];

static void *write_later(void *time)
{
    CHECK(syscall(SYS_nanosleep, time, NULL) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    return NULL;
}

static int sleep_in(const char *way)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
    if (strcmp(way, "nanosleep") == 0)
        return syscall(SYS_nanosleep, &time, NULL) == 0;
    if (strcmp(way, "clock_nanosleep") == 0)
        return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) == 0;
    if (strcmp(way, "poll") == 0)
        return poll(NULL, 0, milliseconds) == 0;
    static volatile int word;
    if (strcmp(way, "futex") == 0)
        return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0) == -1
            && errno == ETIMEDOUT;
    if (strcmp(way, "read") == 0) {
        char byte = 0;
        CHECK(pipe(ends) == 0);
        pthread_t writer;
        CHECK(pthread_create(&writer, NULL, write_later, &time) == 0);
        return read(ends[0], &byte, 1) == 1 && byte == 'x';
    }
    return 0;
}

int main(int count, char **arguments)
{
    CHECK(count > 1);
    if (count > 2)
        milliseconds = atoi(arguments[2]);
    double start = seconds_now();
    say("ready");
    int is_whole = sleep_in(arguments[1]);
    double slept = seconds_now() - start;
    if (!is_whole)
        return 1;
    return slept >= milliseconds / 1000.0 ? 0 : 2;
}
