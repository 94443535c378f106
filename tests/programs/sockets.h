// What `calls` knows of sockets; included by calls.h.
//
// Addresses are written 127.0.0.1:PORT, [::1]:PORT, /path, ./path, @abstract, unnamed, unspec, netlink:PORT:GROUPS,
// vsock:CID:PORT, alg:TYPE:NAME and packet:PROTOCOL:INTERFACE; each number may be a variable.
#include <arpa/inet.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/un.h>

// Further letters: a an address and its length, e a place for one and for its length, i an integer behind a pointer and its
// size, g a place for one, m a message to an address of so many bytes (10,20), M several of them, one for each length, to
// addresses (/a,/b) of which the last is that of all others.
#ifdef SYS_accept
#define OLD_ACCEPT {"accept", SYS_accept, "ne"},
#else
#define OLD_ACCEPT
#endif
#define SOCKET_CALLS                                                                                                   \
    C(socket, "nnn"), C(bind, "na"), C(connect, "na"), C(listen, "nn"), OLD_ACCEPT C(accept4, "nen"),                  \
        C(sendto, "nbna"), C(recvfrom, "nbne"), C(sendmsg, "nmn"), C(recvmsg, "nmn"), C(sendmmsg, "nMn"),              \
        C(recvmmsg, "nMn"), C(shutdown, "nn"), C(setsockopt, "nnni"), C(getsockopt, "nnng"), C(getsockname, "ne"),     \
        C(getpeername, "ne"), {"send", SYS_sendto, "nsn"}, {"send_to", SYS_sendto, "nsna"}, {"say", SYS_write, "ns"}

#define SOCKET_NAMES                                                                                                   \
    N(AF_UNIX), N(AF_INET), N(AF_INET6), N(AF_NETLINK), N(AF_PACKET), N(AF_VSOCK), N(AF_ALG), N(AF_BLUETOOTH),         \
        N(SOCK_STREAM), N(SOCK_DGRAM), N(SOCK_RAW), N(SOCK_SEQPACKET), N(SOCK_NONBLOCK), N(SOCK_CLOEXEC),              \
        N(IPPROTO_ICMP), N(IPPROTO_ICMPV6), N(IPPROTO_TCP), N(IPPROTO_UDP), N(IPPROTO_UDPLITE), N(IPPROTO_SCTP),       \
        {"IPPROTO_MPTCP", 262}, N(IPPROTO_RAW), N(IPPROTO_IP), N(IPPROTO_IPV6), N(SOL_SOCKET), N(SO_REUSEADDR),        \
        N(SO_REUSEPORT), N(SO_BROADCAST), N(SO_ERROR), N(SO_RCVTIMEO), N(TCP_SYNCNT), N(TCP_NODELAY),                  \
        N(TCP_USER_TIMEOUT), N(TCP_FASTOPEN), {"TCP_FASTOPEN_CONNECT", 30}, N(UDP_SEGMENT), N(IPV6_V6ONLY),            \
        N(MSG_DONTWAIT), N(MSG_PEEK), N(MSG_FASTOPEN), N(MSG_WAITALL), N(MSG_MORE), N(MSG_NOSIGNAL), N(MSG_TRUNC),     \
        N(SHUT_RD), N(SHUT_WR), N(SHUT_RDWR), N(NETLINK_ROUTE), N(NETLINK_AUDIT), N(NETLINK_GENERIC),                  \
        N(NETLINK_KOBJECT_UEVENT), N(CLONE_NEWNET)

static long number_of(const char *word);
static char *text_of(const char *word);
static size_t length_of(const char *word);
static void wrong(const char *step, const char *why);

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_nl nl;
    struct sockaddr_vm vm;
    struct sockaddr_alg alg;
    struct sockaddr_ll ll;
};

// The address that a word means, and its length.
static union address *address_of(const char *word, long *length) {
    union address *address = calloc(1, sizeof *address);
    char *copy = strdup(word), *last = strrchr(copy, ':'), *first = strchr(copy, ':');
    *length = sizeof address->any;
    if (!strcmp(word, "unspec"))
        return address;
    if (word[0] == '/' || word[0] == '.' || word[0] == '@' || !strcmp(word, "unnamed")) {
        char *name = text_of(word);
        address->un.sun_family = AF_UNIX;
        *length = offsetof(struct sockaddr_un, sun_path);
        if (word[0] != 'u') {
            // A zero byte may be part of an abstract name; a path ends with one.
            size_t size = word[0] == '@' ? length_of(word) : strlen(name) + 1;
            if (size > sizeof address->un.sun_path)
                wrong(word, "too long for an address");
            memcpy(address->un.sun_path, name, size);
            *length += size;
            if (word[0] == '@')
                address->un.sun_path[0] = 0;
        }
        return address;
    }
    if (!last)
        wrong(word, "no address");
    *last++ = 0;
    if (copy[0] == '[') {
        address->in6.sin6_family = AF_INET6;
        address->in6.sin6_port = htons(number_of(last));
        copy[strlen(copy) - 1] = 0;
        if (inet_pton(AF_INET6, copy + 1, &address->in6.sin6_addr) != 1)
            wrong(word, "no address");
        *length = sizeof address->in6;
        return address;
    }
    if (copy[0] >= '0' && copy[0] <= '9') {
        address->in.sin_family = AF_INET;
        address->in.sin_port = htons(number_of(last));
        if (inet_pton(AF_INET, copy, &address->in.sin_addr) != 1)
            wrong(word, "no address");
        *length = sizeof address->in;
        return address;
    }
    if (last == first + 1)
        wrong(word, "no address");
    *first++ = 0;
    if (!strcmp(copy, "netlink")) {
        address->nl = (struct sockaddr_nl){.nl_family = AF_NETLINK, .nl_pid = number_of(first), .nl_groups = number_of(last)};
        *length = sizeof address->nl;
    } else if (!strcmp(copy, "vsock")) {
        address->vm = (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = number_of(first), .svm_port = number_of(last)};
        *length = sizeof address->vm;
    } else if (!strcmp(copy, "alg")) {
        address->alg.salg_family = AF_ALG;
        snprintf((char *)address->alg.salg_type, sizeof address->alg.salg_type, "%s", first);
        snprintf((char *)address->alg.salg_name, sizeof address->alg.salg_name, "%s", last);
        *length = sizeof address->alg;
    } else if (!strcmp(copy, "packet")) {
        address->ll = (struct sockaddr_ll){
            .sll_family = AF_PACKET, .sll_protocol = htons(number_of(first)), .sll_ifindex = number_of(last), .sll_halen = 6};
        *length = sizeof address->ll;
    } else
        wrong(word, "no address");
    return address;
}

// Fills a message: an address or null, and the lengths of its buffers.
static void message_of(struct msghdr *message, const char *address, const char *lengths) {
    long length = 0;
    if (address && strcmp(address, "null")) {
        message->msg_name = address_of(address, &length);
        message->msg_namelen = length;
    }
    message->msg_iov = calloc(64, sizeof *message->msg_iov);
    char *copy = strdup(lengths ? lengths : ""), *part;
    while ((part = strsep(&copy, ",")) && *part && message->msg_iovlen < 64) {
        struct iovec *vector = &message->msg_iov[message->msg_iovlen++];
        vector->iov_len = number_of(part);
        vector->iov_base = memset(malloc(vector->iov_len + 1), 'x', vector->iov_len + 1);
    }
}

// Like `give`, for the letters of sockets.
static int give_socket(char kind, char ***words, long *into) {
    if (!strchr("aegimM", kind))
        return 0;
    const char *word = kind == 'e' || kind == 'g' || !**words ? NULL : *(*words)++;
    switch (kind) {
    case 'a':
        if (word && strcmp(word, "null"))
            into[0] = (long)address_of(word, &into[1]);
        return 2;
    case 'e':
    case 'g': {
        int *length = malloc(sizeof *length);
        *length = kind == 'e' ? sizeof(union address) : sizeof(int);
        into[0] = (long)calloc(1, sizeof(union address));
        into[1] = (long)length;
        return 2;
    }
    case 'i': {
        int *value = malloc(sizeof *value);
        *value = number_of(word);
        into[0] = (long)value;
        into[1] = sizeof *value;
        return 2;
    }
    case 'm': {
        struct msghdr *message = calloc(1, sizeof *message);
        message_of(message, word, **words ? *(*words)++ : NULL);
        into[0] = (long)message;
        return 1;
    }
    default: {
        struct mmsghdr *messages = calloc(64, sizeof *messages);
        char *copy = strdup(**words ? *(*words)++ : ""), *part;
        char *addresses = word ? strdup(word) : NULL;
        for (into[1] = 0; (part = strsep(&copy, ",")) && *part && into[1] < 64; into[1]++) {
            word = addresses ? strsep(&addresses, ",") : word;
            message_of(&messages[into[1]].msg_hdr, word, part);
        }
        into[0] = (long)messages;
        return 2;
    }
    }
}

static long port_of(int fd) {
    union address address;
    socklen_t length = sizeof address;
    must(getsockname(fd, &address.any, &length));
    if (address.any.sa_family == AF_VSOCK)
        return address.vm.svm_port;
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

// send_all V TOTAL PIECE: until all is written. receive_all V TOTAL: until so much was read; -1, until the peer is done.
static void send_all(long fd, long total, long piece) {
    char *buffer = memset(malloc(piece), 'x', piece);
    while (total > 0)
        total -= must(write(fd, buffer, total < piece ? total : piece));
    free(buffer);
}

static void receive_all(long fd, long total) {
    static char buffer[65536];
    while (total) {
        long want = total > 0 && total < (long)sizeof buffer ? total : (long)sizeof buffer;
        long got = must(read(fd, buffer, want));
        if (!got && total > 0)
            wrong("receive_all", "the peer ended");
        if (!got)
            return;
        if (total > 0)
            total -= got;
    }
}

// sizes V W ADDRESS FROM TO STEP: datagrams of these sizes from V to ADDRESS, which is W's, each received before the next.
static void sizes(char **words) {
    static char buffer[65536];
    long length, from = number_of(words[0]), to = number_of(words[1]);
    union address *address = address_of(words[2], &length);
    for (long size = number_of(words[3]), step = number_of(words[5]); size <= number_of(words[4]); size += step) {
        if (must(sendto(from, buffer, size, 0, &address->any, length)) != size)
            wrong("sizes", "sent in part");
        if (must(recv(to, buffer, sizeof buffer, 0)) != size)
            wrong("sizes", "another size came");
    }
}

// What is no system call alone; 0 if it is none of these.
static int socket_step(const char *name, char **at, long *variables, long *result) {
    if (!strcmp(name, "port"))
        *result = port_of(number_of(at[0]));
    else if (!strcmp(name, "print")) {
        dprintf(1, "%s=%ld\n", at[0], number_of(at[0]));
    } else if (!strcmp(name, "send_all"))
        send_all(number_of(at[0]), number_of(at[1]), number_of(at[2]));
    else if (!strcmp(name, "receive_all"))
        receive_all(number_of(at[0]), number_of(at[1]));
    else if (!strcmp(name, "sizes"))
        sizes(at);
    else if (!strcmp(name, "readable") || !strcmp(name, "writable")) {
        // Waits for it, up to a minute.
        struct pollfd one = {number_of(at[0]), name[0] == 'r' ? POLLIN : POLLOUT, 0};
        if (must(poll(&one, 1, 60000)) != 1)
            wrong(name, "nothing came");
    } else if (!strcmp(name, "linger")) {
        // Closing resets the connection.
        struct linger linger = {1, 0};
        must(setsockopt(number_of(at[0]), SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    } else if (!strcmp(name, "socketpair")) {
        // socketpair TYPE V W: the variables get its ends.
        int ends[2];
        must(socketpair(AF_UNIX, number_of(at[0]), 0, ends));
        variables[at[1][0] - 'a'] = ends[0];
        variables[at[2][0] - 'a'] = ends[1];
    } else if (!strcmp(name, "up")) {
        // The loopback interface of a new network namespace.
        struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
        int fd = must(socket(AF_UNIX, SOCK_DGRAM, 0));
        must(ioctl(fd, SIOCSIFFLAGS, &request));
        close(fd);
    } else
        return 0;
    return 1;
}

// A call by socketcall(2).
static long old_call(const char *name, long *registers) {
#ifdef SYS_socketcall
    static const char *const old[] = {"socket",     "bind",        "connect",  "listen",     "accept",     "getsockname", "getpeername",
                                      "socketpair", "",            "",         "sendto",     "recvfrom",   "shutdown",
                                      "setsockopt", "getsockopt",  "sendmsg",  "recvmsg",    "accept4",    "recvmmsg",
                                      "sendmmsg"};
    for (unsigned i = 0; i < sizeof old / sizeof *old; i++)
        if (!strcmp(name, old[i]))
            return syscall(SYS_socketcall, i + 1, registers);
#endif
    (void)registers;
    wrong(name, "no part of socketcall");
    return -1;
}
