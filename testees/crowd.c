// Makes as many processes as its first argument says, all with its arguments, which wait until the
// input of the first one ends.

#include "testee.h"
#include <sys/wait.h>

int main(int count, char **arguments)
{
    CHECK(count > 1);
    int ends[2];
    CHECK(pipe(ends) == 0);
    for (int left = atoi(arguments[1]); left > 0; left--) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            char byte;
            close(ends[1]);
            CHECK(read(ends[0], &byte, 1) == 0);
            _exit(0);
        }
    }
    say("ready");
    wait_for_end_of_input();
    close(ends[1]);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
