//! Names of errors, signals and operations, the same wherever they are written.

use std::borrow::Cow;

use nix::{errno::Errno, sys::signal::Signal};

use crate::event::{Action, FileOperation};

/// The number that says what exactly a call that matters by itself does.
pub(crate) fn call_number(action: Action, number: u64) -> Cow<'static, str> {
    match action {
        Action::Signal => match number as i32 {
            0 => Cow::Borrowed("0"),
            known => Cow::Owned(signal(known)),
        },
        Action::Trace => ptrace_request(number),
        Action::KernelProgram => bpf_command(number),
        Action::SetOption => prctl_option(number),
        _ => Cow::Owned(number.to_string()),
    }
}

/// Name of an errno: `ENOENT`, or `errno_N` for one without a name.
pub(crate) fn errno(errno: i32) -> String {
    match Errno::from_raw(errno) {
        Errno::UnknownErrno => format!("errno_{errno}"),
        known => format!("{known:?}"),
    }
}

/// Name of a signal: `SIGKILL`, `SIGRTMIN+3`, or `signal_N` for those that the C library keeps for itself.
pub(crate) fn signal(signal: i32) -> String {
    /// The first one that programs may use, in glibc and musl alike.
    const RTMIN: i32 = 34;
    /// `_NSIG` of Linux.
    const LAST: i32 = 64;
    match Signal::try_from(signal) {
        Ok(known) => known.as_str().to_owned(),
        Err(_) if (RTMIN..=LAST).contains(&signal) => format!("SIGRTMIN+{}", signal - RTMIN),
        Err(_) => format!("signal_{signal}"),
    }
}

/// Name of what is done to a file, as the receipt and the interface have it.
pub(crate) fn file_operation(operation: FileOperation) -> &'static str {
    match operation {
        FileOperation::Open => "open",
        FileOperation::Create => "create",
        FileOperation::Truncate => "truncate",
        FileOperation::Read => "read",
        FileOperation::Write => "write",
        FileOperation::ReadDirectory => "read_directory",
        FileOperation::MapExecutable => "map_executable",
        FileOperation::MapWritable => "map_writable",
        FileOperation::Execute => "execute",
        FileOperation::Delete => "delete",
        FileOperation::RemoveDirectory => "rmdir",
        FileOperation::MakeDirectory => "mkdir",
        FileOperation::Rename => "rename",
        FileOperation::Link => "link",
        FileOperation::Symlink => "symlink",
        FileOperation::ChangeMode => "chmod",
        FileOperation::ChangeOwner => "chown",
        FileOperation::ChangeTimes => "utimens",
        FileOperation::SetAttribute => "setxattr",
        FileOperation::RemoveAttribute => "removexattr",
        FileOperation::MakeNode => "mknod",
        FileOperation::Mount => "mount",
        FileOperation::Unmount => "umount",
        FileOperation::ChangeDirectory => "chdir",
        FileOperation::ChangeRoot => "chroot",
        FileOperation::PivotRoot => "pivot_root",
        FileOperation::Stat => "stat",
        FileOperation::CheckAccess => "access",
        FileOperation::ReadLink => "readlink",
        FileOperation::GetAttribute => "getxattr",
        FileOperation::ListAttributes => "listxattr",
        FileOperation::Watch => "watch",
        FileOperation::Quota => "quotactl",
        FileOperation::Account => "acct",
        FileOperation::StartSwap => "swapon",
        FileOperation::StopSwap => "swapoff",
        FileOperation::SetFlags => "chattr",
        FileOperation::SetMountAttributes => "mount_setattr",
    }
}

/// Name of a transport protocol (`IPPROTO_*`).
pub(crate) fn ip_protocol(protocol: u16) -> Cow<'static, str> {
    Cow::Borrowed(match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        262 => "mptcp",
        _ => return Cow::Owned(format!("ipproto_{protocol}")),
    })
}

/// Name of a socket's type (`SOCK_*`).
pub(crate) fn socket_type(kind: u16) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        1 => "stream",
        2 => "dgram",
        3 => "raw",
        4 => "rdm",
        5 => "seqpacket",
        6 => "dccp",
        10 => "packet",
        _ => return Cow::Owned(format!("type_{kind}")),
    })
}

/// Name of an address family (`AF_*`).
pub(crate) fn address_family(family: u16) -> Cow<'static, str> {
    Cow::Borrowed(match family {
        1 => "unix",
        2 => "inet",
        10 => "inet6",
        16 => "netlink",
        17 => "packet",
        31 => "bluetooth",
        38 => "alg",
        40 => "vsock",
        _ => return Cow::Owned(format!("af_{family}")),
    })
}

/// Name of a protocol of netlink (`linux/netlink.h`).
pub(crate) fn netlink_protocol(protocol: u16) -> Option<&'static str> {
    Some(match protocol {
        0 => "route",
        2 => "usersock",
        3 => "firewall",
        4 => "sock_diag",
        5 => "nflog",
        6 => "xfrm",
        7 => "selinux",
        8 => "iscsi",
        9 => "audit",
        10 => "fib_lookup",
        11 => "connector",
        12 => "netfilter",
        13 => "ip6_fw",
        14 => "dnrtmsg",
        15 => "kobject_uevent",
        16 => "generic",
        18 => "scsitransport",
        19 => "ecryptfs",
        20 => "rdma",
        21 => "crypto",
        22 => "smc",
        _ => return None,
    })
}

/// Name of a version of TLS, as a ClientHello has it.
pub(crate) fn tls_version(version: u16) -> Cow<'static, str> {
    Cow::Borrowed(match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        0xfeff => "DTLS 1.0",
        0xfefd => "DTLS 1.2",
        0xfefc => "DTLS 1.3",
        _ => return Cow::Owned(format!("0x{version:04x}")),
    })
}

/// Name of a request of `ptrace` (`linux/ptrace.h`, and those of x86 that are alike elsewhere).
pub(crate) fn ptrace_request(request: u64) -> Cow<'static, str> {
    Cow::Borrowed(match request {
        0 => "PTRACE_TRACEME",
        1 => "PTRACE_PEEKTEXT",
        2 => "PTRACE_PEEKDATA",
        3 => "PTRACE_PEEKUSER",
        4 => "PTRACE_POKETEXT",
        5 => "PTRACE_POKEDATA",
        6 => "PTRACE_POKEUSER",
        7 => "PTRACE_CONT",
        8 => "PTRACE_KILL",
        9 => "PTRACE_SINGLESTEP",
        12 => "PTRACE_GETREGS",
        13 => "PTRACE_SETREGS",
        14 => "PTRACE_GETFPREGS",
        15 => "PTRACE_SETFPREGS",
        16 => "PTRACE_ATTACH",
        17 => "PTRACE_DETACH",
        24 => "PTRACE_SYSCALL",
        0x4200 => "PTRACE_SETOPTIONS",
        0x4201 => "PTRACE_GETEVENTMSG",
        0x4202 => "PTRACE_GETSIGINFO",
        0x4203 => "PTRACE_SETSIGINFO",
        0x4204 => "PTRACE_GETREGSET",
        0x4205 => "PTRACE_SETREGSET",
        0x4206 => "PTRACE_SEIZE",
        0x4207 => "PTRACE_INTERRUPT",
        0x4208 => "PTRACE_LISTEN",
        0x4209 => "PTRACE_PEEKSIGINFO",
        0x420a => "PTRACE_GETSIGMASK",
        0x420b => "PTRACE_SETSIGMASK",
        0x420e => "PTRACE_GET_SYSCALL_INFO",
        _ => return Cow::Owned(format!("request_{request}")),
    })
}

/// Name of a command of `bpf` (`linux/bpf.h`).
pub(crate) fn bpf_command(command: u64) -> Cow<'static, str> {
    const NAMES: [&str; 23] = [
        "BPF_MAP_CREATE",
        "BPF_MAP_LOOKUP_ELEM",
        "BPF_MAP_UPDATE_ELEM",
        "BPF_MAP_DELETE_ELEM",
        "BPF_MAP_GET_NEXT_KEY",
        "BPF_PROG_LOAD",
        "BPF_OBJ_PIN",
        "BPF_OBJ_GET",
        "BPF_PROG_ATTACH",
        "BPF_PROG_DETACH",
        "BPF_PROG_TEST_RUN",
        "BPF_PROG_GET_NEXT_ID",
        "BPF_MAP_GET_NEXT_ID",
        "BPF_PROG_GET_FD_BY_ID",
        "BPF_MAP_GET_FD_BY_ID",
        "BPF_OBJ_GET_INFO_BY_FD",
        "BPF_PROG_QUERY",
        "BPF_RAW_TRACEPOINT_OPEN",
        "BPF_BTF_LOAD",
        "BPF_BTF_GET_FD_BY_ID",
        "BPF_TASK_FD_QUERY",
        "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
        "BPF_MAP_FREEZE",
    ];
    let known = usize::try_from(command).ok().and_then(|command| NAMES.get(command));
    known.map_or_else(|| Cow::Owned(format!("command_{command}")), |name| Cow::Borrowed(*name))
}

/// Name of an option of `prctl` (`linux/prctl.h`), of those that are told.
pub(crate) fn prctl_option(option: u64) -> Cow<'static, str> {
    Cow::Borrowed(match option {
        4 => "PR_SET_DUMPABLE",
        22 => "PR_SET_SECCOMP",
        35 => "PR_SET_MM",
        36 => "PR_SET_CHILD_SUBREAPER",
        59 => "PR_SET_SYSCALL_USER_DISPATCH",
        0x5961_6d61 => "PR_SET_PTRACER",
        _ => return Cow::Owned(format!("option_{option}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_ones() {
        assert_eq!([errno(2), errno(13), errno(9_999)], ["ENOENT", "EACCES", "errno_9999"]);
        assert_eq!(
            [signal(9), signal(34), signal(33), signal(64)],
            ["SIGKILL", "SIGRTMIN+0", "signal_33", "SIGRTMIN+30"]
        );
        assert_eq!([ip_protocol(6), ip_protocol(99)], ["tcp", "ipproto_99"]);
        assert_eq!([socket_type(2), socket_type(9)], ["dgram", "type_9"]);
        assert_eq!([address_family(38), address_family(29)], ["alg", "af_29"]);
        assert_eq!([netlink_protocol(9), netlink_protocol(1)], [Some("audit"), None]);
        assert_eq!([tls_version(0x0304), tls_version(0x7f1c)], ["TLS 1.3", "0x7f1c"]);
    }
}
