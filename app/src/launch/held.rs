//! A child that exists but has not executed anything yet, and what becomes of it. The state is in the type.

use std::{
    ffi::{CString, OsStr, OsString, c_int, c_long},
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::Signal,
    unistd::pipe2,
};

use super::{
    Command, LaunchError, candidates,
    cgroup::Cgroup,
    child::{self, Plan, REPORT_LENGTH, Report, Step, Strings},
    inherited, known, leader,
    pty::ChildTerminal,
    quoted, reason,
    signals::{CallerSignals, SignalNumber},
};
use crate::facts::Resources;

/// How long an exec may take once a signal has asked to stop: a file on a hung file system.
const EXEC_GRACE: Duration = Duration::from_secs(1);

/// A child held before its exec. Dropping it ends it: nothing was run.
#[derive(Debug)]
pub struct HeldChild {
    /// Present until it is released.
    child: Option<RunningChild>,
    pid: u32,
    gate: File,
    report: File,
    candidates: Vec<CString>,
}

/// A child that has executed the command. Dropping it leaves it running.
#[derive(Debug)]
pub struct RunningChild {
    pid: u32,
    pidfd: OwnedFd,
    ended: Option<Ended>,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// It dumped core.
    pub core_dumped: bool,
    /// What it and the children it waited for used (`wait4(2)`).
    pub resources: Resources,
}

impl HeldChild {
    /// Forks a child for `command` into `cgroup` and holds it. The second value says why it is not in the group, if
    /// it is not.
    ///
    /// # Errors
    /// [`LaunchError::Refused`]: no process could be made.
    pub fn fork(
        command: &Command,
        cgroup: Option<&Cgroup>,
        signals: CallerSignals,
    ) -> Result<(Self, Option<String>), LaunchError> {
        let refused =
            |errno: Errno| LaunchError::Refused(format!("cannot create a process: {}", reason(errno)));
        let (gate, gate_write) = pipe2(OFlag::O_CLOEXEC).map_err(refused)?;
        let (report, report_write) = pipe2(OFlag::O_CLOEXEC).map_err(refused)?;
        let plan = Plan {
            argv: Strings::new(c_strings(&command.argv)?),
            environment: Strings::new(c_strings(&command.environment)?),
            candidates: candidates::candidates(command.name(), command.variable("PATH"))?,
            directory: match command.changes_directory {
                true => Some(c_string(command.directory.as_os_str())?),
                false => None,
            },
            identity: command.identity.clone(),
            signals,
            closed: inherited::closed_descriptors(),
            gate: gate.as_raw_fd(),
            gate_write: gate_write.as_raw_fd(),
            report: report_write.as_raw_fd(),
            terminal: command.terminal.as_ref().and_then(ChildTerminal::plan),
        };
        if let Some(terminal) = &command.terminal {
            terminal.give_to(command.identity.uid);
        }
        let (child, in_cgroup) = match (&command.terminal, plan.terminal) {
            (Some(terminal), Some((slave, _))) => {
                let (child, in_cgroup, leader) = leader::fork(&plan, cgroup, slave).map_err(refused)?;
                terminal.is_taken(leader);
                (child, in_cgroup)
            }
            _ => fork_child(&plan, cgroup, Beside::Nobody).map_err(refused)?,
        };
        let outside = match cgroup {
            Some(group) if !in_cgroup => group.add(child.pid).err().map(|error| {
                format!("cannot move the command into the group {}: {error}", quoted(group.path()))
            }),
            _ => None,
        };
        let held = Self {
            pid: child.pid,
            child: Some(child),
            gate: gate_write.into(),
            report: report.into(),
            candidates: plan.candidates,
        };
        Ok((held, outside))
    }

    /// Its pid, as glasshouse sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it execute the command; returns when it has, with the absolute path of the file that it found. When
    /// `give_up` becomes readable the exec has a second left.
    ///
    /// # Errors
    /// What the kernel said to the exec or to a step before it. The child is gone then.
    pub fn release(
        mut self,
        command: &Command,
        give_up: Option<BorrowedFd<'_>>,
    ) -> Result<(RunningChild, Option<Vec<u8>>), LaunchError> {
        // A broken pipe: it has ended already, and its report says why.
        drop(self.gate.write_all(b"!"));
        let mut tried = None;
        loop {
            if !self.wait_for_report(give_up) {
                return Err(LaunchError::Refused(format!(
                    "executing {} took too long and was given up",
                    quoted(command.name())
                )));
            }
            let mut bytes = [0; REPORT_LENGTH];
            match self.report.read_exact(&mut bytes) {
                Ok(()) => {}
                // The exec closed its end: it succeeded. Or a signal ended the child before; then waiting tells.
                Err(_) => break,
            }
            match Report::decode(bytes) {
                Some(Report::Trying(candidate)) => tried = usize::try_from(candidate).ok(),
                Some(Report::Failed(step, errno)) => return Err(self.failure(command, step, tried, errno)),
                None => return Err(LaunchError::Refused("the child's report cannot be read".into())),
            }
        }
        let executable = tried.and_then(|tried| self.candidates.get(tried)).map(|candidate| {
            command.absolute(OsStr::from_bytes(candidate.to_bytes())).into_os_string().into_vec()
        });
        let gone = || LaunchError::Refused("the held command is gone".into());
        let child = self.child.take().ok_or_else(gone)?;
        Ok((child, executable))
    }

    /// Closes the gate as a parent does that dies.
    #[cfg(test)]
    pub(super) fn abandon(mut self) -> RunningChild {
        self.child.take().unwrap_or_else(|| unreachable!("it is held"))
    }

    /// False when the exec was given up.
    fn wait_for_report(&self, give_up: Option<BorrowedFd<'_>>) -> bool {
        let mut deadline = None;
        loop {
            let mut watched = vec![PollFd::new(self.report.as_fd(), PollFlags::POLLIN)];
            let timeout = match (deadline, give_up) {
                (None, Some(give_up)) => {
                    watched.push(PollFd::new(give_up, PollFlags::POLLIN));
                    PollTimeout::NONE
                }
                (None, None) => PollTimeout::NONE,
                (Some(deadline), _) => {
                    let left = Instant::saturating_duration_since(&deadline, Instant::now());
                    PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
                }
            };
            match poll(&mut watched, timeout) {
                Err(Errno::EINTR) => continue,
                // Then reading blocks or fails, and says more than this does.
                Err(_) => return true,
                Ok(0) => return false,
                Ok(_) => {}
            }
            let is_ready = |at: usize| watched.get(at).and_then(PollFd::any).unwrap_or(false);
            if is_ready(0) {
                return true;
            }
            deadline.get_or_insert_with(|| Instant::now() + EXEC_GRACE);
        }
    }

    fn failure(&self, command: &Command, step: Step, tried: Option<usize>, errno: i32) -> LaunchError {
        let identity = &command.identity;
        let why = reason(Errno::from_raw(errno));
        LaunchError::Refused(match step {
            Step::Exec => {
                let at = tried.unwrap_or(0);
                return candidates::failure(command, &self.candidates, at, errno);
            }
            Step::Groups | Step::Gid | Step::Uid => format!(
                "cannot become user {} with group {}: {why}; to stay root, type: --user root",
                identity.uid, identity.gid
            ),
            Step::Capabilities => format!("cannot drop capabilities: {why}"),
            Step::Directory => {
                format!("cannot change to the directory {}: {why}", quoted(&command.directory))
            }
        })
    }
}

impl Drop for HeldChild {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Closing the gate would do, unless the child is stopped.
            drop(child.signal(Signal::SIGKILL));
            drop(child.wait());
        }
    }
}

impl RunningChild {
    pub(super) fn new(pid: u32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, ended: None }
    }

    /// Its pid, as glasshouse sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Becomes readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// It has ended, whether or not it has been waited for.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some() || known::has_ended(self.pidfd.as_fd())
    }

    /// Sends it a signal; nothing happens when it has ended.
    ///
    /// # Errors
    /// EPERM: it runs as somebody else by now.
    pub fn signal(&self, signal: impl Into<SignalNumber>) -> io::Result<()> {
        known::send(self.pidfd.as_fd(), signal.into())
    }

    /// Waits for its end; immediately when it has ended.
    ///
    /// # Errors
    /// ECHILD: somebody else has waited for it.
    pub fn wait(&mut self) -> io::Result<Ended> {
        if let Some(ended) = self.ended {
            return Ok(ended);
        }
        let mut status = 0;
        // SAFETY: zeroed is a valid `rusage`.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        loop {
            // SAFETY: pointers to locals of the right types.
            let pid =
                unsafe { libc::wait4(self.pid.cast_signed(), &raw mut status, libc::__WALL, &raw mut usage) };
            match Errno::result(pid) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let signaled = libc::WIFSIGNALED(status);
        let ended = Ended {
            code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: signaled.then(|| libc::WTERMSIG(status)),
            core_dumped: signaled && libc::WCOREDUMP(status),
            resources: Resources {
                user_ns: nanoseconds(usage.ru_utime),
                system_ns: nanoseconds(usage.ru_stime),
                // getrusage(2): in kibibytes.
                max_rss_bytes: usage.ru_maxrss.cast_unsigned().saturating_mul(1024),
            },
        };
        self.ended = Some(ended);
        Ok(ended)
    }
}

fn nanoseconds(time: libc::timeval) -> u64 {
    let microseconds = time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_usec);
    u64::try_from(microseconds).unwrap_or(0).saturating_mul(1000)
}

/// Whose child it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// That of who forks.
    Nobody,
    /// That of the parent of who forks, as who forks is.
    Us,
}

/// Creates the child, in the group if the kernel does that; says whether it did. Allocates nothing.
pub(super) fn fork_child(
    plan: &Plan,
    cgroup: Option<&Cgroup>,
    beside: Beside,
) -> Result<(RunningChild, bool), Errno> {
    if let Some(group) = cgroup
        && let Ok(child) = clone3(plan, Some(group.as_fd()), beside)
    {
        return Ok((child, true));
    }
    match clone3(plan, None, beside) {
        Ok(child) => Ok((child, false)),
        // A seccomp filter that does not know clone3: old container runtimes.
        Err(Errno::ENOSYS | Errno::EPERM) => clone(plan, beside).map(|child| (child, false)),
        Err(errno) => Err(errno),
    }
}

fn clone3(plan: &Plan, cgroup: Option<BorrowedFd<'_>>, beside: Beside) -> Result<RunningChild, Errno> {
    /// `CLONE_INTO_CGROUP` of include/uapi/linux/sched.h; more than an int holds.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: c_int = -1;
    // SAFETY: zeroed is a valid `clone_args`: every field off.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(libc::CLONE_PIDFD.cast_unsigned());
    arguments.pidfd = (&raw mut pidfd).addr() as u64;
    match beside {
        Beside::Nobody => arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned()),
        // With that of who forks, and none may be given.
        Beside::Us => arguments.flags |= u64::from(libc::CLONE_PARENT.cast_unsigned()),
    }
    if let Some(group) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(group.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM this is a fork: the child gets a copy of everything and no stack is needed. It does
    // nothing but `child::run`, which keeps to what is allowed there.
    let result = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, std::mem::size_of::<libc::clone_args>())
    };
    after_fork(plan, result, &raw const pidfd)
}

fn clone(plan: &Plan, beside: Beside) -> Result<RunningChild, Errno> {
    let mut pidfd: c_int = -1;
    let parent = if beside == Beside::Us { libc::CLONE_PARENT } else { 0 };
    let flags = c_long::from(libc::CLONE_PIDFD | libc::SIGCHLD | parent);
    // SAFETY: as above. The third argument is the parent's `pidfd` with CLONE_PIDFD; the others are unused.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            std::ptr::null::<u8>(),
            &raw mut pidfd,
            std::ptr::null::<u8>(),
            std::ptr::null::<u8>(),
        )
    };
    after_fork(plan, result, &raw const pidfd)
}

fn after_fork(plan: &Plan, result: c_long, pidfd: *const c_int) -> Result<RunningChild, Errno> {
    if result == 0 {
        // SAFETY: this is the child, and `plan` was made before the fork.
        unsafe { child::run(plan) }
    }
    let pid = Errno::result(result)?;
    // SAFETY: the kernel has stored a descriptor there that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd.read()) };
    Ok(RunningChild::new(u32::try_from(pid).unwrap_or_default(), pidfd))
}

fn c_strings(strings: &[OsString]) -> Result<Vec<CString>, LaunchError> {
    strings.iter().map(|string| c_string(string)).collect()
}

fn c_string(string: &OsStr) -> Result<CString, LaunchError> {
    CString::new(string.as_bytes())
        .map_err(|_| LaunchError::Refused(format!("{} contains a NUL byte", quoted(string))))
}
