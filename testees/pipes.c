// Two threads pass a byte to and fro through pipes, each by the same system call instruction. An
// argument says how often. Whoever reads waits for the other.

#include "testee.h"

static int to[2], fro[2];
static unsigned long rounds;
volatile int second;

// The instruction has a name.
__attribute__((noinline, noclone)) static long call(long number, long fd, char *byte)
{
    long result;
    asm volatile(".globl call_instruction\ncall_instruction: syscall"
                 : "=a"(result)
                 : "a"(number), "D"(fd), "S"(byte), "d"(1)
                 : "rcx", "r11", "memory");
    return result;
}

static void *answer(void *argument)
{
    second = (int)syscall(SYS_gettid);
    char byte;
    for (unsigned long round = 0; round < rounds; round++) {
        CHECK(call(SYS_read, to[0], &byte) == 1);
        byte++;
        CHECK(call(SYS_write, fro[1], &byte) == 1);
    }
    return argument;
}

int main(int count, char **arguments)
{
    rounds = count > 1 ? strtoul(arguments[1], NULL, 0) : 1;
    CHECK(pipe(to) == 0 && pipe(fro) == 0);
    pthread_t id;
    CHECK(pthread_create(&id, NULL, answer, NULL) == 0);
    for (unsigned long round = 0; round < rounds; round++) {
        char byte = 'a';
        CHECK(call(SYS_write, to[1], &byte) == 1);
        CHECK(call(SYS_read, fro[0], &byte) == 1);
        CHECK(byte == 'b');
    }
    pthread_join(id, NULL);
    return 0;
}
