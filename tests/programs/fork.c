// fork(): the child ends with 3.
#include "common.h"
int main(void) {
    pid_t child = must(syscall(SYS_fork));
    if (child == 0)
        _exit(3);
    printf("parent=%d child=%d\n", getpid(), child);
    return wait_for(child) == 3 ? 0 : 91;
}
