// Prints numbers and strings by the formats that are its arguments, and before each tells `told` of
// the format's index and the value, for whoever prints the same by himself.

#include "testee.h"

static const char *const STRINGS[] = { "", "a", "text", "a longer text than others", NULL };
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const long NUMBERS[] = { 0,
                                1,
                                -1,
                                65,
                                0x1234,
                                -129,
                                0x7fffffff,
                                -0x7fffffffL - 1,
                                0x123456789abcdef0,
                                -0x7fffffffffffffff - 1 };

STOP_HERE void told(unsigned long index, unsigned long value)
{
    asm volatile("" : : "r"(index), "r"(value) : "memory");
}

int main(int count, char **arguments)
{
    for (int index = 1; index < count; index++) {
        const char *format = arguments[index];
        int is_string = strchr(format, 's') != NULL;
        size_t values = is_string ? COUNT(STRINGS) : COUNT(NUMBERS);
        for (size_t each = 0; each < values; each++) {
            unsigned long value =
                is_string ? (unsigned long)STRINGS[each] : (unsigned long)NUMBERS[each];
            told((unsigned long)index, value);
            printf(format, value);
            putchar('\n');
        }
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
