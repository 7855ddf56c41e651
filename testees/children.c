// Makes a child that calls the same function as its parent, and passes its exit status on. The
// first argument says how:
//
//   fork, vfork   in these ways; the vforked one executes this program, or with a second argument
//                 ends at once
//   spawn         posix_spawn
//   sharing       a process that shares the memory, and that the kernel does not wait for; with a
//                 second argument it is made when a line comes, and waits for the input's end; with
//                 a third one this process executes its program again as soon as it is made
//   waiting       fork, when a line comes; the child waits for the input's end
//   many          fork, again and again until the input ends
//   later HOW     as HOW says, when the input has ended
//   zombie        fork; the child is not waited for until the input ends

#include "testee.h"

#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
volatile unsigned long calls;
volatile int child;

STOP_HERE void work(void)
{
    calls++;
}

static int wait_often(void *argument)
{
    wait_for_end_of_input();
    return argument != NULL;
}

static int work_often(void *argument)
{
    for (int round = 0; round < 1000; round++)
        work();
    return argument != NULL;
}

static int status_of(pid_t pid);

static int fork_until_the_end(void)
{
    say("ready");
    struct pollfd input = { .fd = 0, .events = POLLIN };
    for (calls = 0; poll(&input, 1, 0) == 0; calls++) {
        child = fork();
        if (child == 0) {
            calls = 0;
            work_often(NULL);
            _exit(calls == 1000 ? 0 : 1);
        }
        if (status_of(child) != 0)
            return 1;
    }
    return 0;
}

static int status_of(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **arguments)
{
    CHECK(count > 1);
    const char *how = arguments[1];
    char *again[] = { arguments[0], "child", NULL };
    if (strcmp(how, "later") == 0) {
        say("ready");
        wait_for_end_of_input();
        how = arguments[2];
        count--;
    }
    work();
    if (strcmp(how, "child") == 0)
        return calls == 1 ? 0 : 1;
    if (strcmp(how, "fork") == 0) {
        child = fork();
        if (child == 0) {
            for (int round = 0; round < 1000; round++)
                work();
            _exit(calls == 1001 ? 0 : 1);
        }
    } else if (strcmp(how, "vfork") == 0) {
        // The child borrows our memory: what it must not do there is why nobody writes this.
        child = vfork();
        if (child == 0) {
            work();
            if (count > 2)
                _exit(0);
            execv(arguments[0], again);
            _exit(98);
        }
        CHECK(calls == 2);
    } else if (strcmp(how, "spawn") == 0) {
        pid_t pid;
        CHECK(posix_spawn(&pid, arguments[0], NULL, NULL, again, environ) == 0);
        child = pid;
    } else if (strcmp(how, "sharing") == 0) {
        static char stack[65536] __attribute__((aligned(16)));
        int waits = count > 2;
        if (waits) {
            say("ready");
            char line[2];
            CHECK(fgets(line, sizeof line, stdin) != NULL);
        }
        int (*function)(void *) = waits ? wait_often : work_often;
        child = clone(function, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
        if (waits) {
            printf("%d\n", child);
            fflush(stdout);
        }
        if (count > 3)
            execv(arguments[0], again);
        int status = status_of(child);
        work();
        return status;
    } else if (strcmp(how, "many") == 0) {
        return fork_until_the_end();
    } else if (strcmp(how, "waiting") == 0) {
        say("ready");
        char line[2];
        CHECK(fgets(line, sizeof line, stdin) != NULL);
        child = fork();
        if (child != 0)
            printf("%d\n", child);
        fflush(stdout);
        wait_for_end_of_input();
        if (child == 0)
            _exit(0);
    } else if (strcmp(how, "zombie") == 0) {
        child = fork();
        if (child == 0)
            _exit(0);
        siginfo_t info;
        waitid(P_PID, child, &info, WEXITED | WNOWAIT);
        printf("%d\n", child);
        fflush(stdout);
        wait_for_end_of_input();
    }
    work();
    return status_of(child);
}
