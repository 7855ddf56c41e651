// Calls that the compiler replaces by the instructions of the functions called, two deep, with a
// call that stays at their end.

#include "testee.h"

volatile int input = 3;

STOP_HERE void reached(int value)
{
    input = value;
}

static inline __attribute__((always_inline)) int deep(int value)
{
    reached(value * 2); // BREAK: deep
    return value + 1; // BREAK: deep end
}

static inline __attribute__((always_inline)) int middle(int value)
{
    int more = deep(value + 1); // BREAK: middle
    return more * more;
}

STOP_HERE int outer(int value)
{
    int result = middle(value); // BREAK: outer
    return result - 1; // BREAK: outer end
}

int main(void)
{
    int result = outer(input); // BREAK: main
    return result == 24 ? 0 : 1;
}
