// vfork_exec PROGRAM [ARGUMENT...]: vfork, then exec in the child; ends with its code.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 2)
        return 92;
    pid_t child = must(vfork());
    if (child == 0) {
        execve(argv[1], argv + 1, environ);
        _exit(93);
    }
    printf("child=%d\n", child);
    return wait_for(child);
}
