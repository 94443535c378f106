// clone3, as a fork; the child ends with 5.
#include "common.h"
#include <linux/sched.h>
int main(void) {
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    pid_t child = must(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (child == 0)
        _exit(5);
    printf("child=%d\n", child);
    return wait_for(child) == 5 ? 0 : 91;
}
