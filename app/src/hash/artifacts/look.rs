//! What is at a path now, without asking a file system that may hang.
//!
//! There may be 100,000 candidates, many of them in the same directories. A directory is found once, proved to be on
//! a local file system, and its files are looked up in it: as no mount is crossed on the way, they are on the same.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::AsFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::{FileTypeExt, MetadataExt},
        },
    },
    sync::Arc,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2, readlinkat},
};

use super::{Candidate, Kind, Seen, State};
use crate::{
    event::Unreadable,
    hash::{
        mounts::Mounts,
        read::{Failure, Mode, mount_and_inode_of, why},
    },
};

/// Directories that are kept open, by a thread.
const DIRECTORIES: usize = 64;

/// Symbolic links on the way to a directory, as many as the kernel follows (`MAXSYMLINKS`).
const LINKS: usize = 40;

/// A path to nowhere does not become one to somewhere by the next candidate.
type Directory = Result<(Arc<File>, (u32, u32)), Failure>;

/// Finds candidates.
pub(super) struct Finder {
    mode: Mode,
    /// glasshouse's mounts.
    own: Arc<Mounts>,
    directories: HashMap<Vec<u8>, Directory>,
}

impl Finder {
    pub(super) fn new(own: Arc<Mounts>) -> Self {
        Self { mode: Mode::Local, own, directories: HashMap::new() }
    }

    /// For the process that may hang.
    pub(super) fn watched(own: Arc<Mounts>) -> Self {
        Self { mode: Mode::Watched, ..Self::new(own) }
    }

    /// What is at the candidate's path, and the file if it is a regular one, by a descriptor that only names it.
    pub(super) fn look(&mut self, candidate: &Candidate) -> Result<(Seen, Option<File>), Failure> {
        let (file, device) = match self.name(&candidate.path) {
            Ok(named) => named,
            Err(Failure::Final(Unreadable::Gone)) => return Ok((Seen::Gone, None)),
            Err(failure) => return Err(failure),
        };
        let failed = |error| why(error, self.mode);
        let metadata = file.metadata().map_err(failed)?;
        let device_and_inode = |number| (libc::major(number), libc::minor(number));
        let by_state = (device_and_inode(metadata.dev()), metadata.ino());
        // Where the file system tells the kernel's own numbers, which most do, there is no need to ask twice.
        let found = if candidate.device.is_none_or(|device| device == by_state.0)
            && candidate.inode.is_none_or(|inode| inode == by_state.1)
        {
            by_state
        } else {
            let (_, inode) = mount_and_inode_of(&file).map_err(failed)?;
            (device.unwrap_or(by_state.0), inode)
        };
        if candidate.device.is_some_and(|device| device != found.0)
            || candidate.inode.is_some_and(|inode| inode != found.1)
        {
            return Ok((Seen::Other { device: found.0, inode: found.1 }, None));
        }
        let kind = metadata.file_type();
        let kind = if kind.is_file() {
            return Ok((Seen::Regular(State::of(&metadata)), Some(file)));
        } else if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            let target = readlinkat(&file, "").map_err(|errno| failed(errno.into()))?;
            Kind::Symlink { target: target.into_vec() }
        } else if kind.is_char_device() {
            Kind::CharacterDevice
        } else if kind.is_block_device() {
            Kind::BlockDevice
        } else if kind.is_fifo() {
            Kind::Fifo
        } else {
            Kind::Socket
        };
        Ok((Seen::NotRegular(kind), None))
    }

    /// A descriptor that only names what is at a path, and the device of its mount, if that is known.
    fn name(&mut self, path: &[u8]) -> Result<(File, Option<(u32, u32)>), Failure> {
        if !path.starts_with(b"/") {
            return Err(Failure::Final(Unreadable::Gone));
        }
        if self.mode == Mode::Watched {
            let file = open(AT_FDCWD, path, OFlag::O_NOFOLLOW, ResolveFlag::RESOLVE_NO_MAGICLINKS);
            let file = file.map_err(|error| why(error, self.mode))?;
            let device = self.device_of(&file).map_err(|error| why(error, self.mode))?;
            return Ok((file, device));
        }
        if let (Some(parent), Some(name)) = split(path) {
            let (directory, device) = self.directory(parent)?;
            match open(&directory, name, OFlag::O_NOFOLLOW, ResolveFlag::RESOLVE_NO_XDEV) {
                Ok(file) => return Ok((file, Some(device))),
                // Something is mounted on it.
                Err(error) if error.raw_os_error() == Some(libc::EXDEV) => {}
                Err(error) => return Err(why(error, self.mode)),
            }
        }
        let (file, device) = self.name_cached(path, OFlag::O_NOFOLLOW)?;
        Ok((file, Some(device)))
    }

    /// A directory on a local file system, found by its path.
    fn directory(&mut self, path: &[u8]) -> Directory {
        self.directory_by(path, LINKS)
    }

    /// The same, by no more than so many symbolic links that the kernel has not cached.
    fn directory_by(&mut self, path: &[u8], links: usize) -> Directory {
        if let Some(known) = self.directories.get(path) {
            return known.clone();
        }
        let found = match self.name_cached(path, OFlag::O_DIRECTORY) {
            Ok((file, device)) => Ok((Arc::new(file), device)),
            Err(Failure::NeedsWatching) => self.directory_uncached(path, links),
            Err(failure) => Err(failure),
        };
        if self.directories.len() >= DIRECTORIES {
            self.directories.clear();
        }
        self.directories.insert(path.to_vec(), found.clone());
        found
    }

    /// The kernel has forgotten the name, or wants to write down that a link was followed. Where the parent is local,
    /// that may be done.
    fn directory_uncached(&mut self, path: &[u8], links: usize) -> Directory {
        let (Some(parent_path), Some(name)) = split(path) else { return Err(Failure::NeedsWatching) };
        let (parent, _) = self.directory_by(parent_path, links)?;
        let named = match open(&parent, name, OFlag::O_NOFOLLOW, ResolveFlag::RESOLVE_NO_XDEV) {
            Ok(named) => Some(named),
            // Something is mounted on it; that much is cached by now.
            Err(error) if error.raw_os_error() == Some(libc::EXDEV) => None,
            Err(error) => return Err(why(error, self.mode)),
        };
        // Of no directory or link the target is empty or an error.
        let target = named.and_then(|named| readlinkat(&named, "").ok());
        let Some(target) = target.filter(|target| !target.is_empty()) else {
            let (file, device) = self.name_cached(path, OFlag::O_DIRECTORY)?;
            return Ok((Arc::new(file), device));
        };
        let links = links.checked_sub(1).ok_or(Failure::Final(Unreadable::Gone))?;
        let target = match target.as_bytes() {
            absolute if absolute.starts_with(b"/") => absolute.to_vec(),
            relative => [parent_path, b"/", relative].concat(),
        };
        self.directory_by(&target, links)
    }

    /// Names what is at a path, as far as the kernel has it cached, if it is on a local file system.
    fn name_cached(&self, path: &[u8], flags: OFlag) -> Result<(File, (u32, u32)), Failure> {
        let cached = ResolveFlag::from_bits_retain(libc::RESOLVE_CACHED);
        let file = open(AT_FDCWD, path, flags, ResolveFlag::RESOLVE_NO_MAGICLINKS | cached);
        let file = file.map_err(|error| why(error, self.mode))?;
        match self.device_of(&file).map_err(|error| why(error, self.mode))? {
            Some(device) if self.own.is_local(device) => Ok((file, device)),
            _ => Err(Failure::NeedsWatching),
        }
    }

    fn device_of(&self, file: &File) -> io::Result<Option<(u32, u32)>> {
        Ok(self.own.device(mount_and_inode_of(file)?.0))
    }
}

/// The directory of a path and the name in it, if it has them.
fn split(path: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { return (None, None) };
    let (parent, name) = (&path[..slash.max(1)], &path[slash + 1..]);
    let names = !matches!(name, b"" | b"." | b"..");
    (names.then_some(parent), names.then_some(name))
}

fn open(directory: impl AsFd, path: &[u8], flags: OFlag, resolve: ResolveFlag) -> io::Result<File> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC | flags).resolve(resolve);
    loop {
        match openat2(&directory, OsStr::from_bytes(path), how) {
            Err(Errno::EINTR) => {}
            other => return Ok(File::from(other?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_their_names() {
        assert_eq!(split(b"/a/b"), (Some(&b"/a"[..]), Some(&b"b"[..])));
        assert_eq!(split(b"/a"), (Some(&b"/"[..]), Some(&b"a"[..])));
        for path in ["/", "/a/", "/a/..", "/a/.", "a"] {
            assert_eq!(split(path.as_bytes()), (None, None), "{path}");
        }
    }
}
