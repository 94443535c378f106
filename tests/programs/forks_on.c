// forks_on: three children fork on, 400 times each, after their parent has ended.
#include "common.h"
int main(void) {
    for (int each = 0; each < 3; each++) {
        if (must(fork()) == 0) {
            for (int again = 0; again < 400; again++) {
                pid_t child = must(fork());
                if (child == 0)
                    _exit(9);
                wait_for(child);
            }
            return 5;
        }
    }
    sleep_ms(20);
    return 1;
}
