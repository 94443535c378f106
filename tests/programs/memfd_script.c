// memfd_script SCRIPT [ARGUMENT...]: runs a copy of SCRIPT that exists in memory only.
#include "common.h"
int main(int argc, char **argv) {
    static char buffer[1 << 16];
    ssize_t length;
    if (argc < 2)
        return 92;
    // Not closed by the exec: the interpreter opens the script by the descriptor's number.
    int from = must(open(argv[1], O_RDONLY)), to = must(memfd_create("script in memory", 0));
    while ((length = must(read(from, buffer, sizeof buffer))) > 0)
        must(write(to, buffer, length));
    must(fexecve(to, argv + 1, environ));
    return 93;
}
