// ignore_term MS: says `ready` and lives for MS milliseconds whatever signal but KILL it is sent.
#include "common.h"
int main(int argc, char **argv) {
    for (int number = 1; number < 32; number++)
        signal(number, SIG_IGN);
    dprintf(1, "ready\n");
    sleep_ms(argument(argc, argv, 1, 60000));
    return 0;
}
