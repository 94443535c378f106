// memfd_exec PROGRAM [ARGUMENT...]: runs a copy of PROGRAM that exists in memory only.
#include "common.h"
int main(int argc, char **argv) {
    static char buffer[1 << 16];
    ssize_t length;
    if (argc < 2)
        return 92;
    int from = must(open(argv[1], O_RDONLY)), to = must(memfd_create("in memory", MFD_CLOEXEC));
    while ((length = must(read(from, buffer, sizeof buffer))) > 0)
        must(write(to, buffer, length));
    must(fexecve(to, argv + 1, environ));
    return 93;
}
