// Variables that each thread has for itself: the program's, those of a library that it starts with
// (early), and those of one that it loads (late), whose path is the argument. Two threads write
// down where theirs are; the first one has not used the late library's.

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

__thread int padding[5] = {1};
__thread int own = 11;

int *early_place(void);

// For both threads the addresses of own, early and late.
void *places[2][3];
static int *(*late_place)(void);
static int is_ready[2];

__attribute__((noinline)) void ready(void)
{
    static __thread int inside = 7;
    inside++; // BREAK: inside
}

static void *work(void *nothing)
{
    (void)nothing;
    places[1][0] = &own;
    places[1][1] = early_place();
    places[1][2] = late_place();
    own += padding[0];
    if (write(is_ready[1], "", 1) != 1)
        return NULL;
    pause();
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    char byte;
    void *library = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);
    if (!library || pipe(is_ready) != 0)
        return 1;
    late_place = (int *(*)(void))dlsym(library, "late_place");
    if (pthread_create(&thread, NULL, work, NULL) != 0 || read(is_ready[0], &byte, 1) != 1)
        return 2;
    places[0][0] = &own;
    places[0][1] = early_place();
    ready();
    return 0;
}
