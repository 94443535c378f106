//! Whom a namespace belongs to.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

/// The user namespace that a namespace belongs to (ioctl_nsfs(2)).
///
/// # Errors
/// `EPERM` if that is out of reach from here, and `ioctl(2)`'s others.
pub(crate) fn user_namespace_of(namespace: impl AsFd) -> io::Result<OwnedFd> {
    // SAFETY: this call takes no argument, and thus touches no memory.
    let result = unsafe { libc::ioctl(namespace.as_fd().as_raw_fd(), libc::NS_GET_USERNS) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has made this descriptor, closed on exec, for this call: nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn only_namespaces_belong_to_somebody() {
        let error = user_namespace_of(File::open("/dev/null").unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
