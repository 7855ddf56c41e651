// A tour of what C++ adds: templates, virtual and multiple inheritance, exceptions through frames
// with destructors, lambdas that capture, operators, the standard library's containers.
// It does the same in every run.

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#define APART __attribute__((noinline))

volatile long sink;

namespace zoo {

enum class Diet : short { Plants = 1, Meat = -2 };

struct Animal {
    int legs;
    explicit Animal(int legs) : legs(legs) {}
    virtual ~Animal() { sink += legs; }
    virtual int speed(int slope) const { return legs * 2 - slope; }
};

struct Swimmer : virtual Animal {
    double depth = 1.5;
    Swimmer() : Animal(0) {}
    int speed(int slope) const override { return int(depth * 4) + slope; }
};

struct Walker : virtual Animal {
    Diet diet = Diet::Meat;
    Walker() : Animal(4) {}
};

class Frog final : public Swimmer, public Walker {
    unsigned leaps : 3;
    bool wet : 1;

  public:
    explicit Frog(unsigned leaps) : Animal(4), leaps(leaps), wet(true) {}
    APART int speed(int slope) const override {
        int base = Swimmer::speed(slope);
        int jump = int(leaps) * 3;
        return wet ? base + jump : base;
    }
};

} // namespace zoo

template <typename T, unsigned N> class Ring {
    T items[N] = {};
    unsigned next = 0;

  public:
    APART void push(const T &item) {
        unsigned at = next % N;
        items[at] = item;
        next = at + 1;
    }
    T sum() const {
        T total{};
        for (const T &item : items)
            total = total + item;
        return total;
    }
    template <typename F> APART auto mapped(F function) const {
        auto first = function(items[0]);
        for (unsigned index = 1; index < N; index++) {
            auto value = function(items[index]);
            first = first + value;
        }
        return first;
    }
};

struct Vector {
    double x, y;
    Vector operator+(const Vector &other) const {
        Vector sum{x + other.x, y + other.y};
        return sum;
    }
    double operator*(const Vector &other) const { return x * other.x + y * other.y; }
    explicit operator bool() const { return x != 0 || y != 0; }
};

struct Failure : std::runtime_error {
    int code;
    Failure(int code, const char *what) : std::runtime_error(what), code(code) {}
};

class Guard {
    int &counter;
    int step;

  public:
    Guard(int &counter, int step) : counter(counter), step(step) { counter += step; }
    ~Guard() {
        int before = counter;
        counter = before - step;
        sink += before;
    }
};

APART static int risky(int depth, int &counter) {
    Guard guard(counter, depth + 1);
    if (depth == 0)
        throw Failure(counter, "deep down");
    int below = risky(depth - 1, counter);
    return below + depth;
}

APART static int careful(int depth) {
    int counter = 0;
    try {
        return risky(depth, counter);
    } catch (const Failure &failure) {
        int code = failure.code;
        return code * 10 + counter;
    } catch (...) {
        sink += counter;
        throw;
    }
}

template <typename T> APART T largest(const T *values, std::size_t count) {
    T best = values[0];
    for (std::size_t index = 1; index < count; index++)
        if (best < values[index])
            best = values[index];
    return best;
}

template <typename First, typename... Rest> APART long counted(First first, Rest... rest) {
    long here = long(first);
    if constexpr (sizeof...(rest) > 0)
        return here + counted(rest...);
    else
        return here;
}

APART static long with_lambdas(int factor) {
    long total = 0;
    Vector origin{0.5, -1.5};
    auto scaled = [factor, &total](int value) {
        long product = long(value) * factor;
        total += product;
        return product;
    };
    auto moved = [origin](double by) mutable {
        origin.x += by;
        return origin;
    };
    for (int value = 1; value < 4; value++)
        scaled(value);
    Vector end = moved(2.0) + moved(1.0);
    return total + long(end * end) + (end ? 1 : 0);
}

APART static long with_containers(int count) {
    std::vector<int> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 1);
    std::map<int, long> squares;
    for (int number : numbers)
        squares[number] = long(number) * number;
    std::sort(numbers.begin(), numbers.end(), [](int a, int b) { return a > b; });
    std::string word = "container";
    long total = std::accumulate(numbers.begin(), numbers.end(), 0L);
    for (const auto &[key, square] : squares)
        total += square - key;
    return total + long(word.size());
}

APART static int met(const zoo::Animal &animal, int zoo::Animal::*member,
                     int (zoo::Animal::*method)(int) const) {
    int direct = animal.*member;
    int called = (animal.*method)(direct);
    return direct + called;
}

APART static long owned(std::unique_ptr<Ring<long, 3>> ring, Vector &&gone) {
    ring->push(5);
    ring->push(long(gone.x));
    long total = ring->mapped([&gone](long value) { return value * 2 + long(gone.y); });
    return total + ring->sum();
}

int main() {
    long total = 0;
    zoo::Frog frog(2);
    for (int round = 0; round < 3; round++) {
        total += careful(round);
        total += with_lambdas(round + 2);
        total += met(frog, &zoo::Animal::legs, &zoo::Animal::speed);
    }
    const double heights[] = {1.25, 9.5, 3.0};
    const char letters[] = {'k', 'q', 'd'};
    total += long(largest(heights, 3)) + largest(letters, 3);
    total += counted(1, 2L, 'c', 4.5);
    total += with_containers(6);
    total += owned(std::make_unique<Ring<long, 3>>(), Vector{3, 4});
    sink += total;
    return 0;
}
