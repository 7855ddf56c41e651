/* Functions that leave by calling another one, which leads back to them: what a call site says
 * that it passed is then not what the function was entered with. */
#define OPAQUE __attribute__((noipa))

volatile int sink;

OPAQUE void stop(void) {
    sink++;
}

OPAQUE int back(int n);

OPAQUE int there(int n) {
    int entered_with = n;
    stop();
    if (sink == 2) return 7;
    return back(3);
}

OPAQUE int back(int n) {
    if (sink == 9) return n;
    return there(n - 1);
}

OPAQUE int once(int n) {
    int entered_with = n;
    stop();
    return sink;
}

OPAQUE int lucky(int n) {
    sink = n;
    return once(n + 1);
}

OPAQUE int again(int n);

/* It is inlined in `hot`, so call sites name its abstract instance. */
inline int middle(int n) {
    if (sink == 9) return n;
    sink = sink;
    sink = sink;
    sink = sink;
    return again(n - 1);
}
extern inline int middle(int n);

OPAQUE __attribute__((cold)) int again(int n) {
    int entered_with = n;
    stop();
    if (__builtin_expect(sink == 33, 1)) return 7;
    return middle(3);
}

OPAQUE int hot(int count) {
    int total = 0;
    for (int i = 0; i < count; i++) total += middle(i);
    return total;
}

int main(void) {
    int total = there(10);
    total += once(20);
    total += lucky(30);
    return total + hot(1);
}
