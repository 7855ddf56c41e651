// Calls a function until its input ends, and survives a trap instruction in it that nobody handles:
// it tries again until the trap is gone.

#include "testee.h"

#include <ucontext.h>

volatile unsigned long calls;
static volatile int has_ended;

STOP_HERE void work(void)
{
    calls++;
}

static void try_again(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    if (*rip == (greg_t)work + 1)
        *rip = (greg_t)work;
}

static void *watch_input(void *argument)
{
    wait_for_end_of_input();
    has_ended = 1;
    return argument;
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = try_again, .sa_flags = SA_SIGINFO };
    sigaction(SIGTRAP, &action, NULL);
    pthread_t id;
    CHECK(pthread_create(&id, NULL, watch_input, NULL) == 0);
    say("ready");
    unsigned long rounds = 0;
    for (; !has_ended; rounds++)
        work();
    pthread_join(id, NULL);
    return calls == rounds ? 0 : 1;
}
