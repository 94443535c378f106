// How late a real-time thread gets its CPU: one on each CPU sleeps 0.2 ms at a time until SIGTERM. Prints
// "longest_us=N p999_us=N". What it measures is for how long others keep a CPU without letting go of it.
#include "common.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

enum { SLEEP_NS = 200 * 1000, MOST_US = 20000 };
static volatile sig_atomic_t over;
static unsigned long late[MOST_US + 1];

static void end(int signal) {
    (void)signal;
    over = 1;
}

static void *measure(void *cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((long)cpu, &set);
    struct sched_param first = {.sched_priority = 50};
    if (sched_setaffinity(0, sizeof set, &set) || sched_setscheduler(0, SCHED_FIFO, &first))
        exit(90);
    struct timespec next, now;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!over) {
        next.tv_nsec += SLEEP_NS;
        if (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
        long us = (now.tv_sec - next.tv_sec) * 1000000 + (now.tv_nsec - next.tv_nsec) / 1000;
        __atomic_fetch_add(&late[us < 0 ? 0 : us > MOST_US ? MOST_US : us], 1, __ATOMIC_RELAXED);
        next = now;
    }
    return NULL;
}

int main(void) {
    signal(SIGTERM, end);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[cpus];
    for (long cpu = 0; cpu < cpus; cpu++)
        if (pthread_create(&threads[cpu], NULL, measure, (void *)cpu))
            return 91;
    for (long cpu = 0; cpu < cpus; cpu++)
        pthread_join(threads[cpu], NULL);
    unsigned long all = 0, seen = 0, longest = 0, p999 = 0;
    for (int us = 0; us <= MOST_US; us++)
        all += late[us];
    for (int us = 0; us <= MOST_US; us++) {
        if (late[us])
            longest = us;
        if (seen * 1000 < all * 999)
            p999 = us;
        seen += late[us];
    }
    printf("longest_us=%lu p999_us=%lu\n", longest, p999);
    return 0;
}
