/* A deep stack: recursion, a signal handler on its own stack, qsort's callback, a second thread.
   It ends in a trap instruction with all of that on the stack. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile int sink;
static pthread_barrier_t barrier;

__attribute__((noinline)) static int recurse(int n)
{
    volatile int local = n;
    if (n == 0)
        __builtin_trap();
    local += recurse(n - 1);
    return local;
}

static void on_signal(int signal)
{
    sink += recurse(5 + 0 * signal);
}

__attribute__((noinline)) static int compare(const void *a, const void *b)
{
    raise(SIGUSR1);
    return *(const int *)a - *(const int *)b;
}

static void *wait_forever(void *argument)
{
    char buffer[64];
    memset(buffer, 1, sizeof buffer);
    sink += buffer[7];
    pthread_barrier_wait(&barrier);
    for (;;)
        sink++;
    return argument;
}

int main(void)
{
    static char handler_stack[65536];
    stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    int numbers[] = {3, 1, 2, 5, 4};
    pthread_t thread;
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, wait_forever, NULL);
    pthread_barrier_wait(&barrier);
    qsort(numbers, 5, sizeof numbers[0], compare);
    return sink;
}
