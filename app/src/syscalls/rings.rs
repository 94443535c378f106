//! Kinds of requests that are made through a ring (io_uring), and what they do to files.

use glasshouse_common::{limits::RING_OPCODES, operation};

/// Names by opcode (`IORING_OP_*` of `linux/io_uring.h`, Linux 6.18).
const NAMES: [&str; 64] = [
    "nop",
    "readv",
    "writev",
    "fsync",
    "read_fixed",
    "write_fixed",
    "poll_add",
    "poll_remove",
    "sync_file_range",
    "sendmsg",
    "recvmsg",
    "timeout",
    "timeout_remove",
    "accept",
    "async_cancel",
    "link_timeout",
    "connect",
    "fallocate",
    "openat",
    "close",
    "files_update",
    "statx",
    "read",
    "write",
    "fadvise",
    "madvise",
    "send",
    "recv",
    "openat2",
    "epoll_ctl",
    "splice",
    "provide_buffers",
    "remove_buffers",
    "tee",
    "shutdown",
    "renameat",
    "unlinkat",
    "mkdirat",
    "symlinkat",
    "linkat",
    "msg_ring",
    "fsetxattr",
    "setxattr",
    "fgetxattr",
    "getxattr",
    "socket",
    "uring_cmd",
    "send_zc",
    "sendmsg_zc",
    "read_multishot",
    "waitid",
    "futex_wait",
    "futex_wake",
    "futex_waitv",
    "fixed_fd_install",
    "ftruncate",
    "bind",
    "listen",
    "recv_zc",
    "epoll_wait",
    "readv_fixed",
    "writev_fixed",
    "pipe",
    "nop128",
];

/// Does nothing to files, to the network or to other processes: of these nobody wants to know.
const HARMLESS: u32 = u32::MAX;

/// The name of a kind of request.
pub fn name(opcode: u32) -> String {
    match NAMES.get(opcode as usize) {
        Some(name) => format!("io_uring:{name}"),
        None => format!("io_uring:op_{opcode}"),
    }
}

/// For each opcode what it does to files, one of [`operation`]; 0 for what is counted and not told.
pub fn operations() -> [u32; RING_OPCODES] {
    let mut operations = [0; RING_OPCODES];
    for (operation, name) in operations.iter_mut().zip(NAMES) {
        *operation = match name {
            "openat" | "openat2" => operation::OPEN,
            "read" | "readv" | "read_fixed" | "readv_fixed" | "read_multishot" | "recv" | "recvmsg"
            | "recv_zc" => operation::READ,
            "write" | "writev" | "write_fixed" | "writev_fixed" | "fallocate" | "send" | "sendmsg"
            | "send_zc" | "sendmsg_zc" => operation::WRITE,
            "ftruncate" => operation::TRUNCATE,
            "unlinkat" => operation::DELETE,
            "mkdirat" => operation::MKDIR,
            "renameat" => operation::RENAME,
            "linkat" => operation::LINK,
            "socket" => operation::SOCKET,
            "connect" => operation::CONNECT,
            "accept" => operation::ACCEPT,
            "bind" => operation::BIND,
            "listen" => operation::LISTEN,
            "symlinkat" => operation::SYMLINK,
            "nop" | "nop128" | "poll_add" | "poll_remove" | "timeout" | "timeout_remove" | "link_timeout"
            | "async_cancel" | "close" | "fsync" | "sync_file_range" | "files_update" | "fadvise"
            | "madvise" | "epoll_ctl" | "epoll_wait" | "provide_buffers" | "remove_buffers" | "shutdown"
            | "msg_ring" | "waitid" | "futex_wait" | "futex_wake" | "futex_waitv" | "fixed_fd_install"
            | "pipe" => HARMLESS,
            _ => 0,
        };
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_those_of_the_kernel() {
        for (opcode, expected) in [(18, "openat"), (28, "openat2"), (36, "unlinkat"), (55, "ftruncate")] {
            assert_eq!(name(opcode), format!("io_uring:{expected}"));
        }
        assert_eq!(name(100), "io_uring:op_100");
        assert_eq!(operations()[16], operation::CONNECT);
        assert_eq!(operations()[35], operation::RENAME);
    }
}
