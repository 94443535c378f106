// threads N K: N threads of which each calls getppid K times.
#include "common.h"
#include <pthread.h>
static long calls;
static void *work(void *unused) {
    for (long i = 0; i < calls; i++)
        syscall(SYS_getppid);
    return unused;
}
int main(int argc, char **argv) {
    long count = argument(argc, argv, 1, 4);
    calls = argument(argc, argv, 2, 1000);
    pthread_t threads[64];
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], 0, work, 0))
            return 91;
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], 0);
    return 0;
}
