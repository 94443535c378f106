//! What each system call does to files, and which of its arguments say so.

use glasshouse_common::{operation, syscall::FileCall};

/// Arguments by the letters of [`call`]'s descriptions.
const LETTERS: [(u8, u32); 9] = [
    (b'f', FileCall::FD),
    (b'd', FileCall::BASE),
    (b'p', FileCall::PATH),
    (b'D', FileCall::NEW_BASE),
    (b'P', FileCall::NEW_PATH),
    (b'o', FileCall::FLAGS),
    (b'1', FileCall::FIRST),
    (b'2', FileCall::SECOND),
    (b't', FileCall::TEXT),
];

/// The word of a call, by its name without its ABI's prefix; [`FileCall::NONE`] for one that is of no interest.
pub(super) fn call(name: &str) -> FileCall {
    use operation as op;
    // One letter per argument: f the descriptor acted on, p a path and d the directory descriptor that it is relative
    // to, P and D those of a second path, o flags, t a text that is no path, 1 and 2 numbers (of a transfer, 2 is the
    // descriptor written to); - is of no interest.
    let (operation, arguments, marks) = match name {
        "open" => (op::OPEN, "po1", 0),
        "openat" => (op::OPEN, "dpo1", 0),
        "openat2" => (op::OPEN, "dpo", FileCall::FLAGS_IN_MEMORY),
        "creat" => (op::OPEN, "p1", FileCall::CREAT),
        "open_tree" | "open_tree_attr" => (op::OPEN, "dp", 0),
        // What these give leads to no file.
        "fspick" => (op::OPEN, "dp", FileCall::FAILURES),
        "uselib" => (op::OPEN, "p", FileCall::FAILURES),
        "open_by_handle_at" => (op::OPEN, "--o", 0),
        "memfd_create" => (op::OPEN, "", FileCall::MAKES),
        "pidfd_getfd" => (op::OPEN, "", FileCall::RECEIVES),
        "read" | "pread64" | "readv" | "preadv" | "preadv2" => (op::READ, "f", 0),
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "vmsplice" | "fallocate" => {
            (op::WRITE, "f", 0)
        }
        "getdents" | "getdents64" | "readdir" => (op::READ_DIRECTORY, "f", 0),
        "sendfile" | "sendfile64" => (op::TRANSFER, "2f", 0),
        "splice" | "copy_file_range" => (op::TRANSFER, "f-2", 0),
        "tee" => (op::TRANSFER, "f2", 0),
        "mmap" | "mmap2" => (op::MAP, "--1of", 0),
        "mprotect" | "pkey_mprotect" => (op::PROTECT, "2-1", 0),
        "io_submit" => (op::SUBMIT, "--1", 0),
        "truncate" => (op::TRUNCATE, "p1", 0),
        "truncate64" => (op::TRUNCATE, "p12", 0),
        "ftruncate" => (op::TRUNCATE, "f1", 0),
        "ftruncate64" => (op::TRUNCATE, "f12", 0),
        "unlink" => (op::DELETE, "p", 0),
        "unlinkat" => (op::DELETE, "dpo", 0),
        "rmdir" => (op::RMDIR, "p", 0),
        "mkdir" => (op::MKDIR, "p1", 0),
        "mkdirat" => (op::MKDIR, "dp1", 0),
        "rename" => (op::RENAME, "pP", 0),
        "renameat" => (op::RENAME, "dpDP", 0),
        "renameat2" => (op::RENAME, "dpDPo", 0),
        "link" => (op::LINK, "pP", 0),
        "linkat" => (op::LINK, "dpDPo", 0),
        "symlink" => (op::SYMLINK, "tp", 0),
        "symlinkat" => (op::SYMLINK, "tdp", 0),
        "chmod" => (op::CHMOD, "p1", 0),
        "fchmod" => (op::CHMOD, "f1", 0),
        "fchmodat" => (op::CHMOD, "dp1", 0),
        "fchmodat2" => (op::CHMOD, "dp1o", 0),
        "chown" | "lchown" | "chown32" | "lchown32" => (op::CHOWN, "p12", 0),
        "fchown" | "fchown32" => (op::CHOWN, "f12", 0),
        "fchownat" => (op::CHOWN, "dp12o", 0),
        "utime" | "utimes" => (op::UTIMENS, "p", 0),
        "futimesat" => (op::UTIMENS, "dp", 0),
        "utimensat" | "utimensat_time64" => (op::UTIMENS, "dp-o", 0),
        "setxattr" | "lsetxattr" => (op::SETXATTR, "pt", 0),
        "fsetxattr" => (op::SETXATTR, "ft", 0),
        "setxattrat" => (op::SETXATTR, "dpot", 0),
        "removexattr" | "lremovexattr" => (op::REMOVEXATTR, "pt", 0),
        "fremovexattr" => (op::REMOVEXATTR, "ft", 0),
        "removexattrat" => (op::REMOVEXATTR, "dpot", 0),
        // Of its requests the kernel side looks at those only that do this.
        "ioctl" => (op::CHATTR, "fo1", FileCall::NUMBERS_IN_MEMORY),
        "file_setattr" => (op::CHATTR, "dp1-o", FileCall::NUMBERS_IN_MEMORY),
        "mknod" => (op::MKNOD, "p12", 0),
        "mknodat" => (op::MKNOD, "dp12", 0),
        "bind" => (op::MKNOD, "-p", FileCall::SOCKET_ADDRESS),
        // The address is the path here, in a message where there is one.
        "socket" => (op::SOCKET, "", 0),
        "socketpair" => (op::SOCKET_PAIR, "", 0),
        "connect" => (op::CONNECT, "-p", 0),
        "listen" => (op::LISTEN, "", 0),
        "accept" | "accept4" => (op::ACCEPT, "", 0),
        "send" => (op::SEND, "", 0),
        "sendto" => (op::SEND, "----p", 0),
        "sendmsg" => (op::SEND, "", FileCall::FLAGS_IN_MEMORY),
        "sendmmsg" => (op::SEND, "", FileCall::FLAGS_IN_MEMORY | FileCall::COUNTS_MESSAGES),
        "recv" => (op::RECEIVE, "", 0),
        "recvfrom" => (op::RECEIVE, "----p", 0),
        "recvmsg" => (op::RECEIVE, "", FileCall::FLAGS_IN_MEMORY),
        "recvmmsg" | "recvmmsg_time64" => {
            (op::RECEIVE, "", FileCall::FLAGS_IN_MEMORY | FileCall::COUNTS_MESSAGES)
        }
        "socketcall" => (op::SOCKET_CALL, "", 0),
        "mount" => (op::MOUNT, "pPto", 0),
        "move_mount" => (op::MOUNT, "dpDPo", 0),
        "mount_setattr" => (op::MOUNT_SETATTR, "dpo1", FileCall::NUMBERS_IN_MEMORY),
        "umount" => (op::UMOUNT, "p", 0),
        "umount2" => (op::UMOUNT, "po", 0),
        "chdir" => (op::CHDIR, "p", 0),
        "fchdir" => (op::CHDIR, "f", 0),
        "chroot" => (op::CHROOT, "p", 0),
        "pivot_root" => (op::PIVOT_ROOT, "pP", 0),
        "stat" | "lstat" | "stat64" | "lstat64" | "oldstat" | "oldlstat" | "statfs" | "statfs64" => {
            (op::STAT, "p", FileCall::FAILURES)
        }
        "newfstatat" | "fstatat64" | "statx" | "name_to_handle_at" | "file_getattr" => {
            (op::STAT, "dp", FileCall::FAILURES)
        }
        "access" => (op::ACCESS, "p", FileCall::FAILURES),
        "faccessat" | "faccessat2" => (op::ACCESS, "dp", FileCall::FAILURES),
        "readlink" => (op::READLINK, "p", FileCall::FAILURES),
        "readlinkat" => (op::READLINK, "dp", FileCall::FAILURES),
        "getxattr" | "lgetxattr" => (op::GETXATTR, "p", FileCall::FAILURES),
        "fgetxattr" => (op::GETXATTR, "f", FileCall::FAILURES),
        "getxattrat" => (op::GETXATTR, "dp", FileCall::FAILURES),
        "listxattr" | "llistxattr" => (op::LISTXATTR, "p", FileCall::FAILURES),
        "listxattrat" => (op::LISTXATTR, "dp", FileCall::FAILURES),
        "inotify_add_watch" => (op::WATCH, "-p", FileCall::FAILURES),
        "fanotify_mark" => (op::WATCH, "---dp", FileCall::FAILURES),
        "quotactl" => (op::QUOTACTL, "-p", FileCall::FAILURES),
        "acct" => (op::ACCT, "p", 0),
        "swapon" => (op::SWAPON, "po", 0),
        "swapoff" => (op::SWAPOFF, "p", 0),
        _ => return FileCall::NONE,
    };
    (0..).zip(arguments.bytes()).fold(FileCall::new(operation).marked(marks), |call, (index, letter)| {
        match LETTERS.iter().find(|(known, _)| *known == letter) {
            Some((_, shift)) => call.with(*shift, index),
            None => call,
        }
    })
}
