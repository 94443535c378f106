// eat_memory MIB: touches MIB, gives it back, and prints the peak that getrusage reports.
#include "common.h"
int main(int argc, char **argv) {
    size_t size = (size_t)argument(argc, argv, 1, 64) << 20;
    char *memory = must(mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memset(memory, 1, size);
    must(munmap(memory, size));
    struct rusage used;
    must(getrusage(RUSAGE_SELF, &used));
    printf("max_rss_kib=%ld\n", used.ru_maxrss);
    return 0;
}
