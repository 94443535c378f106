//! Descriptors in the event loop.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use tokio::io::{Interest, unix::AsyncFd};

/// Lets the event loop of the present runtime watch for `descriptor` to become readable.
///
/// # Errors
/// `epoll_ctl(2)`'s.
///
/// # Panics
/// Outside of a runtime.
pub(crate) fn readable(descriptor: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    watched(descriptor, Interest::READABLE)
}

/// The same for it to become writable.
///
/// # Errors
/// `epoll_ctl(2)`'s.
///
/// # Panics
/// Outside of a runtime.
pub(crate) fn writable(descriptor: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    watched(descriptor, Interest::WRITABLE)
}

fn watched(descriptor: BorrowedFd<'_>, interest: Interest) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    // SAFETY: the borrow keeps the descriptor open, and the same, for as long as the result lives; should that be
    // forgotten instead of dropped, the loop is left with a registration that epoll drops when the file is closed.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(Into::into)
}

/// The same of a descriptor that the event loop keeps: what it was told is not lost while nobody waits.
///
/// # Errors
/// `epoll_ctl(2)`'s.
///
/// # Panics
/// Outside of a runtime.
pub(crate) fn readable_owned(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the result owns the descriptor, which is open, and the same, for as long as the result lives.
    unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }.map_err(Into::into)
}
