/* The same without call frame information: frame pointers, a handler whose trampoline is known by
   its instructions only, and a call through a null pointer at the end. Compiled without tables. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int sink;
static void (*volatile nowhere)(void);

/* gdb, too, knows a trampoline by its instructions, but only if it has this name. */
__asm__(".text\n.globl __restore_rt\n.type __restore_rt, @function\n__restore_rt:\n"
        " mov $15, %rax\n syscall\n.size __restore_rt, .-__restore_rt\n");
void __restore_rt(void);

struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

__attribute__((noinline)) static int recurse(int n)
{
    volatile int local = n;
    if (n == 0)
        nowhere();
    else
        local += recurse(n - 1);
    return local;
}

__attribute__((noinline)) static void on_signal(int signal)
{
    sink += recurse(3 + 0 * signal);
}

__attribute__((noinline)) static int interrupted(void)
{
    syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2);
    return sink;
}

int main(void)
{
    struct kernel_sigaction action = {on_signal, 0x04000000, __restore_rt, 0};
    syscall(SYS_rt_sigaction, SIGUSR2, &action, 0, 8);
    return interrupted() + sink;
}
