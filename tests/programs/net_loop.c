// net_loop connects COUNT [PAIRS]: so many TCP connections over loopback, each made, accepted by another thread and closed by
// both; by so many pairs of threads at the same time, one unless told otherwise.
// net_loop transfer BYTES: through one TCP connection to a child, 64 KiB at a time.
// net_loop datagrams COUNT: of 64 bytes each to a child that receives them all.
// net_loop peers COUNT: one datagram of 64 bytes each to so many addresses of 127.0.0.0/8, where nobody receives.
// net_loop ports COUNT: the same to so many ports of the loopback address, up to 32,768, in no order.
#include "common.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

static long count;
static int server;
static struct sockaddr_in address = {.sin_family = AF_INET};

// A socket with a free port of the loopback address, which is kept in `address`.
static int served(int type) {
    int fd = must(socket(AF_INET, type, 0));
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(fd, (struct sockaddr *)&address, sizeof address));
    must(getsockname(fd, (struct sockaddr *)&address, &length));
    return fd;
}

static int connected(int type) {
    int fd = must(socket(AF_INET, type, 0));
    must(connect(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

static void *accept_all(void *unused) {
    for (long i = 0; i < count; i++)
        must(close(must(accept(server, NULL, NULL))));
    return unused;
}

static void *connect_all(void *unused) {
    for (long i = 0; i < count; i++)
        must(close(connected(SOCK_STREAM)));
    return unused;
}

static void connects(long pairs) {
    pthread_t threads[2 * pairs];
    long started = 0;
    count /= pairs;
    server = served(SOCK_STREAM);
    must(listen(server, 4096));
    for (long i = 0; i < pairs; i++) {
        // The last one is this thread.
        if (pthread_create(&threads[started++], NULL, accept_all, NULL)
            || (i + 1 < pairs && pthread_create(&threads[started++], NULL, connect_all, NULL)))
            _exit(91);
    }
    connect_all(NULL);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}

static void transfer(void) {
    static char buffer[65536];
    server = served(SOCK_STREAM);
    must(listen(server, 1));
    pid_t pid = must(fork());
    if (!pid) {
        int fd = must(accept(server, NULL, NULL));
        long left = count, got;
        while ((got = must(read(fd, buffer, sizeof buffer))))
            left -= got;
        _exit(left ? 92 : 0);
    }
    int fd = connected(SOCK_STREAM);
    for (long left = count; left > 0;)
        left -= must(write(fd, buffer, left < (long)sizeof buffer ? left : (long)sizeof buffer));
    must(close(fd));
    if (wait_for(pid))
        _exit(93);
}

static void datagrams(void) {
    char buffer[64] = {0};
    int size = 512 << 20;
    server = served(SOCK_DGRAM);
    // Room for all of them: none may be lost.
    must(setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size));
    pid_t pid = must(fork());
    if (!pid) {
        for (long i = 0; i < count; i++)
            must(recv(server, buffer, sizeof buffer, 0));
        _exit(0);
    }
    int fd = connected(SOCK_DGRAM);
    for (long i = 0; i < count; i++)
        must(send(fd, buffer, sizeof buffer, 0));
    if (wait_for(pid))
        _exit(93);
}

static void peers(void) {
    char buffer[64] = {0};
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0));
    for (long i = 0; i < count; i++) {
        address.sin_addr.s_addr = htonl(0x7f010000 + i / 7);
        address.sin_port = htons(20000 + i % 7);
        must(sendto(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&address, sizeof address));
    }
}

static void ports(void) {
    char buffer[64] = {0};
    int fd = must(socket(AF_INET, SOCK_DGRAM, 0));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (long i = 0; i < count; i++) {
        address.sin_port = htons(1024 + (i * 20021 & 0x7fff));
        must(sendto(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&address, sizeof address));
    }
}

int main(int argc, char **argv) {
    count = argument(argc, argv, 2, 1);
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "connects"))
        connects(argument(argc, argv, 3, 1));
    else if (!strcmp(what, "transfer"))
        transfer();
    else if (!strcmp(what, "datagrams"))
        datagrams();
    else if (!strcmp(what, "peers"))
        peers();
    else if (!strcmp(what, "ports"))
        ports();
    else
        return 94;
    return 0;
}
