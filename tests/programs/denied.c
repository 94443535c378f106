// denied FILE: as nobody, opens FILE, which is root's, 3 times (EACCES), wants to be root twice and signals process 1 four
// times (EPERM), and opens a missing file once (ENOENT, which is no denial).
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 2)
        return 92;
    must(syscall(SYS_setresgid, 65534, 65534, 65534));
    must(syscall(SYS_setresuid, 65534, 65534, 65534));
    int wrong = 0;
    for (int i = 0; i < 3; i++)
        wrong |= syscall(SYS_openat, AT_FDCWD, argv[1], O_RDONLY) != -1 || errno != EACCES;
    for (int i = 0; i < 2; i++)
        wrong |= syscall(SYS_setuid, 0) != -1 || errno != EPERM;
    for (int i = 0; i < 4; i++)
        wrong |= syscall(SYS_kill, 1, 0) != -1 || errno != EPERM;
    wrong |= syscall(SYS_openat, AT_FDCWD, "/nonexistent", O_RDONLY) != -1 || errno != ENOENT;
    return wrong ? 91 : 0;
}
