/* Functions inlined into each other, several times, in loops and branches. */
#include <stdio.h>

struct point {
    int x, y;
};

static inline __attribute__((always_inline)) int square(int n)
{
    return n * n;
}

static inline __attribute__((always_inline)) int norm(const struct point *p)
{
    int x = square(p->x);
    int y = square(p->y);
    return x + y;
}

static inline __attribute__((always_inline)) int clamp(int n, int limit)
{
    if (n > limit) {
        puts("clamped");
        return limit;
    }
    return n;
}

__attribute__((noinline)) int sum(const struct point *points, int count)
{
    int total = 0;
    for (int i = 0; i < count; i++) {
        total += clamp(norm(&points[i]), 100);
        if (total < 0)
            return clamp(total, -1);
    }
    return total;
}

__attribute__((noinline, cold)) static void complain(int code)
{
    printf("code %d\n", code);
}

__attribute__((noinline)) int check(int n)
{
    if (__builtin_expect(n > 1000, 0)) {
        complain(square(n));
        __builtin_trap();
    }
    return clamp(n, 7);
}

int main(int argc, char **argv)
{
    struct point points[] = { { argc, 2 }, { 3, argc }, { 5, 6 } };
    int n = sum(points, 3);
    printf("%s %d\n", argv[0], check(n) + norm(&points[argc]));
    return 0;
}
