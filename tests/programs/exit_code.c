// exit_code N: ends with N.
#include "common.h"
int main(int argc, char **argv) {
    return (int)argument(argc, argv, 1, 0);
}
