// posix_spawn PROGRAM [ARGUMENT...]: ends with its code.
#include "common.h"
#include <spawn.h>
int main(int argc, char **argv) {
    pid_t child;
    if (argc < 2 || posix_spawn(&child, argv[1], 0, 0, argv + 1, environ))
        return 91;
    printf("child=%d\n", child);
    return wait_for(child);
}
