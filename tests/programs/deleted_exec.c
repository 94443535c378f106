// deleted_exec PROGRAM [ARGUMENT...]: removes PROGRAM's name, then runs it by its descriptor.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 2)
        return 92;
    int fd = must(open(argv[1], O_RDONLY | O_CLOEXEC));
    must(unlink(argv[1]));
    must(syscall(SYS_execveat, fd, "", argv + 1, environ, AT_EMPTY_PATH));
    return 93;
}
