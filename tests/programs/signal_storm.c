// signal_storm COUNT: asks COUNT times whether process 1 is there, and signals COUNT processes that there are not: a loop
// over calls that are told must neither flood nor lose.
#include "common.h"
int main(int argc, char **argv) {
    for (long i = argument(argc, argv, 1, 1000000); i > 0; i--)
        // The kernel takes the lower half of the register for the number.
        syscall(SYS_kill, 1 | i << 32, 0L);
    // As many different ones, of which there are none.
    for (long i = argument(argc, argv, 1, 1000000); i > 0; i--)
        kill(0x3f000000 + i, SIGTERM);
    return 0;
}
