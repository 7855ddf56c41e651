// Names that mean several things, and objects with bases: what C++ expressions are asked about in a
// member function. `objects_other.c` has other things of the same names.

#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" int other();

enum Plain { None, Few = 5, Many = 200 };
enum class Small : signed char { A = 1, B = 2 };
enum Tone { Low = -3, High = 7 };

namespace outer {
enum Inside { In = 11 };
struct Shared {
    static int made;
};
int Shared::made = 99;
int twice(int x) { return 2 * x; }
} // namespace outer

template <typename T, int N> struct Row {
    T data[N];
    static int count;
};
template <typename T, int N> int Row<T, N>::count = N;

struct Base {
    int base = 30;
    virtual ~Base() {}
};
struct Far {
    int far = 31;
    virtual ~Far() {}
};
struct Left : virtual Far {
    int left = 32;
};
struct Right : virtual Far {
    int right = 33;
};

struct Bits {
    int low : 3;
    Small small : 4;
    Plain plain : 9;
};

static int tally = 1;
int d = 2;
int row[4] = {10, 20, 30, 40};

struct Whole : Left, Right, Base {
    int d = 34;
    int row[3] = {1, 2, 3};
    int work(int argument);
};

Small small = static_cast<Small>(-3);
Plain plain = Many;
Tone tone = Low;
Bits bits = {-2, static_cast<Small>(-1), Many};
Row<int, 3> three = {{7, 8, 9}};
int (*function)(int) = outer::twice;
uint8_t byte = 200;
int *pointer = row + 1;

__attribute__((noinline)) void inner() {
    std::printf("%d\n", other()); // BREAK: inner
}

int Whole::work(int argument) {
    int local = argument + 1;
    Whole *whole = this;
    Base *base = this;
    Far *far_away = this;
    inner();
    return local + whole->d + base->base + far_away->far + int(sizeof(size_t));
}

int main() {
    Whole whole;
    int made = outer::Shared::made + Row<int, 3>::count + outer::In + tally;
    return whole.work(4) + made + int(small) + int(tone) + bits.low + function(plain) == 0;
}
