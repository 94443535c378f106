// thread_namespaces: a thread leaves its UTS namespace, and then the first thread its IPC namespace. Prints the thread's id.
#include "common.h"
#include <pthread.h>
static void *leave(void *unused) {
    must(unshare(CLONE_NEWUTS));
    printf("thread=%ld\n", syscall(SYS_gettid));
    return unused;
}
int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, leave, NULL) != 0)
        return 92;
    pthread_join(thread, NULL);
    must(unshare(CLONE_NEWIPC));
    must(syscall(SYS_setresuid, -1, -1, -1));
    return 0;
}
