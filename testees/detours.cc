// Calls that come to their function by a detour: stubs of the linker, thunks, functions that choose
// another one. Without PROGRAM this is the library that the program is linked with.

namespace detours {
struct Library {
    static int shared(int value);
    template <class T> T made(T value);
};
}

#ifndef PROGRAM

int detours::Library::shared(int value)
{
    return value + 1; // BREAK: shared
}

template <class T> T detours::Library::made(T value)
{
    return value + 2; // BREAK: made
}

template int detours::Library::made<int>(int);

extern "C" int homonym(int value)
{
    return value + 3; // BREAK: homonym
}

#else

namespace detours {
extern template int Library::made<int>(int);
}
extern "C" int homonym(int);

extern "C" int Homonym(int value)
{
    return value - 3;
}

struct First {
    virtual ~First() {}
    long first = 1;
};

struct Second {
    virtual ~Second() {}
    virtual int overridden(int value) { return value; }
    long second = 2;
};

struct Both : First, virtual Second {
    int overridden(int value) override
    {
        return value + 4; // BREAK: overridden
    }
};

static int chosen(int value)
{
    return value + 5; // BREAK: chosen
}

extern "C" {
static int (*choose_it(void))(int)
{
    return chosen;
}
static int choice(int value) __attribute__((ifunc("choose_it")));
}

int main()
{
    detours::Library library;
    Both both;
    Second *second = &both;
    int sum = Homonym(0);
    sum += detours::Library::shared(1); // BREAK: call shared
    sum += library.made(2); // BREAK: call made
    sum += homonym(3); // BREAK: call homonym
    sum += second->overridden(4); // BREAK: call overridden
    sum += choice(5); // BREAK: call choice
    return sum == 0;
}

#endif
