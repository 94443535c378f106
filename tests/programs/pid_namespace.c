// A child in a new pid namespace is 1 there; its own child is 2.
#include "common.h"
int main(void) {
    must(unshare(CLONE_NEWPID));
    pid_t init = must(fork());
    if (init == 0) {
        if (getpid() != 1)
            _exit(91);
        pid_t second = must(fork());
        if (second == 0)
            _exit(getpid() == 2 ? 22 : 91);
        _exit(second == 2 && wait_for(second) == 22 ? 21 : 91);
    }
    printf("init=%d\n", init);
    return wait_for(init) == 21 ? 0 : 91;
}
