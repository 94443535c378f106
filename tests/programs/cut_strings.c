// cut_strings COUNT BYTES PROGRAM: execs PROGRAM with COUNT arguments of BYTES letters each, after its name, and with as
// many variables, V0 and so on, whose values are as long.
#include "common.h"
int main(int argc, char **argv) {
    static char *arguments[100], *variables[100];
    if (argc < 4)
        return 92;
    int count = atoi(argv[1]);
    long size = atol(argv[2]);
    if (count > 98)
        return 92;
    arguments[0] = argv[3];
    for (int n = 0; n < count; n++) {
        char *text = malloc(size + 20);
        int start = sprintf(text, "V%d=", n);
        memset(text + start, 'x', size);
        text[start + size] = 0;
        variables[n] = text;
        arguments[n + 1] = text + start;
    }
    must(execve(argv[3], arguments, variables));
    return 93;
}
