// Maps memory of many kinds, with a needle in each, and stops: a huge region of which few pages
// were ever touched (an argument is the binary logarithm of its length), one whose protection
// changes in the middle, one that may not be read, a hole.

#include "testee.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE 4096UL

char *sparse;             // 64 GiB, if not told otherwise; a needle in the middle, across a page
unsigned long sparse_len = 1UL << 36;
char *needle_in_sparse;
char *two;                // two pages, the second read-only; a needle across their border
char *needle_in_two;
char *closed;             // a page that the program may not read, with a needle
char *holed;              // two pages with an unmapped one between them
char *block;              // 64 KiB of 0x11
char *trap;               // a page that nobody provides, if the system has userfaultfd(2)

static char *map(unsigned long len, int flags)
{
    char *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

// "needle#!", not to be found in the program's own file.
static void put_needle(char *at)
{
    static const unsigned char hidden[8] = { 0x91, 0x9a, 0x9a, 0x9b, 0x93, 0x9a, 0xdc, 0xde };
    for (int i = 0; i < 8; i++)
        at[i] = (char)~hidden[i];
}

static void set_trap(void)
{
    int descriptor = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    if (descriptor < 0)
        return;
    struct uffdio_api api = { .api = UFFD_API };
    CHECK(ioctl(descriptor, UFFDIO_API, &api) == 0);
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    struct uffdio_register all = {
        .range = { .start = (unsigned long)page, .len = PAGE },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    CHECK(ioctl(descriptor, UFFDIO_REGISTER, &all) == 0);
    trap = page;
}

STOP_HERE void mapped(void)
{
}

volatile unsigned long turns;

STOP_HERE void turn(void)
{
    turns++;
}

int main(int count, char **arguments)
{
    if (count > 1)
        sparse_len = 1UL << atoi(arguments[1]);
    sparse = map(sparse_len, 0);
    needle_in_sparse = sparse + sparse_len / 2 - 3;
    put_needle(needle_in_sparse);
    two = map(2 * PAGE, 0);
    needle_in_two = two + PAGE - 4;
    put_needle(needle_in_two);
    CHECK(mprotect(two + PAGE, PAGE, PROT_READ) == 0);
    closed = map(PAGE, 0);
    put_needle(closed + 100);
    CHECK(mprotect(closed, PAGE, PROT_NONE) == 0);
    holed = map(3 * PAGE, 0);
    memset(holed, 0x22, 3 * PAGE);
    CHECK(munmap(holed + PAGE, PAGE) == 0);
    block = map(16 * PAGE, 0);
    memset(block, 0x11, 16 * PAGE);
    set_trap();
    mapped();
    for (int i = 0; i < 1000; i++)
        turn();
    return 7;
}
