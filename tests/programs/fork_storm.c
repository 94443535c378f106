// fork_storm N [BATCH]: N forks, BATCH of them (16) alive at a time; child i ends with i mod 64.
#include "common.h"
int main(int argc, char **argv) {
    long count = argument(argc, argv, 1, 5000), batch = argument(argc, argv, 2, 16);
    for (long i = 0; i < count;) {
        long started = 0;
        for (; started < batch && i < count; started++, i++)
            if (must(fork()) == 0)
                _exit(i % 64);
        while (started-- > 0)
            must(wait(0));
    }
    return 0;
}
