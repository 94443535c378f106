// Prints its own pid, as it sees it.
#include "common.h"
int main(void) {
    printf("pid=%d\n", getpid());
    return 0;
}
