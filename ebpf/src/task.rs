//! Reading a task: identity, credentials, namespaces, the system call that it is in.

use aya_ebpf::helpers::generated::{
    bpf_get_current_task, bpf_get_current_task_btf, bpf_ktime_get_boot_ns, bpf_task_pt_regs,
};
use glasshouse_common::{
    Credentials, Header,
    syscall::{ABI_COMPAT, ABI_NATIVE},
};

use crate::{
    layout::{Block, Kernel, Words, constant, known_call, offset, opaque},
    maps::Scratch,
};

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

/// The task that runs, as a plain address.
#[inline(always)]
pub(crate) fn current_address() -> Kernel {
    Kernel(unsafe { bpf_get_current_task() })
}

/// A pointer that the verifier knows the type of, as a plain address, which global functions take. It forgets the
/// type of what lies in a map.
#[inline(always)]
pub(crate) unsafe fn address_of(scratch: *mut Scratch, typed: u64) -> Kernel {
    let cursor = &raw mut (*scratch).walk.cursor;
    core::ptr::write_volatile(cursor, typed);
    Kernel(core::ptr::read_volatile(cursor))
}

/// Loads from a pointer that the verifier trusts. Faster than the helper by its call.
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(base: *const u8, offset: u32) -> T {
    core::ptr::read_volatile(base.add(offset as usize).cast())
}

/// The register set saved on entry to the kernel by the task that runs.
#[inline(always)]
pub(crate) fn current_regs() -> *const u8 {
    unsafe { bpf_task_pt_regs(current().cast_mut().cast()) as *const u8 }
}

/// The same of a task that the verifier trusts; they lie at `address`.
#[inline(always)]
pub(crate) unsafe fn regs(task: *const u8, address: u64) -> *const u8 {
    known_call!("r1 = {task}", "r2 = {address}", "call 175"; task = in(reg) task, address = in(reg) address)
        as *const u8
}

/// ABI of the system call that the task is in.
#[inline(always)]
pub(crate) unsafe fn abi(task: *const u8) -> u32 {
    let bit = constant!(COMPAT_BIT);
    if bit == 0 {
        return ABI_NATIVE;
    }
    // Without a choice, of which the verifier would follow both.
    const { assert!(ABI_NATIVE == 0 && ABI_COMPAT == 1) };
    let set = opaque(u64::from(load::<u32>(task, offset!(task_ti_status)) & bit));
    (set.wrapping_neg() >> 63) as u32
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
pub(crate) unsafe fn namespace_pid(task: Kernel) -> (u32, u32, u32) {
    let pid = task.follow(offset!(task_thread_pid));
    let level: u32 = pid.read(offset!(pid_level));
    // `struct upid` is an int and a pointer.
    let upid = Kernel(pid.0 + u64::from(offset!(pid_numbers)) + u64::from(level & 31) * 16);
    let mut words = Words::<2>::uninit();
    let upid = Block::read(upid, words.as_mut_ptr());
    (upid.get(offset!(upid_nr)), upid.follow(offset!(upid_ns)).read(offset!(pid_ns_inum)), level)
}

/// Writes the credentials and namespaces of a task into the record under construction, `at` bytes into it.
#[inline(always)]
pub(crate) unsafe fn credentials(scratch: *mut Scratch, task: Kernel, at: usize) {
    write_credentials(scratch, task.0, at as u64);
}

/// A global function: the verifier looks at it once, and not at every call.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn write_credentials(scratch: *mut Scratch, task: u64, at: u64) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let task = Kernel(task);
    let to =
        (&raw mut (*scratch).text.bytes).cast::<u8>().add((opaque(at) & 0xff) as usize).cast::<Credentials>();
    let cred = task.follow(offset!(task_cred));
    // Ids and capabilities lie side by side, as do the namespaces. A helper takes longer for its call than for bytes.
    let mut words = Words::<CRED_WORDS>::uninit();
    let facts = Block::read(cred, words.as_mut_ptr());
    (*to).inheritable = facts.capabilities(offset!(cred_inheritable));
    (*to).permitted = facts.capabilities(offset!(cred_permitted));
    (*to).effective = facts.capabilities(offset!(cred_effective));
    (*to).bounding = facts.capabilities(offset!(cred_bounding));
    (*to).ambient = facts.capabilities(offset!(cred_ambient));
    (*to).uid = facts.get(offset!(cred_uid));
    (*to).gid = facts.get(offset!(cred_gid));
    (*to).suid = facts.get(offset!(cred_suid));
    (*to).sgid = facts.get(offset!(cred_sgid));
    (*to).euid = facts.get(offset!(cred_euid));
    (*to).egid = facts.get(offset!(cred_egid));
    (*to).fsuid = facts.get(offset!(cred_fsuid));
    (*to).fsgid = facts.get(offset!(cred_fsgid));
    (*to).securebits = facts.get(offset!(cred_securebits));
    (*to).user_ns = cred.follow(offset!(cred_user_ns)).read(offset!(user_ns_inum));
    let mut words = Words::<NSPROXY_WORDS>::uninit();
    let namespaces = Block::read(task.follow(offset!(task_nsproxy)), words.as_mut_ptr());
    (*to).mnt_ns = namespaces.follow(offset!(nsproxy_mnt)).read(offset!(mnt_ns_inum));
    (*to).pid_ns_for_children = namespaces.follow(offset!(nsproxy_pid)).read(offset!(pid_ns_inum));
    (*to).net_ns = namespaces.follow(offset!(nsproxy_net)).read(offset!(net_ns_inum));
    (*to).uts_ns = namespaces.follow(offset!(nsproxy_uts)).read(offset!(uts_ns_inum));
    (*to).ipc_ns = namespaces.follow(offset!(nsproxy_ipc)).read(offset!(ipc_ns_inum));
    (*to).cgroup_ns = namespaces.follow(offset!(nsproxy_cgroup)).read(offset!(cgroup_ns_inum));
    0
}

/// Words of `struct cred`, whatever it is made of: its capability sets end with the 11th on the kernels seen.
const CRED_WORDS: usize = 20;
/// Words of `struct nsproxy`.
const NSPROXY_WORDS: usize = 9;
