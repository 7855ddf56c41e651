// Functions that share their names: overloads, instances of a template, methods of classes.

namespace shapes {

struct Box {
    static int made;
    int grown = 0;

    int grow(int by) {
        static int calls = 1;
        ++calls;
        return grown += by;
    }

    int grow(double by) {
        return grow(static_cast<int>(by) + 1);
    }
};

int Box::made = 4;

template <class T> T twice(T x) {
    return x + x;
}

namespace {
int hidden = 7;
}

int show() {
    return hidden;
}

} // namespace shapes

int pick(int x) {
    return x;
}

int pick(const char *text) {
    return text[0];
}

int main() {
    shapes::Box box;
    int sum = pick(1) + pick("a") + box.grow(2) + box.grow(2.5);
    sum += shapes::twice(3) + static_cast<int>(shapes::twice(1.5)) + shapes::show();
    return (sum + shapes::Box::made) & 1;
}
