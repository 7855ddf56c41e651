// Ends with what a function answers: 42, as long as nobody changes its code or data.

#include "testee.h"

const char word[] = "constant";
const char *volatile where = word;
volatile unsigned char extra;

STOP_HERE int answer(void)
{
    return 42;
}

int main(void)
{
    if (strcmp(where, "constant") != 0)
        return 1;
    return answer() + extra;
}
