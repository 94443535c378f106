// private_exec FOLDER PROGRAM [ARGUMENT...]: runs a copy of PROGRAM that lies in a file system which is mounted on FOLDER
// in a mount namespace of this process alone, and so is gone with it.
#include "common.h"
#include <sys/mount.h>
int main(int argc, char **argv) {
    static char buffer[1 << 16];
    ssize_t length;
    if (argc < 3)
        return 92;
    must(unshare(CLONE_NEWNS));
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    int from = must(open(argv[2], O_RDONLY | O_CLOEXEC));
    must(mount("none", argv[1], "tmpfs", 0, NULL));
    must(chdir(argv[1]));
    int to = must(open("copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
    while ((length = must(read(from, buffer, sizeof buffer))) > 0)
        must(write(to, buffer, length));
    must(close(to));
    must(execve("copy", argv + 2, environ));
    return 93;
}
