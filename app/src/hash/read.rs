//! Finds one executed file again, proves that it is the one, and hashes it.
//!
//! Nothing is opened for reading before it is known to be a regular file: a descriptor that only names the file
//! (`O_PATH`) has no side effects on FIFOs and devices, is checked, and is then reopened by its number, so that
//! nothing can be exchanged in between.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{FileExt, MetadataExt, OpenOptionsExt},
        },
    },
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2},
    sched::{CloneFlags, setns, unshare},
};
use sha2::{Digest, Sha256};

use super::{
    keep::{Kept, Lent},
    mounts::{self, Mounts, mount_and_inode},
};
use crate::{
    event::{FileFacts, Unreadable},
    launch::detached,
};

/// Bytes read at a time: large enough that the system call does not show beside the hashing.
const CHUNK_BYTES: usize = 256 * 1024;

/// Descriptors of a process among which its script is looked for; interpreters open it early.
const DESCRIPTORS: usize = 256;

/// A file to be hashed: where it may be found, and what the kernel said of it when it was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// In order of preference.
    pub(super) candidates: Vec<Candidate>,
    /// Absent for a script that only its name is known of: any regular file found is then believed.
    pub(super) facts: Option<FileFacts>,
}

impl Request {
    /// The same with the namespaces that are still held, held as long as it lives.
    pub(super) fn taken(&self) -> Self {
        let take = |candidate: &Candidate| match candidate {
            Candidate::InNamespace(namespace, path) => {
                Some(Candidate::InNamespace(Lent::Taken(namespace.kept()?), path.clone()))
            }
            other => Some(other.clone()),
        };
        Self { candidates: self.candidates.iter().filter_map(take).collect(), facts: self.facts }
    }
}

/// A way to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Candidate {
    /// The file itself, found when it was executed.
    Held(Kept),
    /// The image that this process runs, whatever its name and mount namespace.
    Exe(u32),
    /// A path below the root directory of this process.
    InRoot(u32, Vec<u8>),
    /// A path as glasshouse sees it.
    Path(Vec<u8>),
    /// A descriptor of this process, by its number.
    Descriptor(u32, u32),
    /// Whichever descriptor of this process leads to the file: that by which an interpreter reads its script.
    AnyDescriptor(u32),
    /// A path from the root of a mount namespace. Looking into one takes a process of its own.
    InNamespace(Lent, Vec<u8>),
}

/// A digest and the number of bytes that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hashed {
    pub(super) sha256: [u8; 32],
    pub(super) size: u64,
}

/// How much may be asked of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing that could wait for a server: paths only as far as the kernel's cache knows them, and no question to
    /// a file before its superblock is known to be the local one that was executed from.
    Local,
    /// Anything: somebody watches, and ends this process if it hangs.
    Watched,
}

/// Why there is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is none to be had.
    Final(Unreadable),
    /// Finding it needs more than [`Mode::Local`] allows.
    NeedsWatching,
}

/// Tries the candidates in turn. `own` are glasshouse's own mounts; `progress` is called with each piece that
/// was hashed.
pub(super) fn hash(
    request: &Request,
    mode: Mode,
    own: &Mounts,
    progress: &mut dyn FnMut(&[u8]),
) -> Result<Hashed, Failure> {
    let mut failure = Unreadable::Gone;
    let mut needs_watching = false;
    for candidate in &request.candidates {
        let reason = match find(candidate, request.facts.as_ref(), mode, own) {
            Ok(Some((file, metadata))) => match digest(&file, &metadata, &mut Vec::new(), progress) {
                Ok(hashed) => return Ok(hashed),
                Err(reason) => reason,
            },
            Ok(None) => continue,
            Err(Failure::Final(reason)) => reason,
            Err(Failure::NeedsWatching) => {
                needs_watching = true;
                continue;
            }
        };
        if telling(reason) > telling(failure) {
            failure = reason;
        }
    }
    Err(if needs_watching { Failure::NeedsWatching } else { Failure::Final(failure) })
}

/// Of several reasons the most telling one is reported.
fn telling(reason: Unreadable) -> u8 {
    match reason {
        Unreadable::Changed => 3,
        Unreadable::NotRegular => 2,
        Unreadable::Io(_) => 1,
        _ => 0,
    }
}

/// Names the file on one of these mounts, as far as that can be done without asking anybody but the kernel.
pub(super) fn locate(request: &Request, own: &Mounts, mounts: &[u64]) -> Option<File> {
    let facts = request.facts.as_ref()?;
    request.candidates.iter().find_map(|candidate| {
        let named = open_path(candidate, Some(facts), Mode::Local, own).ok()?;
        let (mount, _) = mount_and_inode_of(&named.file).ok()?;
        (mounts.contains(&mount) && named.is(facts, Mode::Local, own).ok()?).then_some(named.file)
    })
}

/// The file of a candidate, opened for reading, with its state; `None` if that is another file.
fn find(
    candidate: &Candidate,
    facts: Option<&FileFacts>,
    mode: Mode,
    own: &Mounts,
) -> Result<Option<(File, Metadata)>, Failure> {
    let refuse = |error: io::Error| why(error, mode);
    if mode == Mode::Local && matches!(candidate, Candidate::InNamespace(..)) {
        return Err(Failure::NeedsWatching);
    }
    let named = open_path(candidate, facts, mode, own).map_err(refuse)?;
    // What is held was looked at when it was found.
    if let Some(facts) = facts
        && !matches!(candidate, Candidate::Held(_))
        && !named.is(facts, mode, own).map_err(refuse)?
    {
        return Ok(None);
    }
    let mut named = named.file;
    // Whatever mount it is on can be unmounted from here on. One of another namespace cannot be cloned from
    // here, and stays busy while the file is read.
    if mount_and_inode_of(&named).is_ok_and(|(mount, _)| !mounts::stood_on().contains(&mount))
        && let Ok(detached) = detached(&named)
    {
        named = detached.into();
    }
    let metadata = named.metadata().map_err(refuse)?;
    if !metadata.is_file() {
        return Err(Failure::Final(Unreadable::NotRegular));
    }
    if facts.is_some_and(|facts| !unchanged(facts, &metadata)) {
        return Err(Failure::Final(Unreadable::Changed));
    }
    let file = reopen(&named).map_err(refuse)?;
    Ok(Some((file, metadata)))
}

/// Opens for reading what a descriptor names.
pub(super) fn reopen(named: &File) -> io::Result<File> {
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(format!("/proc/self/fd/{}", named.as_raw_fd()))
}

pub(super) fn why(error: io::Error, mode: Mode) -> Failure {
    Failure::Final(match error.raw_os_error() {
        Some(libc::EAGAIN) if mode == Mode::Local => return Failure::NeedsWatching,
        Some(libc::ENOENT | libc::ESRCH | libc::ENOTDIR | libc::ELOOP) => Unreadable::Gone,
        Some(errno) => Unreadable::Io(errno),
        None => Unreadable::Gone,
    })
}

fn unchanged(facts: &FileFacts, metadata: &Metadata) -> bool {
    facts.size == metadata.size()
        && facts.mtime == (metadata.mtime(), metadata.mtime_nsec() as u32)
        && facts.ctime == (metadata.ctime(), metadata.ctime_nsec() as u32)
}

/// A descriptor that names a file and can do nothing else.
struct Named {
    file: File,
    /// Whose mounts the file may be on, if not on glasshouse's own.
    place: Place,
}

enum Place {
    Own,
    OfProcess(u32),
    Namespace(Mounts),
}

fn open_path(
    candidate: &Candidate,
    facts: Option<&FileFacts>,
    mode: Mode,
    own: &Mounts,
) -> io::Result<Named> {
    let (file, place) = match candidate {
        Candidate::Held(kept) => (kept.file().try_clone()?, Place::Own),
        Candidate::Exe(pid) => (open_proc(&format!("/proc/{pid}/exe"))?, Place::OfProcess(*pid)),
        Candidate::InRoot(pid, path) => {
            let root = open_proc(&format!("/proc/{pid}/root"))?;
            // Symbolic links, too, are then followed as that process would.
            (resolve(&root, path, ResolveFlag::RESOLVE_IN_ROOT, mode)?, Place::OfProcess(*pid))
        }
        Candidate::Path(path) => {
            (resolve(AT_FDCWD, path, ResolveFlag::RESOLVE_NO_MAGICLINKS, mode)?, Place::Own)
        }
        Candidate::Descriptor(pid, number) => {
            let described = describes(*pid, &number.to_string(), facts, own);
            let number = described.then_some(*number).ok_or(Errno::ENOENT)?;
            (open_proc(&format!("/proc/{pid}/fd/{number}"))?, Place::OfProcess(*pid))
        }
        Candidate::AnyDescriptor(pid) => {
            let mut entries = fs::read_dir(format!("/proc/{pid}/fdinfo"))?.take(DESCRIPTORS).flatten();
            let found = entries.find_map(|entry| {
                let number = entry.file_name().into_string().ok()?;
                describes(*pid, &number, facts, own).then_some(number)
            });
            let number = found.ok_or(Errno::ENOENT)?;
            (open_proc(&format!("/proc/{pid}/fd/{number}"))?, Place::OfProcess(*pid))
        }
        Candidate::InNamespace(namespace, path) => {
            let namespace = namespace.kept().ok_or(Errno::ENOENT)?;
            let (file, mounts) = in_namespace(namespace.file(), path)?;
            (file, Place::Namespace(mounts))
        }
    };
    Ok(Named { file, place })
}

/// Whether a descriptor of a process is of this file. Only procfs is asked, so that no other is followed.
fn describes(pid: u32, number: &str, facts: Option<&FileFacts>, own: &Mounts) -> bool {
    let description = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok();
    let Some(((mount, inode), facts)) = description.as_deref().and_then(mount_and_inode).zip(facts) else {
        return false;
    };
    let device = || own.device(mount).or_else(|| Mounts::of(pid).device(mount));
    inode == facts.inode && device() == Some(facts.device)
}

/// Names a file in another mount namespace. A thread does it that does not come back from there.
fn in_namespace(namespace: &File, path: &[u8]) -> io::Result<(File, Mounts)> {
    let enter = || {
        // The namespace need not have a /proc.
        let process = OwnedFd::from(open_proc("/proc/thread-self")?);
        unshare(CloneFlags::CLONE_FS)?;
        setns(namespace, CloneFlags::CLONE_NEWNS)?;
        let file = resolve(AT_FDCWD, path, ResolveFlag::RESOLVE_NO_MAGICLINKS, Mode::Watched)?;
        Ok((file, Mounts::below(&process)))
    };
    let entered = std::thread::scope(|scope| scope.spawn(enter).join());
    entered.unwrap_or_else(|_| Err(Errno::EIO.into()))
}

pub(super) fn open_proc(path: &str) -> io::Result<File> {
    fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path)
}

fn resolve(directory: impl AsFd, path: &[u8], flags: ResolveFlag, mode: Mode) -> io::Result<File> {
    let cached = match mode {
        Mode::Local => ResolveFlag::from_bits_retain(libc::RESOLVE_CACHED),
        Mode::Watched => ResolveFlag::empty(),
    };
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(flags | cached);
    let found = loop {
        match openat2(&directory, Path::new(OsStr::from_bytes(path)), how) {
            Err(Errno::EINTR) => {}
            other => break other,
        }
    };
    Ok(File::from(found.map_err(io::Error::from)?))
}

/// Mount id and inode number of what a descriptor names, told by the kernel alone.
pub(super) fn mount_and_inode_of(file: &File) -> io::Result<(u64, u64)> {
    let description = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    mount_and_inode(&description).ok_or_else(|| io::ErrorKind::Unsupported.into())
}

impl Named {
    fn is(&self, facts: &FileFacts, mode: Mode, own: &Mounts) -> io::Result<bool> {
        Ok(self.device_and_inode(mode, own)? == Some((facts.device, facts.inode)))
    }

    /// Device of the superblock and inode number: from the kernel's own description of the descriptor, as `st_dev` and
    /// `st_ino` are made up by stacked and by multi-volume file systems (overlayfs, btrfs) and ask the file system.
    fn device_and_inode(&self, mode: Mode, own: &Mounts) -> io::Result<Option<((u32, u32), u64)>> {
        let (mount, inode) = mount_and_inode_of(&self.file)?;
        let theirs = || match &self.place {
            Place::Own => None,
            Place::OfProcess(pid) => Mounts::of(*pid).device(mount),
            Place::Namespace(mounts) => mounts.device(mount),
        };
        if let Some(device) = own.device(mount).or_else(theirs) {
            return Ok(Some((device, inode)));
        }
        // A mount that no namespace has, or none that can be looked into.
        if mode == Mode::Local {
            return Ok(None);
        }
        let metadata = self.file.metadata()?;
        Ok(Some(((libc::major(metadata.dev()), libc::minor(metadata.dev())), metadata.ino())))
    }
}

/// Hashes as many bytes as the file is said to have, and fails if it has more, has fewer or was touched meanwhile.
/// The buffer may be used for one file after the other.
pub(super) fn digest(
    file: &File,
    before: &Metadata,
    buffer: &mut Vec<u8>,
    progress: &mut dyn FnMut(&[u8]),
) -> Result<Hashed, Unreadable> {
    let io_error = |error: io::Error| Unreadable::Io(error.raw_os_error().unwrap_or(libc::EIO));
    let size = before.size();
    let wanted = CHUNK_BYTES.min(usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1));
    if buffer.len() < wanted {
        buffer.resize(wanted, 0);
    }
    let mut hasher = Sha256::new();
    let mut offset = 0;
    loop {
        match file.read_at(buffer, offset) {
            Ok(0) => break,
            Ok(length) => {
                offset += length as u64;
                if offset > size {
                    return Err(Unreadable::Changed);
                }
                hasher.update(&buffer[..length]);
                progress(&buffer[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error(error)),
        }
    }
    let after = file.metadata().map_err(io_error)?;
    let state = |metadata: &Metadata| {
        (metadata.size(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
    };
    if offset != size || state(before) != state(&after) {
        return Err(Unreadable::Changed);
    }
    Ok(Hashed { sha256: hasher.finalize().into(), size })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
pub(super) mod tests {
    use std::{io::Write, time::Instant};

    use nix::{sys::stat::Mode as Permissions, unistd::mkfifo};

    use super::*;

    /// What the kernel side would have said of a file.
    pub(in crate::hash) fn facts_of(path: &Path) -> FileFacts {
        let file = open_proc(path.to_str().unwrap()).unwrap();
        let metadata = file.metadata().unwrap();
        let named = Named { file, place: Place::Own };
        let (device, inode) = named.device_and_inode(Mode::Watched, &Mounts::own()).unwrap().unwrap();
        FileFacts {
            device,
            inode,
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec() as u32),
            ctime: (metadata.ctime(), metadata.ctime_nsec() as u32),
            mode: metadata.mode(),
            links: metadata.nlink() as u32,
            unlinked: false,
            unreachable: false,
        }
    }

    fn request(path: &Path, facts: Option<FileFacts>) -> Request {
        Request { candidates: vec![Candidate::Path(path.as_os_str().as_bytes().to_vec())], facts }
    }

    fn watched(request: &Request) -> Result<Hashed, Failure> {
        hash(request, Mode::Watched, &Mounts::own(), &mut |_| {})
    }

    /// SHA-256 of `abc` (FIPS 180-2, appendix B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn hex(bytes: [u8; 32]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hashes_the_file_that_was_executed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "abc").unwrap();
        for mode in [Mode::Local, Mode::Watched] {
            let hashed =
                hash(&request(&path, Some(facts_of(&path))), mode, &Mounts::own(), &mut |_| {}).unwrap();
            assert_eq!((hex(hashed.sha256).as_str(), hashed.size), (ABC, 3));
        }
        assert_eq!(hex(watched(&request(&path, None)).unwrap().sha256), ABC);
        fs::write(&path, "").unwrap();
        assert_eq!(watched(&request(&path, None)).unwrap().size, 0);
    }

    #[test]
    fn another_file_of_the_same_name_is_not_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, "abc").unwrap();
        let facts = facts_of(&path);
        let other = directory.path().join("other");
        fs::write(&other, "abc").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(watched(&request(&path, Some(facts))), Err(Failure::Final(Unreadable::Gone)));
        fs::remove_file(&path).unwrap();
        assert_eq!(watched(&request(&path, Some(facts))), Err(Failure::Final(Unreadable::Gone)));
    }

    #[test]
    fn a_rewritten_file_is_found_out_even_if_its_times_are_set_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        fs::write(&path, "abc").unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let facts = facts_of(&path);
        std::thread::sleep(std::time::Duration::from_millis(20));
        let file = File::options().write(true).open(&path).unwrap();
        (&file).write_all(b"xyz").unwrap();
        file.set_modified(before).unwrap();
        assert_eq!(facts_of(&path).mtime, facts.mtime);
        assert_eq!(watched(&request(&path, Some(facts))), Err(Failure::Final(Unreadable::Changed)));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_found_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, vec![7; 3 * CHUNK_BYTES]).unwrap();
        let mut grow =
            |_: &[u8]| File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        let result = hash(&request(&path, Some(facts_of(&path))), Mode::Watched, &Mounts::own(), &mut grow);
        assert_eq!(result, Err(Failure::Final(Unreadable::Changed)));
    }

    #[test]
    fn a_file_that_is_rewritten_while_it_is_read_is_found_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        fs::write(&path, vec![7; 3 * CHUNK_BYTES]).unwrap();
        let facts = facts_of(&path);
        // The kernel's time of a change may be that of its last tick.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut rewrite =
            |_: &[u8]| File::options().write(true).open(&path).unwrap().write_all(b"other").unwrap();
        let result = hash(&request(&path, Some(facts)), Mode::Watched, &Mounts::own(), &mut rewrite);
        assert_eq!(result, Err(Failure::Final(Unreadable::Changed)));
    }

    #[test]
    fn fifos_devices_and_directories_are_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        mkfifo(&fifo, Permissions::S_IRUSR).unwrap();
        let began = Instant::now();
        for path in [fifo.as_path(), Path::new("/dev/null"), directory.path()] {
            assert_eq!(watched(&request(path, None)), Err(Failure::Final(Unreadable::NotRegular)));
        }
        assert!(began.elapsed().as_secs() < 1);
    }

    #[test]
    fn the_own_image_is_found_through_proc() {
        let pid = std::process::id();
        let path = std::env::current_exe().unwrap();
        let size = facts_of(&path).size;
        let facts = Some(facts_of(&path));
        for mode in [Mode::Local, Mode::Watched] {
            let by_exe = hash(
                &Request { candidates: vec![Candidate::Exe(pid)], facts },
                mode,
                &Mounts::own(),
                &mut |_| {},
            )
            .unwrap();
            assert_eq!(by_exe.size, size);
        }
        let in_root = Candidate::InRoot(pid, path.as_os_str().as_bytes().to_vec());
        assert!(watched(&Request { candidates: vec![in_root], facts }).is_ok());
    }

    #[test]
    fn an_unlinked_image_is_still_found_through_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sleep");
        // By another process: a child that another test starts meanwhile would keep the copy open for writing.
        assert!(std::process::Command::new("cp").arg("/bin/sleep").arg(&path).status().unwrap().success());
        let mut child = std::process::Command::new(&path).arg("60").spawn().unwrap();
        fs::remove_file(&path).unwrap();
        let exe = format!("/proc/{}/exe", child.id());
        let facts = facts_of(Path::new(&exe));
        let found = watched(&Request { candidates: vec![Candidate::Exe(child.id())], facts: Some(facts) });
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.unwrap().size, facts.size);
    }

    #[test]
    fn a_path_that_the_kernel_has_not_cached_needs_watching() {
        let missing = Path::new("/proc/self/no-such-file-as-this");
        let result = hash(&request(missing, None), Mode::Local, &Mounts::own(), &mut |_| {});
        assert!(matches!(result, Err(Failure::NeedsWatching | Failure::Final(Unreadable::Gone))));
        assert_eq!(watched(&request(missing, None)), Err(Failure::Final(Unreadable::Gone)));
    }
}
