// execveat_check PROGRAM: asks five times whether it may be executed, and once whether a text may be. Prints how many of the
// six calls succeeded: none before Linux 6.14.
#include "common.h"
#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif
int main(int argc, char **argv) {
    if (argc < 2)
        return 92;
    int fd = must(open(argv[1], O_PATH | O_CLOEXEC));
    int allowed = 0;
    for (int again = 0; again < 5; again++)
        allowed += syscall(SYS_execveat, fd, "", argv + 1, environ, AT_EMPTY_PATH | AT_EXECVE_CHECK) == 0;
    allowed += syscall(SYS_execveat, AT_FDCWD, "/etc/passwd", argv + 1, environ, AT_EXECVE_CHECK) == 0;
    printf("allowed=%d\n", allowed);
    return 0;
}
