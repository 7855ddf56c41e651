/* Every kind of symbol that C can make. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int global_data = 1;
static int local_data = 2;
int global_bss;
const int read_only = 3;
__thread int thread_local_data = 4;
static __thread int thread_local_bss;

static int local_function(int n) { return n + local_data; }
int global_function(int n) { return local_function(n) + global_data; }
__attribute__((weak)) int weak_function(int n) { return n; }
int alias_function(int n) __attribute__((alias("global_function")));
int __underscored_alias(int n) __attribute__((alias("global_function")));
__attribute__((visibility("hidden"))) int hidden_function(int n) { return n - 1; }

static int picked(int n) { return n * 2; }
static int (*pick(void))(int) { return picked; }
int indirect_function(int n) __attribute__((ifunc("pick")));

__asm__(".text\n.globl bare_label\n.type bare_label, @notype\nbare_label:\n nop\n ret\n");

int main(int argc, char **argv)
{
    char *copy = strdup(argv[0]);
    printf("%d %f\n", global_function(argc) + weak_function(1) + hidden_function(2), sqrt(argc));
    memcpy(&global_bss, &read_only, sizeof global_bss);
    thread_local_data += thread_local_bss + indirect_function(1);
    free(copy);
    return puts("end") < 0;
}
