//! The end of threads and processes: `sched_process_exit(task)`, in the context of the thread that ends.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use glasshouse_common::{
    ExitRecord, Family, SyscallCount, SyscallsRecord, flags, kind,
    limits::EXIT_THREADS,
    state::{NOT_POOLED, counts_key},
    syscall::{ABI_COMPAT, ABI_NATIVE, CLASS_EXIT, CLASS_SHIFT, SLOT_WORDS, SLOTS},
};

use super::{probe, syscall};
use crate::{
    atomic::incremented,
    emit::send,
    held,
    layout::{Kernel, offset, opaque},
    maps::{COUNTS, Scratch, scratch},
    path::Walk,
    scope, task,
    text::{self, Owner},
};

/// `SIGNAL_GROUP_EXIT` of `linux/sched/signal.h`.
const SIGNAL_GROUP_EXIT: u32 = 0x4;

probe!(exit, "sched_process_exit", on_exit);

#[inline(always)]
unsafe fn on_exit(_arguments: *const u64) {
    let trusted = task::current();
    let tgid: u32 = task::load(trusted, offset!(task_tgid));
    let Some(process) = scope::find(tgid) else { return };

    // exit and exit_group never return: they are counted here, for the thread that called them.
    let abi = task::abi(trusted);
    let number: u64 = task::load(task::current_regs(), offset!(regs_number));
    let word = syscall::word(abi, number as u32);
    if word >> CLASS_SHIFT == CLASS_EXIT {
        scope::count_call(tgid, abi, number as u32);
    }

    // The thread that comes here last reports. The kernel's own count of living threads will not do: a thread may
    // have left that count and not be here yet, and its call would be lost.
    if incremented(&raw mut (*process).threads_ended) <= (*process).threads_started {
        return;
    }
    let Some(scratch) = scratch() else { return };
    let start = (*process).start;
    held::end_process(scratch, process, tgid);
    let at = task::now();
    let tid: u32 = task::load(trusted, offset!(task_pid));
    let pool_index = (*process).pool_index;
    text::set_owner(scratch, Owner { at, start, tgid, tid });
    send_counts(scratch, tgid, ABI_NATIVE, pool_index);
    if COUNTS.get_ptr(&counts_key(tgid, ABI_COMPAT)).is_some() {
        send_counts(scratch, tgid, ABI_COMPAT, NOT_POOLED);
        let _ = COUNTS.remove(&counts_key(tgid, ABI_COMPAT));
    }

    let record = (&raw mut (*scratch).text.bytes).cast::<ExitRecord>();
    let size = size_of::<ExitRecord>() as u32;
    (*record).header = task::header(at, start, tgid, tid, kind::EXIT, size);
    (*record).threads_started = (*process).threads_started as u32;
    tell_end(trusted, record, &raw mut (*scratch).walk);
    send(scratch, Family::Process, u64::from(size));
    scope::remove(tgid, pool_index);
}

/// Puts what there is to say of the process of the current task, whose last thread that is, in the record.
#[inline(always)]
unsafe fn tell_end(trusted: *const u8, record: *mut ExitRecord, walk: *mut Walk) {
    let current = task::current_address();
    let signal = current.follow(offset!(task_signal));
    (*record).status = if signal.read::<u32>(offset!(signal_flags)) & SIGNAL_GROUP_EXIT != 0 {
        signal.read(offset!(signal_group_exit_code))
    } else {
        current.follow(offset!(task_group_leader)).read(offset!(task_exit_code))
    };
    (*record).max_rss_pages = signal.read(offset!(signal_maxrss));
    (*record).comm = task::load(trusted, offset!(task_comm));
    // Threads that have not been reaped yet, this one among them, still hold their own time.
    let own_time = |member| task::load::<u64>(trusted, member);
    (*record).user_ns = signal.read::<u64>(offset!(signal_utime)) + own_time(offset!(task_utime));
    (*record).system_ns = signal.read::<u64>(offset!(signal_stime)) + own_time(offset!(task_stime));
    (*record).runtime_ns = signal.read::<u64>(offset!(signal_runtime)) + own_time(offset!(task_runtime));
    let head = signal.member(offset!(signal_thread_head));
    let own = current.member(offset!(task_thread_node));
    let first = head.follow(0);
    if first == own && own.follow(0) == head {
        return;
    }
    (*walk).total = own.0;
    (*walk).found = head.0;
    (*walk).cursor = first.0;
    bpf_loop(EXIT_THREADS, add_thread_time as *mut c_void, core::ptr::null_mut(), 0);
}

/// Adds the time of the thread at `cursor` to the record under construction; that of the thread that ends, which is at
/// `total`, is in it.
unsafe extern "C" fn add_thread_time(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let walk = &raw mut (*scratch).walk;
    if (*walk).cursor == (*walk).found || (*walk).cursor == 0 {
        return 1;
    }
    let record = (&raw mut (*scratch).text.bytes).cast::<ExitRecord>();
    let node = Kernel((*walk).cursor);
    if node.0 != (*walk).total {
        let thread = Kernel(node.0 - u64::from(offset!(task_thread_node)));
        (*record).user_ns += thread.read::<u64>(offset!(task_utime));
        (*record).system_ns += thread.read::<u64>(offset!(task_stime));
        (*record).runtime_ns += thread.read::<u64>(offset!(task_runtime));
    }
    (*walk).cursor = node.read(0);
    0
}

/// Sends the counts of one ABI, and sets them to zero.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn send_counts(scratch: *mut Scratch, tgid: u32, abi: u32, pool_index: u32) -> i32 {
    if scratch.is_null() {
        return 0;
    }
    let walk = &raw mut (*scratch).walk;
    // `cursor` and `total`: whose they are; `in_root`: word of the bitmap; `found`: its bits that are left; `length`:
    // entries so far.
    (*walk).cursor = counts_key(tgid, abi);
    (*walk).total = u64::from(pool_index);
    (*walk).in_root = u32::MAX;
    (*walk).found = 0;
    (*walk).length = 0;
    bpf_loop((SLOTS + SLOT_WORDS + 1) as u32, list_count as *mut c_void, core::ptr::null_mut(), 0);
    let count = (*walk).length;
    if count > SLOTS as u64 {
        return 0;
    }
    let record = (&raw mut (*scratch).text.bytes).cast::<SyscallsRecord>();
    let size = size_of::<SyscallsRecord>() as u64 + count * size_of::<SyscallCount>() as u64;
    let bits = if abi == ABI_NATIVE { 0 } else { flags::SYSCALLS_COMPAT };
    let owner = &raw const (*scratch).text.owner;
    (*record).header =
        task::header((*owner).at, (*owner).start, tgid, (*owner).tid, kind::SYSCALLS, size as u32);
    (*record).count = count as u32;
    (*record).flags = bits;
    send(scratch, Family::Syscalls, size);
    0
}

/// Lists the next slot in use, and clears it.
unsafe extern "C" fn list_count(_index: u32, _context: *mut c_void) -> i64 {
    let Some(scratch) = scratch() else { return 1 };
    let walk = &raw mut (*scratch).walk;
    let Some(counts) = scope::counts((*walk).total as u32, (*walk).cursor) else { return 1 };
    if (*walk).found == 0 {
        let next = (*walk).in_root.wrapping_add(1);
        if next >= SLOT_WORDS as u32 {
            return 1;
        }
        (*walk).in_root = next;
        let used = (&raw mut (*counts).used).cast::<u64>().add(next as usize);
        (*walk).found = *used;
        *used = 0;
        return 0;
    }
    let bits = (*walk).found;
    (*walk).found = bits & (bits - 1);
    let slot = opaque(u64::from((*walk).in_root) * 64 + u64::from(bits.trailing_zeros()));
    let entry = opaque((*walk).length);
    if slot >= SLOTS as u64 || entry >= SLOTS as u64 {
        return 1;
    }
    let entries =
        (&raw mut (*scratch).text.bytes).cast::<u8>().add(size_of::<SyscallsRecord>()).cast::<SyscallCount>();
    let count = (&raw mut (*counts).counts).cast::<u64>().add(slot as usize);
    *entries.add(entry as usize) = SyscallCount { count: *count, slot: slot as u32, reserved: 0 };
    *count = 0;
    (*walk).length = entry + 1;
    0
}
