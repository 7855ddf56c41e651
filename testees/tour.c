// A tour of functions that keep their variables everywhere: recursion, callbacks from the C
// library, a signal handler, a long jump, tail calls, inlined calls, arrays of computed length.
// It does the same in every run.

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define APART __attribute__((noinline))

struct point {
    int x, y;
};

struct shape {
    const char *name;
    struct point corners[4];
    double area;
    unsigned is_closed : 1, sides : 5;
    int shift : 7;
    union {
        long number;
        float ratio;
    };
};

enum mode { IDLE, BUSY = 5, BROKEN = -3 };

struct node {
    struct node *left, *right;
    long key;
    short weights[3];
};

typedef int (*binary)(int, int);

static jmp_buf back;
static struct node nodes[16];
static volatile int noticed;
volatile long sink;
_Thread_local int per_thread = 11;

static int added(int a, int b) {
    int sum = a + b;
    return sum;
}

static int multiplied(int a, int b) {
    int product = a * b;
    sink += product;
    return product;
}

static inline int clamped(int value, int low, int high) {
    int result = value < low ? low : value;
    if (result > high) {
        int over = result - high;
        sink += over;
        result = high;
    }
    return result;
}

static inline long mixed(long seed, int round) {
    long turned = seed << 7 ^ seed >> 3;
    int limited = clamped(round * 3, 2, 9);
    return turned + limited;
}

APART static long folded(binary step, const int *values, int count) {
    long total = 1;
    for (int index = 0; index < count; index++) {
        int before = (int)(total & 0xff);
        total = step(before, values[index]) + (total >> 8);
    }
    return total;
}

APART static struct node *inserted(struct node *tree, struct node *fresh, int depth) {
    if (!tree) {
        fresh->weights[0] = (short)depth;
        return fresh;
    }
    int goes_left = fresh->key < tree->key;
    struct node **side = goes_left ? &tree->left : &tree->right;
    *side = inserted(*side, fresh, depth + 1);
    tree->weights[goes_left]++;
    return tree;
}

APART static long walked(const struct node *tree, int depth) {
    if (!tree)
        return depth;
    long left = walked(tree->left, depth + 1);
    long right = walked(tree->right, depth + 1);
    long sum = left * 3 + right + tree->key;
    return sum;
}

APART static int compared(const void *a, const void *b) {
    int left = *(const int *)a, right = *(const int *)b;
    int order = (left > right) - (left < right);
    sink += order;
    return order;
}

APART static double averaged(int count, ...) {
    va_list list;
    va_start(list, count);
    double total = 0;
    for (int index = 0; index < count; index++) {
        double one = va_arg(list, double);
        total += one;
    }
    va_end(list);
    return count ? total / count : 0;
}

APART static long squared(int count, float scale) {
    long row[count];
    char text[24] = "squares";
    for (int index = 0; index < count; index++) {
        long square = (long)index * index;
        row[index] = square;
        {
            int square = (int)(row[index] * scale);
            text[7] = (char)('0' + square % 10);
            sink += square;
        }
    }
    long last = row[count - 1];
    return last + (long)strlen(text);
}

APART static struct shape drawn(struct point at, enum mode mode, double size) {
    struct shape shape = {"square", {{0, 0}}, size * size, 1, 4, -2, {7}};
    for (int corner = 0; corner < 4; corner++) {
        struct point moved = {at.x + (corner & 1), at.y + corner / 2};
        shape.corners[corner] = moved;
    }
    if (mode == BROKEN)
        shape.is_closed = 0;
    return shape;
}

APART static long tail(long value, int rounds) {
    if (rounds <= 0)
        return value;
    long next = mixed(value, rounds);
    return tail(next & 0xffff, rounds - 1);
}

APART static void on_signal(int number) {
    int before = noticed;
    noticed = before + number;
    sink += clamped(noticed, 0, 1000);
}

APART static void leap(int depth, const char *why) {
    char copy[16];
    strncpy(copy, why, sizeof copy - 1);
    copy[15] = 0;
    if (depth > 0)
        leap(depth - 1, copy + 1);
    else if (!noticed || copy[0])
        longjmp(back, (int)strlen(copy));
    sink += copy[0];
}

APART static int choose(unsigned char kind, long long wide, unsigned short narrow) {
    int chosen = 0;
    switch (kind) {
    case 0:
        chosen = (int)wide;
        break;
    case 1: {
        unsigned bits = narrow;
        while (bits) {
            chosen += bits & 1;
            bits >>= 1;
        }
        break;
    }
    case 'z':
        chosen = -1;
        break;
    default:
        chosen = kind + narrow;
    }
    return chosen;
}

static int explored(int seed) {
    static int visits = 3;
    const int values[] = {5, 3, 9, 1, 7, 2, 8};
    int sorted[7];
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, 7, sizeof *sorted, compared);
    long folds = folded(added, sorted, 7) + folded(multiplied, sorted, 4);
    struct node *root = 0;
    for (int index = 0; index < 7; index++) {
        struct node *fresh = &nodes[index];
        memset(fresh, 0, sizeof *fresh);
        fresh->key = values[index] * 10 + seed;
        root = inserted(root, fresh, 0);
    }
    long depth = walked(root, 0);
    struct point at = {seed, -seed};
    struct shape shape = drawn(at, seed % 2 ? BUSY : BROKEN, 2.5);
    double mean = averaged(3, 1.5, 2.25, shape.area);
    long squares = squared(4 + seed, 1.5f);
    visits += per_thread;
    return (int)(folds + depth + squares + (long)mean + shape.corners[3].x + visits);
}

int main(int argc, char **argv) {
    (void)argv;
    signal(SIGUSR1, on_signal);
    long total = argc;
    for (int seed = 0; seed < 3; seed++)
        total += explored(seed);
    total += tail(99, 6);
    for (unsigned char kind = 0; kind < 3; kind++)
        total += choose(kind, -5, 0x1f3);
    total += choose('z', 1LL << 40, 1);
    raise(SIGUSR1);
    int leapt = setjmp(back);
    if (leapt == 0)
        leap(3, "far away");
    total += leapt + noticed;
    return total == 0 ? 1 : 0;
}
