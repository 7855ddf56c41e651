// A program that checks itself, to be debugged as cruelly as possible: threads that compute what is
// known, sleep, wait for each other, have signals, and make threads and processes. Whatever goes
// wrong in them is printed as `wrong: …` and ends it with status 99.
//
//   torture SEED JOBS      JOBS is one letter for each job, see `JOBS` below
//   torture child SEED     computes a little, and ends with 0 if all is right
//
// It reads lines: `run`, `rest` (answered by `resting`, when no thread does anything), and `end`,
// which is answered by `ok OPERATIONS EXTERNAL`: how much was done, and how many signals of the
// kind that others may send have been handled, beyond its own.

#include "testee.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/wait.h>
#include <ucontext.h>

asm(".text\n.globl torture_begin\ntorture_begin:\n");

#include "torture_base.h"
#include "torture_x86_64.h"

#define PIECE_COUNT ((int)(sizeof PIECES / sizeof *PIECES))
#define JOBS_MAX 16
#define VALUES 256
// Sent to itself with values, in order; and by itself and by others, and only counted.
#define ORDERED (SIGRTMIN + 3)
#define COUNTED (SIGRTMIN + 5)

extern char **environ;

enum command { REST, RUN, END };
static atomic_int command = REST;
static atomic_int parked;
// How much has been done by all threads. A test looks at it: nothing is done while all stand still.
atomic_ulong operations;
static uint64_t expected[25][VALUES];
static atomic_ulong tallied;
static atomic_ulong counted_signals, counted_own;
static char *own_name;

// One job's thread, or one of its two.
struct worker {
    pthread_t id;
    const char *name;
    void (*turn)(struct worker *);
    uint64_t random;
    uint64_t tally;
    // The other end, for jobs of two threads.
    struct channel *channel;
    int is_answering;
    int has_signals;
    // Whether signals may come late and without their values, as after the death of a tracer.
    int is_patient;
};

// Computing.

STOP_HERE uint64_t fibonacci(uint64_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

STOP_HERE int by_value(const void *left, const void *right)
{
    return (*(const uint8_t *)left > *(const uint8_t *)right)
        - (*(const uint8_t *)left < *(const uint8_t *)right);
}

// Calls that go through the C library and come back.
STOP_HERE void sort_bytes(uint64_t *random)
{
    uint8_t bytes[16];
    unsigned sum = 0, sum_after = 0;
    for (int at = 0; at < 16; at++)
        sum += bytes[at] = next(random);
    qsort(bytes, 16, 1, by_value);
    for (int at = 0; at < 16; at++) {
        sum_after += bytes[at];
        MUST(at == 0 || bytes[at - 1] <= bytes[at]);
    }
    MUST(sum == sum_after);
}

static void (*volatile jump)(jmp_buf, int);

STOP_HERE void jump_back(jmp_buf place, int depth)
{
    if (depth == 0)
        longjmp(place, 7);
    jump(place, depth - 1);
}

STOP_HERE void print_number(uint64_t *random)
{
    char text[40], again[40];
    unsigned long number = next(random);
    snprintf(text, sizeof text, "%lu", number);
    MUST(strtoul(text, NULL, 10) == number);
    memcpy(again, text, strlen(text) + 1);
    MUST(strcmp(text, again) == 0);
}

// One call of one piece. What it has to add to `counted`.
STOP_HERE int call_piece(uint64_t *random)
{
    int index = next(random) % PIECE_COUNT;
    uint64_t x = next(random) % VALUES;
    uint64_t result = PIECES[index].function(x);
    if (result != expected[index][x])
        wrong("%s(%lu) is %lx, not %lx", PIECES[index].name, x, result, expected[index][x]);
    return index == COUNTING_PIECE;
}

STOP_HERE void compute(struct worker *worker)
{
    for (int round = 0; round < 20; round++)
        worker->tally += call_piece(&worker->random);
    switch (next(&worker->random) % 8) {
    case 0: MUST(fibonacci(10) == 55); break;
    case 1: sort_bytes(&worker->random); break;
    case 2: {
        jmp_buf place;
        volatile uint64_t kept = worker->random;
        int came = setjmp(place);
        jump = jump_back;
        if (came == 0)
            jump(place, 5);
        MUST(came == 7 && kept == worker->random);
        break;
    }
    case 3: print_number(&worker->random); break;
    // Others want a CPU as well.
    case 4: {
        struct timespec moment = { 0, 200000 };
        MUST(nanosleep(&moment, NULL) == 0 || (worker->has_signals && errno == EINTR));
        break;
    }
    }
}

// Waiting in system calls, none of which anything but time may end.

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

STOP_HERE void doze(struct worker *worker)
{
    int64_t start = nanoseconds(), least = next(&worker->random) % 3000000;
    struct timespec time = { 0, least };
    switch (next(&worker->random) % 6) {
    case 0: MUST(nanosleep(&time, NULL) == 0); break;
    case 1: {
        struct timespec until = { (start + least) / 1000000000, (start + least) % 1000000000 };
        MUST(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0);
        break;
    }
    case 2: least = least / 1000000 * 1000000; MUST(poll(NULL, 0, least / 1000000) == 0); break;
    case 3: MUST(ppoll(NULL, 0, &time, NULL) == 0); break;
    case 4: MUST(pselect(0, NULL, NULL, NULL, &time, NULL) == 0); break;
    case 5: {
        atomic_int word = 1;
        MUST(futex(&word, FUTEX_WAIT, 1, &time) == -1 && errno == ETIMEDOUT);
        break;
    }
    }
    int64_t slept = nanoseconds() - start;
    if (slept < least)
        wrong("slept for %ld ns, not for %ld", (long)slept, (long)least);
}

// Two threads and what they tell each other: a number, and the same number by one more. The numbers
// REST and END are commands for the second.

struct channel {
    int forth[2], back[2];
    atomic_int turn;
    atomic_int word;
    int uses_futex;
    int last;
};

static void send_word(struct channel *channel, int word, int is_back)
{
    if (channel->uses_futex) {
        channel->word = word;
        set(&channel->turn, !is_back);
    } else {
        int fd = is_back ? channel->back[1] : channel->forth[1];
        MUST(write(fd, &word, sizeof word) == sizeof word);
    }
}

static int receive_word(struct channel *channel, int is_back)
{
    int word;
    if (channel->uses_futex) {
        while (channel->turn != !is_back) {
            long result = futex(&channel->turn, FUTEX_WAIT, is_back, NULL);
            MUST(result == 0 || errno == EAGAIN);
        }
        return channel->word;
    }
    int fd = is_back ? channel->back[0] : channel->forth[0];
    struct pollfd input = { .fd = fd, .events = POLLIN };
    MUST(poll(&input, 1, -1) == 1 && input.revents == POLLIN);
    MUST(read(fd, &word, sizeof word) == sizeof word);
    return word;
}

STOP_HERE void ask(struct worker *worker)
{
    struct channel *channel = worker->channel;
    int word = channel->last = 10 + (channel->last + 1) % 1000000;
    send_word(channel, word, 0);
    int answer = receive_word(channel, 1);
    if (answer != word + 1)
        wrong("the answer to %d is %d", word, answer);
    if (word % 8 == 0)
        doze(worker);
}

// Signals. Only the threads of this job have any.

static __thread volatile unsigned long handled;
static __thread volatile int last_value;
static __thread sigjmp_buf behind_fault;
static __thread volatile int is_faulting;

STOP_HERE void on_usr1(int number)
{
    MUST(number == SIGUSR1);
    handled++;
}

STOP_HERE void on_ordered(int number, siginfo_t *info, void *context)
{
    (void)context;
    MUST(number == ORDERED);
    if (info->si_code != SI_QUEUE || info->si_value.sival_int != last_value + 1)
        wrong("signal %d of code %d came behind %d", info->si_value.sival_int, info->si_code,
              last_value);
    last_value = info->si_value.sival_int;
}

STOP_HERE void on_counted(int number)
{
    MUST(number == COUNTED);
    counted_signals++;
}

STOP_HERE void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    MUST(is_faulting && number == SIGSEGV && info->si_addr == (void *)0x123456789000);
    is_faulting = 0;
    siglongjmp(behind_fault, 1);
}

STOP_HERE void on_division(int number, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    MUST(is_faulting && number == SIGFPE && info->si_addr == (void *)*rip);
    is_faulting = 0;
    *rip += 2; // div %ecx
}

STOP_HERE void raise_queue(struct worker *worker)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, ORDERED);
    int count = 1 + next(&worker->random) % 5, is_blocked = next(&worker->random) % 2;
    last_value = 0;
    if (is_blocked)
        MUST(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    for (int value = 1; value <= count; value++)
        MUST(pthread_sigqueue(pthread_self(), ORDERED, (union sigval) { .sival_int = value }) == 0);
    if (is_blocked)
        MUST(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    if (last_value != count)
        wrong("%d of %d queued signals have come", last_value, count);
}

STOP_HERE void have_signals(struct worker *worker)
{
    unsigned long before = handled;
    switch (next(&worker->random) % 6) {
    case 0:
        MUST(raise(SIGUSR1) == 0);
        while (worker->is_patient && handled == before)
            sched_yield();
        if (handled != before + 1)
            wrong("one SIGUSR1 was handled %ld times", (long)(handled - before));
        break;
    case 1:
        if (!worker->is_patient)
            raise_queue(worker);
        break;
    case 2:
        counted_own++;
        MUST(kill(getpid(), COUNTED) == 0);
        break;
    case 3:
        is_faulting = 1;
        if (sigsetjmp(behind_fault, 1) == 0)
            *(volatile char *)0x123456789000;
        MUST(!is_faulting);
        break;
    case 4:
        is_faulting = 1;
        asm volatile("div %%ecx" : : "a"(1), "d"(0), "c"(0) : "cc");
        MUST(!is_faulting);
        break;
    default: compute(worker);
    }
}

// Threads and processes.

static void *live_shortly(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    uintptr_t tally = 0;
    for (int round = 0; round < 5; round++)
        tally += call_piece(&random);
    return (void *)tally;
}

STOP_HERE void make_threads(struct worker *worker)
{
    pthread_t ids[4];
    int count = 1 + next(&worker->random) % 4;
    for (int index = 0; index < count; index++) {
        void *argument = (void *)(uintptr_t)(next(&worker->random) | 1);
        MUST(pthread_create(&ids[index], NULL, live_shortly, argument) == 0);
    }
    for (int index = 0; index < count; index++) {
        void *result;
        MUST(pthread_join(ids[index], &result) == 0);
        worker->tally += (uintptr_t)result;
    }
}

static int compute_in_child(uint64_t random)
{
    for (int round = 0; round < 30; round++)
        call_piece(&random);
    return fibonacci(8) == 21 ? 0 : 1;
}

STOP_HERE void make_process(struct worker *worker)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%lu", next(&worker->random) | 1);
    char *again[] = { own_name, "child", seed, NULL };
    pid_t child = 0;
    switch (next(&worker->random) % 3) {
    case 0:
        child = fork();
        if (child == 0)
            _exit(compute_in_child(strtoul(seed, NULL, 10)));
        break;
    case 1:
        child = vfork();
        if (child == 0) {
            execv(own_name, again);
            _exit(97);
        }
        break;
    case 2: MUST(posix_spawn(&child, own_name, NULL, NULL, again, environ) == 0); break;
    }
    int status;
    MUST(child > 0 && waitpid(child, &status, 0) == child);
    if (status != 0)
        wrong("a child ended with status %#x", status);
}

// The jobs by their letters.
static const struct job {
    char letter;
    const char *name;
    void (*turn)(struct worker *);
    char is_pair, signals; // 1: has some; 2: and they may be late
} JOBS[] = {
    { 'c', "computes", compute, 0, 0 },       { 's', "sleeps", doze, 0, 0 },
    { 'p', "pipes", ask, 1, 0 },              { 'f', "futexes", ask, 1, 0 },
    { 'g', "signals", have_signals, 0, 1 },   { 't', "threads", make_threads, 0, 0 },
    { 'k', "children", make_process, 0, 0 },  { 'l', "late signals", have_signals, 0, 2 },
};

static void park(void)
{
    parked++;
    futex(&parked, FUTEX_WAKE, 1, NULL);
    wait_while(&command, REST);
    parked--;
    futex(&parked, FUTEX_WAKE, 1, NULL);
}

static void answer_until_end(struct worker *worker)
{
    for (;;) {
        int word = receive_word(worker->channel, 0);
        if (word == END)
            return;
        if (word == REST) {
            worker->channel->turn = 0; // It takes no answer.
            park();
        } else {
            send_word(worker->channel, word + 1, 1);
        }
        operations++;
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    prctl(PR_SET_NAME, worker->name);
    if (worker->is_answering) {
        answer_until_end(worker);
        return NULL;
    }
    if (worker->has_signals) {
        sigset_t none;
        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
    }
    for (;;) {
        int now = command;
        if (now != RUN && worker->channel)
            send_word(worker->channel, now, 0);
        if (now == END)
            break;
        if (now == REST)
            park();
        else
            worker->turn(worker);
        operations++;
    }
    tallied += worker->tally;
    return NULL;
}

static struct worker workers[2 * JOBS_MAX];
static struct channel channels[JOBS_MAX];

static int make_workers(uint64_t random, const char *letters)
{
    int count = 0;
    for (int at = 0; letters[at] && at < JOBS_MAX; at++) {
        const struct job *job = JOBS;
        while (job->letter != letters[at])
            MUST(++job < JOBS + sizeof JOBS / sizeof *JOBS);
        struct channel *channel = &channels[at];
        channel->uses_futex = job->letter == 'f';
        if (job->is_pair)
            MUST(pipe(channel->forth) == 0 && pipe(channel->back) == 0);
        for (int is_answering = 0; is_answering <= job->is_pair; is_answering++) {
            workers[count].name = job->name;
            workers[count].turn = job->turn;
            workers[count].random = next(&random) | 1;
            workers[count].channel = job->is_pair ? channel : NULL;
            workers[count].is_answering = is_answering;
            workers[count].has_signals = job->signals > 0;
            workers[count].is_patient = job->signals > 1;
            count++;
        }
    }
    return count;
}

static void handle_signals(void)
{
    struct sigaction action = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    action.sa_handler = on_counted;
    MUST(sigaction(COUNTED, &action, NULL) == 0);
    action.sa_flags = SA_RESTART | SA_SIGINFO;
    action.sa_sigaction = on_ordered;
    MUST(sigaction(ORDERED, &action, NULL) == 0);
    action.sa_sigaction = on_fault;
    MUST(sigaction(SIGSEGV, &action, NULL) == 0);
    action.sa_sigaction = on_division;
    MUST(sigaction(SIGFPE, &action, NULL) == 0);
    // Threads inherit the mask; those that have signals unblock them.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, ORDERED);
    sigaddset(&set, COUNTED);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void wait_until_parked(int count)
{
    for (int now; (now = parked) != count;)
        futex(&parked, FUTEX_WAIT, now, NULL);
}

static void obey(int count)
{
    char line[16];
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "end\n") == 0)
            return;
        int is_rest = strcmp(line, "rest\n") == 0;
        set(&command, is_rest ? REST : RUN);
        wait_until_parked(is_rest ? count : 0);
        if (is_rest)
            say("resting");
    }
}

int main(int argument_count, char **arguments)
{
    MUST(argument_count == 3);
    own_name = arguments[0];
    prepare_pieces();
    for (int index = 0; index < PIECE_COUNT; index++) {
        for (uint64_t x = 0; x < VALUES; x++)
            expected[index][x] = model(index, x);
    }
    if (strcmp(arguments[1], "child") == 0)
        return compute_in_child(strtoul(arguments[2], NULL, 10));
    for (int index = 0; index < PIECE_COUNT; index++) {
        for (uint64_t x = 0; x < VALUES; x++)
            MUST(PIECES[index].function(x) == expected[index][x]);
    }
    counted = 0;
    handle_signals();
    int count = make_workers(strtoul(arguments[1], NULL, 10) * 2 + 1, arguments[2]);
    for (int index = 0; index < count; index++)
        MUST(pthread_create(&workers[index].id, NULL, work, &workers[index]) == 0);
    wait_until_parked(count);
    say("resting");
    obey(count);
    set(&command, END);
    for (int index = 0; index < count; index++)
        MUST(pthread_join(workers[index].id, NULL) == 0);
    if (counted != tallied)
        wrong("counted %lu, called %lu times", counted, (unsigned long)tallied);
    printf("ok %lu %ld\n", operations, (long)(counted_signals - counted_own));
    fflush(stdout);
    return 0;
}

asm(".text\n.globl torture_end\ntorture_end:\n");
