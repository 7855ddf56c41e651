// A known stack: main calls outer, outer middle, middle inner, three times in all. Its exit status
// is the sum that inner has seen.

#include <stdio.h>
#include <unistd.h>

int calls;
volatile int total = 1;
char greeting[] = "hello from depths";

__attribute__((noinline)) static int inner(int value) {
    calls++;
    total += value; // BREAK: inner
    return total;
}

__attribute__((noinline)) static int middle(int value) {
    return inner(value * 2) + 1;
}

__attribute__((noinline)) int outer(int value) {
    return middle(value + 1) + 1;
}

int main(int argc, char **argv) {
    (void)argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int round = 0; round < 3; round++)
        printf("round %d: %d\n", round, outer(round + argc));
    return total;
}
