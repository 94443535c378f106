// rename NAME: gives itself NAME as its thread name.
#include "common.h"
int main(int argc, char **argv) {
    if (argc < 2)
        return 92;
    must(prctl(PR_SET_NAME, argv[1]));
    return 0;
}
