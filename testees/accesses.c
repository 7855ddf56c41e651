// Writes and reads numbers of every length, as often as its argument says.

#include "testee.h"

// At 0 one byte, at 8 two, at 16 four, at 24 eight.
volatile struct {
    unsigned char byte __attribute__((aligned(8)));
    unsigned short word __attribute__((aligned(8)));
    unsigned int dword __attribute__((aligned(8)));
    unsigned long qword __attribute__((aligned(8)));
} place;

STOP_HERE void done(void)
{
    asm volatile("" ::: "memory");
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    unsigned long rounds = strtoul(arguments[1], NULL, 0);
    for (unsigned long round = 1; round <= rounds; round++) {
        place.byte = round;
        place.word = round;
        place.dword = round;
        place.qword = round;
        CHECK(place.byte == round);
        CHECK(place.word == round);
        CHECK(place.dword == round);
        CHECK(place.qword == round);
    }
    done();
    return 0;
}
