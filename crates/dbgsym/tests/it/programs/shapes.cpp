// Names that C++ can make: namespaces, templates, operators, lambdas, what hides in files.
#include <map>
#include <string>
#include <vector>

namespace shapes {
struct Shape {
    virtual ~Shape();
    virtual double area() const = 0;
};
Shape::~Shape() = default;

template <typename T> struct Square : Shape {
    T side;
    explicit Square(T side) : side(side) {}
    double area() const override { return double(side) * double(side); }
    bool operator<(const Square &other) const { return side < other.side; }
    Square &operator<<(int n) { side <<= n; return *this; }
    operator bool() const { return side != 0; }
};

template <typename T> T twice(T n) { return n + n; }
template int twice<int>(int);
template double twice<double>(double);
template struct Square<int>;

int overloaded(int n) { return n; }
int overloaded(const char *text) { return text[0]; }
static std::map<std::string, std::vector<int>> table;

namespace {
int hidden(int n) { return n + 1; }
}
} // namespace shapes

int plain(int n) { return shapes::hidden(n); }

int main(int argc, char **argv)
{
    auto lambda = [argc](int n) { return n + argc; };
    shapes::table[argv[0]].push_back(lambda(plain(argc)));
    shapes::Square<int> square(argc);
    square << 1;
    return bool(square) + shapes::overloaded("x") + int(square.area());
}
