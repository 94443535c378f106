//! What happens between fork and exec, in the child.
//!
//! The fork is a raw system call that the C library does not know of, made by a process that may have threads: no
//! allocation, no lock, no panic, none of the C library's `setuid` family (it would signal threads that the child
//! does not have).

use std::{
    ffi::{CString, c_char, c_int, c_long},
    os::fd::RawFd,
    ptr,
};

use super::{candidates::search_goes_on, identity::Identity, inherited, limits, signals::CallerSignals};

/// Length of a report: what it is about, and a number.
pub(super) const REPORT_LENGTH: usize = 8;

/// Everything the child needs, in the form in which system calls want it.
pub(super) struct Plan {
    pub(super) argv: Strings,
    pub(super) environment: Strings,
    pub(super) candidates: Vec<CString>,
    pub(super) directory: Option<CString>,
    pub(super) identity: Identity,
    pub(super) signals: CallerSignals,
    /// Standard descriptors that the caller had closed.
    pub(super) closed: [Option<RawFd>; 3],
    /// The child is held until it can read a byte here.
    pub(super) gate: RawFd,
    pub(super) gate_write: RawFd,
    pub(super) report: RawFd,
    /// A terminal of its own, and which of the standard descriptors it is for.
    pub(super) terminal: Option<(RawFd, [bool; 3])>,
}

/// A NULL-terminated array of C strings with its owners.
pub(super) struct Strings {
    _owners: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Strings {
    pub(super) fn new(owners: Vec<CString>) -> Self {
        // The bytes of a CString stay where they are when the vector of owners moves.
        let pointers = owners.iter().map(|owner| owner.as_ptr()).chain([ptr::null()]).collect();
        Self { _owners: owners, pointers }
    }
}

/// What the child says of itself before the exec closes its end of the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// It is about to try this candidate.
    Trying(u32),
    /// A step failed with this errno.
    Failed(Step, i32),
}

/// What the child does, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Step {
    Groups = 1,
    Gid = 2,
    Uid = 3,
    Capabilities = 4,
    Directory = 5,
    Exec = 6,
}

const TRYING: u32 = 0;

impl Report {
    fn encode(self) -> [u8; REPORT_LENGTH] {
        let (about, number) = match self {
            Self::Trying(candidate) => (TRYING, candidate),
            Self::Failed(step, errno) => (step as u32, errno.cast_unsigned()),
        };
        (u64::from(about) << 32 | u64::from(number)).to_ne_bytes()
    }

    pub(super) fn decode(bytes: [u8; REPORT_LENGTH]) -> Option<Self> {
        let value = u64::from_ne_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let number = value as u32;
        let step = match value >> 32 {
            0 => return Some(Self::Trying(number)),
            1 => Step::Groups,
            2 => Step::Gid,
            3 => Step::Uid,
            4 => Step::Capabilities,
            5 => Step::Directory,
            6 => Step::Exec,
            _ => return None,
        };
        Some(Self::Failed(step, number.cast_signed()))
    }
}

/// The life of the child.
///
/// # Safety
/// Only in a process that was just forked, whose memory is its own; `plan` must have been made before the fork.
pub(super) unsafe fn run(plan: &Plan) -> ! {
    // SAFETY: the descriptors are this process's own; every call below is async-signal-safe and is given pointers
    // into `plan` or to locals.
    unsafe {
        // Our copy of the writing end would keep us from seeing that the parent is gone.
        libc::close(plan.gate_write);
        if let Some((terminal, streams)) = plan.terminal {
            take_terminal(terminal, streams);
        }
        // A bare command would find them closed too. Nothing opens a descriptor from here on.
        for descriptor in plan.closed.iter().flatten() {
            libc::close(*descriptor);
        }
        let report = |report: Report| {
            let bytes = report.encode();
            // A report is shorter than PIPE_BUF, so it is written whole; if nobody reads it, nobody cares.
            libc::write(plan.report, bytes.as_ptr().cast(), bytes.len());
        };
        let mut outcome = prepare(plan);
        if outcome.is_ok() {
            outcome = wait_at_gate(plan.gate);
            if outcome.is_ok() {
                limits::restore();
                restore_signals(&plan.signals);
                outcome = Err((Step::Exec, exec(plan, &report)));
            }
        }
        if let Err((step, errno)) = outcome {
            report(Report::Failed(step, errno));
        }
        libc::_exit(c_int::from(super::EXIT_FAILED))
    }
}

/// Is a group of its own in the session that it was forked in, whose terminal is the one it gets.
unsafe fn take_terminal(terminal: RawFd, streams: [bool; 3]) {
    // SAFETY: plain system calls on descriptors of this process; the terminal's own closes at the exec.
    unsafe {
        libc::setpgid(0, 0);
        for (stream, _) in (0..).zip(streams).filter(|(_, wanted)| *wanted) {
            libc::dup2(terminal, stream);
        }
    }
}

type Outcome = Result<(), (Step, c_int)>;

/// Becomes the user, without privileges, in the right directory.
unsafe fn prepare(plan: &Plan) -> Outcome {
    let identity = &plan.identity;
    let (uid, gid) = (c_long::from(identity.uid), c_long::from(identity.gid));
    // SAFETY: raw system calls with plain numbers and pointers into `plan` that outlive them.
    unsafe {
        if let Some(switch) = &identity.switch {
            if let Some(groups) = &switch.groups {
                check(Step::Groups, libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()))?;
            }
            check(Step::Gid, libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
            check(Step::Uid, libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
        }
        if identity.drops_capabilities {
            drop_capabilities()?;
        }
        if let Some(directory) = &plan.directory {
            check(Step::Directory, libc::syscall(libc::SYS_chdir, directory.as_ptr()))?;
        }
    }
    Ok(())
}

/// Empties the effective, permitted, inheritable and ambient sets.
unsafe fn drop_capabilities() -> Outcome {
    /// `_LINUX_CAPABILITY_VERSION_3` of include/uapi/linux/capability.h.
    const VERSION_3: u32 = 0x2008_0522;
    /// `prctl` wants its unused arguments to be zero in all their bits.
    const NOTHING: c_long = 0;
    // version and pid (0: this thread); two times effective, permitted, inheritable.
    let header: [u32; 2] = [VERSION_3, 0];
    let sets = [0_u32; 6];
    // SAFETY: the arrays have the layout of `__user_cap_header_struct` and of two `__user_cap_data_struct`.
    unsafe {
        // EINVAL: a kernel without ambient capabilities.
        libc::syscall(
            libc::SYS_prctl,
            c_long::from(libc::PR_CAP_AMBIENT),
            c_long::from(libc::PR_CAP_AMBIENT_CLEAR_ALL),
            NOTHING,
            NOTHING,
            NOTHING,
        );
        check(Step::Capabilities, libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()))
    }
}

/// Returns when the parent opens the gate; ends the process when the parent is gone.
unsafe fn wait_at_gate(gate: RawFd) -> Outcome {
    loop {
        let mut byte = 0_u8;
        // SAFETY: one byte is read into one byte.
        match unsafe { libc::read(gate, (&raw mut byte).cast(), 1) } {
            1 => return Ok(()),
            -1 if errno() == libc::EINTR => {}
            // SAFETY: ends this process, which has nothing to clean up.
            _ => unsafe { libc::_exit(c_int::from(super::EXIT_FAILED)) },
        }
    }
}

/// Last, so that a signal that came while the child was held meets it as the command it was meant for.
unsafe fn restore_signals(caller: &CallerSignals) {
    let disposition = |ignored| if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: sets plain dispositions and a mask that was read from this very process.
    unsafe {
        libc::signal(libc::SIGPIPE, disposition(caller.pipe_ignored));
        libc::signal(libc::SIGCHLD, disposition(caller.child_ignored));
        libc::signal(libc::SIGXFSZ, disposition(caller.file_size_ignored));
        inherited::restore_internal_signals();
        libc::sigprocmask(libc::SIG_SETMASK, caller.mask.as_ref(), ptr::null_mut());
    }
}

/// Tries the candidates; returns only when none could be executed, with the errno that says why: EACCES of any of
/// them is remembered, as by `execvp`.
unsafe fn exec(plan: &Plan, report: &impl Fn(Report)) -> c_int {
    let mut last = libc::ENOENT;
    let mut denied = None;
    for (index, candidate) in (0_u32..).zip(&plan.candidates) {
        report(Report::Trying(index));
        // SAFETY: NUL-terminated strings and NULL-terminated arrays that live in `plan`.
        unsafe {
            libc::execve(candidate.as_ptr(), plan.argv.pointers.as_ptr(), plan.environment.pointers.as_ptr());
        }
        last = errno();
        if last == libc::EACCES && denied.is_none() {
            denied = Some(index);
        }
        if !search_goes_on(last) {
            return last;
        }
    }
    let Some(index) = denied else { return last };
    report(Report::Trying(index));
    libc::EACCES
}

fn check(step: Step, result: c_long) -> Outcome {
    if result == -1 { Err((step, errno())) } else { Ok(()) }
}

fn errno() -> c_int {
    // SAFETY: the location is always valid in its own thread.
    unsafe { *libc::__errno_location() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive_the_pipe() {
        let steps = [Step::Groups, Step::Gid, Step::Uid, Step::Capabilities, Step::Directory, Step::Exec];
        for report in steps
            .into_iter()
            .map(|step| Report::Failed(step, libc::ENOENT))
            .chain([Report::Trying(0), Report::Trying(7)])
        {
            assert_eq!(Report::decode(report.encode()), Some(report));
        }
        assert_eq!(Report::decode([0xff; REPORT_LENGTH]), None);
    }
}
