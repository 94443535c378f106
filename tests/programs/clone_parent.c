// A child calls clone with CLONE_PARENT: the new process is its sibling, and the root waits for both.
#include "common.h"
int main(void) {
    int ends[2];
    must(pipe(ends));
    // A traced read would be broken off by the end of a child, and made again.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    must(sigprocmask(SIG_BLOCK, &set, NULL));
    pid_t caller = must(fork());
    if (caller == 0) {
        pid_t sibling = must(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0));
        if (sibling == 0)
            _exit(7);
        must(write(ends[1], &sibling, sizeof sibling));
        _exit(6);
    }
    pid_t sibling;
    must(read(ends[0], &sibling, sizeof sibling));
    printf("root=%d caller=%d sibling=%d\n", getpid(), caller, sibling);
    return wait_for(caller) == 6 && wait_for(sibling) == 7 ? 0 : 91;
}
