// One thread ends the process with 9 while the others sleep in the kernel.
#include "common.h"
#include <pthread.h>
static void *block(void *unused) {
    pause();
    return unused;
}
static void *end(void *unused) {
    sleep_ms(20);
    syscall(SYS_exit_group, 9);
    return unused;
}
int main(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], 0, i < 3 ? block : end, 0))
            return 91;
    for (;;)
        pause();
}
