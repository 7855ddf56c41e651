/* A shared library that programs are linked with. To be built with -shared -fPIC. */
int lend(int sum)
{
    int rest = sum / 2; // BREAK: lend
    return rest;
}
