// Three children, one after the other, with the very same pid (clone3 with set_tid); they end with 31, 32, 33.
#include "common.h"
#include <linux/sched.h>
int main(void) {
    for (int attempt = 0; attempt < 50; attempt++) {
        pid_t wanted = must(fork());
        if (wanted == 0)
            _exit(30);
        wait_for(wanted);
        int ended = 0;
        for (; ended < 3; ended++) {
            struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1};
            pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
            if (child == -1 && errno == EEXIST) // somebody else got it meanwhile
                break;
            must(child);
            if (child == 0)
                _exit(31 + ended);
            if (child != wanted || wait_for(child) != 31 + ended)
                return 91;
        }
        if (ended == 3) {
            printf("pid=%d\n", wanted);
            return 0;
        }
    }
    return 91;
}
