/* Functions whose first instruction belongs to a call that was inlined into them. */

volatile int seen;

static inline __attribute__((always_inline)) int innermost(int x) {
    seen = x; // BREAK: line of innermost
    return x + seen;
}

static inline __attribute__((always_inline)) int inner(int x) {
    return innermost(x) * 2; // BREAK: line of inner
}

__attribute__((noipa)) int outer(int x) {
    return inner(x) + 1; // BREAK: line of outer
}

int main(int argc, char **argv) {
    (void)argv;
    int sum = 0;
    for (int i = 0; i < 100; i++)
        sum += outer(argc);
    return sum == 0;
}
