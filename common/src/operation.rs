//! What a call does to a file: the codes that travel in records, and how user space describes each call to the kernel
//! side.

/// Opened.
pub const OPEN: u32 = 1;
/// Made by opening it.
pub const CREATE: u32 = 2;
/// Cut or extended to a length.
pub const TRUNCATE: u32 = 3;
/// Read from.
pub const READ: u32 = 4;
/// Written to.
pub const WRITE: u32 = 5;
/// Entries of a directory read.
pub const READ_DIRECTORY: u32 = 6;
/// Mapped executable.
pub const MAP_EXECUTABLE: u32 = 7;
/// Mapped shared and writable.
pub const MAP_WRITABLE: u32 = 8;
/// A name removed.
pub const DELETE: u32 = 9;
/// A directory removed.
pub const RMDIR: u32 = 10;
/// A directory made.
pub const MKDIR: u32 = 11;
/// Renamed.
pub const RENAME: u32 = 12;
/// Given another name.
pub const LINK: u32 = 13;
/// A symbolic link made: its first text is what it points to.
pub const SYMLINK: u32 = 14;
/// Permissions changed.
pub const CHMOD: u32 = 15;
/// Owner or group changed.
pub const CHOWN: u32 = 16;
/// Times set.
pub const UTIMENS: u32 = 17;
/// An extended attribute set.
pub const SETXATTR: u32 = 18;
/// An extended attribute removed.
pub const REMOVEXATTR: u32 = 19;
/// A fifo, device, socket or plain file made.
pub const MKNOD: u32 = 20;
/// Mounted, or a mount moved.
pub const MOUNT: u32 = 21;
/// Unmounted.
pub const UMOUNT: u32 = 22;
/// Working directory changed.
pub const CHDIR: u32 = 23;
/// Root directory changed.
pub const CHROOT: u32 = 24;
/// Root of the mount namespace changed.
pub const PIVOT_ROOT: u32 = 25;
/// Attributes asked for.
pub const STAT: u32 = 26;
/// Permission asked for.
pub const ACCESS: u32 = 27;
/// Target of a symbolic link asked for.
pub const READLINK: u32 = 28;
/// Bytes moved from one descriptor to another: a read of the one and a write of the other.
pub const TRANSFER: u32 = 29;
/// Mapped: which of the two it is the arguments say.
pub const MAP: u32 = 30;
/// A mapping made something else.
pub const PROTECT: u32 = 31;
/// Reads and writes handed over by io_submit.
pub const SUBMIT: u32 = 32;
/// An extended attribute asked for.
pub const GETXATTR: u32 = 33;
/// Names of extended attributes asked for.
pub const LISTXATTR: u32 = 34;
/// Watched for what happens to it (inotify, fanotify).
pub const WATCH: u32 = 35;
/// Disk quotas asked for or set.
pub const QUOTACTL: u32 = 36;
/// Processes that end accounted for in a file, or in none.
pub const ACCT: u32 = 37;
/// Swapped to.
pub const SWAPON: u32 = 38;
/// Swapped to no more.
pub const SWAPOFF: u32 = 39;

/// A socket made.
pub const SOCKET: u32 = 40;
/// A pair of sockets made.
pub const SOCKET_PAIR: u32 = 41;
/// A socket connected.
pub const CONNECT: u32 = 42;
/// A socket given an address.
pub const BIND: u32 = 43;
/// A socket made to listen.
pub const LISTEN: u32 = 44;
/// A connection accepted.
pub const ACCEPT: u32 = 45;
/// Sent through a socket.
pub const SEND: u32 = 46;
/// Received through a socket.
pub const RECEIVE: u32 = 47;

/// One of these, which the first argument says; the others are in memory (`socketcall` of i386).
pub const SOCKET_CALL: u32 = 48;

/// Flags of an inode set: that nobody may change it, for instance.
pub const CHATTR: u32 = 49;
/// Attributes of a mount set.
pub const MOUNT_SETATTR: u32 = 50;

/// Neither: a call that matters by itself.
pub const CALL: u32 = 63;

/// Whether an operation changes something.
pub const fn is_change(operation: u32) -> bool {
    operation == TRUNCATE
        || operation >= DELETE && operation <= PIVOT_ROOT
        || operation >= ACCT && operation <= SWAPOFF
        || operation >= CHATTR && operation <= MOUNT_SETATTR
}

/// Whether an operation reads or writes content.
pub const fn is_of_content(operation: u32) -> bool {
    operation == READ || operation == WRITE || operation == READ_DIRECTORY || operation == TRANSFER
}

/// Whether a failure by a descriptor says something of its file, if there is one.
pub const fn concerns_file(operation: u32) -> bool {
    is_change(operation) || operation == GETXATTR || is_of_content(operation)
}
