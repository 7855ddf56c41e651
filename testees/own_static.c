// A variable that each thread has for itself, in a program that may be linked statically: the
// program writes down where its first thread has it.

#include "testee.h"

static __thread char padding[24] = {1};
__thread int own = 42;
void *place;

STOP_HERE void ready(void)
{
    asm volatile("" ::: "memory");
}

int main(void)
{
    padding[0]++;
    place = &own;
    ready();
    return 0;
}
