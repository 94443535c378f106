// CLONE_VM and CLONE_SIGHAND without CLONE_THREAD: a process that shares the memory, not a thread; it ends with 8.
#include "common.h"
static char stack[65536] __attribute__((aligned(16)));
static volatile int shared;
static int child_main(void *unused) {
    (void)unused;
    shared = 42;
    syscall(SYS_exit, 8);
    return 0;
}
int main(void) {
    pid_t child = must(clone(child_main, stack + sizeof stack, CLONE_VM | CLONE_SIGHAND | CLONE_FILES | SIGCHLD, 0));
    printf("child=%d\n", child);
    return wait_for(child) == 8 && shared == 42 ? 0 : 91;
}
