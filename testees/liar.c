// Has what no honest program has, and waits until its input ends:
//   liar name                a name that is no UTF-8 and says things to terminals, in two threads;
//                            at its input's end it forks, and ends as its child does
//   liar arguments MIB       that many MiB of arguments and of environment
//   liar images FILE COUNT   a file, mapped so often as if to be executed

#include "testee.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

static volatile int has_ended;

static void *wait_for_it(void *argument)
{
    (void)argument;
    while (!has_ended)
        syscall(SYS_futex, &has_ended, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

// A word of proc_pid_stat(5), by its number there.
static unsigned long stat_field(int number)
{
    char text[4096] = "";
    FILE *file = fopen("/proc/self/stat", "r");
    CHECK(file != NULL && fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    char *word = strrchr(text, ')');
    for (int at = 2; at < number; at++)
        word = strchr(word + 1, ' ');
    return strtoul(word, NULL, 10);
}

// Says that arguments and environment are wherever it likes (prctl(2), PR_SET_MM_MAP).
static void have_arguments(size_t len)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    uintptr_t area = (uintptr_t)mmap(NULL, 2 * len, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(area != (uintptr_t)MAP_FAILED);
    // Without this the environment would count as a continuation of the arguments.
    *(char *)(area + len - 1) = 0;
    struct prctl_mm_map map = {
        .start_code = stat_field(26),
        .end_code = stat_field(27),
        .start_stack = stat_field(28),
        .start_data = stat_field(45),
        .end_data = stat_field(46),
        .start_brk = stat_field(47),
        .brk = (uintptr_t)sbrk(0),
        .arg_start = area,
        .arg_end = area + len,
        .env_start = area + len,
        .env_end = area + 2 * len,
        .exe_fd = -1,
    };
    CHECK(prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0);
}

int main(int count, char **arguments)
{
    CHECK(count > 1);
    int is_named = strcmp(arguments[1], "name") == 0;
    pthread_t thread;
    if (is_named) {
        CHECK(prctl(PR_SET_NAME, "\xff\x1b[7m(x) y\xc3", 0, 0, 0) == 0);
        CHECK(pthread_create(&thread, NULL, wait_for_it, NULL) == 0);
    } else if (count == 3) {
        have_arguments((size_t)atoi(arguments[2]) << 20);
    } else {
        int file = open(arguments[2], O_RDONLY);
        off_t len = lseek(file, 0, SEEK_END);
        CHECK(len > 0);
        for (int left = atoi(arguments[3]); left > 0; left--)
            CHECK(mmap(NULL, len, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) != MAP_FAILED);
    }
    say("ready");
    wait_for_end_of_input();
    if (!is_named)
        return 0;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    has_ended = 1;
    syscall(SYS_futex, &has_ended, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    pthread_join(thread, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
