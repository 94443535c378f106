// uring [sqpoll] STEP...: makes each request by io_uring, one after the other, with bare system calls.
//
// A step is `[skip] [fixed] [fails ERRNO] [v=]NAME ARGUMENT...`: skip asks for no completion on success, fixed takes the
// descriptor by its slot in the registered table, v keeps the result. Names: openat PATH FLAGS MODE [BUFFER] (which it cannot
// have: a number other than 0 is refused before the request is begun), openat2 PATH RESOLVE, read V LENGTH, write V LENGTH,
// unlinkat PATH FLAGS, renameat OLD NEW, mkdirat PATH MODE, linkat OLD NEW, symlinkat TEXT NEW, close V, and
// register V, which makes V slot 0; connect V PORT, accept V, send V LENGTH, recv V LENGTH. FLAGS and MODE are numbers. By
// calls of their own: socket, and listen V PORT, of TCP on 127.0.0.1. Exits with 77 where io_uring is not permitted.
#include "common.h"
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <netinet/in.h>

static int ring;
static char *submissions, *completions;
static struct io_uring_sqe *entries;
static struct io_uring_params params;
static long variables[26];

#define FIELD(area, offset) ((unsigned *)((area) + (offset)))

static long number_of(const char *word) {
    return word[0] >= 'a' && word[0] <= 'z' ? variables[word[0] - 'a'] : strtol(word, NULL, 0);
}

static void wrong(const char *step, const char *why) {
    fprintf(stderr, "uring: %s: %s\n", step, why);
    _exit(90);
}

static void set_up(unsigned flags) {
    params.flags = flags;
    params.sq_thread_idle = 100;
    ring = syscall(SYS_io_uring_setup, 8, &params);
    if (ring < 0 && (errno == EPERM || errno == ENOSYS))
        _exit(77);
    must(ring);
    size_t size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    submissions = must(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING));
    size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    completions = must(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING));
    size = params.sq_entries * sizeof(struct io_uring_sqe);
    entries = must(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES));
}

static void put(struct io_uring_sqe *entry) {
    unsigned tail = *FIELD(submissions, params.sq_off.tail), index = tail & *FIELD(submissions, params.sq_off.ring_mask);
    entries[index] = *entry;
    FIELD(submissions, params.sq_off.array)[index] = index;
    __atomic_store_n(FIELD(submissions, params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
}

// Submits what was put, and waits for one completion: its result.
static int submit(unsigned count) {
    unsigned flags = IORING_ENTER_GETEVENTS;
    if (params.flags & IORING_SETUP_SQPOLL)
        flags |= IORING_ENTER_SQ_WAKEUP;
    must(syscall(SYS_io_uring_enter, ring, count, 1, flags, NULL, 0));
    unsigned *head = FIELD(completions, params.cq_off.head);
    while (*head == __atomic_load_n(FIELD(completions, params.cq_off.tail), __ATOMIC_ACQUIRE))
        must(syscall(SYS_io_uring_enter, ring, 0, 1, flags, NULL, 0));
    struct io_uring_cqe *list = (struct io_uring_cqe *)(completions + params.cq_off.cqes);
    int result = list[*head & *FIELD(completions, params.cq_off.ring_mask)].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return result;
}

static void step(char *text) {
    char whole[4096], *words[16] = {0}, *word;
    int count = 0, expected = 0, skip = 0, fixed = 0;
    snprintf(whole, sizeof whole, "%s", text);
    while ((word = strsep(&text, " ")) && count < 12)
        words[count++] = word;
    char **at = words;
    for (;; at++)
        if (!strcmp(*at, "skip"))
            skip = 1;
        else if (!strcmp(*at, "fixed"))
            fixed = 1;
        else if (!strcmp(*at, "fails")) {
            ++at;
            for (expected = 1; expected < 140; expected++)
                if (strerrorname_np(expected) && !strcmp(strerrorname_np(expected), *at))
                    break;
        } else
            break;
    char keep = 0, *name = *at++;
    if (name[1] == '=') {
        keep = name[0];
        name += 2;
    }
    if (!strcmp(name, "register")) {
        int descriptor = number_of(at[0]);
        must(syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &descriptor, 1));
        return;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!strcmp(name, "socket")) {
        variables[keep - 'a'] = must(socket(AF_INET, SOCK_STREAM, 0));
        return;
    }
    if (!strcmp(name, "listen")) {
        address.sin_port = htons(number_of(at[1]));
        must(bind(number_of(at[0]), (struct sockaddr *)&address, sizeof address));
        must(listen(number_of(at[0]), 5));
        return;
    }
    struct io_uring_sqe entry = {.fd = AT_FDCWD, .user_data = 1};
    if (!strcmp(name, "openat")) {
        entry.opcode = IORING_OP_OPENAT;
        entry.addr = (uintptr_t)at[0];
        entry.open_flags = number_of(at[1]);
        entry.len = number_of(at[2]);
        entry.buf_index = at[3] ? number_of(at[3]) : 0;
    } else if (!strcmp(name, "openat2")) {
        struct open_how *how = calloc(1, sizeof *how);
        how->resolve = number_of(at[1]);
        entry.opcode = IORING_OP_OPENAT2;
        entry.addr = (uintptr_t)at[0];
        entry.len = sizeof *how;
        entry.addr2 = (uintptr_t)how;
    } else if (!strcmp(name, "read") || !strcmp(name, "write")) {
        entry.opcode = name[0] == 'r' ? IORING_OP_READ : IORING_OP_WRITE;
        entry.fd = number_of(at[0]);
        entry.len = number_of(at[1]);
        entry.addr = (uintptr_t)memset(malloc(entry.len), 'x', entry.len);
        entry.off = -1;
    } else if (!strcmp(name, "unlinkat")) {
        entry.opcode = IORING_OP_UNLINKAT;
        entry.addr = (uintptr_t)at[0];
        entry.unlink_flags = number_of(at[1]);
    } else if (!strcmp(name, "mkdirat")) {
        entry.opcode = IORING_OP_MKDIRAT;
        entry.addr = (uintptr_t)at[0];
        entry.len = number_of(at[1]);
    } else if (!strcmp(name, "renameat") || !strcmp(name, "linkat")) {
        entry.opcode = name[0] == 'r' ? IORING_OP_RENAMEAT : IORING_OP_LINKAT;
        entry.addr = (uintptr_t)at[0];
        entry.addr2 = (uintptr_t)at[1];
        entry.len = AT_FDCWD;
    } else if (!strcmp(name, "symlinkat")) {
        entry.opcode = IORING_OP_SYMLINKAT;
        entry.addr = (uintptr_t)at[0];
        entry.addr2 = (uintptr_t)at[1];
    } else if (!strcmp(name, "connect")) {
        entry.opcode = IORING_OP_CONNECT;
        entry.fd = number_of(at[0]);
        address.sin_port = htons(number_of(at[1]));
        entry.addr = (uintptr_t)&address;
        entry.off = sizeof address;
    } else if (!strcmp(name, "accept")) {
        entry.opcode = IORING_OP_ACCEPT;
        entry.fd = number_of(at[0]);
    } else if (!strcmp(name, "send") || !strcmp(name, "recv")) {
        entry.opcode = name[0] == 's' ? IORING_OP_SEND : IORING_OP_RECV;
        entry.fd = number_of(at[0]);
        entry.len = number_of(at[1]);
        entry.addr = (uintptr_t)memset(malloc(entry.len), 'x', entry.len);
    } else if (!strcmp(name, "close")) {
        entry.opcode = IORING_OP_CLOSE;
        entry.fd = number_of(at[0]);
    } else
        wrong(whole, "unknown");
    if (fixed)
        entry.flags |= IOSQE_FIXED_FILE;
    unsigned puts = 1;
    if (skip) {
        // Its end is seen by that of what is linked to it.
        entry.flags |= IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK;
        put(&entry);
        struct io_uring_sqe nothing = {.opcode = IORING_OP_NOP, .user_data = 2};
        put(&nothing);
        puts = 2;
    } else
        put(&entry);
    int result = submit(puts);
    int failure = result < 0 ? -result : 0;
    if (failure != expected)
        wrong(whole, failure ? strerrorname_np(failure) : "it succeeded");
    if (keep)
        variables[keep - 'a'] = result;
}

int main(int argc, char **argv) {
    int first = argc > 1 && !strcmp(argv[1], "sqpoll") ? 2 : 1;
    set_up(first == 2 ? IORING_SETUP_SQPOLL : 0);
    for (int i = first; i < argc; i++)
        step(argv[i]);
    return 0;
}
