// Variables of all kinds, for comparison with gdb: at -O2 many are in registers, in pieces or gone.
#include <complex.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))

typedef struct point { int x, y; } point_t;
struct flags {
    unsigned low : 3;
    signed middle : 7;
    unsigned long wide : 40;
    unsigned : 0;
    unsigned char last : 1;
};
union number { int i; float f; unsigned char bytes[8]; };
enum color { RED = -1, GREEN, BLUE = 1000000 };
struct node {
    struct node *next;
    int (*compare)(const void *, const void *);
    const char *names[3];
    int matrix[2][3];
    enum color color;
    union { struct { short a, b; }; int ab; };
    point_t where;
    double values[0];
};
typedef int vector_t __attribute__((vector_size(16)));

int global_number = 42;
static const char *file_static = "file";
static struct flags global_flags = {5, -3, 1ul << 35, 1};
__thread int thread_number = 7;
static __thread point_t thread_point = {1, 2};
volatile int sink;
int (*global_function)(const void *, const void *);

NOINLINE static int compare(const void *left, const void *right) {
    int a = *(const int *)left, b = *(const int *)right;
    int result = a < b ? -1 : a > b;
    sink += result;
    return result;
}

static inline int square(int value) {
    int squared = value * value;
    sink = squared;
    return squared + 1;
}

static inline long sum_of_squares(const int *numbers, int count) {
    long sum = 0;
    for (int index = 0; index < count; index++) {
        int number = numbers[index];
        sum += square(number);
    }
    return sum;
}

NOINLINE point_t move_point(point_t point, int dx, int dy) {
    point_t moved = {point.x + dx, point.y + dy};
    {
        int dx = moved.x * 2;
        static int calls;
        calls += dx;
        sink = calls;
    }
    return moved;
}

NOINLINE double mix(double a, float b, long double c, complex double d, __int128 e) {
    double sum = a + b;
    long double product = c * sum;
    double real = creal(d);
    __int128 wide = e << 3;
    sink = (int)(sum + (double)product);
    return sum + real + (double)wide + (double)product;
}

NOINLINE int variable_length(int count, const char *name) {
    int numbers[count];
    char copy[strlen(name) + 1];
    for (int index = 0; index < count; index++) numbers[index] = count - index;
    strcpy(copy, name);
    qsort(numbers, count, sizeof *numbers, compare);
    sink = numbers[0] + copy[0];
    return (int)sum_of_squares(numbers, count);
}

NOINLINE int variadic(int count, ...) {
    va_list arguments;
    va_start(arguments, count);
    int sum = 0;
    for (int index = 0; index < count; index++) sum += va_arg(arguments, int);
    va_end(arguments);
    return sum;
}

NOINLINE int flags_of(struct flags flags, union number number, enum color color) {
    struct flags changed = flags;
    changed.low = 2;
    vector_t vector = {1, 2, 3, flags.middle};
    vector_t doubled = vector + vector;
    sink = changed.low + number.i + color;
    return doubled[3] + changed.middle;
}

NOINLINE int entry_values(int first, int second, int third) {
    int kept = first + second;
    sink = kept;
    square(third);
    puts("entry");
    sink = 3;
    return kept;
}

NOINLINE int tail(int a, int b) {
    sink = a;
    return entry_values(b, a, a + b);
}

NOINLINE int recurse(int depth, struct node *list) {
    struct node here = {.next = list, .names = {"a", file_static, NULL}, .color = BLUE};
    here.matrix[1][2] = depth;
    here.where = move_point(here.where, depth, 2);
    here.compare = compare;
    thread_number += depth;
    thread_point.x++;
    if (depth == 0) {
        int count = 0;
        for (struct node *node = &here; node; node = node->next) count += node->matrix[1][2];
        return count + variable_length(5, "variable") + tail(3, 4);
    }
    int below = recurse(depth - 1, &here);
    return below + here.matrix[1][2];
}

NOINLINE int pointers(int **table, char (*rows)[4], int (*function)(int, int)) {
    int *first = table[0];
    char (*row)[4] = rows + 1;
    int local = *first + (*row)[0];
    int *to_local = &local;
    *to_local += function(1, 2);
    const volatile int *const qualified = to_local;
    return *qualified;
}

NOINLINE static int add(int a, int b) { return a + b; }

int main(int argc, char **argv) {
    int numbers[] = {3, 1, 2}, *table[] = {numbers, numbers + 1};
    char rows[2][4] = {"abc", "def"};
    union number number = {.f = 1.5f};
    global_function = compare;
    long total = sum_of_squares(numbers, argc + 2);
    total += recurse(3, NULL);
    total += (long)mix(1.5, 2.5f, 3.5L, 1.0 + 2.0 * I, (__int128)argc << 70);
    total += flags_of(global_flags, number, GREEN);
    total += pointers(table, rows, add) + variadic(3, 1, 2, 3) + global_number;
    register int hot = argc;
    for (int outer = 0; outer < 2; outer++) {
        int inner = outer + hot;
        total += square(inner);
    }
    printf("%ld %s\n", total, argv[0] ? "named" : "unnamed");
    return 0;
}
