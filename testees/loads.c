// Loads and unloads the library that its first argument names, as its other arguments say:
//
//   o   dlopen           c   dlclose
//   n   dlmopen into a namespace of its own
//   g   puts something where the library was last, so that it is mapped elsewhere
//   m   maps the library's file without loading it
//   w   calls its function plugin_work
//   r   calls reached
//   L   dlopen and dlclose, many times; then l, as often as nobody can wait for
//   j   goes to a root directory below which neither it nor the library is
//   s   says "ready" and waits until its input ends

#include "testee.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

STOP_HERE void reached(void)
{
}

static const char *path;
static void *handle;
static char *last_base;

STOP_HERE void load(void)
{
    handle = dlopen(path, RTLD_NOW);
    if (handle == NULL)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(handle != NULL);
    last_base = (char *)((struct link_map *)handle)->l_addr;
}

STOP_HERE void unload(void)
{
    CHECK(dlclose(handle) == 0);
}

static void work(void)
{
    int (*function)(void);
    *(void **)&function = dlsym(handle, "plugin_work");
    CHECK(function != NULL);
    CHECK(function() == 2);
}

static void map_file(void)
{
    int file = open(path, O_RDONLY);
    CHECK(file >= 0);
    CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) != MAP_FAILED);
    close(file);
}

int main(int count, char **arguments)
{
    CHECK(count >= 2);
    path = arguments[1];
    for (int i = 2; i < count; i++) {
        switch (arguments[i][0]) {
        case 'o': load(); break;
        case 'c': unload(); break;
#ifdef LM_ID_NEWLM
        case 'n': CHECK((handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW)) != NULL); break;
#endif
        case 'g':
            CHECK(mmap(last_base, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
                  == last_base);
            break;
        case 'm': map_file(); break;
        case 'w': work(); break;
        case 'r': reached(); break;
        case 'j': CHECK(chroot("/proc") == 0 && chdir("/") == 0); break;
        case 'L':
            for (int round = 0; round < 300; round++) {
                load();
                unload();
            }
            break;
        case 'l':
            say("ready");
            for (;;) {
                load();
                work();
                unload();
            }
        case 's':
            say("ready");
            wait_for_end_of_input();
            break;
        default: CHECK(0);
        }
    }
    return 5;
}
