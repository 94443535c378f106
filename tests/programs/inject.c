// inject HOW [PID]: reads the top of the stack of process PID and writes the same back, so that nothing is changed: by `vm`,
// process_vm_readv and process_vm_writev; by `mem`, /proc/PID/mem; by `ptrace`, PTRACE_SEIZE and PTRACE_POKEDATA. Without
// PID the process is a child, made for it. What is refused is no failure: the exit code is 3 then.
#include "common.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
static int refused(void) {
    return errno == EPERM || errno == EACCES ? 3 : 91;
}
int main(int argc, char **argv) {
    char path[64], line[512];
    unsigned long start = 0, end = 0;
    if (argc < 2)
        return 92;
    pid_t child = 0, target = argument(argc, argv, 2, 0);
    if (!target) {
        target = child = must(fork());
        if (!child)
            for (;;)
                pause();
    }
    snprintf(path, sizeof path, "/proc/%d/maps", target);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "[stack]"))
            sscanf(line, "%lx-%lx", &start, &end);
    long word = 0, result = -1;
    unsigned long at = end ? end - sizeof word : 0;
    struct iovec here = {&word, sizeof word}, there = {(void *)at, sizeof word};
    errno = 0;
    if (!strcmp(argv[1], "vm")) {
        result = process_vm_readv(target, &here, 1, &there, 1, 0);
        if (result > 0)
            result = process_vm_writev(target, &here, 1, &there, 1, 0);
    } else if (!strcmp(argv[1], "mem")) {
        snprintf(path, sizeof path, "/proc/%d/mem", target);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0)
            result = must(pread(fd, &word, sizeof word, at)), result = must(pwrite(fd, &word, sizeof word, at));
    } else {
        result = ptrace(PTRACE_SEIZE, target, 0, 0);
        if (result == 0) {
            must(ptrace(PTRACE_INTERRUPT, target, 0, 0));
            must(waitpid(target, NULL, __WALL));
            errno = 0;
            word = ptrace(PTRACE_PEEKDATA, target, at, 0);
            result = errno ? -1 : must(ptrace(PTRACE_POKEDATA, target, at, word));
            must(ptrace(PTRACE_DETACH, target, 0, 0));
        }
    }
    int code = result < 0 ? refused() : 0;
    if (child)
        kill(child, SIGKILL);
    return code;
}
