// The bare clone system call, as a fork; the child ends with 4.
#include "common.h"
int main(void) {
    pid_t child = must(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    if (child == 0)
        _exit(4);
    printf("child=%d\n", child);
    return wait_for(child) == 4 ? 0 : 91;
}
