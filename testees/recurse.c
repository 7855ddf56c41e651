// Descends by recursion and comes back.

#include "testee.h"

volatile unsigned long deepest;

STOP_HERE unsigned long descend(unsigned long depth)
{
    if (depth == 0) {
        deepest++; // BREAK: bottom
        return 1;
    }
    unsigned long below = descend(depth - 1);
    return below + 1;
}

int main(int count, char **arguments)
{
    unsigned long depth = count > 1 ? strtoul(arguments[1], NULL, 0) : 10;
    return descend(depth) == depth + 1 ? 0 : 1;
}
