// Seizes one thread, as a debugger would, until its input ends.

#include "testee.h"
#include <sys/ptrace.h>

int main(int count, char **arguments)
{
    CHECK(count == 2);
    CHECK(ptrace(PTRACE_SEIZE, atoi(arguments[1]), NULL, NULL) == 0);
    say("ready");
    wait_for_end_of_input();
    return 0;
}
