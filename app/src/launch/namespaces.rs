//! What is asked of namespaces and mounts by system calls that nobody wraps.

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

/// The same file on a mount of its own, which is in no namespace and keeps nobody from unmounting the other.
///
/// # Errors
/// `EINVAL` if the mount is not in this mount namespace, and `open_tree(2)`'s others.
pub(crate) fn detached(named: impl AsFd) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as libc::c_uint;
    // SAFETY: the path is a string that lives as long as the program, and the call reads nothing else.
    let result =
        unsafe { libc::syscall(libc::SYS_open_tree, named.as_fd().as_raw_fd(), c"".as_ptr(), flags) };
    let descriptor = i32::try_from(result).map_err(|_| io::ErrorKind::InvalidData)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has made this descriptor for this call: nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
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
