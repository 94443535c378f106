//! The process that leads the session of the command's terminal.
//!
//! It is not the command: when the leader of a session ends, the kernel hangs up on whoever has the keyboard
//! (`disassociate_ctty` of drivers/tty/tty_jobctrl.c), and what the command left running would end with it. So the
//! command is a group in a session of somebody else, as it is under a shell, and its parent is glasshouse all the same.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use libc::{c_int, c_long};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::wait::waitpid,
    unistd::{Pid, pipe2, read},
};

use super::{
    cgroup::Cgroup,
    child::Plan,
    held::{Beside, RunningChild, fork_child},
};

/// Length of its report: the pid of the command, or an errno below zero, and whether it is in its group.
const REPORT_LENGTH: usize = 8;

/// The leader. Dropping it ends it, and does nothing to who is in its session.
#[derive(Debug)]
pub(super) struct Leader {
    pid: Pid,
    /// It waits for the end of this.
    lifeline: Option<OwnedFd>,
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.lifeline = None;
        while waitpid(self.pid, None) == Err(Errno::EINTR) {}
    }
}

/// Creates the held child in a session that has `terminal`; says whether it is in the group.
///
/// # Errors
/// What the kernel says to a fork.
pub(super) fn fork(
    plan: &Plan,
    cgroup: Option<&Cgroup>,
    terminal: RawFd,
) -> Result<(RunningChild, bool, Leader), Errno> {
    let (lifeline, lifeline_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (report, report_write) = pipe2(OFlag::O_CLOEXEC)?;
    let nothing: c_long = 0;
    let flags = c_long::from(libc::SIGCHLD);
    // SAFETY: this is a fork: the child gets a copy of everything. It does nothing but `lead`, which keeps to what is
    // allowed there.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, nothing, nothing, nothing, nothing) };
    if pid == 0 {
        // SAFETY: this is the child, and `plan` was made before the fork.
        unsafe { lead(plan, cgroup, terminal, report_write.as_raw_fd(), lifeline.as_raw_fd()) }
    }
    let pid = Pid::from_raw(c_int::try_from(Errno::result(pid)?).unwrap_or_default());
    let leader = Leader { pid, lifeline: Some(lifeline_write) };
    drop(report_write);
    let mut bytes = [0; REPORT_LENGTH];
    loop {
        match read(&report, &mut bytes) {
            // It is shorter than PIPE_BUF, so it is read whole.
            Ok(REPORT_LENGTH) => break,
            Err(Errno::EINTR) => {}
            // Somebody has ended the leader.
            Ok(_) => return Err(Errno::ECHILD),
            Err(errno) => return Err(errno),
        }
    }
    let [first, second] =
        [[bytes[0], bytes[1], bytes[2], bytes[3]], [bytes[4], bytes[5], bytes[6], bytes[7]]];
    let pid = i32::from_ne_bytes(first);
    let Ok(pid) = u32::try_from(pid) else { return Err(Errno::from_raw(-pid)) };
    // SAFETY: a raw system call with plain numbers. It is our child, so its pid is its own until it is waited for.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, c_long::from(pid), nothing) };
    let pidfd = c_int::try_from(Errno::result(pidfd)?).unwrap_or_default();
    // SAFETY: the kernel has just made it, and nobody else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok((RunningChild::new(pid, pidfd), i32::from_ne_bytes(second) != 0, leader))
}

/// The life of the leader.
///
/// # Safety
/// Only in a process that was just forked, whose memory is its own; `plan` must have been made before the fork.
unsafe fn lead(plan: &Plan, cgroup: Option<&Cgroup>, terminal: RawFd, report: RawFd, lifeline: RawFd) -> ! {
    // SAFETY: the descriptors are this process's own; every call is async-signal-safe and is given plain numbers or
    // pointers to locals.
    unsafe {
        // What fails here leaves the command without job control, and no worse off.
        libc::setsid();
        libc::ioctl(terminal, libc::TIOCSCTTY, 0);
        let (pid, in_cgroup) = match fork_child(plan, cgroup, Beside::Us) {
            Ok((child, in_cgroup)) => (child.pid().cast_signed(), in_cgroup),
            Err(errno) => (-(errno as i32), false),
        };
        if pid > 0 {
            libc::setpgid(pid, pid);
            libc::ioctl(terminal, libc::TIOCSPGRP, &raw const pid);
        }
        let [first, second] = [pid.to_ne_bytes(), i32::from(in_cgroup).to_ne_bytes()];
        let bytes = [first[0], first[1], first[2], first[3], second[0], second[1], second[2], second[3]];
        libc::write(report, bytes.as_ptr().cast(), REPORT_LENGTH);
        // Nothing is to end it before its time, nor stop it where it is not in the foreground. And it keeps nothing
        // open: others wait for the ends of what glasshouse has.
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
        libc::dup2(lifeline, 0);
        libc::syscall(libc::SYS_close_range, 1 as c_long, c_long::from(u32::MAX), 0 as c_long);
        let mut byte = 0_u8;
        while libc::read(0, (&raw mut byte).cast(), 1) == -1 && *libc::__errno_location() == libc::EINTR {}
        // With itself in the foreground, nobody else is hung up on.
        let terminal = libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR | libc::O_NOCTTY);
        let own = libc::getpid();
        libc::ioctl(terminal, libc::TIOCSPGRP, &raw const own);
        libc::_exit(0)
    }
}
