// exec_storm N PROGRAM: N times fork and exec PROGRAM.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 3)
        return 92;
    char *arguments[] = {argv[2], 0};
    for (long i = atol(argv[1]); i > 0; i--) {
        pid_t child = must(fork());
        if (child == 0) {
            execve(argv[2], arguments, environ);
            _exit(93);
        }
        if (wait_for(child) != 0)
            return 91;
    }
    return 0;
}
