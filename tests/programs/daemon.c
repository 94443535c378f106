// daemon MS [CODE]: a twice forked, session-leading grandchild outlives the root by some MS milliseconds; it holds none of
// the root's descriptors, and ends with CODE (0).
#include "common.h"
int main(int argc, char **argv) {
    int ends[2];
    must(pipe(ends));
    pid_t between = must(fork());
    if (between == 0) {
        must(setsid());
        pid_t daemon = must(fork());
        if (daemon > 0) {
            must(write(ends[1], &daemon, sizeof daemon));
            _exit(0);
        }
        for (int fd = 0; fd < 16; fd++)
            close(fd);
        sleep_ms(argument(argc, argv, 1, 1000));
        _exit((int)argument(argc, argv, 2, 0));
    }
    pid_t daemon;
    must(read(ends[0], &daemon, sizeof daemon));
    wait_for(between);
    printf("between=%d daemon=%d\n", between, daemon);
    return 0;
}
