// leader_exits MS: the leader thread ends first; another ends the process with 7, MS milliseconds later.
#include "common.h"
#include <pthread.h>
static long delay_ms;
static void *work(void *unused) {
    sleep_ms(delay_ms);
    syscall(SYS_getppid);
    exit(7);
    return unused;
}
int main(int argc, char **argv) {
    pthread_t thread;
    delay_ms = argument(argc, argv, 1, 100);
    if (pthread_create(&thread, 0, work, 0))
        return 91;
    pthread_exit(0);
}
