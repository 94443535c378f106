//! What sort of file one is, and how those are called that have no name.

use crate::event::{FileFacts, Observed};

/// The sort of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
    /// A pipe, with a name or without.
    Fifo,
    /// A socket, with a name or without.
    Socket,
    /// A file of procfs.
    Proc,
    /// A file by which the kernel shows itself elsewhere: sysfs, cgroups, debugfs and their like.
    Kernel,
    /// Memory that is a file: `memfd_create` and its like.
    Memfd,
    /// A namespace.
    Namespace,
    /// An object that only has a descriptor: eventfd, epoll, timerfd, pidfd, …
    Anonymous,
}

// Types of `i_mode`, from linux/stat.h.
const S_IFMT: u32 = 0o170_000;
const S_IFSOCK: u32 = 0o140_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFIFO: u32 = 0o010_000;

// File systems, from linux/magic.h.
const ANON_INODE_FS: u64 = 0x0904_1934;
const DMA_BUF: u64 = 0x444d_4142;
const HUGETLBFS: u64 = 0x9584_58f6;
const NSFS: u64 = 0x6e73_6673;
const PIDFS: u64 = 0x5049_4446;
const PIPEFS: u64 = 0x5049_5045;
const PROC: u64 = 0x9fa0;
const SECRETMEM: u64 = 0x5345_434d;
const SOCKFS: u64 = 0x534f_434b;
const TMPFS: u64 = 0x0102_1994;
/// Those whose files are made by the kernel as they are read: apparmorfs, binderfs, binfmt_misc, bpf, cgroup, cgroup2,
/// configfs, debugfs, efivarfs, pstore, resctrl, securityfs, selinuxfs, smackfs, sysfs, tracefs.
const KERNEL: [u64; 16] = [
    0x5a3c_69f0,
    0x6c6f_6f70,
    0x4249_4e4d,
    0xcafe_4a11,
    0x0027_e0eb,
    0x6367_7270,
    0x6265_6570,
    0x6462_6720,
    0xde5e_81e4,
    0x6165_676c,
    0x0765_5821,
    0x7363_6673,
    0xf97c_ff8c,
    0x4341_5d53,
    0x6265_6572,
    0x7472_6163,
];

impl FileKind {
    /// What is written to it stays, or is acted upon; of terminals, pipes and sockets it only goes through.
    pub(super) fn has_content(self) -> bool {
        !matches!(self, Self::CharDevice | Self::Fifo | Self::Socket | Self::Anonymous | Self::Namespace)
    }

    /// The sort of a file of the file system with this magic number, under this path.
    pub(super) fn of(facts: &FileFacts, file_system: u64, path: Option<&[u8]>) -> Self {
        match file_system {
            NSFS => return Self::Namespace,
            ANON_INODE_FS | PIDFS | DMA_BUF => return Self::Anonymous,
            SECRETMEM => return Self::Memfd,
            TMPFS | HUGETLBFS if facts.unreachable && path.is_some_and(is_memfd) => return Self::Memfd,
            _ => {}
        }
        match Self::of_mode(facts.mode) {
            Self::Regular if file_system == PROC => Self::Proc,
            Self::Regular if KERNEL.contains(&file_system) => Self::Kernel,
            kind => kind,
        }
    }

    /// The sort of a file that was executed; of its file system nothing is known.
    pub(super) fn of_executed(facts: &FileFacts, path: Option<&[u8]>) -> Self {
        match facts.unreachable && path.is_some_and(is_memfd) {
            true => Self::Memfd,
            false => Self::of_mode(facts.mode),
        }
    }

    /// What the type in a mode says; without one it is a regular file, as for mknod.
    pub(super) fn of_mode(mode: u32) -> Self {
        match mode & S_IFMT {
            S_IFSOCK => Self::Socket,
            S_IFLNK => Self::Symlink,
            S_IFBLK => Self::BlockDevice,
            S_IFDIR => Self::Directory,
            S_IFCHR => Self::CharDevice,
            S_IFIFO => Self::Fifo,
            _ => Self::Regular,
        }
    }
}

fn is_memfd(path: &[u8]) -> bool {
    base(path).starts_with(b"memfd:")
}

fn base(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}

/// The name that the kernel shows in `/proc/PID/fd` for a file that has none; `None` for one that has.
pub(super) fn name_of_nameless(
    facts: &FileFacts,
    file_system: u64,
    path: &Observed<Vec<u8>>,
) -> Option<Vec<u8>> {
    let numbered = |what: &str| Some(format!("{what}:[{}]", facts.inode).into_bytes());
    match file_system {
        PIPEFS => numbered("pipe"),
        SOCKFS => numbered("socket"),
        PIDFS => numbered("pidfd"),
        // Which namespace it is, only the kernel's operations of the inode would tell.
        NSFS => numbered("namespace"),
        ANON_INODE_FS => {
            let name = base(path.value()?);
            Some(match name.starts_with(b"anon_inode:") {
                true => name.to_vec(),
                false => [b"anon_inode:".as_slice(), name].concat(),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(mode: u32, unreachable: bool) -> FileFacts {
        FileFacts {
            device: (0, 1),
            inode: 7,
            size: 0,
            mtime: (0, 0),
            ctime: (0, 0),
            mode,
            links: 1,
            unlinked: false,
            unreachable,
        }
    }

    #[test]
    fn kinds() {
        let check = |mode, unreachable, file_system, path: &str, expected| {
            let facts = facts(mode, unreachable);
            assert_eq!(FileKind::of(&facts, file_system, Some(path.as_bytes())), expected, "{path}");
        };
        check(0o100_644, false, 0xef53, "/etc/passwd", FileKind::Regular);
        check(0o040_755, false, PROC, "/proc/1", FileKind::Directory);
        check(0o100_444, false, PROC, "/proc/1/stat", FileKind::Proc);
        check(0o100_444, false, 0x6367_7270, "/sys/fs/cgroup/x", FileKind::Kernel);
        check(0o100_777, true, TMPFS, "/memfd:x", FileKind::Memfd);
        check(0o100_777, false, TMPFS, "/tmp/memfd:x", FileKind::Regular);
        check(0o100_777, false, TMPFS, "/memfd:x", FileKind::Regular);
        check(0o010_600, false, PIPEFS, "", FileKind::Fifo);
        check(0o140_777, false, SOCKFS, "TCP", FileKind::Socket);
        check(0o000_600, false, ANON_INODE_FS, "[eventfd]", FileKind::Anonymous);
        check(0o020_666, false, TMPFS, "/dev/null", FileKind::CharDevice);
        check(0o060_660, false, TMPFS, "/dev/vda", FileKind::BlockDevice);
        check(0o120_777, false, 0xef53, "/bin", FileKind::Symlink);
        check(0o100_444, false, NSFS, "", FileKind::Namespace);
    }

    #[test]
    fn names_of_the_nameless() {
        let check = |file_system, path: &str, expected: Option<&str>| {
            let path = Observed::Complete(path.as_bytes().to_vec());
            let name = name_of_nameless(&facts(0, false), file_system, &path);
            assert_eq!(name.as_deref(), expected.map(str::as_bytes));
        };
        check(PIPEFS, "", Some("pipe:[7]"));
        check(SOCKFS, "TCP", Some("socket:[7]"));
        check(ANON_INODE_FS, "/[eventpoll]", Some("anon_inode:[eventpoll]"));
        check(ANON_INODE_FS, "anon_inode:[eventpoll]", Some("anon_inode:[eventpoll]"));
        check(PIDFS, "/", Some("pidfd:[7]"));
        check(0xef53, "/etc", None);
    }
}
