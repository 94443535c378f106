// What nearly every test program needs. Each program uses one technique, and prints at most one line of facts
// that a test compares with the receipt.
#ifndef COMMON_H
#define COMMON_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

// A step of the test itself went wrong: exit codes 1 to 89 belong to the techniques.
#define must(call)                                                                                                   \
    ({                                                                                                               \
        __typeof__(call) must_result = (call);                                                                       \
        if ((long)must_result == -1) {                                                                               \
            fprintf(stderr, "%s: %s: %s\n", __FILE__, #call, strerror(errno));                                       \
            _exit(90);                                                                                               \
        }                                                                                                            \
        must_result;                                                                                                 \
    })

// Waits for one child; its exit code, or 128 and its signal.
static inline int wait_for(pid_t pid) {
    int status;
    must(waitpid(pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
}

static inline long argument(int argc, char **argv, int index, long otherwise) {
    return argc > index ? atol(argv[index]) : otherwise;
}
#endif
