// change_caps: what prctl changes of the credentials, one after the other; then reads of them, which change nothing.
#include "common.h"
#include <linux/capability.h>
#include <linux/securebits.h>
int main(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    must(prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0));
    must(syscall(SYS_capget, &header, sets));
    sets[0].inheritable |= 1u << CAP_CHOWN;
    must(syscall(SYS_capset, &header, sets));
    must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
    must(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    must(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0));
    prctl(PR_SET_SECUREBITS, -1, 0, 0, 0);
    must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
    must(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    return 0;
}
