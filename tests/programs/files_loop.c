// files_loop FOLDER FILES ITERATIONS THREADS: stat, open, read and close of FOLDER/0 … FOLDER/FILES-1 in turn, so often
// in all; every thread does its share.
#include "common.h"
#include <pthread.h>
static long files, iterations;
static char *folder;
static void *loop(void *argument) {
    char path[4096], buffer[64];
    struct stat facts;
    for (long i = 0; i < iterations; i++) {
        snprintf(path, sizeof path, "%s/%ld", folder, (i + (long)argument * 7) % files);
        must(stat(path, &facts));
        int fd = must(open(path, O_RDONLY));
        must(read(fd, buffer, sizeof buffer));
        must(close(fd));
    }
    return NULL;
}
int main(int argc, char **argv) {
    if (argc != 5)
        return 92;
    folder = argv[1];
    files = atol(argv[2]);
    long count = atol(argv[4]);
    iterations = atol(argv[3]) / count;
    pthread_t threads[64];
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, loop, (void *)i))
            return 91;
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
