// slow_exec COUNT FILE: so many children that each execute FILE with megabytes of arguments, so that the kernel is long in the
// call, and its timer gives the task works of its own meanwhile.
#include "common.h"
int main(int argc, char **argv) {
    enum { strings = 24, bytes = 100000 };
    static char word[bytes];
    static char *arguments[strings + 2];
    if (argc != 3)
        return 92;
    memset(word, 'x', bytes - 1);
    arguments[0] = argv[2];
    for (int i = 1; i <= strings; i++)
        arguments[i] = word;
    struct rlimit stack = {RLIM_INFINITY, RLIM_INFINITY};
    must(setrlimit(RLIMIT_STACK, &stack));
    int count = atoi(argv[1]);
    for (int i = 0; i < count; i++) {
        if (must(fork()) == 0) {
            // The timer leaves memory alone that is younger than a tenth of a second.
            usleep(150000);
            execv(argv[2], arguments);
            _exit(93);
        }
    }
    int status, failed = 0;
    for (int i = 0; i < count; i++) {
        must(wait(&status));
        failed |= status != 0;
    }
    return failed ? 94 : 0;
}
