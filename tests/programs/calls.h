// calls SEQUENCE...: makes exactly the system calls that it is told, in their order, and no others that concern files.
//
// A sequence is steps with ` ; ` between them. Before it may stand `100x` (repeat it), `child` (in a child that is waited
// for), `start` (in a child that the step `wait` waits for) or `thread` (in a thread that is joined). A step is
// `[fails ERRNO] [v=]NAME ARGUMENT...`: the name of a system call or of one of the few things below and in sockets.h; `v=`
// keeps the result in the variable v, a letter, which any number can be. `try` in place of `fails` takes any result;
// `needs` ends the program with 77 where this kernel has no such socket; `old` calls by socketcall(2), where there is one.
// Numbers may be written with the kernel's names, `O_RDWR|O_CREAT`; `self` and `parent` are pids. In texts %0a is the
// byte 10; `null` is no text at all. Arguments that are left out are 0. A step that fails, or that should have failed and
// did not, ends the program with 90.
#include "common.h"
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include "sockets.h"

// What a call takes, letter by letter: n a number, p a text, b a buffer of so many bytes and its length, v the lengths of
// buffers (10,20) as a vector and its count, u a place for 256 bytes, s a text and its length, o the address of an offset, w an offset in as many
// registers as this architecture needs, q an offset in two, h a struct open_how (flags, mode, resolve) and its size,
// k the address of three numbers of 64 bits, t a zero time, or the present one (null).
struct call {
    const char *name;
    long number;
    const char *takes;
};
#define C(name, takes) {#name, SYS_##name, takes}
static const struct call calls[] = {
#ifdef SYS_open
    C(open, "pnn"),
    C(creat, "pn"),
    C(unlink, "p"),
    C(rmdir, "p"),
    C(mkdir, "pn"),
    C(rename, "pp"),
    C(link, "pp"),
    C(symlink, "pp"),
    C(chmod, "pn"),
    C(chown, "pnn"),
    C(lchown, "pnn"),
    C(mknod, "pnn"),
    C(utime, "pt"),
    C(utimes, "pt"),
    C(futimesat, "npt"),
    C(stat, "pb"),
    C(lstat, "pb"),
    C(access, "pn"),
    C(readlink, "pb"),
    C(getdents, "nb"),
    C(dup2, "nn"),
#endif
    C(openat, "npnn"),
    C(openat2, "nph"),
    C(close, "n"),
    C(close_range, "nnn"),
    C(memfd_create, "pn"),
    C(pidfd_open, "nn"),
    C(pidfd_getfd, "nnn"),
    C(dup, "n"),
    C(dup3, "nnn"),
    C(read, "nb"),
    C(write, "nb"),
    C(pread64, "nbw"),
    C(pwrite64, "nbw"),
    C(readv, "nv"),
    C(writev, "nv"),
    C(preadv, "nvq"),
    C(pwritev, "nvq"),
    C(preadv2, "nvqn"),
    C(pwritev2, "nvqn"),
    C(sendfile, "nnon"),
    C(splice, "nononn"),
    C(copy_file_range, "nononn"),
    C(getdents64, "nb"),
    C(lseek, "nnn"),
    C(fallocate, "nnww"),
    C(truncate, "pn"),
    C(ftruncate, "nn"),
    C(unlinkat, "npn"),
    C(mkdirat, "npn"),
    C(renameat, "npnp"),
    C(renameat2, "npnpn"),
    C(linkat, "npnpn"),
    C(symlinkat, "pnp"),
    C(fchmod, "nn"),
    C(fchmodat, "npn"),
    C(fchown, "nnn"),
    C(fchownat, "npnnn"),
    C(utimensat, "nptn"),
    C(setxattr, "ppsn"),
    C(lsetxattr, "ppsn"),
    C(fsetxattr, "npsn"),
    C(removexattr, "pp"),
    C(lremovexattr, "pp"),
    C(fremovexattr, "np"),
    C(getxattr, "ppb"),
    C(lgetxattr, "ppb"),
    C(fgetxattr, "npb"),
    C(listxattr, "pb"),
    C(llistxattr, "pb"),
    C(inotify_init1, "n"),
    C(inotify_add_watch, "npn"),
    C(fanotify_init, "nn"),
    C(fanotify_mark, "nnwnp"),
    C(name_to_handle_at, "npuun"),
    C(quotactl, "npnu"),
    C(acct, "p"),
    C(swapon, "pn"),
    C(swapoff, "p"),
    C(fspick, "npn"),
    C(statfs, "pu"),
    C(ioctl, "nnk"),
    C(mount_setattr, "npnkn"),
    C(mknodat, "npnn"),
    C(statx, "npnnb"),
    C(faccessat, "npn"),
    C(faccessat2, "npnn"),
    C(readlinkat, "npb"),
    C(chdir, "p"),
    C(fchdir, "n"),
    C(chroot, "p"),
    C(pivot_root, "pp"),
    C(mount, "pppnp"),
    C(umount2, "pn"),
    C(open_tree, "npn"),
    C(move_mount, "npnpn"),
    C(unshare, "n"),
    C(setns, "nn"),
    C(setgid, "n"),
    C(setuid, "n"),
    C(kill, "nn"),
    C(tkill, "nn"),
    C(tgkill, "nnn"),
    C(rt_sigqueueinfo, "nnu"),
    C(pidfd_send_signal, "nnnn"),
    C(ptrace, "nnnn"),
    C(prctl, "nnnnn"),
    C(seccomp, "nnn"),
    C(bpf, "nun"),
    C(perf_event_open, "unnnn"),
    C(init_module, "bp"),
    C(finit_module, "npn"),
    C(delete_module, "pn"),
    C(kexec_load, "nnnn"),
    C(reboot, "nnnn"),
    C(clock_settime, "nt"),
    C(umask, "n"),
    C(fsync, "n"),
    C(munmap, "nn"),
    C(mprotect, "nnn"),
    SOCKET_CALLS,
#ifdef SYS_newfstatat
    C(newfstatat, "npun"),
#endif
#ifdef SYS_fstatat64
    C(fstatat64, "npun"),
    C(truncate64, "pw"),
    C(ftruncate64, "nw"),
    C(sendfile64, "nnon"),
    C(chown32, "pnn"),
    C(umount, "p"),
#endif
#ifdef SYS_fchmodat2
    C(fchmodat2, "npnn"),
#else
    {"fchmodat2", 452, "npnn"},
#endif
    {"getxattrat", 464, "npnpun"},
    {"listxattrat", 465, "npnb"},
    {"removexattrat", 466, "npnp"},
    {"open_tree_attr", 467, "npnun"},
    {"file_getattr", 468, "npunn"},
    {"file_setattr", 469, "npknn"},
};
#undef C

#define N(name) {#name, name}
static const struct {
    const char *name;
    long value;
} names[] = {
    N(O_RDONLY), N(O_WRONLY), N(O_RDWR), N(O_CREAT), N(O_EXCL), N(O_TRUNC), N(O_APPEND), N(O_DIRECTORY), N(O_NOFOLLOW),
    N(O_PATH), N(O_TMPFILE), N(O_CLOEXEC), N(O_NONBLOCK), N(AT_FDCWD), N(AT_REMOVEDIR), N(AT_SYMLINK_NOFOLLOW),
    N(AT_SYMLINK_FOLLOW), N(AT_EMPTY_PATH), N(RENAME_NOREPLACE), N(RENAME_EXCHANGE), N(RESOLVE_IN_ROOT), N(RESOLVE_BENEATH),
    N(S_IFREG), N(S_IFIFO), N(S_IFCHR), N(S_IFSOCK), N(MS_BIND), N(MS_REC), N(MS_PRIVATE), N(MS_MOVE), N(MNT_DETACH),
    N(CLONE_NEWNS), N(CLONE_FILES), N(PROT_READ), N(PROT_WRITE), N(PROT_EXEC), N(MAP_SHARED), N(MAP_PRIVATE),
    N(MFD_CLOEXEC), N(SEEK_SET), N(SEEK_END),
    SOCKET_NAMES,
    {"OPEN_TREE_CLONE", 1}, {"MOVE_MOUNT_F_EMPTY_PATH", 4},
};
#undef N

static long variables[26];
static int helper = -1;

static void wrong(const char *step, const char *why) {
    fprintf(stderr, "calls: %s: %s\n", step, why);
    _exit(90);
}

static long number_of(const char *word) {
    if (word[0] >= 'a' && word[0] <= 'z' && !word[1])
        return variables[word[0] - 'a'];
    if (!strcmp(word, "self"))
        return getpid();
    if (!strcmp(word, "parent"))
        return getppid();
    char copy[512], *rest = copy, *part;
    long value = 0;
    snprintf(copy, sizeof copy, "%s", word);
    while ((part = strsep(&rest, "|"))) {
        char *end;
        long one = strtoll(part, &end, 0);
        for (unsigned i = 0; *end && i < sizeof names / sizeof *names; i++)
            if (!strcmp(part, names[i].name)) {
                one = names[i].value;
                end = "";
            }
        if (*end)
            wrong(word, "no number");
        value |= one;
    }
    return value;
}

static char *text_of(const char *word) {
    if (!word || !strcmp(word, "null"))
        return NULL;
    char *text = calloc(1, strlen(word) + 1);
    for (char *to = text; *word; word++)
        if (*word == '%') {
            char digits[3] = {word[1], word[2], 0};
            *to++ = strtol(digits, NULL, 16);
            word += 2;
        } else
            *to++ = *word;
    return text;
}

// Length of the text that a word means, zero bytes included.
static size_t length_of(const char *word) {
    size_t length = 0;
    for (; word && *word; word += *word == '%' ? 3 : 1)
        length++;
    return length;
}

// Puts the values of one parameter into `into`; the number of registers that it takes.
static int give(char kind, char ***words, long *into) {
    int used = give_socket(kind, words, into);
    if (used)
        return used;
    const char *word = **words;
    if (word && kind != 'u')
        ++*words;
    switch (kind) {
    case 'p':
        into[0] = (long)text_of(word);
        return 1;
    case 's':
        into[0] = (long)text_of(word);
        into[1] = into[0] ? length_of(word) : 0;
        return 2;
    case 'b':
        into[1] = word ? number_of(word) : 4096;
        into[0] = (long)memset(malloc(into[1] + 1), 'x', into[1] + 1);
        return 2;
    case 'v': {
        struct {
            void *base;
            size_t length;
        } *vector = calloc(16, sizeof *vector);
        char *copy = strdup(word ? word : ""), *part;
        for (into[1] = 0; (part = strsep(&copy, ",")) && *part; into[1]++) {
            vector[into[1]].length = atol(part);
            vector[into[1]].base = memset(malloc(atol(part) + 1), 'x', atol(part) + 1);
        }
        into[0] = (long)vector;
        return 2;
    }
    case 'o': {
        int64_t *offset = word && strcmp(word, "null") ? malloc(sizeof *offset) : NULL;
        if (offset)
            *offset = number_of(word);
        into[0] = (long)offset;
        return 1;
    }
    case 'w':
        into[0] = word ? number_of(word) : 0;
        into[1] = 0;
        return sizeof(long) == 8 ? 1 : 2;
    case 'q':
        into[0] = word ? number_of(word) : 0;
        into[1] = into[0] == -1 ? -1 : 0;
        return 2;
    case 'h': {
        struct open_how *how = calloc(1, sizeof *how);
        how->flags = word ? number_of(word) : 0;
        how->mode = **words ? number_of(*(*words)++) : 0;
        how->resolve = **words ? number_of(*(*words)++) : 0;
        into[0] = (long)how;
        into[1] = sizeof *how;
        return 2;
    }
    case 'k': {
        uint64_t *numbers = calloc(8, sizeof *numbers);
        numbers[0] = word ? number_of(word) : 0;
        for (int i = 1; i < 3 && **words; i++)
            numbers[i] = number_of(*(*words)++);
        into[0] = (long)numbers;
        return 1;
    }
    case 'u':
        into[0] = (long)calloc(1, 256);
        return 1;
    case 't':
        into[0] = word && !strcmp(word, "null") ? 0 : (long)calloc(1, 64);
        return 1;
    default:
        into[0] = word ? number_of(word) : 0;
        return 1;
    }
}

// open_by_handle DIRFD PATH FLAGS: name_to_handle_at, then open_by_handle_at.
static long open_by_handle(char **words) {
    struct file_handle *handle = calloc(1, sizeof *handle + MAX_HANDLE_SZ);
    int mount;
    handle->handle_bytes = MAX_HANDLE_SZ;
    long directory = number_of(words[0]);
    must(syscall(SYS_name_to_handle_at, directory, text_of(words[1]), handle, &mount, 0));
    return syscall(SYS_open_by_handle_at, directory, handle, number_of(words[2]));
}

static long map(char **words) {
    long length = number_of(words[1]), prot = number_of(words[2]), flags = number_of(words[3]), fd = number_of(words[0]);
#ifdef SYS_mmap2
    return syscall(SYS_mmap2, 0, length, prot, flags, fd, 0);
#else
    return syscall(SYS_mmap, 0, length, prot, flags, fd, 0);
#endif
}

static int run(char *sequence);

// helper VARIABLE STEPS: a child, made now, that makes the steps when `pass` has sent it a descriptor, or `tell` a number.
static void await(char *name, char *steps) {
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    if (must(fork())) {
        close(pair[1]);
        helper = pair[0];
        return;
    }
    close(pair[0]);
    long value;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vector = {&value, sizeof value};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    must(recvmsg(pair[1], &message, 0));
    if (message.msg_controllen)
        value = *(int *)CMSG_DATA(&control.header);
    variables[*name - 'a'] = value;
    _exit(run(steps));
}

// pass VARIABLE, tell VARIABLE: see `await`.
static void send_to_helper(char *name, int with_descriptor) {
    long value = number_of(name);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    *(int *)CMSG_DATA(&control.header) = value;
    struct iovec vector = {&value, sizeof value};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (with_descriptor) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    must(sendmsg(helper, &message, 0));
    if (wait_for(-1) != 0)
        wrong(name, "the helper failed");
}

static void step(char *text) {
    char whole[20000], *words[64] = {0}, *word;
    int count = 0, expected = 0, may_fail = 0, needed = 0, old = 0;
    snprintf(whole, sizeof whole, "%s", text);
    while ((word = strsep(&text, " ")) && count < 60)
        if (*word)
            words[count++] = word;
    char **at = words;
    if (*at && !strcmp(*at, "fails")) {
        for (expected = 1; expected < 140; expected++)
            if (strerrorname_np(expected) && !strcmp(strerrorname_np(expected), at[1]))
                break;
        at += 2;
    }
    for (; *at; at++)
        if (!strcmp(*at, "try"))
            may_fail = 1;
        else if (!strcmp(*at, "needs"))
            needed = 1;
        else if (!strcmp(*at, "old"))
            old = 1;
        else
            break;
    if (!*at)
        return;
    char keep = 0, *name = *at++;
    if (name[0] && name[1] == '=') {
        keep = name[0];
        name += 2;
    }
    long result = 0, registers[12] = {0};
    if (!strcmp(name, "mmap"))
        result = map(at);
    else if (!strcmp(name, "open_by_handle"))
        result = open_by_handle(at);
    else if (!strcmp(name, "poke"))
        memset((void *)number_of(at[0]), 'p', number_of(at[1]));
    else if (!strcmp(name, "sleep"))
        sleep_ms(number_of(at[0]));
    else if (!strcmp(name, "set"))
        result = number_of(at[0]);
    else if (!strcmp(name, "wait")) {
        if (wait_for(-1) != 0)
            wrong(whole, "the child failed");
    } else if (socket_step(name, at, variables, &result))
        ;
    else if (!strcmp(name, "pass") || !strcmp(name, "tell"))
        send_to_helper(at[0], name[0] == 'p');
    else if (!strcmp(name, "pipe")) {
        // pipe R W: the variables get its ends.
        int ends[2];
        must(pipe(ends));
        variables[at[0][0] - 'a'] = ends[0];
        variables[at[1][0] - 'a'] = ends[1];
    } else {
        const struct call *call = NULL;
        for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
            if (!strcmp(name, calls[i].name))
                call = &calls[i];
        if (!call)
            wrong(whole, "unknown");
        int used = 0;
        for (const char *kind = call->takes; *kind; kind++)
            used += give(*kind, &at, &registers[used]);
        result = old ? old_call(name, registers)
                     : syscall(call->number, registers[0], registers[1], registers[2], registers[3], registers[4], registers[5]);
    }
    int failure = result == -1 ? errno : 0;
    if (needed && (failure == EPROTONOSUPPORT || failure == EAFNOSUPPORT || failure == ESOCKTNOSUPPORT))
        _exit(77);
    if (failure != expected && !may_fail)
        wrong(whole, failure ? strerrorname_np(failure) : "it succeeded");
    if (keep)
        variables[keep - 'a'] = result;
}

static void *in_thread(void *sequence) {
    run(sequence);
    return NULL;
}

static int run(char *sequence) {
    char *space = strchr(sequence, ' '), *end;
    long times = strtol(sequence, &end, 10);
    if (end != sequence && *end == 'x' && end[1] == ' ') {
        for (long i = 0; i < times; i++) {
            char *copy = strdup(end + 2);
            run(copy);
            free(copy);
        }
        return 0;
    }
    if (space && !strncmp(sequence, "child ", 6)) {
        pid_t pid = must(fork());
        if (!pid)
            _exit(run(space + 1));
        if (wait_for(pid) != 0)
            wrong(sequence, "the child failed");
        return 0;
    }
    if (space && !strncmp(sequence, "start ", 6)) {
        if (!must(fork()))
            _exit(run(space + 1));
        return 0;
    }
    if (space && !strncmp(sequence, "thread ", 7)) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, in_thread, space + 1) || pthread_join(thread, NULL))
            wrong(sequence, "no thread");
        return 0;
    }
    if (space && !strncmp(sequence, "helper ", 7)) {
        await(sequence + 7, sequence + 9);
        return 0;
    }
    while (sequence) {
        char *next = strstr(sequence, " ; ");
        if (next) {
            *next = 0;
            next += 3;
        }
        step(sequence);
        sequence = next;
    }
    return 0;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    return 0;
}
