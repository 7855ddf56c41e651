// Parameters and locals of every kind that C has, in functions that are called one by another.

#include <complex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <wchar.h>

#define NOINLINE __attribute__((noinline))

enum colour { RED, GREEN = 5, BLUE = -7 };
enum access { READ = 1, WRITE = 2, EXECUTE = 4 };

struct point {
    int x, y;
};

struct packed_bits {
    unsigned ready : 1;
    int level : 3;
    unsigned count : 12;
    enum access access : 3;
};

union number {
    uint32_t whole;
    float real;
    unsigned char bytes[4];
};

struct node {
    const char *name;
    struct point at;
    struct node *next;
    union {
        long number;
        void *pointer;
    };
    struct packed_bits bits;
    short weights[3];
};

int global_count = 42;
static struct node last = {"last", {-3, 4}, NULL, {7}, {1, -2, 100, READ | WRITE}, {1, -2, 3}};

NOINLINE int doubled(int value) { return 2 * value; }

NOINLINE void inner(int depth, const struct node *list) {
    bool is_deep = depth > 1;
    double share = depth / 4.0;
    printf("%d %f %s\n", is_deep, share, list->name);
    fflush(stdout); // BREAK: inner
}

NOINLINE int outer(int argument, char letter) {
    static int calls = 3;
    signed char small = -5;
    unsigned char byte = 200;
    short narrow = -1234;
    unsigned short port = 0xbeef;
    long far = -1234567890123;
    unsigned long long wide = 0xfedcba9876543210;
    __int128 huge = ((__int128)1 << 100) + 1;
    float single = 1.5f;
    double pi = 3.14159265358979;
    long double precise = 2.5L;
    double complex turn = 1.0 - 2.0 * I;
    wchar_t symbol = L'\u20ac';
    bool yes = true, no = false;
    enum colour colour = BLUE;
    enum access access = READ | EXECUTE;
    enum access odd = 9;
    struct point here = {10, -20};
    struct packed_bits bits = {1, -3, 4000, WRITE};
    union number number = {.real = 1.0f};
    struct node first = {"first \"one\"\n", {1, 2}, &last, {-9}, {0, 3, 1, EXECUTE}, {9, 8, 7}};
    int numbers[5] = {1, -2, 3, -4, 5};
    int matrix[2][3] = {{1, 2, 3}, {4, 5, 6}};
    char text[16] = "hello";
    char full[4] = {'f', 'u', 'l', 'l'};
    const char *words = "words";
    const wchar_t *wide_words = L"wide";
    const char *nowhere = (const char *)8;
    int *null = NULL;
    int *elsewhere = &global_count;
    void *untyped = &last;
    int (*function)(int) = doubled;
    const volatile int fixed = 77;
    int length = argument + 2;
    int variable[length];
    for (int index = 0; index < length; index++) {
        variable[index] = index * index;
    }
    struct point *pointer = &here;
    {
        int argument = 99; // hides the parameter
        calls += argument - 99;
        inner(3, &first); // BREAK: outer
    }
    return (int)(small + byte + narrow + port + far + (long)wide + (long)huge + single + pi +
                 precise + creal(turn) + symbol + yes + no + colour + access + odd + here.x +
                 bits.level + number.whole + numbers[1] + matrix[1][1] + text[0] + full[0] +
                 words[0] + wide_words[0] + (nowhere != NULL) + (null == NULL) + *elsewhere +
                 (untyped != NULL) + function(1) + fixed + variable[1] + pointer->y + letter +
                 calls);
}

int main(void) {
    int result = outer(4, 'x');
    printf("%d\n", result);
    return 0;
}
