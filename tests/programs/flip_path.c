// flip_path FIRST SECOND COUNT: opens COUNT times a name that another thread switches between FIRST and SECOND, two names
// of one length, during the calls. Prints how often each was opened; a name mixed of both opens nothing.
#include "common.h"
#include <pthread.h>
static char path[4096];
static char *names[2];
static size_t length;
static volatile int over;
static void *flip(void *unused) {
    for (unsigned i = 0; !over; i++)
        memcpy(path, names[i & 1], length);
    return unused;
}
int main(int argc, char **argv) {
    if (argc != 4 || strlen(argv[1]) != strlen(argv[2]))
        return 92;
    names[0] = argv[1];
    names[1] = argv[2];
    length = strlen(argv[1]);
    memcpy(path, names[0], length);
    struct stat facts, opened;
    must(stat(names[0], &facts));
    long counts[2] = {0, 0}, missing = 0;
    pthread_t thread;
    if (pthread_create(&thread, NULL, flip, NULL))
        return 91;
    for (long i = atol(argv[3]); i > 0; i--) {
        int fd = open(path, O_RDONLY);
        if (fd < 0) {
            missing++;
            continue;
        }
        must(fstat(fd, &opened));
        counts[opened.st_ino != facts.st_ino]++;
        close(fd);
    }
    over = 1;
    pthread_join(thread, NULL);
    printf("first=%ld second=%ld missing=%ld\n", counts[0], counts[1], missing);
    return 0;
}
