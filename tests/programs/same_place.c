// same_place N: getppid N times before a child lives whose pid differs by a multiple of 2,048, twice while it lives, and after.
// The child makes N calls, too. The kernel side has one place for both.
#include "common.h"
#include <linux/sched.h>
static void calls(long count) {
    while (count-- > 0)
        syscall(SYS_getppid);
}
int main(int argc, char **argv) {
    long count = argument(argc, argv, 1, 1000);
    int ends[2];
    must(pipe(ends));
    calls(count);
    pid_t child = -1;
    for (int step = 1; child < 0 && step < 15; step++) {
        pid_t wanted = (getpid() + step * 2048) % 32768;
        struct clone_args arguments = {
            .exit_signal = SIGCHLD, .set_tid = (unsigned long)&wanted, .set_tid_size = 1};
        child = syscall(SYS_clone3, &arguments, sizeof arguments);
    }
    must(child);
    char byte = 0;
    if (child == 0) {
        must(read(ends[0], &byte, 1));
        calls(count);
        _exit(0);
    }
    calls(count);
    must(write(ends[1], &byte, 1));
    calls(count);
    int status = wait_for(child);
    calls(count);
    return status;
}
