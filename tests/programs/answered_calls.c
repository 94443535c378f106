// Makes the files `removed` and `renamed`, and has a seccomp filter answer with success, in the kernel's place, what would remove
// the one and rename the other to `elsewhere`.
#include "common.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
int main(void) {
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unlinkat, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    must(close(must(open("removed", O_WRONLY | O_CREAT, 0644))));
    must(close(must(open("renamed", O_WRONLY | O_CREAT, 0644))));
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
    must(syscall(SYS_unlinkat, AT_FDCWD, "removed", 0));
    must(syscall(SYS_renameat2, AT_FDCWD, "renamed", AT_FDCWD, "elsewhere", 0));
    return access("removed", F_OK) || access("renamed", F_OK) ? 90 : 0;
}
