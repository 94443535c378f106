// Execs with pointers that lead nowhere: the kernel says EFAULT, and there is no file name to report.
#include "common.h"
int main(void) {
    char *arguments[] = {"x", 0};
    long first = syscall(SYS_execve, (char *)16, arguments, environ);
    int first_errno = errno;
    long second = syscall(SYS_execve, "/bin/true", (char **)16, environ);
    return first == -1 && second == -1 && first_errno == EFAULT && errno == EFAULT ? 0 : 91;
}
