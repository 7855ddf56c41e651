// Blocks every signal, as threads do that leave signals to another one. Each byte of its input is
// work.

#include "testee.h"

volatile unsigned long done;

STOP_HERE void work(void)
{
    done++;
}

int main(void)
{
    sigset_t all;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
    say("ready");
    char byte;
    while (read(0, &byte, 1) > 0) {
        for (int round = 0; round < 10; round++)
            work();
        say("done");
    }
    return done % 256;
}
