// getppid_loop N: N times getppid, with no library between.
#include "common.h"
int main(int argc, char **argv) {
    for (long i = argument(argc, argv, 1, 1000); i > 0; i--) {
        long result;
        __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getppid) : "rcx", "r11", "memory");
    }
    return 0;
}
