/* Calls a function of the library `lender`, to be built with its path among the flags. */
int lend(int sum);

int main(void)
{
    int got = lend(8); // BREAK: borrow
    got += lend(4); // BREAK: again
    return got; // BREAK: end
}
