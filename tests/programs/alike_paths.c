// Asks for two files that are not there, by paths that a hash which multiplies each word by a known odd number and shifts the
// product by 29 gives the same value, whatever it began with: the highest bit of the first word goes through unchanged, and
// what has become of it is taken back with the second.
#include "common.h"

int main(void) {
    char path[] = "/nowhere-was-it-ever";
    for (int alike = 0; alike < 2; alike++) {
        if (open(path, O_RDONLY) != -1 || errno != ENOENT)
            _exit(1);
        path[7] ^= 0x80;
        path[8 + 4] ^= 1 << 2;
        path[8 + 7] ^= 0x80;
    }
    return 0;
}
