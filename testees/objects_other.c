// The second file of the program `objects`, with other things that are called the same.

enum plain { Few = -1 };

static int tally = 77;

int other(void) {
    enum plain few = Few;
    return tally + few; // BREAK: other
}
