// execveat_fd PROGRAM [ARGUMENT...]: execveat with an empty path and AT_EMPTY_PATH.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 2)
        return 92;
    int fd = must(open(argv[1], O_PATH));
    must(syscall(SYS_execveat, fd, "", argv + 1, environ, AT_EMPTY_PATH));
    return 93;
}
