// at_once PROCESSES TIMES: so many processes at the same time, each of which does this so often, with names and ports of its
// own: makes a file with ten bytes, reads it, renames it, changes its mode and removes it; asks for a file that is not there;
// is refused by a port; sends eight bytes to another one; and every fourth time has a child that ends at once.
#include "common.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void act(long process, long times) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char made[64], renamed[64], missing[64], buffer[64];
    int datagrams = must(socket(AF_INET, SOCK_DGRAM, 0));
    for (long i = 0; i < times; i++) {
        snprintf(made, sizeof made, "made-%ld-%ld", process, i);
        snprintf(renamed, sizeof renamed, "renamed-%ld-%ld", process, i);
        snprintf(missing, sizeof missing, "missing-%ld-%ld", process, i);
        int fd = must(open(made, O_CREAT | O_WRONLY, 0600));
        must(write(fd, "0123456789", 10));
        must(close(fd));
        fd = must(open(made, O_RDONLY));
        must(read(fd, buffer, sizeof buffer));
        must(close(fd));
        must(rename(made, renamed));
        must(chmod(renamed, 0640));
        must(unlink(renamed));
        if (open(missing, O_RDONLY) != -1)
            _exit(1);
        fd = must(socket(AF_INET, SOCK_STREAM, 0));
        to.sin_port = htons(1);
        if (connect(fd, (struct sockaddr *)&to, sizeof to) != -1)
            _exit(2);
        must(close(fd));
        to.sin_port = htons(2000 + process * times + i);
        must(sendto(datagrams, buffer, 8, 0, (struct sockaddr *)&to, sizeof to));
        if (i % 4 == 0) {
            pid_t pid = must(fork());
            if (!pid)
                _exit(0);
            wait_for(pid);
        }
    }
}

int main(int argc, char **argv) {
    long processes = argument(argc, argv, 1, 2), times = argument(argc, argv, 2, 1000);
    for (long i = 0; i < processes; i++) {
        if (!must(fork())) {
            act(i, times);
            _exit(0);
        }
    }
    int status, failed = 0;
    while (wait(&status) > 0)
        failed |= status;
    return failed != 0;
}
