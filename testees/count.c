// Calls a function as often as its first argument says, and checks that each call took place.

#include "testee.h"

volatile unsigned long constructed;
volatile unsigned long started;
volatile unsigned long calls;
volatile unsigned long sum;

__attribute__((constructor)) static void construct(void)
{
    constructed = 1;
}

STOP_HERE unsigned long work(unsigned long number)
{
    calls++; // BREAK: work
    return number * 3;
}

STOP_HERE void done(void)
{
    asm volatile("" ::: "memory");
}

int main(int count, char **arguments)
{
    started = 1;
    unsigned long rounds = count > 1 ? strtoul(arguments[1], NULL, 0) : 10;
    for (unsigned long round = 0; round < rounds; round++)
        sum += work(round);
    done();
    return calls == rounds && sum == 3 * (rounds * (rounds - 1) / 2) ? 0 : 1;
}
