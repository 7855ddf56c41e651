// Throws through a few frames and catches, again and again.

#include <stdexcept>

volatile unsigned long thrown;
volatile unsigned long caught;

extern "C" __attribute__((noinline)) void throw_one()
{
    thrown++;
    throw std::runtime_error("one");
}

struct Counter {
    ~Counter() { caught++; }
};

__attribute__((noinline)) static void pass_on()
{
    Counter counter;
    throw_one();
}

int main()
{
    for (int round = 0; round < 10; round++) {
        try {
            pass_on();
        } catch (const std::exception &) {
            caught++;
        }
    }
    return thrown == 10 && caught == 20 ? 0 : 1;
}
