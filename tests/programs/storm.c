// storm KIND COUNT NEEDLE: so many events of one kind, as fast as they can be made, and a single one of another in their
// middle.
//   forks      processes that end at once; NEEDLE is executed.
//   opens      1,000 files of this folder, each opened once by each of COUNT / 1,000 processes; the file NEEDLE is opened.
//   memfds     files in memory, each of its own, all by one process; the file NEEDLE is opened.
//   crowded    the same, and signal 0 is sent twice to the process NEEDLE.
//   missing    opens of as many names that are not there; the file NEEDLE is opened.
//   connects   connections that are refused; one is made to the port NEEDLE, where somebody listens, of 127.0.0.1.
//   questions  questions for as many names to a server of DNS that is not there; a connection is made as above.
#include "common.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { SHARE = 1000 };

static const char *needle;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void execute(void) {
    pid_t pid = must(fork());
    if (!pid) {
        execl(needle, needle, (char *)0);
        _exit(91);
    }
    if (wait_for(pid))
        _exit(92);
}

static void open_needle(void) {
    must(close(must(open(needle, O_RDONLY))));
}

static void signal_needle(void) {
    must(kill(atoi(needle), 0));
    must(kill(atoi(needle), 0));
}

static int to_port(int port) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    int type = port == 53 ? SOCK_DGRAM : SOCK_STREAM, fd = must(socket(AF_INET, type, 0));
    int error = connect(fd, (struct sockaddr *)&address, sizeof address);
    if (error && errno != ECONNREFUSED)
        must(error);
    return fd;
}

static void connect_needle(void) {
    must(close(to_port(atoi(needle))));
}

static void forks(long from, long to) {
    enum { BATCH = 16 };
    while (from < to) {
        int started = 0;
        for (; started < BATCH && from < to; started++, from++)
            if (!must(fork()))
                _exit(0);
        while (started-- > 0)
            must(wait(0));
    }
}

static void opens(long from, long to) {
    char name[32];
    for (; from < to; from++) {
        snprintf(name, sizeof name, "f%ld", from % SHARE);
        must(close(must(open(name, O_RDONLY))));
    }
}

static void memfds(long from, long to) {
    for (; from < to; from++)
        must(close(must(memfd_create("storm", 0))));
}

static void missing(long from, long to) {
    char name[32];
    for (; from < to; from++) {
        snprintf(name, sizeof name, "missing-%ld", from);
        if (open(name, O_RDONLY) != -1)
            _exit(93);
    }
}

static void connects(long from, long to) {
    // Nobody listens there.
    for (; from < to; from++)
        must(close(to_port(1)));
}

static void questions(long from, long to) {
    int fd = to_port(53);
    for (; from < to; from++) {
        unsigned char message[64] = {from >> 8, from, 1, 0, 0, 1};
        int name = snprintf((char *)message + 13, 32, "n%08ld", from);
        message[12] = name;
        // The root, type A, class IN.
        memcpy(message + 13 + name, "\0\0\1\0\1", 5);
        // A call that fails so tells what became of the question before, and sends nothing.
        while (send(fd, message, 18 + name, 0) == -1)
            if (errno != ECONNREFUSED)
                _exit(94);
    }
}

// In processes of their own, one after the other: what is counted of a process goes with it.
static void shares(void (*of)(long, long), long from, long to) {
    for (; from < to; from += SHARE) {
        pid_t pid = must(fork());
        if (!pid) {
            of(from, from + SHARE < to ? from + SHARE : to);
            _exit(0);
        }
        if (wait_for(pid))
            _exit(95);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*events)(long, long), (*needle)(void);
    } kinds[] = {{"forks", forks, execute},
                 {"opens", opens, open_needle},
                 {"memfds", memfds, open_needle},
                 {"crowded", memfds, signal_needle},
                 {"missing", missing, open_needle},
                 {"connects", connects, connect_needle},
                 {"questions", questions, connect_needle}};
    if (argc != 4)
        return 96;
    long count = atol(argv[2]);
    needle = argv[3];
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(argv[1], kinds[i].name)) {
            void (*events)(long, long) = kinds[i].events;
            // Forks are processes of their own as it is.
            int alone = events == forks || events == memfds;
            alone ? events(0, count / 2) : shares(events, 0, count / 2);
            kinds[i].needle();
            alone ? events(count / 2, count) : shares(events, count / 2, count);
            return 0;
        }
    return 97;
}
