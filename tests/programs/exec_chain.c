// exec_chain N: execs itself N times; each generation has one number less.
#include "common.h"
int main(int argc, char **argv) {
    long left = argument(argc, argv, 1, 3);
    if (left == 0)
        return 0;
    char number[24];
    snprintf(number, sizeof number, "%ld", left - 1);
    char *arguments[] = {argv[0], number, 0};
    must(execve("/proc/self/exe", arguments, environ));
    return 93;
}
