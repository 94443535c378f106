// Binds a socket to `name` in the working directory, which makes a file of that name.
#include "common.h"
#include <sys/socket.h>
#include <sys/un.h>
int main(void) {
    struct sockaddr_un address = {AF_UNIX, "name"};
    must(bind(must(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&address, sizeof address));
    return 0;
}
