// burn_cpu MS: uses MS milliseconds of CPU, half of it in a second thread; prints what getrusage says of it.
#include "common.h"
#include <pthread.h>
static long budget_ms;
static volatile unsigned long sink;
static void *work(void *unused) {
    struct timespec now;
    do {
        for (int i = 0; i < 200000; i++)
            sink += i;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < budget_ms);
    return unused;
}
int main(int argc, char **argv) {
    pthread_t thread;
    budget_ms = argument(argc, argv, 1, 200) / 2;
    if (pthread_create(&thread, 0, work, 0))
        return 91;
    work(0);
    pthread_join(thread, 0);
    struct rusage used;
    must(getrusage(RUSAGE_SELF, &used));
    printf("cpu_us=%ld\n", (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    return 0;
}
