// Leaves its UTS namespace by unshare and comes back by setns; prints the inode of each.
#include "common.h"
static unsigned long inode(void) {
    struct stat facts;
    must(stat("/proc/self/ns/uts", &facts));
    return facts.st_ino;
}
int main(void) {
    int home = must(open("/proc/self/ns/uts", O_RDONLY));
    unsigned long first = inode();
    must(unshare(CLONE_NEWUTS));
    unsigned long second = inode();
    must(setns(home, CLONE_NEWUTS));
    printf("home=%lu away=%lu back=%lu\n", first, second, inode());
    return 0;
}
