// vfork_many N: N times vfork; each child ends at once.
#include "common.h"
int main(int argc, char **argv) {
    long count = argument(argc, argv, 1, 10);
    for (volatile long i = 0; i < count; i++) {
        pid_t child = must(vfork());
        if (child == 0)
            _exit(0);
        wait_for(child);
    }
    return 0;
}
