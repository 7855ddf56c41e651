// Throws through a few frames and catches, again and again.

#include <stdexcept>

volatile unsigned long thrown;
volatile unsigned long caught;

extern "C" __attribute__((noinline)) void throw_one()
{
    thrown++;
    throw std::runtime_error("one"); // BREAK: throw
}

struct Counter {
    ~Counter() { caught++; }
};

__attribute__((noinline)) static void pass_on()
{
    Counter counter;
    throw_one(); // BREAK: pass on
} // BREAK: clean up

int main()
{
    for (int round = 0; round < 10; round++) {
        try {
            pass_on(); // BREAK: call
        } catch (const std::exception &) { // BREAK: catch
            caught++;
        }
    }
    return thrown == 10 && caught == 20 ? 0 : 1;
}
