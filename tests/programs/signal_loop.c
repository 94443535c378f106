// signal_loop N: a handler runs N times; each return from it is an rt_sigreturn.
#include "common.h"
static volatile long seen;
static void handler(int number) {
    (void)number;
    seen++;
}
int main(int argc, char **argv) {
    long count = argument(argc, argv, 1, 1000);
    pid_t self = getpid();
    signal(SIGUSR1, handler);
    for (long i = 0; i < count; i++)
        kill(self, SIGUSR1);
    return seen == count ? 0 : 91;
}
