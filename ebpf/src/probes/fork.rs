//! New processes and threads: `task_newtask(child, clone_flags)`, in the caller's context, before the child runs.

use glasshouse_common::{Family, ForkRecord, kind, state::FILES};

use super::{
    probe,
    syscall::{Call, go_on_with},
};
use crate::{
    atomic::increment,
    emit::send,
    file::tid,
    layout::{Kernel, offset},
    maps::Scratch,
    scope, task,
};

/// `CLONE_PARENT` of `linux/sched.h`, part of the system-call ABI.
const CLONE_PARENT: u64 = 0x0000_8000;
/// `CLONE_THREAD`.
const CLONE_THREAD: u64 = 0x0001_0000;

probe!(fork, "task_newtask", on_fork);

/// What the program for files and tasks goes on with, as the class of the [`Call`] that it is given: a new process.
pub(crate) const FORKS: u32 = 0x302;

#[inline(always)]
unsafe fn on_fork(arguments: *const u64) {
    let tgid: u32 = task::load(task::current(), offset!(task_tgid));
    let Some(caller) = scope::find(tgid) else { return };
    if *arguments.add(1) & CLONE_THREAD != 0 {
        increment(&raw mut (*caller).threads_started);
        return;
    }
    go_on_with(arguments, FILES, Call::of(FORKS, tgid));
}

/// Tells of a new process.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn forks(scratch: *mut Scratch, tgid: u32, child: u64, clone_flags: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let child = Kernel(child);
    let Some(caller) = scope::find(tgid) else { return 0 };
    let child_tgid: u32 = child.read(offset!(task_tgid));
    // It is the leader of its own group.
    let child_start: u64 = child.read(offset!(task_start_boottime));
    let start = (*caller).start;
    scope::add(child_tgid, child_start, (*caller).image_abi, false);

    let record = (&raw mut (*scratch).text.bytes).cast::<ForkRecord>();
    let tid = tid();
    let size = size_of::<ForkRecord>() as u32;
    (*record).header = task::header(task::now(), start, tgid, tid, kind::FORK, size);
    (*record).child_start = child_start;
    (*record).clone_flags = clone_flags;
    (*record).child_tgid = child_tgid;
    if clone_flags & CLONE_PARENT == 0 {
        (*record).parent_start = start;
        (*record).parent_tgid = tgid;
    } else {
        let parent = child.follow(offset!(task_real_parent));
        (*record).parent_start = task::start(parent);
        (*record).parent_tgid = parent.read(offset!(task_tgid));
    }
    (*record).reserved = 0;
    (*record).reserved2 = 0;
    let (pid, namespace, level) = task::namespace_pid(child);
    (*record).child_ns_pid = pid;
    (*record).child_pid_ns = namespace;
    (*record).child_ns_level = level;
    task::credentials(scratch, child, core::mem::offset_of!(ForkRecord, credentials));
    child.read_to(offset!(task_comm), &raw mut (*record).comm);
    send(scratch, Family::Process, u64::from(size));
    0
}
