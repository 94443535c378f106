//! Signals: blocked before the fork and read from a descriptor, so that none ends glasshouse before its receipt is
//! written; the command gets the caller's own mask and dispositions back.

use std::{
    io,
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

/// What is read instead of being acted upon. Not among them: SIGTSTP, which keeps its meaning for the whole process
/// group, and SIGWINCH, which the terminal gives to everybody who may care.
const TAKEN: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

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
    pub signal: Signal,
    /// The terminal gave it to the whole foreground process group.
    pub from_terminal: bool,
}

impl Signals {
    /// Blocks them in this thread and in those it starts from now on: to be called before there are any others.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn take() -> io::Result<Self> {
        let set: SigSet = TAKEN.into_iter().collect();
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
            let Ok(signal) = Signal::try_from(raw.ssi_signo.cast_signed()) else { continue };
            let from_terminal = raw.ssi_code == SI_KERNEL
                && match signal {
                    Signal::SIGINT | Signal::SIGQUIT => true,
                    // A hangup reaches the session's leader alone, before the others.
                    Signal::SIGHUP => getsid(None) != Ok(getpid()),
                    _ => false,
                };
            return Ok(Some(Caught { signal, from_terminal }));
        }
        Ok(None)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
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
        assert_eq!(signals.next().unwrap(), Some(Caught { signal: Signal::SIGTERM, from_terminal: false }));
        assert_eq!(signals.next().unwrap(), None);
    }

    #[test]
    fn our_own_process_group_is_known() {
        assert!(shares_process_group(std::process::id()));
        assert!(!shares_process_group(u32::MAX / 2));
    }
}
