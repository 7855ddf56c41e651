// Code for steps by line in C++: constructors and destructors, virtual calls, templates, lambdas,
// the library's templates.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual int area() const = 0;
};

struct Square : Shape {
    int side;

    explicit Square(int side) : side(side)
    {
    }

    int area() const override
    {
        return side * side;
    }
};

struct Oblong : virtual Shape {
    int width = 2, height = 3;

    int area() const override
    {
        int product = width * height;
        return product;
    }
};

struct Note {
    const char *text;

    ~Note()
    {
        std::puts(text);
    }
};

template <typename T> static T twice(T value)
{
    T result = value;
    result += value;
    return result;
}

extern "C" __attribute__((noinline, used)) int walk()
{
    Note note{"done"};
    int sum = 0;
    std::vector<std::unique_ptr<Shape>> shapes;
    shapes.push_back(std::make_unique<Square>(3));
    shapes.push_back(std::make_unique<Oblong>());
    for (const auto &shape : shapes)
        sum += shape->area();
    std::vector<int> numbers{3, 1, 2};
    std::sort(numbers.begin(), numbers.end(), [](int left, int right) {
        return left > right;
    });
    auto add = [&sum](int number) {
        sum += number;
        return sum;
    };
    for (int number : numbers)
        add(number);
    sum += twice(2) + static_cast<int>(twice(1.5));
    {
        Note inner{"inner"};
        sum += static_cast<int>(twice(std::string("ab")).size());
    }
    return sum;
}

int main()
{
    int sum = walk();
    return sum > 255;
}
