// Variables and types of C++, for comparison with gdb.
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#define NOINLINE __attribute__((noinline, noclone))

volatile int sink;

namespace shapes {
enum class kind : unsigned char { circle, square };
class shape {
public:
    explicit shape(int id) : id_(id) {}
    virtual ~shape() = default;
    virtual double area() const = 0;
    static int count;
    int id() const { return id_; }

protected:
    int id_;
    kind kind_ = kind::circle;
};
int shape::count = 0;

class named {
public:
    std::string name = "unnamed";
    virtual void rename(const std::string &to) { name = to; }
    virtual ~named() = default;
};
class circle : public virtual named, public shape {
public:
    circle(int id, double radius) : shape(id), radius_(radius) { ++count; }
    NOINLINE double area() const override {
        double squared = radius_ * radius_;
        sink = static_cast<int>(squared);
        return 3.0 * squared;
    }

private:
    double radius_;
};
namespace {
int hidden = 5;
struct local_type {
    bool yes : 1;
    char16_t wide;
    int shape::*member;
    double (shape::*function)() const;
};
}
} // namespace shapes

template <typename T, int N> struct buffer {
    T items[N];
    using value_type = T;
    NOINLINE T sum(T start) const {
        T result = start;
        for (const T &item : items) result += item;
        sink = static_cast<int>(result);
        return result;
    }
};

template <typename... Ts> NOINLINE int count_all(const Ts &...all) {
    int count = sizeof...(all);
    sink = count;
    return count;
}

NOINLINE int by_reference(int &left, const std::string &right, std::vector<int> &&moved) {
    int size = static_cast<int>(right.size());
    std::vector<int> taken = std::move(moved);
    left += size;
    for (int &item : taken) {
        int before = item;
        item += left;
        sink = before;
    }
    return taken.empty() ? 0 : taken[0];
}

NOINLINE int throwing(int depth) {
    std::string text = "depth";
    if (depth == 0) throw std::runtime_error(text);
    try {
        return throwing(depth - 1) + 1;
    } catch (const std::logic_error &error) {
        return static_cast<int>(text.size());
    }
}

NOINLINE int with_lambda(int base) {
    int factor = 3;
    auto scale = [&factor, base](int value) {
        int scaled = value * factor;
        sink = scaled;
        return scaled + base;
    };
    std::function<int(int)> stored = scale;
    return stored(4) + scale(5);
}

NOINLINE shapes::local_type member_pointers(bool yes) {
    shapes::local_type local{yes, u'x', nullptr, &shapes::shape::area};
    shapes::local_type *pointer = &local;
    pointer->wide = u'y';
    sink = local.wide;
    return local;
}

NOINLINE double areas(const std::vector<std::unique_ptr<shapes::shape>> &all) {
    double total = 0;
    for (const auto &one : all) {
        double area = one->area();
        total += area;
    }
    return total;
}

int main() {
    int number = 1;
    std::map<std::string, int> counts{{"one", 1}, {"two", 2}};
    std::vector<std::unique_ptr<shapes::shape>> all;
    all.push_back(std::make_unique<shapes::circle>(1, 2.5));
    buffer<long, 4> longs{{1, 2, 3, 4}};
    buffer<double, 2> doubles{{0.5, 1.5}};
    double total = areas(all) + doubles.sum(1.0);
    number += static_cast<int>(longs.sum(number));
    number += by_reference(number, "right", {1, 2, 3}) + count_all(1, 'c', 2.0);
    number += with_lambda(number) + shapes::hidden + member_pointers(number > 1).yes;
    try {
        number += throwing(2);
    } catch (const std::exception &error) {
        const char *what = error.what();
        std::puts(what);
    }
    std::printf("%d %f %zu\n", number, total, counts.size());
    return 0;
}
