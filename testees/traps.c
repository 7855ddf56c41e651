// Has trap instructions of its own, and handles them.

#include "testee.h"

volatile unsigned long handled;

static void handle(int number)
{
    (void)number;
    handled++;
}

STOP_HERE void trap(void)
{
    asm volatile("int3");
}

int main(void)
{
    signal(SIGTRAP, handle);
    trap();
    trap();
    return handled == 2 ? 0 : 1;
}
