// exec_from_thread PROGRAM [ARGUMENT...]: a thread other than the leader execs; the process keeps the leader's pid.
#include "common.h"
#include <pthread.h>
static char **command;
static void *work(void *unused) {
    dprintf(1, "leader=%d thread=%ld\n", getpid(), syscall(SYS_gettid));
    execve(command[0], command, environ);
    _exit(93);
    return unused;
}
int main(int argc, char **argv) {
    pthread_t thread;
    if (argc < 2)
        return 92;
    command = argv + 1;
    if (pthread_create(&thread, 0, work, 0))
        return 91;
    for (;;)
        pause();
}
