/* Code whose frames and ways are not told by the usual rules: jumps through tables to other
 * functions, frames with their own alignment, another program in the same process. */
#include <alloca.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int sum;

__attribute__((noinline)) int add(int value)
{
    sum += value; // BREAK: add
    return sum;
}

__attribute__((noinline)) int subtract(int value)
{
    sum -= value; // BREAK: subtract
    return sum;
}

/* All on the line that uses it. With optimization a jump through a table, and then one to another
 * function. */
#define CHOOSE(which, value) \
    switch (which) { \
    case 0: return add(value + 1); \
    case 1: return subtract(value + 2); \
    case 2: sum = 3; return add(value + 7); \
    case 3: sum = 8; return subtract(value * value); \
    case 4: sum = 1; return 9; \
    case 5: return subtract(value - 9); \
    case 6: return add(value - 7); \
    }

__attribute__((noinline)) int choose(int which, int value)
{
    CHOOSE(which, value) // BREAK: choose
    return 0;
}

typedef int Vector __attribute__((vector_size(64)));

#define BRANCH(depth) \
    switch (depth) { \
    case 0: sum += 1; break; \
    case 1: sum += 2; break; \
    case 2: sum += 3; break; \
    case 3: sum += 4; break; \
    case 4: sum += 5; break; \
    case 5: sum += 6; break; \
    }

__attribute__((noinline)) int realign(int depth, int size)
{
    volatile Vector vector = {depth, size}; // BREAK: vector
    char *text = alloca((size_t)(size * depth + 9));
    memset(text, depth, (size_t)(size * depth + 9)); // BREAK: set
    { sum += depth > 0 ? realign(depth - 1, size) : 0; BRANCH(depth) } // BREAK: deeper
    return vector[1] + text[depth]; // BREAK: realign end
}

int main(int count, char **arguments)
{
    if (count > 1) return puts("executed") < 0;
    for (int which = 0; which < 7; which++)
        sum += choose(which, 2); // BREAK: choice
    sum += realign(3, 16); // BREAK: realign
    fflush(stdout); // BREAK: flush
    execl("/proc/self/exe", arguments[0], "again", NULL); // BREAK: execute
    return 1;
}
