//! System calls as they were counted by now.

use super::{Denied, ProcessKey, Syscall};
use crate::maps::HashMap;

/// What the kernel side has counted of processes that have not reported it yet, to be looked at while a run goes on. It is
/// never added up: a counter that is being counted up may be read torn, and what is exact comes as events.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CallsSoFar {
    /// How often each process has made each call.
    pub made: HashMap<ProcessKey, Vec<(Syscall, u64)>>,
    /// Calls that were denied to each process, also of processes that have ended.
    pub denied: HashMap<ProcessKey, Vec<Denied>>,
}
