// The setuid family, by root, one call after the other; the last one gives everything up.
#include "common.h"
#include <grp.h>
int main(void) {
    must(syscall(SYS_setregid, 12, 13));
    must(syscall(SYS_setresgid, 14, 15, 16));
    must(syscall(SYS_setgid, 65534));
    must(syscall(SYS_setreuid, 22, -1));
    must(syscall(SYS_setresuid, 23, 0, 24));
    must(syscall(SYS_setuid, 65534));
    return 0;
}
