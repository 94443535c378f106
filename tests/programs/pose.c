// pose NAME: gives itself a name by prctl, and executes itself once more under it as its first argument. Its last name is
// the one that it then gives itself again.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 2)
        return 92;
    must(prctl(PR_SET_NAME, argv[1]));
    if (strcmp(argv[0], argv[1]) == 0)
        return 0;
    char *as[] = {argv[1], argv[1], NULL};
    must(execve("/proc/self/exe", as, environ));
    return 93;
}
