//! The default: an ordinary child process of glasshouse, on the host, in a control group of its own.

use std::{
    io,
    os::{fd::BorrowedFd, unix::fs::MetadataExt as _},
    sync::Arc,
};

use super::{Backend, ExecutionMetadata, Reach, RootProcess};
use crate::{
    facts::{Gap, GapKind},
    launch::{
        Command, Ended, HeldChild, LaunchError, RunningChild, Wish, boot_time,
        cgroup::Cgroup,
        signals::{CallerSignals, SignalNumber, shares_process_group},
    },
    observe::{Freeze, Target},
};

/// Runs a command as a child process.
#[derive(Debug)]
pub struct ProcessBackend {
    command: Command,
    signals: CallerSignals,
    // Fields are dropped in order: a held child ends before its group goes.
    child: Child,
    cgroup: Option<Cgroup>,
    gaps: Vec<Gap>,
}

#[derive(Debug)]
enum Child {
    None,
    Held(HeldChild),
    Running(RunningChild),
}

impl ProcessBackend {
    /// A backend for one run of `command`, which gets back what `signals` says the caller had set.
    pub fn new(command: Command, signals: CallerSignals) -> Self {
        Self { command, signals, child: Child::None, cgroup: None, gaps: Vec::new() }
    }

    fn misses_cgroup(&mut self, reason: String) {
        self.cgroup = None;
        self.gaps.push(Gap { kind: GapKind::Partial, code: "cgroup_unavailable".into(), detail: reason });
    }
}

impl Backend for ProcessBackend {
    fn prepare(&mut self) -> Result<Target, LaunchError> {
        match Cgroup::create() {
            Ok(group) => self.cgroup = Some(group),
            Err(reason) => self.misses_cgroup(reason),
        }
        let (held, outside) = HeldChild::fork(&self.command, self.cgroup.as_ref(), self.signals)?;
        if let Some(reason) = outside {
            self.misses_cgroup(reason);
        }
        let pid = held.pid();
        self.child = Child::Held(held);
        let namespace = std::fs::metadata("/proc/self/ns/pid").map_err(|error| {
            LaunchError::Refused(format!("cannot read /proc/self/ns/pid: {error}; is /proc mounted?"))
        })?;
        let group = self.cgroup.as_ref().and_then(Cgroup::directory);
        let freeze = self.cgroup.as_ref().map(|group| {
            let freezer = Arc::clone(group.freezer());
            Freeze::new(move |frozen| freezer.set(Wish::Observation, frozen))
        });
        Ok(Target { pid, pid_namespace: namespace.ino(), group, freeze })
    }

    fn start(&mut self, give_up: Option<BorrowedFd<'_>>) -> Result<RootProcess, LaunchError> {
        let held = match std::mem::replace(&mut self.child, Child::None) {
            Child::Held(held) => held,
            other => {
                self.child = other;
                return Err(LaunchError::Refused("there is no held command to start".into()));
            }
        };
        let released_at = boot_time();
        let (running, executable) = held.release(&self.command, give_up)?;
        let ended = running.pidfd().try_clone_to_owned();
        let pid = running.pid();
        self.child = Child::Running(running);
        let ended = ended.map_err(|error| LaunchError::Refused(format!("out of descriptors: {error}")))?;
        Ok(RootProcess { pid, executable, released_at, ended })
    }

    fn wait(&mut self) -> io::Result<Ended> {
        match &mut self.child {
            Child::Running(child) => child.wait(),
            Child::None | Child::Held(_) => Err(io::Error::other("the command was not started")),
        }
    }

    fn kill(&mut self, signal: SignalNumber, reach: Reach) -> io::Result<()> {
        let Child::Running(child) = &self.child else { return Ok(()) };
        match (reach, &self.cgroup) {
            (Reach::Everything, Some(group)) => {
                let (root_was_seen, sent) = group.kill(signal, child.pid());
                // The root may have left the group.
                if root_was_seen { sent } else { child.signal(signal).and(sent) }
            }
            (Reach::Root, _) | (Reach::Everything, None) => child.signal(signal),
        }
    }

    fn reaches_everything(&self) -> bool {
        self.cgroup.is_some()
    }

    fn is_populated(&self) -> bool {
        match (&self.cgroup, &self.child) {
            (Some(group), _) => group.is_populated(),
            (None, Child::Running(child)) => !child.has_ended(),
            (None, _) => false,
        }
    }

    fn freeze(&mut self, frozen: bool) -> io::Result<()> {
        match &mut self.cgroup {
            Some(group) => group.freezer().set(Wish::User, frozen),
            None => Err(io::Error::other("without a control group the command cannot be frozen")),
        }
    }

    fn shares_terminal(&self) -> bool {
        matches!(&self.child, Child::Running(child) if shares_process_group(child.pid()))
    }

    fn cleanup(&mut self) -> io::Result<()> {
        if let Child::Held(_) = self.child {
            self.child = Child::None;
        }
        self.cgroup.as_mut().map_or(Ok(()), Cgroup::remove)
    }

    fn metadata(&self) -> ExecutionMetadata {
        ExecutionMetadata { backend: "process", isolation: "none", gaps: self.gaps.clone() }
    }
}
