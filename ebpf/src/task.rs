//! Reading a task: identity, credentials, namespaces, the system call that it is in.

use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_ktime_get_boot_ns, bpf_task_pt_regs};
use glasshouse_common::{
    Credentials, Header,
    syscall::{ABI_COMPAT, ABI_NATIVE},
};

use crate::layout::{Kernel, constant, offset};

/// Seconds since boot, suspend included, in nanoseconds.
#[inline(always)]
pub(crate) fn now() -> u64 {
    unsafe { bpf_ktime_get_boot_ns() }
}

/// The task that runs, as a pointer that the verifier trusts for direct loads.
#[inline(always)]
pub(crate) fn current() -> *const u8 {
    unsafe { bpf_get_current_task_btf() as *const u8 }
}

/// Loads from a pointer that the verifier trusts. Faster than the helper by its call.
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(base: *const u8, offset: u32) -> T {
    core::ptr::read_volatile(base.add(offset as usize).cast())
}

/// The register set saved on entry to the kernel by the task that runs.
#[inline(always)]
pub(crate) fn current_regs() -> *const u8 {
    unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) as *const u8 }
}

/// ABI of the system call that the task is in.
#[inline(always)]
pub(crate) unsafe fn abi(task: *const u8) -> u32 {
    let bit = constant!(COMPAT_BIT);
    if bit != 0 && load::<u32>(task, offset!(task_ti_status)) & bit != 0 { ABI_COMPAT } else { ABI_NATIVE }
}

/// Start of a process: that of its group's leader.
#[inline(always)]
pub(crate) fn start(task: Kernel) -> u64 {
    task.follow(offset!(task_group_leader)).read(offset!(task_start_boottime))
}

/// Fills in a header for the task that runs.
#[inline(always)]
pub(crate) fn header(at: u64, start: u64, tgid: u32, tid: u32, kind: u32, size: u32) -> Header {
    Header { at, start, tgid, tid, kind, size }
}

/// Id, namespace inode and depth of a task in its innermost pid namespace.
#[inline(always)]
pub(crate) fn namespace_pid(task: Kernel) -> (u32, u32, u32) {
    let pid = task.follow(offset!(task_thread_pid));
    let level: u32 = pid.read(offset!(pid_level));
    // `struct upid` is an int and a pointer.
    let upid = Kernel(pid.0 + u64::from(offset!(pid_numbers)) + u64::from(level & 31) * 16);
    let namespace = upid.follow(offset!(upid_ns));
    (upid.read(offset!(upid_nr)), namespace.read(offset!(pid_ns_inum)), level)
}

/// Writes the credentials and namespaces of a task to `to`.
#[inline(always)]
pub(crate) unsafe fn credentials(task: Kernel, to: *mut Credentials) {
    let cred = task.follow(offset!(task_cred));
    (*to).inheritable = cred.read(offset!(cred_inheritable));
    (*to).permitted = cred.read(offset!(cred_permitted));
    (*to).effective = cred.read(offset!(cred_effective));
    (*to).bounding = cred.read(offset!(cred_bounding));
    (*to).ambient = cred.read(offset!(cred_ambient));
    (*to).uid = cred.read(offset!(cred_uid));
    (*to).gid = cred.read(offset!(cred_gid));
    (*to).suid = cred.read(offset!(cred_suid));
    (*to).sgid = cred.read(offset!(cred_sgid));
    (*to).euid = cred.read(offset!(cred_euid));
    (*to).egid = cred.read(offset!(cred_egid));
    (*to).fsuid = cred.read(offset!(cred_fsuid));
    (*to).fsgid = cred.read(offset!(cred_fsgid));
    (*to).securebits = cred.read(offset!(cred_securebits));
    (*to).user_ns = cred.follow(offset!(cred_user_ns)).read(offset!(user_ns_inum));
    let namespaces = task.follow(offset!(task_nsproxy));
    (*to).mnt_ns = namespaces.follow(offset!(nsproxy_mnt)).read(offset!(mnt_ns_inum));
    (*to).pid_ns_for_children = namespaces.follow(offset!(nsproxy_pid)).read(offset!(pid_ns_inum));
    (*to).net_ns = namespaces.follow(offset!(nsproxy_net)).read(offset!(net_ns_inum));
    (*to).uts_ns = namespaces.follow(offset!(nsproxy_uts)).read(offset!(uts_ns_inum));
    (*to).ipc_ns = namespaces.follow(offset!(nsproxy_ipc)).read(offset!(ipc_ns_inum));
    (*to).cgroup_ns = namespaces.follow(offset!(nsproxy_cgroup)).read(offset!(cgroup_ns_inum));
}
