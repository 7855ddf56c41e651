// Names that mean several things, or that no symbol table has: statics of functions, functions that
// exist only where they were inlined, the same name in two files. The other file is
// `names_other.c`.

extern int other(int);

static int shared = 3;
// A second name that only the symbol table has.
__asm__(".globl alias_of_shared\n\t.set alias_of_shared, shared");
__thread int of_thread = 40;

static inline __attribute__((always_inline)) int twice(int x) {
    return 2 * x + shared;
}

static inline __attribute__((always_inline)) int thrice(int x) {
    return 3 * x + shared;
}

int counter(void) {
    static int calls = 5;
    return ++calls;
}

static int helper(int x) {
    return twice(x);
}

int main(void) {
    int sum = helper(1) + other(2) + twice(counter()) + thrice(4);
    of_thread += sum;
    return sum & 1;
}
