// odd_env PROGRAM: execs PROGRAM with an environment that no shell would make.
#include "common.h"
int main(int argc, char **argv) {
    char *environment[] = {"TWICE=1", "TWICE=2", "NO_EQUALS_SIGN", "", "=empty name", "EMPTY=", "EQUALS=a=b=c", "BYTES=\xff\n", 0};
    if (argc < 2)
        return 92;
    must(execve(argv[1], argv + 1, environment));
    return 93;
}
