// Names that have to be demangled: namespaces, templates, methods, overloads; and a stack that goes
// through a destructor during an exception.

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace geometry {

template <typename Number>
struct Point {
    Number x, y;
    __attribute__((noinline)) Number dot(const Point &other) const {
        return x * other.x + y * other.y;
    }
};

struct Watcher {
    int *count;
    __attribute__((noinline)) ~Watcher() { ++*count; }
};

__attribute__((noinline)) int area(int side) { return side * side; }
__attribute__((noinline)) double area(double radius) { return 3 * radius * radius; }

__attribute__((noinline)) int thrower(int *count) {
    Watcher watcher{count};
    throw std::runtime_error("on purpose");
}

} // namespace geometry

int main() {
    int watched = 0;
    geometry::Point<int> whole{1, 2};
    geometry::Point<double> broken{0.5, 2.0};
    std::vector<std::string> words{"one", "two"};
    try {
        geometry::thrower(&watched);
    } catch (const std::runtime_error &error) {
        words.emplace_back(error.what());
    }
    int sum = whole.dot(whole) + geometry::area(2) + int(geometry::area(1.0));
    sum += int(broken.dot(broken)) + watched + int(words.size());
    std::printf("sum %d\n", sum);
    return sum;
}
