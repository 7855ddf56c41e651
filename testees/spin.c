// Runs without any system call until a test changes a variable of its.

#include "testee.h"

volatile unsigned long turns;
volatile unsigned long limit = -1UL;

STOP_HERE void turn(void)
{
    turns++;
}

int main(void)
{
    say("ready");
    while (turns < limit)
        turn();
    return 3;
}
