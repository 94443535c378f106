// swap_descriptor FIRST SECOND COUNT: opens FIRST COUNT times, while another thread puts SECOND, opened once, in place of
// the descriptor that this gives.
#include "common.h"
#include <pthread.h>
static int other, target;
static volatile int over;
static void *swap(void *unused) {
    while (!over)
        dup2(other, target);
    return unused;
}
int main(int argc, char **argv) {
    if (argc != 4)
        return 92;
    other = must(open(argv[2], O_RDONLY));
    target = must(open("/", O_PATH));
    close(target);
    pthread_t thread;
    if (pthread_create(&thread, NULL, swap, NULL))
        return 91;
    for (long i = atol(argv[3]); i > 0; i--) {
        close(target);
        int fd = must(open(argv[1], O_RDONLY));
        if (fd != target)
            close(fd);
    }
    over = 1;
    pthread_join(thread, NULL);
    return 0;
}
