// A library with a variable of each thread. To be built with -shared -fPIC, -DNAME= its name and
// -DPLACE= the name of the function that tells where the calling thread has it.

static __thread char padding[40];
__thread int NAME = 33;

int *PLACE(void)
{
    padding[0]++;
    NAME++;
    return &NAME;
}
