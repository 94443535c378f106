// exec_errors FILE...: tries to exec each, prints the errno of each, and ends with 0.
#include "common.h"
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char *arguments[] = {argv[i], 0};
        execve(argv[i], arguments, environ);
        printf("%s%s", i > 1 ? " " : "", strerrorname_np(errno));
    }
    printf("\n");
    return 0;
}
