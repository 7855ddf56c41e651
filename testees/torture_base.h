// What torture.c is made of: complaints, random numbers, and words that threads wait at.

#pragma once

#include "testee.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

__attribute__((noreturn, format(printf, 1, 2))) static void wrong(const char *format, ...)
{
    char text[400] = "wrong: ";
    va_list arguments;
    va_start(arguments, format);
    int len = 7 + vsnprintf(text + 7, sizeof text - 8, format, arguments);
    va_end(arguments);
    text[len++] = '\n';
    if (write(1, text, len) != len)
        _exit(98);
    _exit(99);
}

#define MUST(condition)                                                                    \
    do {                                                                                   \
        if (!(condition))                                                                  \
            wrong("line %d: not %s (errno %d)", __LINE__, #condition, errno);              \
    } while (0)

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static long futex(atomic_int *word, int operation, int value, const struct timespec *time)
{
    return syscall(SYS_futex, word, operation, value, time, NULL, 0);
}

// Waits until the word is something else. It is woken by nothing but the word.
static void wait_while(atomic_int *word, int value)
{
    while (*word == value) {
        long result = futex(word, FUTEX_WAIT, value, NULL);
        MUST(result == 0 || errno == EAGAIN || errno == EINTR);
    }
}

static void set(atomic_int *word, int value)
{
    *word = value;
    futex(word, FUTEX_WAKE, 1000, NULL);
}
