// Signals and their handlers. Its first argument says what happens:
//   usr1 COUNT   raises SIGUSR1 so often, and counts
//   waits        counts SIGUSR1 until its input ends, and ends with the count
//   spin COUNT   runs until it has had so many SIGUSR1 and SIGWINCH, and a little longer
//   segv         reads where nothing is mapped, and goes on behind it; with another argument it
//                waits for the end of its input first
//   realtime     queues itself real-time signals with values, and checks their order; with another
//                argument it waits for the end of its input first
//   private      the same for its thread
//   quiet        raises signals that programs use for themselves
//   stop         raises SIGSTOP, and ends when it is continued

#include "testee.h"

#include <setjmp.h>

volatile unsigned long handled;
volatile unsigned long wrong;
static volatile int last_value;
static sigjmp_buf behind;

STOP_HERE void handle(int number)
{
    (void)number;
    handled++;
}

static void handle_value(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (info->si_code != SI_QUEUE || info->si_value.sival_int != last_value + 1)
        wrong++;
    last_value = info->si_value.sival_int;
    handled++;
}

static void handle_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    if (info->si_addr != (void *)0x123456789000)
        wrong++;
    handled++;
    siglongjmp(behind, 1);
}

STOP_HERE void before_raise(void)
{
    asm volatile("" ::: "memory");
}

STOP_HERE void after_raise(void)
{
    asm volatile("" ::: "memory");
}

static void on(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    CHECK(sigaction(number, &action, NULL) == 0);
}

int main(int count, char **arguments)
{
    CHECK(count > 1);
    const char *what = arguments[1];
    unsigned long expected = 1;
    signal(SIGUSR1, handle);
    if (strcmp(what, "usr1") == 0) {
        expected = strtoul(arguments[2], NULL, 0);
        for (unsigned long round = 0; round < expected; round++) {
            before_raise();
            raise(SIGUSR1);
            after_raise();
        }
    } else if (strcmp(what, "waits") == 0) {
        say("ready");
        wait_for_end_of_input();
        return handled;
    } else if (strcmp(what, "spin") == 0) {
        expected = strtoul(arguments[2], NULL, 0);
        signal(SIGWINCH, handle);
        say("ready");
        while (handled < expected)
            before_raise();
        for (int round = 0; round < 1000; round++)
            before_raise();
    } else if (strcmp(what, "segv") == 0) {
        on(SIGSEGV, handle_fault);
        if (count > 2) {
            say("ready");
            wait_for_end_of_input();
        }
        before_raise();
        if (sigsetjmp(behind, 1) == 0)
            *(volatile char *)0x123456789000; // BREAK: fault
    } else if (strcmp(what, "realtime") == 0 || strcmp(what, "private") == 0) {
        if (count > 2) {
            say("ready");
            wait_for_end_of_input();
        }
        expected = 5;
        on(SIGRTMIN + 3, handle_value);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN + 3);
        sigprocmask(SIG_BLOCK, &set, NULL);
        for (int at = 1; at <= 5; at++) {
            union sigval value = { .sival_int = at };
            if (what[0] == 'p')
                pthread_sigqueue(pthread_self(), SIGRTMIN + 3, value);
            else
                sigqueue(getpid(), SIGRTMIN + 3, value);
        }
        before_raise();
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    } else if (strcmp(what, "quiet") == 0) {
        expected = 3;
        int quiet[] = { SIGCHLD, SIGALRM, SIGWINCH };
        for (int index = 0; index < 3; index++) {
            signal(quiet[index], handle);
            raise(quiet[index]);
        }
    } else if (strcmp(what, "stop") == 0) {
        say("ready");
        raise(SIGSTOP);
        handled = 1;
    }
    return handled == expected && wrong == 0 ? 0 : 1;
}
