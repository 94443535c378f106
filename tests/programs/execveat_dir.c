// execveat_dir DIRECTORY NAME [ARGUMENT...]: execveat relative to a directory descriptor.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 3)
        return 92;
    int fd = must(open(argv[1], O_PATH | O_DIRECTORY));
    must(syscall(SYS_execveat, fd, argv[2], argv + 2, environ, 0));
    return 93;
}
