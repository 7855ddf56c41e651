// Exceptions that pass handlers which are not for them, and lines in which many are thrown and
// caught.

struct Wanted {};
struct Other {};

volatile int passed;

__attribute__((noinline)) static void throw_it()
{
    passed++;
    throw Wanted(); // BREAK: throw
}

__attribute__((noinline)) static void select()
{
    try {
        throw_it(); // BREAK: selects
    } catch (const Other &) {
        passed = -1;
    }
}

__attribute__((noinline)) static void throw_again()
{
    try {
        select(); // BREAK: catches
    } catch (const Wanted &) { // BREAK: first catch
        passed++;
        throw; // BREAK: throw again
    } // BREAK: end of catch
}

struct Counter {
    ~Counter() { passed++; }
};

__attribute__((noinline)) static void clean_up()
{
    { Counter counter; throw_it(); passed = -1; } // BREAK: one line
}

__attribute__((noinline)) static void throw_often()
{
    for (int round = 0; round < 10000; round++) {
        try {
            throw_it();
        } catch (const Wanted &) {
            passed++;
        }
    }
}

int main()
{
    for (int round = 0; round < 4; round++) {
        try {
            throw_again(); // BREAK: call
        } catch (...) { // BREAK: last catch
            passed++;
        }
    }
    try {
        clean_up();
    } catch (const Wanted &) { // BREAK: cleaned up
        passed++;
    }
    throw_often(); // BREAK: often
    passed++; // BREAK: end
    return 0;
}
