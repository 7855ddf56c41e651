/* Code for steps by line: loops on one line and on several, switches, recursion, calls through
 * pointers and into libraries that call back, jumps, a signal's handler. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int hits;

static void on_signal(int number)
{
    hits += number != 0;
}

static int compare(const void *left, const void *right)
{
    int x = *(const int *)left;
    int y = *(const int *)right;
    return x - y;
}

static int even(int n);

static int odd(int n)
{
    if (n == 0)
        return 0;
    return even(n - 1);
}

static int even(int n)
{
    if (n == 0)
        return 1;
    return odd(n - 1);
}

static int factorial(int n)
{
    if (n < 2)
        return 1;
    int below = factorial(n - 1);
    return n * below;
}

static inline int doubled(int n)
{
    int sum = n;
    sum += n;
    return sum;
}

static int choose(int n)
{
    int out = 0;
    switch (n % 9) {
    case 0: out = 1; break;
    case 1: out = 4; break;
    case 2: out = 9; break;
    case 3: out = 7; break;
    case 4: out = 2; break;
    case 5: out = 3; break;
    case 6: out = 8; break;
    default: out = 11;
    }
    while (out > 3) out -= 2;
    do {
        out++;
    } while (out < 5);
    return doubled(out);
}

__attribute__((noinline, used)) int walk(void)
{
    int numbers[6] = {4, 2, 6, 1, 9, 3};
    char text[32];
    int sum = 0;
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    for (int i = 0; i < 3; i++) sum += doubled(i);
    qsort(numbers, 6, sizeof numbers[0], compare);
    for (int i = 0; i < 6; i++) {
        if (numbers[i] % 2)
            continue;
        sum += choose(numbers[i]);
    }
    sum += even(5) + factorial(4);
    int (*indirect)(int) = sum > 3 ? factorial : odd;
    sum += indirect(3);
    strcpy(text, "abc");
    strcat(text, "def");
    sum += (int)strlen(text);
    if (sum > 3 &&
        text[0] == 'a')
        puts(text);
    goto out;
    sum = 0;
out:
    return sum + hits;
}

int main(void)
{
    int sum = walk();
    return sum > 255;
}
