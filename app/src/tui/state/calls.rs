//! System calls: the session's, and of processes that have not reported them what was counted a moment ago.

use super::App;
use crate::{
    event::{CallsSoFar, Denied, ProcessKey, Syscall},
    session::Process,
};

impl App {
    /// Takes in what was counted; says whether anything is new.
    pub fn counted(&mut self, calls: CallsSoFar) -> bool {
        let is_new = self.calls_so_far != calls;
        self.calls_so_far = calls;
        is_new
    }

    /// How often a process has made each call. What it has reported is exact, and all that is left when it has ended.
    pub fn made<'a>(&'a self, key: ProcessKey, process: &'a Process) -> &'a [(Syscall, u64)] {
        match self.calls_so_far.made.get(&key) {
            Some(made) if process.syscalls.is_empty() => made,
            _ => &process.syscalls,
        }
    }

    /// Calls that were denied to a process. They are reported when the observation ends.
    pub fn denied(&self, key: ProcessKey, process: &Process) -> Vec<Denied> {
        let reported = process.denied.iter();
        let reported: Vec<_> =
            reported.map(|one| Denied { call: one.call, errno: one.errno, count: one.count }).collect();
        match self.calls_so_far.denied.get(&key) {
            Some(denied) if reported.is_empty() => denied.clone(),
            _ => reported,
        }
    }

    /// Something was denied to a process.
    pub fn has_denied(&self, key: ProcessKey) -> bool {
        self.activity.of(key).denied > 0 || self.calls_so_far.denied.contains_key(&key)
    }
}
