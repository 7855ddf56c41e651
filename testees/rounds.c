/* A program that calls a function again and again, and counts in memory how often. */
volatile unsigned long rounds_done;

__attribute__((noinline)) void once(unsigned long round)
{
    rounds_done = round;
}

int main(void)
{
    for (unsigned long round = 1;; round++)
        once(round);
}
