// act_and_die FILE HOW: writes FILE, removes it, and is gone right after: by `kill`, SIGKILL to itself; by `exit`, _exit from
// a thread; by `abort`, a fault.
#include "common.h"
#include <pthread.h>
static void *leave(void *unused) {
    syscall(SYS_exit_group, 7);
    return unused;
}
int main(int argc, char **argv) {
    if (argc != 3)
        return 92;
    int fd = must(open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600));
    must(write(fd, "evidence", 8));
    pthread_t thread;
    if (!strcmp(argv[2], "kill")) {
        unlink(argv[1]);
        kill(getpid(), SIGKILL);
    } else if (!strcmp(argv[2], "exit")) {
        unlink(argv[1]);
        pthread_create(&thread, NULL, leave, NULL);
    } else {
        unlink(argv[1]);
        *(volatile int *)8 = 0;
    }
    for (;;)
        pause();
}
