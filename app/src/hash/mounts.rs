//! Mount tables: which superblock a mount id belongs to, and which file systems answer for themselves.

use std::fs;

/// One line of a mountinfo file (proc(5)).
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

impl Mounts {
    /// The table that glasshouse itself sees.
    pub(super) fn own() -> Self {
        Self::read("/proc/self/mountinfo")
    }

    /// The table that a process sees; empty if it is gone.
    pub(super) fn of(pid: u32) -> Self {
        Self::read(&format!("/proc/{pid}/mountinfo"))
    }

    fn read(path: &str) -> Self {
        Self::parse(&fs::read(path).unwrap_or_default())
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
    fn damaged_lines_are_left_out() {
        let mounts = Mounts::parse(b"27 1 253:0 / / rw - ext4 d rw\nx\n1 2 3\n\xff\xff - \n");
        assert_eq!(mounts.0.len(), 1);
    }
}
