//! Mount tables: which superblock a mount id belongs to, and which file systems answer for themselves.

use std::{
    fs::{self, File},
    io::{Read, Seek},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::OnceLock,
};

use nix::{
    fcntl::{OFlag, openat},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        epoll::{Epoll, EpollEvent, EpollFlags},
        memfd::{MFdFlags, memfd_create},
        stat::Mode,
    },
};

use super::read::{mount_and_inode_of, open_proc};

/// One line of a mountinfo file (proc(5)).
#[derive(Clone)]
struct Mount {
    id: u64,
    device: (u32, u32),
    at_root: bool,
    kind: String,
}

/// The mounts of one mount namespace.
#[derive(Default)]
pub(super) struct Mounts(Vec<Mount>);

/// File systems whose content comes from a server, which may be slow, gone or hostile. All FUSE ones (`fuse`,
/// `fuseblk`, `fuse.sshfs`, …) and NFS versions are matched by their beginning.
const REMOTE: [&str; 16] = [
    "9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "gfs2", "gpfs", "lustre", "ocfs2", "orangefs",
    "smb3", "smbfs", "vboxsf", "virtiofs",
];

/// File systems that live in the kernel's memory alone. If one of them ends a moment later than it could have, nobody
/// is kept from anything.
const IN_MEMORY: [&str; 18] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

impl Mounts {
    /// The table that glasshouse itself sees, and the mount of memfds.
    pub(super) fn own() -> Self {
        Self::read("/proc/self/mountinfo").with_memory()
    }

    /// The table that a process sees; empty if it is gone.
    pub(super) fn of(pid: u32) -> Self {
        Self::read(&format!("/proc/{pid}/mountinfo"))
    }

    fn read(path: &str) -> Self {
        Self::parse(&fs::read(path).unwrap_or_default())
    }

    /// The table of a process whose folder in /proc this is.
    pub(super) fn below(process: &OwnedFd) -> Self {
        let how = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let opened = openat(process, "mountinfo", how, Mode::empty());
        opened.map(|file| Self::from_file(&mut File::from(file))).unwrap_or_default()
    }

    /// Empty if it cannot be read: then nothing is known of any mount.
    fn from_file(file: &mut File) -> Self {
        let mut text = Vec::new();
        match file.rewind().and_then(|()| file.read_to_end(&mut text)) {
            Ok(_) => Self::parse(&text),
            Err(_) => Self::default(),
        }
    }

    fn with_memory(mut self) -> Self {
        self.0.extend(memory().cloned());
        self
    }

    fn parse(text: &[u8]) -> Self {
        Self(String::from_utf8_lossy(text).lines().filter_map(parse_line).collect())
    }

    /// Device of the superblock behind a mount id.
    pub(super) fn device(&self, id: u64) -> Option<(u32, u32)> {
        self.0.iter().find(|mount| mount.id == id).map(|mount| mount.device)
    }

    /// The kernel alone answers for the file systems on this device, so that reading from it cannot hang.
    ///
    /// Only what is in this table counts: a file system that was mounted out of sight, in a user's own namespace, may
    /// be stacked on anything. The device of the root directory always counts, as everything hangs if it does.
    pub(super) fn is_local(&self, device: (u32, u32)) -> bool {
        let mut mounts = self.0.iter().filter(|mount| mount.device == device).peekable();
        let Some(first) = mounts.peek() else { return false };
        // All mounts of one device are of one file system.
        !is_remote(&first.kind) || mounts.any(|mount| mount.at_root)
    }

    /// Whether the file system on this device may end a little later than it is unmounted: it needs no device of its own,
    /// or was mounted `before`. A device would stay busy, and be written to when it is taken to be at rest. An overlay
    /// may need any that is mounted.
    pub(super) fn is_free_beside(&self, device: (u32, u32), before: &Self) -> Option<bool> {
        let free = |mount: &Mount| !needs_device(&mount.kind) || before.device_is_known(mount.device);
        let mount = self.0.iter().find(|mount| mount.device == device)?;
        Some(match mount.kind.as_str() {
            "overlay" => before.device_is_known(device) || self.0.iter().all(free),
            _ => free(mount),
        })
    }

    fn device_is_known(&self, device: (u32, u32)) -> bool {
        self.0.iter().any(|mount| mount.device == device)
    }

    /// Whether a namespace with this table can be held without anybody missing what is mounted there: it is in memory
    /// alone, or what is mounted on the root directory of `own`, which cannot be unmounted. An empty table says nothing.
    pub(super) fn is_nothing_to_miss_beside(&self, own: &Self) -> bool {
        let stays = |mount: &Mount| own.0.iter().any(|root| root.at_root && root.device == mount.device);
        !self.0.is_empty()
            && self.0.iter().all(|mount| IN_MEMORY.contains(&mount.kind.as_str()) || stays(mount))
    }
}

/// A mount table that is kept open. It keeps its namespace alive.
pub(super) struct MountTable(File);

impl MountTable {
    /// That of a process.
    pub(super) fn of(pid: u32) -> Option<Self> {
        File::open(format!("/proc/{pid}/mountinfo")).ok().map(Self)
    }

    pub(super) fn read(&mut self) -> Mounts {
        Mounts::from_file(&mut self.0)
    }

    /// Has changes told to an epoll, as priority events (proc(5)).
    pub(super) fn watch(&self, epoll: &Epoll) -> nix::Result<()> {
        epoll.add(&self.0, EpollEvent::new(EpollFlags::EPOLLPRI, 0))
    }

    /// Whether it has changed since this was last asked.
    fn has_changed(&self) -> bool {
        poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLPRI)], PollTimeout::ZERO) != Ok(0)
    }
}

/// glasshouse's own table, read again when the kernel says that it has changed.
pub(super) struct OwnMounts {
    table: Option<MountTable>,
    mounts: Mounts,
}

impl OwnMounts {
    pub(super) fn new() -> Self {
        let mut table = MountTable::of(std::process::id());
        let mounts = table.as_mut().map(MountTable::read).unwrap_or_default().with_memory();
        Self { table, mounts }
    }

    pub(super) fn current(&mut self) -> &Mounts {
        if let Some(table) = &mut self.table
            && table.has_changed()
        {
            self.mounts = table.read().with_memory();
        }
        &self.mounts
    }
}

/// Mount id and inode number in the kernel's description of a descriptor (proc(5), `/proc/PID/fdinfo`).
pub(super) fn mount_and_inode(description: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        let value = description.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().parse().ok()
    };
    Some((field("mnt_id:")?, field("ino:")?))
}

/// The mount of memfds: the kernel's own tmpfs, which no table shows. Learned from a memfd.
fn memory() -> Option<&'static Mount> {
    static MEMORY: OnceLock<Option<Mount>> = OnceLock::new();
    let look = || {
        let file = File::from(memfd_create("", MFdFlags::MFD_CLOEXEC).ok()?);
        let description = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
        let (id, _) = mount_and_inode(&description)?;
        let device = file.metadata().ok()?.dev();
        let device = (libc::major(device), libc::minor(device));
        Some(Mount { id, device, at_root: false, kind: "tmpfs".to_owned() })
    };
    MEMORY.get_or_init(look).as_ref()
}

/// Whatever is not known to do without.
fn needs_device(kind: &str) -> bool {
    kind == "fuseblk" || !(kind == "overlay" || is_remote(kind) || IN_MEMORY.contains(&kind))
}

/// Ids of the mounts of glasshouse's root and working directory, which are busy anyhow, and of that of memfds, which is
/// in no namespace.
pub(super) fn stood_on() -> &'static [u64] {
    static STOOD_ON: OnceLock<Vec<u64>> = OnceLock::new();
    STOOD_ON.get_or_init(|| {
        let directories = ["/", "."].into_iter().filter_map(|directory| {
            let named = open_proc(directory).ok()?;
            Some(mount_and_inode_of(&named).ok()?.0)
        });
        directories.chain(memory().map(|memory| memory.id)).collect()
    })
}

fn is_remote(kind: &str) -> bool {
    kind.starts_with("fuse") || kind.starts_with("nfs") || REMOTE.contains(&kind)
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ');
    let id = fields.next()?.parse().ok()?;
    let (major, minor) = fields.nth(1)?.split_once(':')?;
    let at_root = fields.nth(1)? == "/";
    let kind = file_system.split(' ').next()?.to_owned();
    Some(Mount { id, device: (major.parse().ok()?, minor.parse().ok()?), at_root, kind })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
mod tests {
    use super::*;

    const TABLE: &str = "\
27 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 27 0:21 / /proc rw,relatime - proc proc rw
40 27 0:40 / /home/u/mnt rw,nosuid - fuse.sshfs u@h: rw,user_id=1000
41 27 0:41 / /srv rw shared:3 master:2 - nfs4 h:/srv rw
42 27 0:42 / /merged rw - overlay overlay rw,lowerdir=/a
";

    #[test]
    fn finds_devices_by_mount_id() {
        let mounts = Mounts::parse(TABLE.as_bytes());
        assert_eq!(mounts.device(27), Some((253, 0)));
        assert_eq!(mounts.device(41), Some((0, 41)));
        assert_eq!(mounts.device(99), None);
    }

    #[test]
    fn only_known_kernel_file_systems_are_local() {
        let mounts = Mounts::parse(TABLE.as_bytes());
        assert!(mounts.is_local((253, 0)));
        assert!(mounts.is_local((0, 42)));
        assert!(!mounts.is_local((0, 40)));
        assert!(!mounts.is_local((0, 41)));
        assert!(!mounts.is_local((0, 99)), "not in the table");
    }

    #[test]
    fn the_root_directory_is_local_whatever_it_is() {
        let mounts = Mounts::parse(b"27 1 0:40 / / rw - fuse.fuse-overlayfs o rw\n");
        assert!(mounts.is_local((0, 40)));
    }

    #[test]
    fn only_what_nobody_misses_may_be_held() {
        let own = Mounts::parse(TABLE.as_bytes());
        let with =
            |line: &str| Mounts::parse(format!("27 1 253:0 / / rw - ext4 /dev/vda rw\n{line}\n").as_bytes());
        assert!(with("").is_nothing_to_miss_beside(&own));
        assert!(with("50 27 0:60 / /t rw - tmpfs none rw").is_nothing_to_miss_beside(&own));
        assert!(with("50 27 253:0 /a /b rw - ext4 /dev/vda rw").is_nothing_to_miss_beside(&own));
        assert!(!with("50 27 7:0 / /mnt rw - ext4 /dev/loop0 rw").is_nothing_to_miss_beside(&own));
        assert!(!with("50 27 0:61 / /o rw - overlay overlay rw").is_nothing_to_miss_beside(&own));
        assert!(!own.is_nothing_to_miss_beside(&own), "what was there before can be unmounted as well");
        assert!(!Mounts::default().is_nothing_to_miss_beside(&own));
    }

    #[test]
    fn a_device_that_was_mounted_meanwhile_is_left_alone() {
        let before = Mounts::parse(TABLE.as_bytes());
        let with = |line: &str| Mounts::parse(format!("{TABLE}{line}\n").as_bytes());
        let free = |line, device| with(line).is_free_beside(device, &before);
        assert_eq!(free("", (253, 0)), Some(true));
        assert_eq!(free("50 27 0:60 / /t rw - tmpfs none rw", (0, 60)), Some(true));
        assert_eq!(free("50 27 7:0 / /mnt rw - ext4 /dev/loop0 rw", (7, 0)), Some(false));
        assert_eq!(free("50 27 0:61 / /mnt rw - fuseblk /dev/loop0 rw", (0, 61)), Some(false));
        assert_eq!(free("50 27 0:61 / /o rw - overlay overlay rw", (0, 61)), Some(true));
        let both = "50 27 0:61 / /o rw - overlay overlay rw\n51 27 0:62 / /b rw - btrfs /dev/loop0 rw";
        assert_eq!(free(both, (0, 61)), Some(false));
        assert_eq!(free("", (7, 0)), None);
    }

    #[test]
    fn memfds_are_on_a_mount_of_their_own() {
        let memory = memory().unwrap();
        let own = Mounts::own();
        assert_eq!(own.device(memory.id), Some(memory.device));
        assert!(own.is_local(memory.device));
        assert_eq!(Mounts::read("/proc/self/mountinfo").device(memory.id), None);
        let mut cached = OwnMounts::new();
        assert_eq!(cached.current().0.len(), own.0.len());
    }

    #[test]
    fn damaged_lines_are_left_out() {
        let mounts = Mounts::parse(b"27 1 253:0 / / rw - ext4 d rw\nx\n1 2 3\n\xff\xff - \n");
        assert_eq!(mounts.0.len(), 1);
    }
}
