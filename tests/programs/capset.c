// capset: gives up CAP_NET_RAW (13).
#include "common.h"
#include <linux/capability.h>
int main(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    must(syscall(SYS_capget, &header, sets));
    sets[0].effective &= ~(1u << CAP_NET_RAW);
    sets[0].permitted &= ~(1u << CAP_NET_RAW);
    must(syscall(SYS_capset, &header, sets));
    printf("effective=%016llx\n", (unsigned long long)sets[1].effective << 32 | sets[0].effective);
    return 0;
}
