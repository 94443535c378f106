//! Signals: blocked before the fork and read from a descriptor, so that none ends glasshouse before its receipt is
//! written; the command gets the caller's own mask and dispositions back.

use std::{
    ffi::c_int,
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::{
    sys::{
        signal::{SigHandler, SigSet, SigmaskHow, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::{Pid, getpgrp, getpid, getsid},
};

use super::inherited;
use crate::names;

/// What is read instead of being acted upon: whatever would end glasshouse, the real-time signals included. Not among
/// them: SIGTSTP, which keeps its meaning for the whole process group, SIGWINCH, which the terminal gives to everybody who
/// may care, and SIGABRT and the like, which say that glasshouse itself has a defect.
const TAKEN: [c_int; 14] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// `SI_USER` of include/uapi/asm-generic/siginfo.h: sent by kill(2), or by the kernel in the name of who runs.
const SI_USER: i32 = 0;

/// `SI_KERNEL` of include/uapi/asm-generic/siginfo.h: sent by the kernel itself, as `isig` of the terminal driver
/// does for Ctrl-C and Ctrl-\ and `disassociate_ctty` for a hangup.
const SI_KERNEL: i32 = 0x80;

/// What the caller of glasshouse had set; what the command is to find.
#[derive(Clone, Copy, Debug)]
pub struct CallerSignals {
    /// The signal mask.
    pub(super) mask: SigSet,
    /// SIGPIPE was ignored.
    pub(super) pipe_ignored: bool,
    /// SIGCHLD was ignored.
    pub(super) child_ignored: bool,
    /// SIGXFSZ was ignored.
    pub(super) file_size_ignored: bool,
}

/// A signal by its number, for those of real time have no names to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalNumber(pub c_int);

impl From<Signal> for SignalNumber {
    fn from(signal: Signal) -> Self {
        Self(signal as c_int)
    }
}

impl fmt::Display for SignalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names::signal(self.0))
    }
}

/// The signals that glasshouse has taken.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    caller: CallerSignals,
}

/// One signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    /// Which.
    pub signal: SignalNumber,
    /// The terminal gave it to the whole foreground process group.
    pub from_terminal: bool,
}

impl Signals {
    /// Blocks them in this thread and in those it starts from now on: to be called before there are any others.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn take() -> io::Result<Self> {
        let set = taken();
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let mask = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        // Were it ignored, the kernel would reap the command itself and its exit code would be lost.
        // SAFETY: SIG_DFL is no handler; nothing in this process relies on SIGCHLD.
        let child = unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
        Ok(Self {
            descriptor,
            caller: CallerSignals {
                mask,
                pipe_ignored: inherited::pipe_was_ignored(),
                child_ignored: matches!(child, SigHandler::SigIgn),
                file_size_ignored: inherited::file_size_was_ignored(),
            },
        })
    }

    /// What the caller had set.
    pub fn caller(&self) -> CallerSignals {
        self.caller
    }

    /// The next one that has arrived. Does not wait.
    ///
    /// # Errors
    /// None is known of a valid descriptor.
    pub fn next(&self) -> io::Result<Option<Caught>> {
        while let Some(raw) = self.descriptor.read_signal()? {
            let signal = raw.ssi_signo.cast_signed();
            let own = match signal {
                // A file that grew beyond the limit: the write has failed, too.
                libc::SIGXFSZ => raw.ssi_code == SI_USER && raw.ssi_pid == std::process::id(),
                // The limit on CPU time is each process's own.
                libc::SIGXCPU => raw.ssi_code == SI_KERNEL,
                _ => false,
            };
            if own {
                continue;
            }
            let from_terminal = raw.ssi_code == SI_KERNEL
                && match signal {
                    libc::SIGINT | libc::SIGQUIT => true,
                    // A hangup reaches the session's leader alone, before the others.
                    libc::SIGHUP => getsid(None) != Ok(getpid()),
                    _ => false,
                };
            return Ok(Some(Caught { signal: SignalNumber(signal), from_terminal }));
        }
        Ok(None)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn taken() -> SigSet {
    let mut set = *SigSet::empty().as_ref();
    for signal in TAKEN.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
        // SAFETY: an initialised set, and a number that the C library knows.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: it is initialised.
    unsafe { SigSet::from_sigset_t_unchecked(set) }
}

/// From now on a file that would grow beyond the limit on files is an error of the write, and no end of glasshouse.
pub fn ignore_file_size_signal() {
    // SAFETY: SIG_IGN is no handler. It fails for no valid signal.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}

/// Whether a process is in glasshouse's own process group, so that it gets what the terminal sends to that.
pub(crate) fn shares_process_group(pid: u32) -> bool {
    nix::unistd::getpgid(Some(Pid::from_raw(pid.cast_signed()))) == Ok(getpgrp())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use nix::sys::pthread::{pthread_kill, pthread_self};

    use super::*;

    #[test]
    fn signals_are_read_and_not_acted_upon() {
        let signals = Signals::take().unwrap();
        assert_eq!(signals.next().unwrap(), None);
        pthread_kill(pthread_self(), Signal::SIGTERM).unwrap();
        assert_eq!(
            signals.next().unwrap(),
            Some(Caught { signal: Signal::SIGTERM.into(), from_terminal: false })
        );
        assert_eq!(signals.next().unwrap(), None);
    }

    #[test]
    fn our_own_process_group_is_known() {
        assert!(shares_process_group(std::process::id()));
        assert!(!shares_process_group(u32::MAX / 2));
    }
}
