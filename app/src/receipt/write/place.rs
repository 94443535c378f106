//! A name in an open directory.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{self, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, lstat, stat},
    unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat},
};

use super::{Sink, WriteError, WriteTo, sink::Done};

/// Mode of a receipt in place: everybody may read it, its owner may remove it.
const MODE: Mode = Mode::from_bits_truncate(0o644);
/// Mode of a file that is being written, and of one in the temporary directory.
const PRIVATE: Mode = Mode::from_bits_truncate(0o600);

/// The destination: a name in a directory that is held open.
#[derive(Debug)]
pub(super) struct Place {
    directory: OwnedFd,
    name: OsString,
    /// The whole path, absolute.
    pub(super) path: PathBuf,
}

/// Why a file could not be given to its owner; the file is in place all the same.
pub(super) type OwnerReason = Option<String>;

impl Place {
    /// Opens the directory of `path`, and tries out that files can be made there.
    pub(super) fn open(path: &Path) -> Result<Self, WriteError> {
        let refuse = |what, hint| WriteError::NotAFile { path: path.display().to_string(), what, hint };
        let directory_itself = || refuse("a directory", ", such as receipt.json in it");
        let ends_in_a_name = !path.as_os_str().as_bytes().ends_with(b"/");
        let name = path.file_name().filter(|_| ends_in_a_name).ok_or_else(directory_itself)?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let shown = || parent.display().to_string();
        let directory = open_directory(parent)
            .map_err(|cause| WriteError::Directory { directory: shown(), cause: cause.into() })?;
        if is_dev(&directory) {
            return Err(refuse("in /dev", ", or --receipt - for standard output"));
        }
        if let Ok(there) = fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            match SFlag::from_bits_truncate(there.st_mode) & SFlag::S_IFMT {
                SFlag::S_IFREG | SFlag::S_IFLNK => {}
                SFlag::S_IFDIR => return Err(directory_itself()),
                _ => return Err(refuse("not a regular file", ", or --receipt - for standard output")),
            }
        }
        let (_, trial) = create(&directory)
            .map_err(|cause| WriteError::NotWritable { directory: shown(), cause: cause.into() })?;
        remove(&directory, &trial);
        let path = path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { name: name.to_owned(), directory, path })
    }

    /// Writes a document and puts it in place. Whatever fails, nothing half-written remains.
    pub(super) fn write(
        &self,
        owner: Option<(u32, u32)>,
        write: &WriteTo,
    ) -> io::Result<(Done, OwnerReason)> {
        let (file, name) = create(&self.directory)?;
        let result = self.fill_and_rename(file, &name, owner, write);
        if result.is_err() {
            remove(&self.directory, &name);
        }
        result
    }

    fn fill_and_rename(
        &self,
        file: OwnedFd,
        name: &OsStr,
        owner: Option<(u32, u32)>,
        write: &WriteTo,
    ) -> io::Result<(Done, OwnerReason)> {
        let (file, done) = Sink::write_all(File::from(file), write)?;
        let owner_reason = give_to(&file, owner);
        fchmod(&file, MODE)?;
        file.sync_all()?;
        let written = fstat(&file)?;
        renameat(&self.directory, name, &self.directory, self.name.as_os_str())?;
        let placed = fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if !same(&placed, &written) {
            return Err(io::Error::other("another file was put in its place"));
        }
        if !lstat(&self.path).is_ok_and(|named| same(&named, &written)) {
            return Err(io::Error::other("its directory was moved or replaced while the command ran"));
        }
        self.sync_directory();
        Ok((done, owner_reason))
    }

    /// Makes the rename itself last over a crash of the machine, where the directory may be read.
    fn sync_directory(&self) {
        let readable = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        if let Ok(directory) = openat(&self.directory, ".", readable, Mode::empty()) {
            // The receipt is in place and synced itself: not worth an error.
            let _ = nix::unistd::fsync(directory);
        }
    }
}

/// Writes a document to a new file of a random name that only its owner can read.
pub(super) fn write_fresh(
    directory: &Path,
    owner: Option<(u32, u32)>,
    write: &WriteTo,
) -> io::Result<(PathBuf, Done, OwnerReason)> {
    let opened = open_directory(directory)?;
    let name = OsString::from(format!("glasshouse-receipt-{}.json", uuid::Uuid::new_v4().simple()));
    let file = create_named(&opened, &name)?;
    let fill = || {
        let (file, done) = Sink::write_all(File::from(file), write)?;
        let owner_reason = give_to(&file, owner);
        file.sync_all()?;
        Ok((directory.join(&name), done, owner_reason))
    };
    fill().inspect_err(|_| remove(&opened, &name))
}

/// Opens a directory only to reach names in it: that takes no right to list it.
fn open_directory(path: &Path) -> nix::Result<OwnedFd> {
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Replacing a device or one of the links in `/dev` would damage the machine.
fn is_dev(directory: &OwnedFd) -> bool {
    matches!((fstat(directory), stat("/dev")), (Ok(here), Ok(dev)) if same(&here, &dev))
}

fn create(directory: &OwnedFd) -> nix::Result<(OwnedFd, OsString)> {
    let name = OsString::from_vec(format!(".receipt-{}.tmp", uuid::Uuid::new_v4().simple()).into_bytes());
    create_named(directory, &name).map(|file| (file, name))
}

fn create_named(directory: &OwnedFd, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    openat(directory, name, flags, PRIVATE)
}

/// Removes a file of ours, if it is still there: nothing more can be done about one that is not.
fn remove(directory: &OwnedFd, name: &OsStr) {
    let _ = unlinkat(directory, name, UnlinkatFlags::NoRemoveDir);
}

fn give_to(file: &File, owner: Option<(u32, u32)>) -> OwnerReason {
    let (uid, gid) = owner?;
    let is_already = fstat(file).is_ok_and(|now| (now.st_uid, now.st_gid) == (uid, gid));
    if is_already {
        return None;
    }
    let given: Result<(), Errno> = fchown(file.as_fd(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    given.err().map(|cause| format!("it could not be given to user {uid}: {}", io::Error::from(cause)))
}

fn same(one: &FileStat, other: &FileStat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
