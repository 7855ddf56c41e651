// The second file of the program `names`, with names that the first has as well.

static int helper(int x) {
    return x + 1;
}

int other(int x) {
    static int seen = 7;
    return helper(x) + seen++;
}
