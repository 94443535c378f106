// big_argv BYTES PROGRAM: execs PROGRAM with arguments of exactly BYTES in all, NULs included, PROGRAM's name among
// them. Argument n begins with its number, so that a test can tell which ones it sees.
#include "common.h"
enum { CHUNK = 1000 };
int main(int argc, char **argv) {
    static char *arguments[5000];
    int count = 0;
    if (argc < 3)
        return 92;
    long left = atol(argv[1]) - (long)strlen(argv[2]) - 1;
    arguments[count++] = argv[2];
    while (left > 0) {
        long size = left < CHUNK ? left : CHUNK;
        char *text = malloc(size);
        memset(text, 'a' + count % 26, size);
        int digits = snprintf(0, 0, "%d:", count);
        if (digits < size) {
            char number[16];
            snprintf(number, sizeof number, "%d:", count);
            memcpy(text, number, digits);
        }
        text[size - 1] = 0;
        arguments[count++] = text;
        left -= size;
    }
    must(execve(argv[2], arguments, environ));
    return 93;
}
