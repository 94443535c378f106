//! The running kernel's type information, mapped where the kernel allows it (Linux 6.16), else read.

use std::{fs::File, io, ops::Deref, os::fd::AsRawFd, path::Path, ptr, slice};

/// Where every kernel with type information shows it.
pub(crate) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Its bytes.
pub(crate) enum Vmlinux {
    Mapped { address: *mut libc::c_void, length: usize },
    Read(Vec<u8>),
}

impl Vmlinux {
    /// Opens it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len() as usize;
        if length > 0 {
            // SAFETY: a new private read-only mapping of a descriptor that is open; the file is the kernel's own
            // memory and never shrinks. The result is checked.
            let address = unsafe {
                libc::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
            };
            if address != libc::MAP_FAILED {
                return Ok(Self::Mapped { address, length });
            }
        }
        std::fs::read(path).map(Self::Read)
    }
}

impl Deref for Vmlinux {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            // SAFETY: the mapping lives until drop, is readable and `length` bytes long.
            Self::Mapped { address, length } => unsafe { slice::from_raw_parts(address.cast(), *length) },
            Self::Read(bytes) => bytes,
        }
    }
}

impl Drop for Vmlinux {
    fn drop(&mut self) {
        if let Self::Mapped { address, length } = self {
            // SAFETY: this mapping was made by `open`, and no reference to it outlives `self`.
            unsafe { libc::munmap(*address, *length) };
        }
    }
}
