// The root's child makes an orphan and ends; the orphan, by now another's child, forks once more and ends with 17.
#include "common.h"
int main(void) {
    int pids[2], last[2];
    pid_t family[3];
    char end;
    must(pipe(pids));
    must(pipe(last));
    family[0] = must(fork());
    if (family[0] == 0) {
        pid_t parent = getpid();
        if (must(fork()) == 0) {
            while (getppid() == parent)
                sleep_ms(1);
            family[1] = getpid();
            family[2] = must(fork());
            if (family[2] == 0)
                _exit(18);
            wait_for(family[2]);
            must(write(pids[1], family + 1, 2 * sizeof *family));
            _exit(17);
        }
        _exit(16);
    }
    close(pids[1]);
    close(last[1]);
    wait_for(family[0]);
    must(read(pids[0], family + 1, 2 * sizeof *family));
    must(read(last[0], &end, 1)); // end of file: the orphan has ended
    printf("child=%d orphan=%d grandchild=%d\n", family[0], family[1], family[2]);
    return 0;
}
