// wait_signals MS: says `ready`, takes every signal that comes until MS milliseconds after the first, and prints each as
// number:sender, where the sender is `tty` (the kernel) or `process`.
#include "common.h"
int main(int argc, char **argv) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    dprintf(1, "ready\n");
    struct timespec left = {30, 0};
    siginfo_t about;
    while (sigtimedwait(&all, &about, &left) > 0) {
        dprintf(1, "%d:%s\n", about.si_signo, about.si_code == SI_KERNEL ? "tty" : "process");
        long ms = argument(argc, argv, 1, 500);
        left.tv_sec = ms / 1000;
        left.tv_nsec = ms % 1000 * 1000000;
    }
    return 0;
}
