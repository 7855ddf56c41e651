// A program that is big: most of its file is an array, no two places of which are alike.

#include "testee.h"

#define FOUR(at) at, at + 1, at + 2, at + 3
#define SIXTEEN(at) FOUR(at), FOUR(at + 4), FOUR(at + 8), FOUR(at + 12)
#define MANY(at) SIXTEEN(at), SIXTEEN(at + 16), SIXTEEN(at + 32), SIXTEEN(at + 48)

__attribute__((section(".data.ballast"))) int ballast[800000] = {MANY(1), [799999] = 7};

int main(void)
{
    return ballast[0] == 1 ? 0 : 1;
}
