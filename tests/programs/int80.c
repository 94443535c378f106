// 64-bit code that makes 32-bit calls: int 0x80 getpid 7 times, beside 2 native ones.
#include "common.h"
int main(void) {
    for (int i = 0; i < 7; i++) {
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "r8", "r9", "r10", "r11", "memory");
        if (i > 4 && result != getpid())
            return 91;
    }
    return 0;
}
