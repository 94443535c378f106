// Calls of the setuid family that succeed and change nothing.
#include "common.h"
int main(void) {
    must(syscall(SYS_setresuid, -1, -1, -1));
    must(syscall(SYS_setresgid, -1, -1, -1));
    must(syscall(SYS_setuid, getuid()));
    return 0;
}
