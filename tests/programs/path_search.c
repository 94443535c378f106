// path_search PATH NAME [ARGUMENT...]: looks NAME up in the directories of PATH, as execvp does: one exec for each.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 3)
        return 92;
    must(setenv("PATH", argv[1], 1));
    execvp(argv[2], argv + 2);
    return errno == ENOENT ? 94 : 93;
}
