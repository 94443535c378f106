// open_threads THREADS COUNT FILE...: every thread opens every file COUNT times and reads 3 bytes of it each time.
#include "common.h"
#include <pthread.h>
static long count;
static char **files;
static void *run(void *unused) {
    char buffer[3];
    for (long i = 0; i < count; i++)
        for (char **file = files; *file; file++) {
            int fd = must(open(*file, O_RDONLY));
            must(read(fd, buffer, sizeof buffer));
            must(close(fd));
        }
    return unused;
}
int main(int argc, char **argv) {
    if (argc < 4)
        return 92;
    long threads = atol(argv[1]);
    count = atol(argv[2]);
    files = argv + 3;
    pthread_t list[64];
    for (long i = 0; i < threads; i++)
        if (pthread_create(&list[i], NULL, run, NULL))
            return 91;
    for (long i = 0; i < threads; i++)
        pthread_join(list[i], NULL);
    return 0;
}
