// die N [core]: ends itself by signal N, with `core` after having allowed a core dump. N = 0 is abort(), -1 a bad write.
#include "common.h"
int main(int argc, char **argv) {
    struct rlimit limit = {0, 0};
    if (argc > 2)
        limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    setrlimit(RLIMIT_CORE, &limit);
    long number = argument(argc, argv, 1, SIGKILL);
    if (number == 0)
        abort();
    if (number == -1)
        *(volatile int *)16 = 1;
    kill(getpid(), number);
    return 0;
}
