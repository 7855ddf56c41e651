// Variables of every kind that C++ adds to C: references, bases, virtual ones as well, members,
// pointers to members, templates, lambdas.

#include <cstddef>
#include <cstdio>

namespace shapes {

struct Named {
    const char *name;
    virtual ~Named() {}
    explicit Named(const char *name) : name(name) {}
};

struct Left : virtual Named {
    int left = 1;
    Left() : Named("left") {}
};

struct Right : virtual Named {
    int right = 2;
    Right() : Named("right") {}
};

class Both : public Left, public Right {
    int own = 3;

  public:
    static int made;
    Both() : Named("both") { ++made; }
    int sum() const { return left + right + own; }
};

int Both::made = 0;

struct Base {
    int base;
};

struct Derived : Base {
    short derived;
    bool flag : 1;
};

template <typename T, int N> struct Box {
    T items[N];
    T *first() { return items; }
};

enum class Level : unsigned char { Low = 1, High = 200 };

} // namespace shapes

__attribute__((noinline)) int looked_at(shapes::Derived &derived, const int &number,
                                        shapes::Both *both, int &&moved) {
    shapes::Box<double, 2> box{{0.25, -4}};
    shapes::Level level = shapes::Level::High;
    int shapes::Base::*member = &shapes::Derived::base;
    int (shapes::Both::*method)() const = &shapes::Both::sum;
    shapes::Derived copy = derived;
    char16_t sixteen = u'\u20ac';
    char32_t thirty_two = U'x';
    const char16_t *text = u"sixteen";
    std::nullptr_t nothing = nullptr;
    auto adder = [&copy, number](int more) { return copy.base + number + more; };
    shapes::Both whole;
    std::printf("%d %d\n", adder(1), whole.sum()); // BREAK: looked_at
    return derived.*member + (both->*method)() + moved + int(box.items[0]) + int(level) + sixteen +
           int(thirty_two) + text[0] + (nothing == nullptr);
}

int main() {
    shapes::Derived derived;
    derived.base = -8;
    derived.derived = 9;
    derived.flag = true;
    shapes::Both both;
    int number = 12;
    int result = looked_at(derived, number, &both, 5);
    std::printf("%d\n", result);
    return 0;
}
