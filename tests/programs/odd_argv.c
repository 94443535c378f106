// odd_argv bytes|empty|none PROGRAM: execs PROGRAM with hostile arguments, with empty ones, or with none at all.
#include "common.h"
int main(int argc, char **argv) {
    char *bytes[] = {"line\nbreak", "\x1b]0;owned\x07\x1b[2J", "not utf-8: \xff\xfe", "tab\tquote\"backslash\\", "\xe2\x82\xac", 0};
    char *empty[] = {"", "", "between", "", 0};
    char *none[] = {0};
    if (argc < 3)
        return 92;
    char **arguments = argv[1][0] == 'b' ? bytes : argv[1][0] == 'e' ? empty : none;
    must(execve(argv[2], arguments, environ));
    return 93;
}
