//! Processes that the observation knows, reached by their own means: without a control group nothing else leads to
//! those below the root.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{SysconfVar, sysconf},
};

use super::signals::SignalNumber;
use crate::{clock, event::ProcessKey};

/// A process that is alive, held by a descriptor: what has got its pid since is not it.
#[derive(Debug)]
pub(crate) struct Known(OwnedFd);

impl Known {
    /// The process of that key; nothing when it has ended, or cannot be seen from here.
    pub(crate) fn open(key: ProcessKey) -> Option<Self> {
        // SAFETY: a raw system call with plain numbers.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(key.tgid), 0_i64) };
        let descriptor = Errno::result(result).ok().and_then(|number| i32::try_from(number).ok())?;
        // SAFETY: the kernel has just made it, and nobody else owns it.
        let pidfd = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // After the opening: whoever ended before that, and was followed by another, is told apart by the start.
        let stat = fs::read(format!("/proc/{}/stat", key.tgid)).ok()?;
        let began = start_ticks(&stat)?;
        (Some(began) == in_ticks(clock::seen_here(key.start)) && !has_ended(pidfd.as_fd()))
            .then_some(Self(pidfd))
    }

    /// Sends it a signal; nothing happens when it has ended.
    ///
    /// # Errors
    /// EPERM: it runs as somebody else.
    pub(crate) fn signal(&self, signal: SignalNumber) -> io::Result<()> {
        send(self.0.as_fd(), signal)
    }
}

/// Sends a signal by way of a pidfd; nothing happens when the process has ended.
pub(super) fn send(pidfd: BorrowedFd<'_>, signal: SignalNumber) -> io::Result<()> {
    use libc::c_long;
    // SAFETY: a raw system call with a valid descriptor, numbers and a null `siginfo_t`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            c_long::from(pidfd.as_raw_fd()),
            c_long::from(signal.0),
            std::ptr::null::<libc::siginfo_t>(),
            c_long::from(0),
        )
    };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The process of a pidfd has ended.
pub(super) fn has_ended(pidfd: BorrowedFd<'_>) -> bool {
    matches!(poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], PollTimeout::ZERO), Ok(1))
}

/// `starttime` of /proc/PID/stat (proc_pid_stat(5)), the 22nd field. The second may contain anything, but no `)`
/// comes after it.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Nanoseconds of the boot clock as `nsec_to_clock_t` of kernel/time/time.c gives them out.
fn in_ticks(nanoseconds: u64) -> Option<u64> {
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    nanoseconds.checked_div(1_000_000_000_u64.checked_div(per_second)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{os::unix::process::ExitStatusExt as _, process::Command};

    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = b"7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4321 20 21\n";
        assert_eq!(start_ticks(stat), Some(4321));
        assert_eq!(start_ticks(b"7 (a"), None);
    }

    #[test]
    fn only_the_very_process_is_reached() {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        let ticks = start_ticks(&fs::read(format!("/proc/{}/stat", child.id())).unwrap()).unwrap();
        let key = |ticks: u64| ProcessKey { tgid: child.id(), start: ticks * 10_000_000 + 1 };
        assert_eq!(in_ticks(key(ticks).start), Some(ticks), "a hundred ticks a second");
        assert!(Known::open(key(ticks + 1)).is_none(), "another one with its pid");
        let known = Known::open(key(ticks)).unwrap();
        let key = key(ticks);
        known.signal(Signal::SIGTERM.into()).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32));
        known.signal(Signal::SIGTERM.into()).unwrap();
        assert!(Known::open(key).is_none());
    }
}
