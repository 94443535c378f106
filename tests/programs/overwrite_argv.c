// Overwrites its own argument memory: what /proc shows afterwards is a claim, what exec was given is a fact.
#include "common.h"
int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        memset(argv[i], 'x', strlen(argv[i]));
    if (must(fork()) == 0)
        _exit(0);
    must(wait(0));
    return 0;
}
