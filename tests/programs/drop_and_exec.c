// drop_and_exec UID PROGRAM [ARGUMENT...]: becomes UID, then execs.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 3)
        return 92;
    must(syscall(SYS_setresgid, atoi(argv[1]), atoi(argv[1]), atoi(argv[1])));
    must(syscall(SYS_setresuid, atoi(argv[1]), atoi(argv[1]), atoi(argv[1])));
    must(execve(argv[2], argv + 2, environ));
    return 93;
}
